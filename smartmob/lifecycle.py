"""
The order in which the parts of an agent come up and go down.

A MultiService would stop all its children at the same time; here the ports close
first, then programs end while consoles still tell of it, then the helpers go.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IReactorCore,
    IReactorFromThreads,
    IReactorTime,
)
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from smartmob.address import Address, is_local
from smartmob.agent import Agent
from smartmob.launch.launcher import Launcher
from smartmob.logs import ALWAYS, LogFile
from smartmob.source.sources import Sources
from smartmob.statefolder import FolderTaken, StateFolder
from smartmob.web.connections import Connections

_log = Logger()

STOP_TIMEOUT = 80.0
"""Seconds after which programs that still use their grace are killed."""


def hold_collections_short() -> None:
    """
    Have the collector look at what comes and goes, not at what stays.

    What exists when all is up, exists to the end.  And with the interpreter's own
    thresholds a walk through everything is due with each quarter more of it: while
    a thousand processes are created every request would wait for that, 50 ms and more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2000, 10, 50)


class CantStart(Exception):
    """
    Why an agent can't start, for a twistd that has gone to the background: the one
    that waits for it in the foreground says so, but waits for ever on a SystemExit.
    """


@define(eq=False)
class Lifecycle(Service):
    """
    An agent with all that belongs to it, as one service.

    @ivar observer: What a daemonless twistd logs to, where its own would put the
        framework's news in between.
    @ivar log_file: What it logs to, where that is a file: opened once the state folder
        is, which it may lie in.
    @ivar insecure: Listen where other machines can reach it, though nobody is
        asked who they are.
    @ivar told_by_twistd: It fails with L{CantStart}.
    @ivar failed: It ends by itself, for it could not come up.
    @ivar ready: Called once all ports listen and processes can be launched.
    """

    reactor: IReactorCore
    clock: IReactorTime
    threads: IReactorFromThreads
    folder: StateFolder
    launcher: Launcher
    sources: Sources
    agent: Agent
    site: Connections
    addresses: list[Address]
    observer: ILogObserver | None = None
    log_file: LogFile | None = None
    insecure: bool = False
    told_by_twistd: bool = False
    ready: Callable[[], None] = lambda: None
    failed: bool = False
    _ports: list[IListeningPort] = field(factory=list)
    _hurried: IDelayedCall | None = None
    _asked: bool = False

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
        self.open_folder()
        self._listen()
        try:
            self.launcher.startService()
        except OSError as error:
            self.fail(f"can't start: {error}")
        self.sources.startService()
        self.launcher.whenReady().addCallbacks(self._ready, self._unready)
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
        for port in self._ports:
            port.stopListening()
        self.folder.close()
        if self.told_by_twistd:
            raise CantStart(why)
        sys.stderr.write(f"smartmob: {why}\n")
        raise SystemExit(code)

    def stopService(self) -> Deferred[None]:
        """
        Bring all of it down.  Fires when nothing is left: no program, no helper,
        no port.
        """
        super().stopService()
        _log.info("stopping")
        self._hurried = self.clock.callLater(STOP_TIMEOUT, self.agent.hurry)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await _each(*(port.stopListening for port in self._ports), self.agent.stopService)
        if self._hurried is not None and self._hurried.active():
            self._hurried.cancel()
        await _each(self.launcher.stopService, self.sources.stopService, self.site.abort)
        self.folder.close()
        _log.info("stopped")

    def _listen(self) -> None:
        for address in self.addresses:
            # Every endpoint that an address can be listens at once, or not at all.
            heard: list[IListeningPort] = []
            failed: list[Failure] = []
            address.endpoint.listen(self.site).addCallbacks(heard.append, failed.append)
            for failure in failed:
                self.fail(f"can't listen on {address.text}: {_why(failure)}")
            [port] = heard
            self._ports.append(port)
            if not (self.insecure or is_local(port)):
                self.fail(
                    f"{address.text} can be reached from other machines, and whoever "
                    "reaches it can run programs here: use 127.0.0.1 or a unix socket, "
                    "or say --insecure",
                    code=2,
                )

    def _ready(self, _: object) -> None:
        hold_collections_short()
        for address, port in zip(self.addresses, self._ports, strict=True):
            _log.info("Listening on {url}", url=address.url(port), **{ALWAYS: True})
        self.ready()

    def _unready(self, failure: Failure) -> None:
        if not self.running:
            return  # it was told to end meanwhile
        self.failed = True
        _log.failure("the helper that launches programs did not start", failure)
        self.reactor.stop()

    def _take_signals(self) -> None:
        # The reactor puts its own handlers in place when it starts running: they
        # would make the exit status that of a killed process, and know no second.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked_to_end)
        signal.signal(signal.SIGHUP, self._asked_to_reload)
        # Whoever started the agent may have blocked them for itself.
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        )

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:
        self.threads.callFromThread(self._end)

    def _end(self) -> None:
        if self.running and not self._asked:
            self._asked = True
            self.reactor.stop()
        else:
            _log.info("asked once more: killing what is left")
            # Two signals may come in one turn, and what the first one asked for
            # begins with the next.
            self.clock.callLater(0, self.agent.hurry)

    def _asked_to_reload(self, number: int, frame: FrameType | None) -> None:
        self.threads.callFromThread(
            _log.warn, "there is no configuration to read again; going on as before"
        )


async def _each(*steps: Callable[[], object]) -> None:
    """
    One step after the other; what fails keeps none of the others from being done.
    """
    for step in steps:
        try:
            await maybeDeferred(step)
        except Exception:
            _log.failure("ending all the same")


def _why(failure: Failure) -> str:
    """
    Why a port can't be listened on, without the address once more.
    """
    error = failure.value
    cause = error.socketError if isinstance(error, CannotListenError) else error
    return getattr(cause, "strerror", None) or str(cause)
