"""
The console of an app: what all of its processes say, in one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from heapq import merge

from attrs import frozen

from smartmob.lines.app_encodings import AppEncoding
from smartmob.lines.audience import Audience, of
from smartmob.lines.budget import Budget
from smartmob.lines.console import Console
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.lines.ring import Chunk

Key = tuple[AppEncoding, tuple[str, ...], frozenset[str]]
"""What the readers of an audience have in common."""


@frozen(kw_only=True)
class AppWanted:
    """
    Which lines a reader of an app wants.

    @ivar tail: First the last so many of the kept ones.
    @ivar nodes: Of the processes whose node one of these globs matches; none: of all.
    @ivar streams: Of these streams; empty: of all.
    """

    tail: int = 0
    nodes: tuple[str, ...] = ()
    streams: frozenset[str] = frozenset()


class AppConsole:
    """
    Processes join and part; its readers stay, until they go or the agent ends.

    Each reader is one subscription, with one bound, whatever the number of
    processes.  Each process's lines are in their order; between processes the order
    is that in which they were read.
    """

    def __init__(self, name: str, budget: Budget, gone: Callable[[AppConsole], None]) -> None:
        """
        @param name: The app's.
        @param gone: Told when it has neither processes nor readers.
        """
        self.name = name
        self._budget = budget
        self._gone = gone
        self._consoles: dict[Console, None] = {}  # in the order in which they joined
        self._audiences: dict[Key, Audience] = {}
        self._shut = False

    def __len__(self) -> int:
        """
        How many processes there are.
        """
        return len(self._consoles)

    # Told by the registry.

    def join(self, console: Console) -> None:
        """
        A process was created.
        """
        self._consoles[console] = None
        for audience in self._audiences.values():
            if audience.wants(console.node):
                console.join(audience)
        console.greet()

    def part(self, console: Console) -> None:
        """
        A process is no more.
        """
        del self._consoles[console]
        console.part()
        self._check()

    def shut(self) -> None:
        """
        The agent ends: the end for all readers.
        """
        self._shut = True
        for audience in list(self._audiences.values()):
            for reader in audience.readers:
                reader.end(Ending.SHUT)

    # Asked by readers.

    def attach(self, reader: IReader, wanted: AppWanted, encoding: AppEncoding) -> Subscription:
        """
        Give C{reader} the kept lines it wants, then each line as it comes, of the
        processes that there are and of those that will be.

        Of kept lines no more come than half of what may be queued for a reader, so that
        there is room for those to come.

        @return: What it gets, paused: call C{resume} when it may come.
        @raise TooManyReaders: The agent has as many as it may have.
        """
        key = (encoding, wanted.nodes, wanted.streams)
        subscription = Subscription(
            reader, encoding, self._budget, self._moved, partial(self._left, key)
        )
        self._budget.add(subscription, own=False)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(encoding, wanted.nodes, wanted.streams)
            for console in self._wanted(audience):
                console.join(audience)
        audience.readers = (*audience.readers, subscription)
        if encoding.events:
            events = [
                encoding.event(of(console.standing(), console.node))
                for console in self._wanted(audience)
            ]
            subscription.event(b"".join(events))
        room = self._budget.bounds.queue // 2
        for data, count, node in self._last(audience, wanted.tail, room):
            subscription.lines(data, count, node)
        if self._shut:
            subscription.end(Ending.SHUT)
        return subscription

    def kept(self, wanted: AppWanted, encoding: AppEncoding) -> bytes:
        """
        The kept lines that are wanted, but no more than may be queued for a reader.
        """
        audience = Audience(encoding, wanted.nodes, wanted.streams)
        room = self._budget.bounds.queue
        return b"".join([data for data, _, _ in self._last(audience, wanted.tail, room)])

    # Inside.

    def _wanted(self, audience: Audience) -> list[Console]:
        return [console for console in self._consoles if audience.wants(console.node)]

    def _last(self, audience: Audience, tail: int, room: int) -> list[tuple[bytes, int, str]]:
        """
        The last kept lines, the oldest first: encoded, how many, and whose.

        @param room: They are no more bytes than that.
        """
        if not tail:
            return []
        # The newest first, and of each process no more than is looked at.
        each = [_newest(console, audience) for console in reversed(self._wanted(audience))]
        found = []
        for chunk, node in merge(*each, key=_age):
            chunk = chunk.last(tail)
            data = audience.encoding.lines(chunk, node)
            room -= len(data)
            if room < 0:
                break
            found.append((data, chunk.count, node))
            tail -= chunk.count
            if not tail:
                break
        found.reverse()
        return found

    def _left(self, key: Key, subscription: Subscription) -> None:
        audience = self._audiences[key]
        audience.readers = tuple(s for s in audience.readers if s is not subscription)
        if not audience.readers:
            del self._audiences[key]
            for console in self._consoles:
                console.leave(audience)
        self._moved()
        self._check()

    def _moved(self) -> None:
        for console in self._consoles:
            console.moved()

    def _check(self) -> None:
        if not self._consoles and not self._audiences:
            self._gone(self)


def _newest(console: Console, audience: Audience) -> Iterator[tuple[Chunk, str]]:
    for chunk in console.newest():
        if not audience.streams or chunk.stream in audience.streams:
            yield chunk, console.node


def _age(found: tuple[Chunk, str]) -> float:
    return -found[0].time
