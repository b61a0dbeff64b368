"""
The lines of one process on their way into the queues of forwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import define, evolve, field
from twisted.logger import Logger

from smartmob.forward.formats import Encoding
from smartmob.forward.forwarding import Forwarding
from smartmob.lines.ring import Chunk
from smartmob.placeholders import Whose
from smartmob.process import Process

_log = Logger()

MOST_LINES = 4096
"""Lines that are encoded together: of empty ones a chunk has as many as bytes, and each may
take a few hundred."""

Encoded = dict[Encoding, list[tuple[bytes, int]]]
"""What was made of a chunk: some lines each, and how many."""


@define(eq=False, repr=False)
class Branch:
    """
    Of one process to one forward.

    @ivar missed: Lines that found no room since the last that did.
    """

    forwarding: Forwarding
    whose: Whose
    now: Callable[[], float]
    missed: int = 0
    _keys: dict[str, str | None] = field(factory=dict)
    _said: bool = False

    def give(self, chunk: Chunk, encoded: Encoded) -> None:
        """
        Queue the lines of a chunk, if they are wanted.

        @param encoded: What others made of it.
        """
        try:
            key = self._keys[chunk.stream]
        except KeyError:
            key = self._keys[chunk.stream] = self._key(chunk.stream)
        if key is None:
            return
        forwarding = self.forwarding
        if forwarding.full:
            self._miss(chunk.count)
            return
        encoding = forwarding.encoding
        parts = encoded.get(encoding)
        if parts is None:
            parts = encoded[encoding] = [
                (encoding.lines(part, self.whose), part.count) for part in _parts(chunk)
            ]
        for data, count in parts:
            if self.missed:
                note = encoding.missing(self.missed, self.whose, self.now())
                if not forwarding.put(key, note, 0):
                    self._miss(count)
                    continue
                self.missed = 0
            if not forwarding.put(key, data, count):
                self._miss(count)

    def broken(self, count: int) -> None:
        """
        A defect costs so many lines, there; whoever reads what a program writes goes on, and so
        do the other forwards.  It is told once: the next lines may have the same.
        """
        if not self._said:
            self._said = True
            _log.failure(
                "[forward:{name}] lines of {slug} could not be queued",
                name=self.forwarding.lane.name,
                slug=self.whose.slug,
            )
        self._miss(count)

    def _key(self, stream: str) -> str | None:
        """
        What lines of a stream are called there; C{None}: they are not wanted.
        """
        if not self.forwarding.wants(stream):
            return None
        return self.forwarding.key.filled(self.whose, stream)

    def _miss(self, count: int) -> None:
        self.missed += count
        self.forwarding.lane.miss(count)


@define(eq=False, repr=False)
class Follower:
    """
    Of one process to all that want its lines: the C{follower} of its console.
    """

    branches: Sequence[Branch]

    def __call__(self, chunk: Chunk) -> None:
        """
        Lines came.
        """
        encoded: Encoded = {}
        for branch in self.branches:
            try:
                branch.give(chunk, encoded)
            except Exception:
                branch.broken(chunk.count)


def follower_of(
    process: Process, forwardings: Sequence[Forwarding], now: Callable[[], float]
) -> Follower | None:
    """
    That of a process; C{None}: nobody wants its lines.  What it owes those that it has given
    lines to already, it still owes them.
    """
    definition, console = process.definition, process.console
    before: dict[Forwarding, Branch] = {}
    if isinstance(console.follower, Follower):
        before = {branch.forwarding: branch for branch in console.follower.branches}
    whose = Whose(definition.app, definition.node, definition.process_type, definition.slug)
    branches = [
        before.get(forwarding) or Branch(forwarding, whose, now)
        for forwarding in forwardings
        if forwarding.reads(definition.app)
    ]
    return Follower(branches) if branches else None


def _parts(chunk: Chunk) -> Iterator[Chunk]:
    """
    The same lines, a bounded number at a time.
    """
    if chunk.count <= MOST_LINES:
        yield chunk
        return
    lines = chunk.lines()
    for at in range(0, chunk.count, MOST_LINES):
        some = lines[at : at + MOST_LINES]
        data = b"\n".join([*some, b""])
        yield evolve(chunk, first=chunk.first + at, count=len(some), data=data, split=some)
