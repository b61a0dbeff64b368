"""
Every path with every method, and every shape of a slug: nothing is HTML, no
error is empty, nothing fails, and all of it is described.
"""

from __future__ import annotations

import itertools
import re

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.lines.budget import TooManyReaders
from smartmob.refusals import Refusal
from smartmob.web.measurements import Measurements
from smartmob.web.problems import CATALOGUE, Problem
from smartmob.web.root import make_site
from smartmob.web.stats import Usage
from tests.support.agents import FakeAgent
from tests.support.described import Described
from tests.support.families import families
from tests.support.httpwire import Answer, Wire, parse

METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "BREW",
    "get",
)
NAMES = (
    "myapp.web.0",
    "myapp",
    "none.such",
    "%2e",
    "%2e%2e",
    "..",
    "myapp%2eweb.0",
    "%00",
    "myapp.web.0%00",
    "myapp.web.0/",
    "myapp.web.0%2f",
    "myapp.web.0%0d%0aX:y",
    "%ff",
    "%c3%a4",
    "%",
    "<script>",
    "x" * 5_000,
    "",
)
BODIES = (None, "{}", "[", "<html>", '{"signal": "TERM", "data": "x"}', '{"app": 3}')
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
HEADERS: tuple[tuple[str, ...], ...] = (
    (),
    UPGRADE,
    UPGRADE[:1],
    UPGRADE[:2],
    (*UPGRADE[:2], "Sec-WebSocket-Version: 8", UPGRADE[3]),
    (*UPGRADE[:3], "Sec-WebSocket-Key: short"),
)
QUERIES = ("", "?tail=x", "?wait=-1", "?wait=0", "?follow=2", "?format=html", "?%00=%ff&tail=")


class WalkTests(SynchronousTestCase):
    """
    A walk over the table of routes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.agent.add()
        self.site = make_site(
            self.agent.real,
            self.clock,
            measurements=Measurements(lambda measure: succeed(Usage())),
            families=families(),
        )
        wire = Wire(self.site)
        self.described = Described(wire.ask("GET", "/openapi.json").json())
        wire.hang_up()

    def paths(self) -> list[str]:
        """Every path there is, with every name in it, and some that there are not."""
        paths = ["/nowhere", "/nowhere/", "//", "/.", "/%2e", "/favicon.ico", "*", "no-slash"]
        for route in self.site.gate.routes:
            if "<" in route.path:
                paths += [re.sub("<.*>", name, route.path) for name in NAMES]
            else:
                paths += [route.path, f"{route.path}/", f"/{route.path}", f"{route.path}%00"]
        return paths

    def check(self, answer: Answer, method: str, path: str) -> None:
        """What holds for every answer."""
        self.described.check(method, path, answer)
        self.assertLess(answer.status, 500)
        self.assertNotIn("text/html", answer.header("content-type") or "")
        self.assertNotIn("server", answer.headers)
        self.assertTrue(answer.header("x-request-id"))
        self.assertFalse(300 <= answer.status < 400)
        if answer.status >= 400:
            self.assertEqual(answer.header("content-type"), "application/problem+json")
            if method != "HEAD":
                document = answer.json()
                self.assertEqual(document["status"], answer.status)
                self.assertEqual(CATALOGUE[document["code"]].status, answer.status)
                self.assertTrue(document["detail"])
        if answer.status == 405:
            self.assertTrue(answer.header("allow"))

    def walk(self, method: str, path: str, body: str | None, headers: tuple[str, ...]) -> None:
        """One request."""
        wire = Wire(self.site)
        wire.request(method, path, body, *headers)
        what = f"{method} {path} {body!r} {headers}"
        try:
            if wire.transport.value().startswith(b"HTTP/1.1 101 "):
                answer, _ = parse(wire.received())
                self.assertNotIn("server", answer.headers)
                self.described.check(method, path, answer)
            else:
                self.check(wire.answer(head=method == "HEAD"), method, path)
        except Exception as error:
            error.add_note(what)
            raise
        if not wire.closed:
            wire.hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [], what)

    def test_everyMethod(self) -> None:
        """Every path is answered to every method."""
        for method, path in itertools.product(METHODS, self.paths()):
            self.walk(method, path, None, ())

    def test_everyBody(self) -> None:
        """Every path is answered whatever is sent to it."""
        types = ((), ("Content-Type: application/json",))
        for path, body, kind in itertools.product(self.paths(), BODIES, types):
            self.walk("POST", path, body, kind)

    def test_everyUpgrade(self) -> None:
        """Every path is answered with and without a handshake, whole or broken."""
        for path, headers in itertools.product(self.paths(), HEADERS):
            for method in ("GET", "HEAD", "POST"):
                self.walk(method, path, None, headers)

    def test_everyQuery(self) -> None:
        """Every path is answered whatever its query."""
        for path, query, method in itertools.product(self.paths(), QUERIES, ("GET", "POST")):
            self.walk(method, path + query, None, UPGRADE if method == "GET" else ())

    def test_again(self) -> None:
        """What is asked for once more leads where it led before."""
        routes = self.site.gate.routes

        def outcome(method: str, path: str) -> object:
            try:
                return routes.match(method.encode(), path.encode())
            except Problem as problem:
                return problem.code, problem.headers

        for method, path in itertools.product(METHODS, self.paths()):
            first = outcome(method, path)
            self.assertEqual(outcome(method, path), first, f"{method} {path}")

    def test_noUpgrade(self) -> None:
        """A WebSocket asked for without Upgrade says what it is."""
        answer = Wire(self.site).ask("GET", "/attach-console/myapp.web.0")
        self.assertEqual((answer.status, answer.json()["code"]), (426, "upgrade-required"))
        self.assertEqual(answer.header("upgrade"), "websocket")

    def test_indexLinksExist(self) -> None:
        """What the index and a process link to exists."""
        index = Wire(self.site).ask("GET", "/").json()
        process = Wire(self.site).ask("GET", "/process-status/myapp.web.0").json()
        for name, url in {**index, **process}.items():
            if str(url).startswith("http://127.0.0.1:8080/"):
                path = url.removeprefix("http://127.0.0.1:8080")
                answer = Wire(self.site).ask("OPTIONS", path)
                self.assertEqual(answer.status, 204, name)


class CatalogueTests(SynchronousTestCase):
    """
    The error catalogue.
    """

    def test_everyRefusal(self) -> None:
        """Everything that the domain refuses with is in it."""
        kinds: list[type[Refusal]] = [*Refusal.__subclasses__(), TooManyReaders]
        for kind in kinds:
            self.assertIn(kind.code, CATALOGUE, kind)
