"""
A program, seen from the agent.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.documents import Left
from smartmob.launch import wire
from smartmob.launch.cgroups import Place
from smartmob.launch.input import Input
from smartmob.launch.interfaces import Command, IProgram, LauncherLost, NotExecuted
from smartmob.launch.link import Link, Tie, input_pipe
from smartmob.launch.packets import LOST
from smartmob.launch.phase import Phase
from smartmob.launch.pipes import Writer
from smartmob.launch.start_queue import Starts
from smartmob.launch.terms import called, ending, order, signal_number, text, undelivered
from smartmob.launch.transport import StandardStreams

_log = Logger()

LINGER = 1.0
"""
Seconds for which output is still read when the reaper is gone but somebody holds
the pipes.
"""


@implementer(IProgram)
class Program(Input, StandardStreams):
    """
    One program with, as long as it is needed, its reaper.
    """

    def __init__(self, launcher: Starts, command: Command) -> None:
        self.command = command
        self.pid: int | None = None
        self.killed: tuple[str, ...] = ()
        self.left: tuple[Left, ...] = ()
        self.adopted = False
        self.started_at: float | None = None
        self._launcher = launcher
        self._phase = Phase.IDLE
        self._link: Tie | None = None
        self._place: Place | None = None
        self._protocol: IProcessProtocol | None = None
        self._forget()

    def _forget(self) -> None:
        self.pid = None
        self.killed = ()
        self.left = ()
        self._stdin: Writer | None = None
        self._reason: Failure | None = None
        self._silenced: set[int] = set()
        self._paused = False
        self._early: list[tuple[int, bytes]] = []
        self._linger: IDelayedCall | None = None
        self._trying: list[Deferred[tuple[Left, ...]]] = []

    # What the agent asks for.

    def run(self, protocol: IProcessProtocol) -> None:
        """
        Begin a run.
        """
        if self._phase is not Phase.IDLE:
            raise RuntimeError("a run is under way")
        if self._link is not None and (self.left or self._link.lost):
            self._release()  # what is left would mix its output into ours
        trying = self._trying
        self._forget()
        self._protocol = protocol
        self._phase = Phase.QUEUED
        for deferred in trying:
            deferred.callback(())
        self._launcher.enter(self)

    def stop(self, grace: float | None = None) -> None:
        """
        Ask the tree to end, and see to it that it does.
        """
        if grace is None:
            grace = self.command.grace
        self._end_by(wire.pack(wire.STOP, str(float(grace)).encode()), grace)

    def kill(self) -> None:
        """
        KILL the tree.
        """
        self._end_by(wire.KILL)

    def endLeft(self) -> Deferred[tuple[Left, ...]]:
        """
        KILL what was left, once more.
        """
        if self._phase is not Phase.IDLE:
            raise RuntimeError("a run is under way")
        if self._link is None or self._link.lost:
            self.left = tuple(left for left in self.left if called(left.pid) == left.name)
        if self._link is None or self._link.lost or not self.left:
            return succeed(self.left)
        deferred: Deferred[tuple[Left, ...]] = Deferred(self._trying.remove)
        self._trying.append(deferred)
        self._link.control.send(wire.KILL)
        return deferred

    def signalProcess(self, signalID: str | int) -> None:
        """
        Send a signal to the leader's group.
        """
        number = signal_number(signalID)
        if self._phase is not Phase.RUNNING or self._link is None:
            raise ProcessExitedAlready
        self._link.control.send(wire.pack(wire.SIGNAL, b"%d" % number))

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """
        Write to its stdin.
        """
        if self._phase is not Phase.RUNNING:
            raise ProcessExitedAlready
        if childFD != 0 or self._stdin is None or self._stdin.closing:
            raise ConnectionDone
        if self._stdin.fd >= 0:
            self._stdin.write(data)

    def closeChildFD(self, descriptor: int) -> None:
        """
        End its stdin, or throw away what it says from now on.
        """
        if descriptor != 0:
            self._silenced.add(descriptor)
        elif self._stdin is not None:
            self._stdin.finish()

    def pauseOutput(self) -> None:
        """
        Let its output wait in its pipes.
        """
        self._paused = True
        if self._link is not None and self._phase is not Phase.LOST:
            self._link.read(False)

    def resumeOutput(self) -> None:
        """
        Read its output.
        """
        self._paused = False
        if self._link is not None and self._phase is not Phase.ASKED:
            self._link.read(True)

    def dismiss(self) -> None:
        """
        Let go of its reaper.
        """
        if self._phase is not Phase.IDLE:
            raise RuntimeError("a run is under way")
        self._release()

    def letGo(self) -> None:
        """
        It does not outlive the agent.
        """

    def keeper(self) -> int | None:
        """
        A reaper keeps it.
        """
        return None

    def _end_by(self, packet: bytes, grace: float = 0.0) -> None:
        if self._phase is Phase.QUEUED:
            self._launcher.withdraw(self)
            self.refuse("it was stopped before it was executed")
        elif self._phase.stoppable and self._link is not None:
            self._link.control.send(packet)
            self._launcher.expect(self, grace)

    # What the launcher says.

    def begin(self) -> None:
        """
        Its turn has come: have it executed.
        """
        self._phase = Phase.ASKED
        command, reactor, turns = self.command, self._launcher.reactor, self._launcher.turns
        stdin: tuple[int, ...] = ()
        try:
            if command.redirect_input:
                self._stdin, theirs = input_pipe(reactor, command.owner)
                stdin = (theirs,)
            if self._link is not None:
                self._link.control.send(wire.RUN, stdin, self._undelivered)
                return
            packet = self._order()
            link = Link(reactor, turns, command, self._said, self._output, self._emptied)
        except (OSError, ValueError) as e:
            for descriptor in stdin:
                os.close(descriptor)
            self._undelivered(e)
            return
        self._hold(link)
        self._launcher.order(packet, link.hand_over() + stdin, self._undelivered)

    def refuse(self, why: str) -> None:
        """
        It can't be executed: say so, a turn later.
        """
        self._phase = Phase.REFUSED
        reason = Failure(NotExecuted(126, why))
        self._launcher.reactor.callLater(0, self._finish, reason)

    def abandon(self) -> None:
        """
        The launcher has ended, and with it every reaper.
        """
        if self._phase is Phase.IDLE:
            self._release()

    # What the reaper says.

    def _said(self, packet: bytes) -> None:
        words = wire.unpack(packet)
        word = words[0]
        if word == wire.EXECUTED:
            self._executed(int(words[1]))
        elif word == wire.REFUSED:
            self._refused(int(words[1]), text(words[2]))
        elif word == wire.EXITED:
            self._exited(int(words[1]))
        elif word == wire.GONE:
            self._gone(words)
        elif word == wire.BROKEN:
            _log.error("reaper broke: {why}", why=text(words[1]))
        else:
            self._lost()

    def _executed(self, pid: int) -> None:
        self._launcher.finished(self)
        assert self._protocol is not None
        assert self._link is not None
        self._phase = Phase.RUNNING
        self.pid = pid
        self._tell(self._protocol.makeConnection, self)
        early, self._early = self._early, []
        for fd, data in early:
            self._output(fd, data)
        if self._link is not None:  # else its protocol had it let go of
            self._link.read(not self._paused)

    def _refused(self, code: int, why: str) -> None:
        self._launcher.finished(self)
        self._finish(Failure(NotExecuted(code, why)))

    def _exited(self, status: int) -> None:
        assert self._protocol is not None
        assert self._link is not None
        self._link.drain()
        self._reason = ending(status)
        self._phase = Phase.EXITED
        self._drop_stdin()
        self._tell(self._protocol.processExited, self._reason)

    def _gone(self, words: list[bytes]) -> None:
        killed, left = wire.unpack_gone(words)
        self.left = tuple(Left(pid, text(name)) for pid, name in left)
        if self._phase is Phase.IDLE:
            self._tried()
            return
        assert self._link is not None
        self._link.drain()
        self.killed = tuple(map(text, killed))
        unknown = LauncherLost("there is no right to end it, so how it will end is not known")
        self._finish(self._reason or Failure(unknown))

    def _output(self, fd: int, data: bytes) -> None:
        if self._phase is Phase.ASKED:
            # Its first words were faster than the word that it was executed.
            self._early.append((fd, data))
            if self._link is not None:
                self._link.read(False)
        elif self.pid is not None and self._protocol is not None and fd not in self._silenced:
            self._tell(self._protocol.childDataReceived, fd, data)

    def _lost(self) -> None:
        self._launcher.finished(self)
        if self._phase in (Phase.IDLE, Phase.QUEUED, Phase.REFUSED):
            self._release()
            self._tried()
            return
        assert self._link is not None
        self._phase = Phase.LOST
        if self._place is not None:
            self._launcher.housing.purge(self._place)
        self._drop_stdin()
        self._linger = self._launcher.reactor.callLater(LINGER, self._lingered)
        self._link.read(True)

    def _lingered(self) -> None:
        self._linger = None
        _log.warn("output of {pid} is held open by others; closing it", pid=self.pid)
        self._emptied()

    def _emptied(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._release()
        self._finish(self._reason or Failure(LauncherLost("what kept it was killed")))

    # Within.

    def _order(self) -> bytes:
        """
        The order for it, which has a cgroup from now on until L{_release}, if it can.

        @raise ValueError: It can't be executed.
        """
        self._leave()
        self._place = self._launcher.housing.place(self.command)
        return order(self.command, self._place).pack()

    def _leave(self) -> None:
        if self._place is not None:
            place, self._place = self._place, None
            self._launcher.housing.leave(place)

    def _undelivered(self, error: OSError | ValueError) -> None:
        """
        It could not even be asked for.
        """
        self._drop_stdin()
        self._release()
        if isinstance(error, OSError) and error.errno in LOST:
            # Its helper died, which nobody noticed yet: another will do.
            self._phase = Phase.QUEUED
            self._launcher.again(self)
            return
        self._launcher.finished(self)
        self.refuse(undelivered(error))

    def _finish(self, reason: Failure) -> None:
        protocol, self._protocol = self._protocol, None
        assert protocol is not None
        self._drop_stdin()
        self._phase = Phase.IDLE
        self.pid = None
        self._early = []
        self._tell(protocol.processEnded, reason)
        if self._phase is Phase.IDLE:
            self._launcher.ended(self)

    def _tried(self) -> None:
        trying, self._trying = self._trying, []
        for deferred in trying:
            deferred.callback(self.left)

    def _drop_stdin(self) -> None:
        if self._stdin is not None:
            self._stdin.close()

    def _hold(self, link: Tie) -> None:
        self._link = link
        self._launcher.holds(self, True)

    def _release(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            link.close()
            self._launcher.holds(self, False)
        self._leave()

    def _tell(self, what: Callable[..., object], *args: object) -> None:
        """
        Whatever a protocol does wrong, the next one is told.
        """
        try:
            what(*args)
        except Exception:
            _log.failure("told of {pid}, its protocol failed", pid=self.pid)
