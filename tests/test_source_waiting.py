"""
Tests of L{smartmob.source.fetch}, L{smartmob.source.connection} and
L{smartmob.source.body} in memory: of time, names and slow disks.
"""

from __future__ import annotations

import errno
import hashlib
import os

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as RefusesConnections
from twisted.python.failure import Failure

from smartmob.source.body import disk_error
from smartmob.source.errors import SourceRefused, SourceUnavailable
from smartmob.source.fetch import Fetcher
from smartmob.source.limits import SourceLimits
from smartmob.source.spool import HIGH_WATER
from tests.support.disks import InlineDisk, SlowDisk
from tests.support.fetching import MemoryCase

HEAD = b"HTTP/1.1 200 OK\r\n"


class MemoryTests(MemoryCase):
    """
    Downloads in memory, where time and names are the test's.
    """

    def test_unknownHost(self) -> None:
        """
        A name that nobody knows may be known later.
        """
        self.begin("http://nohost/")
        self.assertEqual(self.why(SourceUnavailable), "nohost was not found")

    def test_connectTimeout(self) -> None:
        """
        A host that does not answer is given up after 30 seconds.
        """
        self.begin("http://host/")
        self.assertEqual(self.reactor.tcpClients[-1][3], 30)

    def test_refused(self) -> None:
        """
        A host that refuses may accept later.
        """
        self.begin("http://host/")
        _, _, factory, _, _ = self.reactor.tcpClients[-1]
        factory.clientConnectionFailed(
            self.reactor.connectors[-1], Failure(RefusesConnections())
        )
        self.reactor.advance(1)
        self.assertIn("no connection to host port 80", self.why(SourceUnavailable))

    def test_mute(self) -> None:
        """
        A server that says nothing for 30 seconds is left.
        """
        self.begin("http://host/a")
        self.connect()
        self.assertIn(b"GET /a HTTP/1.1\r\n", self.transport.value())
        self.reactor.advance(29.9)
        self.assertNoResult(self.fetched)
        self.reactor.advance(0.2)
        self.lose()
        self.assertEqual(
            self.why(SourceUnavailable), "http://host/a sent nothing for 30 seconds"
        )

    def test_slowHead(self) -> None:
        """
        A server that answers a byte at a time is left after 60 seconds.
        """
        self.begin("http://host/a")
        self.connect()
        for byte in (b"H", b"T", b"T"):
            self.protocol.dataReceived(byte)
            self.reactor.advance(19)
        self.assertNoResult(self.fetched)
        self.reactor.advance(4)
        self.lose()
        self.assertIn("did not answer within 60 seconds", self.why(SourceUnavailable))

    def test_slowBody(self) -> None:
        """
        A body may take its time, but not 30 seconds for a byte.
        """
        self.begin("http://host/a")
        self.connect()
        self.protocol.dataReceived(HEAD + b"Content-Length: 500\r\n\r\n")
        for _ in range(100):
            self.protocol.dataReceived(b"x")
            self.reactor.advance(29)
        self.assertNoResult(self.fetched)
        self.reactor.advance(2)
        self.lose()
        self.assertIn("sent nothing for 30 seconds", self.why(SourceUnavailable))

    def test_endlessBody(self) -> None:
        """
        Nor may all of it take more than an hour, which begins when its turn has come.
        """
        self.begin("http://host/a")
        self.connect()
        self.protocol.dataReceived(HEAD + b"Content-Length: 500\r\n\r\n")
        for _ in range(360):
            self.assertNoResult(self.fetched)
            self.assertFalse(self.transport.disconnected)
            self.protocol.dataReceived(b"x")
            self.reactor.advance(10)
        self.lose()
        self.assertEqual(
            self.why(SourceUnavailable), "http://host/a was not read within 3600 seconds"
        )

    def test_full(self) -> None:
        """
        A download may not fill the disk: neither one that says how large it is, nor one
        that grows.
        """
        limits = SourceLimits(free_bytes=1 << 60, free_percent=100)
        for head in (b"Content-Length: 5\r\n", b"Content-Length: 4\r\n", b""):
            disk = SlowDisk()
            fetcher = Fetcher(self.reactor, disk, limits)
            self.path = self.mktemp()
            self.fetched = Deferred.fromCoroutine(
                fetcher.fetch("http://host/a", self.path, "id-1")
            )
            self.connect()
            self.protocol.dataReceived(HEAD + head + b"\r\nhello")
            disk.work()
            self.lose()
            disk.work_all()
            why = self.why(SourceRefused)
            self.assertRegex(
                why,
                r"^the download could not be written: no room for (\d )?more( bytes)? on the "
                r"disk: \d+ are free, and \d+ stay so$",
            )
            self.assertEqual(os.path.getsize(self.path), 0)

    def test_slowDisk(self) -> None:
        """
        A server waits for a slow disk, for which it is not to blame.
        """
        disk = SlowDisk()
        self.begin("http://host/a", disk)
        self.connect()
        self.protocol.dataReceived(HEAD + b"Content-Length: 10000000\r\n\r\n")
        disk.work()
        chunk = bytes(1_000_000)
        for _ in range(6):
            self.assertEqual(self.transport.producerState, "producing")
            self.protocol.dataReceived(chunk)
        self.assertEqual(self.transport.producerState, "paused")
        self.reactor.advance(1000)
        disk.work()
        disk.work()
        self.assertEqual(self.transport.producerState, "producing")
        for _ in range(4):
            self.protocol.dataReceived(chunk)
        self.assertNoResult(self.fetched)
        while disk.asked:
            disk.work()
        self.assertEqual(
            self.successResultOf(self.fetched), hashlib.sha256(chunk * 10).hexdigest()
        )
        self.assertEqual(os.path.getsize(self.path), 10_000_000)
        self.assertTrue(HIGH_WATER < 6_000_000)

    def test_cancelledOnSlowDisk(self) -> None:
        """
        A cancelled download is over when no thread writes to its file any more.
        """
        disk = SlowDisk()
        self.begin("http://host/a", disk)
        self.connect()
        self.protocol.dataReceived(HEAD + b"Content-Length: 500\r\n\r\nhello")
        disk.work()
        self.assertEqual(len(disk.asked), 1)
        self.fetched.cancel()
        self.lose()
        self.assertNoResult(self.fetched)
        disk.work()
        self.assertNoResult(self.fetched)
        disk.work()
        self.failureResultOf(self.fetched)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelledWhileCreating(self) -> None:
        """
        It is not over while a thread is about to create its file, either.
        """
        disk = SlowDisk()
        self.begin("http://host/a", disk)
        self.connect()
        self.protocol.dataReceived(HEAD + b"Content-Length: 500\r\n\r\nhello")
        self.fetched.cancel()
        self.lose()
        self.assertNoResult(self.fetched)
        self.assertFalse(os.path.exists(self.path))
        disk.work()
        self.assertTrue(os.path.exists(self.path))
        self.assertNoResult(self.fetched)
        disk.work()
        self.failureResultOf(self.fetched)
        self.assertEqual(disk.asked, [])

    def test_noDescriptors(self) -> None:
        """
        A file that can't be created for want of descriptors may be created later.
        """
        for number, kind in {
            errno.EMFILE: SourceUnavailable,
            errno.ENFILE: SourceUnavailable,
            errno.ENOSPC: SourceRefused,
            errno.EROFS: SourceRefused,
        }.items():
            error = disk_error(Failure(OSError(number, os.strerror(number))))
            self.assertIs(type(error), kind)
            self.assertIn(os.strerror(number), error.reason)

    def test_turns(self) -> None:
        """
        So many sources are read from one server at a time; others wait for their turn,
        and may leave it.
        """
        fetcher = Fetcher(self.reactor, InlineDisk(), SourceLimits(downloads=2))
        fetched = [
            Deferred.fromCoroutine(fetcher.fetch("http://host/a", self.mktemp(), "id-1"))
            for _ in range(4)
        ]
        self.assertEqual(len(self.reactor.tcpClients), 2)
        self.names.addresses["other"] = ["10.0.0.2"]
        other = Deferred.fromCoroutine(fetcher.fetch("http://other/", self.mktemp(), "id-1"))
        self.assertEqual(len(self.reactor.tcpClients), 3)
        fetched[2].cancel()
        self.failureResultOf(fetched[2], CancelledError)
        fetched[0].cancel()
        self.failureResultOf(fetched[0])
        self.assertEqual(len(self.reactor.tcpClients), 4)
        for waiting in (fetched[1], fetched[3], other):
            waiting.cancel()
            self.failureResultOf(waiting)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_turns_in_all(self) -> None:
        """
        So many are read from all servers together, too; who waits for a busy server keeps
        nobody from another.
        """
        self.names.addresses.update({f"h{n}": [f"10.0.1.{n}"] for n in range(1, 5)})
        limits = SourceLimits(downloads=1, downloads_in_all=3)
        fetcher = Fetcher(self.reactor, InlineDisk(), limits)
        fetched = [
            Deferred.fromCoroutine(fetcher.fetch(f"http://{host}/", self.mktemp(), "id-1"))
            for host in ("h1", "h1", "h1", "h2", "h3", "h4")
        ]

        def connected() -> list[str]:
            return [client[0] for client in self.reactor.tcpClients]

        self.assertEqual(connected(), ["10.0.1.1", "10.0.1.2", "10.0.1.3"])
        fetched[3].cancel()
        self.failureResultOf(fetched[3])
        self.assertEqual(connected()[3:], ["10.0.1.4"])
        fetched[0].cancel()
        self.failureResultOf(fetched[0])
        self.assertEqual(connected()[4:], ["10.0.1.1"])
        for waiting in fetched[1:3] + fetched[4:]:
            waiting.cancel()
            self.failureResultOf(waiting)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_retryAfterDate(self) -> None:
        """
        A server may say until when to leave it alone.
        """
        fetcher = Fetcher(self.reactor, InlineDisk(), wall=lambda: 784_111_770.0)
        self.fetched = Deferred.fromCoroutine(fetcher.fetch("http://host/a", self.path, "id-1"))
        self.connect()
        self.protocol.dataReceived(
            b"HTTP/1.1 503 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
        )
        self.lose()
        error = self.failureResultOf(self.fetched, SourceUnavailable).value
        assert isinstance(error, SourceUnavailable)
        self.assertEqual(error.retry_after, 7.0)
