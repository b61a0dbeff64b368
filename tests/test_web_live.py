"""
What only a real socket shows: that a client which is refused while it is still
sending reads its answer, and not a reset connection.
"""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
)
from twisted.internet.interfaces import IStreamClientEndpoint, IStreamServerEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from smartmob.web.connections import Census
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.httpwire import Answer, parse

CHUNKS = 256
"""Of 64 KiB: more than both kernels' buffers hold."""


class Talker(Protocol):
    """
    Sends a large body whatever the server says, and remembers what that was.
    """

    transport: Connection

    def __init__(self, head: bytes, chunk: bytes) -> None:
        self.received = b""
        self.lost: Deferred[None] = Deferred()
        self._head = head
        self._chunk = chunk
        self._left = CHUNKS

    def connectionMade(self) -> None:
        """Send the head, and the body as fast as it goes."""
        self.transport.write(self._head)
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """A chunk more."""
        if self._left:
            self._left -= 1
            self.transport.write(self._chunk)
        else:
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The connection is lost."""

    def dataReceived(self, data: bytes) -> None:
        """Remember it."""
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The server, or this side's own error, closed it."""
        self.lost.callback(None)


class RefusedBodyTests(TestCase):
    """
    Bodies that are refused while they come.
    """

    timeout = 60

    def setUp(self) -> None:
        self.site = Census().guard(make_site(FakeAgent().real, reactor))
        self.addCleanup(self.site.abort)

    async def refused(
        self, client: IStreamClientEndpoint, *headers: str, chunk: bytes
    ) -> Answer:
        """What the client has read when the connection is closed."""
        lines = ("POST /create-process HTTP/1.1", "Host: localhost", *headers, "", "")
        talker = Talker("\r\n".join(lines).encode(), chunk)
        await connectProtocol(client, talker)
        await talker.lost
        answer, rest = parse(talker.received)
        self.assertEqual(rest, b"")
        self.assertEqual(answer.json()["status"], answer.status)
        return answer

    async def walk(self, server: IStreamServerEndpoint) -> None:
        """Announced and in chunks, of a wrong size and of a wrong type."""
        port = await server.listen(self.site)
        self.addCleanup(port.stopListening)
        address = port.getHost()
        client: IStreamClientEndpoint
        if isinstance(address, UNIXAddress):
            client = UNIXClientEndpoint(reactor, address.name)
        else:
            assert isinstance(address, IPv4Address)
            client = TCP4ClientEndpoint(reactor, address.host, address.port)
        block = b" " * 0x10000
        for _ in range(20):
            answer = await self.refused(
                client, f"Content-Length: {CHUNKS * len(block)}", chunk=block
            )
            self.assertEqual(answer.status, 413)
            answer = await self.refused(
                client,
                f"Content-Length: {CHUNKS * len(block)}",
                "Content-Type: text/html",
                chunk=block,
            )
            self.assertEqual(answer.status, 415)
            answer = await self.refused(
                client,
                "Transfer-Encoding: chunked",
                chunk=b"10000\r\n" + block + b"\r\n",
            )
            self.assertEqual(answer.status, 413)

    async def test_tcp(self) -> None:
        """Over TCP the answer is read, each time."""
        await self.walk(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))

    async def test_unix(self) -> None:
        """Over a unix socket too."""
        await self.walk(UNIXServerEndpoint(reactor, self.mktemp()))
