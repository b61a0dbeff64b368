"""
Lines over plain HTTP.
"""

from __future__ import annotations

import json

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.lines.bounds import Bounds
from tests.support.websockets import Client, FakeProcess, consoles, get

EVENTS = {b"Host": b"127.0.0.1", b"Accept": b"text/event-stream"}


def unchunked(data: bytes) -> tuple[bytes, bool]:
    """
    The content of a chunked body, and whether it is complete.
    """
    content = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return content, True
        assert data[length : length + 2] == b"\r\n"
        content += data[:length]
        data = data[length + 2 :]
    return content, False


class LogsTestCase(SynchronousTestCase):
    """
    A process with lines, and clients in memory.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.process = FakeProcess()
        self.console = self.process.console

    def lines(self, first: int, last: int) -> None:
        """
        So many lines; every third is of stderr.
        """
        for n in range(first, last + 1):
            self.console.received("stderr" if n % 3 == 0 else "stdout", b"%d\n" % n, 1)

    def ask(self, query: bytes = b"", **kw: object) -> tuple[bytes, Client]:
        """
        Ask for lines; the head, and the client that has the body.
        """
        client = Client(self.reactor, self.process)
        head = client.ask(get(b"/logs" + query, **kw))  # type: ignore[arg-type] # passed on
        return head, client

    def body(self, query: bytes = b"", **kw: object) -> bytes:
        """
        What is answered, at once.
        """
        head, client = self.ask(query, **kw)
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        self.assertIn(b"Content-Length: %d\r\n" % len(client.connection.taken), head + b"\r\n")
        return bytes(client.connection.taken)

    def content(self, client: Client) -> bytes:
        """
        What has come so far.
        """
        client.connection.flush()
        content, complete = unchunked(bytes(client.connection.taken))
        self.assertFalse(complete)
        return content

    def assertNothingLeft(self) -> None:
        """
        No reader and no timer is left.
        """
        self.assertFalse(self.console._readers)
        self.assertEqual(len(self.console._budget), 0)
        self.assertEqual(self.console._budget.queued, 0)
        calls = [call for call in self.reactor.getDelayedCalls() if call.getTime() < 50]
        self.assertEqual(calls, [])  # the HTTP channel has its own, later ones


class KeptTests(LogsTestCase):
    """
    What is kept.
    """

    def test_text(self) -> None:
        """
        All kept lines, or the last of some streams, as text.
        """
        self.lines(1, 9)
        head, client = self.ask()
        self.assertIn(b"Content-Type: text/plain; charset=utf-8", head)
        self.assertEqual(client.connection.taken, b"1\n2\n3\n4\n5\n6\n7\n8\n9\n")
        self.assertEqual(self.body(b"?tail=2"), b"8\n9\n")
        self.assertEqual(self.body(b"?tail=0"), b"")
        self.assertEqual(self.body(b"?tail=2&stream=stderr"), b"6\n9\n")
        self.assertEqual(self.body(b"?stream=stderr&stream=smartmob"), b"3\n6\n9\n")

    def test_none(self) -> None:
        """
        A process without lines has an empty log.
        """
        self.assertEqual(self.body(), b"")

    def test_json(self) -> None:
        """
        One JSON document a line.
        """
        self.lines(1, 9)
        head, client = self.ask(b"?format=json&tail=3")
        self.assertIn(b"Content-Type: application/x-ndjson", head)
        documents = [json.loads(line) for line in client.connection.taken.splitlines()]
        self.assertEqual([d["seq"] for d in documents], [7, 8, 9])
        self.assertEqual(documents[2]["stream"], "stderr")

    def test_head(self) -> None:
        """
        HEAD says the same without a body, also where lines would follow.
        """
        self.lines(1, 9)
        head, client = self.ask(method=b"HEAD")
        self.assertIn(b"Content-Length: 18", head)
        self.assertEqual(client.connection.taken, b"")
        head, client = self.ask(b"?follow=1", method=b"HEAD")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        self.assertEqual(client.connection.taken, b"")
        self.assertNothingLeft()

    def test_badQuery(self) -> None:
        """
        A value that makes no sense is refused.
        """
        for query in (b"?tail=x", b"?tail=-1", b"?follow=maybe", b"?format=xml"):
            with self.subTest(query=query):
                head, client = self.ask(query)
                self.assertTrue(head.startswith(b"HTTP/1.1 400 "), head)
                self.assertIn(b'"bad-query"', bytes(client.connection.taken))

    def test_eventsOnce(self) -> None:
        """
        Server-sent events that are not to go on end.
        """
        self.lines(1, 2)
        body = self.body(b"?follow=0", headers=EVENTS)
        self.assertEqual(body, b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n")


class FollowTests(LogsTestCase):
    """
    What is still to come.
    """

    def test_text(self) -> None:
        """
        Lines come as they are read, from the answer's head on, until the process is
        deleted.
        """
        head, client = self.ask(b"?follow=1")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        self.assertIn(b"chunked", head)
        self.lines(1, 2)
        self.assertEqual(self.content(client), b"1\n2\n")
        self.lines(3, 4)
        self.console.finish()
        self.assertEqual(self.content(client), b"1\n2\n3\n4\n")
        self.console.deleted()
        client.connection.flush()
        self.assertEqual(unchunked(bytes(client.connection.taken)), (b"1\n2\n3\n4\n", True))
        self.assertNothingLeft()

    def test_keptFirst(self) -> None:
        """
        All kept lines come first unless a number of them is given.
        """
        self.lines(1, 3)
        _, every = self.ask(b"?follow=1")
        _, last = self.ask(b"?follow=1&tail=1")
        _, after = self.ask(b"?follow=1&after=1&format=json")
        self.lines(4, 4)
        self.assertEqual(self.content(every), b"1\n2\n3\n4\n")
        self.assertEqual(self.content(last), b"3\n4\n")
        numbers = [json.loads(line)["seq"] for line in self.content(after).splitlines()]
        self.assertEqual(numbers, [2, 3, 4])

    def test_events(self) -> None:
        """
        Server-sent events go on, with a comment every 15 s.
        """
        self.lines(1, 1)
        head, client = self.ask(headers=EVENTS)
        self.assertIn(b"Content-Type: text/event-stream", head)
        self.assertEqual(self.content(client), b"id: 1\ndata: 1\n\n")
        client.connection.taken.clear()
        for _ in range(30):
            self.reactor.advance(1)
        self.assertEqual(self.content(client), b":\n\n" * 2)
        client.connection.lose()
        self.assertNothingLeft()

    def test_reconnect(self) -> None:
        """
        A browser that comes back gets what it has not seen; with a number from another
        run of the agent, everything.
        """
        self.lines(1, 5)
        _, client = self.ask(b"?tail=1", headers=EVENTS | {b"Last-Event-ID": b"3"})
        self.assertEqual(self.content(client), b"id: 4\ndata: 4\n\nid: 5\ndata: 5\n\n")
        _, client = self.ask(headers=EVENTS | {b"Last-Event-ID": b"300"})
        self.assertEqual(self.content(client).count(b"id:"), 5)
        _, client = self.ask(b"?tail=1", headers=EVENTS | {b"Last-Event-ID": b"x"})
        self.assertEqual(self.content(client), b"id: 5\ndata: 5\n\n")

    def test_lost(self) -> None:
        """
        A client that goes leaves nothing, whatever it was at.
        """
        for room in (0, 1 << 40):
            _, client = self.ask(b"?follow=1", headers=EVENTS)
            client.connection.flush(room)
            for _ in range(100):
                self.console.received("stdout", b"x" * 9999 + b"\n", 1)
            client.connection.lose()
            self.assertNothingLeft()
            self.lines(1, 1)

    def test_tooMany(self) -> None:
        """
        Beyond the bound a follower is refused, and nothing else.
        """
        self.process.console = self.console = consoles(bounds=Bounds(readers=1)).open(
            "a.b", State.RUNNING
        )
        self.ask(b"?follow=1")
        head, _ = self.ask(b"?follow=1")
        self.assertTrue(head.startswith(b"HTTP/1.1 503 "), head)
        self.assertIn(b"application/problem+json", head)
        self.assertNotIn(b"text/plain", head)
        self.assertEqual(self.body(), b"")

    def slow(self, query: bytes, **kw: object) -> Client:
        """
        A client that takes nothing of a thousand lines, with a bound of a hundred.
        """
        several = consoles(bounds=Bounds(queue=10_000))
        self.process.console = self.console = several.open("a.b", State.RUNNING)
        _, client = self.ask(query, **kw)
        client.connection.flush(0)
        for n in range(2000):
            self.console.received("stdout", b"%099d\n" % n, 1)
        return client

    def test_slowText(self) -> None:
        """
        A slow follower of text gets what was queued, without a hole, and then an end
        that is none.
        """
        client = self.slow(b"?follow=1")
        client.connection.flush(1 << 40)
        content, complete = unchunked(bytes(client.connection.taken))
        numbers = [int(line) for line in content.split()]
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertGreater(len(numbers), 100)
        self.assertFalse(complete)
        self.assertFalse(client.connection.connected)
        self.assertNothingLeft()

    def test_slowTold(self) -> None:
        """
        Slow followers that can be told are told how much they missed.
        """
        client = self.slow(b"?follow=1&format=json")
        client.connection.room = 1 << 40
        client.connection.flush()
        documents = [json.loads(line) for line in self.content(client).splitlines()]
        missed = sum(document.get("missed", 0) for document in documents)
        lines = sum("seq" in document for document in documents)
        self.assertGreater(missed, 1000)
        self.assertEqual(missed + lines, 2000)
        client = self.slow(b"", headers=EVENTS)
        client.connection.room = 1 << 40
        client.connection.flush()
        self.assertIn(
            b'event: dropped\ndata: {"event":"dropped","missed":', self.content(client)
        )

    def test_takesNothing(self) -> None:
        """
        Who takes nothing of what waits is cut; an idle follower stays.
        """
        _, idle = self.ask(b"?follow=1")
        text, told = self.slow(b"?follow=1"), self.slow(b"?follow=1&format=json")
        for second in range(1, 121):
            self.reactor.advance(1)
            self.assertEqual(bool(text.connection.connected), second < 30, second)
            self.assertEqual(bool(told.connection.connected), second < 75, second)
        self.assertTrue(idle.connection.connected)

    def test_agentEnds(self) -> None:
        """
        The agent's end finishes the answer.
        """
        _, client = self.ask(b"?follow=1")
        self.lines(1, 1)
        self.console.shut()
        client.connection.flush()
        self.assertEqual(unchunked(bytes(client.connection.taken)), (b"1\n", True))
