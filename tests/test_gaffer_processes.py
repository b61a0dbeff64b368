"""
gafferd's interface: templates, programs by number, and groups.
"""

from __future__ import annotations

from attrs import evolve

import smartmob
from smartmob.documents import CreateRequest, State
from tests.support.gafferd import DUMMY, ECHO, GafferdTestCase, grouped
from tests.support.httpwire import Wire

NEW = {"name": "new", "cmd": "./new.py"}


class WelcomeTests(GafferdTestCase):
    """
    Where clients begin.
    """

    def test_welcome(self) -> None:
        """
        A client is told what it has found.
        """
        self.assertEqual(
            self.ok("GET", "/"), {"welcome": "gaffer", "version": smartmob.__version__}
        )

    def test_ping(self) -> None:
        """
        Ping is answered with two letters.
        """
        self.assertEqual(self.ask("GET", "/ping").body, b"OK")

    def test_both(self) -> None:
        """
        Where there are both interfaces, the index is that of both.
        """
        index = self.ask("GET", "/", site=self.both).json()
        self.assertEqual(index["welcome"], "gaffer")
        self.assertIn("/create-process", index["create"])
        self.assertEqual(self.ask("GET", "/processes", site=self.both).json(), [])
        self.assertEqual(
            self.ask("GET", "/list-processes", site=self.both).json(), {"processes": []}
        )

    def test_onlyItsOwn(self) -> None:
        """
        An endpoint of gafferd has no path of the REST interface.
        """
        self.assertEqual(self.refused("GET", "/list-processes"), (404, "resource_not_found"))
        self.assertEqual(self.refused("PUT", "/archives", "x"), (404, "resource_not_found"))


class ListingTests(GafferdTestCase):
    """
    What there is.
    """

    def test_names(self) -> None:
        """
        Templates are listed by their names, those of a group with it.
        """
        self.load(DUMMY, grouped(ECHO, "shop"))
        self.assertEqual(self.ok("GET", "/processes"), ["dummy", "shop:echo"])

    def test_running(self) -> None:
        """
        Programs are numbered in the order in which they are set going.
        """
        self.load(evolve(DUMMY, numprocesses=2), ECHO)
        for query in ("running=true", "running=1"):
            self.assertEqual(self.ok("GET", f"/processes?{query}"), [1, 2, 3])
        for query in ("running=false", "running=0", "running="):
            self.assertEqual(self.ok("GET", f"/processes?{query}"), ["dummy", "echo"])
        self.assertEqual(self.refused("GET", "/processes?running=x"), (400, "bad_value"))
        self.assertEqual(self.ok("GET", "/processes/dummy/_pids"), {"ok": True, "pids": [1, 2]})
        self.assertEqual(self.ok("GET", "/processes/echo/_pids"), {"ok": True, "pids": [3]})

    def test_status(self) -> None:
        """
        The status says how many programs there are and how many there should be.
        """
        self.load(evolve(DUMMY, numprocesses=2))
        up = {"active": True, "running": 2, "max_processes": 2, "numprocesses": 2}
        self.assertEqual(self.ok("GET", "/status/dummy"), up)
        self.ok("POST", "/processes/dummy/_stop")
        down = {"active": False, "running": 0, "max_processes": 2, "numprocesses": 2}
        self.assertEqual(self.ok("GET", "/status/dummy"), down)

    def test_template(self) -> None:
        """
        A template is shown by its name, or the number of a program; values of its
        environment are not.
        """
        self.load(DUMMY)
        for which in ("dummy", "default:dummy", "1"):
            answer = self.ask("GET", f"/processes/{which}")
            self.assertNotIn(b"hush", answer.body)
            document = answer.json()
            self.assertEqual((document["name"], document["cmd"]), ("dummy", "./dummy.py"))
            self.assertEqual(document["env"], {"SECRET": None})
            self.assertEqual(document["redirect_output"], ["stdout", "stderr"])

    def test_head(self) -> None:
        """
        HEAD says whether there is such a template or program.
        """
        self.load(DUMMY)
        for which, status in {
            "dummy": 200,
            "1": 200,
            "none": 404,
            "2": 404,
            "a..b": 404,
        }.items():
            self.assertEqual(self.ask("HEAD", f"/processes/{which}").status, status, which)

    def test_created(self) -> None:
        """
        A process of the REST interface is one of a template, too.
        """
        request = CreateRequest(
            app="myapp", node="web.0", process_type="web", source_url="http://127.0.0.1/a.tgz"
        )
        self.successResultOf(self.agent.create(request, ""))
        self.up()
        self.assertEqual(self.ok("GET", "/processes"), ["myapp:web"])
        self.assertEqual(self.ok("GET", "/processes/myapp:web")["cmd"], None)
        self.assertEqual(self.refused("PUT", "/processes/myapp:web", NEW)[0], 404)
        self.assertEqual(
            self.ok("POST", "/processes/myapp:web/_add"), {"ok": True, "numprocesses": 2}
        )
        self.ok("DELETE", "/processes/myapp:web")
        self.assertEqual(self.ok("GET", "/processes"), [])


