"""
The order in which the parts of an agent come up and go down.

A MultiService would stop all its children at the same time; here the ports close
first, then programs end while consoles still tell of it, then the helpers go.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorCore,
    IReactorFromThreads,
    IReactorTime,
)
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

import smartmob
from smartmob.agent import Agent
from smartmob.as_begun import keep
from smartmob.config.configuration import Configuration
from smartmob.declarations import Declarations
from smartmob.endpoints import CantListen, Endpoints
from smartmob.exposure import local_users_may_act
from smartmob.forward.service import Forwards
from smartmob.launch.interfaces import LauncherLost
from smartmob.launch.launcher import Launcher
from smartmob.logs import ALWAYS, LogFile, complain
from smartmob.plugins.plugins import MissingPlugin, Plugins
from smartmob.progress import Progress
from smartmob.refusals import Refusal, Stopping, TreeLeft
from smartmob.reload import Reload, plugins_folders
from smartmob.reloading import NotReloaded, Outcome
from smartmob.soundness import located
from smartmob.source.sources import Sources
from smartmob.state.persistence import Persistence
from smartmob.statefolder import FolderTaken, StateFolder
from smartmob.web.connections import Census
from smartmob.web.doors import Doors
from smartmob.webhooks.service import Webhooks

_log = Logger()

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
"""What asks the agent to end."""

FAREWELL = 2.0
"""Seconds that plugins, webhooks and forwards have from the agent's being asked to end ..."""

LAST_WORDS = 0.3
"""... and the latter two at least, once the last program has ended."""

LATEST = 30.0
"""Seconds that it takes at most to end, beside those that programs have."""


def hold_collections_short() -> None:
    """
    Have the collector look at what comes and goes, not at what stays.

    What exists when all is up, exists to the end.  And with the interpreter's own
    thresholds a walk through everything is due with each quarter more of it: while
    a thousand processes are created every request would wait for that, 50 ms and more.
    There is next to nothing to collect here, and looking for it takes 25 ms.
    """
    gc.freeze()
    gc.set_threshold(2000, 10, 50)
    gc.enable()


class CantStart(Exception):
    """
    Why an agent can't start, for a twistd that has gone to the background: the one
    that waits for it in the foreground says so, but waits for ever on a SystemExit.
    """


