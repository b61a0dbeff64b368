"""
Tests of L{smartmob.restart}.
"""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import Flapping
from smartmob.restart import Again, Backoff, FlappingGuard, GiveUp


class BackoffTests(SynchronousTestCase):
    """
    Delays that double.
    """

    def test_grows(self) -> None:
        """The first restart is at once, the next waits 0.1 s, then twice as long, to 30 s."""
        policy = Backoff(lambda: 0.5)
        delays = [policy.ended(0, 0).delay for _ in range(12)]
        self.assertEqual(delays[:4], [0.0, 0.1, 0.2, 0.4])
        self.assertEqual(delays[-2:], [30.0, 30.0])

    def test_healthyRun(self) -> None:
        """A run of 10 s makes the next end the first again."""
        policy = Backoff(lambda: 0.5)
        for _ in range(5):
            policy.ended(0, 0)
        self.assertEqual(policy.ended(0, 10.0), Again(0.0))
        self.assertEqual(policy.ended(0, 9.9), Again(0.1))

    def test_forget(self) -> None:
        """An operator's verb begins the count anew."""
        policy = Backoff(lambda: 0.5)
        policy.ended(0, 0)
        policy.ended(0, 0)
        policy.forget()
        self.assertEqual(policy.ended(0, 0), Again(0.0))

    def test_spread(self) -> None:
        """A delay is a fifth longer or shorter, by chance."""
        for chance, delay in ((0.0, 0.08), (1.0, 0.12)):
            policy = Backoff(itertools.repeat(chance).__next__)
            policy.ended(0, 0)
            self.assertAlmostEqual(policy.ended(0, 0).delay, delay)

    def test_endless(self) -> None:
        """It never gives up, and no number grows too large."""
        policy = Backoff(lambda: 1.0)
        for _ in range(5000):
            delay = policy.ended(0, 0).delay
        self.assertAlmostEqual(delay, 36.0)


def runs(policy: FlappingGuard, ran: float) -> int:
    """
    How often a program that ends after C{ran} seconds is run before it is given up.
    """
    now = 0.0
    for number in range(1, 10_000):
        now += ran
        match policy.ended(now, ran):
            case GiveUp():
                return number
            case Again(delay=delay):
                now += delay
    return -1


class FlappingTests(SynchronousTestCase):
    """
    Pauses for what ends in bursts.
    """

    def test_documentedExample(self) -> None:
        """C{3, 1., 1.5, 2} with a program that exits at once runs 9 times."""
        rule = Flapping(attempts=3, window=1.0, retry_in=1.5, max_retry=2)
        self.assertEqual(runs(FlappingGuard(rule), 0.01), 9)

    def test_retryLongerThanWindow(self) -> None:
        """C{max_retry} is reached also when C{retry_in} is longer than the window."""
        rule = Flapping(attempts=2, window=1.0, retry_in=7.0, max_retry=5)
        self.assertEqual(runs(FlappingGuard(rule), 0.1), 12)

    def test_attemptsAboveMaxRetry(self) -> None:
        """More attempts than pauses are counted all the same."""
        rule = Flapping(attempts=10, window=5.0, retry_in=0.0, max_retry=1)
        self.assertEqual(runs(FlappingGuard(rule), 0.1), 20)

    def test_noRetry(self) -> None:
        """C{max_retry} 0 fails at the first burst."""
        rule = Flapping(attempts=2, window=1.0, retry_in=1.0, max_retry=0)
        self.assertEqual(runs(FlappingGuard(rule), 0.0), 2)

    def test_endless(self) -> None:
        """C{max_retry} -1 never fails."""
        rule = Flapping(attempts=2, window=1.0, retry_in=1.0, max_retry=-1)
        self.assertEqual(runs(FlappingGuard(rule), 0.0), -1)

    def test_healthyRun(self) -> None:
        """A run longer than the window makes the pauses count from 0 again."""
        rule = Flapping(attempts=1, window=1.0, retry_in=0.0, max_retry=1)
        policy = FlappingGuard(rule)
        self.assertEqual(policy.ended(0, 0), Again(0.0, flapping=True))
        self.assertEqual(policy.ended(5, 2.0), Again(0.0, flapping=True))
        self.assertIsInstance(policy.ended(5, 0.5), GiveUp)

    def test_spacing(self) -> None:
        """Restarts beyond 20 a second are 50 ms apart."""
        rule = Flapping(attempts=1000, window=0.001, retry_in=0.0, max_retry=-1)
        policy = FlappingGuard(rule)
        now, restarts = 0.0, []
        while now < 3:
            now += 0.001
            verdict = policy.ended(now, 0.001)
            assert isinstance(verdict, Again)
            now += verdict.delay
            restarts.append(now)
        most = max(sum(start <= other < start + 1 for other in restarts) for start in restarts)
        self.assertLessEqual(most, 20 + 20)

    @given(
        st.integers(1, 6),
        st.floats(1.0, 10),
        st.floats(0, 20),
        st.integers(0, 5),
    )
    def test_alwaysGivesUp(
        self, attempts: int, window: float, retry_in: float, max_retry: int
    ) -> None:
        """A program that ends at once is run C{attempts} times a pause, and once more."""
        rule = Flapping(
            attempts=attempts, window=window, retry_in=retry_in, max_retry=max_retry
        )
        self.assertEqual(runs(FlappingGuard(rule), 0.0), attempts * (max_retry + 1))
