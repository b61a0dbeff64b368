"""
Tests of L{smartmob.webhooks.service}: all webhooks of an agent, with sinks on loopback.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import BrowserLikePolicyForHTTPS
from zope.interface import implementer

from smartmob import __version__
from smartmob.config.configuration import Hook, Hooks
from smartmob.events import About, Event, Events, Topic
from smartmob.topics import BadTopic, Topics
from smartmob.web.root import make_site
from smartmob.web.schemas import SCHEMAS
from smartmob.web.webhooks import WebhookReports
from smartmob.webhooks.delivery import signature
from smartmob.webhooks.queue import MOST, MOST_BYTES
from smartmob.webhooks.service import END_SECONDS, Webhooks
from tests.support.agents import FakeAgent
from tests.support.httpwire import THERE, Transport, Wire
from tests.support.resolving import MemoryReactor, Names
from tests.support.sink import Caller, Post, Sink
from tests.support.stage import REQUEST


def hooks(*pairs: tuple[str, str], secret: bytes | None = None) -> Hooks:
    """
    A section of topics and URLs.
    """
    return Hooks(hooks=tuple(Hook(topic=topic, url=url) for topic, url in pairs), secret=secret)


@implementer(ILogObserver)
class Logged:
    """
    The sentences that webhooks log.
    """

    def __init__(self, test: TestCase | SynchronousTestCase) -> None:
        self.lines: list[str] = []
        globalLogPublisher.addObserver(self)
        test.addCleanup(globalLogPublisher.removeObserver, self)

    def __call__(self, event: LogEvent) -> None:
        """
        Keep a sentence.
        """
        if event["log_namespace"].startswith("smartmob.webhooks"):
            self.lines.append(f"{event['log_level'].name}: {formatEvent(event)}")


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


class MemoryCase(SynchronousTestCase):
    """
    Webhooks in memory, where time goes by as a test says.
    """

    def setUp(self) -> None:
        """
        Nothing is configured.
        """
        self.reactor = MemoryReactor(Names())
        self.events = Events(now=self.reactor.seconds)
        policy = BrowserLikePolicyForHTTPS()
        self.webhooks = Webhooks(self.reactor, self.events, policy, self.reactor.seconds)
        self.webhooks.startService()
        self.logged = Logged(self)

    def happen(self, number: int = 1) -> None:
        """
        Events, and the reactor turns.
        """
        for _ in range(number):
            self.events.publish(REQUEST, Topic.SPAWN, About(pid=7))
        self.reactor.advance(0)

    def asked(self) -> Transport:
        """
        The sink that was connected to last takes the connection.
        """
        factory = self.reactor.tcpClients[-1][2]
        protocol = factory.buildProtocol(THERE)
        assert protocol is not None
        transport = Transport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def answer(self, transport: Transport, status: int = 200, *headers: str) -> None:
        """
        It answers, and the reactor turns.
        """
        head = [f"HTTP/1.1 {status} X", "Content-Length: 0", *headers, "", ""]
        transport.protocol.dataReceived("\r\n".join(head).encode("ascii"))
        self.reactor.advance(0)


class ConfigureTests(MemoryCase):
    """
    The configuration changes.
    """

    def ports(self) -> list[int]:
        """
        The ports that were connected to.
        """
        return [client[1] for client in self.reactor.tcpClients]

    def test_unchanged(self) -> None:
        """
        A URL that stays keeps its queue, and the try under way.
        """
        wanted = hooks(("*", "http://127.0.0.1:1/"))
        self.webhooks.configure(wanted)
        self.happen(2)
        transport = self.asked()
        self.webhooks.configure(
            hooks(*[("*", "http://127.0.0.1:1/")], ("*", "http://[::1]:2/"))
        )
        self.happen()
        self.assertEqual(self.ports(), [1, 2])
        self.answer(transport)
        self.assertEqual(self.ports(), [1, 2, 1])
        self.assertEqual([one["queued"] for one in self.webhooks.report()], [2, 1])

    def test_removed(self) -> None:
        """
        What waits for a URL that is gone is dropped and said, and its try is cut.
        """
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/a?key")))
        self.happen(3)
        transport = self.asked()
        self.webhooks.configure(hooks())
        self.assertTrue(transport.aborted)
        self.assertEqual(self.webhooks.report(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        what = "3 events for http://127.0.0.1:1/a?... dropped: it is not configured any more"
        self.assertEqual(self.logged.lines, [f"warn: {what}"])
        self.happen()
        self.assertEqual(self.ports(), [1])
        self.assertEqual(self.webhooks.counts()["missed"], 3)

    def test_removedQuietly(self) -> None:
        """
        Nothing is said where nothing is lost.
        """
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/")))
        self.webhooks.configure(hooks())
        self.assertEqual(self.logged.lines, [])

    def test_topics(self) -> None:
        """
        Other topics of a URL count for what comes.
        """
        self.webhooks.configure(hooks(("spawn", "http://127.0.0.1:1/")))
        self.happen(2)
        self.webhooks.configure(hooks(("exit", "http://127.0.0.1:1/")))
        self.happen()
        [report] = self.webhooks.report()
        self.assertEqual((report["queued"], report["topics"]), (2, ["exit"]))

    def test_secret(self) -> None:
        """
        Another secret counts for what is sent from then on, tries of older events included.
        """
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/"), secret=b"old"))
        self.happen()
        first = self.asked()
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/"), secret=b"new"))
        self.answer(first, 503)
        self.reactor.advance(1)
        second = self.asked()
        for transport, secret, moment in ((first, b"old", 0), (second, b"new", 1)):
            head, _, body = transport.value().partition(b"\r\n\r\n")
            self.assertIn(signature(secret, moment, body), head)

    def test_manyTopics(self) -> None:
        """
        A URL may have more topics than a client may ask for at once.
        """
        topics = [f"proc.p{number}.spawn" for number in range(100)]
        url = "http://127.0.0.1:1/"
        self.webhooks.configure(hooks(*((topic, url) for topic in [*topics, "spawn"])))
        self.happen()
        self.webhooks.configure(hooks(*((topic, url) for topic in [*topics, "."])))
        self.happen()
        self.webhooks.configure(hooks(*((topic, url) for topic in topics)))
        self.happen()
        self.assertEqual([one["queued"] for one in self.webhooks.report()], [2])

    def test_badTopic(self) -> None:
        """
        A topic that is none changes nothing.
        """
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/")))
        with self.assertRaises(BadTopic):
            self.webhooks.configure(hooks(("a..b", "http://127.0.0.1:2/")))
        self.assertEqual(len(self.webhooks.report()), 1)

    def test_badUrl(self) -> None:
        """
        A URL that nothing can be posted to is said, without the URL, and the others are used.
        """
        self.webhooks.configure(
            hooks(("*", "http://u:s3cret@-/%%a b"), ("*", "http://127.0.0.1:2/"))
        )
        self.assertEqual(
            [one["url"] for one in self.webhooks.report()], ["http://127.0.0.1:2/"]
        )
        [line] = self.logged.lines
        self.assertIn("white space", line)
        self.assertNotIn("s3cret", line)


class TimeTests(MemoryCase):
    """
    Sinks that take their time, and how long they are waited for at the end.
    """

    def setUp(self) -> None:
        """
        One URL.
        """
        super().setUp()
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/")))

    def test_tenSeconds(self) -> None:
        """
        A sink that does not answer has ten seconds, and is asked again a second later.
        """
        self.happen(2)
        transport = self.asked()
        self.reactor.advance(10)
        self.assertTrue(transport.aborted)
        self.reactor.advance(1)
        self.assertIn(b'{"id":1,', self.asked().value())
        [report] = self.webhooks.report()
        last = report["last"]
        assert isinstance(last, dict)
        self.assertEqual(last["error"], "did not answer within 10 s")

    def test_end(self) -> None:
        """
        At the end what waits to be tried again is tried at once, and for two seconds.
        """
        self.happen()
        self.answer(self.asked(), 503, "Retry-After: 100")
        stopped = self.webhooks.stopService()
        tries = len(self.reactor.tcpClients)
        self.reactor.advance(0)
        self.assertEqual(len(self.reactor.tcpClients), tries + 1)
        transport = self.asked()
        self.reactor.advance(END_SECONDS - 0.1)
        self.assertNoResult(stopped)
        self.reactor.advance(0.1)
        self.successResultOf(stopped)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertIn(
            "warn: 1 event for http://127.0.0.1:1/ dropped: the agent ends",
            self.logged.lines,
        )

    def test_endIdle(self) -> None:
        """
        Where nothing waits it is over at once, and nothing is posted any more.
        """
        self.successResultOf(self.webhooks.stopService())
        self.happen()
        self.assertEqual(self.reactor.tcpClients, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.logged.lines, [])

    def test_endTwice(self) -> None:
        """
        Whoever asks for the end is told of it, also when it was cut before.
        """
        self.happen()
        first, second = self.webhooks.stopService(), self.webhooks.stopService()
        self.webhooks.cut()
        self.webhooks.cut()
        for stopped in (first, second, self.webhooks.stopService()):
            self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_endOfRemoved(self) -> None:
        """
        The connection of a URL that was removed is waited for, too.
        """
        self.happen()
        transport = self.asked()
        transport.abortConnection = lambda: None  # type: ignore[method-assign]  # later
        self.webhooks.configure(hooks())
        stopped = self.webhooks.stopService()
        self.assertNoResult(stopped)
        transport.loseConnection()
        self.successResultOf(stopped)


class ReportTests(MemoryCase):
    """
    What is shown.
    """

    def test_report(self) -> None:
        """
        A URL is shown with its topics, its queue and its last result.
        """
        self.webhooks.configure(hooks(("*", "http://me:pw@127.0.0.1:1/a?key=k")))
        site = make_site(
            FakeAgent().real,
            self.reactor,
            families=[WebhookReports(self.webhooks.report)],
        )
        [quiet] = Wire(site).ask("GET", "/webhooks").json()["webhooks"]
        self.assertEqual((quiet["next_try_at"], quiet["last"]), (None, None))
        self.happen(2)
        transport = self.asked()
        size = len(transport.value().partition(b"\r\n\r\n")[2])
        self.answer(transport, 503)
        shown = Wire(site).ask("GET", "/webhooks").json()
        self.assertEqual(
            shown,
            {
                "webhooks": [
                    {
                        "url": "http://127.0.0.1:1/a?...",
                        "topics": ["*"],
                        "queued": 2,
                        "queued_bytes": 2 * size,
                        "next_try_at": "1970-01-01T00:00:01.000Z",
                        "delivered": 0,
                        "failed": 1,
                        "refused": 0,
                        "missed": 0,
                        "last": {
                            "event": 1,
                            "at": "1970-01-01T00:00:00.000Z",
                            "result": "failed",
                            "status": 503,
                            "error": "answered 503",
                        },
                    }
                ]
            },
        )
        [one] = shown["webhooks"]
        self.assertEqual(list(one), list(SCHEMAS["Webhook"]["properties"]))
        self.assertEqual(
            self.webhooks.counts(), {"delivered": 0, "failed": 1, "refused": 0, "missed": 0}
        )


class MemoryTests(MemoryCase):
    """
    How much is kept.
    """

    def test_hanging(self) -> None:
        """
        Ten thousand events for sinks that hang are bounded by number and size, and each is
        encoded once for all of them.
        """
        self.webhooks.configure(hooks(*(("*", f"http://127.0.0.1:{n}/") for n in range(1, 51))))
        self.happen(MOST)
        queues = [hook.queue for hook in self.webhooks._hooks.values()]
        for report, queue in zip(self.webhooks.report(), queues, strict=True):
            assert isinstance(report["queued_bytes"], int)
            assert isinstance(report["missed"], int)
            self.assertLessEqual(report["queued_bytes"], MOST_BYTES)
            self.assertEqual(report["missed"], MOST - len(queue.waiting))
        bodies = {id(event.body) for queue in queues for event in queue.waiting}
        self.assertEqual(len(bodies), len(queues[0].waiting))
        self.assertEqual(len(self.reactor.tcpClients), len(queues))


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
