"""
Telling a service manager that the agent is alive, only where it is: sd_watchdog_enabled(3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.notify import Fed

_log = Logger()

INTERVAL = "WATCHDOG_USEC"
"""The environment variable that says how long the agent may be silent."""

WHOSE = "WATCHDOG_PID"
"""That which says which process is meant."""

Answers = Callable[[float], Deferred[bool]]
"""Asks a helper whether it is there, which it has so many seconds to say."""


def interval(environ: Mapping[str, str], pid: int) -> float | None:
    """
    Seconds that this process may be silent, if somebody watches it.
    """
    if environ.get(WHOSE, str(pid)) != str(pid):
        return None
    said = environ.get(INTERVAL, "")
    if not (said.isascii() and said.isdigit()) or not int(said):
        return None
    return int(said) / 1e6


@define(eq=False, repr=False)
class Watchdog(Fed):
    """
    Feeds a watchdog twice within its interval, from the reactor, and only after the guardian
    has answered: an agent that can't start or end programs is not alive.

    @ivar tell: Sends a message.
    @ivar interval: Seconds.
    @ivar answers: Asks the guardian.
    """

    clock: IReactorTime
    tell: Callable[..., None]
    interval: float
    answers: Answers
    _due: float = field(default=0.0, init=False)
    _asked_at: float = field(default=0.0, init=False)
    _next: IDelayedCall | None = field(default=None, init=False)
    _running: bool = field(default=False, init=False)
    _alone: bool = field(default=False, init=False)
    _silent: bool = field(default=False, init=False)

    def start(self) -> None:
        """
        Feed it from now on.
        """
        self._running = True
        self._feed()
        self._call_at(self.clock.seconds() + self.interval / 2)

    def relax(self) -> None:
        """
        The guardian is about to go: that the reactor turns is enough.
        """
        self._alone = True

    def stop(self) -> None:
        """
        Feed it no more.
        """
        self._running = False
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _feed(self) -> None:
        self.tell(WATCHDOG=1)

    def _call_at(self, when: float) -> None:
        now = self.clock.seconds()
        self._due = max(when, now)
        self._next = self.clock.callLater(self._due - now, self._turn)

    def _turn(self) -> None:
        self._next = None
        self._asked_at = self.clock.seconds()
        late = self._asked_at - self._due
        if late > self.interval / 4:
            _log.warn("nothing was done for {seconds:.1f} s", seconds=late)
        within = self.interval / 4
        asked = succeed(True) if self._alone else maybeDeferred(self.answers, within)
        asked.addCallbacks(self._heard, self._broke)

    def _heard(self, answers: bool) -> None:
        if not self._running:
            return
        if answers or self._alone:
            if self._silent:
                self._silent = False
                _log.warn("the guardian answers again")
            self._feed()
            self._call_at(self._asked_at + self.interval / 2)
            return
        if not self._silent:
            self._silent = True
            _log.error("the guardian does not answer, so the watchdog is not fed")
        # Soon: what was only busy has still a chance to be in time.
        self._call_at(self.clock.seconds() + self.interval / 16)

    def _broke(self, failure: Failure) -> None:
        _log.failure("the guardian could not be asked", failure)
        self._heard(False)
