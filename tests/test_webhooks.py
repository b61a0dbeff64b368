"""
Tests of L{smartmob.webhooks.service}: what sinks on loopback get.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob import __version__
from smartmob.events import About, Event, Events, Topic
from smartmob.topics import Topics
from smartmob.web.root import make_site
from smartmob.webhooks.delivery import signature
from smartmob.webhooks.service import Webhooks
from tests.support.agents import FakeAgent
from tests.support.hooking import Logged, hooks
from tests.support.sink import Caller, Post, Sink
from tests.support.stage import REQUEST


class SinkCase(TestCase):
    """
    Webhooks that are started, and sinks.
    """

    def setUp(self) -> None:
        """
        No sink yet.
        """
        self.events = Events()
        self.webhooks = Webhooks(reactor, self.events)
        self.webhooks.startService()
        self.addCleanup(self.ended)
        self.logged = Logged(self)

    def ended(self) -> Deferred[None]:
        """
        Stop at once.
        """
        stopped = self.webhooks.stopService()
        self.webhooks.cut()
        return stopped

    def sink(self, port: int = 0) -> Sink:
        """
        A sink.
        """
        sink = Sink(reactor, port=port)
        self.addCleanup(lambda: Deferred.fromCoroutine(sink.stop()))
        return sink

    def happen(self, *topics: Topic) -> None:
        """
        Events.
        """
        for topic in topics or [Topic.SPAWN]:
            self.events.publish(REQUEST, topic, About(pid=7))

    def turn(self) -> Deferred[None]:
        """
        Fires when the reactor has turned.
        """
        turned: Deferred[None] = Deferred()
        reactor.callLater(0, turned.callback, None)
        return turned


class DeliveryTests(SinkCase):
    """
    What is posted.
    """

    async def test_post(self) -> None:
        """
        An event is posted as its document, with what a sink needs to know of it.
        """
        told: list[Event] = []
        self.events.subscribe(Topics(), told.append)
        sink = self.sink()
        self.webhooks.configure(hooks(("spawn", f"{sink.url}a?b=c")))
        self.happen(Topic.CREATE, Topic.SPAWN)
        await sink.until(1)
        [post] = sink.posts
        self.assertEqual(post.line, "POST /a?b=c HTTP/1.1")
        self.assertEqual(json.loads(post.body), told[1].document())
        self.assertEqual(post.headers["content-type"], "application/json")
        self.assertEqual(post.headers["user-agent"], f"smartmob/{__version__}")
        self.assertEqual(post.headers["x-smartmob-event"], "spawn")
        self.assertRegex(post.headers["x-smartmob-delivery"], "^[0-9a-f]{32}$")
        for absent in ("x-smartmob-signature", "x-smartmob-missed", "authorization"):
            self.assertNotIn(absent, post.headers)

    async def test_signature(self) -> None:
        """
        With a secret the body is signed together with the time.
        """
        sink = self.sink()
        self.webhooks.configure(hooks(("*", sink.url), secret=b"s3cret"))
        self.happen()
        await sink.until(1)
        [post] = sink.posts
        said = post.headers["x-smartmob-signature"]
        moment, _, code = said.removeprefix("t=").partition(",sha256=")
        signed = moment.encode() + b"." + post.body
        self.assertEqual(code, hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest())
        self.assertLess(abs(int(moment) - self.webhooks.now()), 60)

    async def test_user(self) -> None:
        """
        A user name and a password in a URL become a header, and are shown nowhere.
        """
        sink = self.sink()
        url = f"http://me:p%40ss@127.0.0.1:{sink.port}/a?key=p@ss"
        self.webhooks.configure(hooks(("*", url)))
        sink.script = lambda caller, post: caller.answer(404)
        self.happen(Topic.SPAWN, Topic.EXIT)
        await sink.until(2)
        self.assertEqual(sink.posts[0].headers["authorization"], "Basic bWU6cEBzcw==")
        self.assertEqual(sink.posts[0].headers["host"], f"127.0.0.1:{sink.port}")
        said = repr(self.webhooks.report()) + "".join(self.logged.lines)
        self.assertIn(f"http://127.0.0.1:{sink.port}/a?...", said)
        for secret in ("p%40ss", "p@ss", "bWU6cEBzcw=="):
            self.assertNotIn(secret, said + repr(self.webhooks))

    async def test_once(self) -> None:
        """
        A URL under several topics gets an event once, and all in one order.
        """
        sink = self.sink()
        self.webhooks.configure(
            hooks(("spawn", sink.url), ("proc.myapp.**", sink.url), ("exit", sink.url))
        )
        self.happen(Topic.SPAWN, Topic.EXIT, Topic.REAP)
        await sink.until(3)
        self.assertEqual(sink.events, [1, 2, 3])
        [report] = self.webhooks.report()
        self.assertEqual(report["topics"], ["spawn", "proc.myapp.**", "exit"])

    async def test_order(self) -> None:
        """
        Hundreds of events come in their order, one at a time.
        """
        sink = self.sink()
        most = 0

        def script(caller: Caller, post: Post) -> None:
            nonlocal most
            most = max(most, len(sink.callers))
            caller.answer(200)

        sink.script = script
        self.webhooks.configure(hooks(("*", sink.url)))
        self.happen(*[Topic.SPAWN] * 300)
        await sink.until(300)
        self.assertEqual(sink.events, list(range(1, 301)))
        self.assertEqual(most, 1)

    async def test_warning(self) -> None:
        """
        An answer that refuses an event is said, and the event is dropped.
        """
        sink = self.sink()
        codes = iter([404, 200])
        sink.script = lambda caller, post: caller.answer(next(codes))
        self.webhooks.configure(hooks(("*", sink.url)))
        self.happen(Topic.SPAWN, Topic.EXIT)
        await sink.until(2)
        self.assertEqual(sink.events, [1, 2])
        self.assertEqual(
            self.logged.lines,
            [f"warn: {sink.url} answered 404: event 1 (spawn) is dropped"],
        )

    async def test_hanging(self) -> None:
        """
        A sink that hangs delays no other.
        """
        hanging, other = self.sink(), self.sink()
        hanging.script = lambda caller, post: None
        self.webhooks.configure(hooks(("*", hanging.url), ("*", other.url)))
        self.happen(*[Topic.SPAWN] * 20)
        await other.until(20)
        self.assertEqual((hanging.events, len(hanging.callers)), ([1], 1))

    async def test_downThenUp(self) -> None:
        """
        A sink that was down gets what happened meanwhile, in its order, once it is up.
        """
        down = Sink(reactor)
        await down.stop()
        self.webhooks.configure(hooks(("*", down.url)))
        self.happen(Topic.SPAWN, Topic.EXIT, Topic.REAP)
        while not self.webhooks.counts()["failed"]:
            await self.turn()
        sink = self.sink(down.port)
        await sink.until(3)
        self.assertEqual(sink.events, [1, 2, 3])
        self.assertEqual(len({post.headers["x-smartmob-delivery"] for post in sink.posts}), 3)
        down_line, up_line = self.logged.lines
        why = "can't be reached: Connection refused; trying again, 3 events waiting"
        self.assertEqual(down_line, f"warn: {down.url} {why}")
        self.assertEqual(up_line, f"info: {down.url} takes events again")

    async def test_itself(self) -> None:
        """
        A webhook that leads to the agent itself is an answer like any other, and no more.
        """
        site = cast(Any, make_site(FakeAgent().real, reactor))
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        url = f"http://127.0.0.1:{cast(IPv4Address, port.getHost()).port}/ping"
        self.webhooks.configure(hooks(("*", url)))
        self.happen(Topic.SPAWN, Topic.EXIT)
        while self.webhooks.counts()["refused"] < 2:
            await self.turn()
        [report] = self.webhooks.report()
        assert isinstance(report["last"], dict)
        self.assertEqual((report["queued"], report["last"]["status"]), (0, 405))


class EndTests(SinkCase):
    """
    The end, with connections.
    """

    async def test_drained(self) -> None:
        """
        What waits is delivered, and what comes meanwhile; then it is over.
        """
        sink = self.sink()
        self.webhooks.configure(hooks(("*", sink.url)))
        self.happen(*[Topic.SPAWN] * 20)
        stopped = self.webhooks.stopService()
        self.happen(Topic.EXIT)
        await stopped
        self.assertEqual(sink.events, list(range(1, 22)))
        self.happen()
        self.assertEqual(self.webhooks.counts()["delivered"], 21)
        self.assertEqual([one["queued"] for one in self.webhooks.report()], [0])

    async def test_cut(self) -> None:
        """
        A cut breaks off what is under way, and it is over when no connection is left.
        """
        sink = self.sink()
        sink.script = lambda caller, post: None
        self.webhooks.configure(hooks(("*", sink.url)))
        self.happen(Topic.SPAWN, Topic.EXIT)
        await sink.until(1)
        [caller] = sink.callers
        stopped = self.webhooks.stopService()
        self.assertNoResult(stopped)
        self.webhooks.cut()
        await stopped
        await caller.lost
        self.assertEqual(
            self.logged.lines,
            [f"warn: 2 events for {sink.url} dropped: the agent ends"],
        )
        self.assertEqual(self.webhooks.counts()["missed"], 2)


class SignatureTests(SynchronousTestCase):
    """
    How a sink knows who has sent something.
    """

    def test_known(self) -> None:
        """
        It is HMAC-SHA256 of the time, a dot, and the body.
        """
        self.assertEqual(
            signature(b"key", 1_700_000_000, b"{}"),
            b"t=1700000000,sha256="
            + hmac.new(b"key", b"1700000000.{}", hashlib.sha256).hexdigest().encode(),
        )
