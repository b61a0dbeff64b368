"""
Tests of the keys of C{[process:NAME]}, L{smartmob.config.processes}.
"""

from __future__ import annotations

import os
from typing import Any

from attrs import evolve, fields_dict

from smartmob.config.processes import KEYS
from smartmob.documents import Definition, Flapping, Limits, Output, Restart
from smartmob.templates import Identity
from tests.support.configuring import ConfigurationTestCase

#: Lines of a section, and what they make of its model.
MODELS: dict[str, dict[str, Any]] = {
    "args = -a 'b c' $X": {"args": "-a 'b c' $X"},
    "uid = ada": {
        "identity": Identity(
            uid=1001, gid=2001, groups=(2001, 2050), name="ada", home="/home/ada"
        )
    },
    "gid = staff": {
        "identity": Identity(uid=0, gid=2050, groups=(0, 4), name="root", home="/root")
    },
    "detach = true": {"detach": True},
    "detach = no": {"detach": False},
    "shell = ON": {"shell": True},
    "os_env = 0": {"os_env": False},
    "priority = 3": {"priority": 3},
    "priority = -3": {"priority": -3},
    "redirect_output = out": {"streams": ("out", None)},
    "redirect_output = out, err": {"streams": ("out", "err")},
    "redirect_output = out err": {"streams": ("out", "err")},
    "redirect_output = out,out": {"streams": ("out", "out")},
    "redirect_output = stderr, stdout": {"streams": ("stderr", "stdout")},
    "redirect_input = Yes": {"redirect_input": True},
    "graceful_timeout = 5": {"graceful_timeout": 5.0},
    "graceful_timeout = .5": {"graceful_timeout": 0.5},
    "graceful_timeout = 0": {"graceful_timeout": 0.0},
    "stop_signal = int": {"stop_signal": 2},
    "stop_signal = SIGINT": {"stop_signal": 2},
    "stop_signal = 2": {"stop_signal": 2},
    "restart = on-failure": {"restart": Restart.ON_FAILURE},
    "output = block": {"output": Output.BLOCK},
    "umask = 027": {"umask": 0o027},
    "nice = -5": {"nice": -5},
    "no_new_privileges = true": {"no_new_privileges": True},
    "labels = a=b, c='d e'": {"labels": {"a": "b", "c": "d e"}},
    "env = A=1, B='x, y' C=\"a b\"=c\n  D=": {
        "env": {"A": "1", "B": "x, y", "C": "a b=c", "D": ""}
    },
    "limit_memory_bytes = 1048576": {"limits": Limits(memory_bytes=1 << 20)},
    "limit_processes = 2": {"limits": Limits(processes=2)},
    "limit_open_files = 3": {"limits": Limits(open_files=3)},
    "limit_file_bytes = 4": {"limits": Limits(file_bytes=4)},
    "limit_core_bytes = 0": {"limits": Limits(core_bytes=0)},
    "limit_cpu_seconds = 5": {"limits": Limits(cpu_seconds=5)},
    "limit_cpu_percent = 50": {"limits": Limits(cpu_percent=50)},
    # without a value they are not there
    "cwd =\nuid =\nflapping =\nredirect_output :\numask": {},
}

#: What flapping may be spelled as.
FLAPPING = """
2, 1., 7., 5
2 1. 7. 5
2,1,7,5
2,1.0 , 7  5
attempts=2, window=1., retry_in=7., max_retry=5
attempts=2 window=1. retry_in=7. max_retry=5
attempts = 2,window = 1.,retry_in = 7.,max_retry = 5
max_retry=5, retry_in=7., window=1., attempts=2
"""

