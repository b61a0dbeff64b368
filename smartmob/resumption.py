"""
Having again what an earlier agent had.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, evolve, field
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.documents import State
from smartmob.legacy import Legacy
from smartmob.process import Process
from smartmob.refusals import StateNotWritten
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
    """

    agent: Agent
    _waiting: deque[Process] = field(factory=deque)

    def restore(self, found: Found, resume: bool = True) -> None:
        """
        Take over what an earlier agent has left: before anything else, and before the
        sources are started.

        @param resume: Not only what the configuration file says.
        """
        agent = self.agent
        legacy = agent.legacy = Legacy.of(found, resume)
        agent.sources.keep = legacy.keep()
        agent.roster.sections.remember(legacy.scaled)
        for slug, why in found.unread.items():
            _log.warn("{slug} {why}; it stays as it is", slug=slug, why=why)
        for record in legacy.created:
            assert record.request is not None
            ported = evolve(record, port=agent.ports.keep(record.port))
            agent.add(record.request, ported, new=False)
        if legacy.created:
            _log.info("{number} processes are restored", number=len(legacy.created))

    def begin(self) -> None:
        """
        Set going what ran under an earlier agent, once the sources are there, and what the
        configuration file has is under way.
        """
        for record in self.agent.legacy.created:
            process = self.agent.process(record.slug)
            if isinstance(process.recipe, SourceRecipe):
                process.recipe.hold()
            if process.wanted:
                self._waiting.append(process)
            else:
                process.rest()
        for record in self.agent.legacy.left_over():
            self.agent.records.remove(record).addErrback(_not_forgotten, record.slug)
        for _ in range(AT_ONCE):
            self._next()

    def end(self) -> None:
        """
        The agent ends: start no more.
        """
        self._waiting.clear()

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
