"""
Those who wait for the same thing, each with a Deferred of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList

T = TypeVar("T")


@define(eq=False, repr=False)
class Waiters:
    """
    Any number of Deferreds that fire together.

    One that is cancelled (its client hung up) is let go of without disturbing
    the others, or what they wait for.
    """

    _waiting: list[Deferred[None]] = field(factory=list)

    def wait(self) -> Deferred[None]:
        """
        Fires at the next L{fire}, or fails at the next L{fail}.
        """
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        return waiter

    def fire(self) -> None:
        """
        What they waited for is there.
        """
        waiting, self._waiting = self._waiting, []
        while waiting:  # a callback may cancel another of them, and so remove it here
            waiting.pop(0).callback(None)

    def fail(self, error: Exception) -> None:
        """
        What they waited for will not come.
        """
        waiting, self._waiting = self._waiting, []
        while waiting:
            waiting.pop(0).errback(error)


def undisturbed(work: Deferred[T]) -> Deferred[T]:
    """
    Fires as C{work} does.  Cancelling it, as who hangs up does, ends the wait alone.
    """
    # Without a canceller it fires at once when cancelled, and forgets the outcome.
    told: Deferred[T] = Deferred()
    work.addBoth(told.callback)
    return told


def all_of(waits: Iterable[Deferred[None]]) -> Deferred[None]:
    """
    Fires when each has fired or failed; fails as the first of those that did.

    It may be cancelled, which is for who waits alone: none of them is.
    """
    all_are_over: Deferred[None] = Deferred()

    def tell(results: list[tuple[bool, Any]]) -> None:
        failures = [result for succeeded, result in results if not succeeded]
        if failures:
            all_are_over.errback(failures[0])
        else:
            all_are_over.callback(None)

    DeferredList(list(waits), consumeErrors=True).addCallback(tell)
    return all_are_over
