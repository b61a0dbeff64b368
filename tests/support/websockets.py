"""
A process without a program, connections in memory, and WebSocket frames by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field
from klein import Klein
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from smartmob.documents import State
from smartmob.lines.bounds import Bounds
from smartmob.lines.console import Console
from smartmob.lines.consoles import Consoles
from smartmob.refusals import NotRunning, Refusal, StdinFull
from smartmob.web.answered import NOWHERE, Answered
from smartmob.web.caller import ANYBODY
from smartmob.web.console import ConsoleSockets
from smartmob.web.logs import logs_response
from smartmob.web.problems import CONTENT_TYPE, Problem, problem_of
from smartmob.web.query import parse_query
from smartmob.web.site import Request
from smartmob.web.trust import Way
from smartmob.web.visits import Visits

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
"""The key of the example of RFC 6455, section 1.3, and what answers it."""

ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

UPGRADE = {
    b"Host": b"127.0.0.1",
    b"Upgrade": b"websocket",
    b"Connection": b"keep-alive, Upgrade",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": KEY,
}


def consoles(now: float = 1.5, bounds: Bounds | None = None) -> Consoles:
    """
    Consoles whose clock stands still.
    """
    return Consoles(epoch="this", now=lambda: now, bounds=bounds)


@define(eq=False)
class FakeProcess:
    """
    What web needs of a process.

    @ivar typed: What was written to its input.
    @ivar room: How many bytes of input it still takes.
    """

    console: Console = field(factory=lambda: consoles().open("shop.web.0", State.RUNNING))
    takes_input: bool = True
    running: bool = True
    room: int = 1 << 20
    typed: list[bytes] = field(factory=list)
    waiting: list[Deferred[None]] = field(factory=list)

    @property
    def slug(self) -> str:
        """As its console says."""
        return self.console.slug

    def write(self, data: bytes) -> None:
        """As the real one."""
        if not self.running:
            raise NotRunning("it does not run")
        if len(data) > self.room:
            raise StdinFull("it does not read")
        self.room -= len(data)
        self.typed.append(data)

    def whenWritable(self) -> Deferred[None]:
        """As the real one."""
        waiter: Deferred[None] = Deferred()
        self.waiting.append(waiter)
        return waiter

    def read(self, room: int = 1 << 20) -> None:
        """
        Let the program read, so that there is room.
        """
        self.room = room
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            waiter.callback(None)


class MemoryConnection(FileDescriptor):
    """
    The agent's end of a connection whose client takes as much as it is told to.

    It is a real C{FileDescriptor}: what that buffers, pauses and closes is what
    sockets do.

    @ivar taken: What the client got.
    @ivar room: How many bytes it still takes.
    @ivar reading: The agent reads from it.
    """

    def __init__(self, reactor: MemoryReactorClock, protocol: IProtocol) -> None:
        super().__init__(reactor)
        self.memory = reactor
        self.protocol = protocol
        self.connected = 1
        self.room = 1 << 40
        self.taken = bytearray()
        self.reading = True
        self.aborted = False
        protocol.makeConnection(self)

    def getPeer(self) -> IPv4Address:
        """The client."""
        return IPv4Address("TCP", "127.0.0.1", 40000)

    def getHost(self) -> IPv4Address:
        """The agent."""
        return IPv4Address("TCP", "127.0.0.1", 8080)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As on a socket."""

    def startReading(self) -> None:
        """The agent wants more."""
        self.reading = True

    def stopReading(self) -> None:
        """The agent wants no more."""
        self.reading = False

    def writeSomeData(self, data: bytes) -> int:
        """As much as the client takes."""
        sent = bytes(data[: min(self.room, self.SEND_LIMIT)])
        self.room -= len(sent)
        self.taken += sent
        return len(sent)

    def abortConnection(self) -> None:
        """Close at once."""
        self.aborted = True
        self.lose(CONNECTION_LOST)

    def lose(self, why: Exception | None = None) -> None:
        """
        End it.
        """
        if self.connected:
            reason = Failure(ConnectionDone() if why is None else why)
            self.connectionLost(reason)
            self.protocol.connectionLost(reason)

    def receive(self, data: bytes) -> None:
        """
        The client sends something.
        """
        self.protocol.dataReceived(data)
        self.flush()

    def flush(self, room: int | None = None) -> None:
        """
        The reactor writes, until nothing waits or the client takes no more.
        """
        if room is not None:
            self.room = room
        while self in self.memory.writers and self.connected:
            before = self.room
            result = self.doWrite()
            if result is not None:
                self.lose(result)
            elif self.room == before:
                break


