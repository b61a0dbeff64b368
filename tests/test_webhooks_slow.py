"""
Tests of L{smartmob.webhooks.posting}: sinks that take their time, in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectError, DNSLookupError, TCPTimedOutError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.http_headers import Headers

from smartmob.target import Target
from smartmob.webhooks.connection import HEAD_BYTES, NEXT_SECONDS
from smartmob.webhooks.outcome import Outcome, Result
from smartmob.webhooks.posting import CLOSE_SECONDS, TRY_SECONDS, HttpPosting
from tests.support.httpwire import THERE, Transport

OK = b"HTTP/1.1 200 OK\r\n"


class SlowTransport(Transport):
    """
    A transport whose other side does not answer that it is closed, as TLS asks for.
    """

    def loseConnection(self) -> None:
        """
        Wait.
        """

    def abortConnection(self) -> None:
        """
        At once.
        """
        self.aborted = True
        super().loseConnection()


class TimeTests(SynchronousTestCase):
    """
    Sinks that take their time, in memory.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.found: dict[str, Deferred[Sequence[str]]] = {}
        self.outcomes: list[Outcome] = []

    def begin(self, url: str = "http://127.0.0.1:80/") -> HttpPosting:
        """
        Begin to post.
        """
        policy = BrowserLikePolicyForHTTPS()
        posting = HttpPosting(
            self.reactor, Target.parse(url), policy, self.look_up, self.reactor.seconds
        )
        posting.begin(Headers(), b"{}").outcome.addCallback(self.outcomes.append)
        return posting

    def look_up(self, host: str) -> Deferred[Sequence[str]]:
        """
        Names are found when the test says so, addresses at once.
        """
        if host in ("127.0.0.1", "::1"):
            return succeed([host])
        self.found[host] = Deferred()
        return self.found[host]

    def fails(self, error: ConnectError) -> None:
        """
        The connection can't be made.
        """
        factory = self.reactor.tcpClients[-1][2]
        factory.clientConnectionFailed(self.reactor.connectors[-1], Failure(error))

    def connected(self, transport: Transport) -> IProtocol:
        """
        The connection is made.
        """
        factory = self.reactor.tcpClients[-1][2]
        protocol = factory.buildProtocol(THERE)
        assert protocol is not None
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return protocol

    def check(self, *outcomes: Outcome) -> None:
        """
        It is over, and nothing of it is left.
        """
        self.assertEqual(self.outcomes, list(outcomes))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    late = Outcome(result=Result.FAILED, reason="did not answer within 10 s")

    def test_connecting(self) -> None:
        """
        One that can't be connected to has ten seconds.
        """
        for host in ("127.0.0.1", "[::1]"):
            self.outcomes.clear()
            self.begin(f"http://{host}/")
            self.reactor.advance(TRY_SECONDS - 0.1)
            self.assertEqual(self.outcomes, [])
            self.reactor.advance(0.1)
            [outcome] = self.outcomes
            self.assertEqual(outcome.result, Result.FAILED)
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_nameNotFound(self) -> None:
        """
        A name that nobody knows is said.
        """
        self.begin("http://nowhere.invalid/")
        self.found["nowhere.invalid"].errback(DNSLookupError())
        self.check(
            Outcome(
                result=Result.FAILED, reason="can't be reached: nowhere.invalid was not found"
            )
        )

    def test_lookingUp(self) -> None:
        """
        A look-up that takes too long is waited for no longer.
        """
        self.begin("http://sink/")
        self.reactor.advance(TRY_SECONDS)
        self.check(self.late)

    def test_addresses(self) -> None:
        """
        The addresses of a name are tried one after the other, each as soon as the one before
        was refused, or has not answered for a while.
        """
        self.begin("http://sink/")
        self.found["sink"].callback(["::1", "10.0.0.1", "10.0.0.2"])
        self.fails(Refused())
        self.fails(TCPTimedOutError())
        clients = [(host, seconds) for host, _, _, seconds, _ in self.reactor.tcpClients]
        self.assertEqual(clients[:2], [("::1", NEXT_SECONDS), ("10.0.0.1", NEXT_SECONDS)])
        transport = Transport()
        self.connected(transport).dataReceived(OK + b"\r\n")
        transport.loseConnection()
        self.check(Outcome(result=Result.DELIVERED, status=200))

    def test_noAddress(self) -> None:
        """
        It says why the last address could not be connected to.
        """
        self.begin("http://sink/")
        self.found["sink"].callback(["10.0.0.1", "10.0.0.2"])
        for error in (TCPTimedOutError(), Refused(111)):
            self.fails(error)
        reason = "can't be reached: Connection refused"
        self.check(Outcome(result=Result.FAILED, reason=reason))

    def test_silent(self) -> None:
        """
        One that takes the request and does not answer has ten seconds in all.
        """
        self.begin()
        self.reactor.advance(4)
        transport = Transport()
        self.connected(transport)
        self.assertTrue(transport.value().startswith(b"POST / HTTP/1.1\r\n"))
        self.reactor.advance(6)
        self.assertTrue(transport.aborted)
        self.check(self.late)

    def test_drippingHead(self) -> None:
        """
        Bytes of an answer, one after the other, put nothing off.
        """
        self.begin()
        transport = Transport()
        protocol = self.connected(transport)
        for byte in b"HTTP/1.1 ":
            protocol.dataReceived(bytes([byte]))
            self.reactor.advance(1)
        self.reactor.advance(1)
        self.check(self.late)

    def test_drippingBody(self) -> None:
        """
        Where the status has come, it counts, and a body that drips is cut.
        """
        self.begin()
        transport = Transport()
        protocol = self.connected(transport)
        protocol.dataReceived(OK + b"\r\n")
        for _ in range(9):
            protocol.dataReceived(b"x")
            self.reactor.advance(1)
        self.assertEqual(self.outcomes, [])
        self.reactor.advance(1)
        self.assertTrue(transport.aborted)
        self.check(Outcome(result=Result.DELIVERED, status=200))

    def test_closing(self) -> None:
        """
        A connection that the other side does not close is cut a second after the answer.
        """
        self.begin()
        transport = SlowTransport()
        protocol = self.connected(transport)
        protocol.dataReceived(OK + b"Content-Length: 0\r\n\r\n")
        self.assertEqual(self.outcomes, [])
        self.reactor.advance(CLOSE_SECONDS)
        self.assertTrue(transport.aborted)
        self.check(Outcome(result=Result.DELIVERED, status=200))

    def test_closingLate(self) -> None:
        """
        That second is one of the ten.
        """
        self.begin()
        transport = SlowTransport()
        protocol = self.connected(transport)
        self.reactor.advance(TRY_SECONDS - 0.1)
        protocol.dataReceived(OK + b"Content-Length: 0\r\n\r\n")
        self.reactor.advance(0.1)
        self.check(Outcome(result=Result.DELIVERED, status=200))

    def test_head(self) -> None:
        """
        A head may have its size, and no more.
        """
        self.begin()
        transport = Transport()
        protocol = self.connected(transport)
        protocol.dataReceived(OK)
        line = b"X-Line: " + b"x" * 1014 + b"\r\n"
        for _ in range(2 * HEAD_BYTES // len(line)):
            protocol.dataReceived(line)
        self.assertTrue(transport.aborted)
        reason = "answered with too large a head"
        self.check(Outcome(result=Result.REFUSED, reason=reason))
