"""
Those who read lines, of a process or of an app, each with a bound of its own.

What is queued are references to bytes that all readers of a format share.
Nothing waits for a slow reader, and no reader gets another one's share: past
its bound a reader that can be told what it missed misses lines, and any other
reader is ended once it has got what was queued for it.  Only lines of a program
that waits for its readers are due to each of them, as many as L{Console} says.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from enum import Enum

from zope.interface import Interface

from smartmob.lines.bounds import MIB
from smartmob.lines.budget import Budget
from smartmob.lines.encodings import Format

BATCH = 128 * 1024
"""So much of a queue is written at once, about: Twisted sends no more at a time."""

DIRECT = 512 * 1024
"""
More than this is not given to a connection at once, which would keep what it can't send: a
chunk of very short lines is a hundred times its size as JSON.
"""

SMALL = 2048
"""
Bytes that are queued behind others are put together with them while both are fewer than this:
an entry takes 300 bytes beside them, twenty times a short line.
"""


class Ending(Enum):
    """
    Why a reader gets no more.
    """

    DELETED = "process deleted"
    SHUT = "agent ends"
    TOO_SLOW = "too slow"
    OVER = "the program has ended"


class IReader(Interface):
    """
    Where lines go: a connection of a client.
    """

    def write(data: bytes) -> None:
        """
        Send these bytes.  May call L{Subscription.pause} or, on another turn of
        the reactor, L{Subscription.detach}.
        """

    def ending(why: Ending) -> None:
        """
        Nothing more will be queued.  What is queued is still written as long as
        it is taken.
        """

    def ended() -> None:
        """
        All that was queued has been written: the last call of all.
        """


_Entry = tuple[bytes, dict[str, int], bool]
"""Encoded lines, how many of each node, of events none; and whether they are due."""

_EVENT: dict[str, int] = {}


class _Phase(Enum):
    """
    Where a subscription stands.
    """

    LIVE = "it gets every line"
    SKIPS = "it misses lines until less is queued"
    ENDS = "it gets what is queued, and no more"
    GONE = "it gets nothing"


class Subscription:
    """
    What waits for one reader.

    It begins paused, so that the reader can keep it before the first byte comes:
    call L{resume}.

    What several processes have to say comes from each with its C{node}, and what is
    missed is counted by it; where there is only one process it has none.

    @ivar queued: Bytes that wait.
    @ivar due: Those of them that are lines of programs which wait for their readers: they
        are never dropped, and take no room from others.
    """

    __slots__ = (
        "_budget",
        "_flows",
        "_left",
        "_limit",
        "_missed",
        "_moved",
        "_offset",
        "_paused",
        "_phase",
        "_queue",
        "_reader",
        "due",
        "encoding",
        "queued",
    )

    def __init__(
        self,
        reader: IReader,
        encoding: Format,
        budget: Budget,
        moved: Callable[[], None],
        left: Callable[[Subscription], None],
    ) -> None:
        """
        @param moved: Called when less is queued than before.
        @param left: Called when it wants no more lines, for whatever reason.
        """
        self.encoding = encoding
        self.queued = self.due = 0
        self._reader = reader
        self._budget = budget
        self._limit = budget.bounds.queue
        self._moved = moved
        self._left = left
        self._queue: deque[_Entry] = deque()
        self._offset = 0  # so much of the first of them was written
        self._missed: dict[str, int] = {}  # by node, never 0
        self._phase = _Phase.LIVE
        self._paused = True
        self._flows = False  # live, not paused, nothing queued: the way of most lines

    # What the connection says.

    def pause(self) -> None:
        """
        The connection has enough for now: queue what comes.
        """
        self._paused = True
        self._flows = False

    def resume(self) -> None:
        """
        The connection takes more.
        """
        self._paused = False
        self._pump()

    def detach(self) -> None:
        """
        The client is gone, or is no longer wanted.  May be repeated.
        """
        self._phase = _Phase.GONE
        self._flows = False
        self._leave()
        self._budget.less(self.counted)
        self._budget.remove(self)
        self._queue.clear()
        self._offset = 0
        self.queued = self.due = 0

    # What the console says.

    def misses(self, count: int, node: str = "") -> bool:
        """
        Whether it is to miss so many lines, for which then nobody has to encode them.
        """
        if self._phase is not _Phase.SKIPS:
            return False
        self._budget.dropped(self, count)
        self._miss(count, node)
        return True

    def lines(self, data: bytes, count: int, node: str = "", due: bool = False) -> None:
        """
        So many lines, encoded.

        @param due: It gets them, whatever waits for it.
        """
        if self._flows:
            if len(data) <= DIRECT:
                self._reader.write(data)
            else:
                self._flows = False
                self._push(data, count, node, due)
                self._pump()
                self._budget.enforce()
        elif due:
            if self._phase in (_Phase.LIVE, _Phase.SKIPS):
                self._tell_of(node)
                self._push(data, count, node, due)
        elif self._phase is _Phase.LIVE and self.counted + len(data) <= self._limit:
            self._push(data, count, node)
            self._budget.enforce()
        elif self._phase in (_Phase.LIVE, _Phase.SKIPS):
            self._budget.dropped(self, count)
            if self.encoding.told:
                self._phase = _Phase.SKIPS
                self._miss(count, node)
            else:
                self.end(Ending.TOO_SLOW)

    def event(self, data: bytes, node: str = "") -> None:
        """
        What happened.  It is never missed.
        """
        if self._flows:
            self._reader.write(data)
        elif self._phase in (_Phase.LIVE, _Phase.SKIPS):
            if self.counted > self._limit + MIB:
                self.end(Ending.TOO_SLOW)
            else:
                self._tell_of(node)
                self._push(data, 0, node)
                self._budget.enforce()

    def note(self, missed: int, node: str = "") -> None:
        """
        That lines are missing here.
        """
        self._push(self._dropped(missed, node), 0, node)
        self._budget.enforce()

    def end(self, why: Ending) -> None:
        """
        It gets no more; what is queued is still written.  May be repeated.
        """
        if self._phase not in (_Phase.LIVE, _Phase.SKIPS):
            return
        self._tell()
        self._phase = _Phase.ENDS
        self._flows = False
        self._leave()
        self._reader.ending(why)
        self._pump()

    # What the budget asks and says.

    @property
    def counted(self) -> int:
        """
        Bytes that wait and are not due.
        """
        return self.queued - self.due

    def shed(self, size: int) -> None:
        """
        Drop the newest queued lines, so many bytes or more of them, since all readers
        together have too much.  Events stay, as does what is due, and where lines were
        dropped before one it is told there.  Where there are no lines, it is ended, without
        its events.
        """
        if not self.counted:
            return
        later: deque[_Entry] = deque()
        missed: Counter[str] = Counter()
        before = self.queued
        while len(self._queue) > bool(self._offset) and size > 0:
            data, counts, due = self._queue.pop()
            if counts and not due:
                self._less(len(data))
                size -= len(data)
                self._budget.dropped(self, sum(counts.values()))
                missed.update(counts)
            else:
                self._dropped_before(later, missed)
                later.appendleft((data, counts, due))
        if not self.encoding.told or self.queued >= before:
            self._less(sum(len(data) for data, _, due in later if not due))
            self._queue.extend(entry for entry in later if entry[2])
            self._missed.clear()
            self.end(Ending.TOO_SLOW)
            return
        self._dropped_before(later, missed)
        self._queue.extend(later)
        if self._phase is _Phase.LIVE:
            self._phase = _Phase.SKIPS

    # Inside.

    def _pump(self) -> None:
        """
        Write what is queued, as long as the connection takes it.
        """
        while not self._paused and self._phase is not _Phase.GONE:
            if self._phase is _Phase.SKIPS and self.queued <= self._limit // 2:
                self._phase = _Phase.LIVE
                self._tell()
            if self._queue:
                self._reader.write(self._batch())
            elif self._phase is _Phase.ENDS:
                self._phase = _Phase.GONE
                self._budget.remove(self)
                self._reader.ended()
            else:
                self._flows = True
                return

    def _batch(self) -> bytes:
        parts = []
        size = 0
        before = self.due
        while self._queue and size < BATCH:
            data, _, due = self._queue[0]
            if len(data) - self._offset > DIRECT:
                part = data[self._offset : self._offset + BATCH]
                self._offset += BATCH
            else:
                part = data[self._offset :] if self._offset else data
                self._offset = 0
                self._queue.popleft()
            parts.append(part)
            size += len(part)
            if due:
                self.due -= len(part)
        self.queued -= size
        self._budget.less(size - (before - self.due))
        self._moved()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _push(self, data: bytes, count: int, node: str, due: bool = False) -> None:
        """
        Queue lines, or where they are none an event.
        """
        self.queued += len(data)
        if due:
            self.due += len(data)
        else:
            self._budget.more(len(data))
        if len(data) < SMALL and len(self._queue) > bool(self._offset):
            before, counts, was_due = self._queue[-1]
            if len(before) < SMALL and bool(counts) == bool(count) and was_due == due:
                if count:
                    counts[node] = counts.get(node, 0) + count
                self._queue[-1] = (before + data, counts, due)
                return
        self._queue.append((data, {node: count} if count else _EVENT, due))

    def _less(self, size: int) -> None:  # that is not due
        self.queued -= size
        self._budget.less(size)

    def _dropped(self, missed: int, node: str) -> bytes:
        whose = {"node": node} if node else {}
        return self.encoding.event({"event": "dropped", **whose, "missed": missed})

    def _dropped_before(self, later: deque[_Entry], missed: dict[str, int]) -> None:
        """
        Lines were dropped that came before what is C{later}: tell it there.  What was
        the newest of all is told with what is missed from now on.
        """
        for node, count in missed.items() if self.encoding.told else ():
            if later or self._phase is _Phase.ENDS:
                event = self._dropped(count, node)
                later.appendleft((event, _EVENT, False))
                self.queued += len(event)
                self._budget.more(len(event))
            else:
                self._miss(count, node)
        missed.clear()

    def _miss(self, count: int, node: str) -> None:
        self._missed[node] = self._missed.get(node, 0) + count

    def _tell_of(self, node: str) -> None:
        """
        Say how many lines of this one were missed, where some were.
        """
        if node in self._missed:
            self._push(self._dropped(self._missed.pop(node), node), 0, node)

    def _tell(self) -> None:
        for node in list(self._missed):
            self._tell_of(node)

    def _leave(self) -> None:
        left, self._left = self._left, _nobody
        left(self)


def _nobody(subscription: Subscription) -> None:
    """
    Whom a subscription that has left tells nothing.
    """
