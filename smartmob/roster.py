"""
Who there is: the processes of an agent, by their slugs and their apps.
"""

from __future__ import annotations

from attrs import define, field

from smartmob.app import App
from smartmob.configured import Sections
from smartmob.process import Process
from smartmob.refusals import UnknownApp, UnknownProcess


@define(eq=False, repr=False)
class Roster:
    """
    All processes.

    @ivar sections: What the configuration file says of some.
    """

    sections: Sections = field(factory=Sections)
    _processes: dict[str, Process] = field(factory=dict)
    _apps: dict[str, App] = field(factory=dict)
    _listing: list[Process] | None = None

    def __len__(self) -> int:
        return len(self._processes)

    def __contains__(self, slug: str) -> bool:
        return slug in self._processes

    def has(self, process: Process) -> bool:
        """
        Whether it is there, and not another of the same name.
        """
        return self._processes.get(process.slug) is process

    def all(self) -> list[Process]:
        """
        Those of the configuration file by priority, then all others, oldest first.
        """
        if self._listing is None:
            self._listing = self.sections.in_order(self._processes.values())
        return list(self._listing)

    def process(self, slug: str) -> Process:
        """
        The one of that slug.

        @raise UnknownProcess: There is none.
        """
        try:
            return self._processes[slug]
        except KeyError:
            raise UnknownProcess.of(slug) from None

    def app(self, name: str) -> App:
        """
        An app that has processes, or sections that could have some.

        @raise UnknownApp: There is none.
        """
        app = self._apps.get(name, App()).with_models(self.sections.models(name))
        if not app.models:
            raise UnknownApp.of(name)
        return app

    def add(self, process: Process) -> None:
        """
        A process is there.
        """
        self._processes[process.slug] = process
        self._listing = None
        self._apps.setdefault(process.definition.app, App()).add(process)

    def redefined(self, process: Process) -> None:
        """
        A process is another, of the same name.
        """
        self._apps[process.definition.app].add(process)

    def remove(self, process: Process) -> None:
        """
        A process is gone.
        """
        name = process.definition.app
        del self._processes[process.slug]
        self._listing = None
        app = self._apps[name]
        del app.processes[process.slug]
        if not app.processes:
            del self._apps[name]

    def reorder(self) -> None:
        """
        The sections are others.
        """
        self._listing = None
