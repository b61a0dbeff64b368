"""
What waits to be delivered to one URL, with its bounds, and what became of the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Protocol
from uuid import uuid4

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smartmob.lines.encodings import timestamp
from smartmob.webhooks.counts import Counts
from smartmob.webhooks.delivery import Delivery, Encoded
from smartmob.webhooks.outcome import Outcome, Result

_log = Logger()

MOST = 10_000
"""So many events wait for one URL."""

MOST_BYTES = 1 << 20
"""Of their bodies together."""

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
"""Seconds before a failed delivery is tried again: the first is doubled up to the longest."""

HURRIED_DELAY = 0.2
"""The same at the end of the agent."""

QUIET_SECONDS = 60.0
"""After a warning of an event that a sink refused: those that it refuses then are counted."""


class Posting(Protocol):
    """
    One try under way.

    @ivar outcome: What came of it: fires when nothing of it is left, no connection and no
        timer; never fails.
    """

    @property
    def outcome(self) -> Deferred[Outcome]: ...

    def cut(self) -> None:
        """
        End it at once; C{outcome} fires all the same.
        """


Post = Callable[[Delivery], Posting]


@frozen(kw_only=True)
class Last:
    """
    What came of the last try.

    @ivar event: The number of its event.
    @ivar at: Seconds since the epoch.
    """

    event: int
    outcome: Outcome
    at: float

    def document(self) -> dict[str, object]:
        """
        As JSON has it.
        """
        return {
            "event": self.event,
            "at": timestamp(self.at),
            "result": self.outcome.result.value,
            "status": self.outcome.status,
            "error": self.outcome.reason,
        }


@define(eq=False, repr=False)
class Queue:
    """
    The events of one URL, oldest first.  When to try is the machine's business
    (L{smartmob.webhooks.delivering}).

    @ivar shown: The URL, for persons.
    @ivar now: Seconds since the epoch.
    @ivar rested: Called when nothing waits any more, and nothing is under way.
    @ivar waiting: The first is the one that is tried.
    @ivar size: Bytes of their bodies.
    @ivar untold: How many were missed since the URL was told so.
    @ivar tries: How often the first has failed, in a row.
    @ivar hurried: The agent ends soon.
    @ivar due: When the next try is, in seconds since the epoch, where that is known.
    @ivar at_rest: Nothing is under way.
    """

    shown: str
    post: Post
    clock: IReactorTime
    now: Callable[[], float]
    rested: Callable[[], None]
    new_id: Callable[[], str] = lambda: uuid4().hex
    waiting: deque[Encoded] = field(factory=deque, init=False)
    size: int = field(default=0, init=False)
    counts: Counts = field(factory=Counts, init=False)
    untold: int = field(default=0, init=False)
    tries: int = field(default=0, init=False)
    hurried: bool = field(default=False, init=False)
    due: float | None = field(default=None, init=False)
    last: Last | None = field(default=None, init=False)
    at_rest: bool = field(default=True, init=False)
    _first: Delivery | None = field(default=None, init=False)
    _unsaid: int = field(default=0, init=False)
    _refusal: str = field(default="", init=False)
    _quiet_until: float = field(default=-inf, init=False)

    def take(self, event: Encoded, *, under_way: bool) -> None:
        """
        One more event; where they are too many, the oldest go.

        @param under_way: The first is being delivered, so it can't go.
        """
        self.waiting.append(event)
        self.size += len(event.body)
        at = int(under_way)
        while len(self.waiting) > at + 1 and (
            len(self.waiting) > MOST or self.size > MOST_BYTES
        ):
            self.size -= len(self.waiting[at].body)
            del self.waiting[at]
            if not at:
                self._first = None
            if not self.untold:
                _log.warn(
                    "too many events wait for {url}: the oldest are dropped", url=self.shown
                )
            self.counts.missed += 1
            self.untold += 1

    def try_first(self) -> Posting:
        """
        Deliver the first.
        """
        self.due = None
        event = self.waiting[0]
        number = self.new_id() if self._first is None else self._first.id
        self._first = Delivery(event=event, id=number, missed=self.untold)
        return self.post(self._first)

    def settle(self, outcome: Outcome) -> float | None:
        """
        The try is over.

        @return: Seconds until the next; C{None}: nothing waits.
        """
        assert self._first is not None
        self.last = Last(event=self._first.event.id, outcome=outcome, at=self.now())
        delay = 0.0
        match outcome.result:
            case Result.DELIVERED:
                self._delivered(self._first)
            case Result.REFUSED:
                self._refused(self._first, outcome.reason or "")
            case Result.FAILED:
                self._say_refused()
                self.counts.failed += 1
                delay = self._delay(outcome.retry_after)
                if not self.tries:
                    _log.warn(
                        "{url} {reason}; trying again, {events} waiting",
                        url=self.shown,
                        reason=outcome.reason,
                        events=_events(len(self.waiting)),
                    )
                self.tries += 1
        return delay if self.waiting else None

    def lose(self, why: str) -> None:
        """
        Forget all of them.

        @param why: Ends a sentence about it.
        """
        self._say_refused(at_once=True)
        lost = len(self.waiting)
        if lost:
            _log.warn(
                "{events} for {url} dropped: {why}",
                events=_events(lost),
                url=self.shown,
                why=why,
            )
        self.counts.missed += lost
        self.waiting.clear()
        self.size = 0
        self.due = None

    def rest(self) -> None:
        """
        Nothing is left to do.
        """
        self._say_refused(at_once=self.hurried)
        self.at_rest = True
        self.rested()

    def hurry(self) -> None:
        """
        The agent ends soon.
        """
        self._say_refused(at_once=True)
        self.hurried = True

    def _refused(self, delivery: Delivery, why: str) -> None:
        """
        A sink may refuse all there is, and a line about each would be too many.
        """
        self.counts.refused += 1
        self._refusal = why
        if self.clock.seconds() < self._quiet_until:
            self._unsaid += 1
        else:
            before = f", and {_events(self._unsaid)} before it" if self._unsaid else ""
            _log.warn(
                "{url} {reason}: event {id} ({topic}) is dropped{before}",
                url=self.shown,
                reason=why,
                id=delivery.event.id,
                topic=delivery.event.topic,
                before=before,
            )
            self._said_refused()
        self._done()

    def _say_refused(self, *, at_once: bool = False) -> None:
        """
        Say how many were refused that nothing was said of, if it is time.
        """
        if self._unsaid and (at_once or self.clock.seconds() >= self._quiet_until):
            _log.warn(
                "{events} more for {url} dropped: the last time it {reason}",
                events=_events(self._unsaid),
                url=self.shown,
                reason=self._refusal,
            )
            self._said_refused()

    def _said_refused(self) -> None:
        self._unsaid = 0
        self._quiet_until = self.clock.seconds() + QUIET_SECONDS

    def _delivered(self, delivery: Delivery) -> None:
        self._say_refused()
        self.counts.delivered += 1
        self.untold -= delivery.missed
        if delivery.missed:
            missed = _events(delivery.missed)
            _log.warn(
                "{url} takes events again; it missed {events}", url=self.shown, events=missed
            )
        elif self.tries:
            _log.info("{url} takes events again", url=self.shown)
        self._done()

    def _done(self) -> None:
        self.size -= len(self.waiting.popleft().body)
        self._first = None
        self.tries = 0

    def _delay(self, asked: float | None) -> float:
        """
        Seconds until the next try: a sink may ask for more, never for less.
        """
        # No power that is too large for a float, however long it lasts.
        own: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(self.tries, 16))
        if self.hurried:
            return HURRIED_DELAY
        return own if asked is None else max(own, asked)


def _events(number: int) -> str:
    """
    So many, for a sentence.
    """
    return "1 event" if number == 1 else f"{number} events"
