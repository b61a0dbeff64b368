"""
A real agent, started as an operator starts it, driven over its public interface.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.support import warden
from tests.support.console_client import PATIENCE
from tests.support.http_origin import Origin
from tests.support.living import emptied, running, until
from tests.support.remote import Remote

reactor: Any = installed_reactor

CONTROL = 9
"""The warden's descriptor; far from those that tests hand down."""

LISTENING = re.compile(r"^\S+ Listening on (\S+)$", re.MULTILINE)


def program(name: str) -> str:
    """
    One of the programs that are installed with smartmob.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


def _environment() -> dict[str, str]:
    """
    Ours, but for what makes Python write at once: few agents have that.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


class AgentProcess(ProcessProtocol):
    """
    An agent below a warden.

    @ivar pid: What was started; a daemon is another process.
    @ivar out: Its standard output.
    @ivar err: Its standard error.
    @ivar code: Its exit code, or minus the signal that ended it.
    """

    def __init__(self) -> None:
        self.pid = 0
        self.out = b""
        self.err = b""
        self.code: int | None = None
        self.over: Deferred[None] = Deferred()
        self._control = b""
        self._heard: list[Deferred[None]] = []
        self._silent: set[int] = set()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Something was said, by the agent or the warden.
        """
        if childFD == 1:
            self.out += data
        elif childFD == 2:
            self.err += data
        else:
            self._control += data
            while b"\n" in self._control:
                line, _, self._control = self._control.partition(b"\n")
                word, number = line.split()
                if word == b"started":
                    self.pid = int(number)
                else:
                    self.code = int(number)
        self._tell()

    def childConnectionLost(self, childFD: int) -> None:
        """
        Nobody can say anything on this descriptor any more.
        """
        self._silent.add(childFD)
        self._tell()

    def processEnded(self, reason: Failure) -> None:
        """
        The warden is gone.
        """
        self.over.callback(None)
        self._tell()

    def _tell(self) -> None:
        heard, self._heard = self._heard, []
        for each in heard:
            each.callback(None)

    async def hears(self, condition: Callable[[], object], what: str) -> None:
        """
        Wait until what was heard fulfils a condition.
        """
        while not condition():
            assert not self.over.called, f"no {what}: {self.err.decode()}"
            heard: Deferred[None] = Deferred()
            self._heard.append(heard)
            heard.addTimeout(PATIENCE, reactor)
            await heard

    async def exit(self) -> int:
        """
        Wait until it has exited.

        @return: Its exit code, or minus the signal that ended it.
        """
        await self.hears(lambda: self.code is not None, "exit")
        assert self.code is not None
        return self.code

    async def says_no_more(self) -> None:
        """
        Wait until nobody can write to its standard output and error.
        """
        await self.hears(lambda: {1, 2} <= self._silent, "end of output")

    def stop_hearing(self, childFD: int) -> None:
        """
        Close our end of its standard output or error.
        """
        cast(IProcessTransport, self.transport).closeChildFD(childFD)

    async def listens(self, number: int = 1) -> list[str]:
        """
        Wait until it listens.

        @return: Its URLs.
        """

        def urls() -> list[str]:
            found = LISTENING.findall(self.err.decode())
            if len(found) < number and self.code is not None:
                raise AssertionError(f"it ended: {self.err.decode()}")
            return found if len(found) >= number else []

        await self.hears(urls, "Listening on")
        return urls()

    @property
    def warden(self) -> int:
        """
        The pid of the warden.
        """
        pid: int | None = getattr(self.transport, "pid", None)
        assert pid is not None
        return pid

    def below(self) -> list[int]:
        """
        Everything that lives of what was started, the agent included.
        """
        return running(warden.below(self.warden))

    async def alone(self) -> None:
        """
        Wait until it and its guardian are all that runs: a reaper goes when its
        program has gone.
        """
        await until(lambda: len(self.below()) == 2, "the end of all others")

    async def nothing_left(self) -> float:
        """
        Wait until nothing lives of what was started.

        @return: The seconds it took.
        """
        return await emptied(self.below)

    async def end(self) -> None:
        """
        End the warden, and with it everything.
        """
        if not self.over.called:
            os.kill(self.warden, signal.SIGTERM)
            await self.over


class AgentTestCase(TestCase):
    """
    Tests with real agents.

    @ivar folder: The test's own, short enough for a unix socket in it.
    @ivar state: The state folder of its agent.
    @ivar origin: Where sources come from.
    """

    timeout = 300

    def setUp(self) -> None:
        """
        Make a folder and an origin.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="smartmob-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.state = self.folder / "state"
        self.origin = Origin(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.origin.stop()))

    def spawn(
        self,
        *command: str,
        files: tuple[int, int] | None = None,
        umask: str = "-",
        env: Mapping[str, str] | None = None,
        descriptors: Mapping[int, int] | None = None,
    ) -> AgentProcess:
        """
        Start an agent, in any way.

        @param files: Bounds of open files, soft and hard.
        @param descriptors: Handed down, by the number they get.
        """
        process = AgentProcess()
        bounds = ("-", "-") if files is None else map(str, files)
        argv = [sys.executable, "-I", "-S", warden.__file__, str(CONTROL), *bounds, umask]
        null = os.open(os.devnull, os.O_RDWR)
        try:
            reactor.spawnProcess(
                process,
                argv[0],
                [*argv, *command],
                env={**_environment(), **(env or {})},
                path=str(self.folder),
                childFDs={0: null, 1: "r", 2: "r", CONTROL: "r", **(descriptors or {})},
            )
        finally:
            os.close(null)
        self.addCleanup(lambda: Deferred.fromCoroutine(process.end()))
        return process

    def spawn_agent(
        self, *options: str, bind: Sequence[str] = ("127.0.0.1:0",), **more: Any
    ) -> AgentProcess:
        """
        Start an agent in the foreground.
        """
        binds = [word for address in bind for word in ("--bind", address)]
        state = ["--state-dir", str(self.state)]
        return self.spawn(program("smartmob-agent"), *state, *binds, *options, **more)

    async def start(self, *options: str, **more: Any) -> tuple[AgentProcess, Remote]:
        """
        Start an agent in the foreground, and connect to it.
        """
        process = self.spawn_agent(*options, **more)
        [url] = await process.listens()
        return process, self.remote(url)

    def remote(self, url: str, token: str | None = None) -> Remote:
        """
        Connect to an agent.

        @param token: What says who is asking, where that has to be said.
        """
        remote = Remote(url, token)
        self.addCleanup(lambda: Deferred.fromCoroutine(remote.close()))
        return remote

    def files(self) -> list[str]:
        """
        What is in the state folder, as far as it belongs to processes.
        """
        return sorted(
            str(found.relative_to(self.state))
            for folder in ("releases", "downloads", "processes")
            for found in (self.state / folder).rglob("*")
        )
