"""
Answers that their clients do not take.
"""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.outgoing import Unread
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.httpwire import THERE, parse
from tests.support.websockets import MemoryConnection

LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
PING = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"


class UnreadTests(SynchronousTestCase):
    """
    Clients in memory, and room for two large answers and a half.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.site = make_site(FakeAgent().real, self.reactor)
        reader = self.client(1 << 30)
        self.size = len(reader.taken)
        self.assertGreater(self.size, 1 << 16)
        self.site.unread = Unread(self.size * 5 // 2)

    def client(self, room: int = 0) -> MemoryConnection:
        """
        Somebody who asks for something large, and takes so much of it.
        """
        built = self.site.buildProtocol(THERE)
        assert built is not None
        connection = MemoryConnection(self.reactor, built)
        connection.room = room
        connection.receive(LARGE)
        return connection

    def test_longest(self) -> None:
        """Where there is no room for one more, who has waited longest is cut."""
        clients = [self.client() for _ in range(4)]
        self.assertEqual([bool(each.aborted) for each in clients], [True, True, False, False])
        for each in clients[2:]:
            each.flush(1 << 30)
            answer, rest = parse(bytes(each.taken))
            self.assertEqual((answer.status, rest), (200, b""))
            self.assertTrue(each.connected)

    def test_alone(self) -> None:
        """One alone may be as large as it is."""
        self.site.unread = Unread(1)
        client = self.client()
        self.assertFalse(client.aborted)
        client.flush(1 << 30)
        self.assertEqual(parse(bytes(client.taken))[0].status, 200)

    def test_taken(self) -> None:
        """What was taken does not count, nor what clients have that are gone."""
        for _ in range(5):
            slow, hasty = self.client(), self.client()
            slow.flush(1 << 30)
            hasty.lose()
            slow.receive(PING)
            self.assertTrue(slow.connected)
            self.assertFalse(slow.aborted)

    def test_twice(self) -> None:
        """What waits for a client counts once, however often that is seen."""
        client, other = self.client(), self.client()
        client.flush(1 << 14)
        for _ in range(10):
            client.protocol.pauseProducing()  # type: ignore[attr-defined] # it is a channel
        self.assertFalse(client.aborted)
        self.assertFalse(other.aborted)
