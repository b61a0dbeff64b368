"""
A real agent, started as an operator starts it, driven over its public interface.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import treq
from attrs import frozen
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.interfaces import IProcessTransport, IStreamClientEndpoint
from twisted.internet.protocol import ProcessProtocol, Protocol
from twisted.internet.task import Cooperator, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from tests.support import warden
from tests.support.console_client import PATIENCE, Console, attach
from tests.support.http_origin import Origin

reactor: Any = installed_reactor

Document = dict[str, Any]

_cooperator = Cooperator(scheduler=lambda call: reactor.callLater(0, call))

CONTROL = 9
"""The warden's descriptor; far from those that tests hand down."""

LISTENING = re.compile(r"^\S+ Listening on (\S+)$", re.MULTILINE)

PYTHON = f"{sys.executable} -I -S -u"
"""How commands of a Procfile call Python."""


def program(name: str) -> str:
    """
    One of the programs that are installed with smartmob.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


def application(procfile: str, **files: str | bytes) -> bytes:
    """
    An archive of a Procfile and Python files; C{main} is C{main.py}.
    """
    contents: dict[str, str | bytes] = {"Procfile": procfile}
    contents.update((f"{name}.py", text) for name, text in files.items())
    return archive(contents)


def archive(contents: Mapping[str, str | bytes]) -> bytes:
    """
    An archive of files.
    """
    memory = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=memory, mode="wb", mtime=0, compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return memory.getvalue()


async def until(condition: Callable[[], object], what: str) -> float:
    """
    Wait for something that nobody tells us of.

    @return: The seconds it took.
    """
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < PATIENCE, f"waited in vain for {what}"
        await deferLater(reactor, 0.005)
    return time.monotonic() - start


def running(pids: Sequence[int]) -> list[int]:
    """
    Those of the processes that are more than zombies.
    """
    return [pid for pid in pids if (parts := stat_of(pid)) and parts[0] not in "ZX"]


def stat_of(pid: int) -> list[str]:
    """
    proc(5)'s fields of a process from C{state} on; none where it is gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(") ")[2].split()


def described(pids: Sequence[int]) -> list[str]:
    """
    Processes for a person.
    """
    found = []
    for pid in pids:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        found.append(f"{pid} {command.decode(errors='replace')}")
    return found


