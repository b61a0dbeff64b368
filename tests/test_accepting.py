"""
How connections come in by a port.
"""

from __future__ import annotations

import select
import socket
from typing import Any, cast

from attrs import evolve
from twisted.internet import tcp
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smartmob.accepting import SHARED, Accepting, Pace
from tests.test_packet_filter import is_allowed

TURN = 0.001

LOCK_FILTER = 44
"""SO_LOCK_FILTER of socket(7): nobody may have packets dropped."""


class Reactor(MemoryReactorClock):
    """
    What is to be done next is done in the next turn, also where time passes meanwhile.
    """

    def callLater(self, delay: float, *args: Any, **kw: Any) -> IDelayedCall:
        """
        See L{IReactorTime.callLater}.
        """
        return super().callLater(max(delay, TURN), *args, **kw)


class Slow(Factory):
    """
    Makes protocols, each of which takes a while.

    @ivar made: The addresses that they are for.
    """

    noisy = False
    protocol = Protocol

    def __init__(self, reactor: MemoryReactorClock) -> None:
        self.reactor = reactor
        self.seconds = 0.0
        self.made: list[str] = []
        self.fails = 0
        self.refuses = False

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        One more.
        """
        assert isinstance(addr, IPv4Address)
        self.reactor.rightNow += self.seconds
        if self.fails:
            self.fails -= 1
            raise ZeroDivisionError
        if self.refuses:
            return None
        self.made.append(addr.host)
        return super().buildProtocol(addr)


class AcceptingTests(SynchronousTestCase):
    """
    A real port of a reactor in memory.
    """

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.factory = Slow(self.reactor)
        self.port = tcp.Port(0, self.factory, 300, "127.0.0.1", self.reactor)
        self.port.startListening()
        self.addCleanup(
            lambda: self.port.connected and self.port.connectionLost(connectionDone)
        )
        self.where = self.port.socket.getsockname()

    def close(self) -> None:
        """
        Close the port, unless a test has.
        """
        if self.port.connected:
            self.port.connectionLost(connectionDone)

    def accepting(self, **pace: Any) -> None:
        """
        Have connections taken.
        """
        self.pace = Pace(**pace)
        Accepting(self.port, self.reactor, self.pace)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """
        A client.
        """
        client = socket.socket()
        self.addCleanup(client.close)
        client.bind((source, 0))
        client.connect(self.where)
        client.settimeout(60)
        return client

    def turns(self) -> int:
        """
        Let the reactor go on until nothing is left to do; returns how many turns it took.
        """
        turns = 0
        while self.turn():
            turns += 1
        return turns

    def turn(self) -> bool:
        """
        One turn: what is asked for meanwhile is for the next.
        """
        if not self.reactor.getDelayedCalls():
            return False
        self.reactor.advance(TURN)
        return True

    def transports(self) -> list[tcp.Server]:
        """
        The connections that there are.
        """
        found = [each for each in self.reactor.readers if isinstance(each, tcp.Server)]
        for each in found:
            self.addCleanup(each.connectionLost, connectionDone)
        return found

    def test_made(self) -> None:
        """Each connection has a protocol, and what its client has said already."""
        self.accepting()
        clients = [self.connect(), self.connect("127.0.0.2")]
        clients[0].sendall(b"hello")
        self.port.doRead()
        self.assertEqual(self.factory.made, ["127.0.0.1", "127.0.0.2"])
        transports = self.transports()
        self.assertEqual(len(transports), 2)
        peers = {transport.getPeer().port: transport for transport in transports}
        first = peers[clients[0].getsockname()[1]]
        self.assertEqual(first.socket.recv(5), b"hello")
        first.write(b"good morning")
        first.doWrite()
        self.assertEqual(clients[0].recv(100), b"good morning")
        self.assertEqual(self.turns(), 0)

    def test_gone(self) -> None:
        """For those who closed without a word nothing is made; for those with one it is."""
        self.accepting()
        for said in (b"", b"", b"GET"):
            client = self.connect()
            client.sendall(said)
            client.close()
        self.port.doRead()
        self.assertEqual(len(self.factory.made), 1)
        self.assertEqual(len(self.transports()), 1)

    def test_inTurn(self) -> None:
        """Where it takes long it is done a few a turn, of all addresses in turn."""
        self.accepting()
        self.factory.seconds = self.pace.making
        clients = [self.connect("127.0.0.2") for _ in range(3)] + [self.connect("127.0.0.3")]
        self.port.doRead()
        self.assertEqual(self.factory.made, ["127.0.0.2"])
        self.turn()
        self.assertEqual(self.factory.made, ["127.0.0.2", "127.0.0.3"])
        self.port.doRead()  # which others are not made to wait longer by
        self.assertEqual(len(self.factory.made), 2)
        clients[1].close()
        self.assertEqual(self.turns(), 1)
        self.assertEqual(len(self.factory.made), 3)
        self.assertEqual(len(self.transports()), 3)

    def test_mostWait(self) -> None:
        """So many may wait, in all and from one address; more are closed."""
        self.accepting(most=4, most_of_a_peer=3)
        self.factory.seconds = self.pace.making
        clients = [self.connect("127.0.0.2") for _ in range(4)]
        clients += [self.connect("127.0.0.3") for _ in range(2)]
        self.port.doRead()
        self.turns()
        self.assertEqual(
            self.factory.made, ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.2"]
        )
        self.assertEqual(len(self.transports()), 4)
        self.assertEqual([clients[index].recv(1) for index in (3, 5)], [b"", b""])

    def test_many(self) -> None:
        """What waits in the system's queue is taken, as far as there is time."""
        self.accepting(batch=4)
        self.factory.refuses = True
        clients = [self.connect() for _ in range(6)]
        seconds = iter([0.0, self.pace.taking])
        self.patch(self.reactor, "seconds", lambda: next(seconds, 0.0))
        self.port.doRead()
        self.assertEqual(clients[3].recv(1), b"")
        clients[4].setblocking(False)
        self.assertRaises(BlockingIOError, clients[4].recv, 1)
        self.port.doRead()
        self.assertEqual(clients[5].recv(1), b"")

    def storm(self, source: str, count: int) -> None:
        """
        Connect so often, and leave.
        """
        for _ in range(count):
            self.connect(source).close()

    def is_heard(self, source: str) -> bool:
        """
        Whether a connection from there can be made now: on loopback it is there at once.
        """
        client = socket.socket()
        self.addCleanup(client.close)
        client.bind((source, 0))
        client.setblocking(False)
        client.connect_ex(self.where)
        turn = select.poll()
        turn.register(client, select.POLLOUT)
        return bool(turn.poll(0))

    def test_hasty(self) -> None:
        """
        Who comes and goes faster than can be taken is not heard for a moment; others are,
        and it is said once.
        """
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.accepting(batch=4, taking=0.0, hasty=10)
        for _ in range(2):
            for source in ("127.0.0.2", "127.0.0.3"):
                self.assertTrue(self.is_heard(source))
                self.storm(source, 20)
            for _ in range(5):
                self.port.doRead()
            self.assertEqual([self.is_heard(f"127.0.0.{n}") for n in (2, 3, 4)], [0, 1, 1])
            for _ in range(9):
                self.port.doRead()
            self.assertEqual([self.is_heard(f"127.0.0.{n}") for n in (2, 3, 4)], [0, 0, 1])
            self.reactor.advance(self.pace.ignored)
            while select.select([self.port.socket], [], [], 0)[0]:
                self.port.doRead()
            self.reactor.advance(1)
        warnings = [event for event in events if event["log_level"] is LogLevel.warn]
        self.assertEqual([event["peer"] for event in warnings], ["127.0.0.2"])
        self.transports()

    if not is_allowed():
        test_hasty.skip = "it takes CAP_NET_ADMIN here"  # type: ignore[attr-defined] # Trial's way

    def test_notAllowed(self) -> None:
        """Where the agent may not do that, it goes on with all of them."""
        self.port.socket.setsockopt(socket.SOL_SOCKET, LOCK_FILTER, 1)
        self.accepting(batch=4, taking=0.0, hasty=10)
        self.storm("127.0.0.2", 60)
        for _ in range(16):
            self.port.doRead()
        self.assertTrue(self.is_heard("127.0.0.2"))
        self.assertEqual(self.factory.made, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_hastyButFewer(self) -> None:
        """Who comes and goes as fast as can be taken is heard, as fast as that may be."""
        self.accepting(batch=100, hasty=10)
        for _ in range(3):
            self.storm("127.0.0.2", 50)
            self.port.doRead()
        self.assertTrue(self.is_heard("127.0.0.2"))
        self.assertEqual(self.factory.made, [])

    def test_shared(self) -> None:
        """On a socket that others have, too, everybody is heard."""
        self.pace = evolve(SHARED, batch=4, taking=0.0)
        Accepting(self.port, self.reactor, self.pace)
        self.storm("127.0.0.2", 40)
        for _ in range(12):
            self.port.doRead()
        self.assertTrue(self.is_heard("127.0.0.2"))

    def test_hastyTillTheEnd(self) -> None:
        """A port that is closed meanwhile hears nobody."""
        self.accepting(batch=4, taking=0.0, hasty=10)
        self.storm("127.0.0.2", 40)
        for _ in range(5):
            self.port.doRead()
        self.port.stopListening()
        self.reactor.advance(self.pace.ignored)
        self.reactor.advance(self.pace.ignored)
        self.assertFalse(self.port.connected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_closed(self) -> None:
        """For those who wait when the port is closed nothing is made."""
        self.accepting()
        self.factory.seconds = self.pace.making
        clients = [self.connect() for _ in range(3)]
        self.port.doRead()
        self.port.stopListening()
        self.turns()
        self.assertFalse(self.port.connected)
        self.assertEqual(len(self.factory.made), 1)
        self.assertEqual([client.recv(1) for client in clients[1:]], [b"", b""])
        self.transports()

    def test_failing(self) -> None:
        """That nothing can be made for one is said, and it is closed; others are let in."""
        self.accepting()
        self.factory.fails = 1
        client, _ = self.connect(), self.connect()
        self.port.doRead()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(len(self.transports()), 1)