class VerbTests(GafferdTestCase):
    """
    What can be done with templates and programs.
    """

    def test_stopStart(self) -> None:
        """
        A template that was stopped can be started.
        """
        self.load(evolve(DUMMY, numprocesses=2))
        self.ok("POST", "/processes/dummy/_stop")
        self.assertEqual(self.programs, [])
        self.assertEqual(self.ok("GET", "/processes?running=true"), [])
        self.ok("POST", "/processes/dummy/_start")
        self.assertEqual(self.ok("GET", "/processes/dummy/_pids")["pids"], [3, 4])

    def test_restart(self) -> None:
        """
        A restart gives all programs of a template others in their place.
        """
        self.load(evolve(DUMMY, numprocesses=2), ECHO)
        self.ok("POST", "/processes/dummy/_restart")
        self.assertEqual(self.ok("GET", "/processes?running=true"), [3, 4, 5])

    def test_replaced(self) -> None:
        """
        One program that is stopped is replaced by another, with a number of its own.
        """
        self.load(evolve(DUMMY, numprocesses=2))
        self.ok("DELETE", "/processes/1")
        self.assertEqual(self.ask("HEAD", "/processes/1").status, 404)
        self.assertEqual(self.ok("GET", "/processes/dummy/_pids")["pids"], [2, 3])
        self.ok("POST", "/processes/2/_stop")
        self.assertEqual(self.ok("GET", "/processes/dummy/_pids")["pids"], [3, 4])
        self.assertEqual(self.refused("DELETE", "/processes/1"), (404, "not_found"))
        self.assertEqual(self.refused("POST", "/processes/1/_stop"), (404, "not_found"))
        self.assertEqual(self.refused("POST", "/processes/3/_start"), (404, "not_found"))

    def test_crashed(self) -> None:
        """
        What is started again by itself has another number.
        """
        self.load(DUMMY)
        self.programs[0].end(code=1)
        self.up()
        self.assertEqual(self.ok("GET", "/processes?running=true"), [2])

    def test_addSub(self) -> None:
        """
        There are as many programs more or less as is asked for, never less than none.
        """
        self.load(DUMMY)
        for path, number in (
            ("_add", 2),
            ("_add/3", 5),
            ("_add/0", 5),
            ("_sub", 4),
            ("_sub/2", 2),
            ("_sub/50", 0),
            ("_sub", 0),
            ("_add/2", 2),
        ):
            answer = self.ok("POST", f"/processes/dummy/{path}")
            self.assertEqual(answer, {"ok": True, "numprocesses": number}, path)
            self.assertEqual(len(self.programs), number)
            self.assertEqual(self.ok("GET", "/status/dummy")["numprocesses"], number)
        for path in ("_add/-1", "_add/x", "_sub/1.5", "_add/100000", "_add/%20"):
            answer = self.refused("POST", f"/processes/dummy/{path}")
            self.assertEqual(answer, (400, "bad_value"), path)

    def test_signal(self) -> None:
        """
        A signal goes to the groups of all programs of a template, or of one, by number
        or name.
        """
        self.load(evolve(DUMMY, numprocesses=2))
        one, two = self.programs
        for path in ("dummy/_signal/1", "2/_signal/HUP", "dummy/_signal/sighup"):
            self.ok("POST", f"/processes/{path}")
        self.assertEqual((one.signals, two.signals), ([1, 1], [1, 1, 1]))
        for sign in ("0", "9999", "NONE", "-1", "1.5"):
            answer = self.refused("POST", f"/processes/dummy/_signal/{sign}")
            self.assertEqual(answer, (400, "bad_value"), sign)
        self.assertEqual(self.refused("POST", "/processes/9/_signal/1"), (404, "not_found"))
        self.ok("POST", "/processes/dummy/_stop")
        self.ok("POST", "/processes/dummy/_signal/1")

    def test_impatience(self) -> None:
        """
        An answer does not wait for what takes its time, since clients do not; it is done
        all the same.
        """
        self.load(DUMMY)
        self.programs[0].obedient = False
        wire = Wire(self.site)
        wire.request("POST", "/processes/dummy/_stop", None)
        self.assertEqual(wire.answers(), [])
        self.clock.advance(5)
        self.assertEqual(wire.answer().json(), {"ok": True})
        process = self.agent.process("default.dummy.0")
        self.assertEqual(process.state, State.STOPPING)
        self.assertEqual(self.ok("GET", "/status/dummy")["active"], False)
        self.programs[0].end(signal=15)
        self.assertEqual(process.state, State.STOPPED)

    def test_hangUp(self) -> None:
        """
        A client that hangs up changes nothing of what it asked for.
        """
        self.load(DUMMY)
        wire = Wire(self.site)
        wire.request("DELETE", "/processes/dummy", None)
        wire.hang_up()
        self.up()
        self.assertEqual(self.agent.processes(), [])

    def test_unknown(self) -> None:
        """
        What there is not is 404, and what no path is, too.
        """
        self.load(DUMMY)
        for method, path in (
            ("GET", "/processes/none"),
            ("GET", "/processes/none/_pids"),
            ("GET", "/status/none"),
            ("GET", "/stats/none"),
            ("POST", "/processes/none/_start"),
            ("POST", "/processes/none/_add"),
            ("POST", "/processes/none/_sub/2"),
            ("POST", "/processes/none/_signal/1"),
            ("GET", "/processes/7"),
            ("GET", "/groups/none"),
        ):
            self.assertEqual(self.refused(method, path), (404, "not_found"), path)
        for method, path in (("GET", "/nowhere"), ("POST", "/processes/dummy/_fly")):
            self.assertEqual(self.refused(method, path), (404, "resource_not_found"), path)
        answer = self.ask("PATCH", "/processes/dummy")
        self.assertEqual((answer.status, answer.header("allow") is None), (405, False))
        self.assertEqual(answer.json()["error"], "method_not_allowed")


