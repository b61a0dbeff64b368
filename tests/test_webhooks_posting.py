"""
Tests of L{smartmob.webhooks.posting}: what sinks do, on loopback.
"""

from __future__ import annotations

import os
from typing import cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPullProducer, IReactorFromThreads
from twisted.trial.unittest import TestCase
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from smartmob.names import Names
from smartmob.target import Target
from smartmob.webhooks.outcome import Outcome, Result
from smartmob.webhooks.posting import HttpPosting
from tests.support.certificates import own_certificate
from tests.support.sink import Caller, Post, Script, Sink

OK = b"HTTP/1.1 200 OK\r\n"


def says(data: bytes, *, close: bool = False) -> Script:
    """
    A sink that sends this, whatever it is asked.
    """

    def script(caller: Caller, post: Post) -> None:
        caller.send(data)
        if close:
            caller.tcp.loseConnection()

    return script


def floods(head: bytes) -> Script:
    """
    A sink whose answer never ends.
    """

    def script(caller: Caller, post: Post) -> None:
        @implementer(IPullProducer)
        class Endless:
            def resumeProducing(self) -> None:
                caller.send(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 1000)

            def stopProducing(self) -> None: ...

        caller.send(head)
        cast(IConsumer, caller.transport).registerProducer(Endless(), False)

    return script


def hangs_up(caller: Caller, post: Post) -> None:
    """
    A sink that closes the connection without a word.
    """
    caller.tcp.loseConnection()


def resets(caller: Caller, post: Post) -> None:
    """
    A sink that cuts the connection.
    """
    caller.tcp.abortConnection()


