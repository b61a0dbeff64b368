"""
WebSockets at the console of a process.
"""

from __future__ import annotations

import json
from typing import cast

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ITransport
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.protocols.policies import WrappingFactory
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel
from twisted.web.server import NOT_DONE_YET
from twisted.web.test.requesthelper import DummyChannel
from zope.interface.verify import verifyObject

from smartmob.documents import LastExit, State
from smartmob.lines.bounds import Bounds
from smartmob.web.caller import ANYBODY
from smartmob.web.channel import Channel
from smartmob.web.console import Carrier, ConsoleSockets
from smartmob.web.query import ConsoleQuery
from smartmob.web.site import Request
from smartmob.web.visits import Visits
from tests.support.websockets import (
    ACCEPT,
    UPGRADE,
    Client,
    FakeProcess,
    MemoryConnection,
    Visit,
    consoles,
    decode,
    get,
    lines_site,
    masked,
)

CLOSE, PING, PONG = 8, 9, 10


class ConsoleTestCase(SynchronousTestCase):
    """
    A process, its console, and clients in memory.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.process = FakeProcess()
        self.console = self.process.console

    def bound(self, **bounds: int) -> None:
        """
        Give the process a console with other bounds.
        """
        self.consoles = consoles(bounds=Bounds(**bounds))
        self.process = FakeProcess(self.consoles.open("shop.web.0", State.RUNNING))
        self.console = self.process.console

    def client(self, query: bytes | None = None) -> Client:
        """
        A client, attached if a query is given.
        """
        client = Client(self.reactor, self.process)
        if query is not None:
            head = client.attach(query)
            self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        return client

    def advance(self, seconds: float) -> None:
        """
        Let time pass.
        """
        for _ in range(int(seconds)):
            self.reactor.advance(1)


class AttachTests(ConsoleTestCase):
    """
    From the handshake to the lines.
    """

    def test_lines(self) -> None:
        """
        A client is answered with 101 and gets each line as a text frame.
        """
        client = self.client()
        head = client.attach()
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        self.assertIn(b"Sec-WebSocket-Accept: " + ACCEPT, head)
        self.assertIn(b"X-Request-Id: abc", head)
        self.assertNotIn(b"Server", head)
        self.console.received("stdout", b"one\ntwo\nthr", 7)
        self.assertEqual(client.texts(), [b"one", b"two"])
        self.console.received("stdout", b"ee\n", 7)
        self.assertEqual(client.texts(), [b"three"])

    def test_tail(self) -> None:
        """
        The kept lines that were asked for come first.
        """
        self.console.received("stdout", b"1\n2\n3\n", 7)
        self.console.received("stderr", b"4\n", 7)
        client = self.client(b"?tail=2&stream=stdout")
        self.console.received("stderr", b"5\n", 7)
        self.console.received("stdout", b"6\n", 7)
        self.assertEqual(client.texts(), [b"2", b"3", b"6"])

    def test_json(self) -> None:
        """
        A JSON client is told where it stands, then each line and event, in order.
        """
        self.console.received("stdout", b"0\n", 7)
        client = self.client(b"?format=json&after=0")
        self.console.received("stdout", b"a\nb", 7)
        self.console.finish()
        self.console.exited(LastExit(code=None, signal="KILL", at=2, ran_seconds=0.25), 7)
        self.console.state(State.BACKOFF, "it ended")
        self.console.deleted()
        *frames, close = client.frames()
        documents = [json.loads(payload) for _, payload in frames]
        line = {"time": "1970-01-01T00:00:01.500Z", "stream": "stdout", "pid": 7}
        self.assertEqual(
            documents,
            [
                {
                    "event": "attached",
                    "slug": "shop.web.0",
                    "state": "running",
                    "epoch": "this",
                    "next": 2,
                },
                {"seq": 1, "line": "0", **line},
                {"seq": 2, "line": "a", **line},
                {"seq": 3, "line": "b", **line},
                {
                    "event": "exited",
                    "time": "1970-01-01T00:00:02.000Z",
                    "pid": 7,
                    "code": None,
                    "signal": "KILL",
                    "ran_seconds": 0.25,
                },
                {"event": "state", "state": "backoff", "reason": "it ended"},
                {"event": "deleted"},
            ],
        )
        self.assertEqual(close, (CLOSE, b"\x03\xe8process deleted"))

    def test_refusedHandshakes(self) -> None:
        """
        A handshake that is none, or not one of version 13, is answered with 426, as
        a problem document, and says which version is spoken.
        """
        wrong: list[dict[bytes, bytes | None]] = [
            {b"Upgrade": None},
            {b"Upgrade": b"h2c"},
            {b"Connection": None},
            {b"Connection": b"close"},
            {b"Sec-WebSocket-Version": None},
            {b"Sec-WebSocket-Version": b"8"},
            {b"Sec-WebSocket-Version": b"x"},
            {b"Sec-WebSocket-Key": None},
            {b"Sec-WebSocket-Key": b"short"},
            {b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25j\xff\xff=="},
        ]
        for change in wrong:
            headers = {k: v for k, v in (UPGRADE | change).items() if v is not None}
            with self.subTest(change=change):
                client = self.client()
                head = client.ask(get(b"/attach", headers))
                self.assertTrue(head.startswith(b"HTTP/1.1 426 "), head)
                self.assertIn(b"application/problem+json", head)
                self.assertIn(b"sec-websocket-version: 13", head.lower())
                self.assertNotIn(b"html", bytes(client.connection.taken))
                self.assertIn(b'"code": "upgrade-required"', bytes(client.connection.taken))

    def test_oldHttp(self) -> None:
        """
        There is no WebSocket over HTTP/1.0.
        """
        client = self.client()
        head = client.ask(get(b"/attach", UPGRADE).replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.assertIn(b" 426 ", head)

    def test_carrier(self) -> None:
        """
        What Autobahn is given as its transport is one.
        """
        client = self.client(b"")
        carrier = Carrier(client.connection)
        verifyObject(ITransport, carrier)
        carrier.writeSequence([b"\x81", b"\x01a"])
        self.assertEqual(client.texts(), [b"a"])

    def test_oddHeaders(self) -> None:
        """
        What Autobahn would stumble over does no harm to a valid handshake.
        """
        odd = {
            b"Host": b"127.0.0.1:http",
            b"Origin": b"http://[",
            b"Sec-WebSocket-Extensions": b"permessage-deflate; client_max_window_bits=99",
            b"Sec-WebSocket-Protocol": b"a, a",
            b"X-Odd": b"\xff\xfe",
        }
        client = self.client()
        head = client.ask(get(b"/attach?x=%ff#fragment", UPGRADE | odd))
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        self.assertNotIn(b"Extensions", head)
        self.console.received("stdout", b"x" * 100 + b"\n", 7)
        self.assertEqual(client.texts(), [b"x" * 100])

    def test_badQuery(self) -> None:
        """
        A value that makes no sense is refused before the handshake; a parameter that
        is not known is ignored.
        """
        for query in (
            b"?tail=-1",
            b"?tail=x",
            b"?tail=",
            b"?tail=1.5",
            b"?tail=" + b"9" * 2000,
            b"?after=%2B1",
            b"?after=1&after=-1",
            b"?format=xml",
            b"?stdin=yes",
        ):
            with self.subTest(query=query):
                head = self.client().attach(query)
                self.assertTrue(head.startswith(b"HTTP/1.1 400 "), head)
        self.client(b"?colour=blue&tail=99999999999999999999")

    def test_tooManyReaders(self) -> None:
        """
        Beyond the bound a handshake is answered with 503, until a place is free.
        """
        self.bound(readers=1)
        first = self.client(b"")
        head = self.client().attach()
        self.assertTrue(head.startswith(b"HTTP/1.1 503 "), head)
        first.connection.lose()
        self.client(b"")

    def test_frameBehindTheHandshake(self) -> None:
        """
        What came in one piece with the handshake is not lost.
        """
        client = self.client()
        client.ask(get(b"/attach?stdin=1", UPGRADE) + masked(b"early"))
        self.assertEqual(self.process.typed, [b"early"])

    def test_wrapped(self) -> None:
        """
        It works behind a protocol wrapper, which sees the end of the connection.
        """
        site = lines_site(self.reactor, self.process)
        factory = WrappingFactory(site)
        protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        assert protocol is not None
        connection = MemoryConnection(self.reactor, protocol)
        connection.receive(get(b"/attach", UPGRADE))
        connection.taken.clear()
        self.console.received("stdout", b"one\n", 7)
        self.assertEqual(bytes(connection.taken), b"\x81\x03one")
        self.assertEqual(len(factory.protocols), 1)
        connection.lose()
        self.assertEqual(len(factory.protocols), 0)

    def test_realClient(self) -> None:
        """
        Autobahn's own client understands it, from the handshake to the close.
        """
        events: list[object] = []

        class Recorder(WebSocketClientProtocol):
            def onOpen(self) -> None:
                events.append("open")

            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                events.append((payload, isBinary))

            def onClose(self, wasClean: bool, code: int, reason: str) -> None:
                events.append((wasClean, code, reason))

        factory = WebSocketClientFactory("ws://h.invalid:80/attach", reactor=self.reactor)
        factory.protocol = Recorder
        address = IPv4Address("TCP", "127.0.0.1", 80)
        site = lines_site(self.reactor, self.process)
        server, client = site.buildProtocol(address), factory.buildProtocol(address)
        pump = iosim.connect(
            server,
            iosim.FakeTransport(server, True, address, address),
            client,
            iosim.FakeTransport(client, False, address, address),
        )
        for _ in range(10):
            self.reactor.advance(0.1)
            pump.flush()
        self.console.received("stdout", "żółw\n".encode() + b"x" * 70_000 + b"\n", 7)
        pump.flush()
        self.console.deleted()
        pump.flush()
        self.assertEqual(
            events,
            [
                "open",
                ("żółw".encode(), False),
                (b"x" * 70_000, False),
                (True, 1000, "process deleted"),
            ],
        )


class EndingTests(ConsoleTestCase):
    """
    How an attachment ends.
    """

    def test_deleted(self) -> None:
        """
        A delete closes with 1000, and once the client has answered the connection
        is closed.
        """
        client = self.client(b"")
        self.console.deleted()
        self.assertEqual(client.frames(), [(CLOSE, b"\x03\xe8process deleted")])
        client.send(b"\x03\xe8", CLOSE)
        self.assertFalse(client.connection.connected)
        self.assertFalse(client.connection.aborted)
        self.assertNothingLeft()

    def test_agentEnds(self) -> None:
        """
        The agent's end closes with 1001.
        """
        client = self.client(b"")
        self.console.shut()
        [(opcode, payload)] = client.frames()
        self.assertEqual((opcode, payload[:2]), (CLOSE, b"\x03\xe9"))

    def test_closedByClient(self) -> None:
        """
        A client that closes is answered, and gets no more frames.
        """
        client = self.client(b"")
        client.send(b"\x03\xe8bye", CLOSE)
        self.console.received("stdout", b"late\n", 7)
        self.assertEqual(client.frames(), [(CLOSE, b"\x03\xe8bye")])
        self.assertFalse(client.connection.connected)
        self.assertNothingLeft()

    def test_lost(self) -> None:
        """
        A connection that breaks leaves no reader and no timer, whatever it was at.
        """
        for at in ("handshake", "idle", "behind", "typing", "closing"):
            with self.subTest(at=at):
                self.setUp()
                client = self.client(b"?stdin=1")
                if at == "behind":
                    client.connection.flush(0)
                    self.console.received("stdout", b"x" * 99 + b"\n" * 100_000, 7)
                elif at == "typing":
                    self.process.room = 0
                    client.send(b"too much")
                elif at == "closing":
                    self.console.deleted()
                client.connection.lose()
                self.assertNothingLeft()
                self.process.read()
                self.console.received("stdout", b"more\n", 7)
                self.assertNothingLeft()

    def test_lostBeforeTheHandshake(self) -> None:
        """
        A request whose client is gone already takes no place among the readers.
        """
        channel = DummyChannel()
        channel.site = lines_site(self.reactor, self.process)
        request = Request(cast(HTTPChannel, channel))
        request.way, request.request_id, request.started_at = Visit.way, "abc", 0.0
        request.caller, request.visits = ANYBODY, Visits()
        request.method, request.clientproto = b"GET", b"HTTP/1.1"
        for name, value in UPGRADE.items():
            request.requestHeaders.addRawHeader(name, value)
        sockets = ConsoleSockets(self.reactor)
        resource = sockets.resource(self.process, request, ConsoleQuery())
        self.assertEqual(len(self.console._budget), 1)
        request.channel = cast(Channel, None)
        self.assertEqual(resource.render(request), NOT_DONE_YET)
        self.assertNothingLeft()

    def test_takeOverFails(self) -> None:
        """
        A connection that can't be taken over is logged and closed.
        """

        def fail() -> None:
            raise ZeroDivisionError

        client = self.client()
        self.patch(client.connection, "unregisterProducer", fail)
        client.attach()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(client.connection.aborted)
        self.assertNothingLeft()

    def test_tooBig(self) -> None:
        """
        A message over 1 MiB closes with 1009, one of 1 MiB is taken.
        """
        client = self.client(b"?stdin=1")
        client.send(b"x" * (1 << 20))
        self.assertEqual(self.process.typed, [b"x" * (1 << 20)])
        client.send(b"x" * ((1 << 20) + 1))
        [(opcode, payload)] = client.frames()
        self.assertEqual((opcode, payload[:2]), (CLOSE, b"\x03\xf1"))
        client.send(b"more")
        self.assertEqual(len(self.process.typed), 1)

    def test_invalidText(self) -> None:
        """
        A text frame that is not UTF-8 closes with 1007.
        """
        client = self.client(b"?stdin=1")
        client.send(b"\xff\xfe")
        [(opcode, payload)] = client.frames()
        self.assertEqual((opcode, payload[:2]), (CLOSE, b"\x03\xef"))
        self.console.received("stdout", b"late\n", 7)
        self.assertEqual(client.frames(), [])
        self.assertFalse(client.connection.connected)
        self.assertNothingLeft()

    def test_noAnswer(self) -> None:
        """
        A client that does not answer a close frame is cut after 30 s.
        """
        client = self.client(b"")
        self.console.deleted()
        client.connection.flush()
        self.advance(29)
        self.assertTrue(client.connection.connected)
        self.advance(31)
        self.assertTrue(client.connection.aborted)
        self.assertNothingLeft()

    def test_quiet(self) -> None:
        """
        What clients do wrong is nothing that an operator has to be warned of.
        """
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.test_invalidText()
        self.setUp()
        self.test_lost()
        self.setUp()
        self.test_noAnswer()
        loud = [event for event in events if event["log_level"] >= LogLevel.warn]
        self.assertEqual(loud, [])

    def test_failing(self) -> None:
        """
        An exception while attaching, or while input is passed on, is logged and
        closes with 1011.
        """

        class Broken(FakeProcess):
            def write(self, data: bytes) -> None:
                raise ZeroDivisionError

        client = self.client()

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(client.connection, "registerProducer", fail)
        client.connection.producer = None
        client.attach()
        self.assertEqual([frame[1][:2] for frame in client.frames()], [b"\x03\xf3"])
        self.process = Broken(self.console)
        client = self.client(b"?stdin=1")
        client.send(b"x")
        self.assertEqual([frame[1][:2] for frame in client.frames()], [b"\x03\xf3"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def assertNothingLeft(self) -> None:
        """
        No reader and no timer is left.
        """
        self.assertFalse(self.console._readers)
        self.assertEqual(self.console._budget.queued, 0)
        self.assertEqual(len(self.console._budget), 0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class SlowTests(ConsoleTestCase):
    """
    Clients that take little, or nothing.
    """

    def test_others(self) -> None:
        """
        A client that takes nothing slows neither the child nor another client, and
        costs no more than its bound.
        """
        self.bound(queue=1 << 20)
        stuck, live = self.client(b"?format=json"), self.client(b"")
        live.texts()
        stuck.connection.flush(0)
        chunk = b"".join(b"%060d\n" % n for n in range(1000))
        for _ in range(100):
            self.console.received("stdout", chunk, 7)
            self.assertEqual(len(live.texts()), 1000)
        self.assertLessEqual(self.consoles.queued, 1 << 20)
        self.assertLess(stuck.connection._tempDataLen, 1 << 19)
        self.assertFalse(self.console.blocked)

    def test_missed(self) -> None:
        """
        A JSON client that comes back to life is told exactly how many lines it missed,
        where they are missing.
        """
        self.bound(queue=1 << 18)
        client = self.client(b"?format=json")
        client.connection.flush(0)
        chunk = b"".join(b"%060d\n" % n for n in range(1000))
        for _ in range(50):
            self.console.received("stdout", chunk, 7)
        client.connection.room = 1 << 40
        documents = [json.loads(text) for text in client.texts()]
        self.console.received("stdout", b"last\n", 7)
        documents += [json.loads(text) for text in client.texts()]
        expected = 1
        told = 0
        for document in documents[1:]:
            if "seq" in document:
                self.assertEqual(document["seq"], expected)
                expected += 1
            else:
                self.assertEqual(document["event"], "dropped")
                told += document["missed"]
                expected += document["missed"]
        self.assertEqual(documents[-1]["line"], "last")
        self.assertEqual(expected, 50_002)
        self.assertGreater(told, 10_000)

    def test_plain(self) -> None:
        """
        A plain client is closed with 1013 once it got what was queued, in order and
        without a hole.
        """
        self.bound(queue=1 << 18)
        client = self.client(b"")
        client.connection.flush(0)
        for n in range(30_000):
            self.console.received("stdout", b"%060d\n" % n, 7)
        client.connection.room = 1 << 40
        *lines, (opcode, payload) = client.frames()
        self.assertEqual([int(line) for _, line in lines], list(range(len(lines))))
        self.assertGreater(len(lines), 4000)
        self.assertEqual((opcode, payload[:2]), (CLOSE, b"\x03\xf5"))
        self.assertEqual(len(self.consoles._budget), 0)

    def test_plainTakesNothing(self) -> None:
        """
        A plain client past its bound that takes nothing for 30 s is cut; one that
        takes a little is not.
        """
        self.bound(queue=1 << 18)
        dead, slow = self.client(b""), self.client(b"")
        for client in (dead, slow):
            client.connection.flush(0)
        for n in range(10_000):
            self.console.received("stdout", b"%060d\n" % n, 7)
        for _ in range(29):
            self.advance(1)
            slow.connection.flush(1)
        self.assertTrue(dead.connection.connected)
        self.advance(1)
        self.assertTrue(dead.connection.aborted)
        self.assertTrue(slow.connection.connected)
        for _ in range(50):
            slow.connection.flush(1)
            self.advance(10)
        self.assertTrue(slow.connection.connected)
        self.advance(60)
        self.assertTrue(slow.connection.aborted)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_silent(self) -> None:
        """
        A client that answers no ping and takes nothing is cut 60 s after the first
        one; one that answers stays.
        """
        silent, answering = self.client(b""), self.client(b"")
        for second in range(1, 76):
            self.advance(1)
            pings = [frame for frame in answering.frames() if frame[0] == PING]
            for _, payload in pings:
                answering.send(payload, PONG)
            self.assertEqual(bool(pings), second % 15 == 0)
            self.assertEqual(bool(silent.connection.connected), second < 75, second)
        self.assertTrue(silent.connection.aborted)
        self.assertTrue(answering.connection.connected)

    def test_behindButAlive(self) -> None:
        """
        A client whose answers are stuck behind a backlog is not cut as long as it takes
        of it.
        """
        client = self.client(b"?format=json")
        client.connection.flush(0)
        self.console.received("stdout", b"x" * 9999 + b"\n" * 100, 7)
        for _ in range(20):
            self.advance(29)
            client.connection.flush(1)
        self.assertTrue(client.connection.connected)
        self.advance(120)
        self.assertTrue(client.connection.aborted)

    def test_idleAgent(self) -> None:
        """
        Nobody attached means no timer.
        """
        self.console.received("stdout", b"x\n", 7)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_blocking(self) -> None:
        """
        Where the program's output blocks, it waits for the slowest reader, and no
        reader loses a line.
        """
        blocked: list[bool] = []
        self.console.on_blocked = blocked.append
        client, other = self.client(b"?format=json"), self.client(b"")
        client.texts()
        client.connection.flush(0)
        n = 0
        while not self.console.blocked:
            self.console.received("stdout", b"%060d\n" % n, 7)
            n += 1
        self.assertLess(n, 20_000)
        self.assertEqual(blocked, [True])
        client.connection.room = 1 << 40
        lines = [json.loads(text)["line"] for text in client.texts()]
        self.assertEqual([int(line) for line in lines], list(range(n)))
        self.assertEqual([int(line) for line in other.texts()], list(range(n)))
        self.assertEqual(blocked, [True, False])

    def test_blockingClientGone(self) -> None:
        """
        A program does not wait for a reader that is gone.
        """
        self.console.on_blocked = lambda blocked: None
        client = self.client(b"")
        client.connection.flush(0)
        while not self.console.blocked:
            self.console.received("stdout", b"x" * 9999 + b"\n", 7)
        client.connection.lose()
        self.assertFalse(self.console.blocked)


class InputTests(ConsoleTestCase):
    """
    What a client sends.
    """

    def test_typed(self) -> None:
        """
        Frames go to the program as they are.
        """
        client = self.client(b"?stdin=1")
        client.send(b"one\n")
        client.send(b"\x00\xff", opcode=2)
        self.assertEqual(self.process.typed, [b"one\n", b"\x00\xff"])

    def test_ignored(self) -> None:
        """
        Without C{stdin=1} they go nowhere.
        """
        client = self.client(b"")
        client.send(b"one\n")
        self.assertEqual(self.process.typed, [])
        self.assertTrue(client.connection.connected)

    def test_noInput(self) -> None:
        """
        Where the program takes none, the handshake is refused with 409.
        """
        self.process.takes_input = False
        client = self.client()
        head = client.attach(b"?stdin=1")
        self.assertTrue(head.startswith(b"HTTP/1.1 409 "), head)
        self.assertIn(b'"no-input"', bytes(client.connection.taken))
        self.client(b"")

    def test_notRunning(self) -> None:
        """
        What is sent while the program does not run is refused, never kept.
        """
        self.process.running = False
        client, plain = self.client(b"?stdin=1&format=json"), self.client(b"?stdin=1")
        client.texts()
        client.send(b"one\n")
        plain.send(b"one\n")
        self.assertEqual(client.texts(), [b'{"event":"stdin-refused"}'])
        self.assertEqual(plain.texts(), [])
        self.process.running = True
        client.send(b"two\n")
        self.assertEqual(self.process.typed, [b"two\n"])

    def test_full(self) -> None:
        """
        While the program does not read, the client is not read from; then all it sent
        arrives in order.
        """
        client = self.client(b"?stdin=1")
        self.process.room = 3
        client.connection.receive(masked(b"one") + masked(b"two") + masked(b"three"))
        self.assertEqual(self.process.typed, [b"one"])
        self.assertFalse(client.connection.reading)
        self.process.read(3)
        self.assertEqual(self.process.typed, [b"one", b"two"])
        self.assertFalse(client.connection.reading)
        self.process.read()
        self.assertEqual(self.process.typed, [b"one", b"two", b"three"])
        self.assertTrue(client.connection.reading)

    def test_fullIsNotSilent(self) -> None:
        """
        A client that is not read from is not cut for not answering.
        """
        client = self.client(b"?stdin=1")
        self.process.room = 0
        client.send(b"x")
        for _ in range(10):
            self.advance(30)
            client.frames()
        self.assertTrue(client.connection.connected)

    def test_fullThenEnded(self) -> None:
        """
        What waited when the program ended is refused.
        """
        client = self.client(b"?stdin=1&format=json")
        client.texts()
        self.process.room = 0
        client.send(b"x")
        client.send(b"y")
        self.process.running = False
        self.process.read()
        self.reactor.advance(0)
        self.assertEqual(client.texts(), [b'{"event":"stdin-refused"}'] * 2)
        self.assertTrue(client.connection.reading)


class DecodeTests(SynchronousTestCase):
    """
    The tests' own decoder of frames.
    """

    def test_lengths(self) -> None:
        """
        It knows the three forms of a length.
        """
        data = b"\x81\x01a" + b"\x81\x7e\x00\x80" + b"b" * 128
        data += b"\x81\x7f" + (70_000).to_bytes(8, "big") + b"c" * 70_000
        self.assertEqual([len(payload) for _, payload in decode(data)], [1, 128, 70_000])
