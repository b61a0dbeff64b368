"""
What only a real socket shows: that a client which sends an archive faster than it can
be written is made to wait.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.interfaces import (
    IConsumer,
    IPullProducer,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from smartmob.source.upload import HIGH_WATER
from smartmob.web.connections import Census
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.certificates import own_certificate
from tests.support.disks import SlowDisk
from tests.support.httpwire import Answer, parse
from tests.support.uploading import Store

reactor: Any = installed_reactor

BLOCK = bytes(0x10000)
BLOCKS = 512
"""32 MiB: more than all buffers on the way hold."""


@implementer(IPullProducer)
class Client(Protocol):
    """
    Sends an archive as fast as it goes.

    @ivar left: Blocks that are still to be sent.
    """

    def __init__(self) -> None:
        self.left = BLOCKS
        self.answered: Deferred[Answer] = Deferred()
        self._received = b""

    def connectionMade(self) -> None:
        """
        Begin.
        """
        head = b"PUT /archives HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        assert self.transport is not None
        self.transport.write(head % (BLOCKS * len(BLOCK)))
        IConsumer(self.transport).registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        A block more.
        """
        assert self.transport is not None
        if self.left:
            self.left -= 1
            self.transport.write(BLOCK)
        else:
            IConsumer(self.transport).unregisterProducer()

    def stopProducing(self) -> None:
        """
        The connection is lost.
        """

    def dataReceived(self, data: bytes) -> None:
        """
        The answer.
        """
        self._received += data
        if self._received.endswith(b"}\n"):
            self.answered.callback(parse(self._received)[0])


class HeldTests(TestCase):
    """
    Archives on their way to a disk that does not write.
    """

    timeout = 60

    def setUp(self) -> None:
        self.disk = SlowDisk()
        self.agent = FakeAgent(archives=Store(self.mktemp(), self.disk).archives)
        self.site = Census().guard(make_site(self.agent.real, reactor))
        self.addCleanup(self.site.abort)

    async def check(self, client: IStreamClientEndpoint) -> None:
        """Send one, at the pace of the disk."""
        sender = await connectProtocol(client, Client())
        left = None
        while left != sender.left:  # it still moves
            left = sender.left
            for _ in range(200):
                await deferLater(reactor, 0.001)
        self.assertGreater(sender.left, 0)
        [upload] = self.agent.uploads
        self.assertLess(upload.size, HIGH_WATER + 0x40000)
        while not sender.answered.called:
            self.disk.work_all()
            await deferLater(reactor, 0)
        answer = await sender.answered
        self.assertEqual(answer.json()["size"], BLOCKS * len(BLOCK))

    async def test_tcp(self) -> None:
        """Over TCP it waits."""
        server = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = await server.listen(self.site)
        self.addCleanup(port.stopListening)
        await self.check(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port))

    async def test_unix(self) -> None:
        """Over a unix socket too."""
        path = self.mktemp()
        server = UNIXServerEndpoint(reactor, path)
        port = await server.listen(self.site)
        self.addCleanup(port.stopListening)
        await self.check(UNIXClientEndpoint(reactor, path))

    async def test_tls(self) -> None:
        """And over TLS."""
        certificate = own_certificate("localhost")
        server = SSL4ServerEndpoint(reactor, 0, certificate.options(), interface="127.0.0.1")
        port = await server.listen(self.site)
        self.addCleanup(port.stopListening)
        trusted = optionsForClientTLS("localhost", trustRoot=certificate)
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await self.check(wrapClientTLS(trusted, client))
