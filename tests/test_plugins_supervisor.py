"""
Tests of L{smartmob.plugins.supervisor}: what plugins can do with processes, and what
they hear.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.converter import InvalidDocument
from smartmob.documents import State
from smartmob.events import Topic
from smartmob.lines.bounds import Bounds
from smartmob.lines.consoles import Consoles
from smartmob.plugins.listeners import UNFINISHED
from smartmob.plugins.supervisor import Supervisor
from smartmob.refusals import Refusal, SlugInUse, Stopping, UnknownApp, UnknownProcess
from smartmob.topics import BadTopic
from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.stats import Usage
from tests.support.agents import FakeAgent, FakeProcess
from tests.support.httpwire import Wire
from tests.support.plugging import TOLD, PluggingCase, app

CREATE = {
    "app": "myapp",
    "node": "web.1",
    "process_type": "web",
    "source_url": "http://127.0.0.1/a.tar.gz",
}


class SupervisorCase(SynchronousTestCase):
    """
    An agent with one process, which a plugin knows.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.process = self.agent.add()
        self.supervisor = Supervisor(self.agent.real, self.clock)
        self.heard: list[Any] = []

    def publish(self, topic: Topic, process: FakeProcess | None = None) -> None:
        """Something happens."""
        self.agent.events.publish((process or self.process).definition, topic)

    def said(self, *lines: str) -> None:
        """The program says something."""
        self.process.console.received(
            "stdout", "".join(f"{line}\n" for line in lines).encode(), 7
        )


class DocumentTests(SupervisorCase):
    """
    What is shown of processes.
    """

    def test_asInRest(self) -> None:
        """The documents are those of REST, without the URLs of its verbs."""
        site = make_site(
            self.agent.real,
            self.clock,
            measurements=Measurements(lambda measure: succeed(Usage())),
        )
        [shown] = Wire(site).ask("GET", "/list-processes").json()["processes"]
        [document] = self.supervisor.processes()
        self.assertEqual(document, {name: shown[name] for name in document})
        for name in shown.keys() - document.keys():
            self.assertIn("127.0.0.1", shown[name])

    def test_app(self) -> None:
        """An app's alone, where they are asked for; of an unknown one none."""
        self.agent.add("other")
        slugs = [each["slug"] for each in self.supervisor.processes("other")]
        self.assertEqual(slugs, ["other.web.0"])
        self.assertEqual(len(self.supervisor.processes()), 2)
        self.assertEqual(self.supervisor.processes("nobody"), [])


class VerbTests(SupervisorCase):
    """
    What can be done with them.
    """

    def refused(self, done: Deferred[Any], kind: type[Refusal]) -> None:
        """It is refused, by the Deferred."""
        self.failureResultOf(done, kind)

    def test_create(self) -> None:
        """A process is created as REST would, with its checks."""
        document = self.successResultOf(self.supervisor.create(CREATE))
        self.assertEqual(document["slug"], "myapp.web.1")
        self.refused(self.supervisor.create(CREATE), SlugInUse)
        self.refused(self.supervisor.create({**CREATE, "uid": 0}), InvalidDocument)
        self.agent.refuses = Stopping()
        self.refused(self.supervisor.create({**CREATE, "node": "x"}), Stopping)

    def test_verbs(self) -> None:
        """start, stop, restart and delete do what their names say, when that is done."""
        self.process.waits = True
        supervisor = self.supervisor
        document = self.successResultOf(supervisor.start("myapp.web.0"))
        self.assertEqual(document["slug"], "myapp.web.0")
        for verb in (supervisor.stop, supervisor.restart, supervisor.delete):
            done = verb("myapp.web.0")
            self.assertNoResult(done)
            self.process.state = State.STOPPED
            self.process.done.fire()
            document = self.successResultOf(done)
            self.assertEqual(
                document.get("state", "gone"), "gone" if not document else "stopped"
            )
        self.assertEqual(document, {})
        self.assertEqual(self.process.asked, ["start", "stop", "restart", "delete"])

    def test_unknown(self) -> None:
        """What is unknown is said by the Deferred."""
        supervisor = self.supervisor
        for verb in (supervisor.start, supervisor.stop, supervisor.restart, supervisor.delete):
            self.refused(verb("no.such"), UnknownProcess)
        self.refused(supervisor.scale("nobody", {"web": 1}), UnknownApp)

    def test_cancelled(self) -> None:
        """Who waits no longer changes nothing."""
        self.process.waits = True
        done = self.supervisor.stop("myapp.web.0")
        done.cancel()
        self.failureResultOf(done)
        self.process.done.fire()
        self.assertEqual(self.process.asked, ["stop"])

    def test_scale(self) -> None:
        """An app is scaled as REST would, with its checks."""
        [document] = self.successResultOf(self.supervisor.scale("myapp", {"web": 2, "x": "+1"}))
        self.assertEqual(document["slug"], "myapp.web.0")
        [wanted] = self.agent.scaled
        self.assertEqual(set(wanted), {"web", "x"})
        self.refused(self.supervisor.scale("myapp", {"web": -1}), InvalidDocument)


