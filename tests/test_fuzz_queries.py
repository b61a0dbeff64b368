"""
Whatever is asked of lines, events and listings by the query of a URL.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.stats import Usage
from tests.support.agents import FakeAgent
from tests.support.families import families
from tests.support.fuzzing import tries
from tests.support.httpwire import Wire
from tests.support.strict_http import Reply, replies

LINES = [("stdout", "one"), ("stderr", "two"), ("stdout", "three"), ("stdout", "four")]

numbers = st.integers(0, 7).map(str) | st.sampled_from(["9" * 18, "9" * 20, "9" * 900, "007"])
odd = st.sampled_from(["", "-1", "x", "1.0", "+1", "\u0661", "9" * 1001, "1e3", "\0", "[", "*"])
streams = st.sampled_from(["stdout", "stderr", "none", "", "\u00e4"])
said = st.one_of(
    st.tuples(st.sampled_from(["tail", "after"]), numbers),
    st.tuples(st.just("stream"), streams),
    st.tuples(st.just("format"), st.sampled_from(["json", "plain", "heroku", "x"])),
    st.tuples(st.just("epoch"), st.sampled_from(["an epoch", "another", ""])),
    st.tuples(st.sampled_from(["follow", "stdin", "wait"]), st.sampled_from(["0", "1", "2"])),
    st.tuples(st.sampled_from(["node", "app", "state"]), st.sampled_from(["*", "web.*", "["])),
    st.tuples(st.just("topic"), st.sampled_from(["*", "spawn", "a..b", "proc.*.exit"])),
    st.tuples(
        st.sampled_from(["tail", "after", "node", "topic", "x"]), odd | st.text(max_size=3)
    ),
)
queries = st.lists(said, max_size=5)
headers = st.sampled_from(
    [
        *("", "", "Accept: text/event-stream\r\n", "Last-Event-ID: 2\r\n"),
        *("Accept: text/event-stream\r\nLast-Event-ID: 2\r\n", "Last-Event-ID: x\r\n"),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        ),
    ]
)
paths = st.sampled_from(
    [
        *("/process-logs/myapp.web.0", "/app-logs/myapp", "/attach-console/myapp.web.0"),
        *("/attach-app/myapp", "/events", "/list-processes", "/process-status/myapp.web.0"),
    ]
)


def written(query: list[tuple[str, str]]) -> str:
    """A query as it stands in a URL."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in query)


class QueriesTests(SynchronousTestCase):
    """
    A process that has said something.
    """

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.agent = FakeAgent()
        process = self.agent.add(redirect_input=True)
        for stream, line in LINES:
            process.console.received(stream, f"{line}\n".encode(), 7)
        self.site = make_site(
            self.agent.real,
            self.clock,
            measurements=Measurements(lambda measure: succeed(Usage())),
            families=families(),
        )

    def ask(self, path: str, query: list[tuple[str, str]], headers: str = "") -> Reply:
        """The beginning of an answer, to who hangs up then."""
        wire = Wire(self.site)
        target = f"{path}?{written(query)}"
        wire.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        self.clock.advance(0)
        [reply] = replies(wire.received(), [b"GET"])
        if not wire.closed:
            wire.hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return reply

    @tries(400)
    @given(paths, queries, headers)
    def test_anything(self, path: str, query: list[tuple[str, str]], headers: str) -> None:
        """It is answered, or the parameter that can't be meant is named."""
        with capturedLogs() as said:
            reply = self.ask(path, query, headers)
        self.assertEqual([event for event in said if "log_failure" in event], [])
        self.assertIn(reply.status, (101, 200, 400, 409, 426))
        if reply.status == 400:
            document = reply.json()
            self.assertEqual(document["code"], "bad-query")
            [error] = document["errors"]
            self.assertIn(error["field"], dict(query))

    @tries(200)
    @given(
        st.none() | numbers,
        st.none() | numbers,
        st.lists(streams.filter(bool), max_size=2),
    )
    @example("0", "0", [])
    @example(None, "4", ["stdout"])
    def test_lines(self, tail: str | None, after: str | None, wanted: list[str]) -> None:
        """The kept lines that are asked for are those that a simpler rule finds."""
        query = [("format", "json"), *(("stream", stream) for stream in wanted)]
        query += [] if tail is None else [("tail", tail)]
        query += [] if after is None else [("after", after)]
        reply = self.ask("/process-logs/myapp.web.0", query)
        found = [json.loads(line) for line in reply.body.splitlines()]
        kept = [
            (number, stream, line)
            for number, (stream, line) in enumerate(LINES, 1)
            if (not wanted or stream in wanted) and number > int(after or 0)
        ]
        if tail is not None:
            kept = kept[max(0, len(kept) - int(tail)) :]
        told = [(each["seq"], each["stream"], each["line"]) for each in found if "seq" in each]
        self.assertEqual(told, kept)
