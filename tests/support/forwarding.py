"""
Lines and destinations for tests of what forwards them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred

from smartmob.forward.destination import Outcome
from smartmob.forward.queue import Entry
from smartmob.lines.ring import Chunk
from smartmob.placeholders import Whose

WHOSE = Whose("blog", "web.0", "web", "blog.web.0")

TIME = 1_767_225_600.25
"""2026-01-01, a quarter of a second past midnight."""


def chunk(
    data: bytes,
    first: int = 1,
    stream: str = "stdout",
    *,
    pid: int | None = 7,
    partial: bool = False,
    own: bool = False,
) -> Chunk:
    """
    Lines that were read at L{TIME}.
    """
    return Chunk(
        first=first,
        count=data.count(b"\n"),
        data=data,
        stream=stream,
        time=TIME,
        pid=pid,
        partial=partial,
        own=own,
    )


def entry(*lines: str, key: str = "k") -> Entry:
    """
    Lines that belong together.
    """
    return Entry(key, "".join(f"{line}\n" for line in lines).encode(), len(lines))


@define(eq=False)
class Recorder:
    """
    A destination that does what the test says.

    @ivar batches: What was to be delivered, each as its lines.
    """

    batches: list[list[str]] = field(factory=list)
    cuts: int = 0
    closed: int = 0
    _batch: Sequence[Entry] = ()
    _waiting: Deferred[Outcome] | None = None

    def deliver(self, batch: Sequence[Entry]) -> Deferred[Outcome]:
        """
        Keep it.
        """
        assert self._waiting is None, "one at a time"
        self._batch = batch
        self.batches.append([*_lines(batch)])
        self._waiting = Deferred()
        return self._waiting

    def settle(self, left: int = 0, lost: int = 0, why: str = "is gone") -> None:
        """
        So many entries of it are left, the last ones, and so many lines lost.
        """
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        rest = list(self._batch[len(self._batch) - left :])
        waiting.callback(Outcome(left=rest, lost=lost, why=why if left or lost else ""))

    def cut(self) -> None:
        """
        Leave all of it.
        """
        self.cuts += 1
        self.settle(len(self._batch), why="")

    def close(self) -> None:
        """
        Note it.
        """
        self.closed += 1


def _lines(batch: Sequence[Entry]) -> Iterator[str]:
    for one in batch:
        yield from one.data.decode().splitlines()