class EventTests(SupervisorCase):
    """
    What happens to processes.
    """

    def test_heard(self) -> None:
        """Events are heard in their order, as documents, soon after they happened."""
        self.supervisor.subscribe("proc.myapp.web.*", self.heard.append)
        self.publish(Topic.SPAWN)
        self.publish(Topic.FAIL)
        self.publish(Topic.FAIL, self.agent.add("other"))
        self.assertEqual(self.heard, [])
        self.clock.advance(0)
        self.assertEqual([each["event"] for each in self.heard], ["spawn", "fail"])
        self.assertEqual(self.heard[0]["slug"], "myapp.web.0")

    def test_badTopic(self) -> None:
        """What is no topic is said at once."""
        self.assertRaises(BadTopic, self.supervisor.subscribe, "a..b", self.heard.append)

    def test_ended(self) -> None:
        """Who has ended it hears no more, not even of what has happened already."""
        end = self.supervisor.subscribe("*", self.heard.append)
        self.publish(Topic.SPAWN)
        end()
        end()
        self.publish(Topic.FAIL)
        self.clock.advance(0)
        self.assertEqual((self.heard, self.clock.getDelayedCalls()), ([], []))

    def test_endsItself(self) -> None:
        """A listener may end it in the midst."""

        def once(event: Any) -> None:
            self.heard.append(event["event"])
            end()

        end = self.supervisor.subscribe("*", once)
        self.publish(Topic.SPAWN)
        self.publish(Topic.FAIL)
        self.clock.advance(0)
        self.assertEqual((self.heard, self.clock.getDelayedCalls()), (["spawn"], []))

    def test_acts(self) -> None:
        """A listener may do anything to a process, and hears of that as well."""

        def acts(event: Any) -> None:
            self.heard.append(event["event"])
            if event["event"] == "spawn":
                self.supervisor.stop(event["slug"])
                self.publish(Topic.STOP)

        self.supervisor.subscribe("*", acts)
        self.publish(Topic.SPAWN)
        self.assertEqual(self.process.asked, [])
        self.clock.pump([0, 0])
        self.assertEqual(self.process.asked, ["stop"])
        self.assertEqual(self.heard, ["spawn", "stop"])

    def test_hangs(self) -> None:
        """A listener that hangs is not called for ever, and the log says what it missed."""

        async def hangs(event: Any) -> None:
            self.heard.append(Deferred())
            await self.heard[-1]

        def happens(number: int) -> list[str | None]:
            with capturedLogs() as logs:
                for _ in range(number):
                    self.publish(Topic.SPAWN)
                self.clock.advance(0)
            return [formatEvent(event) for event in logs]

        self.supervisor.subscribe("*", hangs)
        self.assertEqual(happens(UNFINISHED), [])
        [warning] = happens(7)
        assert warning is not None
        self.assertIn(f"is busy with {UNFINISHED} events", warning)
        self.assertIn("hangs", warning)
        self.assertEqual(happens(3), [])
        self.assertEqual(len(self.heard), UNFINISHED)
        with capturedLogs() as logs:
            for waited in self.heard[: UNFINISHED // 2]:
                self.assertEqual(logs, [])
                waited.callback(None)
        [again] = map(formatEvent, logs)
        assert again is not None
        self.assertIn("hears events again, and missed 10", again)
        self.assertEqual(happens(2), [])
        self.assertEqual(len(self.heard), UNFINISHED + 2)

    def test_hangsAlone(self) -> None:
        """Other listeners hear all there is, and one that fails is done."""

        def fails(_: Any) -> None:
            self.heard.append(1)
            raise ValueError

        self.supervisor.subscribe("*", lambda _: Deferred())
        self.supervisor.subscribe("*", fails)
        for _ in range(UNFINISHED + 10):
            self.publish(Topic.SPAWN)
        self.clock.advance(0)
        self.assertEqual(len(self.heard), UNFINISHED + 10)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), UNFINISHED + 10)

    def test_raises(self) -> None:
        """What listeners raise is logged, and they are told the next all the same."""

        def fails(event: Any) -> None:
            self.heard.append(event["event"])
            raise ValueError

        async def fails_later(event: Any) -> None:
            fails(event)

        self.supervisor.subscribe("*", fails)
        self.supervisor.subscribe("*", fails_later)
        self.publish(Topic.SPAWN)
        self.publish(Topic.EXIT)
        self.clock.advance(0)
        self.assertEqual(sorted(self.heard), ["exit", "exit", "spawn", "spawn"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 4)


class LineTests(SupervisorCase):
    """
    What programs say.
    """

    def told(self) -> list[Any]:
        """The lines that were heard."""
        return [each.get("line", each) for each in self.heard]

    def test_heard(self) -> None:
        """Lines are heard in their order, as documents, the kept ones first."""
        self.said("one", "two", "three \u2028 ü")
        self.supervisor.lines("myapp.web.0", self.heard.append, tail=2)
        self.assertEqual(self.heard, [])
        self.clock.advance(0)
        self.said("four")
        self.said("five")
        self.clock.pump([0, 0])
        self.assertEqual(self.told(), ["two", "three \u2028 ü", "four", "five"])
        self.assertEqual(set(self.heard[0]), {"seq", "time", "stream", "line", "pid"})

    def test_fromNowOn(self) -> None:
        """Without a tail none of the kept ones."""
        self.said("before")
        self.supervisor.lines("myapp.web.0", self.heard.append)
        self.said("after")
        self.clock.advance(0)
        self.assertEqual(self.told(), ["after"])

    def test_unknown(self) -> None:
        """A process that is not there is said at once."""
        self.assertRaises(UnknownProcess, self.supervisor.lines, "no.such", self.heard.append)

    def test_ended(self) -> None:
        """Who has ended it hears no more."""
        end = self.supervisor.lines("myapp.web.0", self.heard.append)
        self.said("one")
        end()
        end()
        self.said("two")
        self.clock.advance(0)
        self.assertEqual((self.heard, self.clock.getDelayedCalls()), ([], []))
        self.assertEqual(self.agent.consoles.budget.queued, 0)

    def test_endsItself(self) -> None:
        """A listener may end it in the midst."""

        def once(line: Any) -> None:
            self.heard.append(line)
            end()

        end = self.supervisor.lines("myapp.web.0", once)
        self.said("one", "two")
        self.clock.advance(0)
        self.assertEqual(self.told(), ["one"])

    def test_deletes(self) -> None:
        """A listener may delete the process that it hears."""

        def deletes(line: Any) -> None:
            self.heard.append(line)
            self.process.console.deleted()

        self.supervisor.lines("myapp.web.0", deletes)
        self.said("one")
        self.clock.pump([0, 0])
        self.assertEqual(self.told(), ["one"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tooMuch(self) -> None:
        """What is queued is bounded, and what was missed is told."""
        self.agent.consoles = Consoles(epoch="", bounds=Bounds(queue=1000))
        self.process = self.agent.add("loud")
        self.supervisor.lines("loud.web.0", self.heard.append)
        for number in range(100):
            self.said(str(number))
        self.clock.pump([0] * 10)
        self.said("last")
        self.clock.pump([0] * 10)
        told = self.told()
        [dropped] = [each for each in told if not isinstance(each, str)]
        self.assertEqual(dropped["event"], "dropped")
        self.assertEqual(dropped["missed"] + len(told) - 1, 101)
        self.assertEqual(told[-1], "last")

    def test_takesItsTime(self) -> None:
        """A listener gets a line when it is done with the one before, and may miss some."""
        self.agent.consoles = Consoles(epoch="", bounds=Bounds(queue=1000))
        self.process = self.agent.add("loud")
        done: Deferred[None] = Deferred()

        async def listens(line: Any) -> None:
            self.heard.append(line)
            await done

        self.supervisor.lines("loud.web.0", listens)
        for number in range(100):
            self.said(str(number))
            self.clock.pump([0] * 2)
        self.assertEqual(self.told(), ["0"])
        self.assertLess(self.agent.consoles.budget.queued, 2000)
        done.callback(None)
        self.clock.pump([0] * 10)
        told = self.told()
        [dropped] = [each for each in told if not isinstance(each, str)]
        self.assertEqual(dropped["missed"] + len(told) - 1, 100)
        self.assertEqual(told[1], "1")

    def test_raises(self) -> None:
        """What a listener raises is logged, and it is told the next all the same."""

        def fails(line: Any) -> None:
            self.heard.append(line)
            raise ValueError

        self.supervisor.lines("myapp.web.0", fails)
        self.said("one", "two")
        self.clock.advance(0)
        self.assertEqual(self.told(), ["one", "two"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)


class ForgettingTests(SupervisorCase):
    """
    What is known of listeners.
    """

    def test_over(self) -> None:
        """A listener that was ended, or whose process is deleted, is known no more."""
        listeners = [self.hears(), self.hears(), self.hears()]
        lines, deleted, events = (weakref.ref(each) for each in listeners)
        self.supervisor.lines("myapp.web.0", listeners[0])()
        self.supervisor.lines("myapp.web.0", listeners[1])
        self.supervisor.subscribe("*", listeners[2])()
        listeners.clear()
        self.process.console.deleted()
        self.clock.pump([0, 0])
        gc.collect()
        self.assertEqual((lines(), deleted(), events()), (None, None, None))

    def test_closed(self) -> None:
        """Who listens when its plugin was stopped hears nothing."""
        self.supervisor.close()
        self.supervisor.subscribe("*", self.heard.append)
        self.supervisor.lines("myapp.web.0", self.heard.append, tail=1)
        self.publish(Topic.SPAWN)
        self.said("one")
        self.clock.pump([0, 0])
        self.assertEqual((self.heard, self.agent.consoles.budget.queued), ([], 0))

    def hears(self) -> Callable[[Any], None]:
        """A listener of which nobody else knows."""

        def hear(document: Any) -> None:
            self.heard.append(document)

        return hear


class EndTests(PluggingCase):
    """
    A plugin that stops.
    """

    def test_hearsNoMore(self) -> None:
        """What it listened to ends with it, after its stop."""
        self.agent.add()
        self.put(
            "it/it.py",
            app(
                """
                def start(self, loop, manager):
                    manager.subscribe("*", TOLD.append)
                    manager.lines("myapp.web.0", TOLD.append)
                    manager.lines("myapp.web.0", TOLD.append)()
                """
            ),
        )
        self.start()
        process = self.agent.process("myapp.web.0")
        self.agent.events.publish(process.definition, Topic.SPAWN)
        process.console.received("stdout", b"one\n", 7)
        self.clock.advance(0)
        self.assertEqual(len(TOLD), 2)
        self.stop()
        self.agent.events.publish(process.definition, Topic.EXIT)
        process.console.received("stdout", b"two\n", 7)
        self.clock.advance(0)
        self.assertEqual(len(TOLD), 2)
