"""
Tests of L{smartmob.agent}.
"""

from __future__ import annotations

from functools import partial

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.documents import Flapping, Left, State
from smartmob.events import Topic
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.refusals import (
    NoPort,
    SlugInUse,
    SourceNotAllowed,
    Stopping,
    TooManyProcesses,
    TreeLeft,
    UnknownApp,
    UnknownProcess,
)
from smartmob.scaling import steps
from smartmob.source.rules import SourceRules
from smartmob.topics import Topics
from tests.support.launching import FakeLauncher
from tests.support.recording_state import FakeRecords
from tests.support.releasing import FakeSources
from tests.support.stage import REQUEST


class AgentTests(SynchronousTestCase):
    """
    The registry.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.launcher = FakeLauncher(self.clock)
        self.sources = FakeSources(at_once=True)
        self.records = FakeRecords()
        self.agent = Agent(
            self.clock,
            self.launcher,
            Consoles(epoch="test", now=self.clock.seconds),
            self.sources.real,
            self.records,
            ports=Ports(lambda low, high: low, 100, 102, lambda port: True),
            inherited={},
            random=lambda: 0.5,
            wall=self.clock.seconds,
            monotonic=self.clock.seconds,
        )

    def test_create(self) -> None:
        """A created process is set going, and found by its slug."""
        process = self.successResultOf(self.agent.create(REQUEST, "id"))
        self.assertIs(process.state, State.STARTING)
        self.assertIs(self.agent.process("myapp.web.0"), process)
        self.assertEqual(self.agent.processes(), [process])
        self.assertEqual(process.port, 100)

    def test_sourceNotAllowed(self) -> None:
        """A source from elsewhere is refused at create, and when copies are to be made."""
        self.successResultOf(self.agent.create(REQUEST, "id"))
        self.sources.rules = SourceRules(places=())
        other = evolve(REQUEST, node="web.1")
        self.failureResultOf(self.agent.create(other, "id"), SourceNotAllowed)
        scale = partial(self.agent.scale, "myapp", request_id="id")
        self.failureResultOf(scale(steps({"web": 2})), SourceNotAllowed)
        self.assertEqual(len(self.agent.processes()), 1)
        scale(steps({"web": 0}))

    def test_unknown(self) -> None:
        """A slug or an app that is not there is refused by name."""
        with self.assertRaises(UnknownProcess) as caught:
            self.agent.process("a.b")
        self.assertIn("'a.b'", str(caught.exception))
        self.assertRaises(UnknownApp, self.agent.delete_app, "a")

    def test_slugInUse(self) -> None:
        """A slug is in use until a delete of it has answered."""
        process = self.successResultOf(self.agent.create(REQUEST, "id"))
        self.failureResultOf(self.agent.create(REQUEST, "id"), SlugInUse)
        deleted = process.delete()
        self.failureResultOf(self.agent.create(REQUEST, "id"), SlugInUse)
        self.launcher.programs[-1].fail("stopped", 126)
        self.successResultOf(deleted)
        self.assertEqual(self.agent.processes(), [])
        self.successResultOf(self.agent.create(REQUEST, "id"))

    def test_nothingHalfMade(self) -> None:
        """Where no port is left, nothing is made; a deleted process gives its own back."""
        processes = [
            self.successResultOf(self.agent.create(evolve(REQUEST, node=f"web.{n}"), "id"))
            for n in range(3)
        ]
        self.failureResultOf(self.agent.create(evolve(REQUEST, node="web.3"), "id"), NoPort)
        self.assertEqual(len(self.agent.processes()), 3)
        processes[1].delete()
        self.launcher.programs[1].fail("stopped", 126)
        self.assertEqual(
            self.successResultOf(self.agent.create(evolve(REQUEST, node="x"), "id")).port, 101
        )

    def test_bound(self) -> None:
        """The number of processes is bounded."""
        self.agent.most_processes = 0
        self.failureResultOf(self.agent.create(REQUEST, "id"), TooManyProcesses)

    def test_deleteApp(self) -> None:
        """Deleting an app deletes its processes, and no other's."""
        self.launcher.obedient = True
        self.successResultOf(self.agent.create(REQUEST, "id"))
        self.successResultOf(self.agent.create(evolve(REQUEST, node="web.1"), "id"))
        other = self.successResultOf(self.agent.create(evolve(REQUEST, app="other"), "id"))
        deleted = self.agent.delete_app("myapp")
        self.clock.advance(0)
        self.successResultOf(deleted)
        self.assertEqual(self.agent.processes(), [other])

    def test_deleteAppLeft(self) -> None:
        """Where something of one process can't be ended, the others are deleted."""
        self.successResultOf(self.agent.create(REQUEST, "id"))
        self.successResultOf(self.agent.create(evolve(REQUEST, node="web.1"), "id"))
        deleted = self.agent.delete_app("myapp")
        first, second = self.launcher.programs
        first.execute()
        first.end(left=(Left(1, "init"),))
        self.assertNoResult(deleted)
        second.fail("stopped", 126)
        self.failureResultOf(deleted, TreeLeft)
        self.assertEqual([p.definition.node for p in self.agent.processes()], ["web.0"])

    def test_flapping(self) -> None:
        """A process with a flapping rule is restarted by that."""
        rule = Flapping(attempts=1, window=1, retry_in=5, max_retry=0)
        process = self.successResultOf(self.agent.create(evolve(REQUEST, flapping=rule), "id"))
        self.launcher.programs[-1].execute()
        self.launcher.programs[-1].end(1)
        self.assertIs(process.state, State.FAILED)

    def test_log(self) -> None:
        """The log tells a process's life from created to deleted."""
        with capturedLogs() as events:
            process = self.successResultOf(self.agent.create(REQUEST, "id"))
            self.launcher.programs[-1].execute()
            deleted = process.delete()
            self.launcher.programs[-1].end(0)
            self.successResultOf(deleted)
        said = [formatEvent(event) for event in events]
        self.assertEqual((said[0], said[-1]), ("myapp.web.0 created", "myapp.web.0 deleted"))

    def test_log_flapping(self) -> None:
        """Restarts that are to be at once fill no log with warnings; failing does warn."""
        rule = Flapping(attempts=40, window=1000, retry_in=5, max_retry=0)
        with capturedLogs() as events:
            process = self.successResultOf(
                self.agent.create(evolve(REQUEST, flapping=rule), "id")
            )
            while process.state is not State.FAILED:
                self.launcher.programs[-1].execute()
                self.launcher.programs[-1].end(1)
                if process.state is State.BACKOFF:
                    self.clock.advance(0.05)
        self.assertIn("backoff", [event.get("state") for event in events])
        warned = [event for event in events if event["log_level"] >= LogLevel.warn]
        self.assertEqual([event["state"] for event in warned], ["failed"])

    def test_stopService(self) -> None:
        """All programs are stopped at the same time; nothing is created meanwhile."""
        for node in ("a", "b", "c"):
            self.successResultOf(self.agent.create(evolve(REQUEST, node=node), "id"))
        for program in self.launcher.programs:
            program.execute()
        self.agent.startService()
        stopped = self.agent.stopService()
        self.assertEqual([p.stopped for p in self.launcher.programs], [[10.0]] * 3)
        self.failureResultOf(self.agent.create(evolve(REQUEST, node="d"), "id"), Stopping)
        self.assertNoResult(stopped)
        self.agent.hurry()
        for program in self.launcher.programs:
            self.assertTrue(program.was_killed)
            program.end(signal=9)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopServiceWhileDeleting(self) -> None:
        """Who is being deleted is gone, and that is told, before the agent is."""
        self.successResultOf(self.agent.create(REQUEST, "id"))
        [program] = self.launcher.programs
        program.execute()
        self.agent.process("myapp.web.0").delete()
        self.records.held = []
        stopped = self.agent.stopService()
        program.end()
        self.assertNoResult(stopped)
        self.records.let()
        self.successResultOf(stopped)
        self.assertEqual(self.agent.processes(), [])
        _, events = self.agent.events.since(0, Topics())
        self.assertIs(events[-1].topic, Topic.DELETE)

    def test_stopServiceLeft(self) -> None:
        """What can't be ended does not keep the agent."""
        self.successResultOf(self.agent.create(REQUEST, "id"))
        stopped = self.agent.stopService()
        self.launcher.programs[0].execute()
        self.launcher.programs[0].end(left=(Left(1, "init"),))
        self.successResultOf(stopped)