@define(eq=False, repr=False)
class Lifecycle(Service):
    """
    An agent with all that belongs to it, as one service.

    @ivar resumes: It begins with what an earlier agent has left, not with the file alone.
    @ivar observer: What a daemonless twistd logs to, where its own would put the
        framework's news in between.
    @ivar log_file: What it logs to, where that is a file: opened once the state folder
        is, which it may lie in.
    @ivar told_by_twistd: It fails with L{CantStart}.
    @ivar failed: It ends by itself, for it could not come up.
    @ivar leave: Called once nothing of it is left, with the exit code.
    @ivar ready: Called once all ports listen and processes can be launched.
    @ivar progress: Told how far it is.
    """

    reactor: IReactorCore
    clock: IReactorTime
    threads: IReactorFromThreads
    folder: StateFolder
    launcher: Launcher
    sources: Sources
    persistence: Persistence
    agent: Agent
    declarations: Declarations
    endpoints: Endpoints
    connections: Census
    doors: Doors
    plugins: Plugins
    webhooks: Webhooks
    forwards: Forwards
    reload: Reload
    resumes: bool = True
    observer: ILogObserver | None = None
    log_file: LogFile | None = None
    told_by_twistd: bool = False
    ready: Callable[[], None] = lambda: None
    progress: Progress = field(factory=Progress)
    leave: Callable[[int], None] = lambda code: None
    failed: bool = False
    _hurried: IDelayedCall | None = None
    _asked: bool = False
    _in_haste: bool = False
    _others: Deferred[None] | None = None

    def setServiceParent(self, parent: object) -> None:
        """
        Join an application, and have it log as the operator asked.
        """
        if self.observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.observer)
        super().setServiceParent(parent)

    def startService(self) -> None:
        """
        Bring all of it up.

        @raise SystemExit: It can't be; why was said on standard error, in one line,
            and nothing is left running.
        """
        super().startService()
        # Until it can read the file again it is not to be ended by being asked to.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
        self.progress.starting()
        self.open_folder()
        configuration = self.reload.current
        try:
            self.plugins.load(plugins_folders(configuration.settings), configuration.parser)
            settings = configuration.settings
            asks = settings.tokens is not None
            self.endpoints.prepare(configuration.endpoints, tokens=asks).commit()
            self.reload.settle(settings)
            self.agent.resumption.restore(self.persistence.open(), self.resumes)
            plan = self.declarations.plan(configuration.templates)
            self.launcher.startService()
        except MissingPlugin as error:
            self.fail(f"{error}", code=2)
        except CantListen as error:
            self.fail(f"{located(configuration, error)}", code=error.code)
        except Refusal as error:
            self.fail(f"can't start: {error}")
        except OSError as error:
            about = "" if error.filename is None else f"{error.filename}: "
            self.fail(f"can't start: {about}{error.strerror or error}")
        for warning in (*configuration.warnings, *self._exposure(configuration)):
            _log.warn("{text}", text=warning)
        self.sources.startService()
        self.webhooks.startService()
        self.plugins.startService()
        self.persistence.begin()
        self.declarations.carry_out(plan)
        self.agent.resumption.begin()
        self.launcher.end_leftovers(self.agent.detached, self.agent.outliving())
        ready = self.launcher.whenReady()
        opened = Deferred.fromCoroutine(self.doors.open())
        ready.addCallback(lambda _: opened).addCallbacks(self._ready, self._unready)
        self.reactor.callWhenRunning(self._take_signals)

    def open_folder(self) -> None:
        """
        Make the state folder this agent's, before all else.

        @raise SystemExit: As L{startService}.
        """
        try:
            self.folder.open()
        except FolderTaken as error:
            self.fail(f"{error}")
        except OSError as error:
            self.fail(f"can't use {self.folder.path} as the state folder: {error.strerror}")
        if self.log_file is not None:
            try:
                self.log_file.open()
            except OSError as error:
                self.fail(f"can't write {error.filename}: {error.strerror}")

    def fail(self, why: str, code: int = 1) -> NoReturn:
        """
        Give up before all is up.

        @raise SystemExit: As L{startService}.
        """
        self.endpoints.close()
        self.folder.close()
        self.progress.failed(why)
        if self.told_by_twistd:
            raise CantStart(why)
        complain(why)
        raise SystemExit(code)

    def stopService(self) -> Deferred[None]:
        """
        Bring all of it down.  Fires when nothing is left: no program, no helper,
        no port.
        """
        super().stopService()
        _log.info("stopping")
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        bound = self.reload.current.settings.stop_timeout
        self.progress.stopping(bound + LATEST)
        self._hurried = self.clock.callLater(bound, self.agent.hurry)
        grace = min(self.agent.longest_grace(), bound)
        # What others have to say at the end is heard while programs use their grace,
        # and is no reason to be there for longer.
        farewell = min(FAREWELL, grace + 0.5)
        latest = self.clock.seconds() + farewell
        others = self._others = maybeDeferred(self.plugins.stopService)
        others.addTimeout(farewell, self.clock).addErrback(_unfinished, "plugins")
        await _each(self.endpoints.close, self.agent.stopService)
        if self._hurried.active():
            self._hurried.cancel()
        rest = 0 if self._in_haste else max(latest - self.clock.seconds(), LAST_WORDS)
        cut = self.clock.callLater(rest, self._cut)
        hooks, lines = (maybeDeferred(e.stopService) for e in (self.webhooks, self.forwards))
        await _each(lambda: hooks, lambda: lines, lambda: others)
        if cut.active():
            cut.cancel()
        await _each(self.launcher.stopService, self.sources.stopService, self.connections.abort)
        await _each(self.doors.close, self.persistence.close)
        self.folder.close()
        self.progress.stopped()
        _log.info("stopped")
        self.leave(1 if self.failed else os.EX_OK)

    def _exposure(self, configuration: Configuration) -> Iterator[str]:
        who = [template.model.identity for template in configuration.templates]
        who.append(configuration.settings.identity)
        warning = local_users_may_act(
            uid=os.geteuid(),
            runs_as=[identity.uid for identity in who if identity is not None],
            on_tcp=self.endpoints.asks_nobody(),
            tokens=configuration.settings.tokens is not None,
        )
        if warning is not None:
            yield warning

    def _ready(self, _: object) -> None:
        if not self.running:
            return  # it was told to end meanwhile
        hold_collections_short()
        self.launcher.make_way()
        for url in self.endpoints.urls():
            _log.info("Listening on {url}", url=url, **{ALWAYS: True})
        self.progress.ready()
        self.ready()
        keep(smartmob)

    def _unready(self, failure: Failure) -> None:
        if not self.running:
            return  # it was told to end meanwhile
        self.failed = True
        what = "the helper that launches programs did not start"
        if not failure.check(LauncherLost):
            what = "there is nothing to answer requests"
        _log.failure("{what}", failure, what=what)
        self.reactor.stop()

    def _take_signals(self) -> None:
        # The reactor puts its own handlers in place when it starts running: they
        # would make the exit status that of a killed process, and know no second.
        for number in ENDING:
            signal.signal(number, self._asked_to_end)
        signal.signal(signal.SIGHUP, self._asked_to_reload)
        # Whoever started the agent may have blocked them for itself.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*ENDING, signal.SIGHUP))

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:
        self.threads.callFromThread(self._end)

    def _end(self) -> None:
        if self.running and not self._asked:
            self._asked = True
            self.reactor.stop()
        else:
            _log.info("asked once more: killing what is left")
            self._in_haste = True
            # Two signals may come in one turn, and what the first one asked for
            # begins with the next.
            self.clock.callLater(0, self._hurry)

    def _hurry(self) -> None:
        self.agent.hurry()
        self._cut()
        if self._others is not None:
            self._others.cancel()

    def _cut(self) -> None:
        self.webhooks.cut()
        self.forwards.cut()

    def reload_now(self) -> Outcome:
        """
        Take over what the configuration says by now.

        @raise Stopping: The agent is about to end, and takes up nothing that it let go of.
        @raise NotReloaded: Nothing was changed.
        """
        if not self.running:
            raise Stopping("the agent is about to end")
        return self.progress.throughout(self.reload)

    def _asked_to_reload(self, number: int, frame: FrameType | None) -> None:
        self.threads.callFromThread(self._reload)

    def _reload(self) -> None:
        if self.log_file is not None:
            self.log_file.reopen()
        try:
            outcome = self.reload_now()
        except Stopping as refused:
            _log.info("not reloaded: {why}", why=str(refused))
            return
        except NotReloaded as refused:
            for mistake in refused.mistakes:
                _log.error("not reloaded: {mistake}", mistake=mistake)
            return
        # What is left of a program is said in its document, and in the log.
        outcome.done.addErrback(lambda failure: failure.trap(TreeLeft))


async def _each(*steps: Callable[[], object]) -> None:
    """
    One step after the other; what fails keeps none of the others from being done.
    """
    for step in steps:
        try:
            await maybeDeferred(step)
        except Exception:
            _log.failure("ending all the same")


def _unfinished(failure: Failure, who: str) -> None:
    """
    The agent goes without waiting any longer.
    """
    _log.warn("ending all the same: {who}: {why}", who=who, why=failure.getErrorMessage())
