"""
An HTTP server that does exactly what a test says, right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLContextFactory,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.python.failure import Failure

Script = Callable[["Exchange"], object]


class Exchange(Protocol):
    """
    One connection: a request came, and the script of its path answers.

    @ivar head: The request, up to its empty line.
    @ivar lost: Fires when the connection is gone.
    """

    factory: OriginFactory

    def __init__(self) -> None:
        self.head = b""
        self.lost: Deferred[None] = Deferred()

    @property
    def path(self) -> str:
        """
        What was asked for.
        """
        return self.head.split(b" ", 2)[1].decode("ascii")

    def header(self, name: str) -> str | None:
        """
        A header of the request.
        """
        for line in self.head.decode("ascii").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def dataReceived(self, data: bytes) -> None:
        """
        Run the script, once the head is complete.
        """
        complete = b"\r\n\r\n" in self.head
        self.head += data
        if not complete and b"\r\n\r\n" in self.head:
            self.factory.origin.asked(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Tell it.
        """
        self.factory.origin.exchanges.discard(self)
        self.lost.callback(None)

    # What scripts do.

    def send(self, *pieces: bytes) -> None:
        """
        Write, as it is.
        """
        self.tcp.writeSequence(pieces)

    def answer(self, body: bytes, *headers: str, code: int = 200) -> None:
        """
        A whole and proper answer.
        """
        head = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join(head).encode("latin-1"), b"\r\n\r\n", body)

    def redirect(self, to: str, code: int = 302) -> None:
        """
        Send it elsewhere.
        """
        self.answer(b"elsewhere", f"Location: {to}", code=code)

    def close(self) -> None:
        """
        Close the connection.
        """
        self.tcp.loseConnection()

    def reset(self) -> None:
        """
        Cut the connection.
        """
        self.tcp.abortConnection()

    @property
    def tcp(self) -> ITCPTransport:
        """
        The connection.
        """
        return cast(ITCPTransport, self.transport)


class OriginFactory(ServerFactory[Exchange]):
    """
    Makes exchanges.
    """

    protocol = Exchange
    noisy = False

    def __init__(self, origin: Origin) -> None:
        self.origin = origin


class Origin:
    """
    A server on loopback.

    @ivar scripts: By path, what to do when it is asked for.
    @ivar requests: All that was asked, in order.
    @ivar exchanges: The connections that are open.
    """

    def __init__(self, reactor: Any, context: IOpenSSLContextFactory | None = None) -> None:
        """
        @param context: For one that speaks TLS.
        """
        self._port: IListeningPort
        self.scripts: dict[str, Script] = {}
        self.requests: list[Exchange] = []
        self.exchanges: set[Exchange] = set()
        self._waiting: list[Deferred[Exchange]] = []
        self.factory = OriginFactory(self)
        if context is None:
            self._port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        else:
            self._port = reactor.listenSSL(0, self.factory, context, interface="127.0.0.1")

    @property
    def port(self) -> int:
        """
        Where it listens.
        """
        return cast(IPv4Address, self._port.getHost()).port

    def url(self, path: str) -> str:
        """
        The URL of a path.
        """
        return f"http://127.0.0.1:{self.port}{path}"

    def serve(self, path: str, body: bytes, *headers: str, code: int = 200) -> str:
        """
        Answer properly.

        @return: The URL.
        """
        return self.script(path, lambda ex: ex.answer(body, *headers, code=code))

    def script(self, path: str, script: Script) -> str:
        """
        Do something else.

        @return: The URL.
        """
        self.scripts[path] = script
        return self.url(path)

    def next_request(self) -> Deferred[Exchange]:
        """
        Fires when the next request has come, before its script runs.
        """
        waiting: Deferred[Exchange] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def asked(self, exchange: Exchange) -> None:
        """
        A request came.
        """
        self.requests.append(exchange)
        self.exchanges.add(exchange)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(exchange)
        script = self.scripts.get(exchange.path.partition("?")[0])
        if script is None:
            exchange.answer(b"", code=404)
        else:
            script(exchange)

    async def stop(self) -> None:
        """
        Close everything.
        """
        stopped = self._port.stopListening()
        if stopped is not None:
            await stopped
        for exchange in list(self.exchanges):
            lost = exchange.lost
            exchange.reset()
            await lost
