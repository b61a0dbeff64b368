"""
Whatever a client of gafferd's interface asks for, in any order.
"""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher

from tests.support.fuzzing import tries
from tests.support.gafferd import DUMMY, ECHO, GafferdTestCase
from tests.support.httpwire import HERE, THERE, HalfTransport, Wire
from tests.support.strict_http import Reply, replies

words = st.sampled_from(
    [
        *("dummy", "echo", "default:dummy", "default.echo", "new", "a:new", "none", "", "0"),
        *("1", "2", "3", "999", "9" * 30, "-1", "HUP", "TERM", "9", "sig", "stdout", "stderr"),
        *(
            "stdin",
            "proc",
            "spawn",
            "start",
            "STOP",
            "*",
            "..",
            "a/b",
            "\u00e4",
            "a b",
            "x" * 200,
        ),
    ]
)
queries = st.sampled_from(
    [
        *(
            "",
            "",
            "",
            "feed=continuous",
            "feed=eventsource&heartbeat=1",
            "feed=x",
            "heartbeat=",
        ),
        *("feed=longpoll", "feed=normal", "running=true", "running=0", "%ff=%ff", "feed=%00"),
    ]
)
anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.floats()
    | words
    | st.sampled_from(["./x.py a", "'", "$A", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
members = st.sampled_from(
    [
        *("name", "group", "cmd", "args", "env", "uid", "cwd", "detach", "shell", "start"),
        *("numprocesses", "redirect_output", "redirect_input", "flapping", "graceful_timeout"),
    ]
)
bodies = st.one_of(
    st.just(b""),
    st.binary(max_size=10),
    anything.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(members, anything).map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda name, more: json.dumps({"name": name, "cmd": "./x.py", **more}).encode(),
        words,
        st.dictionaries(members, anything, max_size=2),
    ),
)
steps = st.tuples(
    st.integers(0, 1000),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    st.lists(words, min_size=5, max_size=5),
    queries,
    bodies,
    st.booleans(),
)


class GafferdTests(GafferdTestCase):
    """
    Requests by the table of routes.
    """

    def begin(self) -> None:
        """An agent that has done nothing yet."""
        super().setUp()
        self.load(DUMMY, ECHO)
        self.routes = [
            (route.path, methods)
            for route in self.both.gate.routes
            for methods in [route.methods]
            if not route.path.startswith(("/archives", "/reload"))
        ]

    def ask_any(self, method: str, path: str, query: str, body: bytes, both: bool) -> Reply:
        """A request, and its answer, or what there is of it."""
        transport = HalfTransport(hostAddress=HERE, peerAddress=THERE)
        wire = Wire(self.both if both else self.site, transport=transport)
        target = f"{path}?{query}" if query else path
        wire.send(
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
            "\r\n\r\n".encode()
            + body
        )
        self.up()
        self.clock.advance(100)
        self.up()
        data = wire.received()
        found = replies(data, [method.encode()])
        if not wire.closed:
            wire.hang_up()
        self.assertTrue(found, (method, target, body))
        return found[0]

    @tries(60)
    @given(st.lists(steps, min_size=1, max_size=8))
    @example([(number, "GET", ["dummy"] * 5, "", b"", True) for number in range(60)])
    @example([(number, "POST", ["1"] * 5, "", b"{}", False) for number in range(60)])
    def test_anyOrder(self, asked: list[tuple[int, str, list[str], str, bytes, bool]]) -> None:
        """
        Each is answered, none with a failure of the agent's, and those that are refused in
        the words of one of the interfaces.
        """
        said: list[LogEvent] = []
        listener = cast(ILogObserver, said.append)
        self.begin()
        globalLogPublisher.addObserver(listener)
        try:
            for number, method, names, query, body, both in asked:
                path, methods = self.routes[number % len(self.routes)]
                if number % 3:
                    method = methods[number % len(methods)]
                values = iter(names)
                parts = [
                    quote(next(values), safe="") if part.startswith("<") else part
                    for part in path.split("/")
                ]
                reply = self.ask_any(method, "/".join(parts), query, body, both)
                self.assertNotIn(b"Traceback", reply.body)
                self.assertNotIn("html", reply.headers.get("content-type", ""))
                self.assertNotEqual(reply.status, 500, reply)
                if reply.status >= 400 and reply.body:
                    document = reply.json()
                    status = document.get("errno", document.get("status"))
                    self.assertEqual(status, reply.status)
        finally:
            globalLogPublisher.removeObserver(listener)
        failed = [each for each in said if "log_failure" in each]
        self.assertEqual(failed, [])
        self.assertEqual([each for each in said if each["log_level"] >= LogLevel.error], [])
