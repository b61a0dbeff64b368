"""
Taking on what clients ask for: it is on the disk before it exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import DeferredList

from smartmob.documents import CreateRequest
from smartmob.ports import Ports
from smartmob.refusals import Refusal
from smartmob.state.interfaces import IRecords
from smartmob.state.record import Record
from smartmob.waiting import Waiters


@define(eq=False, repr=False)
class Admission:
    """
    The processes that are being taken on.

    @ivar check: Called with a slug; raises a L{Refusal} where somebody has it.
    @ivar wall: Seconds since the epoch.
    """

    records: IRecords
    ports: Ports
    check: Callable[[str], None]
    wall: Callable[[], float]
    _places: dict[str, Record] = field(factory=dict)
    _one_less: Waiters = field(factory=Waiters)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, slug: str) -> bool:
        return slug in self._places

    def record(self, slug: str) -> Record | None:
        """
        What is being written of a process; C{None}: none of that slug is being taken on.
        """
        return self._places.get(slug)

    async def admit(self, requests: Sequence[CreateRequest]) -> list[Record]:
        """
        Write the records of some processes, all of them or none.  Until L{enter} is called
        with each, or L{leave}, nobody else gets their slugs and ports.

        @raise Refusal: L{SlugInUse}, L{NoPort<smartmob.refusals.NoPort>},
            L{StateNotWritten<smartmob.refusals.StateNotWritten>}; nothing is left then.
        """
        places: list[Record] = []
        try:
            for request in requests:
                places.append(self._take(request))  # noqa: PERF401 - and is given back
        except Refusal:
            for record in places:
                self.leave(record)
            raise
        writes = [self.records.put(record) for record in places]
        outcomes = await DeferredList(writes, consumeErrors=True)
        failures: list[Any] = [outcome for written, outcome in outcomes if not written]
        if failures:
            # Also those that failed: such a record may be there all the same.
            await self.abandon(places)
            failures[0].raiseException()
        return places

    async def abandon(self, places: Sequence[Record]) -> None:
        """
        They are not to be after all, and no later agent is to make them.
        """
        removals = [self.records.remove(record) for record in places]
        outcomes = await DeferredList(removals, consumeErrors=True)
        for record, (removed, _) in zip(places, outcomes, strict=True):
            self.leave(record)
            if not removed:
                self.records.repeat(record.slug)

    async def settled(self, app: str) -> None:
        """
        Wait until no process of an app is being taken on.
        """
        while any(record.slug.startswith(f"{app}.") for record in self._places.values()):
            await self._one_less.wait()

    async def empty(self) -> None:
        """
        Wait until no process is being taken on.
        """
        while self._places:
            await self._one_less.wait()

    def enter(self, record: Record) -> None:
        """
        It exists, and has its slug and its port itself.
        """
        del self._places[record.slug]
        self._one_less.fire()

    def leave(self, record: Record) -> None:
        """
        It will not exist.
        """
        assert record.port is not None
        self.ports.give_back(record.port)
        self.enter(record)

    def _take(self, request: CreateRequest) -> Record:
        slug = request.slug
        self.check(slug)
        record = Record(
            slug=slug,
            created_at=self.wall(),
            port=self.ports.take(),
            request=request,
            wanted=True,
        )
        self._places[slug] = record
        return record
