"""
One piece of work for all who wait for it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

T = TypeVar("T")


class Shared(Generic[T]):
    """
    Work that is under way, and abandoned when the last of those who waited for it is
    gone.

    @ivar open: It can be joined: it is neither abandoned, nor was it before it ended.
    @ivar ended: It is over, with whatever outcome.
    """

    def __init__(self, work: Deferred[T]) -> None:
        """
        @param work: Cancelled when it is abandoned; it may take its time to end then.
        """
        self.open = True
        self.ended = False
        self._work = work
        self._outcome: T | Failure | None = None
        self._waiting: list[Deferred[T]] = []
        self._watching: list[Deferred[None]] = []
        work.addBoth(self._end)

    def join(self) -> Deferred[T]:
        """
        Wait for the outcome.  Cancelling is leaving.
        """
        assert self.open, "it was abandoned"
        joined: Deferred[T] = Deferred(self._leave)
        if self.ended:
            joined.callback(self._outcome)  # type: ignore[arg-type]  # it is there now
        else:
            self._waiting.append(joined)
        return joined

    def when_ended(self) -> Deferred[None]:
        """
        Fires when it is over, also when it was abandoned.
        """
        if self.ended:
            return succeed(None)
        watched: Deferred[None] = Deferred()
        self._watching.append(watched)
        return watched

    def _leave(self, joined: Deferred[T]) -> None:
        self._waiting.remove(joined)
        if not self._waiting:
            self.open = False
            self._work.cancel()

    def _end(self, outcome: T | Failure) -> None:
        self.ended = True
        self._outcome = outcome
        waiting, self._waiting = self._waiting, []
        for joined in waiting:
            joined.callback(outcome)
        watching, self._watching = self._watching, []
        for watched in watching:
            watched.callback(None)
