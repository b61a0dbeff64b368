"""
How late the agent is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from math import inf
from random import random

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater

BOUNDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, inf)
"""
Seconds.  There is none below: reactors wait for whole milliseconds, so a timer may be one late
where nothing else is to be done.
"""

BETWEEN = 0.5, 1.5
"""
Seconds from one measurement to the next: not always the same, for what is done each second by
the clock would be met always, or never.
"""

LAPSE = 300.0
"""Seconds for which it is measured after somebody wanted to know."""


@define(eq=False, repr=False)
class LoopDelay:
    """
    Measures how long what is due waits until the agent comes to it, for whatever reason: other
    work, an interpreter that tidies up, a machine that is too busy, a signal that stopped it.

    An agent that is not asked sleeps, and does not wake up for that.

    @ivar counts: How many measurements were at most each of L{BOUNDS}, and more than the one
        before.
    @ivar sum: Seconds, of all of them.
    """

    clock: IReactorTime
    random: Callable[[], float] = random
    counts: list[int] = field(factory=lambda: [0] * len(BOUNDS), init=False)
    sum: float = field(default=0.0, init=False)
    _until: float = field(default=0.0, init=False)
    _next: IDelayedCall | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    def asked(self) -> Deferred[None]:
        """
        Somebody wants to know, and may want to know it again.

        @return: Fires once it was measured, which is at once, so that there is something to
            tell.
        """
        self._until = self.clock.seconds() + LAPSE
        if self._next is None and not self._closed:
            self._later()
        return deferLater(self.clock, 0, self._note, self.clock.seconds())

    def close(self) -> None:
        """
        Measure no more.
        """
        self._closed = True
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def buckets(self) -> list[tuple[float, int]]:
        """
        As Prometheus has them: how many were at most each of L{BOUNDS}.
        """
        return list(zip(BOUNDS, accumulate(self.counts), strict=True))

    def _later(self) -> None:
        least, most = BETWEEN
        delay = least + (most - least) * self.random()
        self._next = self.clock.callLater(delay, self._due, self.clock.seconds() + delay)

    def _due(self, due: float) -> None:
        self._next = None
        self._note(due)
        if self.clock.seconds() < self._until:
            self._later()

    def _note(self, due: float) -> None:
        late = max(0.0, self.clock.seconds() - due)
        self.counts[bisect_left(BOUNDS, late)] += 1
        self.sum += late
