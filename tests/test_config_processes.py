"""
Tests of L{smartmob.config.processes}.
"""

from __future__ import annotations

import os

from smartmob.config.findings import shown
from tests.support.configuring import ConfigurationTestCase, accounts


class ProcessTests(ConfigurationTestCase):
    """
    Tests of C{[process:NAME]}.
    """

    def test_cwd(self) -> None:
        """
        A folder is relative to that of the file; that it is missing is no mistake.
        """
        self.assertEqual(self.process("cwd = .").model.cwd, os.fspath(self.folder))
        self.assertEqual(self.process("cwd = no/x").model.cwd, f"{self.folder}/no/x")
        self.assertEqual(self.process("cwd = ../x").model.cwd, f"{self.folder.parent}/x")
        self.assertEqual(self.process("cwd = /srv").model.cwd, "/srv")
        self.patch(os, "environ", {**os.environ, "HOME": "/home/x"})
        self.assertEqual(self.process("cwd = ~/y").model.cwd, "/home/x/y")

    def test_cwdIncluded(self) -> None:
        """
        In an included file it is relative to the folder of that, without C{cwd} too.
        """
        self.write("b/b.ini", "[process:a]\ncmd = x\n[process:b]\ncmd = x\ncwd = c\n")
        first, second = self.load("[gaffer]\ninclude = b/b.ini\n").templates
        self.assertEqual(first.model.cwd, f"{self.folder}/b")
        self.assertEqual(second.model.cwd, f"{self.folder}/b/c")

    def test_literal(self) -> None:
        """
        A command is kept as it is written: C{%} is a character, and so is C{;} in a line.
        """
        text = "./a 100% %(x)s $X ; # 'b  c'"
        [template] = self.load(f"[process:a]\ncmd = {text}\n").templates
        self.assertEqual(template.model.cmd, text)

    def test_names(self) -> None:
        """
        The name of a section is a process type, or an app and a process type.
        """
        for name, slug in {
            "dummy": "default.dummy.0",
            "blog:web": "blog.web.0",
            "blog.web": "blog.web.0",
            "default:dummy": "default.dummy.0",
            "a_b-1:c_d-2": "a_b-1.c_d-2.0",
        }.items():
            model = self.process(name=name).model
            self.assertEqual(model.slug, slug)
            self.assertEqual(f"{model.app}.{model.process_type}.0", slug)

    def test_badNames(self) -> None:
        """
        Any other name is wrong, and what is in the section is looked at all the same.
        """
        said = "1 to 100 letters, digits, _ or -, the first a letter or digit"
        for name, why in {
            "": f"its name must be {said}",
            "-a": f"its name must be {said}",
            "a b": f"its name must be {said}",
            " a": f"its name must be {said}",
            "a:b:c": f"its name must be {said}",
            "a.b.c": f"its name must be {said}",
            "a:b.c": f"its name must be {said}",
            ":a": f"its app must be {said}",
            "ä:b": f"its app must be {said}",
            "a" * 96: "its name is too long: with a dot and a number 100 characters",
        }.items():
            with self.subTest(name=name):
                section = shown(f"process:{name}")
                self.assertEqual(
                    self.mistakes(f"[process:{name}]\ncmd = x\nnice = x"),
                    [
                        f"agent.ini:1: [{section}] {why}",
                        f"agent.ini:3: [{section}] nice: must be an integer from -20 to 19",
                    ],
                )

    def test_sameProcess(self) -> None:
        """
        Two sections that mean the same process are one too many.
        """
        text = "[process:dummy]\ncmd = x\n[process:default:dummy]\ncmd = x\n"
        self.assertEqual(
            self.mistakes(text + "[env:dummy]\nA = 1\n[env:default.dummy]\n"),
            [
                (
                    "agent.ini:3: [process:default:dummy] means the same as [process:dummy], "
                    "agent.ini:1"
                ),
                "agent.ini:7: [env:default.dummy] means the same as [env:dummy], agent.ini:5",
            ],
        )

    def test_allAtOnce(self) -> None:
        """
        All that is wrong is said at once, in the order of the file.
        """
        self.assertEqual(
            self.mistakes("[process:a]\nnice = x\nshell = x\n[process:b]\numask = x\n"),
            [
                "agent.ini:1: [process:a] needs cmd, the program to run",
                "agent.ini:2: [process:a] nice: must be an integer from -20 to 19",
                (
                    "agent.ini:3: [process:a] shell: must be true or false "
                    "(or yes, no, on, off, 1, 0)"
                ),
                "agent.ini:4: [process:b] needs cmd, the program to run",
                "agent.ini:5: [process:b] umask: must be octal digits, such as 027",
            ],
        )

    def test_cmd(self) -> None:
        """
        A command has to be there, to begin with a name, and to close its quotes.
        """
        for line, why in {
            "": "needs cmd, the program to run",
            "cmd =": "needs cmd, the program to run",
        }.items():
            self.assertEqual(
                self.mistakes(f"[process:a]\n{line}"), [f"agent.ini:1: [process:a] {why}"]
            )
        for line, why in {
            "cmd = ''": "must begin with the name of a program",
            "cmd = ' ' x": "must begin with the name of a program",
            "cmd = it's": "a quote is not closed",
        }.items():
            self.assertEqual(
                self.mistakes(f"[process:a]\n{line}"), [f"agent.ini:2: [process:a] cmd: {why}"]
            )

    def test_shell(self) -> None:
        """
        What is for a shell is the shell's to judge.
        """
        [template] = self.load("[process:a]\ncmd = it's\nshell = true\n").templates
        self.assertEqual(template.model.cmd, "it's")

    def test_detach(self) -> None:
        """
        A detached process has neither input nor readers that it waits for.
        """
        self.assertEqual(
            self.mistakes(
                "[process:a]\ncmd = x\ndetach = 1\nredirect_input = 1\noutput = block\n"
            ),
            [
                (
                    "agent.ini:4: [process:a] redirect_input: can't be with detach: "
                    "its input ends with the agent"
                ),
                (
                    "agent.ini:5: [process:a] output: can't be block with detach: "
                    "its output goes through a file"
                ),
            ],
        )

    def test_tooMany(self) -> None:
        """
        More processes than an agent takes are a mistake of the section with the first that
        is too many.
        """
        text = "[process:a]\ncmd = x\nnumprocesses = 9999\n[process:b]\ncmd = x\n"
        self.assertEqual(len(self.load(text).templates), 2)
        why = "makes 10001 processes in all, and the agent takes 10000"
        more = "[process:c]\ncmd = x\n"
        self.assertEqual(self.mistakes(text + more), [f"agent.ini:6: [process:c] {why}"])
        self.assertEqual(
            self.mistakes(f"{text}numprocesses = 2\n{more}"),
            [f"agent.ini:6: [process:b] numprocesses: {why}"],
        )

    def test_fewer(self) -> None:
        """
        An agent may take fewer.
        """
        text = "[smartmob]\nmax_processes = 3\n[process:a]\ncmd = x\nnumprocesses = 3\n"
        self.assertEqual(len(self.load(text).templates), 1)
        why = "makes 4 processes in all, and the agent takes 3"
        self.assertEqual(
            self.mistakes(f"{text}[process:b]\ncmd = x\n"), [f"agent.ini:6: [process:b] {why}"]
        )

    def test_priority(self) -> None:
        """
        Lower ones come first, those without one last, equal ones as in the file.
        """
        text = "".join(
            f"[process:{name}]\ncmd = x\npriority = {priority}\n"
            for name, priority in {"a": "", "b": 2, "c": -1, "d": "", "e": 2}.items()
        )
        names = [template.model.process_type for template in self.load(text).templates]
        self.assertEqual(names, ["c", "b", "e", "a", "d"])


