"""
Tests of L{smartmob.watchdog}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.watchdog import Watchdog, interval


class IntervalTests(SynchronousTestCase):
    """
    Whether somebody watches.
    """

    def test_said(self) -> None:
        """
        It is said in microseconds, for one process or whoever reads it.
        """
        self.assertEqual(interval({"WATCHDOG_USEC": "30000000"}, 5), 30)
        said = {"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "5"}
        self.assertEqual(interval(said, 5), 0.5)
        self.assertIsNone(interval(said, 6))

    def test_notSaid(self) -> None:
        """
        Without it, or with something else in its place, nobody watches.
        """
        self.assertIsNone(interval({}, 5))
        for odd in ("", "0", "-1", "1.5", "soon", "²"):
            self.assertIsNone(interval({"WATCHDOG_USEC": odd}, 5))


class WatchdogTests(SynchronousTestCase):
    """
    A watchdog of 16 seconds.
    """

    def setUp(self) -> None:
        """
        It has started.
        """
        self.clock = Clock()
        self.fed: list[float] = []
        self.asked: list[float] = []
        self.answer: Callable[[], Deferred[bool]] = lambda: succeed(True)
        self.watchdog = Watchdog(self.clock, self.feed, 16, self.answers)
        self.watchdog.start()

    def feed(self, **message: int) -> None:
        """
        It was fed.
        """
        self.assertEqual(message, {"WATCHDOG": 1})
        self.fed.append(self.clock.seconds())

    def answers(self, within: float) -> Deferred[bool]:
        """
        The guardian is asked.
        """
        self.assertEqual(within, 4)
        self.asked.append(self.clock.seconds())
        return self.answer()

    def test_half(self) -> None:
        """
        It is fed twice within the interval.
        """
        self.clock.pump([1] * 32)
        self.assertEqual(self.fed, [0, 8, 16, 24, 32])

    def test_slowAnswer(self) -> None:
        """
        It is fed when the guardian has answered, and asks as often as before.
        """
        answer: Deferred[bool] = Deferred()
        self.answer = lambda: answer
        self.clock.advance(8)
        self.clock.advance(3)
        self.assertEqual(self.fed, [0])
        answer.callback(True)
        self.assertEqual(self.fed, [0, 11])
        self.answer = lambda: succeed(True)
        self.clock.advance(5)
        self.assertEqual(self.fed, [0, 11, 16])

    def test_noAnswer(self) -> None:
        """
        It is not fed while the guardian does not answer, which is asked again soon.
        """
        self.answer = lambda: succeed(False)
        self.clock.advance(8)
        self.clock.pump([1] * 9)
        self.assertEqual(self.fed, [0])
        self.assertEqual(self.asked, [8, 9, 10, 11, 12, 13, 14, 15, 16, 17])
        self.answer = lambda: succeed(True)
        self.clock.advance(1)
        self.assertEqual(self.fed, [0, 18])
        self.clock.advance(8)
        self.assertEqual(self.fed, [0, 18, 26])

    def test_broken(self) -> None:
        """
        To ask may fail, which is logged, and no answer.
        """
        self.answer = lambda: fail(ZeroDivisionError())
        self.clock.advance(8)
        self.assertEqual(self.fed, [0])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.answer = lambda: succeed(bool(1 // 0))
        self.clock.advance(1)
        self.assertEqual(self.fed, [0])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.answer = lambda: succeed(True)
        self.clock.advance(1)
        self.assertEqual(self.fed, [0, 10])

    def test_late(self) -> None:
        """
        Where the reactor did not turn for a time it is fed once, and not once more for what
        was missed.
        """
        self.clock.advance(30)
        self.assertEqual(self.fed, [0, 30])
        self.clock.advance(7)
        self.assertEqual(len(self.fed), 2)
        self.clock.advance(1)
        self.assertEqual(self.fed, [0, 30, 38])

    def test_relaxed(self) -> None:
        """
        While the agent ends, the guardian is asked no more.
        """
        self.watchdog.relax()
        self.clock.advance(8)
        self.assertEqual((self.fed, self.asked), ([0, 8], []))

    def test_stop(self) -> None:
        """
        Stopped it is not fed, also where the answer comes later.
        """
        answer: Deferred[bool] = Deferred()
        self.answer = lambda: answer
        self.clock.advance(8)
        self.watchdog.stop()
        answer.callback(True)
        self.assertEqual(self.fed, [0])
        self.assertEqual(self.clock.getDelayedCalls(), [])
