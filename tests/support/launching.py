"""
Programs that exist in memory only, and do what a test tells them.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Callable
from itertools import count

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    ConnectionDone,
    ProcessDone,
    ProcessExitedAlready,
    ProcessTerminated,
)
from twisted.internet.interfaces import IProcessProtocol, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.documents import Left
from smartmob.launch.interfaces import (
    Command,
    ILauncher,
    IProgram,
    LauncherLost,
    NotExecuted,
    Usage,
)
from smartmob.launch.terms import signal_number
from smartmob.launch.transport import StandardStreams


def ending(code: int | None, signal: int | None) -> Failure:
    """
    How a leader ended, as a protocol is told.

    @param code: Its exit code, where no signal ended it.
    @param signal: The number of the signal that did.
    """
    if signal is not None:
        return Failure(ProcessTerminated(None, signal, signal))
    assert code is not None
    if code == 0:
        return Failure(ProcessDone(0))
    return Failure(ProcessTerminated(code, None, code << 8))


@implementer(IProgram)
class FakeProgram(StandardStreams):
    """
    A program that does nothing by itself, unless it is C{obedient} or has a
    C{script}.

    The test plays the operating system with L{execute}, L{output}, L{exit},
    L{end}, L{fail} and L{lose}: these tell the protocol at once.  What the code
    under test asked for is recorded.

    @ivar runs: The protocols it was run with, the present one last.
    @ivar running: A run is under way: C{processEnded} is still to come.
    @ivar stopped: The graces of the calls of C{stop} in this run, as given.
    @ivar was_killed: C{kill} was called in this run.
    @ivar signals: What was sent to the group in this run, as given.
    @ivar input: What was written in this run.
    @ivar input_closed: It was told that its input is over.
    @ivar takes_all: Its pipe takes what is written at once; else the test calls
        L{take}.
    @ivar paused: Its output is not read.
    @ivar silenced: The descriptors whose output is thrown away.
    @ivar let_go: C{letGo} was called; where it is detached, its run is over for us.
    @ivar dismissed: C{dismiss} was called since the last run.
    @ivar ends_left: What L{endLeft} can end of what was left: all, or nothing; once
        dismissed, nothing.
    @ivar obedient: It ends, by TERM or KILL, when it is asked to.
    @ivar script: Called a turn of the clock after each C{run}, with the program.
    """

    def __init__(
        self,
        command: Command,
        clock: IReactorTime,
        *,
        pids: Callable[[], int],
        obedient: bool = False,
        script: Callable[[FakeProgram], None] | None = None,
    ) -> None:
        self.command = command
        self.obedient = obedient
        self.script = script
        self.takes_all = True
        self.ends_left = True
        self.dismissed = False
        self.let_go = False
        self.adopted = False
        self.started_at: float | None = None
        self.running = False
        self.pid: int | None = None
        self.killed: tuple[str, ...] = ()
        self.left: tuple[Left, ...] = ()
        self.runs: list[IProcessProtocol] = []
        self._clock = clock
        self._pids = pids
        self._forget()

    def _forget(self) -> None:
        self.pid = None
        self.killed = ()
        self.left = ()
        self.stopped: list[float | None] = []
        self.was_killed = False
        self.signals: list[str | int] = []
        self.input = b""
        self.input_closed = False
        self.paused = False
        self.silenced: set[int] = set()
        self.stdinBuffered = 0
        self._waiting: list[Deferred[None]] = []
        self._reason: Failure | None = None
        self._executed = False

    # What the code under test asks for.

    @property
    def takesInput(self) -> bool:
        """
        C{writeToChild(0, ...)} would not raise.
        """
        return self._alive and self.command.redirect_input and not self.input_closed

    @property
    def _alive(self) -> bool:
        return self.running and self._executed and self._reason is None

    def run(self, protocol: IProcessProtocol) -> None:
        """
        Begin a run.  Nothing is executed before the test, or the script, says so.
        """
        if self.running:
            raise RuntimeError("a run is under way")
        self._forget()
        self.dismissed = False
        self.running = True
        self.runs.append(protocol)
        if self.script is not None:
            self._soon(self.script)

    def stop(self, grace: float | None = None) -> None:
        """
        Record it; end, if obedient.
        """
        if self.running:
            self.stopped.append(grace)
            self._obey(signals.SIGTERM)

    def kill(self) -> None:
        """
        Record it; end, if obedient.
        """
        if self.running:
            self.was_killed = True
            self._obey(signals.SIGKILL)

    def endLeft(self) -> Deferred[tuple[Left, ...]]:
        """
        End all that was left, or nothing of it.
        """
        if self.running:
            raise RuntimeError("a run is under way")
        if self.ends_left and not self.dismissed:
            self.left = ()
        return succeed(self.left)

    def signalProcess(self, signalID: str | int) -> None:
        """
        Record it.

        @raise ValueError: There is no such signal.
        """
        signal_number(signalID)
        if not self._alive:
            raise ProcessExitedAlready
        self.signals.append(signalID)

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """
        Record it.
        """
        if not self._alive:
            raise ProcessExitedAlready
        if childFD != 0 or not self.takesInput:
            raise ConnectionDone
        self.input += data
        if not self.takes_all:
            self.stdinBuffered += len(data)

    def closeChildFD(self, descriptor: int) -> None:
        """
        Record it.
        """
        if descriptor == 0:
            self.input_closed = True
        else:
            self.silenced.add(descriptor)

    def whenWritable(self) -> Deferred[None]:
        """
        Fires at once, by L{take}, or by the end.
        """
        if not self._alive or not self.stdinBuffered:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def pauseOutput(self) -> None:
        """
        Record it.
        """
        self.paused = True

    def resumeOutput(self) -> None:
        """
        Record it.
        """
        self.paused = False

    def letGo(self) -> None:
        """
        Record it; a detached one is told of no more.
        """
        self.let_go = True
        if self.command.detach is not None:
            self.running = False
            self.pid = None

    def dismiss(self) -> None:
        """
        Record it.
        """
        if self.running:
            raise RuntimeError("a run is under way")
        self.dismissed = True

    # What a test has the operating system do.

    @property
    def protocol(self) -> IProcessProtocol:
        """
        The protocol of the run that is under way.
        """
        assert self.running, "no run is under way"
        return self.runs[-1]

    def execute(
        self,
        pid: int | None = None,
        *,
        adopted: bool = False,
        started_at: float | None = None,
    ) -> None:
        """
        It was executed, now or at the time of an earlier agent.
        """
        self.adopted = adopted
        self.started_at = started_at
        protocol = self.protocol
        assert not self._executed
        self._executed = True
        self.pid = self._pids() if pid is None else pid
        protocol.makeConnection(self)

    def output(self, data: bytes, fd: int = 1) -> None:
        """
        It says something.
        """
        assert self._executed
        if self.command.merge_output:
            fd = 1
        if fd not in self.silenced:
            self.protocol.childDataReceived(fd, data)

    def take(self) -> None:
        """
        Its pipe takes all that was written.
        """
        self.stdinBuffered = 0
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def exit(self, code: int = 0, signal: int | None = None) -> None:
        """
        Its leader ended; stragglers live, until L{end}.
        """
        assert self._alive
        self._reason = ending(code, signal)
        self.take()
        self.protocol.processExited(self._reason)

    def end(
        self,
        code: int = 0,
        signal: int | None = None,
        *,
        killed: tuple[str, ...] = (),
        left: tuple[Left, ...] = (),
    ) -> None:
        """
        Nothing is left of it, or C{left}.  Its leader has ended, or does now.
        """
        if self._reason is None:
            self.exit(code, signal)
        assert self._reason is not None
        self.killed = killed
        self.left = left
        self._over(self._reason)

    def fail(self, why: str = "there is no program of that name", code: int = 127) -> None:
        """
        It could not be executed.
        """
        assert not self._executed
        self._over(Failure(NotExecuted(code, why)))

    def lose(self) -> None:
        """
        What kept it was killed.
        """
        self._over(self._reason or Failure(LauncherLost("its helper was killed")))

    def _over(self, reason: Failure) -> None:
        protocol = self.protocol
        self.running = False
        self.pid = None
        self.take()
        protocol.processEnded(reason)

    def _obey(self, signal: int) -> None:
        if self.obedient:
            self._soon(lambda program: program._end_by(signal))

    def _end_by(self, signal: int) -> None:
        if self._executed:
            names = (self.command.argv[0].rpartition("/")[2][:15],)
            self.end(signal=signal, killed=names if signal == signals.SIGKILL else ())
        else:
            self.fail("it was stopped before it was executed", 126)

    def _soon(self, act: Callable[[FakeProgram], None]) -> None:
        """
        Act at the next turn of the clock, unless this run is over by then.
        """
        turn = len(self.runs)

        def now() -> None:
            if self.running and len(self.runs) == turn:
                act(self)

        self._clock.callLater(0, now)


@implementer(ILauncher)
class FakeLauncher:
    """
    Makes programs that exist in memory only.

    @ivar programs: All it made, in order.
    @ivar obedient: Given to those it makes from now on.
    @ivar script: Given to those it makes from now on.
    @ivar living: Names of detached programs that run since an earlier agent.
    @ivar answering: It answers; else whoever asks is told so when the time is over.
    @ivar bounds: What can be bounded by cgroups.
    @ivar usages: What programs use, by the names of their groups.
    """

    def __init__(
        self,
        clock: IReactorTime,
        *,
        obedient: bool = False,
        script: Callable[[FakeProgram], None] | None = None,
    ) -> None:
        self.programs: list[FakeProgram] = []
        self.living: set[str] = set()
        self.answering = True
        self.bounds: frozenset[str] = frozenset()
        self.usages: dict[str, Usage] = {}
        self.obedient = obedient
        self.script = script
        self._clock = clock
        self._pids = count(1001)

    def lives(self, folder: str, name: str) -> bool:
        """
        Whether the test says so.
        """
        return name in self.living

    def answers(self, within: float) -> Deferred[bool]:
        """
        Whether the test says so.
        """
        if self.answering:
            return succeed(True)
        late: Deferred[bool] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(within, late.callback, False)
        return late

    def usage(self, name: str) -> Usage | None:
        """
        What the test says.
        """
        return self.usages.get(name)

    def program(self, command: Command) -> FakeProgram:
        """
        A program, not yet running.
        """
        program = FakeProgram(
            command,
            self._clock,
            pids=lambda: next(self._pids),
            obedient=self.obedient,
            script=self.script,
        )
        self.programs.append(program)
        return program
