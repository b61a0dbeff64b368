"""
Whatever bytes a client sends, and however they are cut.
"""

from __future__ import annotations

import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.stats import Usage
from tests.support.agents import FakeAgent
from tests.support.families import families
from tests.support.httpwire import Answer, HalfTransport, Wire, parse

PATIENCE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no failure."""

CREATE = json.dumps(
    {"app": "a", "node": "b", "process_type": "web", "source_url": "http://..."}
).encode()

words = st.sampled_from(
    [
        b"GET",
        b"POST",
        b"OPTIONS",
        b" ",
        b"/",
        b"/ping",
        b"/create-process",
        b"/stop-process/myapp.web.0",
        b"/process-logs/myapp.web.0",
        b"/attach-console/myapp.web.0",
        b"?tail=1",
        b"?follow=1",
        b"%00",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"Host: localhost\r\n",
        b"Host: evil\r\n",
        b"Origin: null\r\n",
        b"Content-Length: 2\r\n",
        b"Content-Length: 99999999\r\n",
        b"Content-Length: %d\r\n" % len(CREATE),
        b"Content-Type: application/json\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"{}",
        b"2\r\n{}\r\n",
        b"0\r\n\r\n",
        CREATE,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
)
fields = st.lists(
    words.filter(lambda word: word.endswith(b"\r\n") and b": " in word), max_size=4
)
requests = st.builds(
    lambda method, path, query, headers, body: b"".join(
        [
            method,
            b" ",
            path,
            query,
            b" HTTP/1.1\r\nHost: localhost\r\n",
            *headers,
            b"\r\n",
            *body,
        ]
    ),
    st.sampled_from([b"GET", b"POST", b"OPTIONS", b"PUT"]),
    words.filter(lambda word: word.startswith(b"/")),
    st.sampled_from([b"", b"?tail=1", b"?follow=1", b"?wait=0", b"?tail=x"]),
    fields,
    st.lists(words | st.binary(max_size=4), max_size=3),
)
streams = st.lists(words | requests | st.binary(max_size=4), max_size=10).map(b"".join)


class AnythingTests(SynchronousTestCase):
    """
    What holds for every stream of bytes.
    """

    def talk(self, chunks: list[bytes]) -> tuple[list[Answer], bool, list[str]]:
        """The answers to some chunks, whether it is over, and what was created."""
        clock = Clock()
        agent = FakeAgent()
        agent.add()
        site = make_site(
            agent.real,
            clock,
            measurements=Measurements(lambda measure: succeed(Usage())),
            families=families(),
        )
        transport = HalfTransport()
        wire = Wire(site, transport=transport)
        for chunk in chunks:
            if not wire.closed:
                wire.send(chunk)
        data = wire.received()
        over = wire.closed or transport.half_closed
        if not wire.closed:
            wire.hang_up()
        self.assertEqual(clock.getDelayedCalls(), [])
        answers = []
        while data:
            answer, data = parse(data)
            answers.append(answer)
        return answers, over, list(agent.by_slug)

    @PATIENCE
    @given(streams)
    @example(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    @example(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n;")
    def test_anything(self, stream: bytes) -> None:
        """Nothing fails, and every answer but the last leaves the connection open."""
        answers, over, _ = self.talk([stream])
        final = [answer for answer in answers if answer.status != 100]
        for answer in final:
            self.assertLess(answer.status, 500)
            self.assertTrue(answer.header("x-request-id"))
            self.assertNotIn("html", answer.header("content-type") or "")
            if answer.status >= 400:
                self.assertEqual(answer.json()["status"], answer.status)
        closing = [answer.header("connection") == "close" for answer in final]
        self.assertNotIn(True, closing[:-1])
        if True in closing:
            self.assertTrue(over)

    @PATIENCE
    @given(streams, st.integers(1, 30))
    @example(b"POST /create-process HTTP/1.1\r\nHost: localhost\r\n\r\n", 1)
    def test_cuts(self, stream: bytes, size: int) -> None:
        """How the bytes were cut into chunks makes no difference."""
        chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
        whole, cut = self.talk([stream]), self.talk(chunks)
        for answers in (whole[0], cut[0]):
            for answer in answers:
                answer.headers.pop("x-request-id", None)
                answer.headers.pop("date", None)
        self.assertEqual(
            [(answer.status, answer.headers) for answer in whole[0]],
            [(answer.status, answer.headers) for answer in cut[0]],
        )
        self.assertEqual(whole[1:], cut[1:])
