"""
GET /events: WebSockets and server-sent events, over connections in memory.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.events import Events, Topic
from smartmob.lines.bounds import Bounds
from smartmob.lines.consoles import Consoles
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.stage import REQUEST
from tests.support.websockets import UPGRADE, Client, MemoryConnection, get
from tests.test_web_logs import unchunked

CLOSE, PING = 8, 9


class EventClient(Client):
    """
    A client of a whole agent's web side.
    """

    def __init__(self, reactor: MemoryReactorClock, agent: FakeAgent) -> None:
        site = make_site(agent.real, reactor)
        protocol = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        assert protocol is not None
        self.connection = MemoryConnection(reactor, protocol)

    def documents(self) -> list[dict[str, Any]]:
        """
        The frames that came since this was last asked.
        """
        return [json.loads(text) for text in self.texts()]

    def stream(self) -> tuple[list[bytes], bool]:
        """
        The blocks of server-sent events so far, and whether they have ended.
        """
        self.connection.flush()
        content, complete = unchunked(bytes(self.connection.taken))
        assert not content or content.endswith(b"\n\n"), content
        return content.split(b"\n\n")[:-1], complete


class EventsTestCase(SynchronousTestCase):
    """
    An agent that has events, and no processes.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.has()

    def has(self, kept: int = 1000, **bounds: int) -> None:
        """
        An agent with these bounds.
        """
        self.agent = FakeAgent(
            consoles=Consoles(epoch="this", bounds=Bounds(**bounds)),
            events=Events(now=lambda: 1.5, kept=kept),
        )

    def publish(self, *topics: Topic) -> None:
        """
        So many events.
        """
        for topic in topics or (Topic.CREATE,):
            self.agent.events.publish(REQUEST, topic)

    def socket(self, query: bytes = b"") -> EventClient:
        """
        A client with a WebSocket.
        """
        client = EventClient(self.reactor, self.agent)
        head = client.ask(get(b"/events" + query, UPGRADE))
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        return client

    def follower(self, query: bytes = b"", **headers: bytes) -> EventClient:
        """
        A client with server-sent events.
        """
        client = EventClient(self.reactor, self.agent)
        more = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        head = client.ask(get(b"/events" + query, {b"Host": b"127.0.0.1", **more}))
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        self.assertIn(b"Content-Type: text/event-stream", head)
        self.assertIn(b"Cache-Control: no-store", head)
        return client

    def refused(self, query: bytes, headers: dict[bytes, bytes] | None = None) -> int:
        """
        The status of an answer that is a problem.
        """
        client = EventClient(self.reactor, self.agent)
        head = client.ask(get(b"/events" + query, headers))
        self.assertIn(b"application/problem+json", head)
        return int(head.split()[1])

    def advance(self, seconds: int) -> None:
        """
        Let time pass.
        """
        for _ in range(seconds):
            self.reactor.advance(1)

    def assertNothingLeft(self) -> None:
        """
        No reader and no timer is left.
        """
        self.assertEqual(self.agent.feed._readers, {})
        self.assertEqual(len(self.agent.consoles.budget), 0)
        self.assertEqual(self.agent.consoles.queued, 0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class SocketTests(EventsTestCase):
    """
    Over a WebSocket.
    """

    def test_events(self) -> None:
        """
        Each event is a text frame, from attaching on.
        """
        self.publish()
        client = self.socket()
        self.publish(Topic.START, Topic.STOP)
        first, second = client.documents()
        self.assertEqual(
            first,
            {
                "id": 2,
                "time": "1970-01-01T00:00:01.500Z",
                "event": "start",
                "app": "myapp",
                "node": "web.0",
                "process_type": "web",
                "slug": "myapp.web.0",
                "name": "myapp:web",
            },
        )
        self.assertEqual((second["id"], second["event"]), (3, "stop"))
        client.connection.lose()
        self.assertNothingLeft()

    def test_topics(self) -> None:
        """
        Topics choose, each event once; the others are not numbered anew.
        """
        client = self.socket(b"?topic=stop&topic=proc.myapp.**.stop&topic=proc.*.*.start")
        self.publish(Topic.CREATE, Topic.START, Topic.SPAWN, Topic.STOP)
        self.agent.events.publish(evolve(REQUEST, app="other"), Topic.CREATE)
        self.assertEqual([each["id"] for each in client.documents()], [2, 4])
        for query in (b"?topic=.", b"?topic=*", b"?topic=**&topic=x", b"?topic=", b""):
            every = self.socket(query)
            self.publish()
            self.assertEqual(len(every.documents()), 1, query)

    def test_after(self) -> None:
        """
        Kept events with a higher number come first, then those that happen.
        """
        self.publish(Topic.CREATE, Topic.START, Topic.SPAWN)
        client = self.socket(b"?after=1")
        self.publish(Topic.STOP)
        self.assertEqual([each["id"] for each in client.documents()], [2, 3, 4])
        chosen = self.socket(b"?after=0&topic=start")
        self.assertEqual([each["id"] for each in chosen.documents()], [2])
        self.assertEqual(self.socket(b"?after=4").documents(), [])

    def test_dropped(self) -> None:
        """
        How many are no longer kept is told first.
        """
        self.has(kept=2)
        self.publish(*[Topic.START] * 5)
        dropped, *events = self.socket(b"?after=1").documents()
        self.assertEqual(dropped, {"event": "dropped", "missed": 2})
        self.assertEqual([each["id"] for each in events], [4, 5])

    def test_slow(self) -> None:
        """
        A client that reads too slowly misses events, is told how many, and holds up
        nobody.
        """
        self.has(queue=2000)
        slow, quick = self.socket(), self.socket()
        slow.connection.flush(0)
        self.publish(*[Topic.START] * 1000)
        self.assertEqual(len(quick.documents()), 1000)
        self.assertLessEqual(self.agent.consoles.queued, 2000 + 100)
        slow.connection.flush(1 << 20)
        documents = slow.documents()
        [dropped] = [each for each in documents if "missed" in each]
        numbers = [each["id"] for each in documents if "id" in each]
        self.assertEqual(dropped["missed"] + len(numbers), 1000)
        self.publish()
        self.assertEqual([each["id"] for each in slow.documents()], [1001])

    def test_silent(self) -> None:
        """
        A client that neither reads nor answers is cut.
        """
        client = self.socket()
        self.advance(31)
        self.assertEqual([opcode for opcode, _ in client.frames()], [PING])
        client.connection.flush(0)
        self.advance(100)
        self.assertFalse(client.connection.connected)
        self.assertNothingLeft()

    def test_saysSomething(self) -> None:
        """
        What a client sends is of no interest.
        """
        client = self.socket()
        client.send(b"hello")
        self.publish()
        self.assertEqual(len(client.documents()), 1)

    def test_agentEnds(self) -> None:
        """
        The agent's end closes with 1001, after the last event.
        """
        client = self.socket()
        self.publish()
        self.agent.feed.shut()
        (_, event), (opcode, close) = client.frames()
        self.assertEqual(json.loads(event)["id"], 1)
        self.assertEqual((opcode, close[:2]), (CLOSE, b"\x03\xe9"))
        late = EventClient(self.reactor, self.agent)
        late.ask(get(b"/events", UPGRADE))
        self.assertEqual([opcode for opcode, _ in late.frames()], [CLOSE])

    def test_refused(self) -> None:
        """
        A handshake that is none of version 13, and a query that makes no sense, are
        answered in HTTP.
        """
        self.assertEqual(self.refused(b"", {**UPGRADE, b"Sec-WebSocket-Version": b"8"}), 426)
        for query in (b"?after=x", b"?after=-1", b"?topic=a..b", b"?topic=web*"):
            self.assertEqual(self.refused(query, UPGRADE), 400)
            self.assertEqual(self.refused(query), 400)
        for topic in (b"topic=x", b"topic="):
            self.assertEqual(self.refused(b"?" + b"&".join([topic] * 100)), 400)

    def test_tooMany(self) -> None:
        """
        Readers of events and of lines are counted together.
        """
        self.has(readers=1)
        client = self.socket()
        self.assertEqual(self.refused(b"", UPGRADE), 503)
        self.assertEqual(self.refused(b""), 503)
        client.connection.lose()
        self.socket()


class StreamTests(EventsTestCase):
    """
    As server-sent events.
    """

    def test_events(self) -> None:
        """
        Each event has its number as id, and itself as data, and nothing else.
        """
        client = self.follower()
        self.publish(Topic.CREATE, Topic.START)
        blocks, complete = client.stream()
        self.assertFalse(complete)
        for number, block in enumerate(blocks, 1):
            first, second = block.split(b"\n")
            self.assertEqual(first, b"id: %d" % number)
            self.assertEqual(json.loads(second.removeprefix(b"data: "))["id"], number)
        self.assertEqual(len(blocks), 2)
        client.connection.lose()
        self.assertNothingLeft()

    def test_comments(self) -> None:
        """
        A comment comes every 15 s, as long as the client is there.
        """
        client = self.follower()
        self.advance(46)
        self.assertEqual(client.stream(), ([b":"] * 3, False))
        client.connection.lose()
        self.assertNothingLeft()

    def numbers(self, client: EventClient) -> list[int]:
        """
        What a client has seen.
        """
        blocks, _ = client.stream()
        return [int(block.split()[1]) for block in blocks if block.startswith(b"id: ")]

    def test_reconnect(self) -> None:
        """
        A browser that comes back goes on where it was, whatever its URL says; with a
        number of another agent it gets everything.
        """
        self.publish(*[Topic.START] * 4)
        self.assertEqual(self.numbers(self.follower(b"?after=2")), [3, 4])
        self.assertEqual(self.numbers(self.follower(Last_Event_ID=b"2")), [3, 4])
        self.assertEqual(self.numbers(self.follower(b"?after=1", Last_Event_ID=b"3")), [4])
        self.assertEqual(self.numbers(self.follower(Last_Event_ID=b"99")), [1, 2, 3, 4])
        self.assertEqual(self.numbers(self.follower(b"?after=3", Last_Event_ID=b"x")), [4])
        self.assertEqual(self.numbers(self.follower()), [])

    def test_dropped(self) -> None:
        """
        How many are no longer kept is told first, as data without a number.
        """
        self.has(kept=1)
        self.publish(*[Topic.START] * 3)
        blocks, _ = self.follower(b"?after=0").stream()
        self.assertEqual(blocks[0], b'data: {"event":"dropped","missed":2}')
        self.assertEqual(len(blocks), 2)

    def test_agentEnds(self) -> None:
        """
        The agent's end finishes the answer.
        """
        client = self.follower()
        self.publish()
        self.agent.feed.shut()
        blocks, complete = client.stream()
        self.assertEqual((len(blocks), complete), (1, True))

    def test_head(self) -> None:
        """
        HEAD has no body, and takes no place.
        """
        client = EventClient(self.reactor, self.agent)
        head = client.ask(get(b"/events", method=b"HEAD"))
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        self.assertEqual(self.agent.feed._readers, {})
        client.connection.lose()
        self.assertNothingLeft()

    def test_slow(self) -> None:
        """
        What waits for a client that takes nothing is bounded, and the client is cut.
        """
        self.has(queue=2000)
        client = self.follower()
        client.connection.flush(0)
        self.publish(*[Topic.START] * 5000)
        self.assertLessEqual(self.agent.consoles.queued, 2000 + 100)
        self.advance(120)
        self.assertFalse(client.connection.connected)
        self.assertNothingLeft()


class IndexTests(EventsTestCase):
    """
    Where it is found.
    """

    def test_index(self) -> None:
        """
        The index says where events are.
        """
        client = EventClient(self.reactor, self.agent)
        client.ask(get(b"/"))
        index = json.loads(bytes(client.connection.taken))
        self.assertEqual(index["events"], "http://127.0.0.1/events")
