"""
All plugins: which there are, how they come, and how they go.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from configparser import RawConfigParser
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.plugins.calls import TooSlow, within
from smartmob.plugins.folders import PluginFolder, plugin_folder, plugin_folders
from smartmob.plugins.installed import installed
from smartmob.plugins.life import END_SECONDS, Life
from smartmob.plugins.loader import (
    Loaded,
    load_entry_point,
    load_folder,
    shadowed,
    source_of,
)
from smartmob.plugins.site import PluginSite, site_of
from smartmob.plugins.standing import Standing
from smartmob.plugins.supervisor import Supervisor

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from smartmob.agent import Agent

_log = Logger()


class MissingPlugin(Exception):
    """
    A plugin can't do without another, and that is not there; the message says which.
    """


@define(eq=False, repr=False)
class Loading:
    """
    What another configuration makes of the plugins, before it is so: one of C{commit}
    and C{abandon} has to be called.

    @ivar warnings: Sentences for a person.
    """

    warnings: Sequence[str]
    _standing: Standing
    _new: Sequence[Loaded]
    _take: Callable[[Standing], Deferred[None]]

    def commit(self) -> Deferred[None]:
        """
        Let it be so.  Fires when the applications of those that are there still were
        restarted, those of new ones started and those of the others stopped, or had
        their time; never fails.
        """
        return self._take(self._standing)

    def abandon(self) -> None:
        """
        Leave everything as it is.
        """
        for loaded in self._new:
            loaded.forget()


@define(eq=False, repr=False)
class Plugins(Service):
    """
    The plugins.

    @ivar reactor: What their applications get to know as C{loop}.
    @ivar installed: What pip installed.
    @ivar _leaving: Those that a reload removed; each fires when it has stopped.
    """

    agent: Agent
    reactor: IReactorTime
    installed: Callable[[], Iterable[EntryPoint]] = installed
    _standing: Standing = field(factory=Standing)
    _leaving: set[Deferred[None]] = field(factory=set)

    def load(self, folders: Sequence[str], parser: RawConfigParser) -> None:
        """
        Load all that there are, before the service is started.

        @param folders: Where to look.
        @param parser: The configuration, which applications are made with.
        @raise MissingPlugin: One can't do without another.
        """
        loading = self.prepare(folders, parser)
        for warning in loading.warnings:
            _log.warn("{warning}", warning=warning)
        loading.commit()

    def prepare(self, folders: Sequence[str], parser: RawConfigParser) -> Loading:
        """
        Find out what a configuration makes of the plugins.  The code of new ones is
        run, but nothing that is there knows of it.  What was loaded stays as it is,
        whatever its files are now; what could not be, or could not be started, is tried
        again.

        @raise MissingPlugin: One can't do without another.
        """
        folders = [os.path.abspath(folder) for folder in folders]
        warnings = [
            f"there is no plugins folder {folder}"
            for folder in folders
            if not os.path.isdir(folder)
        ]
        found = dict(self._found(folders, parser))
        before = {
            source: loaded
            for source, loaded in self._standing.sources.items()
            if source in found and loaded.stays
        }
        names = {life.name for loaded in before.values() for life in loaded.lives}
        sources: dict[str, Loaded] = {}
        for source, load in found.items():
            sources[source] = before[source] if source in before else load(names)
            names |= {life.name for life in sources[source].lives}
        new = [loaded for source, loaded in sources.items() if source not in before]
        standing = Standing(folders, sources)
        loading = Loading(warnings, standing, new, self._take)
        missing = standing.missing()
        if missing:
            loading.abandon()
            raise MissingPlugin("; ".join(missing))
        return loading

    def startService(self) -> None:
        """
        Start their applications: they may use the agent now.
        """
        super().startService()
        for life in self._standing.lives():
            self._start(life)

    def stopService(self) -> Deferred[None]:
        """
        Stop their applications.  Fires when all have, those of plugins that a reload
        removed as well, or L{END_SECONDS} are over.
        """
        super().stopService()
        stopped = [life.stop(END_SECONDS) for life in self._standing.lives()]
        return _all([*stopped, *map(self._cut, list(self._leaving))])

    def site(self, name: str) -> PluginSite | None:
        """
        The site of that name, if there is one now.
        """
        folder = plugin_folder(self._standing.folders, name)
        return None if folder is None else site_of(folder)

    def report(self) -> list[dict[str, Any]]:
        """
        A document for each plugin, and each that could not be one; C{site} is the name
        of its site, or C{None}.
        """
        return self._standing.report()

    def _found(
        self, folders: Sequence[str], parser: RawConfigParser
    ) -> Iterator[tuple[str, Callable[[Collection[str]], Loaded]]]:
        """
        What could be a plugin, by its source, and how to load it where some names are
        taken.
        """
        first: dict[str, PluginFolder] = {}
        for folder in plugin_folders(folders):
            if folder.name in first:
                yield folder.path, partial(shadowed, folder, first[folder.name])
            else:
                first[folder.name] = folder
                yield folder.path, partial(load_folder, folder, parser)
        for entry in self.installed():
            yield source_of(entry), partial(load_entry_point, entry, parser)

    def _take(self, standing: Standing) -> Deferred[None]:
        """
        Let this be what there is.
        """
        before, self._standing = self._standing, standing
        kept = {life for life in standing.lives() if life in set(before.lives())}
        under_way = []
        for source, loaded in before.sources.items():
            if standing.sources.get(source) is not loaded:
                stopped = _all([life.stop() for life in loaded.lives])
                self._leaving.add(stopped)
                under_way.append(stopped.addCallback(self._left, loaded, stopped))
        if self.running:
            under_way += [life.restart() for life in kept]
            under_way += [self._start(life) for life in standing.lives() if life not in kept]
        return _all(under_way)

    def _left(self, _: None, gone: Loaded, stopped: Deferred[None]) -> None:
        self._leaving.discard(stopped)
        gone.forget()

    def _cut(self, leaving: Deferred[None]) -> Deferred[None]:
        """
        Give it no more time than the others.
        """
        bounded = within(self.reactor, END_SECONDS, "the stop of a plugin", lambda: leaving)
        return bounded.addErrback(_too_slow)

    def _start(self, life: Life) -> Deferred[None]:
        return life.start(self.reactor, Supervisor(self.agent, self.reactor))


def _all(under_way: Iterable[Deferred[None]]) -> Deferred[None]:
    """
    Fires when all have, none of which fails.
    """
    return DeferredList(list(under_way)).addCallback(lambda _: None)


def _too_slow(failure: Failure) -> None:
    failure.trap(TooSlow)
    _log.error("plugins: {why}", why=failure.value)
