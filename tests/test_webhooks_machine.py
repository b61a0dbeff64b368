"""
Events and answers in any order: what must hold of a URL's queue at any time.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from smartmob.webhooks.outcome import failed, unreadable
from smartmob.webhooks.queue import MOST, MOST_BYTES
from tests.support.postings import Bench


class SinkMachine(RuleBasedStateMachine):
    """
    Events at any time, and a sink that does anything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.added = 0
        self.taken: list[int] = []
        self.told = 0
        self.ended = False

    @rule(number=st.sampled_from([1, 2, 3, MOST]), size=st.sampled_from([0, MOST_BYTES // 3]))
    def add(self, number: int, size: int) -> None:
        """Events happen; not thousands of large ones."""
        numbers = range(self.added + 1, self.added + 1 + (number if not size else 1))
        self.added = numbers[-1]
        self.bench.add(*numbers, size=size)

    def under_way(self) -> bool:
        """Whether the sink can answer."""
        return bool(self.bench.postings) and not self.bench.postings[-1].outcome.called

    @precondition(under_way)
    @rule(status=st.sampled_from([200, 204, 302, 404, 408, 429, 500, 503]))
    def answer(self, status: int) -> None:
        """The sink answers."""
        delivery = self.bench.postings[-1].delivery
        if 200 <= status < 300:
            self.taken.append(delivery.event.id)
            self.told += 0 if self.ended else delivery.missed
        self.bench.answer(status)

    @precondition(under_way)
    @rule(readable=st.booleans())
    def broken(self, readable: bool) -> None:
        """There is no answer, or none that can be read."""
        outcome = failed("is down") if readable else unreadable("is no HTTP")
        self.bench.postings[-1].end(outcome)
        self.bench.clock.advance(0)

    @rule(seconds=st.sampled_from([0, 0.5, 1, 60]))
    def advance(self, seconds: float) -> None:
        """Time goes by."""
        self.bench.clock.advance(seconds)

    @rule()
    def hurry(self) -> None:
        """The agent is about to end."""
        self.bench.machine.hurry()

    @rule()
    def cut(self) -> None:
        """The agent ends."""
        self.ended = True
        self.bench.machine.cut("the agent ends")

    @invariant()
    def in_order_and_once(self) -> None:
        """The sink takes events in their order, and none twice."""
        assert all(one < next_ for one, next_ in pairwise(self.taken))

    @invariant()
    def nothing_is_lost_unseen(self) -> None:
        """Each event was taken, refused or missed, or it waits; and missed ones are told."""
        queue, counts = self.bench.queue, self.bench.queue.counts
        if not self.ended:
            over = counts.delivered + counts.refused + counts.missed
            assert over + len(queue.waiting) == self.added
            assert counts.delivered == len(self.taken)
            assert counts.missed == self.told + queue.untold

    @invariant()
    def bounded(self) -> None:
        """What waits is within its bounds, and its size is known."""
        queue = self.bench.queue
        assert len(queue.waiting) <= MOST
        assert queue.size == sum(len(event.body) for event in queue.waiting)
        assert queue.size <= MOST_BYTES or len(queue.waiting) <= 2

    @invariant()
    def one_thing_at_a_time(self) -> None:
        """There is one timer where something waits without being tried, and none otherwise."""
        timers = len(self.bench.clock.getDelayedCalls())
        waits = bool(self.bench.queue.waiting) and not self.under_way()
        assert timers == int(waits)
        assert self.bench.queue.at_rest == (not waits and not self.under_way())

    @invariant()
    def ids(self) -> None:
        """Two tries have the same id only when they are of the same event."""
        tries = [posting.delivery for posting in self.bench.postings]
        for one, next_ in pairwise(tries):
            assert (one.id == next_.id) == (one.event.id == next_.event.id)


class SinkTests(SynchronousTestCase):
    """
    The machine above.
    """

    def test_anyOrder(self) -> None:
        """
        Whatever happens in whatever order, the sink gets events in order, none twice.
        """
        run_state_machine_as_test(
            SinkMachine,
            settings=settings(max_examples=60, stateful_step_count=30, deadline=None),
        )
