"""
The console of an app over HTTP: WebSockets and logs, through the whole web side.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.lines.bounds import Bounds
from smartmob.lines.console import Console
from smartmob.lines.consoles import Consoles
from smartmob.web.root import make_site
from smartmob.web.site import Site
from tests.support.agents import FakeAgent
from tests.support.websockets import UPGRADE, Client, MemoryConnection, get

CLOSE, PING = 8, 9
EVENTS = {b"Host": b"127.0.0.1", b"Accept": b"text/event-stream"}


class SiteClient(Client):
    """
    A client of the real site.
    """

    def __init__(self, reactor: MemoryReactorClock, site: Site) -> None:
        protocol = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        assert protocol is not None
        self.connection = MemoryConnection(reactor, protocol)


class AppTestCase(SynchronousTestCase):
    """
    An agent with an app of two processes.
    """

    def setUp(self) -> None:
        self.bound()

    def bound(self, **bounds: int) -> None:
        """
        Begin anew, with other bounds.
        """
        self.reactor = MemoryReactorClock()
        consoles = Consoles(epoch="this", now=lambda: 1767225600.5, bounds=Bounds(**bounds))
        self.agent = FakeAgent(consoles)
        self.site = make_site(self.agent.real, self.reactor)
        self.web = self.agent.add("shop", "web.0").console
        self.worker = self.agent.add("shop", "worker.0").console
        self.other = self.agent.add("other", "web.0").console

    def client(self) -> SiteClient:
        """
        A client that has asked for nothing yet.
        """
        return SiteClient(self.reactor, self.site)

    def attach(self, query: bytes = b"") -> SiteClient:
        """
        A client, attached.
        """
        client = self.client()
        head = client.ask(get(b"/attach-app/shop" + query, UPGRADE))
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        return client

    def ask(self, path: bytes, **kw: Any) -> tuple[bytes, SiteClient]:
        """
        Ask for lines; the head, and the client that has the body.
        """
        client = self.client()
        return client.ask(get(path, **kw)), client

    def refused(self, path: bytes, headers: dict[bytes, bytes] | None = None) -> Any:
        """
        The problem that is answered.
        """
        head, client = self.ask(path, headers=headers)
        self.assertIn(b"application/problem+json", head)
        return json.loads(bytes(client.connection.taken))

    def say(self, console: Console, text: bytes) -> None:
        """
        Have a program say this.
        """
        console.received("stdout", text, 7)


class AttachTests(AppTestCase):
    """
    WebSockets.
    """

    def test_lines(self) -> None:
        """
        Lines of all processes of the app come as text frames, each with its node.
        """
        client = self.attach()
        self.say(self.web, b"a\nb\n")
        self.say(self.other, b"no\n")
        self.worker.say("no such program")
        self.assertEqual(
            client.texts(),
            [b"web.0 | a", b"web.0 | b", b"worker.0 | smartmob: no such program"],
        )

    def test_formats(self) -> None:
        """
        C{json} and C{heroku}, and C{plain} by its name.
        """
        clients = {name: self.attach(b"?format=" + name) for name in (b"heroku", b"plain")}
        told = self.attach(b"?format=json&node=web.*")
        self.say(self.web, b"a\n")
        self.assertEqual(
            clients[b"heroku"].texts(), [b"2026-01-01T00:00:00+00:00 app[web.0]: a"]
        )
        self.assertEqual(clients[b"plain"].texts(), [b"web.0 | a"])
        attached, line = (json.loads(text) for text in told.texts())
        self.assertEqual(
            (attached["event"], attached["node"], attached["slug"]),
            ("attached", "web.0", "shop.web.0"),
        )
        self.assertEqual((line["node"], line["seq"], line["line"]), ("web.0", 1, "a"))

    def test_query(self) -> None:
        """
        Kept lines come first, of the chosen nodes and streams.
        """
        self.say(self.web, b"1\n2\n")
        self.worker.received("stderr", b"3\n4\n", 8)
        self.assertEqual(
            self.attach(b"?tail=3").texts(), [b"web.0 | 2", b"worker.0 | 3", b"worker.0 | 4"]
        )
        self.assertEqual(
            self.attach(b"?tail=3&stream=stdout").texts(), [b"web.0 | 1", b"web.0 | 2"]
        )
        both = self.attach(b"?tail=9&node=x&node=wor*&colour=blue")
        self.assertEqual(both.texts(), [b"worker.0 | 3", b"worker.0 | 4"])
        self.assertEqual(self.attach(b"?tail=9&node=x*").texts(), [])

    def test_scaling(self) -> None:
        """
        Processes come and go; the WebSocket stays, also when the last one is gone.
        """
        client, told = self.attach(), self.attach(b"?format=json")
        late = self.agent.add("shop", "web.1").console
        self.say(late, b"late\n")
        for console in (self.web, late, self.worker):
            console.deleted()
        self.agent.by_slug.clear()
        self.say(self.agent.add("shop", "web.0").console, b"new\n")
        self.assertEqual(client.texts(), [b"web.1 | late", b"web.0 | new"])
        documents = [json.loads(text) for text in told.texts()]
        self.assertEqual(
            [d["node"] for d in documents if d.get("event") == "deleted"],
            ["web.0", "web.1", "worker.0"],
        )
        self.assertTrue(all("node" in d for d in documents))

    def test_refused(self) -> None:
        """
        What can't be answered is refused before the handshake, and says why.
        """
        for path, status, code in (
            (b"/attach-app/nobody", 404, "unknown-app"),
            (b"/attach-app/shop.web.0", 404, "unknown-app"),
            (b"/attach-app/shop?tail=-1", 400, "bad-query"),
            (b"/attach-app/shop?format=xml", 400, "bad-query"),
            (b"/attach-app/shop?format=", 400, "bad-query"),
            (b"/attach-app/shop?after=3", 400, "bad-query"),
            (b"/attach-app/shop?stdin=1", 400, "bad-query"),
        ):
            with self.subTest(path=path):
                problem = self.refused(path, UPGRADE)
                self.assertEqual((problem["status"], problem["code"]), (status, code))
        problem = self.refused(b"/attach-app/shop?after=3", UPGRADE)
        self.assertIn("attach to its processes", problem["detail"])
        self.assertEqual(self.refused(b"/attach-app/shop")["code"], "upgrade-required")
        self.assertEqual(self.refused(b"/app-logs/nobody")["code"], "unknown-app")
        self.assertEqual(self.refused(b"/app-logs/shop?after=0")["code"], "bad-query")
        self.assertEqual(self.agent.consoles.readers, 0)

    def test_typing(self) -> None:
        """
        What a client sends is nobody's input.
        """
        client = self.attach(b"?stdin=0")
        client.send(b"x")
        self.say(self.web, b"a\n")
        self.assertEqual(client.texts(), [b"web.0 | a"])
        self.assertEqual([p.asked for p in self.agent.processes()], [[]] * 3)

    def test_tooSlow(self) -> None:
        """
        A plain client that reads too slowly is closed with 1013 after what was queued;
        a JSON client is told what it missed, by process; another one gets everything.
        """
        self.bound(queue=100_000)
        slow, told, live = self.attach(), self.attach(b"?format=json"), self.attach()
        for client in (slow, told):
            client.connection.flush(0)
        for _ in range(1000):
            self.say(self.web, b"x" * 200 + b"\n")
            self.say(self.worker, b"x" * 200 + b"\n")
            live.connection.flush()
        self.assertLess(self.agent.consoles.queued, 300_000)
        for client in (slow, told):
            client.connection.room = 1 << 40
        *frames, close = slow.frames()
        self.assertEqual(close, (CLOSE, b"\x03\xf5too slow, lines were missed"))
        self.assertGreater(len(frames), 400)
        documents = [json.loads(text) for text in told.texts()]
        for node in ("web.0", "worker.0"):
            mine = [d for d in documents if d["node"] == node]
            missed = sum(d.get("missed", 0) for d in mine)
            self.assertGreater(missed, 0)
            self.assertEqual(missed + sum("seq" in d for d in mine), 1000)
        self.assertEqual(len(live.texts()), 2000)

    def test_agentEnds(self) -> None:
        """
        The agent's end closes with 1001.
        """
        client = self.attach()
        self.agent.consoles.shut()
        self.assertEqual(client.frames(), [(CLOSE, b"\x03\xe9the agent ends")])

    def test_silent(self) -> None:
        """
        A client that neither takes nor answers is cut; one that does stays.
        """
        silent, live = self.attach(), self.attach()
        for _ in range(150):
            self.reactor.advance(1)
            if (PING, b"") in live.frames():
                live.send(b"", 10)
        self.assertFalse(silent.connection.connected)
        self.assertTrue(live.connection.connected)
        self.assertEqual(self.agent.consoles.readers, 1)

    def test_tooMany(self) -> None:
        """
        Clients of apps count among all.
        """
        self.bound(readers=1)
        first = self.attach()
        problem = self.refused(b"/attach-app/shop", UPGRADE)
        self.assertEqual(problem["status"], 503)
        first.connection.lose()
        self.attach()


class LogsTests(AppTestCase):
    """
    Plain HTTP.
    """

    def body(self, query: bytes = b"", **kw: Any) -> bytes:
        """
        What is answered, at once.
        """
        head, client = self.ask(b"/app-logs/shop" + query, **kw)
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        taken = bytes(client.connection.taken)
        self.assertIn(b"content-length: %d" % len(taken), head.lower())
        return taken

    def test_kept(self) -> None:
        """
        All kept lines, or the last ones, of some nodes and streams.
        """
        self.say(self.web, b"1\n2\n")
        self.worker.received("stderr", b"3\n", 8)
        self.say(self.other, b"no\n")
        self.assertEqual(self.body(), b"web.0 | 1\nweb.0 | 2\nworker.0 | 3\n")
        self.assertEqual(self.body(b"?tail=2"), b"web.0 | 2\nworker.0 | 3\n")
        self.assertEqual(self.body(b"?tail=0"), b"")
        self.assertEqual(self.body(b"?node=web.*&tail=1"), b"web.0 | 2\n")
        self.assertEqual(self.body(b"?stream=stderr"), b"worker.0 | 3\n")
        self.assertEqual(
            self.body(b"?format=heroku&tail=1"),
            b"2026-01-01T00:00:00+00:00 app[worker.0]: 3\n",
        )
        documents = [json.loads(line) for line in self.body(b"?format=json").splitlines()]
        self.assertEqual(
            [(d["node"], d["seq"], d["line"]) for d in documents],
            [("web.0", 1, "1"), ("web.0", 2, "2"), ("worker.0", 1, "3")],
        )

    def test_types(self) -> None:
        """
        The type of the answer is that of its format.
        """
        for query, headers, expected in (
            (b"", None, b"text/plain; charset=utf-8"),
            (b"?format=heroku", None, b"text/plain; charset=utf-8"),
            (b"?format=json", None, b"application/x-ndjson"),
            (b"?follow=0", EVENTS, b"text/event-stream"),
        ):
            head, _ = self.ask(b"/app-logs/shop" + query, headers=headers)
            self.assertIn(b"content-type: " + expected, head.lower())
            head, client = self.ask(b"/app-logs/shop" + query, headers=headers, method=b"HEAD")
            self.assertIn(b"content-type: " + expected, head.lower())
            self.assertEqual(client.connection.taken, b"")

    def test_follow(self) -> None:
        """
        With C{follow=1} lines to come follow, also of processes to come, until the
        agent ends.
        """
        self.say(self.web, b"1\n")
        _, client = self.ask(b"/app-logs/shop?follow=1&tail=1")
        self.say(self.worker, b"2\n")
        self.say(self.agent.add("shop", "web.1").console, b"3\n")
        self.web.deleted()
        self.agent.consoles.shut()
        client.connection.flush()
        taken = bytes(client.connection.taken)
        lines = [line for line in taken.split(b"\r\n") if b"|" in line]
        self.assertEqual(lines, [b"web.0 | 1\n", b"worker.0 | 2\n", b"web.1 | 3\n"])
        self.assertTrue(taken.endswith(b"0\r\n\r\n"))

    def test_events(self) -> None:
        """
        Server-sent events go on by themselves, with a comment every 15 s, and leave
        nothing when the client goes.
        """
        self.say(self.web, b"1\n")
        _, client = self.ask(b"/app-logs/shop", headers=EVENTS | {b"Last-Event-ID": b"1"})
        self.say(self.worker, b"2\n")
        for _ in range(16):
            self.reactor.advance(1)
        client.connection.flush()
        taken = bytes(client.connection.taken)
        self.assertIn(b"data: web.0 | 1\n\n", taken)
        self.assertIn(b"data: worker.0 | 2\n\n", taken)
        self.assertIn(b":\n\n", taken)
        client.connection.lose()
        self.assertEqual(self.agent.consoles.readers, 0)
        self.assertFalse(self.web._readers)
        soon = [call for call in self.reactor.getDelayedCalls() if call.getTime() < 50]
        self.assertEqual(soon, [])
