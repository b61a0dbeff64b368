"""
What the clients of WebSockets send, and the bounds on that.
"""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.turns import SLICE
from smartmob.web.incoming import (
    FRAGMENTS,
    LINGER_BYTES,
    LINGER_SECONDS,
    MESSAGE_BYTES,
    MESSAGE_SECONDS,
    PIECE,
)
from tests.support.websockets import Client, FakeProcess, decode, masked

CLOSE, PING, PONG = 8, 9, 10
MASKED = 0x80
TOO_BIG, POLICY = b"\x03\xf1", b"\x03\xf0"


def fragment(payload: bytes, *, first: bool = False, last: bool = False) -> bytes:
    """
    A frame of a message of several.
    """
    frame = masked(payload, 1 if first else 0)
    return bytes([frame[0] & (0xFF if last else 0x7F)]) + frame[1:]


def head(length: int) -> bytes:
    """
    How a frame begins that is to have so many bytes.
    """
    return b"\x82\xff" + length.to_bytes(8, "big") + b"\0\0\0\0"


class IncomingCase(SynchronousTestCase):
    """
    A client in memory, of a process that takes input.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.process = FakeProcess()

    def client(self, query: bytes = b"?stdin=1") -> Client:
        """
        One that is attached.
        """
        client = Client(self.reactor, self.process)
        self.assertTrue(client.attach(query).startswith(b"HTTP/1.1 101 "))
        return client

    def assertClosed(self, client: Client, code: bytes) -> None:
        """
        It was told that it is over, and why.
        """
        [(opcode, payload)] = [frame for frame in client.frames() if frame[0] != PING]
        self.assertEqual((opcode, payload[:2]), (CLOSE, code), payload)

    def assertLeft(self, client: Client) -> None:
        """
        The connection is gone, and nothing of it is left.
        """
        self.assertFalse(client.connection.connected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class MessageTests(IncomingCase):
    """
    How large a message may be, and of how many pieces.
    """

    def test_fragments(self) -> None:
        """A message may come in pieces, with others' questions in between."""
        client = self.client()
        client.connection.receive(fragment(b"on", first=True))
        client.send(b"there?", PING)
        client.connection.receive(fragment(b"") + fragment(b"e", last=True))
        self.assertEqual(self.process.typed, [b"one"])
        self.assertEqual(client.frames(), [(PONG, b"there?")])

    def test_anyCut(self) -> None:
        """However it is cut on its way, it is the same."""
        client = self.client()
        said = fragment(b"o", first=True) + fragment("né".encode(), last=True) + masked(b"two")
        for at in range(len(said)):
            client.connection.receive(said[at : at + 1])
        self.assertEqual(self.process.typed, ["oné".encode(), b"two"])

    def test_mostFragments(self) -> None:
        """A message of too many frames closes with 1008, also where they are empty."""
        client = self.client()
        frames = fragment(b"", first=True) + fragment(b"") * (FRAGMENTS - 2)
        client.connection.receive(frames + fragment(b"x", last=True))
        self.assertEqual(self.process.typed, [b"x"])
        client.connection.receive(frames + fragment(b"") * 2)
        self.assertClosed(client, POLICY)

    def test_tooBigTogether(self) -> None:
        """Frames that are too long together close with 1009."""
        client = self.client()
        client.connection.receive(fragment(bytes(MESSAGE_BYTES), first=True) + fragment(b""))
        client.connection.receive(fragment(b"x"))
        self.assertClosed(client, TOO_BIG)

    def test_ignored(self) -> None:
        """What nobody listens to is not kept, and no sooner an end to anything."""
        client = self.client(b"")
        client.connection.receive(fragment(bytes(MESSAGE_BYTES), first=True))
        self.assertEqual(client.connection.protocol._message, b"")  # type: ignore[attr-defined] # it is of ours
        client.connection.receive(fragment(b"", last=True))
        client.send(b"", PING)
        self.assertEqual(client.frames(), [(PONG, b"")])
        self.assertEqual(self.process.typed, [])

    def test_huge(self) -> None:
        """
        Of a frame that is too long little is read: its client is told at its head, waits
        where it goes on, and is cut.
        """
        client = self.client()
        client.connection.receive(head(20_000_000))
        self.assertClosed(client, TOO_BIG)
        for _ in range(LINGER_BYTES // 0x10000):
            client.connection.receive(bytes(0x10000))
            self.assertTrue(client.connection.reading)
        client.connection.receive(b"x")
        self.assertFalse(client.connection.reading)
        self.reactor.advance(LINGER_SECONDS)
        self.assertTrue(client.connection.aborted)
        self.assertLeft(client)

    def test_hugeAnswered(self) -> None:
        """One that answers instead is let go at once."""
        client = self.client()
        client.connection.receive(head(20_000_000) + bytes(20_000))
        self.assertClosed(client, TOO_BIG)
        self.assertEqual(self.process.typed, [])
        client.connection.lose()
        self.assertLeft(client)


class TimeTests(IncomingCase):
    """
    How long a message may take.
    """

    def drip(self, client: Client, data: bytes) -> int:
        """
        Send a byte a second until it is over; returns how many those were.
        """
        for at in range(len(data)):
            client.connection.receive(data[at : at + 1])
            self.reactor.advance(1)
            client.connection.flush()
            if CLOSE in {opcode for opcode, _ in decode(bytes(client.connection.taken))}:
                return at + 1
        raise AssertionError("it is never over")

    def test_dripped(self) -> None:
        """A message that comes a byte a second is given up, whatever part of it that is."""
        for said in (
            masked(b"x" * 100),
            head(MESSAGE_BYTES) + bytes(100),
            (fragment(b"", first=True) + fragment(b"") * 20),
            masked(b"x" * 100, PING),
        ):
            client = self.client()
            self.assertEqual(self.drip(client, said), MESSAGE_SECONDS, said)
            self.assertClosed(client, POLICY)
            client.connection.lose()
            self.assertLeft(client)

    def test_unhurried(self) -> None:
        """Who sends whole messages may do that as slowly as they like."""
        client = self.client()
        for _ in range(100):
            client.send(b"x")
            self.reactor.advance(1)
            client.send(b"", PONG)
        self.assertEqual(len(self.process.typed), 100)
        self.assertEqual({opcode for opcode, _ in client.frames()}, {PING})

    def test_programWaits(self) -> None:
        """While the program does not read, it is not the client who is slow."""
        client = self.client()
        self.process.room = 1
        client.send(b"a")
        client.send(b"b")
        client.connection.receive(fragment(b"c", first=True))
        for _ in range(100):
            self.reactor.advance(1)
            client.connection.flush()
        self.assertTrue(client.connection.connected)
        self.assertFalse(client.connection.reading)
        self.process.read()
        self.reactor.advance(0)
        self.assertTrue(client.connection.reading)
        client.connection.receive(fragment(b"d", last=True))
        self.assertEqual(self.process.typed, [b"a", b"b", b"cd"])

    def test_gone(self) -> None:
        """A client that goes in the middle leaves no timer."""
        client = self.client()
        client.connection.receive(fragment(b"x", first=True))
        client.connection.lose()
        self.assertLeft(client)


class FloodTests(IncomingCase):
    """
    Clients that send as fast as they can.
    """

    def test_pings(self) -> None:
        """Answers to who does not read them are not kept, but for the last."""
        client = self.client()
        client.connection.flush(0)
        for number in range(10_000):
            client.send(b"%0100d" % number, PING)
        waiting = len(client.connection.dataBuffer) + client.connection._tempDataLen
        self.assertLess(waiting, 200_000)
        client.connection.room = 1 << 30
        frames = client.frames()
        self.assertEqual({opcode for opcode, _ in frames}, {PONG})
        self.assertLess(len(frames), 2000)
        self.assertEqual(int(frames[-1][1]), 9999)
        client.send(b"still there?", PING)
        self.assertEqual(client.frames(), [(PONG, b"still there?")])

    def test_inTurn(self) -> None:
        """What takes long to read is read in parts, and others have their turn."""

        class Slow(FakeProcess):
            def write(process, data: bytes) -> None:  # there is a self already
                FakeProcess.write(process, data)
                self.reactor.rightNow += SLICE

        self.process = Slow()
        flooding, quiet = self.client(), self.client()
        frame = masked(b"x" * (PIECE - 8))
        flooding.connection.receive(frame * 4)
        self.assertEqual(len(self.process.typed), 1)
        self.assertFalse(flooding.connection.reading)
        quiet.send(b"hello")
        self.reactor.advance(0)
        self.assertLess(self.process.typed.index(b"hello"), 3)
        self.assertTrue(quiet.connection.reading)
        self.assertEqual(len(self.process.typed), 5)
        self.assertTrue(flooding.connection.reading)

    def test_goneMeanwhile(self) -> None:
        """What was not read of a client that is gone is nobody's."""
        client = self.client()
        self.process.room = 0
        client.send(b"x")
        client.connection.receive(masked(b"y") * 10_000)
        client.connection.lose()
        self.process.read()
        self.assertLeft(client)

    def test_failing(self) -> None:
        """Where reading fails that is said, and is the end of that client alone."""
        client, other = self.client(), self.client()

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        client.connection.protocol.onFrameBegin = fail  # type: ignore[attr-defined] # Autobahn's
        client.send(b"x")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(client.connection.aborted)
        other.send(b"y")
        self.assertEqual(self.process.typed, [b"y"])
