"""
Having the processes of the configuration file as it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.configured import Changes, Plan
from smartmob.configured_recipe import ConfiguredRecipe
from smartmob.documents import State
from smartmob.events import Topic
from smartmob.process import Process
from smartmob.refusals import Refusal, StateNotWritten
from smartmob.restart import policy_of
from smartmob.state.record import Record
from smartmob.state.sections import Scaled
from smartmob.templates import Configured, Template
from smartmob.waiting import all_of

if TYPE_CHECKING:
    from smartmob.agent import Agent

_log = Logger()


@define(eq=False, repr=False)
class Configuring:
    """
    Plans what has to be done for the configuration file, and does it.

    @ivar kept: How many instances of sections there should be, as a later agent would know.
    """

    agent: Agent
    kept: Mapping[str, Scaled] = field(factory=dict)

    def plan(self, templates: Sequence[Template], most: int | None = None) -> Plan:
        """
        What has to be done so that the processes of the configuration file are as these
        sections say: only the difference.

        @param most: How many processes the agent is to take then; C{None}: as many as now.
        @raise Refusal: It can't be, as for L{Agent.create<smartmob.agent.Agent.create>}.
        """
        agent = self.agent
        agent.refuse_when_stopping()
        plan = agent.roster.sections.plan(templates, agent.processes())
        # In place of others there may be as many again.
        known = agent.legacy.configured
        earlier = (known.get(each.definition.slug) for each in plan.create)
        have_ports = sum(each is not None and each.port is not None for each in earlier)
        agent.check_room(len(plan.create), len(plan.delete), most, have_ports)
        return plan

    def carry_out(self, plan: Plan) -> Changes:
        """
        Do what was planned, in the same turn.  What can't be created all the same, since
        somebody else took a port meanwhile, is left out, and said.
        """
        self.agent.roster.sections.adopt(plan.templates)
        self.agent.roster.reorder()
        if self.agent.roster.sections.all_scaled() != self.kept:
            # What somebody wanted instead of what the file said is not to come back.
            self._keep().addErrback(_not_kept)
        waits = [process.delete() for process in plan.delete]
        restarted = []
        for change in plan.redefine:
            process = change.process
            self._redefine(process, change.definition)
            # One that is being stopped is what it is now when it is started again, if so.
            if change.restart and process.going and process.state is not State.STOPPING:
                restarted.append(process.slug)
                waits.append(process.renew())
        started = [process for process in plan.start if process.started_at is None]
        created = []
        left_out: list[str] = []
        for each in plan.create:
            try:
                process = self.make(each.definition)
            except Refusal as refused:
                left_out.append(f"{each.definition.slug} is left out: {refused}")
                _log.error("{why}", why=left_out[-1])
            else:
                created.append((process, self._is_to_run(process, each.start)))
        for process in started:
            process.begin()
        for process, start in self._in_order(created):
            if start:
                process.begin()
                started.append(process)
            else:
                process.rest()
        return Changes(
            started=tuple(process.slug for process in started),
            restarted=tuple(restarted),
            stopped=tuple(process.slug for process in plan.delete),
            left_out=tuple(left_out),
            done=all_of(waits),
        )

    def scaled(self, app: str, process_type: str, wanted: int) -> Deferred[None] | None:
        """
        Somebody wants so many instances of a type.

        @return: Fires when a later agent would know; C{None}: no section is about it.
        """
        sections = self.agent.roster.sections
        if not sections.scaled(app, process_type, wanted):
            return None
        return self._keep()

    def make(self, definition: Configured) -> Process:
        """
        Add one, as it was under an earlier agent if it was.

        @raise Refusal: L{SlugInUse<smartmob.refusals.SlugInUse>},
            L{NoPort<smartmob.refusals.NoPort>}.
        """
        agent = self.agent
        agent.check_slug(definition.slug)
        slug = definition.slug
        earlier = agent.legacy.configured.get(slug)
        port = agent.ports.take() if earlier is None or earlier.port is None else earlier.port
        if earlier is not None:
            del agent.legacy.configured[slug]
            return agent.add(definition, evolve(earlier, port=port), new=False)
        record = Record(slug=slug, created_at=agent.wall(), port=port)
        agent.records.began(record)
        return agent.add(definition, record)

    def _keep(self) -> Deferred[None]:
        self.kept = self.agent.roster.sections.all_scaled()
        return self.agent.records.scaled(self.kept)

    def _is_to_run(self, process: Process, start: bool) -> bool:
        if process.wanted is False and self.agent.legacy.resumed:
            return False
        what = process.definition
        assert isinstance(what, Configured)
        # What was started by hand before is adopted, and not started by its section.
        return start or (
            what.detach and self.agent.launcher.lives(self.agent.detached, what.slug)
        )

    def _in_order(self, created: list[tuple[Process, bool]]) -> list[tuple[Process, bool]]:
        """
        Those of a lower priority number first.
        """
        place = {process: rank for rank, process in enumerate(self.agent.processes())}
        return sorted(created, key=lambda pair: place[pair[0]])

    def _redefine(self, process: Process, definition: Configured) -> None:
        agent = self.agent
        other = definition.flapping != process.definition.flapping
        policy = policy_of(definition.flapping, agent.random) if other else None
        assert isinstance(process.recipe, ConfiguredRecipe)
        recipe = agent.recipe(definition, process.recipe.port)
        process.redefine(definition, recipe, policy)
        agent.roster.redefined(process)
        agent.events.publish(definition, Topic.UPDATE)


def _not_kept(failure: Failure) -> None:
    """
    It is tried again; why it can't be was said.
    """
    failure.trap(StateNotWritten)
