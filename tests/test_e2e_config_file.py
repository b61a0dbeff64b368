"""
The file itself: how it is read, what it includes, and what is said of mistakes in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from tests.support.agent_process import program
from tests.support.telling import TellingTestCase, once
from tests.test_e2e_gafferd import ALL, ALONE

VALUES = {
    "gaffer": (
        ("http_endpoints", "a, nowhere", "there is no section [endpoint:nowhere]"),
        ("backlog", "0", "must be an integer from 1 to 65535"),
        ("include", "missing.ini", "missing.ini can't be read: No such file or directory"),
        ("include_dir", "missing", "missing can't be read: No such file or directory"),
        ("allowed_hosts", "http://a", "must be names of hosts"),
        ("trusted_proxies", "10.0.0.1/8", "must be addresses, networks"),
        ("cors_origins", "*", "must be origins"),
        ("allowed_sources", "ftp://a", "URL 1 of 1"),
        ("private_sources", "maybe", "must be true or false"),
        ("port_range", "9-1", "must be two ports of 1 to 65535"),
        ("stop_timeout", "-1", "must be a number of seconds from 0 to 3600"),
        ("uid", "no-such-one", "there is no user 'no-such-one'"),
        ("gid", "no-such-one", "there is no group 'no-such-one'"),
        ("open_files", "-1", "must be an integer"),
        ("limit_processes", "many", "must be an integer"),
    ),
    "endpoint:a": (
        ("bind", "127.0.0.1", "HOST:PORT"),
        ("certfile", "missing.pem", "missing.pem can't be read"),
        ("keyfile", "missing.key", "missing.key can't be read"),
        ("cafile", ".", "is no plain file"),
        ("backlog", "many", "must be an integer from 1 to 65535"),
        ("api", "other", "must be one of smartmob, gafferd, both"),
    ),
    "webhooks": (
        ("proc..x", "http://a", "proc..x"),
        ("start", "gopher://a", "https"),
        ("secret_file", "missing", "missing can't be read"),
    ),
    "process:dummy": (
        ("cmd", "./it's", "a quote is not closed"),
        ("args", "a\\", "a backslash at its end"),
        ("uid", "no-such-one", "there is no user 'no-such-one'"),
        ("gid", "4294967296", "must be a name, or a number to 4294967294"),
        ("detach", "perhaps", "must be true or false"),
        ("shell", "sh", "must be true or false"),
        ("os_env", "2", "must be true or false"),
        ("numprocesses", "-1", "must be an integer from 0 to 10000"),
        ("start", "never", "must be true or false"),
        ("priority", "high", "must be an integer"),
        ("flapping", "2, 1.", "must be attempts, window, retry_in, max_retry"),
        ("redirect_output", "a, b, c", "must be one label or two"),
        ("redirect_input", "stdin", "must be true or false"),
        ("graceful_timeout", "3601", "must be a number of seconds from 0 to 3600"),
        ("stop_signal", "NOPE", "is not a signal of this system"),
        ("restart", "sometimes", "must be one of always, on-failure, never"),
        ("output", "keep", "must be one of drop, block"),
        ("umask", "9", "must be octal digits"),
        ("nice", "20", "must be an integer from -20 to 19"),
        ("no_new_privileges", "x", "must be true or false"),
        ("labels", "a", "must be NAME=VALUE"),
        ("env", "A", "must be NAME=VALUE"),
        ("limit_memory_bytes", "1 GiB", "must be an integer"),
        ("limit_cpu_percent", "0", "must be an integer"),
        ("app", "a", "is said by the name of the section"),
    ),
}
"""By section: keys, values they can't have, and what is said of these."""

