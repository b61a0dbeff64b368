"""
How long a client may take.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Patience:
    """
    A bound on time, and perhaps one on silence, with one timer at most.

    Neither a byte that comes nor a later end moves a timer: what they mean is seen when the
    timer fires.  So a connection that is asked again and again has its timer set once.
    """

    def __init__(self, clock: IReactorTime, expired: Callable[[], None]) -> None:
        """
        @param expired: Called when the client took too long.
        """
        self._clock = clock
        self._expired = expired
        self._timer: IDelayedCall | None = None
        self._end = 0.0
        self._fires = 0.0
        self._silence: float | None = None
        self._heard = 0.0
        self._held = False

    def wait(self, seconds: float, *, silence: float | None = None) -> None:
        """
        From now on the client has so many seconds in all, and may be silent for
        C{silence} of them at a time.
        """
        self._heard = self._clock.seconds()
        self._end = self._heard + seconds
        self._silence = silence
        self._held = False
        self._arm()

    def rest(self) -> None:
        """
        The client has all the time, until it has to L{wait} again, which may be soon.
        """
        self._end = inf
        self._silence = None

    def heard(self) -> None:
        """
        The client was not silent.
        """
        self._heard = self._clock.seconds()

    def hold(self, held: bool) -> None:
        """
        The client is made to wait, so that its silence does not count; or is let go on.
        """
        self._held = held
        self.heard()
        if self._timer is not None:
            self._arm()

    def cancel(self) -> None:
        """
        The client has all the time, and there is no timer.
        """
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def forget(self) -> None:
        """
        The client is gone.  Whoever was to be told is let go: they have each other, and would
        stay, with all that was to be sent, until somebody looks for such circles.
        """
        self.cancel()
        self._expired = _nobody

    def _arm(self) -> None:
        due = self._due()
        if self._timer is not None:
            if self._fires <= due:
                return
            self._timer.cancel()
        self._fires = due
        left = due - self._clock.seconds()
        self._timer = self._clock.callLater(max(0.0, left), self._look)

    def _due(self) -> float:
        if self._silence is None or self._held:
            return self._end
        return min(self._end, self._heard + self._silence)

    def _look(self) -> None:
        self._timer = None
        if self._end == inf:
            return
        if self._clock.seconds() < self._due():
            self._arm()
        else:
            self._expired()


def _nobody() -> None:
    """
    Who is told of a client that is gone.
    """
