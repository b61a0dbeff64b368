"""
Who there is: the processes of an agent, by their slugs and their apps.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from attrs import define, field

from smartmob.app import App
from smartmob.configured import Sections
from smartmob.documents import CreateRequest
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
    _for_later: list[CreateRequest] = field(factory=list)

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

    def remove(self, process: Process) -> bool:
        """
        A process is gone.

        @return: L{absent} is another.
        """
        name = process.definition.app
        del self._processes[process.slug]
        self._listing = None
        app = self._apps[name]
        changed = app.remove(process)
        if app.processes:
            return changed
        del self._apps[name]
        return bool(app.absent)

    def remember(self, models: Iterable[CreateRequest], for_later: Container[str]) -> None:
        """
        So were the last processes of types of which apps had none under an earlier agent.

        @param for_later: Apps of which that is to be known to a later agent alone.
        """
        for model in models:
            if model.app in for_later:
                self._for_later.append(model)
            elif model.app in self._apps:
                self._apps[model.app].remember(model)

    def absent(self) -> list[CreateRequest]:
        """
        What the last processes of types were like of which their apps have none now.
        """
        apps = self._apps.values()
        return [*self._for_later, *(model for app in apps for model in app.absent.values())]

    def reorder(self) -> None:
        """
        The sections are others.
        """
        self._listing = None
