"""
The last lines of a process, kept as the chunks in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from attrs import define, evolve

from smartmob.lines.bounds import Bounds

OVERHEAD = 250
"""What a chunk costs in memory beside its bytes, about."""


@define(kw_only=True, eq=False, repr=False)
class Chunk:
    """
    Lines that were read at once.

    @ivar first: The number of the first of them.
    @ivar count: How many they are.
    @ivar data: UTF-8, each line followed by C{\\n}.
    @ivar time: When they were read, in seconds since the epoch.
    @ivar pid: Whose they are; C{None} where that is the agent.
    @ivar partial: It is one line, a piece of one that goes on in a later chunk.
    @ivar own: They are the agent's own words.
    @ivar split: Each line without its end, once somebody has split it; C{None}: that is not
        to be kept.
    """

    first: int
    count: int
    data: bytes
    stream: str
    time: float
    pid: int | None
    partial: bool = False
    own: bool = False
    split: list[bytes] | None = None

    @property
    def size(self) -> int:
        """
        The weight of the lines, in bytes, without their ends.
        """
        return len(self.data) - self.count

    @property
    def numbers(self) -> range:
        """
        The number of each line.
        """
        return range(self.first, self.first + self.count)

    def lines(self) -> list[bytes]:
        """
        Each line, without its end.
        """
        if self.split:
            return self.split
        lines = split(self.data)
        if self.split is not None:
            self.split = lines
        return lines

    def last(self, count: int) -> Chunk:
        """
        Its last so many lines.
        """
        if count >= self.count:
            return self
        lines = self.lines()[self.count - count :]
        return evolve(
            self,
            first=self.first + self.count - count,
            count=count,
            data=b"\n".join([*lines, b""]),
        )


def split(data: bytes) -> list[bytes]:
    """
    Each line, without its end.
    """
    lines = data.split(b"\n")
    lines.pop()
    return lines


@define(eq=False, repr=False)
class Written:
    """
    How much was written to a stream, ever.

    @ivar size: The weight of the lines, in bytes, without their ends.
    """

    lines: int = 0
    size: int = 0


class Ring:
    """
    What is kept of one process.

    Whole chunks are let go, so a little more than the bounds may be held;
    L{kept} counts to the line.

    @ivar cost: What it takes in memory, in bytes.
    @ivar written: What there ever was of each stream.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._max_lines = bounds.kept_lines
        self._max_size = bounds.kept_bytes
        self._chunks: deque[Chunk] = deque()
        self._lines = 0
        self._size = 0
        self.cost = 0
        self.written: dict[str, Written] = {}

    def append(self, chunk: Chunk) -> int:
        """
        Keep these lines, and let go of those that are too old.

        @return: By how much C{cost} grew.
        """
        before = self.cost
        size = chunk.size
        self._chunks.append(chunk)
        written = self.written.get(chunk.stream)
        if written is None:
            written = self.written[chunk.stream] = Written()
        written.lines += chunk.count
        written.size += size
        self._lines += chunk.count
        self._size += size
        self.cost += len(chunk.data) + OVERHEAD
        while (
            self._lines - self._chunks[0].count >= self._max_lines
            or self._size - self._chunks[0].size >= self._max_size
        ) and len(self._chunks) > 1:
            self._drop()
        return self.cost - before

    def shrink(self, cost: int) -> int:
        """
        Let go of the oldest until it takes no more than this.

        @return: By how much C{cost} shrank.
        """
        before = self.cost
        while self._chunks and self.cost > cost:
            self._drop()
        return before - self.cost

    def kept(self) -> list[Chunk]:
        """
        The last lines within both bounds, the oldest first.
        """
        return [*self.newest()][::-1]

    def newest(self) -> Iterator[Chunk]:
        """
        The same, the newest first.
        """
        lines, size = self._max_lines, self._max_size
        for chunk in reversed(self._chunks):
            chunk = chunk.last(lines)
            if chunk.size > size:
                chunk = chunk.last(_fitting(chunk, size))
            if chunk.count:
                yield chunk
            lines -= chunk.count
            size -= chunk.size

    def _drop(self) -> None:
        chunk = self._chunks.popleft()
        self._lines -= chunk.count
        self._size -= chunk.size
        self.cost -= len(chunk.data) + OVERHEAD


def _fitting(chunk: Chunk, size: int) -> int:
    """
    How many of its last lines weigh no more than this.
    """
    count = 0
    for line in reversed(chunk.lines()):
        size -= len(line)
        if size < 0:
            break
        count += 1
    return count
