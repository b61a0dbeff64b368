"""
Tests of L{smartmob.source.fetch} with https.
"""

from __future__ import annotations

import hashlib

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS

from smartmob.source.errors import SourceRefused
from smartmob.source.fetch import Fetcher
from tests.support.certificates import own_certificate
from tests.support.disks import InlineDisk
from tests.support.http_origin import Origin

HELLO = hashlib.sha256(b"hello").hexdigest()


class TlsTests(TestCase):
    """
    Downloads by https, from a server whose certificate is for C{localhost}.
    """

    def setUp(self) -> None:
        """
        A server.
        """
        self.certificate = own_certificate("localhost")
        self.origin = Origin(reactor, self.certificate.options())
        self.addCleanup(lambda: Deferred.fromCoroutine(self.origin.stop()))
        self.origin.serve("/a", b"hello")

    async def fetched(self, host: str, policy: IPolicyForHTTPS) -> str:
        """
        Download, in C{policy}.
        """
        fetcher = Fetcher(reactor, InlineDisk(), policy=policy)
        url = f"https://{host}:{self.origin.port}/a"
        return await fetcher.fetch(url, self.mktemp(), "id-1")

    async def test_trusted(self) -> None:
        """
        A server whose certificate is trusted is read from.
        """
        policy = BrowserLikePolicyForHTTPS(trustRoot=self.certificate)
        self.assertEqual(await self.fetched("localhost", policy), HELLO)

    async def test_notTrusted(self) -> None:
        """
        One whose certificate is not is refused, for good.
        """
        with self.assertRaises(SourceRefused) as raised:
            await self.fetched("localhost", BrowserLikePolicyForHTTPS())
        self.assertIn("no trusted TLS connection to localhost", raised.exception.reason)
        self.assertIn("certificate verify failed", raised.exception.reason)

    async def test_otherName(self) -> None:
        """
        So is one whose certificate is for another name.
        """
        policy = BrowserLikePolicyForHTTPS(trustRoot=self.certificate)
        with self.assertRaises(SourceRefused) as raised:
            await self.fetched("127.0.0.1", policy)
        self.assertIn("127.0.0.1", raised.exception.reason)
