"""
The queue of a URL whose sink does what a test says.
"""

from __future__ import annotations

import json
from itertools import count

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from smartmob.webhooks.delivering import delivering
from smartmob.webhooks.delivery import Delivery, Encoded
from smartmob.webhooks.outcome import Outcome, judge
from smartmob.webhooks.queue import Queue


def encoded(number: int, size: int = 0) -> Encoded:
    """
    An event of a number, with a body of at least that size.
    """
    return Encoded(number, "spawn", json.dumps({"id": number}).encode().ljust(size))


@define(eq=False)
class FakePosting:
    """
    A try that ends when the test says so.
    """

    delivery: Delivery
    outcome: Deferred[Outcome] = field(factory=Deferred)
    was_cut: bool = False

    def cut(self) -> None:
        """
        Remember it.
        """
        self.was_cut = True

    def answer(self, status: int, retry_after: bytes | None = None) -> None:
        """
        The sink answers.
        """
        self.end(judge(status, retry_after, 0))

    def end(self, outcome: Outcome) -> None:
        """
        It is over.
        """
        self.outcome.callback(outcome)


class Bench:
    """
    A queue, its machine, and what they try.

    @ivar postings: All tries, the last one last.
    @ivar rests: How often there was nothing more to do.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.postings: list[FakePosting] = []
        self.rests = 0
        ids = count(1)
        self.queue = Queue(
            "http://sink/",
            self.post,
            self.clock,
            self.clock.seconds,
            self.rested,
            lambda: f"delivery-{next(ids)}",
        )
        self.machine = delivering(self.queue)

    def post(self, delivery: Delivery) -> FakePosting:
        """
        A try begins.
        """
        assert not self.postings or self.postings[-1].outcome.called, "two at a time"
        self.postings.append(FakePosting(delivery))
        return self.postings[-1]

    def rested(self) -> None:
        """
        Count it.
        """
        self.rests += 1

    def add(self, *numbers: int, size: int = 0) -> None:
        """
        Events happen, and the reactor turns.
        """
        for number in numbers:
            self.machine.add(encoded(number, size))
        self.clock.advance(0)

    def answer(self, status: int, retry_after: bytes | None = None) -> None:
        """
        The sink answers what is under way, and the reactor turns.
        """
        self.postings[-1].answer(status, retry_after)
        self.clock.advance(0)

    @property
    def tried(self) -> list[int]:
        """
        The numbers of the events of all tries.
        """
        return [posting.delivery.event.id for posting in self.postings]
