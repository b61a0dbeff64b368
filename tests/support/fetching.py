"""
Downloads in memory, for tests.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.disk import Worker
from smartmob.source.errors import SourceError
from smartmob.source.fetch import Fetcher
from tests.support.disks import InlineDisk
from tests.support.resolving import MemoryReactor, Names


class MemoryCase(SynchronousTestCase):
    """
    Downloads in memory, where time and names are the test's.
    """

    def setUp(self) -> None:
        """
        A reactor that knows some hosts.
        """
        self.names = Names(host=["10.0.0.1"])
        self.reactor = MemoryReactor(self.names)
        self.path = self.mktemp()

    def begin(self, url: str, disk: Worker | None = None) -> None:
        """
        Begin a download.
        """
        fetcher = Fetcher(self.reactor, disk or InlineDisk())
        self.fetched = Deferred.fromCoroutine(fetcher.fetch(url, self.path, "id-1"))

    def connect(self) -> StringTransport:
        """
        Let the last attempt to connect succeed.
        """
        factory = self.reactor.tcpClients[-1][2]
        protocol = factory.buildProtocol(IPv4Address("TCP", "10.0.0.1", 80))
        assert protocol is not None
        self.protocol: IProtocol = protocol
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)
        return self.transport

    def lose(self) -> None:
        """
        End the connection, if it was to be ended.
        """
        self.assertTrue(self.transport.disconnecting or self.transport.disconnected)
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def why(self, kind: type[SourceError]) -> str:
        """
        Why it failed.
        """
        error = self.failureResultOf(self.fetched, kind).value
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        assert isinstance(error, SourceError)
        return error.reason
