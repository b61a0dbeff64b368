"""
Whatever a client of a WebSocket sends.
"""

from __future__ import annotations

from typing import cast

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smartmob.events import Topic
from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.stats import Usage
from tests.support.agents import FakeAgent
from tests.support.families import families
from tests.support.frame_grammar import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FLOODS,
    PING,
    PONG,
    TEXT,
    Reading,
    frame,
    read,
    streams,
)
from tests.support.fuzzing import tries
from tests.support.websockets import UPGRADE, MemoryConnection, decode, get

MANY = 400
"""Pings whose answers are more than is kept for a client."""

CONSOLE = b"/attach-console/myapp.web.0"

paths = st.sampled_from(
    [
        *(CONSOLE, CONSOLE + b"?stdin=1", CONSOLE + b"?stdin=1&format=json"),
        *(b"/attach-app/myapp", b"/attach-app/myapp?format=json", b"/events"),
    ]
)


class FramesTests(SynchronousTestCase):
    """
    What holds for every stream of bytes behind the handshake.
    """

    def setUp(self) -> None:
        self.said: list[LogEvent] = []
        listener = cast(ILogObserver, self.said.append)
        globalLogPublisher.addObserver(listener)
        self.addCleanup(globalLogPublisher.removeObserver, listener)

    def start(self) -> None:
        """An agent with a process, whose console somebody reads."""
        del self.said[:]
        self.reactor = MemoryReactorClock()
        self.agent = FakeAgent()
        self.process = self.agent.add(redirect_input=True)
        self.site = make_site(
            self.agent.real,
            self.reactor,
            measurements=Measurements(lambda measure: succeed(Usage())),
            families=families(),
        )
        self.other = self.attach(CONSOLE)

    def attach(self, path: bytes) -> MemoryConnection:
        """A client, attached."""
        protocol = self.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40_000))
        assert protocol is not None
        connection = MemoryConnection(self.reactor, protocol)
        connection.receive(get(path, UPGRADE))
        head, _, rest = bytes(connection.taken).partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        connection.taken[:] = rest
        return connection

    def frames(self, connection: MemoryConnection) -> list[tuple[int, bytes]]:
        """What a client was sent, all of it frames as a server's have to be."""
        connection.flush()
        taken = bytes(connection.taken)
        connection.taken.clear()
        return list(decode(taken))

    def send(self, connection: MemoryConnection, data: bytes, cuts: list[int]) -> None:
        """In pieces, until it is over."""
        while data and connection.connected:
            size = cuts.pop() if cuts else len(data)
            connection.receive(data[:size])
            data = data[size:]

    def check_sent(self, found: Reading, sent: list[tuple[int, bytes]], path: bytes) -> None:
        """What was sent is what a strict reader would have answered."""
        closes = [payload for opcode, payload in sent if opcode == CLOSE]
        pongs = [payload for opcode, payload in sent if opcode == PONG]
        if len(found.pings) < MANY:
            self.assertEqual(pongs, found.pings)
        else:  # of those that come faster than they are answered, the last is (RFC 6455, 5.5.3)
            self.assertEqual(pongs[-1:], found.pings[-1:])
            self.assertLessEqual(len(pongs), len(found.pings))
        self.assertLessEqual(len(closes), 1)
        if closes:
            self.assertEqual(sent[-1][0], CLOSE, "nothing follows a close frame")
        code = int.from_bytes(closes[0][:2], "big") if closes and closes[0] else None
        if found.wrong:
            self.assertIn(code, found.wrong)
        elif found.over:
            self.assertTrue(closes)
            self.assertEqual(code, found.closed)
        else:
            self.assertEqual(closes, [])
        typed = [asked[1] for asked in self.process.asked if isinstance(asked, tuple)]
        self.assertEqual(typed, found.messages if b"stdin=1" in path else [])

    def check_over(self, connection: MemoryConnection, found: Reading) -> None:
        """A connection that has to end does, also where the client does nothing more."""
        if found.over:
            self.assertFalse(connection.connected)
        elif found.wrong:
            for _ in range(100):
                self.reactor.advance(1)
                self.other.receive(frame(PONG))
            self.assertFalse(connection.connected)
        else:
            self.assertTrue(connection.connected)
            self.assertTrue(connection.reading)
            connection.lose()

    def check_others(self) -> None:
        """Nothing failed, and who did nothing wrong gets its lines."""
        self.frames(self.other)
        self.process.console.received("stdout", b"a line\n", 7)
        texts = [payload for opcode, payload in self.frames(self.other) if opcode == TEXT]
        self.assertEqual(texts, [b"a line"])
        self.other.lose()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        loud = [event for event in self.said if event["log_level"] >= LogLevel.warn]
        self.assertEqual(loud, [])
        self.assertEqual([event for event in self.said if "log_failure" in event], [])

    def attempt(self, path: bytes, data: bytes, cuts: list[int]) -> None:
        """
        Send some bytes while lines and events come.
        """
        self.start()
        connection = self.attach(path)
        self.frames(connection)
        self.send(connection, data, list(cuts))
        found = read(data)
        self.check_sent(found, self.frames(connection), path)
        self.process.console.received("stdout", b"one\n", 7)
        self.agent.events.publish(self.process.definition, Topic.UPDATE)
        if found.wrong or found.over:
            self.assertEqual(self.frames(connection), [])
        self.check_over(connection, found)
        self.check_others()

    @tries(250)
    @given(paths, streams, st.lists(st.integers(1, 40), max_size=10))
    @example(CONSOLE + b"?stdin=1", frame(TEXT, b"\xc3", fin=False) + frame(0, b"\xa4"), [])
    @example(CONSOLE, frame(TEXT, b"\xc3", fin=False) + frame(PING) + frame(0, b"\xc3"), [])
    @example(CONSOLE, frame(PING, fin=False), [])
    @example(CONSOLE, frame(PING, b"x" * 126), [])
    @example(CONSOLE, frame(CONTINUATION, b"x"), [])
    @example(CONSOLE, frame(TEXT, fin=False) + frame(TEXT), [])
    @example(CONSOLE, frame(BINARY, length=2**64 - 1, width=8), [])
    @example(CONSOLE, frame(BINARY, b"x", width=8), [])
    @example(CONSOLE, frame(BINARY, b"x", mask=None), [])
    @example(CONSOLE, frame(CLOSE, b"\3\xe8") + frame(TEXT, b"late"), [])
    @example(CONSOLE, frame(CLOSE, b"\3\xed"), [])
    @example(b"/events", frame(CLOSE) + frame(3), [])
    def test_anything(self, path: bytes, data: bytes, cuts: list[int]) -> None:
        """
        What is right is done, what is wrong ends the connection by the code that says so,
        and another client does not notice.
        """
        self.attempt(path, data, cuts)

    @tries(15)
    @given(paths, st.lists(st.sampled_from(list(FLOODS)), min_size=1, max_size=3))
    def test_floods(self, path: bytes, floods: list[str]) -> None:
        """The same where there is much of it."""
        self.attempt(path, b"".join(FLOODS[each] for each in floods), [])
