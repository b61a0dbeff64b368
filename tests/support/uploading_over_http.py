"""
Archives that a client in memory sends to an agent in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.disk import Worker
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.disks import InlineDisk
from tests.support.httpwire import Answer, Wire
from tests.support.uploading import Store

MOST = 1_000
"""Bytes that an archive may have here."""


class ArchiveCase(SynchronousTestCase):
    """
    An agent in memory, with a store on disk.
    """

    def setUp(self) -> None:
        self.begin(InlineDisk())

    def begin(self, disk: Worker, most: int = MOST, **limits: int) -> None:
        """Have an agent."""
        self.clock = Clock()
        self.store = Store(self.mktemp(), disk, **limits)
        self.agent = FakeAgent(archives=self.store.archives)
        self.site = make_site(self.agent.real, self.clock, archive_bytes=most)

    def wire(self, **more: Any) -> Wire:
        """A new connection."""
        return Wire(self.site, **more)

    def chunked(self, *headers: str, **more: Any) -> Wire:
        """A new connection, on which an archive begins without a length."""
        wire = self.wire(**more)
        wire.request("PUT", "/archives", None, "Transfer-Encoding: chunked", *headers)
        return wire

    def assertRefused(self, answer: Answer, status: int, code: str) -> None:
        """It was answered with a problem, and nothing is left."""
        self.assertEqual((answer.status, answer.json()["code"]), (status, code))
        self.assertEqual(answer.header("content-type"), "application/problem+json")
        self.assertEqual(self.store.found(), [])

    def assertOver(self) -> None:
        """No file and no timer is left."""
        self.assertEqual(self.store.found(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


def chunk(data: bytes) -> bytes:
    """
    A chunk, as it is sent.
    """
    return b"%x\r\n%b\r\n" % (len(data), data)