WHOLE = {
    "cmd = x": r":1: stands before the first \[section\]",
    "[process:a": r":1: the name of a section ends with \]",
    "[process:a b]\ncmd = x": r":1: \[process:a b\] its name must be",
    "[process:a]\nargs = x": r":1: \[process:a\] needs cmd",
    "[process:a]\ncmd = x\ncmd = y": r":3: \[process:a\] cmd: is there a second time",
    "[process:a]\ncmd = x\n[process:a]": r":3: \[process:a\] is there a second time",
    "[process:a]\ncmd = x\n[process:default.a]\ncmd = x": r":3: \[.*\] means the same as \[",
    "[process:a]\ncmd = x\nflapping = 0, 1, 1, 1": r":3: \[.*\] flapping: attempts must be",
    "[process:a]\nnumprocesses = 10000\ncmd = x\n[process:b]\ncmd = x": (
        r":4: \[process:b\] makes 10001 processes in all"
    ),
    "[gaffer]\n[smartmob]": r":2: \[smartmob\] can't be beside \[gaffer\]",
    "[endpoint:a]\nbacklog = 5": r":1: \[endpoint:a\] needs bind",
    "[gaffer]\ninclude = gaffer.ini": r":2: \[gaffer\] include: .* includes itself in the end",
    "[env:a]\nA = \x01\0": r":2: has a NUL character",
}
"""Files, and what is said of each as a whole."""


