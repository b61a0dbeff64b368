"""
Tests of L{smartmob.waiting}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from smartmob.waiting import all_of


class AllOfTests(SynchronousTestCase):
    """
    Many waits as one.
    """

    def test_fires(self) -> None:
        """It fires with the last of them, and at once where there are none."""
        waits: list[Deferred[None]] = [Deferred(), Deferred()]
        together = all_of(waits)
        waits[1].callback(None)
        self.assertNoResult(together)
        waits[0].callback(None)
        self.successResultOf(together)
        self.successResultOf(all_of([]))

    def test_fails(self) -> None:
        """It fails as the first that failed, but not before the last is over."""
        waits: list[Deferred[None]] = [Deferred(), Deferred(), Deferred()]
        together = all_of(waits)
        waits[2].errback(KeyError())
        waits[1].errback(ZeroDivisionError())
        self.assertNoResult(together)
        waits[0].callback(None)
        self.failureResultOf(together, ZeroDivisionError)

    def test_cancelled(self) -> None:
        """Who waits no longer changes nothing of what is waited for, however that ends."""
        for ending in (None, ZeroDivisionError()):
            cancelled: list[Deferred[None]] = []
            wait: Deferred[None] = Deferred(cancelled.append)
            together = all_of([wait])
            together.cancel()
            self.failureResultOf(together, CancelledError)
            if ending is None:
                wait.callback(None)
            else:
                wait.errback(ending)
            self.assertEqual(cancelled, [])
