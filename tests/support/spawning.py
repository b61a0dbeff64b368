"""
A launcher that starts real processes with the reactor's own means: for tests of what
runs in them, not of launching.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.documents import Left
from smartmob.launch.interfaces import Command, ILauncher, IProgram, Usage

_LIMITED = """
import json, os, resource, sys
for name, pair in json.loads(sys.argv[1]).items():
    resource.setrlimit(getattr(resource, name), tuple(pair))
os.execv(sys.argv[2], sys.argv[2:])
"""


@implementer(IProgram)
class SpawnedProgram:
    """
    A program of one process.
    """

    def __init__(self, reactor: IReactorProcess, command: Command) -> None:
        self.command = command
        self.running = False
        self.dismissed = False
        self.adopted = False
        self.started_at: float | None = None
        self.killed: tuple[str, ...] = ()
        self.left: tuple[Left, ...] = ()
        self.stdinBuffered = 0
        self.takesInput = False
        self._reactor = reactor
        self._transport: Any = None

    @property
    def pid(self) -> int | None:
        """
        The process, while it runs.
        """
        return None if self._transport is None else self._transport.pid

    def run(self, protocol: IProcessProtocol) -> None:
        """
        Start it, with its limits.
        """
        assert not self.running
        self.running = True
        argv = [
            *(sys.executable, "-I", "-S", "-c", _LIMITED),
            *(json.dumps(dict(self.command.rlimits)), *self.command.argv),
        ]
        self._transport = self._reactor.spawnProcess(
            _Relay(self, protocol),
            argv[0],
            argv,
            env=dict(self.command.env),
            path=self.command.cwd,
        )

    def kill(self) -> None:
        """
        Kill it.
        """
        if self.running:
            self.signalProcess(signal.SIGKILL)

    def stop(self, grace: float | None = None) -> None:
        """
        Kill it.
        """
        self.kill()

    def signalProcess(self, signalID: str | int) -> None:
        """
        Send a signal.
        """
        if self._transport is None:
            raise ProcessExitedAlready
        self._transport.signalProcess(signalID)

    def dismiss(self) -> None:
        """
        Record it.
        """
        assert not self.running
        self.dismissed = True

    def letGo(self) -> None:
        """
        Nothing here is detached.
        """

    def endLeft(self) -> Deferred[tuple[Left, ...]]:
        """
        Nothing is ever left.
        """
        return succeed(())

    def whenWritable(self) -> Deferred[None]:
        """
        It takes no input.
        """
        return succeed(None)

    def pauseOutput(self) -> None:
        """
        Not needed here.
        """

    def resumeOutput(self) -> None:
        """
        Not needed here.
        """

    def __getattr__(self, name: str) -> Any:
        # The rest of IProcessTransport is the reactor's.
        return getattr(self._transport, name)


class _Relay(ProcessProtocol):
    """
    Tells a protocol what happens, with our program for its transport.
    """

    def __init__(self, program: SpawnedProgram, protocol: IProcessProtocol) -> None:
        self._program = program
        self._protocol = protocol

    def makeConnection(self, process: IProcessTransport) -> None:
        """
        It runs.
        """
        self._program._transport = process
        self._protocol.makeConnection(self._program)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        It said something.
        """
        self._protocol.childDataReceived(childFD, data)

    def processExited(self, reason: Failure) -> None:
        """
        It ended.
        """
        self._protocol.processExited(reason)

    def processEnded(self, reason: Failure) -> None:
        """
        All it said was told.
        """
        self._program.running = False
        self._program._transport = None
        self._protocol.processEnded(reason)


@implementer(ILauncher)
class SpawningLauncher:
    """
    Starts real processes.

    @ivar programs: All it made, in order.
    """

    def __init__(self, reactor: IReactorProcess) -> None:
        self.programs: list[SpawnedProgram] = []
        self.bounds: frozenset[str] = frozenset()
        self._reactor = reactor

    def program(self, command: Command) -> SpawnedProgram:
        """
        A program, not yet running.
        """
        program = SpawnedProgram(self._reactor, command)
        self.programs.append(program)
        return program

    def lives(self, folder: str, name: str) -> bool:
        """
        Nothing of it outlives the agent.
        """
        return False

    def answers(self, within: float) -> Deferred[bool]:
        """
        There is nobody who could not.
        """
        return succeed(True)

    def usage(self, name: str) -> Usage | None:
        """
        It has no cgroup.
        """
        return None