class ReadTests(TellingTestCase):
    """
    How it is read.
    """

    async def test_included(self) -> None:
        """
        Files are read before folders, a folder by name, all of them after what includes them;
        of the same key the later wins, and a path starts at the file it stands in.
        """
        folder = self.folder / "more"
        for path in ("more/tell", "more/sub/tell"):
            self.teller(self.folder / path)
        for name, text in {
            "first.ini": "[process:a]\nargs = first\n[gaffer]\ninclude = sub/inner.ini\n",
            "sub/inner.ini": once("inner") + "[process:b]\nargs = inner\n",
            "conf.d/2.ini": "[process:a]\nargs = two\n[env:a]\nTWO = 2\n",
            "conf.d/10.ini": "[process:a]\nargs = ten\n[env:a]\nTWO = 10\n",
            "conf.d/3.conf": "[process:a]\nargs = other\n",
            "conf.d/.4.ini": "[process:a]\nargs = hidden\n",
            "conf.d/deep/1.ini": "[process:c]\nargs = deep\n",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        self.write(
            once("a", args="main"),
            "[env:a]\nONE = 1\nTWO = 0\n",
            once("b", args="main", cwd="more"),
            once("c"),
        )
        including = "[gaffer]\ninclude = more/first.ini\ninclude_dir = more/conf.d"
        self.file.write_text(self.file.read_text().replace("[gaffer]", including))
        agent = self.spawn_agent("-c", str(self.file), bind=())
        [url] = await agent.listens()
        remote = self.remote(url)
        a = await self.told(remote, "a")
        self.assertEqual((a["words"], a["env"]["ONE"], a["env"]["TWO"]), (["two"], "1", "2"))
        b = await self.told(remote, "b")
        self.assertEqual((b["words"], b["cwd"]), (["inner"], str(folder)))
        self.assertEqual((await self.told(remote, "c"))["words"], ["deep"])
        self.assertEqual((await self.told(remote, "inner"))["cwd"], str(folder / "sub"))

    async def test_literal(self) -> None:
        """
        Lines that begin with ; or # are comments, a value is literal, keys keep their case,
        and a key without a value is as if it were not there.
        """
        _, remote = await self.configured(
            "; a comment\n# another\n[process:a]  ; and this\n",
            "cmd : ./tell %h %(x)s 50%% a;b ;uid = # not\nargs = x\n  y\n\n  z\n",
            ";uid = nobody\nuid =\ngid=\ncwd =\nflapping =\nrestart = never\n",
            "[env:a]\nlower = a=b : c\nUPPER =\nMixed: %\n",
        )
        told = await self.told(remote, "a")
        words = ["%h", "%(x)s", "50%%", "a;b", ";uid", "=", "#", "not", "x", "y", "z"]
        self.assertEqual(told["words"], words)
        env = {name: told["env"].get(name) for name in ("lower", "UPPER", "Mixed")}
        self.assertEqual(env, {"lower": "a=b : c", "UPPER": None, "Mixed": "%"})

    async def test_names(self) -> None:
        """
        C{dummy} is of the app C{default}; C{app:name} and C{app.name} are of that app, and
        their environment goes by either name.
        """
        _, remote = await self.configured(
            *(once("dummy"), once("blog:web"), once("shop.web")),
            "[env:default.dummy]\nX = 1\n[env:blog.web]\nX = 2\n[env:shop:web]\nX = 3\n",
        )
        listing = (await remote.get("/list-processes"))["processes"]
        found = {each["slug"]: (each["app"], each["process_type"]) for each in listing}
        wanted = {
            "default.dummy.0": ("default", "dummy"),
            "blog.web.0": ("blog", "web"),
            "shop.web.0": ("shop", "web"),
        }
        self.assertEqual(found, wanted)
        for number, slug in enumerate(wanted, 1):
            [line] = await self.lines(remote, slug)
            self.assertIn(f'"X": "{number}"', line)
        listing = await remote.get("/list-processes?app=blog")
        self.assertEqual([each["slug"] for each in listing["processes"]], ["blog.web.0"])

    async def test_odd(self) -> None:
        """
        What is not known is a warning with the nearest name, and harms nothing.
        """
        agent, remote = await self.configured(
            once("a", numproceses=3), "[proces:b]\ncmd = x\n", "[webhook]\n", "[other]\nx = 1\n"
        )
        await self.told(remote, "a")
        for said in (
            r"\[process:a\] numproceses: is not known; did you mean numprocesses\?",
            r"\[proces:b\] is not known; did you mean process:b\?",
            r"\[webhook\] is not known; did you mean webhooks\?",
            r"\[other\] is not known",
        ):
            self.assertRegex(
                agent.err.decode(), rf"warn: {re.escape(str(self.file))}:\d+: {said}"
            )


class MistakesTests(TellingTestCase):
    """
    What is said of mistakes.
    """

    async def fails(self, command: Sequence[str], *options: str) -> list[str]:
        """
        The lines that an agent says which does not start, and leaves nothing.
        """
        agent = self.spawn(program(command[0]), *command[1:], *options)
        self.assertEqual(await agent.exit(), 2, agent.err)
        await agent.says_no_more()
        self.assertEqual((agent.out, agent.below()), (b"", []))
        return agent.err.decode().splitlines()

    async def test_values(self) -> None:
        """
        Under every program --check says each value that is wrong, with file, line, section,
        key and reason; without it the first is said in one line, with the number of others.
        """
        lines = []
        wanted = []
        for name, rows in VALUES.items():
            lines.append(f"[{name}]")
            for key, value, why in rows:
                lines.append(f"{key} = {value}")
                place = f"{self.file}:{len(lines)}: [{name}] {key}: "
                wanted.append(f"{re.escape(place)}.*{re.escape(why)}")
        self.file.write_text("\n".join(lines))
        for command in ALL:
            said = await self.fails(command, "--check", "gaffer.ini")
            self.assertEqual(len(said), len(wanted), said)
            for line, pattern in zip(said, wanted, strict=True):
                self.assertRegex(line, f"^{pattern}")
            [line] = await self.fails(command, "gaffer.ini")
            self.assertRegex(line, f"{wanted[0]}.* \\(and {len(wanted) - 1} more: --check")
        self.assertEqual(sorted(os.listdir(self.folder)), ["gaffer.ini", "tell"])

    async def test_whole(self) -> None:
        """
        So are files that can't be read, or that do not make sense as a whole.
        """
        for text, why in WHOLE.items():
            self.file.write_text(text)
            [line] = await self.fails(ALONE, "gaffer.ini")
            self.assertRegex(line, f"^smartmob: {self.file}{why}")
        self.file.write_bytes(b"[gaffer]\n# \xff\n")
        [line] = await self.fails(ALONE, "gaffer.ini")
        self.assertIn(f"{self.file}:2: is not UTF-8", line)
        [line] = await self.fails(ALONE, "nowhere.ini")
        self.assertIn(f"{self.folder}/nowhere.ini: can't be read: No such file", line)

    async def test_included(self) -> None:
        """
        A mistake in an included file has the place in that.
        """
        self.file.write_text("[gaffer]\ninclude = other.ini\n")
        (self.folder / "other.ini").write_text("\n[process:a]\ncmd = x\nnice = 99\n")
        [line] = await self.fails(ALONE, "gaffer.ini")
        self.assertIn(f"{self.folder}/other.ini:4: [process:a] nice: must be", line)
