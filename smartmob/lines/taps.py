"""
Those who read what a program writes as it is: bytes, where others get lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from smartmob.lines.budget import Budget
from smartmob.lines.readers import Ending, IReader, Subscription


class Raw:
    """
    The format of bytes: there is no room in it for anything else, so who misses some is
    ended.
    """

    told = False
    events = False

    def event(self, document: Mapping[str, object]) -> bytes:
        """
        See L{Format.event<smartmob.lines.encodings.Format.event>}.
        """
        raise NotImplementedError("bytes are bytes only")


RAW = Raw()


class Taps:
    """
    The readers of the bytes of one process, each as long as the run lasts in which it
    came.
    """

    __slots__ = ("_budget", "_moved", "_readers")

    def __init__(self, budget: Budget, moved: Callable[[], None]) -> None:
        """
        @param budget: Shared with all other readers.
        @param moved: Called when less is queued for one than before.
        """
        self._budget = budget
        self._moved = moved
        # A tuple is never changed, so a reader may come and go while one is walked
        # through.
        self._readers: dict[str, tuple[Subscription, ...]] = {}

    @property
    def readers(self) -> tuple[Subscription, ...]:
        """
        All of them.
        """
        return tuple(reader for readers in self._readers.values() for reader in readers)

    def attach(
        self, reader: IReader, stream: str, closed: Ending | None = None
    ) -> Subscription:
        """
        Give C{reader} what is written to a stream from now on.

        @param closed: Why there will be nothing.
        @return: What it gets, paused: call C{resume} when it may come.
        @raise TooManyReaders: The agent has as many as it may have.
        """

        def left(subscription: Subscription) -> None:
            others = self._readers.get(stream, ())
            self._readers[stream] = tuple(one for one in others if one is not subscription)
            self._moved()

        subscription = Subscription(reader, RAW, self._budget, self._moved, left)
        self._budget.add(subscription, own=False)
        self._readers[stream] = (*self._readers.get(stream, ()), subscription)
        if closed is not None:
            subscription.end(closed)
        return subscription

    def give(self, stream: str, data: bytes) -> None:
        """
        A program wrote this.
        """
        for reader in self._readers.get(stream, ()):
            reader.lines(data, 1)

    def end(self, why: Ending) -> None:
        """
        There will be no more.
        """
        for reader in self.readers:
            reader.end(why)
