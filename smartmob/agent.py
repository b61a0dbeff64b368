"""
The registry of processes, and the order in which things end.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob import descriptors
from smartmob.admission import Admission
from smartmob.checks import MOST_PROCESSES
from smartmob.configured_recipe import ConfiguredRecipe
from smartmob.configuring import Configuring
from smartmob.documents import CreateRequest, Definition, Limits, State
from smartmob.environment import inheritable
from smartmob.events import Events, Topic
from smartmob.feed import Feed
from smartmob.intake import Intake
from smartmob.launch.interfaces import ILauncher
from smartmob.legacy import Legacy
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.process import Process
from smartmob.recipe import Recipe
from smartmob.refusals import (
    SlugInUse,
    StateNotWritten,
    Stopping,
    TooManyProcesses,
)
from smartmob.restart import policy_of
from smartmob.resumption import Resumption
from smartmob.roster import Roster
from smartmob.scaling import Step
from smartmob.source.sources import Sources
from smartmob.source.upload import Sender, Upload
from smartmob.source_recipe import SourceRecipe, archives_named
from smartmob.state.interfaces import IRecords
from smartmob.state.record import Record
from smartmob.tally import Tally
from smartmob.templates import Configured, Identity
from smartmob.waiting import all_of

_log = Logger()

FAREWELL = 0.5
"""Seconds that readers have to take what is queued for them when the agent ends."""


@define(eq=False, repr=False)
class Agent(Service):
    """
    All the processes of this machine that the agent keeps.

    @ivar records: Where what outlives it is kept.
    @ivar events: What happens to them.
    @ivar feed: Gives that to clients.
    @ivar inherited: The environment that programs get from the agent.
    @ivar limits: Those of created processes that ask for none of their own.
    @ivar identity: Whom created processes run as; C{None}: as the agent.
    @ivar random: A number between 0 and 1.
    @ivar wall: Seconds since the epoch.
    @ivar monotonic: Seconds of a clock that never steps.
    @ivar watch: Called with each new process.
    @ivar shown: Called when a process stands elsewhere than before, is new, or gone.
    @ivar detached: The folder for what it takes to find detached programs again.
    @ivar tally: How their programs ended, and how many were started again.
    @ivar most_processes: It takes so many; what is being deleted is one of them still.
    @ivar stopping: It is about to end.
    """

    clock: IReactorTime
    launcher: ILauncher
    consoles: Consoles
    sources: Sources
    records: IRecords
    events: Events = field(factory=Events)
    ports: Ports = field(factory=lambda: Ports(random.randrange))
    inherited: Mapping[str, str] = field(factory=lambda: inheritable(os.environb))
    limits: Limits = field(factory=Limits)
    identity: Identity | None = None
    random: Callable[[], float] = random.random
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    watch: Callable[[Process], None] = lambda process: None
    shown: Callable[[], None] = lambda: None
    detached: str = ""
    most_processes: int = MOST_PROCESSES
    tally: Tally = field(factory=Tally)
    feed: Feed = field(init=False)
    roster: Roster = field(factory=Roster)
    configuring: Configuring = field(init=False)
    admission: Admission = field(init=False)
    intake: Intake = field(init=False)
    resumption: Resumption = field(init=False)
    legacy: Legacy = field(factory=Legacy)
    stopping: bool = False

    def __attrs_post_init__(self) -> None:
        self.feed = Feed(self.events, self.consoles.budget)
        self.admission = Admission(self.records, self.ports, self._check_new, self.wall)
        self.intake = Intake(self)
        self.configuring = Configuring(self)
        self.resumption = Resumption(self)
        self.records.snapshot = self._record

    def processes(self) -> list[Process]:
        """
        All of them: those of the configuration file by priority, then all others,
        oldest first.
        """
        return self.roster.all()

    def process(self, slug: str) -> Process:
        """
        The one of that slug.

        @raise UnknownProcess: There is none.
        """
        return self.roster.process(slug)

    def create(self, request: CreateRequest, request_id: str) -> Deferred[Process]:
        """
        Take on a process, and set it going.

        @param request_id: Sent on to where its source comes from.
        @return: Fires once it exists, and its record is on the disk.  Fails with a
            L{Refusal}: L{Stopping}, L{SlugInUse}, L{TooManyProcesses}, L{NoPort},
            L{OutOfDescriptors}, L{SourceNotAllowed}, L{StateNotWritten}; nothing of it
            exists then.  Cancelling it changes nothing.
        """
        return self.intake.create(request, request_id)

    def add(
        self, definition: Definition, record: Record, request_id: str = "", new: bool = True
    ) -> Process:
        """
        Have one more process, not set going yet.

        @param record: With its port, which is its own already.
        @param new: There was none under an earlier agent.
        """
        port = record.port
        assert port is not None

        def forgotten() -> None:
            if self.roster.remove(process):
                self.records.modelled(self.roster.absent()).addErrback(_not_remembered)
            self.ports.give_back(port)
            _log.info("{slug} deleted", slug=process.slug)
            self.shown()

        process = Process(
            definition=definition,
            recipe=self.recipe(definition, port, request_id, record.release),
            launcher=self.launcher,
            console=self.consoles.open(definition.slug, State.PENDING),
            policy=policy_of(definition.flapping, self.random),
            clock=self.clock,
            wall=self.wall,
            monotonic=self.monotonic,
            random=self.random,
            emit=partial(self.events.publish, definition),
            forgotten=forgotten,
            port=port,
            shown=lambda: self.shown(),  # noqa: PLW0108 - whoever it is by then
            tally=self.tally,
            records=self.records,
            created_at=record.created_at,
            wanted=record.wanted,
            restarts=record.restarts,
            exits=record.exits,
            last_exits=record.last_exits,
        )
        self.roster.add(process)
        if new:
            _log.info("{slug} created", slug=process.slug)
            self.events.publish(definition, Topic.CREATE)
        self.watch(process)
        self.shown()
        return process

    def recipe(
        self,
        definition: Definition,
        port: int,
        request_id: str = "",
        release: str | None = None,
    ) -> Recipe:
        """
        How a process comes by its command.

        @param port: The one that is set aside for it.
        @param request_id: Of the request that asked for it.
        @param release: The name of the release that it has had.
        """
        match definition:
            case CreateRequest():
                who, limits = self.identity, self.limits
                return SourceRecipe(
                    definition,
                    self.sources,
                    self.inherited,
                    port,
                    request_id,
                    limits,
                    who,
                    release=release,
                )
            case Configured():
                return ConfiguredRecipe(definition, self.inherited, port, self.detached)
            case _:
                raise TypeError(f"nobody knows how to run {definition!r}")

    def receive(self, length: int | None, sender: Sender) -> Upload:
        """
        Begin to take an archive.

        @param length: Its size in bytes, where that is known.
        @raise Refusal: L{Stopping}, L{StateNotWritten}.
        """
        self.refuse_when_stopping()
        return self.sources.archives.receive(length, sender, self._archives_in_use)

    def delete_app(self, app: str) -> Deferred[None]:
        """
        Delete every process of an app.  Fires when nothing is left of them, fails
        with L{TreeLeft} where something can't be ended.

        @raise UnknownApp: It has none.
        """
        return all_of(process.delete() for process in self.processes_of(app))

    def processes_of(self, app: str) -> list[Process]:
        """
        Those of an app, oldest first.

        @raise UnknownApp: It has none.
        """
        return list(self.roster.app(app).processes.values())

    def scale(self, app: str, wanted: Mapping[str, Step], request_id: str) -> Deferred[None]:
        """
        Have as many instances of each type as is wanted: see L{smartmob.scaling}.
        Everything is checked, and on the disk, before anything changes.

        @return: Fires when those that are too many are gone; fails with L{TreeLeft}
            where something of them can't be ended, or a L{Refusal}: L{UnknownApp},
            L{InvalidDocument}, or as for L{create}.  Cancelling it changes nothing.
        """
        return self.intake.scale(app, wanted, request_id)

    def stopService(self) -> Deferred[None]:
        """
        End all programs at the same time.  Fires when none is left that can be ended,
        and their readers have been told, or L{FAREWELL} is over.
        """
        super().stopService()
        self.stopping = True
        self.resumption.end()
        ended = DeferredList(
            [
                *(process.close() for process in self.processes() if not process.outlives),
                # Who is being deleted is not to be there again.
                *(each.deleted.wait() for each in self.processes() if each.doomed),
                # What is being written is not to be there when its client was refused.
                Deferred.fromCoroutine(self.admission.empty()),
            ],
            consumeErrors=True,
        )

        def told(results: list[tuple[bool, Any]]) -> Deferred[None]:
            for succeeded, result in results:
                if not succeeded:
                    _log.error("ending all the same: {result}", result=result)
            self.feed.shut()
            farewell = self.consoles.shut().addTimeout(FAREWELL, self.clock)
            return farewell.addErrback(_too_late)

        return ended.addCallback(told)

    def outliving(self) -> set[str]:
        """
        The slugs of those that go on without the agent.
        """
        return {process.slug for process in self.processes() if process.outlives}

    def longest_grace(self) -> float:
        """
        Seconds that the programs which run may take to end.
        """
        return max(
            (
                process.definition.graceful_timeout
                for process in self.processes()
                if process.pid is not None and not process.outlives
            ),
            default=0.0,
        )

    def hurry(self) -> None:
        """
        Give programs that are being stopped no more time.
        """
        for process in self.processes():
            process.kill()

    def check_room(
        self, more: int, less: int = 0, most: int | None = None, have_ports: int = 0
    ) -> None:
        """
        See that so many processes can be created, while some end.

        @param have_ports: Of those so many have one set aside.
        @raise Refusal: They can't.
        """
        if not more:
            return
        self.refuse_when_stopping()
        most = self.most_processes if most is None else most
        present = len(self.roster) + len(self.admission) - self.resumption.restored
        if present - less + more > most:
            raise TooManyProcesses(
                f"of processes the agent takes {most} at most, and has {present}"
            )
        descriptors.check(present + more)
        self.ports.check(more - have_ports)

    def check_slug(self, slug: str) -> None:
        """
        See that a slug is free.

        @raise SlugInUse: It is not.
        """
        if slug in self.roster:
            raise SlugInUse(
                f"there is a process {slug!r}; delete it first, or use another node"
            )
        if slug in self.admission:
            raise SlugInUse(f"a process {slug!r} is being created")
        if slug in self.legacy.untouched:
            raise SlugInUse(f"{slug!r} {self.legacy.unread[slug]}")

    def _check_new(self, slug: str) -> None:
        self.check_slug(slug)
        # One of the configuration file can do without a record, which stays as it is.
        if slug in self.legacy.unread:
            raise SlugInUse(f"{slug!r} {self.legacy.unread[slug]}")

    def _record(self, slug: str) -> Record | None:
        """
        What is to be on the disk of a process; C{None}: nothing.
        """
        if slug in self.roster:
            process = self.roster.process(slug)
            return None if process.off_record else process.record()
        return self.admission.record(slug) or self.legacy.record(slug)

    def refuse_when_stopping(self) -> None:
        if self.stopping:
            raise Stopping("the agent is about to end")

    def _archives_in_use(self) -> set[str]:
        untouched = (record.request for record in self.legacy.untouched.values())
        known = (process.definition for process in self.processes())
        return archives_named(each for each in (*known, *untouched) if each is not None)


def _not_remembered(failure: Failure) -> None:
    """
    It is tried again; why it can't be was said.
    """
    failure.trap(StateNotWritten)


def _too_late(failure: Failure) -> None:
    """
    Some reader was too slow to hear that the agent ends.
    """
    failure.trap(defer.TimeoutError)
