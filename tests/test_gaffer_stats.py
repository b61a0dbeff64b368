"""
gafferd's interface: statistics.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.gaffer.usage import UNKNOWN, clock, human, measure, summary
from smartmob.web.measurements import AT_ONCE
from tests.support.gafferd import DUMMY, ECHO, GafferdTestCase
from tests.support.httpwire import Wire

MEMBERS = {
    "mem_info1",
    "mem_info2",
    "cpu",
    "mem",
    "ctime",
    "pid",
    "username",
    "nice",
    "cmdline",
    "children",
}


def info(pid: int, **more: object) -> dict[str, object]:
    """
    As much of a measurement as tests look at.
    """
    return {"mem": 1.5, "cpu": 2.0, "pid": pid, **more}


class StatsTests(GafferdTestCase):
    """
    What programs use, as measured by the test.
    """

    def setUp(self) -> None:
        super().setUp()
        self.slow: Deferred[Any] | None = None
        self.more: dict[str, object] = {}
        self.asked: list[list[int]] = []
        self.load(evolve(DUMMY, numprocesses=2), ECHO)

    def measure(self, work: Any) -> Deferred[Any]:
        """
        Measure no programs, for these have no numbers that the system knows.
        """
        [pids] = work.args
        self.asked.append(pids)
        measured: Deferred[Any] = Deferred()
        if self.slow is None:
            measured.callback([info(pid, **self.more) for pid in pids])
        else:
            self.slow = measured
        return measured

    def test_all(self) -> None:
        """
        Statistics of all templates are a list, measured at once.
        """
        dummy, echo = self.ok("GET", "/stats")
        self.assertEqual(self.asked, [[1001, 1002, 1003]])
        self.assertEqual(
            dummy,
            {
                "name": "dummy",
                "stats": [info(1001, id=1), info(1002, id=2)],
                "mem": 3.0,
                "max_mem": 1.5,
                "min_mem": 1.5,
                "cpu": 4.0,
                "max_cpu": 2.0,
                "min_cpu": 2.0,
            },
        )
        self.assertEqual(echo["stats"], [info(1003, id=3)])

    def test_one(self) -> None:
        """
        Those of a template, and of a program, can be had alone.
        """
        self.assertEqual(len(self.ok("GET", "/stats/dummy")["stats"]), 2)
        self.assertEqual(self.ok("GET", "/stats/dummy?feed=normal")["name"], "dummy")
        self.assertEqual(self.ok("GET", "/stats/dummy/2"), info(1002))

    def test_nothing(self) -> None:
        """
        A template without programs has no numbers; what there is not, is not found.
        """
        self.ok("POST", "/processes/dummy/_stop")
        document = self.ok("GET", "/stats/dummy")
        self.assertEqual((document["stats"], document["mem"]), ([], UNKNOWN))
        for path in ("none", "dummy/1", "echo/9", "echo/x", "none/3", "dummy/3"):
            self.assertEqual(self.refused("GET", f"/stats/{path}"), (404, "not_found"), path)
        self.assertEqual(self.refused("GET", "/stats?feed=x"), (400, "bad_value"))

    def test_events(self) -> None:
        """
        As a feed they come again and again, until the program ends.
        """
        client = self.follow("/stats/echo/3?feed=eventsource")
        for _ in range(3):
            self.clock.pump([0, 1])
        chunks = client.chunks()
        self.assertEqual(len(chunks), 4)
        event, data = chunks[0].decode().split("\r\n")[:2]
        self.assertEqual(event, "event: stat")
        self.assertEqual(json.loads(data.removeprefix("data: ")), info(1003, id=3))
        self.launcher.programs[2].end(code=0)
        self.clock.advance(1)
        self.assertTrue(client.is_over())

    def test_longpoll(self) -> None:
        """
        A long poll is the next measurement of one program.
        """
        client = self.follow("/stats/dummy?feed=longpoll")
        self.clock.pump([0, 0])
        self.assertEqual(json.loads(client.body()), info(1001, id=1))
        self.assertTrue(client.is_over())
        self.assertEqual(self.clock.getDelayedCalls()[1:], [])

    def test_hangUp(self) -> None:
        """
        Nothing is measured for a client that is gone, also if it goes in the midst.
        """
        client = self.follow("/stats?feed=continuous")
        self.clock.advance(0)
        client.connection.lose()
        self.clock.pump([1] * 3)
        self.assertEqual(len(self.asked), 1)
        self.slow = Deferred()
        client = self.follow("/stats?feed=continuous")
        self.clock.advance(0)
        client.connection.lose()
        self.slow.callback([info(pid) for pid in (1001, 1002, 1003)])
        self.clock.pump([1] * 3)
        self.assertEqual(len(self.asked), 2)
        self.assertEqual(self.agent.consoles.readers, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slowReader(self) -> None:
        """
        Nothing is measured for a client that has not taken what was measured before.
        """
        self.more = {"cmdline": "x" * 10_000}
        client = self.follow("/stats?feed=continuous")
        client.connection.flush(room=0)
        self.clock.pump([0.5] * 100)
        asked = len(self.asked)
        self.assertLess(asked, 10)
        client.connection.flush(room=1 << 30)
        self.clock.pump([0.5] * 10)
        self.assertGreater(len(self.asked), asked)


class TurnTests(GafferdTestCase):
    """
    Measurements that take long.
    """

    def setUp(self) -> None:
        super().setUp()
        self.measuring: list[Deferred[Any]] = []
        self.load(DUMMY)

    def measure(self, work: Any) -> Deferred[Any]:
        """
        Begin.
        """
        self.measuring.append(Deferred())
        return self.measuring[-1]

    def test_shared(self) -> None:
        """
        Both interfaces together have no more threads than one.
        """
        [process] = self.agent.processes()
        for path in ("/stats", f"/process-stats/{process.slug}") * AT_ONCE:
            Wire(self.both).request("GET", path)
        self.assertEqual(len(self.measuring), AT_ONCE)
        self.measuring[0].callback([None])
        self.assertEqual(len(self.measuring), AT_ONCE + 1)


class UsageTests(SynchronousTestCase):
    """
    Measuring, on real programs.
    """

    def test_tree(self) -> None:
        """
        A program is measured with its children, and they with theirs.
        """
        script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
        with subprocess.Popen(
            [sys.executable, "-c", f"{script}; input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as program:
            assert program.stdin is not None
            found: Any = None
            while found is None or not found["children"]:
                [found] = measure([program.pid])
            self.assertEqual(set(found), MEMBERS)
            [child] = found["children"]
            self.assertEqual(set(child), MEMBERS)
            self.assertEqual(found["pid"], program.pid)
            self.assertEqual(found["cmdline"], os.path.basename(sys.executable))
            program.kill()
            program.stdin.close()
            os.kill(child["pid"], 9)

    def test_gone(self) -> None:
        """
        A program that has ended is nothing.
        """
        with subprocess.Popen([sys.executable, "-c", ""]) as program:
            program.wait()
        self.assertEqual(measure([program.pid]), [None])

    def test_words(self) -> None:
        """
        Bytes and times are for people.
        """
        for size, text in {0: "0B", 1023: "1023B", 1024: "1K", 13_700_000: "13M"}.items():
            self.assertEqual(human(size), text)
        for seconds, text in {
            0: "0:00.00",
            1.5: "0:01.50",
            62.25: "1:02.25",
            3600: "60:00.00",
        }.items():
            self.assertEqual(clock(seconds), text)

    def test_unknown(self) -> None:
        """
        What is not known of one is not known of all.
        """
        document = summary("x", [info(1), info(2, cpu=UNKNOWN)])
        self.assertEqual((document["cpu"], document["max_cpu"]), (UNKNOWN, UNKNOWN))
        self.assertEqual(document["mem"], 3.0)
