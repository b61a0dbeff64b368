"""
The agent's processes, as gafferd's clients see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from smartmob.agent import Agent
from smartmob.declarations import Declarations
from smartmob.documents import Definition, State
from smartmob.permit import EVERYTHING, Permit
from smartmob.process import Process
from smartmob.refusals import UnknownApp, UnknownProcess
from smartmob.templates import Template
from smartmob.web.gaffer.names import Name, name_of, parse_path
from smartmob.web.gaffer.numbers import Numbers

UP = (State.STARTING, State.RUNNING)
"""What counts as running: a program that was told to end does not."""


@frozen
class Entry:
    """
    A template with its processes.

    @ivar template: C{None} where the processes were created by another interface.
    @ivar processes: In the order of their instances; none that is being deleted.
    """

    name: Name
    template: Template | None
    processes: Sequence[Process]

    @property
    def model(self) -> Definition:
        """
        What they are like.
        """
        return self.processes[-1].definition if self.template is None else self.template.model

    @property
    def running(self) -> list[Process]:
        """
        Those whose programs are up.
        """
        return [process for process in self.processes if process.state in UP]


@frozen(eq=False, repr=False)
class Registry:
    """
    Finds templates by name, and processes by the number of their program.

    @ivar permit: Says whose there are, as far as somebody may know.
    """

    agent: Agent
    declarations: Declarations
    numbers: Numbers
    permit: Permit = EVERYTHING

    def seen_with(self, permit: Permit) -> Registry:
        """
        The same for somebody who may not know of every app: for them there are no others.
        """
        return evolve(self, permit=permit) if permit.limited else self

    def entries(self) -> list[Entry]:
        """
        All templates: those of the file and those that were added, then those of which
        there are only processes.
        """
        found: dict[Name, tuple[Template | None, list[Process]]] = {
            name_of(template.model): (template, []) for template in self.declarations.all()
        }
        for process in self.agent.processes():
            if not process.doomed:
                name = name_of(process.definition)
                found.setdefault(name, (None, []))[1].append(process)
        return [
            Entry(name, template, all_)
            for name, (template, all_) in found.items()
            if self.permit.sees(name.app)
        ]

    def entry(self, name: Name) -> Entry:
        """
        The template of that name.

        @raise UnknownProcess: There is none.
        """
        for entry in self.entries():
            if entry.name == name:
                return entry
        raise UnknownProcess(f"there is no process {name}")

    def group(self, group: str) -> list[Entry]:
        """
        The templates of a group.

        @raise UnknownApp: There are none.
        """
        found = [entry for entry in self.entries() if entry.name.group == group]
        if not found:
            raise UnknownApp(f"there is no group {group!r}")
        return found

    def process(self, number: int) -> Process:
        """
        The process whose program has a number, and is up.

        @raise UnknownProcess: There is none.
        """
        slug = self.numbers.slug(number)
        if slug is not None:
            process = self.agent.process(slug)
            if process.state in UP and self._sees(process):
                return process
        raise UnknownProcess(f"there is no process {number}")

    def numbered(self, text: str) -> Process:
        """
        The process of a number that is a part of a path.

        @raise UnknownProcess: There is none.
        """
        if not is_number(text):
            raise UnknownProcess(f"{text[:200]!r} is not the number of a process")
        return self.process(int(text))

    def template_of(self, process: Process) -> Template | None:
        """
        The template of a process, where there is one.
        """
        return self.template_named(name_of(process.definition))

    def template_named(self, name: Name) -> Template | None:
        """
        The template of a name, where there is one besides its processes.
        """
        known = name.template
        return next((one for one in self.declarations.all() if one.name == known), None)

    def find(self, which: str) -> Entry | Process:
        """
        What a path names: a template, or by its number a process.

        @raise UnknownProcess: There is no such thing.
        """
        if is_number(which):
            return self.process(int(which))
        return self.entry(parse_path(which))

    def processes(self, name: Name) -> list[Process]:
        """
        The processes of a template, none that is being deleted.
        """
        return [
            process
            for process in self.agent.processes()
            if not process.doomed and name_of(process.definition) == name
        ]

    def running(self) -> list[Process]:
        """
        All processes whose programs are up.
        """
        return [
            process
            for process in self.agent.processes()
            if process.state in UP and self._sees(process)
        ]

    def pids(self, processes: Iterable[Process]) -> list[int]:
        """
        The numbers of those that are up, the oldest first.
        """
        up = [process for process in processes if process.state in UP]
        return sorted(self.numbers.number(process.slug) for process in up)

    def _sees(self, process: Process) -> bool:
        return self.permit.sees(process.definition.app)


def is_number(text: str) -> bool:
    """
    Whether a part of a path is a number, and no name.
    """
    return text.isascii() and text.isdigit() and len(text) <= 18
