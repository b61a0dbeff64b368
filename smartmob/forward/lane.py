"""
The way of lines to one destination: what waits, and what became of the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smartmob.forward.destination import Destination, Outcome
from smartmob.forward.queue import BATCH, Queue

_log = Logger()

GATHER = 0.1
"""Seconds in which lines are gathered before they are delivered together."""

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
"""Seconds before a failed delivery is tried again: the first is doubled up to the longest."""

HURRIED_DELAY = 0.2
"""The same at the end of the agent."""

QUIET_SECONDS = 60.0
"""After a warning that lines are dropped: those that are dropped then are counted."""


@define(eq=False, repr=False)
class Lane:
    """
    Lines on their way to one destination.  When to deliver is the machine's business
    (L{smartmob.forward.delivering}).

    @ivar name: What the operator calls it.
    @ivar shown: Where it leads, for a person.
    @ivar rested: Called when nothing waits any more, and nothing is under way.
    @ivar delivered: How many lines arrived, as far as that can be known.
    @ivar dropped: How many did not, and will not.
    @ivar failed: How many tries failed.
    @ivar why: Why the last of them did.
    @ivar tries: How many failed in a row.
    @ivar hurried: The agent ends soon.
    @ivar at_rest: Nothing is under way, and nothing waits.
    @ivar over: It has ended.
    @ivar farewell: Why it was cut.
    """

    name: str
    shown: str
    destination: Destination
    clock: IReactorTime
    rested: Callable[[Lane], None]
    queue: Queue = field(factory=Queue)
    delivered: int = field(default=0, init=False)
    dropped: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    why: str = field(default="", init=False)
    tries: int = field(default=0, init=False)
    hurried: bool = field(default=False, init=False)
    at_rest: bool = field(default=True, init=False)
    over: bool = field(default=False, init=False)
    farewell: str = field(default="", init=False)
    _unsaid: int = field(default=0, init=False)
    _unsaid_why: str = field(default="", init=False)
    _quiet_until: float = field(default=-inf, init=False)

    def miss(self, count: int) -> None:
        """
        So many lines find no room.
        """
        self.dropped += count
        self._unsaid += count
        self._say_dropped("too many wait")

    # What the machine asks.

    @property
    def patience(self) -> float:
        """
        How long what waits may wait for more.
        """
        return 0.0 if self.hurried or self.queue.size >= BATCH else GATHER

    def settle(self, outcome: Outcome) -> float | None:
        """
        A try is over.

        @return: Seconds until what is left of it is tried again; C{None}: nothing is.
        """
        before = self.delivered
        self._count(outcome)
        if not outcome.left:
            if self.tries:
                _log.info(
                    "[forward:{name}] {shown} takes lines again",
                    name=self.name,
                    shown=self.shown,
                )
            self.tries = 0
            return None
        self.failed += 1
        self.why = outcome.why
        if not self.tries:
            _log.warn(
                "[forward:{name}] {shown} {why}; trying again, {lines} lines waiting",
                name=self.name,
                shown=self.shown,
                why=outcome.why,
                lines=self.queue.lines,
            )
        elif self.delivered > before:
            self.tries = 0  # it takes lines, though it may end each connection after some
        delay = FIRST_DELAY * 2.0 ** min(self.tries, 10)
        self.tries += 1
        return HURRIED_DELAY if self.hurried else min(delay, LONGEST_DELAY)

    def rest(self) -> None:
        """
        Nothing is left to do.
        """
        self.at_rest = True
        self.rested(self)

    def end(self, why: str, outcome: Outcome | None = None) -> None:
        """
        Forget what waits.

        @param why: Ends a sentence about it; empty: nothing waits.
        @param outcome: What came of the last try, where it was broken off.
        """
        if outcome is not None:
            self._count(outcome)
        lost = self.queue.clear()
        self.dropped += lost
        self._unsaid += lost
        self._say_dropped(why, at_once=True)
        self.destination.close()
        self.over = True
        self.rest()

    def _count(self, outcome: Outcome) -> None:
        under_way = self.queue.lines
        self.queue.settle(outcome.left)
        self.delivered += under_way - self.queue.lines - outcome.lost
        if outcome.lost:
            self.dropped += outcome.lost
            self._unsaid += outcome.lost
            self._say_dropped(f"it {outcome.why}")

    def _say_dropped(self, why: str, *, at_once: bool = False) -> None:
        """
        Who takes too few may do so for hours, and a line about each would be too many.
        """
        now = self.clock.seconds()
        why = self._unsaid_why = why or self._unsaid_why
        if self._unsaid and (at_once or now >= self._quiet_until):
            _log.warn(
                "[forward:{name}] {shown}: lines dropped: {lines}: {why}",
                name=self.name,
                shown=self.shown,
                lines=self._unsaid,
                why=why,
            )
            self._unsaid = 0
            self._quiet_until = now + QUIET_SECONDS
