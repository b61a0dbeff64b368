"""
The registry of processes, and the order in which things end.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob import descriptors, scaling
from smartmob.app import App
from smartmob.checks import MOST_PROCESSES
from smartmob.configured import Changes, Plan, Sections
from smartmob.configured_recipe import ConfiguredRecipe
from smartmob.documents import CreateRequest, Definition, Limits, State
from smartmob.environment import inheritable
from smartmob.events import Events, Topic
from smartmob.feed import Feed
from smartmob.launch.interfaces import ILauncher
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.process import Process
from smartmob.recipe import Recipe
from smartmob.refusals import (
    Refusal,
    SlugInUse,
    Stopping,
    TooManyProcesses,
    UnknownApp,
    UnknownProcess,
)
from smartmob.restart import policy_of
from smartmob.scaling import Step
from smartmob.source.sources import Sources
from smartmob.source.upload import Sender, Upload
from smartmob.source_recipe import SourceRecipe, archives_named
from smartmob.tally import Tally
from smartmob.templates import Configured, Identity, Template
from smartmob.waiting import all_of

_log = Logger()

FAREWELL = 0.5
"""Seconds that readers have to take what is queued for them when the agent ends."""


@define(eq=False, repr=False)
class Agent(Service):
    """
    All the processes of this machine that the agent keeps.

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
    """

    clock: IReactorTime
    launcher: ILauncher
    consoles: Consoles
    sources: Sources
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
    _processes: dict[str, Process] = field(factory=dict)
    _apps: dict[str, App] = field(factory=dict)
    _sections: Sections = field(factory=Sections)
    _listing: list[Process] | None = None
    _stopping: bool = False

    def __attrs_post_init__(self) -> None:
        self.feed = Feed(self.events, self.consoles.budget)

    def processes(self) -> list[Process]:
        """
        All of them: those of the configuration file by priority, then all others,
        oldest first.
        """
        if self._listing is None:
            self._listing = self._sections.in_order(self._processes.values())
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

    def create(self, request: CreateRequest, request_id: str) -> Process:
        """
        Take on a process, and set it going.

        @param request_id: Sent on to where its source comes from.
        @raise Refusal: L{Stopping}, L{SlugInUse}, L{TooManyProcesses}, L{NoPort},
            L{OutOfDescriptors}, L{SourceNotAllowed}; nothing of it exists then.
        """
        self.sources.check(request.source_url)
        self._check_room(1)
        process = self._add(request, request_id)
        process.start()
        return process

    def _add(self, definition: Definition, request_id: str) -> Process:
        slug, app = definition.slug, definition.app
        if slug in self._processes:
            raise SlugInUse(
                f"there is a process {slug!r}; delete it first, or use another node"
            )
        port = self.ports.take()

        def forgotten() -> None:
            del self._processes[slug]
            self._listing = None
            _log.info("{slug} deleted", slug=slug)
            self.ports.give_back(port)
            present = self._apps[app]
            del present.processes[slug]
            if not present.processes:
                del self._apps[app]
            self.shown()

        process = Process(
            definition=definition,
            recipe=self._recipe(definition, port, request_id),
            launcher=self.launcher,
            console=self.consoles.open(slug, State.PENDING),
            policy=policy_of(definition.flapping, self.random),
            clock=self.clock,
            wall=self.wall,
            monotonic=self.monotonic,
            random=self.random,
            emit=partial(self.events.publish, definition),
            forgotten=forgotten,
            created_at=self.wall(),
            port=port,
            shown=lambda: self.shown(),
            tally=self.tally,
        )
        self._processes[slug] = process
        self._listing = None
        self._apps.setdefault(app, App()).add(process)
        _log.info("{slug} created", slug=slug)
        self.events.publish(definition, Topic.CREATE)
        self.watch(process)
        self.shown()
        return process

    def _lives(self, what: Configured) -> bool:
        # What was started by hand before is adopted, and not started by its section.
        return what.detach and self.launcher.lives(self.detached, what.slug)

    def _recipe(self, definition: Definition, port: int, request_id: str) -> Recipe:
        match definition:
            case CreateRequest():
                who, limits = self.identity, self.limits
                return SourceRecipe(
                    definition, self.sources, self.inherited, port, request_id, limits, who
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
        self._refuse_when_stopping()
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
        return list(self._app(app).processes.values())

    def scale(self, app: str, wanted: Mapping[str, Step], request_id: str) -> Deferred[None]:
        """
        Have as many instances of each type as is wanted: see L{smartmob.scaling}.
        Everything is checked before anything changes; only a port that somebody else
        took meanwhile can still stop it half-way.

        @return: Fires when those that are too many are gone; fails with L{TreeLeft}
            where something of them can't be ended.
        @raise Refusal: L{UnknownApp}, L{InvalidDocument}, or as for L{create}.
        """
        changes = scaling.changes(self._app(app), wanted)
        self._check_room(sum(change.more for change in changes))
        for change in changes:
            if change.more and isinstance(change.model, CreateRequest):
                self.sources.check(change.model.source_url)
        surplus = [process for change in changes for process in change.surplus]
        for change in changes:
            for definition in change.definitions():
                self._add(definition, request_id).start()
            self._sections.scaled(app, change.process_type, change.wanted)
            if change.more or change.surplus:
                self.events.publish(change.model, Topic.UPDATE)
        return all_of(process.delete() for process in surplus)

    def plan(self, templates: Sequence[Template], most: int | None = None) -> Plan:
        """
        What has to be done so that the processes of the configuration file are as these
        sections say: only the difference.

        @param most: What L{most_processes} is to be then; C{None}: as it is.
        @raise Refusal: It can't be, as for L{create}.
        """
        self._refuse_when_stopping()
        plan = self._sections.plan(templates, self._processes.values())
        # In place of others there may be as many again.
        self._check_room(len(plan.create), len(plan.delete), most)
        return plan

    def carry_out(self, plan: Plan) -> Changes:
        """
        Do what was planned, in the same turn.  What can't be created all the same, since
        somebody else took a port meanwhile, is left out, and said.
        """
        self._sections.adopt(plan.templates)
        self._listing = None
        waits = [process.delete() for process in plan.delete]
        restarted = []
        for change in plan.redefine:
            process = change.process
            self._redefine(process, change.definition)
            # One that is being stopped is what it is now when it is started again, if so.
            if change.restart and process.going and process.state is not State.STOPPING:
                restarted.append(process.slug)
                waits.append(process.restart())
        started = [process for process in plan.start if process.started_at is None]
        for process in started:
            process.start()
        created = []
        left_out: list[str] = []
        for each in plan.create:
            try:
                start = each.start or self._lives(each.definition)
                created.append((self._add(each.definition, ""), start))
            except Refusal as refused:
                left_out.append(f"{each.definition.slug} is left out: {refused}")
                _log.error("{why}", why=left_out[-1])
        for process, start in created:
            if start:
                process.start()
                started.append(process)
            else:
                process.stop()
        return Changes(
            started=tuple(process.slug for process in started),
            restarted=tuple(restarted),
            stopped=tuple(process.slug for process in plan.delete),
            left_out=tuple(left_out),
            done=all_of(waits),
        )

    def _redefine(self, process: Process, definition: Configured) -> None:
        other = definition.flapping != process.definition.flapping
        policy = policy_of(definition.flapping, self.random) if other else None
        assert isinstance(process.recipe, ConfiguredRecipe)
        recipe = self._recipe(definition, process.recipe.port, "")
        process.redefine(definition, recipe, policy)
        self._apps[definition.app].add(process)
        self.events.publish(definition, Topic.UPDATE)

    def stopService(self) -> Deferred[None]:
        """
        End all programs at the same time.  Fires when none is left that can be ended,
        and their readers have been told, or L{FAREWELL} is over.
        """
        super().stopService()
        self._stopping = True
        ended = DeferredList(
            [process.close() for process in self.processes() if not process.outlives],
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

    def _app(self, name: str) -> App:
        """
        An app that has processes, or sections that could have some.
        """
        app = self._apps.get(name, App()).with_models(self._sections.models(name))
        if not app.models:
            raise UnknownApp.of(name)
        return app

    def _check_room(self, more: int, less: int = 0, most: int | None = None) -> None:
        """
        See that so many processes can be created, while some end.

        @raise Refusal: They can't.
        """
        if not more:
            return
        self._refuse_when_stopping()
        most = self.most_processes if most is None else most
        if len(self._processes) - less + more > most:
            raise TooManyProcesses(
                f"of processes the agent takes {most} at most, and has {len(self._processes)}"
            )
        descriptors.check(len(self._processes) + more)
        self.ports.check(more)

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise Stopping("the agent is about to end")

    def _archives_in_use(self) -> set[str]:
        return archives_named(process.definition for process in self.processes())


def _too_late(failure: Failure) -> None:
    """
    Some reader was too slow to hear that the agent ends.
    """
    failure.trap(defer.TimeoutError)
