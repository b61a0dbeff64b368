"""
An agent of one's own: started, waited for, and ended again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

_LISTENING = re.compile(r"\bListening on (\S+)$")


class AgentEnded(Exception):
    """
    The agent ended before it listened; what it had to say stands on its stderr.

    @ivar code: Its exit code, or None where a signal ended it.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the agent ended with exit code {code}")
        self.code = code


@define(eq=False)
class OwnAgent(ProcessProtocol):
    """
    The agent as a child process.

    @ivar listening: Fires with the URL once it listens; fails with L{AgentEnded}.
    @ivar listened: It has come to listen.
    @ivar ended: Fires with its exit code (None: a signal) when it is gone.
    """

    _say: Callable[[str], None]
    listening: Deferred[str] = field(init=False, factory=Deferred)
    ended: Deferred[int | None] = field(init=False, factory=Deferred)
    listened: bool = field(init=False, default=False)
    _transport: IProcessTransport | None = field(init=False, default=None)
    _rest: bytes = field(init=False, default=b"")

    def makeConnection(self, transport: IProcessTransport) -> None:
        """
        It was executed.
        """
        self._transport = transport

    def errReceived(self, data: bytes) -> None:
        """
        Part of its log.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        """
        A line of its log: the one that is waited for, or one for the person.
        """
        listening = _LISTENING.search(line)
        if listening is None:
            self._say(line)
            return
        self.listened = True
        if not self.listening.called:
            self.listening.callback(listening[1])

    def processEnded(self, reason: Failure) -> None:
        """
        It is gone, and everything that it wrote has been read.
        """
        self._transport = None
        if self._rest:
            self._line(self._rest.decode(errors="replace"))
        code = 0 if reason.check(ProcessDone) else _code(reason)
        if not self.listening.called:
            self.listening.errback(Failure(AgentEnded(code)))
        self.ended.callback(code)

    def signal(self, name: str) -> None:
        """
        Send it a signal, C{"TERM"} or C{"KILL"}; one that is gone gets none.
        """
        if self._transport is not None:
            try:
                self._transport.signalProcess(name)
            except ProcessExitedAlready:
                return


def _code(reason: Failure) -> int | None:
    """
    The exit code of a program that failed.
    """
    assert isinstance(reason.value, ProcessTerminated)
    code: int | None = reason.value.exitCode
    return code


def start(
    reactor: IReactorProcess, port: int, state: Path, say: Callable[[str], None]
) -> OwnAgent:
    """
    Start an agent on 127.0.0.1 that ends when this process does.

    @param port: Where it listens; 0: the system chooses.
    @param state: Its state folder.
    @param say: Told each line of its log but the one that says where it listens.
    """
    agent = OwnAgent(say)
    options = ["--bind", f"127.0.0.1:{port}", "--state-dir", str(state)]
    leash = [sys.executable, "-m", "smartmob.client.leash", str(os.getpid())]
    program = [sys.executable, "-c", "from smartmob.main import main; raise SystemExit(main())"]
    # The programs it starts find the Python that runs all this, also where no
    # other is in the PATH under the name python3.
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    reactor.spawnProcess(
        agent,
        sys.executable,
        [*leash, *program, *options],
        env={**os.environ, "PATH": path},
        childFDs={0: 0, 1: 1, 2: "r"},
    )
    return agent
