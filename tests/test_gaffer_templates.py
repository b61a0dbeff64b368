"""
gafferd's interface: templates that clients add, define anew and delete.
"""

from __future__ import annotations

import pwd

from attrs import evolve

from smartmob.config.identity import Accounts
from smartmob.documents import Flapping
from smartmob.refusals import TreeLeft
from smartmob.web.gaffer.definitions import Definitions
from smartmob.web.gaffer.names import Name
from tests.support.gafferd import DUMMY, ECHO, GafferdTestCase
from tests.support.httpwire import Wire

NEW = {"name": "new", "cmd": "./new.py"}


class AddTests(GafferdTestCase):
    """
    POST /processes, PUT and DELETE of a template.
    """

    def test_add(self) -> None:
        """
        A template is added and its programs are up when that is answered.
        """
        self.assertEqual(
            self.ok(
                "POST",
                "/processes",
                {**NEW, "args": ["a b", "$PORT"], "env": {"A": "1"}, "numprocesses": 2},
            ),
            {"ok": True},
        )
        self.assertEqual(self.ok("GET", "/processes/new/_pids")["pids"], [1, 2])
        command = self.programs[0].command
        self.assertEqual(command.argv, ("./new.py", "a b", "100"))
        self.assertEqual(command.cwd, "/srv/here")
        self.assertEqual((command.env["A"], command.env["PATH"]), ("1", "/bin"))

    def test_conflict(self) -> None:
        """
        A name is given once.
        """
        self.load(DUMMY)
        body = {**NEW, "name": "dummy"}
        self.assertEqual(self.refused("POST", "/processes", body), (409, "conflict"))

    def test_notStarted(self) -> None:
        """
        A template may be added without being started, and be started later.
        """
        self.ok("POST", "/processes", {**NEW, "start": False})
        self.assertEqual(self.ok("GET", "/status/new")["active"], False)
        self.assertEqual(self.programs, [])
        self.ok("POST", "/processes/new/_start")
        self.assertEqual(self.ok("GET", "/status/new")["active"], True)

    def test_wrong(self) -> None:
        """
        What can't be used is refused, and says what is wrong; nothing exists then.
        """
        for body, why in (
            ("[", "invalid_json"),
            ("[]", "invalid_process_info"),
            ("", "invalid_process_info"),
            ({"name": "new"}, "invalid_process_info"),
            ({"cmd": "x"}, "invalid_process_info"),
            ({**NEW, "name": 3}, "invalid_process_info"),
            ({**NEW, "name": "../x"}, "invalid_process_info"),
            ({**NEW, "cmd": ["x"]}, "invalid_process_info"),
            ({**NEW, "cmd": "'"}, "invalid_process_info"),
            ({**NEW, "cmd": " "}, "invalid_process_info"),
            ({**NEW, "cmd": "'' x"}, "invalid_process_info"),
            ({**NEW, "cmd": "x" * 131_073}, "invalid_process_info"),
            ({**NEW, "cmd": "x" * 131_073, "shell": True}, "invalid_process_info"),
            ({**NEW, "args": "x" * 131_073}, "invalid_process_info"),
            ({**NEW, "args": ["x" * 70_000, "x" * 70_000]}, "invalid_process_info"),
            ({**NEW, "flapping": "a" * 1_000 + "="}, "invalid_process_info"),
            ({**NEW, "args": [1]}, "invalid_process_info"),
            ({**NEW, "args": 1}, "invalid_process_info"),
            ({**NEW, "env": ["A"]}, "invalid_process_info"),
            ({**NEW, "gid": "no-group-of-that-name", "uid": 0}, "invalid_process_info"),
            ({**NEW, "redirect_output": 1}, "invalid_process_info"),
            ({**NEW, "flapping": 1}, "invalid_process_info"),
            ({**NEW, "flapping": [1, 2]}, "invalid_process_info"),
            ({**NEW, "env": {"A": 1}}, "invalid_process_info"),
            ({**NEW, "numprocesses": -1}, "invalid_process_info"),
            ({**NEW, "numprocesses": 10_001}, "invalid_process_info"),
            ({**NEW, "numprocesses": "1"}, "invalid_process_info"),
            ({**NEW, "uid": "nobody-of-that-name"}, "invalid_process_info"),
            ({**NEW, "gid": True}, "invalid_process_info"),
            ({**NEW, "redirect_output": ["a", "b", "c"]}, "invalid_process_info"),
            ({**NEW, "redirect_output": ["a b"]}, "invalid_process_info"),
            ({**NEW, "flapping": {"attempts": 0}}, "invalid_process_info"),
            ({**NEW, "custom_streams": ["a"]}, "invalid_process_info"),
            ({**NEW, "comand": "x"}, "invalid_process_info"),
        ):
            self.assertEqual(self.refused("POST", "/processes", body), (400, why), body)
        self.assertEqual(self.ok("GET", "/processes"), [])

    def test_everyReason(self) -> None:
        """
        All that is wrong is said at once.
        """
        answer = self.ask("POST", "/processes", {**NEW, "uid": [], "shell": 1, "nice": 99})
        for field in ("uid", "shell", "nice"):
            self.assertIn(field, answer.json()["reason"])

    def test_right(self) -> None:
        """
        Nobody is made another user who has no right to be.
        """
        for body in ({"uid": 0}, {"uid": "root"}, {"gid": 0}):
            answer = self.ask("POST", "/processes", {**NEW, **body})
            self.assertEqual(answer.status, 400)
            self.assertIn("has no right", answer.json()["reason"])

    def test_identity(self) -> None:
        """
        A user may be given by name or number, where the agent has the right.
        """
        definitions = Definitions("/srv", Accounts(capabilities=lambda: -1))
        root = pwd.getpwuid(0)
        for body in ({"uid": 0}, {"uid": root.pw_name}, {"uid": "0", "gid": 0}):
            identity = definitions.template(Name("a", "b"), {**NEW, **body}).model.identity
            assert identity is not None
            self.assertEqual((identity.uid, identity.name), (0, root.pw_name))

    def test_flapping(self) -> None:
        """
        Flapping can be written as gafferd's file and its interface have it.
        """
        definitions = Definitions("/srv")
        for value in (
            "3, 1., 1.5, 2",
            [3, 1, 1.5, 2],
            {"attempts": 3, "retry_in": 1.5, "max_retry": 2},
        ):
            body = {**NEW, "flapping": value}
            flapping = definitions.template(Name("a", "b"), body).model.flapping
            self.assertEqual(
                flapping, Flapping(attempts=3, window=1.0, retry_in=1.5, max_retry=2)
            )

    def test_nothingGiven(self) -> None:
        """
        Nulls, and empty strings for users, are as if they were not there.
        """
        empty = {"args": None, "env": None, "uid": "", "gid": "", "cwd": "", "flapping": None}
        self.ok("POST", "/processes", {**NEW, **empty})
        self.assertEqual(self.programs[0].command.cwd, "/srv/here")

    def test_allOfIt(self) -> None:
        """
        What a template is shown as can be sent back, and is the same then; its secrets
        stay.
        """
        body = {
            **NEW,
            "args": "one 'two three'",
            "env": {"A": "hush", "B": "old"},
            "cwd": "/tmp",
            "os_env": False,
            "numprocesses": 2,
            "redirect_output": ["out", "err"],
            "redirect_input": True,
            "graceful_timeout": 3,
            "flapping": {"attempts": 3},
            "limits": {"open_files": 100},
            "umask": "027",
        }
        self.ok("POST", "/processes", body)
        shown = self.ok("GET", "/processes/new")
        self.assertEqual(
            shown["flapping"],
            {"attempts": 3, "window": 1.0, "retry_in": 7.0, "max_retry": 5},
        )
        self.assertEqual(shown["args"], ["one", "two three"])
        pids = [program.pid for program in self.programs]
        before = self.declarations.all()
        self.ok("PUT", "/processes/new", shown)
        [template] = self.declarations.all()
        self.assertEqual(evolve(template.model, args=before[0].model.args), before[0].model)
        changed = {**shown, "env": {"A": None, "B": "new"}}
        self.ok("PUT", "/processes/new", changed)
        self.assertNotEqual([program.pid for program in self.programs], pids)
        env = self.programs[0].command.env
        self.assertEqual((env["A"], env["B"]), ("hush", "new"))

    def test_shell(self) -> None:
        """
        What is for a shell is given to it as it was written, also when it was shown and
        sent back.
        """
        body = {**NEW, "cmd": "echo 'it", "args": "is' > $HOME/x && true", "shell": True}
        self.ok("POST", "/processes", body)
        argv = ("/bin/sh", "-c", "echo 'it is' > $HOME/x && true")
        self.assertEqual(self.programs[0].command.argv, argv)
        pids = [program.pid for program in self.programs]
        self.ok("PUT", "/processes/new", self.ok("GET", "/processes/new"))
        self.assertEqual(self.programs[0].command.argv, argv)
        self.assertEqual([program.pid for program in self.programs], pids)

    def test_update(self) -> None:
        """
        PUT and POST define a template anew: what runs is stopped, and started anew.
        """
        self.load(evolve(DUMMY, numprocesses=2))
        for method, name in (("PUT", "./other.py"), ("POST", "./third.py")):
            self.ok(method, "/processes/dummy", {"cmd": name, "numprocesses": 2})
            commands = [program.command.argv for program in self.programs]
            self.assertEqual(commands, [(name,)] * 2)
        self.assertEqual(self.refused("PUT", "/processes/none", NEW), (404, "not_found"))
        self.assertEqual(
            self.refused("PUT", "/processes/dummy", {}), (400, "invalid_process_info")
        )

    def test_updateStopped(self) -> None:
        """
        What is stopped stays so when it is defined anew, unless that says otherwise.
        """
        self.load(DUMMY)
        self.ok("POST", "/processes/dummy/_stop")
        self.ok("PUT", "/processes/dummy", {"cmd": "./other.py", "start": False})
        self.assertEqual(self.programs, [])
        self.ok("PUT", "/processes/dummy", {"cmd": "./third.py", "start": True})
        self.assertEqual([each.command.argv for each in self.programs], [("./third.py",)])

    def test_updateRunning(self) -> None:
        """
        gafferctl says that nothing is to be started; what runs goes on nevertheless.
        """
        self.load(DUMMY)
        self.ok(
            "PUT", "/processes/dummy", {"cmd": "./other.py", "start": False, "numprocesses": 2}
        )
        self.assertEqual(len(self.programs), 2)

    def test_delete(self) -> None:
        """
        A template is gone with all its programs when that is answered.
        """
        self.load(evolve(DUMMY, numprocesses=2), ECHO)
        self.assertEqual(self.ok("DELETE", "/processes/dummy"), {"ok": True})
        self.assertEqual(self.ok("GET", "/processes"), ["echo"])
        self.assertEqual(len(self.programs), 1)
        self.assertEqual(self.refused("DELETE", "/processes/dummy"), (404, "not_found"))
        self.ok("POST", "/processes", {"name": "dummy", "cmd": "./again.py"})
        self.assertEqual(self.ok("GET", "/processes/dummy/_pids")["pids"], [4])

    def test_treeLeft(self) -> None:
        """
        What can't be ended is said.
        """
        self.load(DUMMY)
        self.launcher.programs[-1].obedient = False
        wire = Wire(self.site)
        wire.request("DELETE", "/processes/dummy", None)
        self.agent.process("default.dummy.0").deleted.fail(TreeLeft("it is root's"))
        answer = wire.answer()
        self.assertEqual((answer.status, answer.json()["error"]), (500, "tree_left"))