#: Lines that are wrong, and what is said.
WRONG: dict[str, list[str]] = {
    "args = 'x": ["args: a quote is not closed"],
    "args = x\\": ["args: a backslash at its end, and nothing behind it"],
    "detach = maybe": ["detach: must be true or false (or yes, no, on, off, 1, 0)"],
    "shell = 2": ["shell: must be true or false (or yes, no, on, off, 1, 0)"],
    "os_env = t": ["os_env: must be true or false (or yes, no, on, off, 1, 0)"],
    "start = -": ["start: must be true or false (or yes, no, on, off, 1, 0)"],
    "redirect_input = x": ["redirect_input: must be true or false (or yes, no, on, off, 1, 0)"],
    "no_new_privileges = x": [
        "no_new_privileges: must be true or false (or yes, no, on, off, 1, 0)"
    ],
    "numprocesses = -1": ["numprocesses: must be an integer from 0 to 10000"],
    "numprocesses = 10001": ["numprocesses: must be an integer from 0 to 10000"],
    "numprocesses = 1.": ["numprocesses: must be an integer from 0 to 10000"],
    "numprocesses = 1 ; one": ["numprocesses: must be an integer from 0 to 10000"],
    f"numprocesses = {'9' * 5000}": ["numprocesses: must be an integer from 0 to 10000"],
    "priority = high": ["priority: must be an integer from -2147483648 to 2147483647"],
    "graceful_timeout = 3601": ["graceful_timeout: must be a number of seconds from 0 to 3600"],
    "graceful_timeout = 30s": ["graceful_timeout: must be a number of seconds from 0 to 3600"],
    "graceful_timeout = inf": ["graceful_timeout: must be a number of seconds from 0 to 3600"],
    "stop_signal = NO": ["stop_signal: is not a signal of this system"],
    "stop_signal = 1.5": [
        'stop_signal: must be the name of a signal, such as "TERM", or its number'
    ],
    "restart = sometimes": ["restart: must be one of always, on-failure, never"],
    "output = keep": ["output: must be one of drop, block"],
    "umask = 8": ["umask: must be octal digits, such as 027"],
    "nice = 20": ["nice: must be an integer from -20 to 19"],
    "labels = a": ["labels: must be NAME=VALUE, with commas or spaces between several"],
    f"labels = {'a' * 257}=b": [
        f"labels: {'a' * 93}... must not have more than 256 characters"
    ],
    "env = A": ["env: must be NAME=VALUE, with commas or spaces between several"],
    "env = =x": ["env: must be NAME=VALUE, with commas or spaces between several"],
    "env = A='x": ["env: a quote is not closed"],
    "env = A=1 A=2": ["env: names A twice"],
    "redirect_output = a, b, c": [
        "redirect_output: must be one label or two: of standard output, and of standard error"
    ],
    "redirect_output = ,": [
        "redirect_output: must be one label or two: of standard output, and of standard error"
    ],
    "redirect_output = a.b": [
        "redirect_output: must be labels of 1 to 32 letters, digits, _ or -"
    ],
    f"redirect_output = {'a' * 33}": [
        "redirect_output: must be labels of 1 to 32 letters, digits, _ or -"
    ],
    "redirect_output = out, smartmob": [
        "redirect_output: must not be smartmob: so are lines called that the agent itself adds"
    ],
    "limit_memory_bytes = -1": [
        "limit_memory_bytes: must be an integer from 0 to 9223372036854775807"
    ],
    "limit_open_files = many": [
        "limit_open_files: must be an integer from 0 to 9223372036854775807"
    ],
    "limit_cpu_percent = 0": ["limit_cpu_percent: must be an integer from 1 to 1000000"],
    "flapping = 2, 1., 7.": [
        (
            "flapping: must be attempts, window, retry_in, max_retry: four numbers, such as "
            "2, 1., 7., 5"
        )
    ],
    "flapping = 0, 0, x, -2": [
        "flapping: attempts must be an integer from 1 to 1000",
        "flapping: window must be a number of seconds of more than 0, at most 31536000",
        "flapping: retry_in must be a number of seconds from 0 to 31536000",
        "flapping: max_retry must be an integer of -1 or more",
    ],
    "flapping = attempts=2, window=1., retry_in=7.": ["flapping: max_retry is missing"],
    "flapping = attemps=2, window=1., retry_in=7., max_retry=5": [
        "flapping: attempts is missing",
        "flapping: attemps is not known; did you mean attempts?",
    ],
    "flapping = attempts=2, attempts=2, window=1., retry_in=7., max_retry=5": [
        "flapping: says attempts twice"
    ],
    "flapping = attempts=2, 1., 7., 5": [
        "flapping: must be attempts=2, window=1., retry_in=7., max_retry=5, or the numbers"
    ],
    "cwd = ~nobody-here/x": [
        "cwd: ~nobody-here is nobody's home; a folder of that name is ./~nobody-here"
    ],
    f"flapping = {'a' * 1000}=": ["flapping: must not have more than 1000 characters"],
    f"args = {'x' * 131_073}": [
        "args: must not have more than 131072 bytes, it has 131073",
    ],
    f"args = {'x' * 131_073}\nshell = true": [
        "args: must not have more than 131072 bytes, it has 131073",
    ],
    f"labels = {'x' * 131_071}=é": [
        "labels: must not have more than 131072 bytes, it has 131074",
    ],
    f"env = {'x' * 131_072}=": [
        "env: must not have more than 131072 bytes, it has 131073",
    ],
    "app = a": ["app: is said by the name of the section, [process:APP:TYPE]"],
    "node = a.0": ["node: is said by the name of the section, [process:APP:TYPE]"],
    "process_type = a": [
        "process_type: is said by the name of the section, [process:APP:TYPE]"
    ],
    "uid = nobody-here": ["uid: there is no user 'nobody-here'"],
    "gid = nobody-here": ["gid: there is no group 'nobody-here'"],
}