ANSWERS: dict[str, tuple[Script, Result, str | None]] = {
    "200": (lambda caller, post: caller.answer(200), Result.DELIVERED, None),
    "204": (says(b"HTTP/1.1 204 X\r\n\r\n"), Result.DELIVERED, None),
    "body": (lambda caller, post: caller.answer(201, body=b"x" * 9999), Result.DELIVERED, None),
    "http10": (says(b"HTTP/1.0 200 OK\r\n\r\nhello", close=True), Result.DELIVERED, None),
    "continue": (
        says(b"HTTP/1.1 100 X\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"),
        Result.DELIVERED,
        None,
    ),
    "short": (says(OK + b"Content-Length: 9\r\n\r\nx", close=True), Result.DELIVERED, None),
    "bad-chunk": (
        says(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        Result.DELIVERED,
        None,
    ),
    "endless": (floods(OK + b"\r\n"), Result.DELIVERED, None),
    "endless-length": (
        floods(OK + b"Content-Length: 99999999\r\n\r\n"),
        Result.DELIVERED,
        None,
    ),
    "endless-500": (floods(b"HTTP/1.1 500 X\r\n\r\n"), Result.FAILED, "answered 500"),
    "endless-head": (floods(OK), Result.REFUSED, "answered with too large a head"),
    "500": (lambda caller, post: caller.answer(500, body=b"oh"), Result.FAILED, "answered 500"),
    "404": (
        lambda caller, post: caller.answer(404, body=b"no"),
        Result.REFUSED,
        "answered 404",
    ),
    "closes": (hangs_up, Result.FAILED, "broke off before it answered"),
    "resets": (resets, Result.FAILED, "broke off before it answered"),
    "half-a-head": (
        says(OK + b"Content-Len", close=True),
        Result.FAILED,
        "broke off before it answered",
    ),
    "garbage": (
        says(b"\0\1\2garbage\r\n\r\n"),
        Result.REFUSED,
        "answered, but not as HTTP does",
    ),
    "other": (says(b"SSH-2.0-OpenSSH\r\n"), Result.REFUSED, "answered, but not as HTTP does"),
    "bad-length": (
        says(OK + b"Content-Length: x\r\n\r\n"),
        Result.REFUSED,
        "answered, but not as HTTP does",
    ),
}
"""What a sink does, what comes of it, and why."""


class Outcomes(TestCase):
    """
    What it takes to post somewhere.
    """

    policy: IPolicyForHTTPS = BrowserLikePolicyForHTTPS()

    def sink(self, script: Script | None = None) -> Sink:
        """
        A sink.
        """
        sink = Sink(reactor)
        if script is not None:
            sink.script = script
        self.addCleanup(lambda: Deferred.fromCoroutine(sink.stop()))
        return sink

    def posting(self, url: str) -> HttpPosting:
        """
        Begin to post there.
        """
        target = Target.parse(url)
        look_up = Names(IReactorFromThreads(reactor)).look_up
        posting = HttpPosting(reactor, target, self.policy, look_up, lambda: 0)
        return posting.begin(Headers({b"X-One": [b"1"]}), b'{"id": 1}')


class AnswerTests(Outcomes):
    """
    Answers, right and wrong.
    """

    async def test_answers(self) -> None:
        """
        Whatever a sink does, it is known what came of it, and no connection is left.
        """
        for name, (script, result, reason) in ANSWERS.items():
            sink = self.sink(script)
            outcome = await self.posting(sink.url).outcome
            self.assertEqual((outcome.result, outcome.reason), (result, reason), name)
            self.assertEqual(sink.events, [1], name)

    async def test_request(self) -> None:
        """
        What is sent is a POST of the URL's path and query, with its headers and its body.
        """
        sink = self.sink()
        await self.posting(f"http://127.0.0.1:{sink.port}/a/b?c=d#e").outcome
        [post] = sink.posts
        self.assertEqual(post.line, "POST /a/b?c=d HTTP/1.1")
        self.assertEqual(post.body, b'{"id": 1}')
        self.assertEqual(post.headers["x-one"], "1")
        self.assertEqual(post.headers["host"], f"127.0.0.1:{sink.port}")
        self.assertEqual(post.headers["connection"], "close")

    async def test_retryAfter(self) -> None:
        """
        What the sink asks for is part of the outcome.
        """
        sink = self.sink(lambda caller, post: caller.answer(503, "Retry-After: 7"))
        outcome = await self.posting(sink.url).outcome
        expected = Outcome(
            result=Result.FAILED, status=503, reason="answered 503", retry_after=7.0
        )
        self.assertEqual(outcome, expected)

    async def test_redirect(self) -> None:
        """
        A redirect is an answer, and is not followed.
        """
        other = self.sink()
        sink = self.sink(lambda caller, post: caller.answer(307, f"Location: {other.url}"))
        outcome = await self.posting(sink.url).outcome
        self.assertEqual((outcome.result, outcome.status), (Result.REFUSED, 307))
        self.assertEqual(other.connections, 0)

    async def test_noProxy(self) -> None:
        """
        Proxies of the environment are not asked.
        """
        other, sink = self.sink(), self.sink()
        self.patch_environment(other.url)
        outcome = await self.posting(sink.url).outcome
        self.assertEqual(outcome.result, Result.DELIVERED)
        self.assertEqual(other.connections, 0)

    def patch_environment(self, url: str) -> None:
        """
        Name a proxy.
        """
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            self.patch(os, "environ", {**os.environ, name: url})

    async def test_refused(self) -> None:
        """
        Where nobody listens, it can't be reached.
        """
        sink = Sink(reactor)
        url = sink.url
        await sink.stop()
        outcome = await self.posting(url).outcome
        self.assertEqual(outcome.result, Result.FAILED)
        self.assertEqual(outcome.reason, "can't be reached: Connection refused")

    async def test_name(self) -> None:
        """
        Names of hosts are looked up.
        """
        sink = self.sink()
        outcome = await self.posting(f"http://localhost:{sink.port}/").outcome
        self.assertEqual(outcome.result, Result.DELIVERED)

    async def test_cut(self) -> None:
        """
        A try that is cut is over when its connection is.
        """
        sink = self.sink(lambda caller, post: None)
        posting = self.posting(sink.url)
        await sink.until(1)
        [caller] = sink.callers
        posting.cut()
        outcome = await posting.outcome
        await caller.lost
        self.assertEqual(outcome.result, Result.FAILED)

    async def test_cutAtOnce(self) -> None:
        """
        One that is cut before it is connected leaves nothing.
        """
        for host in ("127.0.0.1", "localhost"):
            sink = self.sink()
            posting = self.posting(f"http://{host}:{sink.port}/")
            posting.cut()
            self.successResultOf(posting.outcome)

    async def test_cutInBody(self) -> None:
        """
        One that is cut while the answer's body comes was delivered.
        """
        sink = self.sink(says(OK + b"Content-Length: 9\r\n\r\nx"))
        posting = self.posting(sink.url)
        await sink.until(1)
        [caller] = sink.callers
        while posting._known is None:
            turn: Deferred[None] = Deferred()
            reactor.callLater(0, turn.callback, None)
            await turn
        posting.cut()
        outcome = await posting.outcome
        await caller.lost
        self.assertEqual(outcome.result, Result.DELIVERED)


class TlsTests(Outcomes):
    """
    Sinks with a certificate for C{localhost}.
    """

    def setUp(self) -> None:
        """
        A sink.
        """
        self.certificate = own_certificate("localhost")
        self.tls = Sink(reactor, self.certificate.options())
        self.addCleanup(lambda: Deferred.fromCoroutine(self.tls.stop()))

    def trust(self) -> None:
        """
        Trust it.
        """
        self.policy = BrowserLikePolicyForHTTPS(trustRoot=self.certificate)

    async def test_trusted(self) -> None:
        """
        A sink whose certificate is trusted gets what is posted.
        """
        self.trust()
        outcome = await self.posting(f"https://localhost:{self.tls.port}/").outcome
        self.assertEqual((outcome.result, outcome.reason), (Result.DELIVERED, None))
        self.assertEqual(self.tls.events, [1])

    async def test_notTrusted(self) -> None:
        """
        One whose certificate is not trusted gets nothing.
        """
        outcome = await self.posting(f"https://localhost:{self.tls.port}/").outcome
        self.assertEqual(outcome.result, Result.FAILED)
        self.assertEqual(outcome.reason, "can't be trusted: certificate verify failed")
        self.assertEqual(self.tls.posts, [])

    async def test_otherName(self) -> None:
        """
        Neither does one whose certificate is for another name.
        """
        self.trust()
        outcome = await self.posting(f"https://127.0.0.1:{self.tls.port}/").outcome
        self.assertEqual(outcome.result, Result.FAILED)
        self.assertIn("can't be trusted", outcome.reason or "")
        self.assertEqual(self.tls.posts, [])

    async def test_cut(self) -> None:
        """
        A try that is cut does not wait for the sink's end of TLS.
        """
        self.trust()
        self.tls.script = lambda caller, post: None
        posting = self.posting(f"https://localhost:{self.tls.port}/")
        await self.tls.until(1)
        posting.cut()
        self.assertEqual((await posting.outcome).result, Result.FAILED)
