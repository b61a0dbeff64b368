"""
What waits to be forwarded to one destination, with its bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from attrs import define, field

from smartmob.lines.bounds import MIB

MOST = 8 * MIB
"""So many bytes may wait for a destination, what is on its way included."""

BATCH = 1 * MIB
"""So many are on their way at once, about."""

SMALL = 4096
"""What is queued behind something of the same key is put together with it while both have
fewer bytes than this."""

OVERHEAD = 250
"""What an entry costs in memory beside its bytes, about."""


class Entry(NamedTuple):
    """
    Lines that belong together.

    @ivar key: Which file they are for, or what they are called where they go.
    @ivar data: The lines, encoded.
    @ivar lines: How many.
    """

    key: str
    data: bytes
    lines: int


@define(eq=False, repr=False)
class Queue:
    """
    Entries in their order.  At the bound the newest are not taken any more, until half of it
    is free: so that what is missing is missing in one place, and nobody has to encode it.

    @ivar most: Bytes that may wait.
    @ivar size: Bytes that do.
    @ivar lines: How many they are.
    @ivar skips: Nothing is taken.
    """

    most: int = MOST
    size: int = field(default=0, init=False)
    lines: int = field(default=0, init=False)
    skips: bool = field(default=False, init=False)
    _waiting: deque[Entry] = field(factory=deque, init=False)
    _again: Sequence[Entry] = field(default=(), init=False)
    _under_way: Sequence[Entry] = field(default=(), init=False)

    def __bool__(self) -> bool:
        """
        Whether something waits that is not on its way.
        """
        return bool(self._waiting or self._again)

    @property
    def under_way(self) -> int:
        """
        How many lines were taken, and not settled yet.
        """
        return sum(entry.lines for entry in self._under_way)

    def put(self, key: str, data: bytes, count: int) -> bool:
        """
        Queue some lines, if there is room.

        @return: There was.
        """
        if self.skips or self.size + len(data) + OVERHEAD > self.most:
            self.skips = self.size > 0  # what is free already would never become free
            return False
        self.lines += count
        self.size += len(data)
        if len(data) < SMALL and self._waiting:
            before = self._waiting[-1]
            if before.key == key and len(before.data) < SMALL:
                self._waiting[-1] = Entry(key, before.data + data, before.lines + count)
                return True
        self._waiting.append(Entry(key, data, count))
        self.size += OVERHEAD
        return True

    def take(self) -> Sequence[Entry]:
        """
        What is to be delivered now: the oldest, or what is to be tried again.  It stays here
        until it is L{settle}d.
        """
        batch: Sequence[Entry] = self._again
        if not batch:
            taken: list[Entry] = []
            size = 0
            while self._waiting and (not taken or size + len(self._waiting[0].data) <= BATCH):
                taken.append(self._waiting.popleft())
                size += len(taken[-1].data)
            batch = taken
        self._again, self._under_way = (), batch
        return batch

    def settle(self, left: Sequence[Entry]) -> None:
        """
        What was taken is delivered, or lost, but for this, which is to be tried again.
        """
        for entries, sign in ((self._under_way, -1), (left, 1)):
            self.size += sign * sum(len(entry.data) + OVERHEAD for entry in entries)
            self.lines += sign * sum(entry.lines for entry in entries)
        self._again, self._under_way = left, ()
        if self.size <= self.most // 2:
            self.skips = False

    def clear(self) -> int:
        """
        Forget all of it.

        @return: How many lines that were.
        """
        lost = self.lines
        self._waiting.clear()
        self._again = self._under_way = ()
        self.size = self.lines = 0
        return lost
