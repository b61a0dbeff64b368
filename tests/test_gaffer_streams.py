"""
gafferd's interface: outputs and inputs of programs.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from smartmob.lines.bounds import Bounds
from smartmob.lines.splitter import Splitter
from smartmob.web import console
from smartmob.web.gaffer import streams
from tests.support.gafferd import DUMMY, ECHO, FeedClient, GafferdTestCase
from tests.support.launching import FakeProgram
from tests.support.websockets import UPGRADE, get

CLOSE = 8


class StreamTests(GafferdTestCase):
    """
    Two programs, of which one takes input.
    """

    def setUp(self) -> None:
        super().setUp()
        self.load(DUMMY, ECHO)

    @property
    def dummy(self) -> FakeProgram:
        """
        The first program.
        """
        return self.launcher.programs[0]

    def test_longpoll(self) -> None:
        """
        Unless something else is asked for, the answer ends after what comes first.
        """
        for query in ("", "?feed=longpoll"):
            client = self.follow(f"/streams/1/stdout{query}")
            self.assertIn(b"application/octet-stream", client.head)
            self.dummy.output(b"STDERR\n", 2)
            self.assertEqual(client.body(), b"")
            self.dummy.output(b"one\ntwo\n")
            self.dummy.output(b"three\n")
            self.clock.advance(0)
            self.assertEqual((client.body(), client.is_over()), (b"one\ntwo\n", True))
        self.assertEqual(self.agent.consoles.readers, 0)

    def test_continuous(self) -> None:
        """
        Bytes come as they were written, until the program ends.
        """
        client = self.follow("/streams/1/stderr?feed=continuous")
        for chunk in (b"Name: ", b"\xff\r\n", b"bye"):
            self.dummy.output(chunk, 2)
        self.assertEqual(client.body(), b"Name: \xff\r\nbye")
        self.assertFalse(client.is_over())
        self.dummy.end(code=0)
        self.assertTrue(client.is_over())

    def test_longpollOver(self) -> None:
        """
        A program that ends without a word ends the answer, too.
        """
        client = self.follow("/streams/1/stdout")
        self.dummy.end(code=0)
        self.assertEqual((client.body(), client.is_over()), (b"", True))

    def test_events(self) -> None:
        """
        As server-sent events come whole lines, one each; the last one needs no end.
        """
        client = self.follow("/streams/1/stdout?feed=eventsource")
        self.assertIn(b"text/event-stream", client.head)
        for chunk in (b"on", b"e\ntwo\n", b"a\rb\n", b"last"):
            self.dummy.output(chunk)
        self.dummy.end(code=0)
        self.assertEqual(
            client.chunks(),
            [
                b"event: stdout\r\ndata: one\r\n\r\n",
                b"event: stdout\r\ndata: two\r\n\r\n",
                b"event: stdout\r\ndata: a\r\ndata: b\r\n\r\n",
                b"event: stdout\r\ndata: last\r\n\r\n",
            ],
        )

    def test_eventsAtOnce(self) -> None:
        """
        Each event is a chunk of its own, but many lines are not many writes.
        """
        client = self.follow("/streams/1/stdout?feed=eventsource")
        written: list[str] = []

        def count(name: str) -> None:
            real = getattr(client.connection, name)

            def counted(data: object) -> None:
                written.append(name)
                real(data)

            self.patch(client.connection, name, counted)

        count("write")
        count("writeSequence")
        self.dummy.output(b"y\n" * 1000)
        self.assertLess(len(written), 3)
        self.assertEqual(client.chunks(), [b"event: stdout\r\ndata: y\r\n\r\n"] * 1000)

    def test_eventsWithoutChunks(self) -> None:
        """
        A client that does not know chunks gets none.
        """
        client = FeedClient(self.clock, self.site)
        request = get(b"/streams/1/stdout?feed=eventsource").replace(b"HTTP/1.1", b"HTTP/1.0")
        client.ask(request)
        self.dummy.output(b"one\ntwo\n")
        client.connection.flush()
        self.assertEqual(
            bytes(client.connection.taken),
            b"event: stdout\r\ndata: one\r\n\r\nevent: stdout\r\ndata: two\r\n\r\n",
        )

    def test_eventsShared(self) -> None:
        """
        What has no line end yet is kept once, however many clients wait for it, and not
        at all when the last of them is gone.
        """
        made = 0

        class Counted(Splitter):
            """
            Counts how many there are.
            """

            def __init__(self) -> None:
                nonlocal made
                made += 1
                super().__init__()

        self.patch(streams, "Splitter", Counted)
        clients = [self.follow("/streams/1/stdout?feed=eventsource") for _ in range(3)]
        self.dummy.output(b"on")
        late = self.follow("/streams/1/stdout?feed=eventsource")
        self.dummy.output(b"e\n")
        for client in (*clients, late):
            self.assertEqual(client.chunks(), [b"event: stdout\r\ndata: one\r\n\r\n"])
        self.assertEqual(made, 1)
        for client in (*clients, late):
            client.connection.lose()
        self.dummy.output(b"tw")
        after = self.follow("/streams/1/stdout?feed=eventsource")
        self.dummy.output(b"o\n")
        self.assertEqual(after.chunks(), [b"event: stdout\r\ndata: o\r\n\r\n"])

    def test_heartbeat(self) -> None:
        """
        An empty line comes each so many seconds.
        """
        client = self.follow("/streams/1/stdout?feed=continuous&heartbeat=2")
        self.clock.pump([1] * 5)
        self.assertEqual(client.body(), b"\n\n")
        client = self.follow("/streams/1/stdout?feed=continuous&heartbeat=true")
        self.clock.pump([1] * 61)
        self.assertEqual(client.body(), b"\n")
        client = self.follow("/streams/1/stdout?heartbeat=1")
        self.clock.pump([1] * 2)
        self.assertEqual(client.body(), b"\n\n")
        client = self.follow("/streams/1/stdout?feed=eventsource&heartbeat=1")
        self.clock.pump([1] * 2)
        self.assertEqual(client.chunks(), [b":\r\n\r\n"] * 2)

    def test_noHeartbeat(self) -> None:
        """
        Nobody's bytes have empty lines in between that were not asked for.
        """
        for query in ("", "&heartbeat=false", "&heartbeat=0"):
            client = self.follow(f"/streams/1/stdout?feed=continuous{query}")
            self.clock.pump([1] * 70)
            self.assertEqual(client.body(), b"", query)

    def test_hangUp(self) -> None:
        """
        Who hangs up leaves nothing behind.
        """
        for form in ("longpoll", "continuous", "eventsource"):
            client = self.follow(f"/streams/1/stdout?feed={form}&heartbeat=1")
            client.connection.lose()
        self.assertEqual(self.agent.consoles.readers, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unknown(self) -> None:
        """
        A label or a number that there is not is 404; what can't be meant is 400.
        """
        for path, error in (
            ("1/stdxxx", (404, "io_not_found")),
            ("9/stdout", (404, "not_found")),
            ("x/stdout", (404, "not_found")),
            ("1/stdout?feed=x", (400, "bad_value")),
            ("1/stdout?heartbeat=x", (400, "bad_value")),
            ("1/stdout?heartbeat=-1", (400, "bad_value")),
            ("1/stdout?heartbeat=1.5", (400, "bad_value")),
            ("1/stdout?heartbeat=99999999999999999999999", (400, "bad_value")),
            (f"1/stdout?heartbeat={'0' * 20}99999", (400, "bad_value")),
        ):
            self.assertEqual(self.refused("GET", f"/streams/{path}"), error, path)

    def test_labels(self) -> None:
        """
        A stream goes by the label that its template gives it.
        """
        self.ok("POST", "/processes", {"name": "x", "cmd": "x", "redirect_output": ["a", "b"]})
        client = self.follow("/streams/3/b?feed=continuous")
        self.launcher.programs[-1].output(b"x", 2)
        self.assertEqual(client.body(), b"x")
        self.assertEqual(self.refused("GET", "/streams/3/stdout"), (404, "io_not_found"))

    def test_notRedirected(self) -> None:
        """
        Where a client has asked for no redirection, there are no streams.
        """
        self.ok("POST", "/processes", {"name": "x", "cmd": "x"})
        self.assertEqual(self.refused("GET", "/streams/3/stdout"), (400, "io_not_redirected"))
        self.assertEqual(self.refused("GET", "/wstreams/3"), (400, "io_not_redirected"))

    def test_head(self) -> None:
        """
        HEAD is answered at once.
        """
        answer = self.ask("HEAD", "/streams/1/stdout?feed=continuous")
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.agent.consoles.readers, 0)

    def test_stdin(self) -> None:
        """
        What is posted is a program's input, byte for byte, by either name.
        """
        echo = self.launcher.programs[1]
        for way in ("stdin", "ttin"):
            self.assertEqual(self.ok("POST", f"/streams/2/{way}", b"\xff\n"), {"ok": True})
        self.assertEqual(echo.input, b"\xff\n\xff\n")
        self.assertEqual(
            self.refused("POST", "/streams/1/stdin", "x"), (403, "forbidden_write")
        )
        self.assertEqual(self.refused("POST", "/streams/9/stdin", "x"), (404, "not_found"))

    def test_stdinFull(self) -> None:
        """
        A program that does not read is told from one that takes no input.
        """
        self.launcher.programs[1].takes_all = False
        self.ok("POST", "/streams/2/stdin", b"x" * 1_000_000)
        answer = self.refused("POST", "/streams/2/stdin", b"x" * 100_000)
        self.assertEqual(answer, (503, "stdin_full"))

    def socket(self, number: int) -> FeedClient:
        """
        A WebSocket.
        """
        client = FeedClient(self.clock, self.site)
        client.head = client.ask(get(f"/wstreams/{number}".encode(), UPGRADE))
        return client

    def test_socket(self) -> None:
        """
        A WebSocket carries text to a program, and lines of its first output back, with
        their ends, and at once what may be a question.
        """
        client = self.socket(2)
        self.assertTrue(client.head.startswith(b"HTTP/1.1 101 "), client.head)
        echo = self.launcher.programs[1]
        client.send(b"hello\n")
        self.assertEqual(echo.input, b"hello\n")
        echo.output(b"not this\n", 2)
        echo.output(b"hello\nyou\nName: \xc3")
        echo.output(b"\xa4\xff")
        self.assertEqual(
            client.texts(),
            [b"hello\n", b"you\n", b"Name: ", "\u00e4\ufffd".encode()],
        )
        echo.end(code=0)
        [(opcode, payload)] = client.frames()
        self.assertEqual((opcode, payload[2:]), (CLOSE, b"program ended"))

    def test_socketsShared(self) -> None:
        """
        What makes WebSockets is made with the first of them, once for both interfaces.
        """
        made = []

        class Counted(console.ConsoleSockets):
            """
            Counts how many there are.
            """

            def __init__(self, reactor: IReactorTime) -> None:
                made.append(self)
                super().__init__(reactor)

        self.patch(console, "ConsoleSockets", Counted)
        slug = self.agent.processes()[1].slug
        for path in ("/wstreams/2", f"/attach-console/{slug}") * 2:
            client = FeedClient(self.clock, self.both)
            head = client.ask(get(path.encode(), UPGRADE))
            self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        self.assertEqual(len(made), 1)

    def test_noSocket(self) -> None:
        """
        A WebSocket to what takes no input is refused, one to nothing too.
        """
        self.assertIn(b" 403 ", self.socket(1).head)
        self.assertIn(b" 404 ", self.socket(9).head)
        self.assertEqual(self.refused("GET", "/wstreams/2"), (426, "upgrade_required"))


class SlowReaderTests(GafferdTestCase):
    """
    Clients that do not read.
    """

    bounds = Bounds(queue=100_000)

    def test_cut(self) -> None:
        """
        A client that is too slow is cut off, so that it knows that bytes are missing.
        """
        self.load(DUMMY)
        program = self.launcher.programs[0]
        client = self.follow("/streams/1/stdout?feed=continuous")
        client.connection.flush(room=0)
        for _ in range(1000):
            program.output(b"x" * 999 + b"\n")
        self.assertLess(self.agent.consoles.queued, 200_000)
        client.connection.flush(room=1 << 30)
        self.assertFalse(client.is_over())
        self.assertFalse(client.connection.connected)
