"""
The console of a process: its lines, numbered, kept, and given to its readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from attrs import frozen

from smartmob.documents import LastExit, State
from smartmob.lines.audience import Audience
from smartmob.lines.bounds import Bounds
from smartmob.lines.budget import Budget
from smartmob.lines.encodings import Encoding, timestamp
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.lines.readership import Readership
from smartmob.lines.ring import Chunk, Ring, Written
from smartmob.lines.splitter import Block, Splitter, valid
from smartmob.lines.taps import AsTheyAre, Shape, Taps

AGENT = "smartmob"
"""The stream of what the agent itself has to say."""


@frozen(kw_only=True)
class Wanted:
    """
    Which lines a reader wants.

    @ivar tail: The last so many of the kept ones; C{None}: all of them where
        C{after} is set, else none.
    @ivar after: Only those with a higher number.
    @ivar epoch: The run of the agent in which C{after} was seen; C{None}: this.
    @ivar streams: Of these streams; empty: of all.
    """

    tail: int | None = None
    after: int | None = None
    epoch: str | None = None
    streams: frozenset[str] = frozenset()


class Console:
    """
    Told by a process, asked by its readers.  All of it is synchronous.

    Lines of all streams are numbered together, from 1.  Work is done by the
    chunk: lines are counted and kept, and only where somebody reads are they
    split, and encoded once for all who read the same format.

    @ivar slug: Whose it is, C{app.node}.
    @ivar blocked: The program should wait for its slowest reader.
    @ivar on_blocked: Told when C{blocked} changes.  Where it is C{None} no
        program ever waits for a reader.
    @ivar follower: Given each chunk as it comes: a part of the agent that has bounds of its
        own, and whom no program waits for.
    @ivar next: The number of the next line.
    """

    def __init__(
        self,
        slug: str,
        state: State,
        *,
        epoch: str,
        now: Callable[[], float],
        bounds: Bounds,
        budget: Budget,
        kept: Callable[[int], None],
        begun: Callable[[int], None],
        gone: Callable[[Console], None],
    ) -> None:
        """
        @param kept: Told by how much the memory taken by kept lines has grown.
        @param begun: Told by how much lines have grown whose ends have not come yet.
        @param gone: Told when the process is no more.
        """
        self.slug = slug
        self.app, _, self.node = slug.partition(".")
        self.next = 1
        self.blocked = False
        self.on_blocked: Callable[[bool], None] | None = None
        self.follower: Callable[[Chunk], None] | None = None
        self._beyond = 0  # bytes that were read while it is blocked
        self._state = state
        self._epoch = epoch
        self._now = now
        self._bounds = bounds
        self._budget = budget
        self._kept = kept
        self._begun = begun
        self._gone = gone
        self._closed: Ending | None = None
        self._ring = Ring(bounds)
        self._splitters: dict[str, Splitter] = {}
        self._last_pid: int | None = None
        self._readers = Readership(self.node)
        self._taps = Taps(budget, self.moved)

    # Told by the process.

    def received(self, stream: str, data: bytes, pid: int) -> None:
        """
        A chunk of output, as it was read.
        """
        if self._taps.used:
            self._taps.give(stream, data)
        splitter = self._splitters.get(stream)
        if splitter is None:
            splitter = self._splitters[stream] = Splitter()
        before = splitter.size
        self._last_pid = pid
        if self.blocked:
            self._beyond += len(data)
        for block in splitter.feed(data):
            self._publish(block, stream, pid)
        if splitter.size != before:
            self._begun(splitter.size - before)

    def finish(self) -> None:
        """
        The output of this run is over: what has no line end is a line, too.
        """
        for stream, splitter in self._splitters.items():
            self._begun(-splitter.size)
            for block in splitter.finish():
                self._publish(block, stream, self._last_pid)
        self._splitters.clear()
        self._taps.end(Ending.OVER)

    def say(self, text: str) -> None:
        """
        Something that a person who reads these lines needs to know.
        """
        data = valid(text.encode(errors="replace"))
        lines = data.rstrip(b"\r\n").replace(b"\r\n", b"\n")
        self._publish(Block(lines + b"\n", lines.count(b"\n") + 1), AGENT, None, own=True)

    def started(self, pid: int) -> None:
        """
        The program was executed.
        """
        self._readers.tell({"event": "started", "time": timestamp(self._now()), "pid": pid})

    def exited(self, exit: LastExit, pid: int | None) -> None:  # noqa: A002 - what it is
        """
        The program has ended; after L{finish}.
        """
        self._readers.tell(
            {
                "event": "exited",
                "time": timestamp(exit.at),
                "pid": pid,
                "code": exit.code,
                "signal": exit.signal,
                "ran_seconds": round(exit.ran_seconds, 3),
            }
        )

    def state(self, state: State, reason: str | None) -> None:
        """
        The process has come to this state.
        """
        self._state = state
        self._readers.tell({"event": "state", "state": state.value, "reason": reason})

    def deleted(self) -> None:
        """
        The process is no more: the end for all readers, and for what was kept.
        """
        self._readers.tell({"event": "deleted"})
        self._close(Ending.DELETED)
        self.shrink(0)
        self._begun(-sum(splitter.size for splitter in self._splitters.values()))
        self._splitters.clear()
        self._gone(self)

    def shut(self) -> None:
        """
        The agent ends: the end for all readers.
        """
        self._close(Ending.SHUT)

    # Asked by readers.

    def attach(
        self, reader: IReader, wanted: Wanted, encoding: Encoding, *, own: bool = False
    ) -> Subscription:
        """
        Give C{reader} the kept lines it wants, then each line as it comes.

        @param own: It is a part of the agent: it takes no client's place.
        @return: What it gets, paused: call C{resume} when it may come.
        @raise TooManyReaders: The agent has as many as it may have.
        """
        left = partial(self._left, encoding, wanted.streams)
        subscription = Subscription(reader, encoding, self._budget, self.moved, left)
        self._budget.add(subscription, own)
        self._readers.add(subscription, encoding, wanted.streams)
        if encoding.events:
            subscription.event(encoding.event(self.standing()))
        missed, chunks = self._select(wanted)
        if missed and encoding.told:
            subscription.note(missed)
        for chunk in chunks:
            subscription.lines(encoding.lines(chunk), chunk.count)
        if self._closed is not None:
            subscription.end(self._closed)
        return subscription

    def tap(
        self, reader: IReader, stream: str, shape: Callable[[], Shape] = AsTheyAre
    ) -> Subscription:
        """
        Give C{reader} the bytes of a stream from now on: see L{Taps.attach}.
        """
        return self._taps.attach(reader, stream, self._closed, shape)

    def kept(self, wanted: Wanted, encoding: Encoding) -> bytes:
        """
        The kept lines that are wanted.
        """
        missed, chunks = self._select(wanted)
        parts = [encoding.lines(chunk) for chunk in chunks]
        if missed and encoding.told:
            parts.insert(0, encoding.event({"event": "dropped", "missed": missed}))
        return b"".join(parts)

    def newest(self) -> Iterator[Chunk]:
        """
        The kept lines, the last ones first.
        """
        return self._ring.newest()

    def standing(self) -> dict[str, object]:
        """
        What a reader is told first: where it stands.
        """
        return {
            "event": "attached",
            "slug": self.slug,
            "state": self._state.value,
            "epoch": self._epoch,
            "next": self.next,
        }

    def moved(self) -> None:
        """
        Less is queued for a reader than before.
        """
        if self.blocked:
            self._check()

    # Told by the console of the app.

    def join(self, audience: Audience) -> None:
        """
        From now on these get the lines, too.
        """
        self._readers.join(audience)

    def leave(self, audience: Audience) -> None:
        """
        They are no more.
        """
        self._readers.leave(audience)

    def greet(self) -> None:
        """
        Tell readers of the app that this process is one of it now.
        """
        self._readers.greet(self.standing())

    def part(self) -> None:
        """
        It is no longer one of the app.
        """
        self._readers.part()
        self.moved()

    @property
    def cost(self) -> int:
        """
        What the kept lines take in memory, in bytes.
        """
        return self._ring.cost

    @property
    def written(self) -> Mapping[str, Written]:
        """
        What there ever was of each stream.
        """
        return self._ring.written

    def shrink(self, cost: int) -> None:
        """
        Keep no more than this takes in memory.
        """
        self._kept(-self._ring.shrink(cost))

    # Inside.

    def _publish(self, block: Block, stream: str, pid: int | None, own: bool = False) -> None:
        wanted, follower = self._readers.want(stream), self.follower
        chunk = Chunk(
            first=self.next,
            count=block.lines,
            data=block.data,
            stream=stream,
            time=self._now(),
            pid=pid,
            partial=block.partial,
            own=own,
            split=[] if wanted or follower else None,
        )
        self.next += block.lines
        if wanted:
            # Before it is kept: a line on its way waits for as little as can be.
            # Who waits for its readers can't hold back what it has written already.
            due = self.on_blocked is not None and self._beyond <= self._bounds.beyond
            self._readers.give(chunk, due)
        if follower is not None:
            follower(chunk)
        chunk.split = None
        self._kept(self._ring.append(chunk))
        if wanted and self.on_blocked is not None and not self.blocked:
            self._check()

    def _select(self, wanted: Wanted) -> tuple[int, Iterable[Chunk]]:
        """
        The kept lines that are wanted, and how many that are wanted by their numbers
        are not among them: no fewer, and with C{streams} perhaps more, where some
        lines that were not wanted were seen.
        """
        after, tail = wanted.after, wanted.tail
        if after is None:
            seen = 0
            tail = tail or 0
        else:
            seen = after if wanted.epoch in (None, self._epoch) else 0
        kept = self._ring.kept()
        missed = max(0, (kept[0].first if kept else self.next) - seen - 1)
        if wanted.streams:
            # Which of them were of these streams is not known, but how many there ever were.
            missed = min(missed, self._let_go(wanted.streams, kept))
        found = []
        for chunk in kept:
            if chunk.first + chunk.count - 1 <= seen:
                continue
            if not wanted.streams or chunk.stream in wanted.streams:
                found.append(chunk.last(chunk.first + chunk.count - 1 - seen))
        if tail is not None:
            cut: list[Chunk] = []
            for chunk in reversed(found):
                missed += max(0, chunk.count - tail)
                if tail > 0:
                    cut.append(chunk.last(tail))
                    tail -= cut[-1].count
            found = cut[::-1]
        return (0 if after is None else missed), found

    def _let_go(self, streams: frozenset[str], kept: Iterable[Chunk]) -> int:
        """
        How many lines of these streams are no longer kept.
        """
        written = self._ring.written
        count = sum(written[stream].lines for stream in streams if stream in written)
        return count - sum(chunk.count for chunk in kept if chunk.stream in streams)

    def _left(
        self, encoding: Encoding, streams: frozenset[str], subscription: Subscription
    ) -> None:
        self._readers.remove(subscription, encoding, streams)
        self.moved()

    def _close(self, why: Ending) -> None:
        if self._closed is None:
            self._closed = why
        self._readers.end(why)
        self._taps.end(why)

    def _check(self) -> None:
        """
        A program that waits goes on when its readers have next to nothing left, so
        that it does not stop and go with each write.
        """
        limit = self._bounds.blocking
        if self.blocked:
            limit //= 4
        blocked = any(reader.queued > limit for reader in self._readers)
        if blocked != self.blocked:
            self.blocked = blocked
            self._beyond = 0
            if self.on_blocked is not None:
                self.on_blocked(blocked)