@frozen
class Answer:
    """
    What an agent answered.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Document:
        """
        The body as JSON.
        """
        document: Document = json.loads(self.body)
        return document


@implementer(IAgentEndpointFactory)
@frozen
class _Endpoints:
    """
    Connects to one agent, wherever a URL leads.
    """

    endpoint: IStreamClientEndpoint

    def endpointForURI(self, uri: object) -> IStreamClientEndpoint:
        return self.endpoint


class Followed(Protocol):
    """
    The body of an answer that goes on.

    @ivar body: What has come.
    @ivar over: It has ended.
    """

    def __init__(self) -> None:
        self.body = b""
        self.over = False
        self._heard: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        More of it.
        """
        self.body += data
        self._tell()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Its end.
        """
        self.over = True
        self._tell()

    def _tell(self) -> None:
        heard, self._heard = self._heard, Deferred()
        heard.callback(None)

    async def has(self, text: bytes) -> None:
        """
        Wait until this has come.
        """
        while text not in self.body:
            assert not self.over, self.body
            await self._heard.addTimeout(PATIENCE, reactor)

    async def end(self) -> None:
        """
        Wait for its end.
        """
        while not self.over:
            await self._heard.addTimeout(PATIENCE, reactor)

    def hang_up(self) -> None:
        """
        Want no more.
        """
        if self.transport is not None and not self.over:
            cast(Any, self.transport).abortConnection()


class Remote:
    """
    A URL that an agent listens on.

    @ivar url: As the agent said it.
    @ivar base: What URLs of requests begin with.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        if url.startswith("unix:"):
            self.base = "http://localhost"
            self.endpoint: IStreamClientEndpoint = UNIXClientEndpoint(
                reactor, url.removeprefix("unix:")
            )
        else:
            self.base = url
            parts = urlsplit(url)
            assert parts.hostname and parts.port
            kind = TCP6ClientEndpoint if ":" in parts.hostname else TCP4ClientEndpoint
            self.endpoint = kind(reactor, parts.hostname, parts.port)
        self.pool = HTTPConnectionPool(reactor)
        self.pool.maxPersistentPerHost = 50
        self.http = Agent.usingEndpointFactory(reactor, _Endpoints(self.endpoint), self.pool)
        self.consoles: list[Console] = []
        self.followed: list[Followed] = []

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Any request.
        """
        sent = Headers({"Content-Type": ["application/json"]})
        if headers is not None:
            sent = Headers({name: [value] for name, value in headers.items()})
        url = path if path.startswith("http") else self.base + path
        # treq's own client knows no URLs with IPv6 addresses.
        asked: Deferred[Any] = self.http.request(
            method.encode(),
            url.encode(),
            sent,
            None if body is None else FileBodyProducer(io.BytesIO(body), _cooperator),
        )
        response = await asked.addTimeout(PATIENCE, reactor)
        content = await treq.content(response).addTimeout(PATIENCE, reactor)
        got = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, got, content)

    async def follow(self, path: str, accept: str = "*/*") -> Followed:
        """
        A body that goes on.
        """
        asked: Deferred[Any] = self.http.request(
            b"GET", (self.base + path).encode(), Headers({"Accept": [accept]})
        )
        response = await asked.addTimeout(PATIENCE, reactor)
        assert response.code == 200, response.code
        followed = Followed()
        self.followed.append(followed)
        response.deliverBody(followed)
        return followed

    async def get(self, path: str, status: int = 200) -> Document:
        """
        A document.
        """
        return self._expected(await self.ask("GET", path), status)

    async def post(
        self, path: str, document: object = None, status: int | None = 200
    ) -> Document:
        """
        Have something done.

        @param status: What is to be answered; C{None}: anything.
        """
        body = json.dumps({} if document is None else document).encode()
        return self._expected(await self.ask("POST", path, body), status)

    async def create(self, source_url: str, node: str = "web.0", **more: object) -> Document:
        """
        Create a process.
        """
        document = {"app": "app", "process_type": "web", **more}
        return await self.post(
            "/create-process", {**document, "node": node, "source_url": source_url}, 201
        )

    async def attach(self, slug: str = "app.web.0", **query: object) -> Console:
        """
        Attach to a console.
        """
        url = self.base.replace("http", "ws", 1)
        console = await attach(
            reactor, self.endpoint, f"{url}/attach-console/{slug}?{urlencode(query)}"
        )
        self.consoles.append(console)
        return console

    async def state(self, slug: str = "app.web.0", *wanted: str) -> Document:
        """
        The document of a process, once its state is one of those.
        """
        console = await self.attach(slug, format="json")
        while True:
            document = await self.get(f"/process-status/{slug}")
            if document["state"] in wanted:
                await console.leave()
                return document
            await console.event("state")

    async def close(self) -> None:
        """
        Close all connections.
        """
        for console in self.consoles:
            await console.leave()
        for followed in self.followed:
            followed.hang_up()
            await followed.end()
        await self.pool.closeCachedConnections()

    @staticmethod
    def _expected(answer: Answer, status: int | None) -> Document:
        assert status in (None, answer.status), (answer.status, answer.body)
        return answer.document


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

    async def nothing_left(self) -> float:
        """
        Wait until nothing lives of what was started.

        @return: The seconds it took.
        """
        return await none_below(self.warden)

    async def end(self) -> None:
        """
        End the warden, and with it everything.
        """
        if not self.over.called:
            os.kill(self.warden, signal.SIGTERM)
            await self.over


async def none_below(pid: int) -> float:
    """
    Wait until nothing lives below a process.

    A process that forks itself anew may be missed by one look; so all of ten in a
    row have to find nothing.

    @return: The seconds it took.
    """
    start = time.monotonic()
    empty = 0
    since = start
    while empty < 10:
        found = running(warden.below(pid))
        if found:
            empty = 0
            waited = time.monotonic() - start
            assert waited < PATIENCE, f"left after {waited:.1f} s: {described(found)}"
        else:
            since = since if empty else time.monotonic()
            empty += 1
        await deferLater(reactor, 0.003)
    return since - start


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
                env={**os.environ, **(env or {})},
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

    def remote(self, url: str) -> Remote:
        """
        Connect to an agent.
        """
        remote = Remote(url)
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
