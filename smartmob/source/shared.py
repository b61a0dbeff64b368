"""
One piece of work for all who wait for it.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")

AT_ONCE = 50
"""
So many of those who wait are told in one turn of the reactor.  Of a thousand processes
that wait for one source each then does what it waited for: 50 ms in which no request would
be answered.
"""


class Shared(Generic[T]):
    """
    Work that is under way, and abandoned when the last of those who waited for it is
    gone.

    @ivar open: It can be joined: it is neither abandoned, nor was it before it ended.
    @ivar ended: It is over, with whatever outcome.
    """

    def __init__(self, work: Deferred[T], clock: IReactorTime | None = None) -> None:
        """
        @param work: Cancelled when it is abandoned; it may take its time to end then.
        @param clock: For work that many may wait for: those beyond the first L{AT_ONCE} are
            told in later turns.
        """
        self.open = True
        self.ended = False
        self._work = work
        self._clock = clock
        self._outcome: T | Failure | None = None
        self._waiting: deque[Deferred[T]] = deque()
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
        if not self._waiting and not self.ended:
            self.open = False
            self._work.cancel()

    def _end(self, outcome: T | Failure) -> None:
        self.ended = True
        self._outcome = outcome
        self._tell(outcome)

    def _tell(self, outcome: T | Failure) -> None:
        left = AT_ONCE
        while self._waiting:
            if not left and self._clock is not None:
                self._clock.callLater(0, self._tell, outcome)
                return
            left -= 1
            self._waiting.popleft().callback(outcome)
        watching, self._watching = self._watching, []
        for watched in watching:
            watched.callback(None)
