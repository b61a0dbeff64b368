"""
How long a client may take.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.patience import Patience


class PatienceTests(SynchronousTestCase):
    """
    Tests of L{Patience}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.expired: list[float] = []
        self.patience = Patience(self.clock, lambda: self.expired.append(self.clock.seconds()))

    def test_inAll(self) -> None:
        """A bound on time is one whatever comes, and a new one takes its place."""
        self.patience.wait(30)
        for _ in range(29):
            self.clock.advance(1)
            self.patience.heard()
        self.patience.wait(5)
        self.clock.pump([1] * 10)
        self.assertEqual(self.expired, [34])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silence(self) -> None:
        """A bound on silence is counted from the last that came."""
        self.patience.wait(3600, silence=30)
        self.clock.pump([10] * 2)
        self.patience.heard()
        self.clock.pump([10] * 10)
        self.assertEqual(self.expired, [50])

    def test_inAllTheSame(self) -> None:
        """Who is never silent has the time in all, and not more."""
        self.patience.wait(3600, silence=30)
        while not self.expired:
            self.clock.advance(20)
            self.patience.heard()
        self.assertEqual(self.expired, [3600])

    def test_held(self) -> None:
        """Who is made to wait is not silent, but has only the time in all."""
        self.patience.wait(100, silence=30)
        self.clock.advance(20)
        self.patience.hold(True)
        self.clock.pump([10] * 5)
        self.assertEqual(self.expired, [])
        self.patience.hold(False)
        self.clock.pump([10] * 2)
        self.assertEqual(self.expired, [])
        self.clock.advance(10)
        self.assertEqual(self.expired, [100])
        self.patience.wait(100, silence=30)
        self.patience.hold(True)
        self.clock.pump([10] * 10)
        self.assertEqual(self.expired, [100, 200])

    def test_cancel(self) -> None:
        """Who has all the time leaves no timer, also when let go on afterwards."""
        self.patience.wait(100, silence=30)
        self.patience.hold(True)
        self.patience.cancel()
        self.patience.hold(False)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rest(self) -> None:
        """Who rests has all the time, and no timer when the one of before has fired."""
        self.patience.wait(30)
        self.patience.rest()
        self.clock.advance(1000)
        self.assertEqual(self.expired, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.patience.wait(30)
        self.clock.advance(30)
        self.assertEqual(self.expired, [1030])

    def test_again(self) -> None:
        """Who waits and rests in turn, and often, has one timer, which is not set each time."""
        timers: list[object] = []
        for _ in range(100):
            self.patience.wait(75)
            self.patience.wait(30)
            timers += self.clock.getDelayedCalls()
            self.patience.rest()
            self.clock.advance(0.125)
        self.assertEqual(len(set(timers)), 1)
        self.patience.wait(30)
        self.clock.pump([1] * 60)
        self.assertEqual(self.expired, [42.5])

    @settings(deadline=None)
    @given(st.lists(st.integers(1, 40), max_size=40))
    def test_anyRhythm(self, pauses: list[int]) -> None:
        """It expires at the first silence that is too long, or at the end; one timer."""
        clock = Clock()
        expired: list[float] = []
        patience = Patience(clock, lambda: expired.append(clock.seconds()))
        patience.wait(200, silence=30)
        heard = 0
        for pause in pauses:
            for _ in range(pause):
                clock.advance(1)
                self.assertLessEqual(len(clock.getDelayedCalls()), 1)
            due = min(200, heard + 30)
            if heard + pause >= due:
                self.assertEqual(expired, [due])
                return
            heard += pause
            patience.heard()
        self.assertEqual(expired, [])
