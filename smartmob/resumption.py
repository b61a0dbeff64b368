"""
Having again what an earlier agent had.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.documents import State, app_of
from smartmob.legacy import Legacy
from smartmob.process import Process
from smartmob.refusals import NoPort, StateNotWritten
from smartmob.source_recipe import SourceRecipe
from smartmob.state.interfaces import Found

if TYPE_CHECKING:
    from smartmob.agent import Agent

_log = Logger()

AT_ONCE = 4
"""So many are set going at a time: each may have to be downloaded."""


@define(eq=False, repr=False)
class Resumption:
    """
    Brings back what there was, and sets it going, a few at a time.

    An operator does not have to wait for it: whoever is started, stopped or deleted
    meanwhile is not touched any more.

    @ivar restored: How many there are again that were not set going yet: they are no reason
        why there can't be those of the configuration file.
    """

    agent: Agent
    restored: int = 0
    _to_begin: list[Process] = field(factory=list)
    _moved: list[str] = field(factory=list)
    _waiting: deque[Process] = field(factory=deque)

    def restore(self, found: Found, resume: bool = True) -> None:
        """
        Take over what an earlier agent has left: before anything else, and before the
        sources are started.

        @param resume: Not only what the configuration file says.
        """
        agent = self.agent
        legacy = agent.legacy = Legacy.of(found, resume)
        agent.roster.sections.remember(legacy.scaled, legacy.not_scaled)
        agent.configuring.kept = found.scaled
        for slug, why in found.unread.items():
            _log.warn("{slug} {why}; it stays as it is", slug=slug, why=why)
        self._set_ports_aside(legacy)
        agent.sources.keep = legacy.keep()
        for record in legacy.created.values():
            assert record.request is not None
            self._to_begin.append(agent.add(record.request, record, new=False))
        for_later = {app_of(slug) for slug in legacy.untouched}
        agent.roster.remember(found.models, for_later)
        self.restored = len(self._to_begin)
        if self.restored:
            _log.info("{number} processes are restored", number=self.restored)

    def begin(self) -> None:
        """
        Set going what ran under an earlier agent, once the sources are there, and what the
        configuration file has is under way.
        """
        self.restored = 0
        for process in self._to_begin:
            if process.doomed:
                continue
            if isinstance(process.recipe, SourceRecipe):
                process.recipe.hold()
            if process.wanted:
                self._waiting.append(process)
            else:
                process.rest()
        self._to_begin.clear()
        for record in self.agent.legacy.left_over():
            self.agent.records.remove(record).addErrback(_not_forgotten, record.slug)
            if record.port is not None:
                self.agent.ports.give_back(record.port)
        for slug in self._moved:
            self.agent.records.repeat(slug)
        self._moved.clear()
        for _ in range(AT_ONCE):
            self._next()

    def end(self) -> None:
        """
        The agent ends: start no more.
        """
        self._waiting.clear()

    def _set_ports_aside(self, legacy: Legacy) -> None:
        """
        Each has the port that it had, before anybody gets a new one.
        """
        ports = self.agent.ports
        for record in legacy.untouched.values():
            if record.port is not None:
                ports.reserve(record.port)
        known = [*legacy.created.values(), *legacy.configured.values()]
        without = [each for each in known if each.port is None or not ports.reserve(each.port)]
        for record in without:
            try:
                legacy.move(record, ports.take())
                self._moved.append(record.slug)
            except NoPort as error:
                if record.slug in legacy.configured:
                    legacy.move(record, None)
                    continue
                legacy.leave(record, f"is known from before, and can't be had again: {error}")
                _log.error("{slug} {why}", slug=record.slug, why=legacy.unread[record.slug])

    def _next(self) -> None:
        while self._waiting:
            process = self._waiting.popleft()
            if process.state is State.PENDING and not (process.going or process.doomed):
                process.begin()
                process.when_settled().addCallback(self._one_less)
                return

    def _one_less(self, _: None) -> None:
        # A turn later: whoever fails at once is not to call the next from within.
        self.agent.clock.callLater(0, self._next)


def _not_forgotten(failure: Failure, slug: str) -> None:
    """
    It is tried again at the next start; why it can't be was said.
    """
    failure.trap(StateNotWritten)
    _log.warn("the record of {slug}, which there is no more, is still there", slug=slug)
