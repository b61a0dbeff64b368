"""
Tests of L{smartmob.forward.streams} and L{smartmob.forward.fluentd}, with real sockets.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from typing import Any

import msgpack
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob.config.forward import Peer
from smartmob.forward.connection import PIECE
from smartmob.forward.destination import Outcome, lines_of
from smartmob.forward.fluentd import PackedForward
from smartmob.forward.formats import Entries
from smartmob.forward.queue import Entry
from smartmob.forward.streams import (
    CONNECT_SECONDS,
    MOST_ANSWERED,
    PATIENCE,
    Dialect,
    Frames,
    StreamDestination,
)
from tests.support.fluentd import Fluentd
from tests.support.forwarding import WHOSE, chunk, entry

reactor: Any = installed_reactor


def records(*lines: str, tag: str = "a.b", first: int = 1) -> Entry:
    """
    Lines as Fluentd gets them.
    """
    data = "".join(f"{line}\n" for line in lines).encode()
    return Entry(tag, Entries().lines(chunk(data, first), WHOSE), len(lines))


def look_up(host: str) -> Deferred[Sequence[str]]:
    """
    Every host is this one, by two addresses, of which the first is not there.
    """
    return succeed(["127.0.0.2", "127.0.0.1"])


class Listener(Factory):
    """
    Keeps what comes.
    """

    noisy = False

    def __init__(self) -> None:
        self.data = b""
        self.gone: Deferred[bytes] = Deferred()
        self.protocol = Protocol

    def buildProtocol(self, addr: object) -> Protocol:
        """
        Somebody connects.
        """
        listener = self

        class Kept(Protocol):
            """
            Keeps it.
            """

            def dataReceived(self, data: bytes) -> None:
                listener.data += data

            def connectionLost(self, reason: object = None) -> None:
                listener.gone.callback(listener.data)

        return Kept()


class StreamTests(TestCase):
    """
    Messages on a connection.
    """

    def destination(self, port: int, dialect: Dialect) -> StreamDestination:
        """
        What sends to that port of this machine.
        """
        peer = Peer(kind="tcp", host="log.example", port=port)
        made = StreamDestination(reactor, peer, dialect, look_up)
        self.addCleanup(made.close)
        return made

    def listen(self, factory: Factory) -> int:
        """
        Have somebody listen, at the port that is returned.
        """
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def test_syslog(self) -> None:
        """
        Messages come as they are, one after the other, on one connection, to the first
        address that takes one.
        """
        listener = Listener()
        destination = self.destination(self.listen(listener), Frames())
        for batch in ([entry("2 a"), entry("2 b")], [entry("2 c")]):
            self.assertEqual(await destination.deliver(batch), Outcome())
        destination.close()
        self.assertEqual(await listener.gone, b"2 a\n2 b\n2 c\n")

    async def test_unix(self) -> None:
        """
        The same over a unix socket.
        """
        folder = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, folder)
        fluentd = Fluentd()
        port = reactor.listenUNIX(f"{folder}/s", fluentd)
        self.addCleanup(port.stopListening)
        peer = Peer(kind="unix", host=f"{folder}/s")
        destination = StreamDestination(reactor, peer, PackedForward(True), look_up)
        self.addCleanup(destination.close)
        self.assertEqual(await destination.deliver([records("a")]), Outcome())
        self.assertEqual(fluentd.lines(), ["a"])
        missing = StreamDestination(
            reactor, Peer(kind="unix", host=f"{folder}/t"), Frames(), look_up
        )
        outcome = await missing.deliver([entry("a")])
        self.assertEqual(outcome.why, f"can't be reached: {os.strerror(2)}")

    async def test_unixFull(self) -> None:
        """
        One that lets nobody in is told of as such, at once.
        """
        folder = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, folder)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(f"{folder}/s")
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                other = socket.socket(socket.AF_UNIX)
                self.addCleanup(other.close)
                other.setblocking(False)
                other.connect(f"{folder}/s")
        peer = Peer(kind="unix", host=f"{folder}/s")
        destination = StreamDestination(reactor, peer, Frames(), look_up)
        outcome = await destination.deliver([entry("a")])
        self.assertEqual(outcome.why, "can't be reached: it lets nobody in")
        self.assertEqual(lines_of(outcome.left), 1)

    async def test_fluentd(self) -> None:
        """
        Lines come with all that is known of them, in a message for each tag, and are
        delivered when all are acknowledged.
        """
        fluentd = Fluentd()
        destination = self.destination(self.listen(fluentd), PackedForward(True))
        batch = [records("a", "b"), records("c", tag="z"), records("d", first=3)]
        self.assertEqual(await destination.deliver(batch), Outcome())
        [first, second] = fluentd.messages
        self.assertEqual([record["message"] for record in first[1]], ["a", "b", "d"])
        self.assertEqual([record["seq"] for record in first[1]], [1, 2, 3])
        self.assertEqual((first[0], second[0]), ("a.b", "z"))
        self.assertEqual((first[2]["size"], second[2]["size"]), (3, 1))
        self.assertEqual(len(fluentd.connections), 1)

    async def test_manyTags(self) -> None:
        """
        Any number of messages may be acknowledged together.
        """
        fluentd = Fluentd()
        destination = self.destination(self.listen(fluentd), PackedForward(True))
        many = MOST_ANSWERED // 20
        batch = [records("a", tag=f"a.{number}") for number in range(many)]
        self.assertEqual(await destination.deliver(batch), Outcome())
        self.assertEqual(len(fluentd.messages), many)
        self.assertEqual(len(fluentd.connections), 1)

    async def test_manyAtOnce(self) -> None:
        """
        So it is where an answer has more of them than are looked through in vain.
        """
        destination = self.destination(1, PackedForward(True))
        batch = [records("a", tag=f"a.{number}") for number in range(MOST_ANSWERED // 20)]
        receipts = [message.receipt.decode() for message in destination.dialect.messages(batch)]
        destination.look_up = lambda host: Deferred()
        done = destination.deliver(batch)
        destination.received(b"".join(msgpack.packb({"ack": one}) for one in receipts))
        self.assertEqual(await done, Outcome())

    async def test_noAck(self) -> None:
        """
        Without acknowledgements they are delivered when they have left.
        """
        fluentd = Fluentd(acks=False)
        destination = self.destination(self.listen(fluentd), PackedForward(False))
        self.assertEqual(await destination.deliver([records("a")]), Outcome())
        await fluentd.until(lambda: len(fluentd.messages) == 1)
        self.assertNotIn("chunk", fluentd.messages[0][2])

    async def test_lost(self) -> None:
        """
        What was not acknowledged when the connection ended is left, and sent again under the
        same name.
        """
        fluentd = Fluentd(acks=False)
        destination = self.destination(self.listen(fluentd), PackedForward(True))
        done = destination.deliver([records("a"), records("b", tag="z")])
        await fluentd.until(lambda: len(fluentd.messages) == 2)
        transport: Any = fluentd.connections[0].transport
        transport.write(msgpack.packb({"ack": fluentd.messages[0][2]["chunk"]}))
        transport.loseConnection()
        outcome = await done
        self.assertEqual(outcome.left, (records("b", tag="z"),))
        self.assertEqual(outcome.why, "has ended the connection")
        fluentd.acks = True
        self.assertEqual(await destination.deliver(outcome.left), Outcome())
        second, third = fluentd.messages[1:]
        self.assertEqual(second, third)

    async def test_nothingIsLost(self) -> None:
        """
        However often connections end in the midst of it, every line comes.
        """
        fluentd = Fluentd()
        destination = self.destination(self.listen(fluentd), PackedForward(True))
        for number in range(30):
            batch: Sequence[Entry] = [records(*(f"{number}.{at}" for at in range(500)))]
            done = destination.deliver(batch)
            if number % 3 == 1:
                await fluentd.until(lambda: fluentd.lines()[-1].startswith(f"{number}."))  # noqa: B023 # waited for here
                fluentd.connections[-1].cut()
            elif number % 3 == 2 and fluentd.connections:
                fluentd.connections[-1].cut()
            while (outcome := await done).left:
                done = destination.deliver(outcome.left)
        found = set(fluentd.lines())
        self.assertEqual(found, {f"{number}.{at}" for number in range(30) for at in range(500)})

    async def test_sharedKey(self) -> None:
        """
        One that asks for a shared key is told of as such.
        """
        hello = msgpack.packb(["HELO", {"nonce": b"x" * 16, "auth": b"", "keepalive": True}])
        fluentd = Fluentd(acks=False, greeting=hello)
        destination = self.destination(self.listen(fluentd), PackedForward(True))
        outcome = await destination.deliver([records("a")])
        self.assertEqual(outcome.why, "asks for a shared key, which is not supported")

    async def test_babble(self) -> None:
        """
        One that says what nobody understands is not listened to for ever.
        """
        fluentd = Fluentd(acks=False, greeting=b"x" * (MOST_ANSWERED + 1))
        destination = self.destination(self.listen(fluentd), PackedForward(True))
        outcome = await destination.deliver([records("a")])
        self.assertEqual(lines_of(outcome.left), 1)
        self.assertEqual(outcome.why, "says what nobody can make sense of")

    async def test_refused(self) -> None:
        """
        Where nobody listens all is left.
        """
        port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        number = port.getHost().port
        await port.stopListening()
        destination = self.destination(number, Frames())
        outcome = await destination.deliver([entry("a")])
        self.assertEqual(lines_of(outcome.left), 1)
        self.assertEqual(outcome.why, "can't be reached: Connection refused")


class TimeTests(SynchronousTestCase):
    """
    What takes too long.
    """

    def setUp(self) -> None:
        """
        A network that does what the test says.
        """
        self.reactor = MemoryReactorClock()
        peer = Peer(kind="tcp", host="192.0.2.1", port=1)
        self.destination = StreamDestination(
            self.reactor, peer, Frames(), lambda host: succeed([host])
        )

    def connect(self) -> Any:
        """
        The connection comes about.
        """
        factory = self.reactor.tcpClients[-1][2]
        protocol: Any = factory.buildProtocol(None)
        transport: Any = StringTransport()
        transport.abortConnection = transport.loseConnection
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def test_connecting(self) -> None:
        """
        A connection to an address has so long to come about, and all of it so long.
        """
        done = self.destination.deliver([entry("a")])
        self.assertEqual(self.reactor.tcpClients[0][3], CONNECT_SECONDS)
        self.reactor.advance(PATIENCE)
        outcome = self.successResultOf(done)
        self.assertEqual(lines_of(outcome.left), 1)
        self.assertEqual(outcome.why, "can't be reached: nobody answers")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stuck(self) -> None:
        """
        One that does not take what there is is cut after a while, and there is no timer then.
        """
        done = self.destination.deliver([entry("a")])
        transport = self.connect()
        self.assertEqual(transport.value(), b"a\n")
        self.reactor.advance(PATIENCE - 1)
        self.assertNoResult(done)
        self.reactor.advance(1)
        self.assertEqual(self.successResultOf(done).why, "takes nothing")
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_slow(self) -> None:
        """
        One that takes little at a time gets all, once, however long that takes.
        """
        line = "x" * (4 * PIECE)
        done = self.destination.deliver([entry(line)])
        transport = self.connect()
        for pieces in range(1, 6):
            self.assertNoResult(done)
            self.assertEqual(len(transport.value()), min(pieces * PIECE, len(line) + 1))
            self.reactor.advance(PATIENCE - 1)
            transport.producer.resumeProducing()
        self.assertEqual(self.successResultOf(done), Outcome())
        self.assertEqual(transport.value(), f"{line}\n".encode())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_neverAcknowledged(self) -> None:
        """
        One that takes everything, and acknowledges something else, is told of as such.
        """
        self.destination.dialect = PackedForward(True)
        done = self.destination.deliver([records("a")])
        transport = self.connect()
        transport.producer.resumeProducing()
        for _ in range(4):
            self.reactor.advance(PATIENCE / 5)
            transport.protocol.dataReceived(msgpack.packb({"ack": "x" * 24}))
        self.reactor.advance(PATIENCE / 5)
        outcome = self.successResultOf(done)
        self.assertEqual(outcome.why, "does not say what it got")
        self.assertEqual(lines_of(outcome.left), 1)

    def test_drained(self) -> None:
        """
        It is delivered when the transport has nothing left; the next goes the same way.
        """
        for text in ("a", "b"):
            done = self.destination.deliver([entry(text)])
            if text == "a":
                transport = self.connect()
            self.assertNoResult(done)
            transport.producer.resumeProducing()
            self.assertEqual(self.successResultOf(done), Outcome())
        self.assertEqual(transport.value(), b"a\nb\n")
        self.assertEqual(len(self.reactor.tcpClients), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cut(self) -> None:
        """
        It can be broken off while it connects, and while it sends.
        """
        for connected in (False, True):
            self.setUp()
            done = self.destination.deliver([entry("a")])
            if connected:
                transport = self.connect()
            self.destination.cut()
            self.assertEqual(lines_of(self.successResultOf(done).left), 1)
            self.assertEqual(self.reactor.getDelayedCalls(), [])
            if connected:
                self.assertTrue(transport.disconnecting)
            self.destination.cut()
            self.destination.close()

    def test_unknown(self) -> None:
        """
        A name that nobody knows is a reason to try again.
        """
        self.destination.look_up = lambda host: fail(DNSLookupError("h was not found"))
        outcome = self.successResultOf(self.destination.deliver([entry("a")]))
        self.assertIn("h was not found", outcome.why)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
