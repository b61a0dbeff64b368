"""
A process's console, seen from a client: its lines over a WebSocket.
"""

from __future__ import annotations

from collections.abc import Callable

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.types import ConnectionResponse
from hyperlink import URL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IReactorCore
from twisted.python.failure import Failure

_LONGEST = 4 * 1024 * 1024
"""In bytes: a line has up to 1 MiB, each of which may have become U+FFFD, three bytes."""


class Detached(Exception):
    """
    The console was closed, or never opened; the text says why.
    """


class _Console(WebSocketClientProtocol):
    """
    One connection: hands over each line as it comes.
    """

    factory: _ConsoleFactory

    def onConnect(self, response: ConnectionResponse) -> None:
        """
        The handshake was accepted.
        """
        self.factory.attached.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        A line.
        """
        self.factory.on_line(payload.decode())

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """
        The connection ended, be it before the handshake did.
        """
        end = Detached(reason or f"closed with code {code}")
        if not self.factory.attached.called:
            self.factory.attached.errback(Failure(end))
        self.factory.detached.callback(end)


class _ConsoleFactory(WebSocketClientFactory):
    """
    What one connection reports to.
    """

    def __init__(self, url: str, reactor: IReactorCore, on_line: Callable[[str], None]) -> None:
        super().__init__(url, reactor=reactor)
        self.setProtocolOptions(
            maxFramePayloadSize=_LONGEST,
            maxMessagePayloadSize=_LONGEST,
            openHandshakeTimeout=30,
        )
        self.protocol = _Console
        self.on_line = on_line
        self.attached: Deferred[_Console] = Deferred()
        self.detached: Deferred[Detached] = Deferred()


async def attach(
    reactor: IReactorCore, url: str, on_line: Callable[[str], None]
) -> Deferred[Detached]:
    """
    Attach to the console at C{url} (C{ws://...}).

    @return: Fires, with the reason, when the console is closed.
    @raise Detached: The agent refused.
    """
    where = URL.from_text(url)
    factory = _ConsoleFactory(url, reactor, on_line)
    await HostnameEndpoint(reactor, where.host, where.port or 80).connect(factory)
    await factory.attached
    return factory.detached
