"""
Tests of L{smartmob.notify}: what a service manager is told.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from attrs import define, field
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from smartmob.notify import (
    AGAIN,
    EXTEND_EVERY,
    EXTENSION,
    GATHER,
    LONGEST_START,
    LONGEST_STATUS,
    MOST_WAITING,
    PACE,
    Fed,
    Notices,
    Notifier,
    notices,
)
from tests.support.service_manager import Listening


class ListeningTestCase(SynchronousTestCase):
    """
    Tests with a service manager that only listens.
    """

    def setUp(self) -> None:
        """
        It listens on a path.
        """
        self.folder = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.theirs = self.listening(str(Path(self.folder, "notify")))
        self.clock = Clock()
        self.notices = Notices(self.theirs.address, self.clock)
        self.addCleanup(self.notices.close)

    def listening(self, path: str) -> Listening:
        """
        A service manager that listens there.
        """
        listening = Listening(path)
        self.addCleanup(listening.close)
        return listening


class NoticesTests(ListeningTestCase):
    """
    Messages.
    """

    def test_message(self) -> None:
        """
        One message is one datagram, with an assignment a line.
        """
        self.notices.tell(READY=1, STATUS="3 running")
        self.assertEqual(self.theirs.all(), [{"READY": "1", "STATUS": "3 running"}])

    def test_abstract(self) -> None:
        """
        What begins with @ is no file.
        """
        theirs = self.listening(f"@smartmob-{os.getpid()}-{id(self)}")
        way = Notices(theirs.address, self.clock)
        self.addCleanup(way.close)
        way.tell(READY=1)
        self.assertEqual(theirs.all(), [{"READY": "1"}])

    def test_oneLine(self) -> None:
        """
        A text with line ends in it makes no assignments of its own, and a long one is cut.
        """
        self.notices.tell(STATUS="not\nREADY=1")
        self.notices.tell(STATUS="x" * 10_000)
        first, second = self.theirs.all()
        self.assertEqual(first, {"STATUS": "not READY=1"})
        self.assertEqual(len(second["STATUS"]), LONGEST_STATUS)

    def test_noRoom(self) -> None:
        """
        What there is no room for is sent later, in order, and nobody waits.
        """
        for number in range(200):
            self.notices.tell(STATUS=number)
            if self.clock.getDelayedCalls():
                break
        self.notices.tell(READY=1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        first = self.theirs.all()
        self.clock.advance(AGAIN)
        self.assertEqual(
            first + self.theirs.all(),
            [*({"STATUS": str(each)} for each in range(number + 1)), {"READY": "1"}],
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_neverRoom(self) -> None:
        """
        Of what there is no room for so much is kept and no more.
        """
        for number in range(1000):
            self.notices.tell(STATUS=number)
        self.theirs.all()
        self.clock.advance(AGAIN)
        kept = self.theirs.all()
        while self.clock.getDelayedCalls():
            self.clock.advance(AGAIN)
            kept += self.theirs.all()
        self.assertEqual(
            [message["STATUS"] for message in kept],
            [str(number) for number in range(1000 - MOST_WAITING, 1000)],
        )

    def test_nobodyThere(self) -> None:
        """
        Where nobody listens any more that is said once, and the agent goes on.
        """
        self.theirs.close()
        with capturedLogs() as logged:
            self.notices.tell(READY=1)
            self.notices.tell(READY=1)
        said = [event["log_format"] for event in logged]
        self.assertEqual(said, ["{name} can't be told anything: {why}"])

    def test_tooLong(self) -> None:
        """
        An address that no socket can have is told of as such.
        """
        way = Notices(f"/{'x' * 200}", self.clock)
        self.addCleanup(way.close)
        with capturedLogs() as logged:
            way.tell(READY=1)
        [said] = logged
        self.assertIn("too long", said["why"])

    def test_closed(self) -> None:
        """
        What is to be told after the end is told nobody, which is no fault.
        """
        self.notices.close()
        with capturedLogs() as logged:
            self.notices.tell(READY=1)
        self.assertEqual((logged, self.theirs.all()), ([], []))

    def test_environment(self) -> None:
        """
        There is a way only where the environment names one that can be used.
        """
        self.assertIsNone(notices({}, self.clock))
        self.assertIsNone(notices({"NOTIFY_SOCKET": ""}, self.clock))
        with capturedLogs() as logged:
            for odd in ("vsock:2:1234", "relative", "/", "@"):
                self.assertIsNone(notices({"NOTIFY_SOCKET": odd}, self.clock))
        said = [event["log_format"] for event in logged]
        self.assertEqual(said, ["{name} can't be used: {why}"] * 4)
        way = notices({"NOTIFY_SOCKET": self.theirs.address}, self.clock)
        assert way is not None
        way.close()


@define
class Dog(Fed):
    """
    Remembers what was done to it.
    """

    done: list[str] = field(factory=list)

    def start(self) -> None:
        """See L{Fed}."""
        self.done.append("start")

    def relax(self) -> None:
        """See L{Fed}."""
        self.done.append("relax")

    def stop(self) -> None:
        """See L{Fed}."""
        self.done.append("stop")


class NotifierTests(ListeningTestCase):
    """
    An agent's life, as it is told.
    """

    def setUp(self) -> None:
        """
        An agent with something to count.
        """
        super().setUp()
        self.counts = "0 running"
        self.dog = Dog()
        self.notifier = Notifier(
            self.clock, self.notices, lambda: self.counts, lambda: self.dog, lambda: 7
        )

    def test_start(self) -> None:
        """
        It is ready when it says so, and until then asks for time again and again.
        """
        self.notifier.starting()
        told = [{"STATUS": "starting; 0 running"}, self.extension()]
        self.assertEqual(self.theirs.all(), told)
        self.clock.pump([EXTEND_EVERY] * 2)
        self.assertEqual(self.theirs.all(), [self.extension()] * 2)
        self.assertEqual(self.dog.done, [])
        self.notifier.ready()
        self.assertEqual(self.theirs.all(), [{"READY": "1", "STATUS": "0 running"}])
        self.assertEqual(self.dog.done, ["start"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_neverReady(self) -> None:
        """
        A start is not waited for without end.
        """
        self.notifier.starting()
        for _ in range(round(LONGEST_START / EXTEND_EVERY)):
            self.clock.advance(EXTEND_EVERY)
            self.theirs.all()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failed(self) -> None:
        """
        Why it could not start is its last status.
        """
        self.notifier.starting()
        self.notifier.failed("can't listen")
        self.assertEqual(self.theirs.all()[-1], {"STATUS": "can't listen; 0 running"})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_status(self) -> None:
        """
        A change is told soon, but changes are told once a second at most.
        """
        self.up()
        self.clock.advance(PACE)
        self.counts = "1 running"
        self.notifier.status.changed()
        self.notifier.status.changed()
        self.assertEqual(self.theirs.all(), [])
        self.clock.advance(GATHER)
        self.assertEqual(self.theirs.all(), [{"STATUS": "1 running"}])
        for number in range(2, 12):
            self.counts = f"{number} running"
            self.notifier.status.changed()
            self.clock.advance(PACE / 11)
        self.assertEqual(self.theirs.all(), [])
        self.clock.advance(PACE / 10)
        self.assertEqual(self.theirs.all(), [{"STATUS": "11 running"}])

    def test_sameStatus(self) -> None:
        """
        What comes to the same is not told again, and while nothing changes there is no timer.
        """
        self.up()
        self.notifier.status.changed()
        self.clock.advance(PACE)
        self.assertEqual(self.theirs.all(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_reload(self) -> None:
        """
        A reload is told with the time it began, and its end.
        """
        self.up()
        self.assertEqual(self.notifier.throughout(lambda: 5), 5)
        self.assertEqual(
            self.theirs.all(),
            [
                {"RELOADING": "1", "MONOTONIC_USEC": "7", "STATUS": "reloading; 0 running"},
                {"READY": "1", "STATUS": "0 running"},
            ],
        )

    def test_refused(self) -> None:
        """
        After a reload that was refused it is ready too, and says why until one is not.
        """
        self.up()

        def refuse() -> None:
            raise ValueError("line 3 is odd")

        self.assertRaises(ValueError, self.notifier.throughout, refuse)
        status = "reload refused: line 3 is odd; 0 running"
        self.assertEqual(self.theirs.all()[1:], [{"READY": "1", "STATUS": status}])
        self.counts = "1 running"
        self.notifier.status.changed()
        self.clock.advance(PACE)
        status = "reload refused: line 3 is odd; 1 running"
        self.assertEqual(self.theirs.all(), [{"STATUS": status}])
        self.notifier.throughout(lambda: None)
        self.assertEqual(self.theirs.all()[-1], {"READY": "1", "STATUS": "1 running"})

    def test_stop(self) -> None:
        """
        As long as it may take to end, more time is asked for before what was asked for is
        over; after that it is not, and the watchdog is fed by the reactor alone.
        """
        self.up()
        self.notifier.stopping(100)
        told = [{"STOPPING": "1", "STATUS": "stopping; 0 running"}, self.extension()]
        self.assertEqual(self.theirs.all(), told)
        self.assertEqual(self.dog.done, ["start", "relax"])
        asked = 0.0
        while self.clock.seconds() < 100:
            self.clock.advance(1)
            for message in self.theirs.all():
                asked = self.clock.seconds() + int(message["EXTEND_TIMEOUT_USEC"]) / 1e6
            self.assertTrue(asked == 0 or asked > self.clock.seconds(), asked)
        self.assertLessEqual(asked, 100 + EXTEND_EVERY)
        self.clock.advance(EXTEND_EVERY)
        self.assertEqual(self.theirs.all(), [])

    def test_stopped(self) -> None:
        """
        At its end nothing is under way.
        """
        self.up()
        self.notifier.stopping(100)
        self.notifier.status.changed()
        self.notifier.stopped()
        self.assertEqual(self.dog.done, ["start", "relax", "stop"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def up(self) -> None:
        """
        It has started, and what was told of that was read.
        """
        self.notifier.starting()
        self.notifier.ready()
        self.theirs.all()

    def extension(self) -> dict[str, str]:
        """
        The message that asks for time.
        """
        return {"EXTEND_TIMEOUT_USEC": str(round(EXTENSION * 1e6))}
