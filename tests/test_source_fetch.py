"""
Tests of L{smartmob.source.fetch}: what servers do, on loopback.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import TestCase

from smartmob import __version__
from smartmob.config.configuration import Settings
from smartmob.source.disk import Disk
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.fetch import Fetcher
from smartmob.source.limits import SourceLimits
from smartmob.source.rules import SourceRules
from tests.support.disks import InlineDisk
from tests.support.http_origin import Exchange, Origin, Script

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

    async def test_rules(self) -> None:
        """
        A redirect leads only where sources may come from by then, and a connection to this
        machine is made only where that may be.
        """
        serve, script = self.origin.serve, self.origin.script
        inside = serve("/pub/a", b"hello")
        out = serve("/a", b"no")
        rules = SourceRules.of(Settings(allowed_sources=(inside.removesuffix("a"),)))
        self.fetcher = Fetcher(reactor, self.disk, rules=lambda: rules)
        to_inside = script("/pub/b", lambda ex: ex.redirect("a"))
        self.assertEqual(await self.fetched(to_inside), b"hello")
        for to in ("../a", "/pub/%2e%2e/a", out + "?secret"):
            url = script("/pub/c", partial(Exchange.redirect, to=to))
            error = await self.failure(url)
            self.assertIsInstance(error, SourceRefused)
            self.assertIn("which lies below none of allowed_sources", error.reason)
            self.assertNotIn("secret", error.reason)
        rules = SourceRules.of(Settings(private_sources=False))
        closed = "http://10.0.0.1:1/", "http://[::ffff:127.0.0.1]:1/"
        for url in closed:
            self.assertIn("which is", (await self.failure(url)).reason)
        asked = len(self.origin.requests)
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1"):
            error = await self.failure(inside.replace("127.0.0.1", host))
            self.assertIsInstance(error, SourceRefused)
            self.assertIn("which is loopback", error.reason)
        self.assertEqual(len(self.origin.requests), asked)

    async def test_proxies(self) -> None:
        """
        Proxies of the agent's environment have no say in where a source comes from.
        """
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            self.patch(os, "environ", {**os.environ, name: "http://127.0.0.1:1/"})
        self.assertEqual(await self.fetched(self.origin.serve("/a", b"hello")), b"hello")

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
        self.assertTrue(error.reason.endswith(": Connection refused"), error.reason)
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