def decode(data: bytes) -> Iterator[tuple[int, bytes]]:
    """
    The frames of a server: opcode and payload of each.
    """
    at = 0
    while at < len(data):
        head, length = data[at], data[at + 1]
        assert head & 0xF0 == 0x80, "every frame is final and has no extension"
        at += 2
        size = {126: 2, 127: 8}.get(length, 0)
        if size:
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        assert at + length <= len(data), "the last frame is whole"
        yield head & 0x0F, bytes(data[at : at + length])
        at += length


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """
    A frame of a client.
    """
    length = len(payload)
    head = bytes([0x80 | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 1 << 16:
        head += b"\xfe" + length.to_bytes(2, "big")
    else:
        head += b"\xff" + length.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


class UnderWay(Resource):
    """
    An answer that others write, which Klein knows of resources alone.
    """

    isLeaf = True

    def render(self, request: object) -> int:
        """Leave it to them."""
        return NOT_DONE_YET


class LinesApi:
    """
    As much of the REST interface as lines need.
    """

    app = Klein()

    def __init__(self, reactor: Any, process: FakeProcess) -> None:
        self._reactor = reactor
        self._process = process
        self._sockets = ConsoleSockets(reactor)

    @app.route("/attach", methods=["GET"])
    def attach(self, request: Any) -> Any:
        """The WebSocket."""
        request.setHeader(b"X-Request-Id", b"abc")
        return self._sockets.resource(self._process, request, parse_query(request.args))

    @app.route("/logs", methods=["GET"])
    def logs(self, request: Any) -> Any:
        """The kept lines."""
        query = parse_query(request.args)
        body = logs_response(self._process, request, query, self._reactor)
        return body if isinstance(body, bytes) else UnderWay()

    @app.handle_errors(Problem, Refusal)
    def problem(self, request: Any, failure: Failure) -> Any:
        """An error, as the real interface answers it."""
        problem: Any = failure.value
        if isinstance(problem, Refusal):
            problem = problem_of(problem)
        request.setResponseCode(problem.status)
        request.setHeader(b"Content-Type", CONTENT_TYPE)
        for name, value in problem.headers.items():
            request.setHeader(name, value)
        return problem.encode()


class Visit(server.Request):
    """
    A request that nobody let in, but which can be shown out.
    """

    caller = ANYBODY
    route = NOWHERE
    way = Way(secure=False, host=b"127.0.0.1", client="127.0.0.1")
    request_id = "abc"
    started_at = 0.0
    hand_over = Request.hand_over

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.visits = Visits()
        self._leave = self.visits.begin(self.caller, lambda: None)


class Counting(Site):
    """
    A site that counts what it answered.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answered = Answered()


def lines_site(clock: Any, process: FakeProcess, reactor: Any = None) -> Site:
    """
    That interface on its own.

    @param clock: Of those who read.
    @param reactor: Of the rest, where that is another.
    """
    site = Counting(LinesApi(clock, process).app.resource(), reactor=reactor or clock)
    site.requestFactory = Visit
    return site


def get(
    path: bytes, headers: Mapping[bytes, bytes] | None = None, method: bytes = b"GET"
) -> bytes:
    """
    The head of a request.
    """
    lines = [method + b" " + path + b" HTTP/1.1"]
    headers = {b"Host": b"127.0.0.1"} if headers is None else headers
    lines += [name + b": " + value for name, value in headers.items()]
    return b"\r\n".join([*lines, b"", b""])


class Client:
    """
    A client on a connection in memory.
    """

    def __init__(self, reactor: MemoryReactorClock, process: FakeProcess) -> None:
        site = lines_site(reactor, process)
        protocol = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        assert protocol is not None
        self.connection = MemoryConnection(reactor, protocol)

    def attach(self, query: bytes = b"") -> bytes:
        """
        Shake hands; returns the head of the answer.
        """
        return self.ask(get(b"/attach" + query, UPGRADE))

    def ask(self, data: bytes) -> bytes:
        """
        Send a request; returns the head of the answer.
        """
        self.connection.receive(data)
        head, _, rest = bytes(self.connection.taken).partition(b"\r\n\r\n")
        self.connection.taken[:] = rest
        return head

    def frames(self) -> list[tuple[int, bytes]]:
        """
        What came since this was last asked.
        """
        self.connection.flush()
        taken = bytes(self.connection.taken)
        self.connection.taken.clear()
        return list(decode(taken))

    def texts(self) -> list[bytes]:
        """
        Of that the payloads, all of which are text.
        """
        frames = self.frames()
        assert {opcode for opcode, _ in frames} <= {1}, frames
        return [payload for _, payload in frames]

    def send(self, payload: bytes, opcode: int = 1) -> None:
        """
        Send a frame.
        """
        self.connection.receive(masked(payload, opcode))
