"""
Records that are kept in memory, and fail when a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed

from smartmob.documents import CreateRequest, PastExit
from smartmob.refusals import StateNotWritten
from smartmob.state.record import Record
from smartmob.state.sections import Scaled


@define(eq=False)
class FakeRecords:
    """
    Records without files.

    @ivar kept: By slug, as they are on the disk.
    @ivar full: Nothing more can be written.
    @ivar held: Writes that wait for the test; C{None}: none does.
    @ivar repeated: What could not be written.
    """

    snapshot: Callable[[str], Record | None] = lambda slug: None
    kept: dict[str, Record] = field(factory=dict)
    sections: Mapping[str, Scaled] = field(factory=dict)
    models: list[CreateRequest] = field(factory=list)
    full: bool = False
    held: list[Callable[[], object]] | None = None
    repeated: list[str] = field(factory=list)

    def put(self, record: Record) -> Deferred[None]:
        """
        Keep it.
        """
        return self._do(lambda: self.kept.update({record.slug: record}))

    def repeat(self, slug: str) -> None:
        """
        Note it.
        """
        self.repeated.append(slug)

    def remove(self, record: Record) -> Deferred[None]:
        """
        Keep it no more.
        """
        return self._do(lambda: self.kept.pop(record.slug, None))

    def began(self, record: Record) -> None:
        """
        Keep it.
        """
        self.kept[record.slug] = record

    def ended(self, record: Record, exit: PastExit) -> None:  # noqa: A002 - what it is
        """
        Keep what it says.
        """
        if record.slug in self.kept:
            self.kept[record.slug] = evolve(
                self.kept[record.slug],
                restarts=record.restarts,
                exits=record.exits,
                last_exits=record.last_exits,
                wanted=False if record.wanted is False else self.kept[record.slug].wanted,
            )

    def released(self, record: Record) -> None:
        """
        Keep what it says.
        """
        if record.slug in self.kept:
            self.kept[record.slug] = evolve(self.kept[record.slug], release=record.release)

    def scaled(self, sections: Mapping[str, Scaled]) -> Deferred[None]:
        """
        Keep them.
        """

        def keep() -> None:
            self.sections = sections

        return self._do(keep)

    def modelled(self, models: Iterable[CreateRequest]) -> Deferred[None]:
        """
        Keep them.
        """
        kept = list(models)

        def keep() -> None:
            self.models = kept

        return self._do(keep)

    def let(self) -> None:
        """
        What waits is written, or can't be.
        """
        assert self.held is not None
        held, self.held = self.held, None
        for work in held:
            work()

    def _do(self, work: Callable[[], object]) -> Deferred[None]:
        if self.held is None:
            return self._done(work)
        done: Deferred[None] = Deferred()
        self.held.append(lambda: self._done(work).chainDeferred(done))
        return done

    def _done(self, work: Callable[[], object]) -> Deferred[None]:
        if self.full:
            return fail(StateNotWritten("it can't be kept on the disk: it is full"))
        work()
        return succeed(None)
