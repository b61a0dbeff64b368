"""
Creating and scaling: processes that clients ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock

from smartmob import scaling
from smartmob.documents import CreateRequest, Definition
from smartmob.events import Topic
from smartmob.process import Process
from smartmob.refusals import Refusal
from smartmob.rlimits import check_bounds
from smartmob.scaling import Step
from smartmob.state.record import Record
from smartmob.templates import Configured
from smartmob.waiting import all_of, undisturbed

if TYPE_CHECKING:
    from smartmob.agent import Agent


@define(eq=False, repr=False)
class Intake:
    """
    Has processes made, once their records are on the disk.
    """

    agent: Agent
    _scaling: DeferredLock = field(factory=DeferredLock)

    def create(self, request: CreateRequest, request_id: str) -> Deferred[Process]:
        """
        See L{Agent.create<smartmob.agent.Agent.create>}.
        """
        return undisturbed(Deferred.fromCoroutine(self._create(request, request_id)))

    def scale(self, app: str, wanted: Mapping[str, Step], request_id: str) -> Deferred[None]:
        """
        See L{Agent.scale<smartmob.agent.Agent.scale>}.
        """
        return undisturbed(Deferred.fromCoroutine(self._scale(app, wanted, request_id)))

    async def _create(self, request: CreateRequest, request_id: str) -> Process:
        agent = self.agent
        agent.sources.check(request.source_url)
        check_bounds(request.limits, agent.launcher.bounds)
        agent.check_room(1)
        (record,) = await self._admit([request])
        process = self._enter(record, request, request_id)
        process.begin()
        return process

    async def _admit(self, requests: Sequence[CreateRequest]) -> list[Record]:
        places = await self.agent.admission.admit(requests)
        if self.agent.stopping:
            await self.agent.admission.abandon(places)
            self.agent.refuse_when_stopping()
        return places

    def _enter(self, record: Record, definition: Definition, request_id: str) -> Process:
        process = self.agent.add(definition, record, request_id)
        # Who waits for that goes on within the call, and is to see it.
        self.agent.admission.enter(record)
        return process

    async def _scale(self, app: str, wanted: Mapping[str, Step], request_id: str) -> None:
        agent = self.agent
        async with self._scaling:
            # Who is asked for two more, and two more, is not to count the same twice.
            await agent.admission.settled(app)
            changes = scaling.changes(agent.roster.app(app), wanted)
            agent.check_room(sum(change.more for change in changes))
            new = [definition for change in changes for definition in change.definitions()]
            requests = [each for each in new if isinstance(each, CreateRequest)]
            for request in requests:
                agent.sources.check(request.source_url)
            places = await self._admit(requests) if requests else []
            made = await self._make(new, places)
            records = iter(places)
            # Somebody may have deleted one of them meanwhile.
            surplus = [
                process
                for change in changes
                for process in change.surplus
                if agent.roster.has(process)
            ]
            kept = []
            for change in changes:
                for definition in change.definitions():
                    if isinstance(definition, Configured):
                        process = made[definition.slug]
                    else:
                        process = self._enter(next(records), definition, request_id)
                    process.begin()
                kept.append(agent.configuring.scaled(app, change.process_type, change.wanted))
                if change.more or change.surplus:
                    agent.events.publish(change.model, Topic.UPDATE)
            deleted = [process.delete() for process in surplus]
        await all_of([*deleted, *(each for each in kept if each is not None)])

    async def _make(
        self, definitions: Sequence[Definition], places: Sequence[Record]
    ) -> dict[str, Process]:
        """
        @param places: Of others, who are not to be where one of these can't be.
        @raise Refusal: Somebody has its slug, or took the last port, since that was checked.
        """
        made: dict[str, Process] = {}
        try:
            for each in definitions:
                if isinstance(each, Configured):
                    made[each.slug] = self.agent.configuring.make(each)
        except Refusal:
            for process in made.values():
                process.delete()
            await self.agent.admission.abandon(places)
            raise
        return made
