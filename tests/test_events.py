"""
Tests of L{smartmob.events}, and of what processes tell by them.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.documents import CreateRequest, Flapping, Left, Restart
from smartmob.events import About, Event, Events, Topic
from smartmob.lines.consoles import Consoles
from smartmob.numbers import FleetingNumbers
from smartmob.ports import Ports
from smartmob.source.errors import SourceRefused, SourceUnavailable
from smartmob.topics import Topics, parse
from tests.support.launching import FakeLauncher
from tests.support.recording_state import FakeRecords
from tests.support.releasing import FakeSources
from tests.support.stage import REQUEST, Stage, staged


class EventsTests(SynchronousTestCase):
    """
    What is published, and who is told.
    """

    def setUp(self) -> None:
        self.now = 1.5
        self.events = Events(now=lambda: self.now, kept=3)
        self.told: list[int] = []

    def note(self, event: Event) -> None:
        """
        A listener.
        """
        self.told.append(event.id)

    def publish(self, number: int = 1, topic: Topic = Topic.CREATE) -> None:
        """
        So many events.
        """
        for _ in range(number):
            self.events.publish(REQUEST, topic)

    def test_document(self) -> None:
        """
        A document says what happened, when, to which process, and what applies.
        """
        told: list[Event] = []
        self.events.subscribe(Topics(), told.append)
        self.publish()
        self.events.publish(REQUEST, Topic.EXIT, About(pid=7, exit_status=0, term_signal=9))
        self.events.publish(REQUEST, Topic.REAP, About(pid=7, killed=("a", "b")))
        self.events.publish(REQUEST, Topic.FAIL, About(reason="it can't"))
        whose = {
            "time": "1970-01-01T00:00:01.500Z",
            "app": "myapp",
            "node": "web.0",
            "process_type": "web",
            "slug": "myapp.web.0",
            "name": "myapp:web",
        }
        self.assertEqual(
            [event.document() for event in told],
            [
                {"id": 1, "event": "create", **whose},
                {
                    "id": 2,
                    "event": "exit",
                    **whose,
                    "pid": 7,
                    "os_pid": 7,
                    "exit_status": 0,
                    "term_signal": 9,
                },
                {
                    "id": 3,
                    "event": "reap",
                    **whose,
                    "pid": 7,
                    "os_pid": 7,
                    "killed": ["a", "b"],
                },
                {"id": 4, "event": "fail", **whose, "reason": "it can't"},
            ],
        )

    def test_defaultApp(self) -> None:
        """
        An app that is called default stands in no name but the slug's and its own.
        """
        told: list[Event] = []
        self.events.subscribe(parse(["proc.dummy.spawn"]), told.append)
        request = evolve(REQUEST, app="default", node="dummy.0", process_type="dummy")
        self.events.publish(request, Topic.SPAWN, About(pid=7))
        [event] = told
        self.assertEqual(event.document()["name"], "dummy")
        self.assertEqual(
            set(event.names),
            {
                "spawn",
                "proc.default.dummy.0.spawn",
                "proc.default.dummy.spawn",
                "proc.dummy.spawn",
            },
        )

    def test_noSecrets(self) -> None:
        """
        Nothing of what a request keeps for itself is kept by an event.
        """
        told: list[Event] = []
        self.events.subscribe(Topics(), told.append)
        self.events.publish(evolve(REQUEST, env={"KEY": "53cret"}), Topic.CREATE)
        self.assertNotIn("53cret", repr(told))
        self.assertNotIn("example.invalid", repr(told))

    def test_once(self) -> None:
        """
        A subscription gets an event once, however many of its topics fit.
        """
        self.events.subscribe(parse(["create", "proc.**", "*"]), self.note)
        self.events.subscribe(parse(["create", "proc.myapp.**"]), self.note)
        self.events.subscribe(parse(["stop"]), self.note)
        self.publish()
        self.assertEqual(self.told, [1, 1])

    def test_end(self) -> None:
        """
        A subscription ends alone, and may be ended again.
        """
        first = self.events.subscribe(Topics(), self.note)
        second = self.events.subscribe(Topics(), self.note)
        first()
        first()
        self.publish()
        self.assertEqual(self.told, [1])
        second()
        self.publish()
        self.assertEqual(self.told, [1])

    def test_endsItself(self) -> None:
        """
        A listener may end its own subscription, or another's, while it is told.
        """
        ends: list[Callable[[], None]] = []

        def listen(event: Event) -> None:
            self.note(event)
            for end in ends:
                end()

        ends += [self.events.subscribe(Topics(), listen) for _ in range(3)]
        self.publish(2)
        self.assertEqual(set(self.told), {1})

    def test_failingListener(self) -> None:
        """
        A listener that fails is logged, and nobody else misses anything.
        """

        def fail(event: Event) -> None:
            raise ZeroDivisionError

        self.events.subscribe(Topics(), fail)
        self.events.subscribe(Topics(), self.note)
        self.publish(2)
        self.assertEqual(self.told, [1, 2])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_order(self) -> None:
        """
        What a listener makes happen is told to all after what it was told of.
        """

        def once(event: Event) -> None:
            if event.id == 1:
                self.publish(2)

        self.events.subscribe(Topics(), once)
        self.events.subscribe(parse(["create"]), self.note)
        self.publish()
        self.assertEqual(self.told, [1, 2, 3])

    def since(self, after: int, topics: Topics | None = None) -> tuple[int, list[int]]:
        """
        What is kept, by numbers.
        """
        missed, events = self.events.since(after, Topics() if topics is None else topics)
        return missed, [event.id for event in events]

    def test_since(self) -> None:
        """
        The last events are kept, and how many are not is known.
        """
        self.assertEqual(self.since(0), (0, []))
        self.publish(2)
        self.assertEqual(self.since(0), (0, [1, 2]))
        self.assertEqual(self.since(1), (0, [2]))
        self.assertEqual(self.since(2), (0, []))
        self.publish(3)
        self.assertEqual(self.since(0), (2, [3, 4, 5]))
        self.assertEqual(self.since(1), (1, [3, 4, 5]))
        self.assertEqual(self.since(2), (0, [3, 4, 5]))
        self.assertEqual(self.since(4), (0, [5]))
        self.publish(1, Topic.STOP)
        self.assertEqual(self.since(0, parse(["stop"])), (3, [6]))

    def test_sinceAnotherAgent(self) -> None:
        """
        A number that was not given out yet is another agent's.
        """
        self.publish(2)
        self.assertEqual(self.since(3), (0, [1, 2]))
        self.assertEqual(self.since(10**30), (0, [1, 2]))

    def test_firstId(self) -> None:
        """
        Numbers may go on where an earlier run of the agent ended.
        """
        self.events = Events(numbers=FleetingNumbers(41))
        self.assertEqual(self.since(40), (0, []))
        self.assertEqual(self.since(30), (10, []))
        self.publish(2)
        self.assertEqual(self.since(40), (0, [41, 42]))


class LifeTests(SynchronousTestCase):
    """
    Which events a process tells, in which situation.
    """

    def test_good(self) -> None:
        """
        A life in which nothing goes wrong but one crash.
        """
        stage = Stage()
        stage.up().end(1)
        stage.program.execute()
        stage.process.stop()
        stage.program.end(signal=15)
        stage.process.delete()
        stage.discard()
        told = list(stage.told)
        self.assertEqual(
            stage.life(),
            [
                "start",
                "spawn",
                "exit",
                "reap",
                "spawn",
                "stop_pid",
                "exit",
                "reap",
                "stop",
                "delete",
            ],
        )
        pids = [event.about.pid for event in told]
        self.assertEqual(pids, [None, 1001, 1001, 1001, *[1002] * 4, None, None])
        ends = [
            (event.about.exit_status, event.about.term_signal)
            for event in told
            if event.topic is Topic.EXIT
        ]
        self.assertEqual(ends, [(1, 0), (0, 15)])

    def test_deleteRunning(self) -> None:
        """
        What runs when it is deleted is stopped first.
        """
        stage = Stage()
        stage.up()
        stage.life()
        stage.process.delete()
        self.assertEqual(stage.life(), ["stop_pid"])
        stage.program.exit()
        self.assertEqual(stage.life(), ["exit"])
        stage.program.end(killed=("sleep",))
        self.assertEqual(stage.told[0].about.killed, ("sleep",))
        self.assertEqual(stage.life(), ["reap", "stop"])
        stage.discard()
        self.assertEqual(stage.life(), ["delete"])

    def test_restart(self) -> None:
        """
        A restart is a stop and a start.
        """
        stage = Stage()
        stage.up()
        stage.life()
        stage.process.restart()
        stage.program.end()
        stage.program.execute()
        self.assertEqual(stage.life(), ["stop_pid", "exit", "reap", "stop", "start", "spawn"])

    def test_repeated(self) -> None:
        """
        A verb that changes nothing is no event.
        """
        stage = Stage()
        stage.up()
        stage.life()
        stage.process.start()
        self.assertEqual(stage.life(), [])
        for _ in range(3):
            stage.process.stop()
        stage.program.end()
        stage.process.stop()
        self.assertEqual(stage.life(), ["stop_pid", "exit", "reap", "stop"])
        stage.process.start()
        stage.process.start()
        self.assertEqual(stage.life(), ["start"])

    def test_backoff(self) -> None:
        """
        That a delay is cut short is no event; that it ends down is.
        """
        stage = Stage()
        program = stage.up()
        program.end(1)
        program.execute()
        program.end(1)
        stage.life()
        stage.process.start()
        self.assertEqual(stage.life(), [])
        program.execute()
        program.end(1)
        program.execute()
        program.end(1)
        stage.life()
        stage.process.stop()
        self.assertEqual(stage.life(), ["stop"])

    def test_stragglers(self) -> None:
        """
        The end of the program is told when it ends, that of its tree later.
        """
        stage = Stage()
        stage.up().exit(3)
        self.assertEqual(stage.life(), ["start", "spawn", "exit"])
        stage.clock.advance(0)
        stage.process.stop()
        self.assertEqual(stage.life(), [])
        stage.program.end()
        self.assertEqual(stage.life(), ["reap", "stop"])

    def test_executedTooLate(self) -> None:
        """
        A program that was executed when it was to be stopped already has a life, too.
        """
        stage = Stage()
        stage.process.start()
        stage.source()
        stage.process.stop()
        self.assertEqual(stage.life(), ["start"])
        stage.program.execute()
        stage.program.end(signal=15)
        self.assertEqual(stage.life(), ["spawn", "stop_pid", "exit", "reap", "stop"])

    def test_notExecuted(self) -> None:
        """
        What is not executed has no end.
        """
        stage = Stage()
        stage.process.start()
        stage.source()
        stage.program.fail()
        stage.program.fail()
        stage.process.stop()
        self.assertEqual(stage.life(), ["start", "stop"])

    def test_helperKilled(self) -> None:
        """
        An end of which nothing is known is told once, without numbers.
        """
        stage = Stage()
        stage.up().lose()
        about = stage.told[2].about
        self.assertEqual((about.exit_status, about.term_signal), (0, 0))
        self.assertEqual(stage.life(), ["start", "spawn", "exit", "reap"])

    def test_flapping(self) -> None:
        """
        A pause is told, and in the end the failure, with its reason.
        """
        stage = staged(flapping=Flapping(attempts=2, window=1, retry_in=5, max_retry=1))
        program = stage.up()
        program.end(1)
        program.execute()
        stage.life()
        program.end(1)
        self.assertEqual(stage.life(), ["exit", "reap", "flap"])
        stage.clock.advance(5)
        for _ in range(2):
            program.execute()
            program.end(1)
        self.assertIn("flapping", stage.told[-1].about.reason or "")
        self.assertEqual(
            stage.life(), ["spawn", "exit", "reap", "spawn", "exit", "reap", "fail"]
        )
        stage.process.start()
        self.assertEqual(stage.life(), ["start"])

    def test_restartNever(self) -> None:
        """
        What ends well, and is not to be started again, was not stopped by anybody.
        """
        stage = staged(restart=Restart.ON_FAILURE)
        stage.up().end(0)
        self.assertEqual(stage.life(), ["start", "spawn", "exit", "reap"])
        stage.process.stop()
        stage.process.delete()
        stage.discard()
        self.assertEqual(stage.life(), ["delete"])

    def test_source(self) -> None:
        """
        A source that will come later is no event; one that never will is a failure.
        """
        stage = Stage()
        stage.process.start()
        stage.recipe.works[-1].errback(SourceUnavailable("later"))
        self.assertEqual(stage.life(), ["start"])
        stage.clock.advance(2)
        stage.recipe.works[-1].errback(SourceRefused("never"))
        self.assertEqual(stage.told[0].about.reason, "never")
        self.assertEqual(stage.life(), ["fail"])
        stage.process.stop()
        self.assertEqual(stage.life(), ["stop"])

    def test_left(self) -> None:
        """
        A tree of which something is left is gone only once that is gone.
        """
        stage = Stage()
        program = stage.up()
        program.ends_left = False
        stage.life()
        stopped = stage.process.stop()
        program.end(left=(Left(7, "init"),), killed=("sleep",))
        self.failureResultOf(stopped)
        self.assertEqual(stage.life(), ["stop_pid", "exit", "fail"])
        program.ends_left = True
        deleted = stage.process.delete()
        told = stage.told[0].about
        self.assertEqual((told.pid, told.killed), (1001, ("sleep",)))
        stage.discard()
        self.successResultOf(deleted)
        self.assertEqual(stage.life(), ["reap", "stop", "delete"])

    def test_agentEnds(self) -> None:
        """
        That the agent ends is no operator's stop.
        """
        stage = Stage()
        stage.up()
        stage.life()
        stage.process.close()
        stage.program.end()
        self.assertEqual(stage.life(), ["stop_pid", "exit", "reap"])


class AgentTests(SynchronousTestCase):
    """
    The events of an agent.
    """

    def test_told(self) -> None:
        """
        A process tells its whole life to the agent's events, from before its start, and
        its name is free when the last of them comes.
        """
        clock = Clock()
        launcher = FakeLauncher(clock, obedient=True)
        agent = Agent(
            clock,
            launcher,
            Consoles(epoch="test"),
            FakeSources(at_once=True).real,
            FakeRecords(),
            ports=Ports(lambda low, high: low, 100, 102, lambda port: True),
            wall=clock.seconds,
        )
        told: list[tuple[str, int]] = []

        def note(event: Event) -> None:
            told.append((event.topic.value, len(agent.processes())))

        agent.events.subscribe(parse(["proc.myapp.**"]), note)
        request: CreateRequest = REQUEST
        process = self.successResultOf(agent.create(request, "id"))
        launcher.programs[-1].execute()
        process.delete()
        clock.advance(0)
        self.assertEqual(
            told,
            [
                ("create", 1),
                ("start", 1),
                ("spawn", 1),
                ("stop_pid", 1),
                ("exit", 1),
                ("reap", 1),
                ("stop", 1),
                ("delete", 0),
            ],
        )