class EnvironmentTests(ConfigurationTestCase):
    """
    Tests of C{[env:NAME]}.
    """

    def test_env(self) -> None:
        """
        It is the environment of the process of that name, however that is spelled.
        """
        for name in ("dummy", "default:dummy", "default.dummy"):
            for other in ("dummy", "default:dummy", "default.dummy"):
                [template] = self.load(
                    f"[env:{name}]\nA = 1\nb = %(x)s $X 'y'\nE =\n[process:{other}]\ncmd = x"
                ).templates
                self.assertEqual(template.model.env, {"A": "1", "b": "%(x)s $X 'y'"})

    def test_both(self) -> None:
        """
        It wins over the key C{env}.
        """
        [template] = self.load(
            "[process:blog:web]\ncmd = x\nenv = A=1 B=1\n[env:blog.web]\nB = 2\nC = 2\n"
        ).templates
        self.assertEqual(template.model.env, {"A": "1", "B": "2", "C": "2"})

    def test_nobody(self) -> None:
        """
        One for which there is no process is a warning.
        """
        self.assertEqual(
            self.warnings("[process:dummy]\ncmd = x\n[env:dumy]\nA = 1\n[env:z:z]\n"),
            [
                (
                    "agent.ini:3: [env:dumy] there is no process of that name; "
                    "did you mean default.dummy?"
                ),
                "agent.ini:5: [env:z:z] there is no process of that name",
            ],
        )

    def test_tooMuch(self) -> None:
        """
        What no program can be given is wrong.
        """
        value = "x" * 200_000
        self.assertEqual(
            self.mistakes(f"[process:a]\ncmd = x\n[env:a]\nA = {value}\n"),
            ["agent.ini:3: [env:a] must not have more than 131072 bytes in all, it has 200003"],
        )
        self.assertEqual(
            self.mistakes(f"[process:a]\ncmd = x\nenv = A={value}\n"),
            [
                (
                    "agent.ini:3: [process:a] env: must not have more than 131072 bytes, "
                    "it has 200002"
                )
            ],
        )

    def test_notTold(self) -> None:
        """
        No value of a variable is in what is wrong or odd, nor in what is logged of it.
        """
        text = "[process:a]\ncmd = x\nnice = {}\nenv = A='geheim\n[env:a]\nB = geheim\ngeheim\n"
        for said in self.mistakes(text.format("x")):
            self.assertNotIn("geheim", said)
        configuration = self.load(text.format("1").replace("'", ""))
        self.assertEqual(configuration.templates[0].model.env["A"], "geheim")
        self.assertNotIn("geheim", repr(configuration))


class RightTests(ConfigurationTestCase):
    """
    The right to be another user.
    """

    def test_plain(self) -> None:
        """
        A user that the agent has no right to become is a mistake, and never the agent's.
        """
        self.accounts = accounts(uid=1002, gid=2002, capabilities=0)
        self.assertEqual(
            self.wrong("uid = ada"),
            [
                (
                    "uid: the agent, which is user 1002 and group 2002, has no right to run "
                    "programs as user 1001 and group 2001"
                )
            ],
        )
        self.assertEqual(self.process("uid =").model.identity, None)
