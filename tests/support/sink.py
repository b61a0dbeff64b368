"""
A server on loopback that takes webhooks, or does something else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from attrs import frozen
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.python.failure import Failure

Script = Callable[["Caller", "Post"], object]


@frozen
class Post:
    """
    A request that came.

    @ivar headers: By their names in lower case.
    """

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> int:
        """
        The number of its event.
        """
        return cast(int, json.loads(self.body)["id"])


class Caller(Protocol):
    """
    One connection to the sink.
    """

    factory: _Callers

    def __init__(self) -> None:
        self.data = b""
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Tell it.
        """
        self.factory.sink.callers.add(self)
        self.factory.sink.connections += 1

    def dataReceived(self, data: bytes) -> None:
        """
        Run the script, once a request is complete.
        """
        self.data += data
        head, end, body = self.data.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in pairs}
        if end and len(body) == int(headers["content-length"]):
            self.data = b""
            self.factory.sink.asked(self, Post(line, headers, body))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Tell it.
        """
        self.factory.sink.callers.discard(self)
        self.lost.callback(None)

    def send(self, data: bytes) -> None:
        """
        Write, as it is.
        """
        self.tcp.write(data)

    def answer(self, status: int, *headers: str, body: bytes = b"") -> None:
        """
        A whole and proper answer.
        """
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
        self.send("\r\n".join(head).encode("latin-1") + body)

    @property
    def tcp(self) -> ITCPTransport:
        """
        The connection.
        """
        return cast(ITCPTransport, self.transport)


class _Callers(ServerFactory[Caller]):
    protocol = Caller
    noisy = False

    def __init__(self, sink: Sink) -> None:
        self.sink = sink


class Sink:
    """
    The server.

    @ivar script: What it does with a request.
    @ivar posts: All that came, in order.
    @ivar callers: The connections that are open.
    @ivar connections: How many there were.
    """

    def __init__(
        self, reactor: Any, context: IOpenSSLContextFactory | None = None, port: int = 0
    ) -> None:
        """
        @param context: For one that speaks TLS.
        @param port: Where another one listened before.
        """
        self.script: Script = lambda caller, post: caller.answer(200)
        self.posts: list[Post] = []
        self.callers: set[Caller] = set()
        self.connections = 0
        self._waiting: list[tuple[int, Deferred[None]]] = []
        factory = _Callers(self)
        self._port: IListeningPort
        if context is None:
            self._port = reactor.listenTCP(port, factory, interface="127.0.0.1")
        else:
            self._port = reactor.listenSSL(port, factory, context, interface="127.0.0.1")
        # Kept: when it does not listen any more, it is where it did.
        self._number = cast(IPv4Address, self._port.getHost()).port

    @property
    def port(self) -> int:
        """
        Where it listens.
        """
        return self._number

    @property
    def url(self) -> str:
        """
        Its URL, without TLS.
        """
        return f"http://127.0.0.1:{self.port}/"

    @property
    def events(self) -> list[int]:
        """
        The numbers of the events that came.
        """
        return [post.event for post in self.posts]

    def until(self, number: int) -> Deferred[None]:
        """
        Fires when so many requests have come, in all.
        """
        waiter: Deferred[None] = Deferred()
        self._waiting.append((number, waiter))
        self._look()
        return waiter

    def asked(self, caller: Caller, post: Post) -> None:
        """
        A request came.
        """
        self.posts.append(post)
        self.script(caller, post)
        self._look()

    async def stop(self) -> None:
        """
        Close everything.
        """
        stopped = self._port.stopListening()
        if stopped is not None:
            await stopped
        for caller in list(self.callers):
            lost = caller.lost
            caller.tcp.abortConnection()
            await lost

    def _look(self) -> None:
        here = [waiting for waiting in self._waiting if waiting[0] <= len(self.posts)]
        for waiting in here:
            self._waiting.remove(waiting)
            waiting[1].callback(None)
