"""
Tests of L{smartmob.source.fetch}, L{smartmob.source.connection} and
L{smartmob.source.body}.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionRefusedError as RefusesConnections
from twisted.internet.interfaces import IProtocol, IReactorFromThreads
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS

from smartmob import __version__
from smartmob.source.body import HIGH_WATER, disk_error
from smartmob.source.disk import Disk, Worker
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.fetch import Fetcher
from smartmob.source.limits import SourceLimits
from tests.support.certificates import own_certificate
from tests.support.disks import InlineDisk, SlowDisk
from tests.support.http_origin import Exchange, Origin, Script
from tests.support.resolving import MemoryReactor, Names

HELLO = hashlib.sha256(b"hello").hexdigest()
HEAD = b"HTTP/1.1 200 OK\r\n"


def then_close(*pieces: bytes) -> Callable[[Exchange], object]:
    """
    Send, and close.
    """

    def script(exchange: Exchange) -> None:
        exchange.send(*pieces)
        exchange.close()

    return script


def then_reset(*pieces: bytes) -> Callable[[Exchange], object]:
    """
    Send, and cut the connection.
    """

    def script(exchange: Exchange) -> None:
        exchange.send(*pieces)
        exchange.reset()

    return script


def huge_chunks(exchange: Exchange) -> None:
    """
    Send without end, in chunks, as fast as is taken.
    """
    exchange.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    for _ in range(64):
        exchange.send(chunk)


#: What a server does, whether it may succeed later, and a word of why it fails.
FAILURES: dict[str, tuple[Callable[[Exchange], object], type[SourceError], str]] = {
    "404": (lambda ex: ex.answer(b"no", code=404), SourceRefused, "answered 404"),
    "401": (lambda ex: ex.answer(b"no", code=401), SourceRefused, "answered 401"),
    "204": (lambda ex: ex.send(b"HTTP/1.1 204 X\r\n\r\n"), SourceRefused, "answered 204"),
    "206": (lambda ex: ex.answer(b"part", code=206), SourceRefused, "answered 206"),
    "304": (lambda ex: ex.send(b"HTTP/1.1 304 X\r\n\r\n"), SourceRefused, "answered 304"),
    "408": (lambda ex: ex.answer(b"no", code=408), SourceUnavailable, "answered 408"),
    "429": (lambda ex: ex.answer(b"no", code=429), SourceUnavailable, "answered 429"),
    "500": (lambda ex: ex.answer(b"no", code=500), SourceUnavailable, "answered 500"),
    "503": (lambda ex: ex.answer(b"no", code=503), SourceUnavailable, "answered 503"),
    "endless-500": (
        lambda ex: ex.send(b"HTTP/1.1 500 X\r\nContent-Length: 99999\r\n\r\n"),
        SourceUnavailable,
        "answered 500",
    ),
    "short": (
        then_close(HEAD + b"Content-Length: 500\r\n\r\nhello"),
        SourceUnavailable,
        "broke off",
    ),
    "short-chunked": (
        then_close(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe"),
        SourceUnavailable,
        "broke off",
    ),
    "reset": (lambda ex: ex.reset(), SourceUnavailable, "broke off before it answered"),
    "closed": (lambda ex: ex.close(), SourceUnavailable, "broke off before it answered"),
    "reset-in-body": (
        then_reset(HEAD + b"Content-Length: 500\r\n\r\nhello"),
        SourceUnavailable,
        "broke off",
    ),
    "huge": (
        lambda ex: ex.send(HEAD + b"Content-Length: 99999999999\r\n\r\n"),
        SourceRefused,
        "larger than 1000000 bytes",
    ),
    "huge-chunks": (huge_chunks, SourceRefused, "larger than 1000000 bytes"),
    "garbage": (
        then_close(b"\0\1\2garbage\r\n\r\n"),
        SourceRefused,
        "not as HTTP",
    ),
    "bad-length": (
        lambda ex: ex.send(HEAD + b"Content-Length: x\r\n\r\n"),
        SourceRefused,
        "not as HTTP",
    ),
    "two-lengths": (
        lambda ex: ex.send(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        SourceRefused,
        "not as HTTP",
    ),
    "bad-chunk": (
        lambda ex: ex.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        SourceUnavailable,
        "broke off",
    ),
    "long-header": (
        lambda ex: ex.send(HEAD + b"X: " + b"a" * 3_000_000),
        SourceRefused,
        "not as HTTP",
    ),
    "many-headers": (
        lambda ex: ex.send(HEAD + b"X: y\r\n" * 100_000),
        SourceRefused,
        "head of the answer",
    ),
    "many-continues": (
        lambda ex: ex.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000),
        SourceRefused,
        "head of the answer",
    ),
    "loop": (lambda ex: ex.redirect("/loop"), SourceRefused, "more than 5 redirects"),
    "to-file": (lambda ex: ex.redirect("file:///etc/passwd"), SourceRefused, "scheme file"),
    "to-user": (lambda ex: ex.redirect("//u:p@127.0.0.1/"), SourceRefused, "user name"),
    "to-nowhere": (
        lambda ex: ex.answer(b"", code=302),
        SourceRefused,
        "without saying where to",
    ),
    "to-any": (lambda ex: ex.redirect("http://0.0.0.0:1/"), SourceRefused, "0.0.0.0"),
}


class LoopbackTests(TestCase):
    """
    Downloads from a real server.
    """

    def setUp(self) -> None:
        """
        A server, a fetcher, a folder.
        """
        self.origin = Origin(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.origin.stop()))
        self.disk = Disk(IReactorFromThreads(reactor))
        self.disk.start()
        self.addCleanup(self.disk.stop)
        limits = SourceLimits(download_bytes=1_000_000)
        self.fetcher = Fetcher(reactor, self.disk, limits)
        self.path = self.mktemp()

    async def fetched(self, url: str) -> bytes:
        """
        What is downloaded from C{url}; its digest is that of the file.
        """
        digest = await self.fetcher.fetch(url, self.path, "id-1")
        with open(self.path, "rb") as file:
            data = file.read()
        self.assertEqual(digest, hashlib.sha256(data).hexdigest())
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        os.unlink(self.path)
        return data

    async def failure(self, url: str) -> SourceError:
        """
        Why C{url} can't be downloaded.
        """
        try:
            await self.fetcher.fetch(url, self.path, "id-1")
        except SourceError as error:
            return error
        finally:
            if os.path.exists(self.path):
                os.unlink(self.path)
        raise self.failureException(f"{url} was downloaded")

    async def test_request(self) -> None:
        """
        The request says who asks, wants the bytes as they are, and carries the id of
        the request that it is made for.
        """
        url = self.origin.serve("/a", b"hello")
        self.assertEqual(await self.fetched(url + "?sig=a%2Bb"), b"hello")
        [exchange] = self.origin.requests
        self.assertEqual(exchange.head.split(b"\r\n")[0], b"GET /a?sig=a%2Bb HTTP/1.1")
        self.assertEqual(exchange.header("User-Agent"), f"smartmob/{__version__}")
        self.assertEqual(exchange.header("Accept-Encoding"), "identity")
        self.assertEqual(exchange.header("X-Request-Id"), "id-1")
        self.assertEqual(exchange.header("Host"), f"127.0.0.1:{self.origin.port}")

    async def test_bodies(self) -> None:
        """
        A body arrives as it was sent: empty, without a length, chunked, larger than any
        buffer, and never inflated.
        """
        packed = gzip.compress(bytes(10_000_000))
        large = os.urandom(1_000_000)
        script, serve = self.origin.script, self.origin.serve
        whole = HEAD + b"Content-Length: 2\r\n\r\ngo"
        chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        for url, body in {
            serve("/empty", b""): b"",
            serve("/large", large): large,
            serve("/packed", packed, "Content-Encoding: gzip"): packed,
            script("/chunked", lambda ex: ex.send(HEAD + chunked)): b"hello",
            script("/old", then_close(b"HTTP/1.0 200 X\r\n\r\nold")): b"old",
            script("/more", then_close(b"HTTP/1.1 100 Continue\r\n\r\n", whole)): b"go",
        }.items():
            with self.subTest(url=url):
                self.assertEqual(await self.fetched(url), body)

    async def test_failures(self) -> None:
        """
        Everything that a server can do wrong is told by a sentence, and whether it may
        succeed later.
        """
        for name, (script, kind, why) in FAILURES.items():
            with self.subTest(name=name):
                url = self.origin.script(f"/{name}", script)
                error = await self.failure(url + "?secret=1")
                self.assertIs(type(error), kind, error)
                self.assertIn(why, error.reason)
                self.assertNotIn("secret", error.reason)

    async def test_redirects(self) -> None:
        """
        Five redirects of any kind are followed, the query of each one with them.
        """
        self.origin.serve("/end", b"hello")
        codes = [301, 302, 303, 307, 308]
        for n, code in enumerate(codes):
            to = f"/{n + 1}?q={n}" if n < 4 else "/end"
            self.origin.serve(f"/{n}", b"", f"Location: {to}", code=code)
        self.assertEqual(await self.fetched(self.origin.url("/0")), b"hello")
        self.assertEqual(
            [exchange.path for exchange in self.origin.requests],
            ["/0", "/1?q=0", "/2?q=1", "/3?q=2", "/4?q=3", "/end"],
        )

    async def test_retryAfter(self) -> None:
        """
        When a server says how long to leave it alone, that is told.
        """
        for value, seconds in {"7": 7.0, " 120 ": 120.0, "soon": None, "-1": None}.items():
            url = self.origin.serve("/busy", b"", f"Retry-After: {value}", code=503)
            error = await self.failure(url)
            assert isinstance(error, SourceUnavailable)
            self.assertEqual(error.retry_after, seconds)

    async def test_refused(self) -> None:
        """
        A port where nobody listens may have a server later.
        """
        url = self.origin.url("/")
        await self.origin.stop()
        error = await self.failure(url)
        self.assertIsInstance(error, SourceUnavailable)
        self.assertIn("no connection to 127.0.0.1", error.reason)

    async def test_noTls(self) -> None:
        """
        A server that does not speak TLS is refused.
        """
        url = self.origin.url("/").replace("http:", "https:")
        self.origin.factory.protocol = _Plain
        error = await self.failure(url)
        self.assertIs(type(error), SourceRefused)
        self.assertIn("no trusted TLS connection", error.reason)

    async def test_fileExists(self) -> None:
        """
        A file that is there is not written to.
        """
        with open(self.path, "wb") as file:
            file.write(b"mine")
        error = await self.failure(self.origin.serve("/a", b"hello"))
        self.assertIs(type(error), SourceRefused)
        self.assertEqual(error.reason, "the download could not be written: File exists")

    async def test_fullDisk(self) -> None:
        """
        A disk without room is told.
        """
        self.path = "/dev/full"
        fetcher = Fetcher(reactor, _Unopened())
        url = self.origin.serve("/a", b"hello")
        try:
            await fetcher.fetch(url, self.path, "id-1")
        except SourceRefused as error:
            self.assertIn("No space left on device", error.reason)
        else:
            self.fail("it was written")

    async def test_cancelled(self) -> None:
        """
        Cancelling ends the connection at once, in the head and in the body.
        """
        begun = HEAD + b"Content-Length: 500\r\n\r\nhello"
        scripts: list[Script] = [lambda ex: None, lambda ex: ex.send(begun)]
        for script in scripts:
            asked = self.origin.next_request()
            url = self.origin.script("/slow", script)
            fetched = Deferred.fromCoroutine(self.fetcher.fetch(url, self.path, "id-1"))
            exchange = await asked
            fetched.cancel()
            try:
                await fetched
            except (CancelledError, SourceError):
                pass
            else:
                self.fail("it was not cancelled")
            await exchange.lost
            if os.path.exists(self.path):
                os.unlink(self.path)


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


class _Plain(Exchange):
    """
    Answers whatever comes as a plain HTTP server does.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        Complain.
        """
        self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.close()


class _Unopened(InlineDisk):
    """
    Opens files that exist.
    """

    def run(self, work: Any, /, *args: Any, **kwargs: Any) -> Any:
        """
        Let a device be written to.
        """
        if work.__name__ == "open":
            work.__self__._descriptor = os.open("/dev/full", os.O_WRONLY)
            return super().run(lambda: None)
        return super().run(work, *args, **kwargs)


class MemoryTests(SynchronousTestCase):
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
        A body may take as long as it likes, but not 30 seconds for a byte.
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

    def test_retryAfterDate(self) -> None:
        """
        A server may say until when to leave it alone.
        """
        self.reactor.advance(784_111_770)
        self.begin("http://host/a")
        self.connect()
        self.protocol.dataReceived(
            b"HTTP/1.1 503 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
        )
        self.lose()
        error = self.failureResultOf(self.fetched, SourceUnavailable).value
        assert isinstance(error, SourceUnavailable)
        self.assertEqual(error.retry_after, 7.0)
