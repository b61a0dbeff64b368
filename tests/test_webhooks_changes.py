"""
Tests of L{smartmob.webhooks.service}, in memory: changes, the end, reports and bounds.
"""

from __future__ import annotations

from twisted.internet.defer import succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import BrowserLikePolicyForHTTPS

from smartmob.events import About, Events, Topic
from smartmob.place import BadPlace
from smartmob.topics import BadTopic
from smartmob.web.root import make_site
from smartmob.web.schemas import SCHEMAS
from smartmob.web.webhooks import WebhookReports
from smartmob.webhooks.delivery import signature
from smartmob.webhooks.queue import MOST, MOST_BYTES
from smartmob.webhooks.service import END_SECONDS, Webhooks
from tests.support.agents import FakeAgent
from tests.support.hooking import Logged, hooks
from tests.support.httpwire import THERE, Transport, Wire
from tests.support.stage import REQUEST


class MemoryCase(SynchronousTestCase):
    """
    Webhooks in memory, where time goes by as a test says.
    """

    def setUp(self) -> None:
        """
        Nothing is configured.
        """
        self.reactor = MemoryReactorClock()
        self.events = Events(now=self.reactor.seconds)
        self.webhooks = Webhooks(
            self.reactor,
            self.events,
            BrowserLikePolicyForHTTPS(),
            self.reactor.seconds,
            lambda host: succeed([host]),
        )
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

    def test_bad(self) -> None:
        """
        A topic that is none changes nothing, nor does such a URL.
        """
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/")))
        with self.assertRaises(BadTopic):
            self.webhooks.configure(hooks(("a..b", "http://127.0.0.1:2/")))
        with self.assertRaises(BadPlace):
            self.webhooks.configure(hooks(("*", "http://127.0.0.1:2/"), ("*", "https://a_b/")))
        [report] = self.webhooks.report()
        self.assertEqual(report["url"], "http://127.0.0.1:1/")


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
