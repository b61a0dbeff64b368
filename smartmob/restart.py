"""
When a program that ended by itself is started again: pure, no clock of its own.

Only unplanned ends are told to a policy; an operator's verb makes it forget.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from attrs import define, field, frozen

from smartmob.documents import Flapping

FIRST_DELAY = 0.1
"""Seconds before the second restart in a row; the first is at once."""

LONGEST_DELAY = 30.0
"""Seconds; the delay doubles up to here."""

HEALTHY = 10.0
"""Seconds: a run of this length is a success, and the next end the first again."""

BURST = 20
"""This many restarts a second are at once under flapping, ..."""

SPACING = 0.05
"""... and so many seconds apart beyond it."""


@frozen
class Again:
    """
    Start it again after C{delay} seconds.

    @ivar flapping: The delay is the pause of a program that was flapping.
    """

    delay: float
    flapping: bool = False


@frozen
class GiveUp:
    """
    Start it no more, because of C{reason}, a sentence for a person.
    """

    reason: str


class Policy(Protocol):
    """
    What decides on restarts.
    """

    def ended(self, at: float, ran: float) -> Again | GiveUp:
        """
        The program ended by itself at C{at} (seconds of a monotonic clock),
        after a run of C{ran} seconds.
        """

    def forget(self) -> None:
        """
        An operator took over: what happened before does not count.
        """


@define
class Backoff:
    """
    Delays that double: 0, then 0.1 s up to 30 s, each spread by a fifth.

    @ivar random: A number between 0 and 1.
    """

    random: Callable[[], float]
    _failures: int = 0

    def ended(self, at: float, ran: float) -> Again:
        """
        See L{Policy.ended}.
        """
        if ran >= HEALTHY:
            self._failures = 0
        self._failures += 1
        if self._failures == 1:
            return Again(0.0)
        # 2 ** 9 is past the longest delay: the exponent needs no more bits.
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures - 2, 9))
        return Again(spread(delay, self.random))

    def forget(self) -> None:
        """
        See L{Policy.forget}.
        """
        self._failures = 0


@define
class FlappingGuard:
    """
    Restarts at once, but pauses and in the end gives up where they come in bursts.
    """

    rule: Flapping
    _ends: deque[float] = field(factory=deque)
    _restarts: deque[float] = field(factory=deque)
    _pauses: int = 0

    def ended(self, at: float, ran: float) -> Again | GiveUp:
        """
        See L{Policy.ended}.
        """
        rule = self.rule
        if ran > rule.window:
            self._pauses = 0
        self._ends.append(at)
        if len(self._ends) > rule.attempts:
            self._ends.popleft()
        if len(self._ends) == rule.attempts and at - self._ends[0] <= rule.window:
            self._ends.clear()
            if rule.max_retry != -1 and self._pauses >= rule.max_retry:
                return GiveUp(
                    f"flapping: ended {rule.attempts} times within {rule.window:g} s "
                    f"after {self._pauses} pauses"
                )
            self._pauses += 1
            return Again(rule.retry_in, flapping=True)
        while self._restarts and at - self._restarts[0] >= 1.0:
            self._restarts.popleft()
        delay = SPACING if len(self._restarts) >= BURST else 0.0
        self._restarts.append(at + delay)
        return Again(delay)

    def forget(self) -> None:
        """
        See L{Policy.forget}.
        """
        self._ends.clear()
        self._restarts.clear()
        self._pauses = 0


def policy_of(flapping: Flapping | None, random: Callable[[], float]) -> Policy:
    """
    What decides on the restarts of a process, by what is said of it.

    @param random: A number between 0 and 1.
    """
    return Backoff(random) if flapping is None else FlappingGuard(flapping)


def spread(delay: float, random: Callable[[], float]) -> float:
    """
    C{delay} times 0.8 to 1.2, so that what failed together does not retry together.
    """
    return delay * (0.8 + 0.4 * random())
