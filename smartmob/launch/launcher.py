"""
The service that starts programs.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Container

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from smartmob.launch import wire
from smartmob.launch.cgroups import Cgroups
from smartmob.launch.detached import DetachedProgram
from smartmob.launch.earlier import end_leftovers, lives
from smartmob.launch.guardians import Guardians
from smartmob.launch.helper import Helper, start_keeper
from smartmob.launch.housing import Housing
from smartmob.launch.interfaces import Command, ILauncher, LauncherLost, Usage
from smartmob.launch.overdue import Ending, Overdue
from smartmob.launch.packets import Packets
from smartmob.launch.pipes import Reactor
from smartmob.launch.program import Program
from smartmob.launch.pulse import Pulse
from smartmob.launch.start_queue import Startable, StartQueue
from smartmob.launch.turns import Turns

_log = Logger()

PATIENCE = 10.0
"""
Seconds that the guardian has for its end before it is killed: it needs 5 where
something can't be ended.
"""

SLOWEST = 5.0
"""
Seconds between two attempts to start a guardian, at most.
"""

LIVED = 1.0
"""
Seconds that a guardian has worked that did not end for a reason that will also end the
next one.  After a shorter life only the first of a row is replaced at once.
"""

_ENDING = "the agent is about to end"


@implementer(ILauncher)
class Launcher(Service):
    """
    Keeps a guardian, and starts programs through it.

    Start it after the process was daemonised: the guardian looks at its parent.  The
    number of files that the agent may open is raised while it runs.
    """

    name = "launcher"

    def __init__(
        self,
        reactor: Reactor,
        *,
        start: Callable[[tuple[int, int]], Helper] | None = None,
        start_keeper: Callable[[tuple[int, int]], Helper] = start_keeper,
        groups: Cgroups | None = None,
    ) -> None:
        """
        @param start: Starts a guardian; unless given, the best one that works.
        @param start_keeper: Starts a keeper.
        @param groups: The cgroups of programs; unless given, they get none.
        """
        self.reactor = reactor
        self.turns = Turns(reactor)
        self._start = start or Guardians()
        self._start_keeper = start_keeper
        self.housing = Housing(groups)
        self._bounds = (0, 0)
        self._helper: Helper | None = None
        self._guardian: Packets | None = None
        self._ready = False
        self._ready_at = 0.0
        self._failures = 0
        self._again: IDelayedCall | None = None
        self._waiting_for_ready: list[Deferred[None]] = []
        self._start_queue = StartQueue(reactor, self._is_open)
        self._overdue = Overdue(reactor, self._guardian_pid)
        self._pulse = Pulse(reactor, ask=self._ping, wake=self._wake, kill=self._kill)
        self._active: set[Startable] = set()
        self._holding: set[Startable] = set()
        self._leftovers: Deferred[None] = succeed(None)
        self._stopping: Deferred[None] | None = None
        self._stop_timer: IDelayedCall | None = None

    def program(self, command: Command) -> Program:
        """
        A program, not yet running.
        """
        kind = Program if command.detach is None else DetachedProgram
        return kind(self, command)

    def startService(self) -> None:
        """
        Start the guardian.

        @raise OSError: It can't be started.
        """
        self._bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.housing.begin()
        self._connect()
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._bounds[1], self._bounds[1]))
        super().startService()

    def stopService(self) -> Deferred[None]:
        """
        Kill everything that was started, but let go of what is detached.

        @return: Fires when none of the other programs, no reaper and no guardian is left.
        """
        if self._stopping is None:
            if not self.running:
                return succeed(None)
            super().stopService()
            stopping = self._stopping = Deferred()
            self._tell_ready(LauncherLost("the launcher was stopped"))
            resource.setrlimit(resource.RLIMIT_NOFILE, self._bounds)
            if self._again is not None:
                self._again.cancel()
                self._again = None
            self._leftovers.cancel()
            self._pulse.close()
            for program in list(self._active):
                program.letGo()
            self._start_queue.close(_ENDING)
            if self._guardian is not None:
                self._guardian.hang_up()
                self._wake()
                self._stop_timer = self.reactor.callLater(PATIENCE, self._lose_patience)
            self._check()
            return stopping
        return self._stopping

    def whenReady(self) -> Deferred[None]:
        """
        Fires when the guardian has answered; fails with L{LauncherLost} where it
        ended before it did.
        """
        if self._ready:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting_for_ready.remove)
        self._waiting_for_ready.append(waiting)
        return waiting

    def answers(self, within: float) -> Deferred[bool]:
        """
        See L{Pulse.answers}.
        """
        return self._pulse.answers(within) if self.running else succeed(False)

    @property
    def bounds(self) -> frozenset[str]:
        """
        See L{Housing.bounds}.
        """
        return self.housing.bounds

    def usage(self, name: str) -> Usage | None:
        """
        See L{Housing.usage}.
        """
        return self.housing.usage(name)

    def make_way(self) -> None:
        """
        From now on there are requests to answer while programs are started.
        """
        self._start_queue.narrow()

    def lives(self, folder: str, name: str) -> bool:
        """
        See L{smartmob.launch.earlier.lives}.
        """
        return lives(folder, name)

    def end_leftovers(self, folder: str, known: Container[str]) -> Deferred[None]:
        """
        See L{smartmob.launch.earlier.end_leftovers}.  Once.  Where the launcher is stopped
        meanwhile, they end all the same, but nobody waits for it.
        """
        self._leftovers = end_leftovers(self.reactor, folder, known)
        return self._leftovers

    # What programs ask for.

    def enter(self, program: Startable) -> None:
        """
        A run begins.
        """
        if not self.running:
            raise RuntimeError("the launcher does not run")
        self._active.add(program)
        self._overdue.gone(program)  # the run before is
        self._start_queue.enter(program)

    def again(self, program: Startable) -> None:
        """
        A start led nowhere.
        """
        if self.running:
            self._start_queue.again(program)
        else:
            program.refuse(_ENDING)

    def withdraw(self, program: Startable) -> None:
        """
        A run is not to begin.
        """
        self._start_queue.withdraw(program)

    def finished(self, program: Startable) -> None:
        """
        A start is over.
        """
        self._start_queue.finished(program)

    def ended(self, program: Startable) -> None:
        """
        A run is over.
        """
        self._active.discard(program)
        self._overdue.gone(program)
        self._check()

    def expect(self, program: Ending, seconds: float) -> None:
        """
        A program was told to end.
        """
        self._overdue.expect(program, seconds)

    def holds(self, program: Startable, something: bool) -> None:
        """
        A program has descriptors, or has them no more.
        """
        if something:
            self._holding.add(program)
        else:
            self._holding.discard(program)

    def order(
        self,
        packet: bytes,
        descriptors: tuple[int, ...],
        undelivered: Callable[[OSError], None],
    ) -> None:
        """
        Have the guardian make a reaper.
        """
        assert self._guardian is not None
        self._guardian.send(packet, descriptors, undelivered)
        self._pulse.notice()

    def keeper(self) -> Helper:
        """
        Start a keeper.

        @raise OSError: It can't be started.
        """
        return self._start_keeper(self._bounds)

    def _guardian_pid(self) -> int | None:
        return None if self._helper is None else self._helper.pid

    def _is_open(self) -> bool:
        return self._guardian is not None and not self._guardian.broken

    # The guardian.

    def _connect(self) -> None:
        self._ready = False
        self._helper = self._start(self._bounds)
        self._guardian = Packets(self.reactor, self._helper.connection, self._said, self._lost)

    def _ping(self) -> bool:
        if self._guardian is None:
            return False
        self._guardian.send(wire.PING)
        return True

    def _wake(self) -> None:
        if self._helper is not None:
            self._helper.wake()

    def _kill(self) -> None:
        if self._helper is not None:
            self._helper.kill()

    def _said(self, packet: bytes) -> None:
        words = wire.unpack(packet)
        if words[0] == wire.ALIVE:
            self._pulse.heard()
        elif words[0] == wire.READY:
            self._ready = True
            self._ready_at = self.reactor.seconds()
            self._pulse.ready()  # first: who waits for that may ask at once
            self._tell_ready(None)
        else:
            _log.error(
                "guardian broke: {why}", why=b" ".join(words[1:]).decode("utf-8", "replace")
            )

    def _lost(self) -> None:
        assert self._helper is not None
        self._helper.reap()
        self._helper = None
        self._guardian = None
        self._pulse.lost()
        was_ready, self._ready = self._ready, False
        if self._stopping is not None:
            self._check()
            return
        _log.error("the guardian has ended; starting another")
        if not was_ready:
            self._tell_ready(LauncherLost("the guardian ended before it could work"))
        lived = was_ready and self.reactor.seconds() - self._ready_at >= LIVED
        if lived:
            self._failures = 0
        at_once = was_ready and not self._failures
        if at_once and not lived:
            self._failures = 1
        self._reconnect(at_once=at_once)

    def _reconnect(self, *, at_once: bool) -> None:
        self._again = None
        if at_once:
            try:
                self._connect()
            except OSError as e:
                _log.error("no guardian can be started: {why}", why=e.strerror)
            else:
                self._start_queue.go()
                return
        self._failures += 1
        delay = min(SLOWEST, 0.05 * 2**self._failures)
        self._again = self.reactor.callLater(delay, lambda: self._reconnect(at_once=True))

    def _tell_ready(self, failure: LauncherLost | None) -> None:
        waiting, self._waiting_for_ready = self._waiting_for_ready, []
        for deferred in waiting:
            if failure is None:
                deferred.callback(None)
            else:
                deferred.errback(failure)

    # The end.

    def _lose_patience(self) -> None:
        self._stop_timer = None
        self._kill()

    def _check(self) -> None:
        if self._stopping is None or self._guardian is not None or self._active:
            return
        for program in list(self._holding):
            program.abandon()
        self.housing.end()
        if self._stop_timer is not None:
            self._stop_timer.cancel()
            self._stop_timer = None
        stopping, self._stopping = self._stopping, None
        stopping.callback(None)
