"""
What can be done with processes, and with templates and groups of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from smartmob.refusals import NotRunning
from smartmob.scaling import Step
from smartmob.waiting import all_of
from smartmob.web.gaffer.registry import Entry, Registry
from smartmob.web.gaffer.replies import patiently

if TYPE_CHECKING:
    from smartmob.process import Process

Verb = Callable[["Process"], Deferred[None]]


def start(process: Process) -> Deferred[None]:
    """
    See that it runs, or will not at once.
    """
    return all_of([process.start(), process.when_settled()])


def stop(process: Process) -> Deferred[None]:
    """
    End it with all that it started.
    """
    return process.stop()


def restart(process: Process) -> Deferred[None]:
    """
    End it, and have another take its place.
    """
    return process.restart()


VERBS: dict[str, Verb] = {"_start": start, "_stop": stop, "_restart": restart}
"""What can be done with all processes of a template or a group."""


@frozen(eq=False, repr=False)
class Doing:
    """
    Has things done, and waits for them as long as gafferd's clients do.
    """

    registry: Registry
    reactor: IReactorTime

    def each(self, verb: Verb, processes: Iterable[Process]) -> Deferred[None]:
        """
        Do it with each.
        """
        return patiently(self.reactor, all_of([verb(process) for process in processes]))

    def remove(self, entries: Iterable[Entry]) -> Deferred[None]:
        """
        Forget templates, and delete their processes.
        """
        return patiently(self.reactor, all_of([self._removed(entry) for entry in entries]))

    def _removed(self, entry: Entry) -> Deferred[None]:
        waits = []
        if entry.template is not None:
            waits.append(self.registry.declarations.remove(entry.template.name).done)
        # Those that are of no template, or were created by the REST interface beside it.
        waits += [process.delete() for process in entry.processes if not process.doomed]
        return all_of(waits)

    def scale(self, entry: Entry, more: int, request_id: str) -> Deferred[None]:
        """
        Have so many processes more of a template, or less.
        """
        scaled = Deferred.fromCoroutine(self._scale(entry, more, request_id))
        return patiently(self.reactor, scaled)

    async def _scale(self, entry: Entry, more: int, request_id: str) -> None:
        name = entry.name
        before = {process.slug for process in entry.processes}
        step = Step(more, relative=True)
        await self.registry.agent.scale(name.app, {name.process_type: step}, request_id)
        present = self.registry.processes(name)
        await all_of(one.when_settled() for one in present if one.slug not in before)


def signal(number: int, processes: Iterable[Process]) -> None:
    """
    Send a signal to the process groups of those programs that are there.
    """
    for process in processes:
        try:
            process.signal(number)
        except NotRunning:
            continue
