"""
Those who read what a program writes as it is: bytes, where others get lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

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


class Shape(Protocol):
    """
    Makes something else of a stream's bytes, once for all readers who want it.
    """

    def feed(self, data: bytes) -> bytes:
        """
        What comes of what was read now; may be nothing yet.
        """

    def finish(self) -> bytes:
        """
        What is left when nothing more will be read.
        """


class AsTheyAre:
    """
    The shape of bytes that stay what they are.
    """

    def feed(self, data: bytes) -> bytes:
        """
        See L{Shape.feed}.
        """
        return data

    def finish(self) -> bytes:
        """
        See L{Shape.finish}.
        """
        return b""


class _Tap(NamedTuple):
    """
    Those who read one stream in one shape.  Never changed, so a reader may come and go
    while they are walked through.
    """

    shape: Shape
    readers: tuple[Subscription, ...] = ()


class Taps:
    """
    The readers of the bytes of one process, each as long as the run lasts in which it
    came.

    @ivar used: There is one.
    """

    __slots__ = ("_budget", "_moved", "_taps", "used")

    def __init__(self, budget: Budget, moved: Callable[[], None]) -> None:
        """
        @param budget: Shared with all other readers.
        @param moved: Called when less is queued for one than before.
        """
        self._budget = budget
        self._moved = moved
        self.used = False
        self._taps: dict[tuple[str, Callable[[], Shape]], _Tap] = {}

    def attach(
        self,
        reader: IReader,
        stream: str,
        closed: Ending | None = None,
        shape: Callable[[], Shape] = AsTheyAre,
    ) -> Subscription:
        """
        Give C{reader} what is written to a stream from now on.

        @param closed: Why there will be nothing.
        @param shape: Makes what it is to be given.  Readers with an equal one share what
            that makes, so who comes later may get what was kept for the first.
        @return: What it gets, paused: call C{resume} when it may come.
        @raise TooManyReaders: The agent has as many as it may have.
        """
        key = stream, shape

        def left(subscription: Subscription) -> None:
            tap = self._taps[key]
            others = tuple(one for one in tap.readers if one is not subscription)
            if others:
                self._taps[key] = tap._replace(readers=others)
            else:
                del self._taps[key]
                self.used = bool(self._taps)
            self._moved()

        subscription = Subscription(reader, RAW, self._budget, self._moved, left)
        self._budget.add(subscription, own=False)
        tap = self._taps.get(key) or _Tap(shape())
        self._taps[key] = tap._replace(readers=(*tap.readers, subscription))
        self.used = True
        if closed is not None:
            subscription.end(closed)
        return subscription

    def give(self, stream: str, data: bytes) -> None:
        """
        A program wrote this.
        """
        for (name, _), tap in list(self._taps.items()):
            if name == stream and (shaped := tap.shape.feed(data)):
                for reader in tap.readers:
                    reader.lines(shaped, 1)

    def end(self, why: Ending) -> None:
        """
        There will be no more.
        """
        for tap in list(self._taps.values()):
            rest = tap.shape.finish()
            for reader in tap.readers:
                if rest:
                    reader.lines(rest, 1)
                reader.end(why)
