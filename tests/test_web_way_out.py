"""
Tests of L{smartmob.web.way_out}.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
)
from twisted.internet.interfaces import (
    IStreamClientEndpoint,
    IStreamServerEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob.web.way_out import SMALL, WayOut

SIZES = (
    (0, 1),
    (100, 0),
    (100, 10),
    (100, SMALL),
    (100, SMALL + 1),
    (100, 100_000),
    (100, 3_000_000),  # more than the kernel holds, so that the next finds some waiting
    (100, 3_000_000),
    (100, 0),
    (0, 10),
    (200_000, 10),
)
"""Of heads and bodies, in bytes."""


def parts() -> Iterator[tuple[bytes, bytes]]:
    """
    Heads and bodies, no two of which are the same.
    """
    for number, (head, body) in enumerate(SIZES):
        yield bytes([2 * number]) * head, bytes([2 * number + 1]) * body


ALL = b"".join(chain.from_iterable(parts()))


class Server(Protocol):
    """
    Writes all of them when it hears something, and then ends the connection.
    """

    def dataReceived(self, data: bytes) -> None:
        """The client reads now, or does not."""
        assert self.transport is not None
        out = WayOut(self.transport)
        for head, body in parts():
            out.write(head, body)
        self.transport.loseConnection()


class Client(Protocol):
    """
    Reads nothing until C{ready} tells it that there is something, and then all.
    """

    transport: Connection

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Have it begin."""
        self.transport.write(b"begin")

    def dataReceived(self, data: bytes) -> None:
        """Some of it: a pause makes the other side wait."""
        self.received.append(data)
        self.transport.pauseProducing()
        reactor.callLater(0, self.transport.resumeProducing)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """That was all."""
        self.over.callback(None)


class SocketTests(TestCase):
    """
    On sockets.
    """

    timeout = 60

    async def walk(self, server: IStreamServerEndpoint) -> None:
        """All arrives, in order, also through a wrapper."""
        factory = Factory.forProtocol(Server)
        for each in (factory, WrappingFactory(factory)):
            port = await server.listen(each)
            address = port.getHost()
            reached: IStreamClientEndpoint
            if isinstance(address, UNIXAddress):
                reached = UNIXClientEndpoint(reactor, address.name)
            else:
                assert isinstance(address, IPv4Address)
                reached = TCP4ClientEndpoint(reactor, address.host, address.port)
            client = Client()
            await connectProtocol(reached, client)
            await client.over
            self.assertTrue(b"".join(client.received) == ALL)
            await maybeDeferred(port.stopListening)

    async def test_tcp(self) -> None:
        """Whatever the socket takes at once, all arrives in order."""
        await self.walk(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))

    async def test_unix(self) -> None:
        """Over a unix socket too."""
        await self.walk(UNIXServerEndpoint(reactor, self.mktemp()))

    async def test_gone(self) -> None:
        """A client that is gone is nobody's trouble: the transport finds it out."""
        lost: Deferred[None] = Deferred()

        class Late(Protocol):
            """Writes when the other side is closed already."""

            transport: Connection

            def connectionMade(self) -> None:
                """Read nothing, so that it does not see that."""
                self.transport.pauseProducing()
                self.out = WayOut(self.transport)
                self.later = reactor.callLater(0, self.write)

            def write(self) -> None:
                """Until the kernel has heard that nobody is there."""
                for head, body in parts():
                    self.out.write(head, body)
                self.later = reactor.callLater(0.01, self.write)

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                """It was found out."""
                self.later.cancel()
                lost.callback(None)

        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Factory.forProtocol(Late)
        )
        address = port.getHost()
        assert isinstance(address, IPv4Address)
        client = Client()
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", address.port), client)
        client.transport.abortConnection()
        await lost
        await client.over
        await maybeDeferred(port.stopListening)


class Shouting(ProtocolWrapper):
    """
    A wrapper that sends something else than it is given, as TLS does.
    """

    def write(self, data: bytes) -> None:
        """Louder."""
        super().write(data.upper())


class OtherTests(SynchronousTestCase):
    """
    On what is no socket.
    """

    def test_memory(self) -> None:
        """A transport that is no socket gets what there is, in order."""
        transport = StringTransport()
        out = WayOut(transport)
        for head, body in parts():
            out.write(head, body)
        self.assertTrue(transport.value() == ALL)

    def test_wrapped(self) -> None:
        """What a wrapper does to what is written is done."""
        transport = StringTransport()
        wrapper = Shouting(WrappingFactory(Factory()), Protocol())
        wrapper.makeConnection(transport)
        out = WayOut(cast(ITransport, wrapper))
        out.write(b"head ", b"body")
        out.write(b"head " * SMALL, b"body" * SMALL)
        self.assertEqual(transport.value(), b"HEAD BODY" + b"HEAD " * SMALL + b"BODY" * SMALL)