class KeyTests(ConfigurationTestCase):
    """
    What each of them does.
    """

    def test_usual(self) -> None:
        """
        A section needs no more than C{cmd}.
        """
        template = self.process()
        self.assertEqual(template.name, "default.dummy")
        self.assertEqual((template.numprocesses, template.start), (1, True))
        model = template.model
        self.assertEqual(model.slug, "default.dummy.0")
        self.assertEqual((model.cmd, model.args), ("./dummy.py", ""))
        self.assertEqual(model.cwd, os.fspath(self.folder))
        self.assertEqual(model.graceful_timeout, 30.0)
        self.assertEqual(model.streams, ("stdout", "stderr"))
        self.assertEqual((model.detach, model.shell, model.os_env), (False, False, True))
        self.assertEqual((model.identity, model.priority, model.flapping), (None, None, None))

    def test_keys(self) -> None:
        """
        Each key is applied, and nothing but it.
        """
        usual = self.process().model
        for lines, expected in MODELS.items():
            with self.subTest(lines=lines):
                self.assertEqual(self.process(lines).model, evolve(usual, **expected))

    def test_flapping(self) -> None:
        """
        Flapping has its four numbers in order or by name, commas or not.
        """
        expected = Flapping(attempts=2, window=1.0, retry_in=7.0, max_retry=5)
        for text in FLAPPING.strip().splitlines():
            with self.subTest(text=text):
                self.assertEqual(self.process(f"flapping = {text}").model.flapping, expected)

    def test_numbers(self) -> None:
        """
        How many there are, and whether they are started, is said of the section.
        """
        for lines, expected in {
            "numprocesses = 0": (0, True),
            "numprocesses = 10000\nstart = off": (10_000, False),
            "start = FALSE": (1, False),
            "start = 1": (1, True),
        }.items():
            template = self.process(lines)
            self.assertEqual((template.numprocesses, template.start), expected)

    def test_wrong(self) -> None:
        """
        A bad value is said with its place, and what would be a good one.
        """
        for line, expected in WRONG.items():
            with self.subTest(line=line):
                self.assertEqual(self.wrong(line), expected)

    def test_unknown(self) -> None:
        """
        An unknown key is a warning with the nearest that is known.
        """
        self.assertEqual(
            self.warnings(
                "[process:a]\ncmd = x\nnumproceses = 2\nUID = x\nzzz = 1\nsource_url=x"
            ),
            [
                (
                    "agent.ini:3: [process:a] numproceses: is not known; "
                    "did you mean numprocesses?"
                ),
                "agent.ini:4: [process:a] UID: is not known; did you mean uid?",
                "agent.ini:5: [process:a] zzz: is not known",
                "agent.ini:6: [process:a] source_url: is not known",
            ],
        )

    def test_definition(self) -> None:
        """
        There is a key for each member of a definition that the name does not say.
        """
        members = set(fields_dict(Definition)) - {"app", "node", "process_type", "limits"}
        self.assertEqual(members - set(KEYS), set())
        for name in fields_dict(Limits):
            self.assertIn(f"limit_{name}", KEYS)
