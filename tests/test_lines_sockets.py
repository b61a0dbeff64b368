"""
Lines over real sockets.
"""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import (
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions, KeyPair
from twisted.internet.task import Clock, deferLater
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.support.websockets import UPGRADE, FakeProcess, get, lines_site

LINES = 100_000

reactor: Any = _reactor


class Counter(Protocol):
    """
    A client that counts and hashes the lines of its frames.
    """

    def __init__(self, query: bytes) -> None:
        self.query = query
        self.buffer = b""
        self.headed = False
        self.count = 0
        self.pings = 0
        self.digest = sha256()
        self.close = b""
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Ask for lines."""
        cast(Any, self.transport).write(get(b"/attach" + self.query, UPGRADE))

    def dataReceived(self, data: bytes) -> None:
        """Take frames apart."""
        data = self.buffer + data
        if not self.headed:
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self.buffer = data
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self.headed = True
            self.opened.callback(None)
            data = rest
        at = 0
        while at + 2 <= len(data):
            opcode, length = data[at] & 0x0F, data[at + 1]
            start = at + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if len(data) < start + length:
                break
            payload = data[start : start + length]
            at = start + length
            if opcode == 8:
                self.close = payload
                self.closed.callback(None)
            elif opcode == 9:
                self.pings += 1
            else:
                self.count += 1
                self.digest.update(payload + b"\n")
        self.buffer = data[at:]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end."""
        self.lost.callback(None)


class SocketTests(TestCase):
    """
    Three clients at once get all lines, in order.
    """

    timeout = 120

    async def serve(self, endpoint: IStreamServerEndpoint) -> Any:
        """
        Listen.
        """
        self.process = FakeProcess()
        self.clock = Clock()
        site = lines_site(self.clock, self.process, reactor)
        port = await endpoint.listen(WrappingFactory(site))
        self.addCleanup(port.stopListening)
        return port

    async def relay(self, endpoint: IStreamClientEndpoint) -> None:
        """
        Attach three clients, make lines, compare.
        """
        console = self.process.console
        made = [Counter(b"") for _ in range(3)]
        for client in made:
            factory = Factory.forProtocol(lambda client=client: client)  # type: ignore[misc] # as documented
            await endpoint.connect(factory)
            await client.opened
        chance = random.Random(7)
        words = ["x" * 40, "żółw", "", "😀", "y" * 200]
        text = "".join(f"{n} {chance.choice(words)}\n" for n in range(LINES)).encode()
        at = 0
        while at < len(text):
            size = chance.choice((1, 100, 4096, 65536))
            console.received("stdout", text[at : at + size], 1)
            at += size
            if chance.random() < 0.3:
                await deferLater(cast(IReactorTime, reactor), 0, lambda: None)
        console.deleted()
        expected = sha256(text).hexdigest()
        for client in made:
            await client.closed
            self.assertEqual((client.count, client.close), (LINES, b"\x03\xe8process deleted"))
            self.assertEqual(client.digest.hexdigest(), expected)
            cast(Any, client.transport).write(b"\x88\x82\0\0\0\0\x03\xe8")
        await DeferredList([client.lost for client in made])
        self.assertEqual(len(console._budget), 0)

    async def test_tcp(self) -> None:
        """
        Over TCP.
        """
        port = await self.serve(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        await self.relay(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port))

    async def test_unix(self) -> None:
        """
        Over a unix socket.
        """
        path = self.mktemp()[-90:]
        await self.serve(UNIXServerEndpoint(reactor, path))
        await self.relay(UNIXClientEndpoint(reactor, path))

    async def test_tls(self) -> None:
        """
        Over TLS.
        """
        certificate = KeyPair.generate(size=2048).selfSignedCert(1, CN="localhost")
        port = await self.serve(
            SSL4ServerEndpoint(reactor, 0, certificate.options(), interface="127.0.0.1")
        )
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await self.relay(wrapClientTLS(CertificateOptions(), client))

    async def test_signsOfLife(self) -> None:
        """
        What a client's machine takes counts as a sign of life, though its pongs are
        stuck behind a backlog; that it takes no more is found out.
        """
        port = await self.serve(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        client = Counter(b"?format=json")
        await endpoint.connect(Factory.forProtocol(lambda: client))
        await client.opened
        transport = cast(Any, client.transport)
        transport.pauseProducing()
        console = self.process.console
        [subscription] = console._readers
        while subscription.queued < 7 << 20:
            console.received("stdout", (b"x" * 99 + b"\n") * 600, 1)
            await deferLater(cast(IReactorTime, reactor), 0, lambda: None)
        socket = transport.getHandle()
        for _ in range(8):
            self.clock.advance(29)
            taken = 0
            while taken < 1 << 20:
                try:
                    data = socket.recv(1 << 16)
                    self.assertNotEqual(data, b"")
                    taken += len(data)
                except BlockingIOError:
                    await deferLater(cast(IReactorTime, reactor), 0.001, lambda: None)
            self.clock.advance(1)
            self.assertEqual(len(console._budget), 1)
        for _ in range(3):
            self.assertEqual(len(console._budget), 1)
            self.clock.advance(30)
        await deferLater(cast(IReactorTime, reactor), 0, lambda: None)
        self.assertEqual(len(console._budget), 0)
        transport.abortConnection()
        await client.lost
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_stuck(self) -> None:
        """
        A client that never reads slows no other, and is cut once it had its time.
        """
        port = await self.serve(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        stuck, live = Counter(b"?format=json"), Counter(b"")
        for client in (stuck, live):
            factory = Factory.forProtocol(lambda client=client: client)  # type: ignore[misc] # as documented
            await endpoint.connect(factory)
            await client.opened
        cast(Any, stuck.transport).pauseProducing()
        console = self.process.console
        chunk = b"x" * 99 + b"\n"
        for _ in range(400):
            console.received("stdout", chunk * 600, 1)
            await deferLater(cast(IReactorTime, reactor), 0, lambda: None)
        self.assertLessEqual(console._budget.queued, 8 << 20)
        console.received("stdout", b"", 1)
        console.deleted()
        await live.closed
        self.assertEqual(live.close[:2], b"\x03\xe8")
        self.assertEqual(live.count, 400 * 600)
        cast(Any, live.transport).loseConnection()
        cast(Any, stuck.transport).abortConnection()
        await live.lost
        await stuck.lost

    async def paused(self) -> tuple[Counter, Any]:
        """
        A client that does not read, and for which a MiB and more is queued: what it takes
        ends within a frame.
        """
        port = await self.serve(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        client = Counter(b"")
        await endpoint.connect(Factory.forProtocol(lambda: client))
        await client.opened
        cast(Any, client.transport).pauseProducing()
        console = self.process.console
        self.written = sha256()
        self.lines = 0
        while console._budget.queued < 1 << 20:
            self.write(b"%d " % self.lines + b"x" * 70_000)
            await deferLater(cast(IReactorTime, reactor), 0, lambda: None)
        return client, console

    def write(self, line: bytes) -> None:
        """
        The program writes a line.
        """
        self.written.update(line + b"\n")
        self.lines += 1
        self.process.console.received("stdout", line + b"\n", 1)

    async def test_pingBetween(self) -> None:
        """
        Where lines are partly sent and partly queued, a ping comes between two frames,
        and the close frame behind all of them.
        """
        client, console = await self.paused()
        [subscription] = console._readers
        subscription._reader._frames.sendPing()
        self.write(b"last")
        console.deleted()
        subscription._reader._frames.sendPing()
        cast(Any, client.transport).resumeProducing()
        await client.closed
        self.assertEqual((client.count, client.pings), (self.lines, 2))
        self.assertEqual(client.digest.hexdigest(), self.written.hexdigest())
        self.assertEqual(client.close, b"\x03\xe8process deleted")
        self.assertEqual(console._budget.queued, 0)
        cast(Any, client.transport).abortConnection()
        await client.lost

    async def test_goneWithinAFrame(self) -> None:
        """
        A client that goes before it has a whole frame takes its queue with it.
        """
        client, console = await self.paused()
        cast(Any, client.transport).abortConnection()
        await client.lost
        for _ in range(1000):
            if not len(console._budget):
                break
            await deferLater(cast(IReactorTime, reactor), 0.01, lambda: None)
        self.assertEqual((len(console._budget), console._budget.queued), (0, 0))
        self.write(b"later")
        self.assertEqual(console._budget.queued, 0)
