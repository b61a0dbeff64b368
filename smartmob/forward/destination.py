"""
Where lines go, as who delivers them sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred

from smartmob.forward.queue import Entry


def _fixed(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(entries)


@frozen(kw_only=True)
class Outcome:
    """
    What came of a try to deliver something.

    @ivar left: What is to be tried again, in its order.
    @ivar lost: How many lines will never arrive: nobody takes them.
    @ivar why: Why something is left or lost, the end of a sentence; empty: nothing is.
    """

    left: Sequence[Entry] = field(default=(), converter=_fixed)
    lost: int = 0
    why: str = ""


class Destination(Protocol):
    """
    Delivers lines, one batch at a time.
    """

    def deliver(self, batch: Sequence[Entry]) -> Deferred[Outcome]:
        """
        Try it.  Fires on a later turn of the reactor, or with the end of a connection, and
        does not fail.
        """

    def cut(self) -> None:
        """
        Break off what is under way: what L{deliver} gave fires at once.
        """

    def close(self) -> None:
        """
        Nothing is under way, and nothing will be for a while: let go of connections.
        """


def lines_of(entries: Sequence[Entry]) -> int:
    """
    How many lines there are in all of them.
    """
    return sum(entry.lines for entry in entries)
