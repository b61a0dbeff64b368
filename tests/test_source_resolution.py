"""
Tests of L{smartmob.source.resolution} and of the addresses that downloads come from.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred

from smartmob.source.errors import SourceRefused
from smartmob.source.fetch import Fetcher
from smartmob.source.rules import SourceRules
from tests.support.disks import InlineDisk
from tests.support.fetching import MemoryCase


class AddressTests(MemoryCase):
    """
    Downloads in memory, from hosts whose addresses are the test's.
    """

    def test_forbiddenAddress(self) -> None:
        """
        It is the address really connected to that counts, whatever the name.
        """
        for address, kind in {
            "169.254.169.254": "link-local",
            "::ffff:169.254.169.254": "link-local",
            "0.0.0.0": "unspecified",
        }.items():
            self.begin("http://host/latest?secret")
            factory = self.reactor.tcpClients[-1][2]
            self.assertIs(factory.buildProtocol(IPv4Address("TCP", address, 80)), None)
            self.reactor.advance(1)
            self.assertEqual(
                self.why(SourceRefused),
                f"http://host/latest leads to {address}, which is {kind}",
            )

    def test_kept_back(self) -> None:
        """
        Nothing is connected to a forbidden address that a name stands for: of several
        addresses the others are tried, and without one it is said why.
        """
        self.names.addresses["mixed"] = ["169.254.169.254", "::ffff:0.0.0.0", "10.0.0.1"]
        self.begin("http://mixed/a")
        self.reactor.advance(10)
        self.assertEqual([client[0] for client in self.reactor.tcpClients], ["10.0.0.1"])
        self.fetched.cancel()
        self.failureResultOf(self.fetched)
        self.names.addresses["bad"] = ["fe80::1", "224.0.0.1"]
        self.begin("http://bad/a")
        self.assertEqual(
            self.why(SourceRefused), "http://bad/a leads to 224.0.0.1, which is multicast"
        )
        self.assertEqual(len(self.reactor.tcpClients), 1)

    def test_private_name(self) -> None:
        """
        So it is with the addresses of this machine and its network, where these are not
        allowed: nobody learns what listens there.
        """
        rules = SourceRules(private=False)
        fetcher = Fetcher(self.reactor, InlineDisk(), rules=lambda: rules)
        for address in ("127.0.0.1", "10.0.0.1", "::1", "::ffff:192.168.0.1"):
            self.names.addresses["inner"] = [address]
            self.fetched = Deferred.fromCoroutine(
                fetcher.fetch("http://inner/a", self.path, "id-1")
            )
            self.assertIn(f"leads to {address}, which is ", self.why(SourceRefused))
        self.assertEqual(self.reactor.tcpClients, [])
        self.names.addresses["outer"] = ["10.0.0.1", "8.8.8.8"]
        outer = Deferred.fromCoroutine(fetcher.fetch("http://outer/a", self.path, "id-1"))
        self.reactor.advance(10)
        self.assertEqual([client[0] for client in self.reactor.tcpClients], ["8.8.8.8"])
        outer.cancel()
        self.failureResultOf(outer)

    def test_redirected_name(self) -> None:
        """
        A redirect to a name is looked at as the first one was.
        """
        self.names.addresses["inner"] = ["169.254.169.254"]
        self.begin("http://host/a")
        self.connect()
        self.protocol.dataReceived(
            b"HTTP/1.1 302 X\r\nLocation: http://inner/a\r\nContent-Length: 0\r\n\r\n"
        )
        self.lose()
        self.assertIn("leads to 169.254.169.254, which is link-local", self.why(SourceRefused))
