"""
The processes of the configuration file: which there should be, and what has to be
done so that there are, and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from math import inf

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred

from smartmob.documents import Definition, Restart
from smartmob.process import Process
from smartmob.scaling import free, instance, numbered, surplus
from smartmob.state.sections import Scaled
from smartmob.templates import Configured, Template

NONE: Mapping[str, Scaled] = {}


@frozen(kw_only=True)
class Changes:
    """
    What came of a configuration, by slugs.

    @ivar left_out: Why others could not be created, a sentence each.
    @ivar done: Fires when what was stopped is gone and what was restarted is up, or
        can't be; fails with L{TreeLeft<smartmob.refusals.TreeLeft>}.
    """

    started: tuple[str, ...]
    restarted: tuple[str, ...]
    stopped: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    done: Deferred[None]


@frozen
class Redefinition:
    """
    A process that is to be another.

    @ivar restart: What it runs with differs, so that what runs now has to end.
    """

    process: Process
    definition: Configured
    restart: bool


@frozen
class Creation:
    """
    A process that is to be.

    @ivar start: It is to run, too.
    """

    definition: Configured
    start: bool


@frozen
class Plan:
    """
    What has to be done.

    @ivar templates: The sections that say so.
    @ivar start: Processes that wait for nothing but a section that lets them start.
    """

    templates: Sequence[Template]
    create: Sequence[Creation]
    redefine: Sequence[Redefinition]
    start: Sequence[Process]
    delete: Sequence[Process]


@frozen
class _Section:
    """
    @ivar wanted: How many instances there should be: as the file says, until
        somebody scales it.
    @ivar rank: Its place among the sections.
    """

    template: Template
    wanted: int
    rank: tuple[float, int]


@define
class Sections:
    """
    The C{[process:]} sections that the agent knows.
    """

    _sections: dict[str, _Section] = field(factory=dict)
    _earlier: Mapping[str, Scaled] = field(factory=dict)
    _set_aside: dict[str, Scaled] = field(factory=dict)

    def plan(self, templates: Sequence[Template], processes: Collection[Process]) -> Plan:
        """
        What has to be done so that processes are as these sections say.  Nothing is
        known of them yet: see L{adopt}.

        What was not changed in the file is left alone, also where somebody scaled,
        stopped or deleted it.
        """
        create: list[Creation] = []
        redefine: list[Redefinition] = []
        start: list[Process] = []
        delete: list[Process] = []
        named = _named(processes)
        for template in templates:
            known = self._sections.get(template.name)
            if known is not None and known.template == template:
                continue
            same_name = named.get(template.name, [])
            present = [(number, each) for number, each in same_name if _is_instance(each)]
            wanted = self._wanted(template)
            too_many = surplus(present, wanted)
            delete += too_many
            leaving = set(too_many)
            # Whoever has a number, it can't be given out.
            others = free({number for number, _ in same_name})
            create += [
                Creation(template.instance(number), template.start)
                for number in islice(others, max(0, wanted - len(present)))
            ]
            for number, process in present:
                if process in leaving:
                    continue
                definition = template.instance(number)
                if process.definition != definition:
                    again = _runs_with(process.definition) != _runs_with(definition)
                    redefine.append(Redefinition(process, definition, again))
                if template.start and known is not None and not known.template.start:
                    start.append(process)
        wanted_names = {template.name for template in templates}
        for name in self._sections:
            if name not in wanted_names:
                delete += [each for _, each in named.get(name, ()) if _is_instance(each)]
        return Plan(templates, create, redefine, start, delete)

    def adopt(self, templates: Iterable[Template]) -> None:
        """
        These are the sections from now on.
        """
        self._sections = {
            template.name: _Section(template, self._wanted(template), (rank, place))
            for place, template in enumerate(templates)
            for rank in (inf if template.model.priority is None else template.model.priority,)
        }
        self._earlier = {}

    def remember(
        self, scaled: Mapping[str, Scaled], for_later: Mapping[str, Scaled] = NONE
    ) -> None:
        """
        This is what somebody wanted of them under an earlier agent.

        @param for_later: And this, but it does not count before the agent is started again.
        """
        self._earlier = scaled
        self._set_aside = dict(for_later)

    def scaled(self, app: str, process_type: str, wanted: int) -> bool:
        """
        Somebody asked for so many instances of a type.

        @return: There is a section for it.
        """
        name = f"{app}.{process_type}"
        section = self._sections.get(name)
        if section is None:
            return False
        self._sections[name] = evolve(section, wanted=wanted)
        self._set_aside.pop(name, None)
        return True

    def all_scaled(self) -> dict[str, Scaled]:
        """
        What is wanted otherwise than the file says.
        """
        scaled = {
            name: Scaled(section.template.numprocesses, section.wanted)
            for name, section in self._sections.items()
            if section.wanted != section.template.numprocesses
        }
        return {**self._set_aside, **scaled}

    def models(self, app: str) -> dict[str, Definition]:
        """
        What the processes of an app are like, by their types.
        """
        return {
            section.template.model.process_type: section.template.model
            for section in self._sections.values()
            if section.template.model.app == app
        }

    def in_order(self, processes: Iterable[Process]) -> list[Process]:
        """
        Those of the file by priority, then as in the file, then all others as they come.
        """
        return sorted(processes, key=self._rank)

    def _wanted(self, template: Template) -> int:
        """
        How many instances there should be: as somebody has said, unless the file says
        something else since.
        """
        known = self._sections.get(template.name)
        said = self._earlier.get(template.name)
        if known is not None:
            said = Scaled(known.template.numprocesses, known.wanted)
        if said is None or said.numprocesses != template.numprocesses:
            return template.numprocesses
        return said.wanted

    def _rank(self, process: Process) -> tuple[float, float, int]:
        definition = process.definition
        if not isinstance(definition, Configured):
            return (inf, inf, 0)
        section = self._sections.get(f"{definition.app}.{definition.process_type}")
        place = (inf, -1) if section is None else section.rank
        return (*place, instance(definition.node, definition.process_type) or 0)


def _named(processes: Iterable[Process]) -> dict[str, list[tuple[int, Process]]]:
    """
    The processes that are called as the instances of sections are, with their numbers,
    by L{Template.name}.
    """
    named: dict[str, list[tuple[int, Process]]] = {}
    for process in processes:
        definition = process.definition
        match numbered(definition.node):
            case (process_type, number):
                name = f"{definition.app}.{process_type}"
                named.setdefault(name, []).append((number, process))
    return named


def _is_instance(process: Process) -> bool:
    """
    Whether it is one of a section's, and to stay so.
    """
    return isinstance(process.definition, Configured) and not process.doomed


def _runs_with(definition: object) -> object:
    """
    As much of a definition as a running program would have to be restarted for.
    """
    if not isinstance(definition, Configured):
        return definition
    # All this is for the agent, and counts from now on: see Process.redefine.
    return evolve(
        definition,
        graceful_timeout=0.0,
        flapping=None,
        priority=None,
        restart=Restart.ALWAYS,
        labels={},
    )
