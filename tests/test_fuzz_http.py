"""
Whatever a client sends that is HTTP, or almost.
"""

from __future__ import annotations

from typing import cast

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smartmob.tokens import Tokens, parse
from smartmob.web.access import Access
from smartmob.web.measurements import Measurements
from smartmob.web.problems import CATALOGUE, CONTENT_TYPE
from smartmob.web.root import make_site
from smartmob.web.stats import Usage
from tests.support.agents import FakeAgent
from tests.support.families import families
from tests.support.fuzzing import tries
from tests.support.http_grammar import SANE, streams
from tests.support.httpwire import HERE, THERE, HalfTransport, Wire
from tests.support.strict_http import Reply, Stream, replies, requests

POST = b"POST /create-process HTTP/1.1\r\nHost: localhost\r\n"


class HttpCase(SynchronousTestCase):
    """
    An agent in memory.

    @cvar tokens: Who may ask; C{None}: everybody.
    """

    tokens: Tokens | None = None

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.agent.add()
        self.site = make_site(
            self.agent.real,
            self.clock,
            measurements=Measurements(lambda measure: succeed(Usage())),
            access=Access(self.clock, self.tokens),
            families=families(),
        )
        self.said: list[LogEvent] = []
        listener = cast(ILogObserver, self.said.append)
        globalLogPublisher.addObserver(listener)
        self.addCleanup(globalLogPublisher.removeObserver, listener)

    def talk(self, data: bytes, cuts: list[int]) -> tuple[bytes, bool]:
        """What is answered to some bytes, sent in pieces, and whether it is over then."""
        transport = HalfTransport(hostAddress=HERE, peerAddress=THERE)
        wire = Wire(self.site, transport=transport)
        while data and not wire.closed:
            size = cuts.pop() if cuts else len(data)
            wire.send(data[:size])
            data = data[size:]
        answered = wire.received()
        over = wire.closed or transport.half_closed
        if not wire.closed:
            wire.hang_up()
        return answered, over

    def check_reply(self, reply: Reply) -> None:
        """An answer is as all are promised to be."""
        self.assertNotIn("html", reply.headers.get("content-type", ""))
        self.assertNotIn(b"Traceback", reply.body)
        if reply.status >= 200:
            self.assertRegex(reply.headers["x-request-id"], r"\A[A-Za-z0-9._-]{1,128}\Z")
            self.assertIn("date", reply.headers)
        if reply.status >= 400 and reply.body:
            document = reply.json()
            self.assertEqual(reply.headers["content-type"].encode(), CONTENT_TYPE)
            self.assertEqual(document["status"], reply.status)
            self.assertEqual(CATALOGUE[document["code"]].status, reply.status)
            self.assertNotEqual(document["code"], "internal-error")
            self.assertEqual(document["type"], f"urn:smartmob:problem:{document['code']}")

    def check_pairs(self, stream: Stream, answers: list[Reply], over: bool) -> None:
        """
        Each answer is to one request, as a strict reader counts them; what is none is
        refused, and nothing that follows it is looked at.
        """
        final = [answer for answer in answers if answer.status >= 200 or answer.status == 101]
        for number, answer in enumerate(final):
            if answer.status == 101:
                self.assertEqual(answer, final[-1])
                return
            whole = number < len(stream.messages)
            closes = answer.closes or (whole and stream.messages[number].last)
            if not whole:
                self.assertTrue(stream.rest, (stream, final))
                self.assertGreaterEqual(answer.status, 400, (stream, final))
                self.assertTrue(answer.closes, (stream, final))
            headed = whole and stream.messages[number].method == b"HEAD"
            goes_on = answer.status == 200 and "content-length" not in answer.headers
            goes_on = goes_on and not headed
            if closes or goes_on:
                self.assertEqual(number, len(final) - 1, (stream, final))
                self.assertTrue(over or goes_on, (stream, final))
                return
        self.assertGreaterEqual(len(final), len(stream.messages), (stream, final))

    def attempt(self, data: bytes, cuts: list[int]) -> list[Reply]:
        """Send that; what holds of all answers is seen to hold."""
        del self.said[:]
        stream = requests(data)
        answered, over = self.talk(data, list(cuts))
        answers = replies(answered, stream.methods)
        for answer in answers:
            self.check_reply(answer)
        self.check_pairs(stream, answers, over)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        sane, _ = self.talk(SANE, [])
        [pong] = replies(sane, [b"GET"])
        self.assertEqual((pong.status, pong.body), (200, b"OK"))
        failed = [
            event
            for event in self.said
            if "log_failure" in event or event["log_level"] >= LogLevel.warn
        ]
        self.assertEqual(failed, [])
        return answers


class HttpTests(HttpCase):
    """
    What holds for every stream of bytes.
    """

    @tries(1000)
    @given(streams, st.lists(st.integers(1, 60), max_size=12))
    @example(SANE * 3, [])
    @example(POST + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n{}", [])
    @example(POST + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", [])
    @example(POST + b"Transfer-Encoding: identity\r\n\r\n" + SANE, [])
    @example(POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [])
    @example(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\n" + SANE, [])
    @example(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n" + SANE, [])
    @example(b"\r\n" + SANE + b"\r\n\r\n" + SANE.replace(b"GET", b"HEAD"), [])
    @example(POST + b"Connection: keep-alive,close\r\n\r\n" + SANE, [])
    @example(POST + b"Connection: keep-alive\r\nConnection: close\r\n\r\n" + SANE, [])
    def test_anything(self, data: bytes, cuts: list[int]) -> None:
        """
        Whatever is sent: nothing fails, each answer is proper HTTP/1.1, no request is
        answered twice, and others are answered as before.
        """
        self.attempt(data, cuts)
        for slug in list(self.agent.by_slug):
            if slug != "myapp.web.0":
                del self.agent.by_slug[slug]


class StrangersTests(HttpCase):
    """
    The same where there are tokens, and nobody who sends anything has one.
    """

    tokens = parse("a-token-of-good-length admin\n")

    @tries(300)
    @given(streams, st.lists(st.integers(1, 60), max_size=12))
    @example(POST + b"Expect: 100-continue\r\nContent-Length: 200\r\n\r\n", [])
    @example(POST + b"Authorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}", [])
    def test_anything(self, data: bytes, cuts: list[int]) -> None:
        """Strangers learn whether the agent is there, and change nothing."""
        before = dict(self.agent.by_slug)
        for answer in self.attempt(data, cuts):
            if answer.status < 400:
                self.assertIn(answer.body, (b"OK", b""))
                self.assertIn(answer.status, (200, 204))
            else:
                self.assertIn(answer.status, (400, 401, 403, 404, 405, 413, 415))
        self.assertEqual(self.agent.by_slug, before)
