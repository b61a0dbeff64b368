"""
One run of a program: what its launcher tells, put into the words of supervision.
"""

from __future__ import annotations

import signal
from typing import Protocol

from attrs import frozen
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from smartmob.documents import Left
from smartmob.launch.interfaces import IProgram, NotExecuted


@frozen(kw_only=True)
class Ending:
    """
    How a run ended: at most one of C{code} and C{signal} is set.

    @ivar signal: A signal number.
    @ivar why: A sentence for a person, where the numbers don't say it all.
    """

    code: int | None = None
    signal: int | None = None
    why: str | None = None
    killed: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()

    def __str__(self) -> str:
        """
        The sentence that documents and logs have for it.
        """
        if self.why is not None:
            return self.why
        if self.signal is not None:
            return f"ended by signal {signal_name(self.signal)}"
        return f"exited with code {self.code}"


class RunInputs(Protocol):
    """
    What supervision wants to know of a run.
    """

    def _executed(self) -> None:
        """The program was executed: it has a pid."""

    def _exited(self, ending: Ending) -> None:
        """The leader is gone; some of its tree may still be there."""

    def _ended(self, ending: Ending) -> None:
        """Nothing is left, or what is left can't be ended."""


class LineSink(Protocol):
    """
    What takes the output.
    """

    def received(self, stream: str, data: bytes, pid: int) -> None:
        """A chunk, as it was read."""


class Run(ProcessProtocol):
    """
    The ProcessProtocol of one run.
    """

    transport: IProgram

    def __init__(
        self, inputs: RunInputs, console: LineSink, streams: tuple[str | None, str | None]
    ) -> None:
        """
        @param streams: The names of descriptors 1 and 2; C{None} throws one away.
        """
        self._inputs = inputs
        self._console = console
        self._streams = (None, *streams)
        self._pid = 0

    def connectionMade(self) -> None:
        """
        The program was executed.
        """
        self._pid = self.transport.pid or 0
        self._inputs._executed()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Output: on the path of a line, so no more than a look-up.
        """
        stream = self._streams[childFD]
        if stream is not None:
            self._console.received(stream, data, self._pid)

    def processExited(self, reason: Failure) -> None:
        """
        The leader ended.
        """
        self._inputs._exited(self._ending(reason))

    def processEnded(self, reason: Failure) -> None:
        """
        The tree is gone, the pipes are empty.
        """
        self._inputs._ended(self._ending(reason))

    def _ending(self, reason: Failure) -> Ending:
        killed: tuple[str, ...] = ()
        left: tuple[Left, ...] = ()
        if self._pid:
            killed, left = self.transport.killed, self.transport.left
        match reason.value:
            case ProcessDone():
                return Ending(code=0, killed=killed, left=left)
            case NotExecuted() as error:
                return Ending(code=error.exitCode, why=error.why)
            case ProcessTerminated() as error:
                return Ending(
                    code=error.exitCode, signal=error.signal, killed=killed, left=left
                )
            case error:
                return Ending(why=str(error), killed=killed, left=left)


def signal_name(number: int) -> str:
    """
    The name without SIG, as C{KILL}; a realtime signal by its number.
    """
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)