class GroupTests(GafferdTestCase):
    """
    Groups, which are apps.
    """

    def setUp(self) -> None:
        super().setUp()
        self.load(DUMMY, grouped(DUMMY, "shop"), grouped(ECHO, "shop"))

    def test_list(self) -> None:
        """
        Groups are listed, and what is in them.
        """
        self.assertEqual(self.ok("GET", "/groups"), ["shop"])
        self.assertEqual(self.ok("GET", "/groups/shop"), ["shop:dummy", "shop:echo"])

    def test_verbs(self) -> None:
        """
        All of a group are stopped, started and restarted; others are left alone.
        """
        for verb, pids in (("_stop", [1]), ("_start", [1, 4, 5]), ("_restart", [1, 6, 7])):
            self.assertEqual(self.ok("POST", f"/groups/shop/{verb}"), {"ok": True})
            self.assertEqual(self.ok("GET", "/processes?running=true"), pids)
        self.assertEqual(self.refused("POST", "/groups/shop/_fly"), (404, "resource_not_found"))

    def test_delete(self) -> None:
        """
        A group goes with all that is in it.
        """
        self.assertEqual(self.ok("DELETE", "/groups/shop"), {"ok": True})
        self.assertEqual(self.ok("GET", "/processes"), ["dummy"])
        self.assertEqual(self.ok("GET", "/groups"), [])
        self.assertEqual(self.refused("DELETE", "/groups/shop"), (404, "not_found"))

    def test_add(self) -> None:
        """
        A name with a group is of that group.
        """
        self.ok("POST", "/processes", {**NEW, "name": "shop:new"})
        self.assertEqual(self.ok("GET", "/groups/shop")[-1], "shop:new")
        self.assertEqual(self.ok("GET", "/processes/shop:new")["group"], "shop")
