"""
gafferd's interface: who and what comes in, and every path with every method.
"""

from __future__ import annotations

import itertools
import re

from smartmob.web.gaffer.errors import as_gafferd, by_path
from smartmob.web.problems import Problem
from smartmob.web.site import Site
from tests.support.gafferd import DUMMY, ECHO, GafferdTestCase
from tests.support.httpwire import Wire
from tests.test_web_routes import HEADERS, METHODS

FORM = "Content-Type: application/x-www-form-urlencoded"
ORIGIN = "Origin: http://127.0.0.1:8080"
NEW = '{"name": "new", "cmd": "./new"}'

NAMES = (
    "dummy",
    "default:dummy",
    "none",
    "1",
    "2",
    "0",
    "-1",
    "99999999999999999999999999",
    "%d9%a1",
    "_stop",
    "a:b:c",
    ":",
    "%2e%2e",
    "..",
    "dummy%00",
    "dummy/",
    "dummy%2f_stop",
    "dummy%0d%0aX:y",
    "%ff",
    "%",
    "<script>",
    "x" * 5_000,
    "",
)
BODIES = (
    None,
    "{}",
    "[",
    "null",
    "\xff",
    '{"name": "x", "cmd": "x", "cmd": "y"}',
    '{"cmd": "\\ud800"}',
    '{"name": "n", "cmd": "x", "env": {"a=b": "c"}, "flapping": [1, 2], "labels": 3}',
    "{" * 100_000,
)
QUERIES = ("", "?feed=x", "?feed=eventsource", "?heartbeat=x", "?running=x", "?%00=%ff&feed=")


class TypeTests(GafferdTestCase):
    """
    Types of bodies, and where requests come from.
    """

    def test_anyType(self) -> None:
        """
        What is no browser may call its JSON what it likes: gafferd's own client calls
        nothing a form.
        """
        for number, kind in enumerate((FORM, "Content-Type: text/html", "Content-Type: x")):
            body = f'{{"name": "new{number}", "cmd": "x"}}'
            self.assertEqual(self.ask("POST", "/processes", body, kind).status, 200, kind)
            answer = self.ask("POST", f"/processes/new{number}/_stop", "", kind)
            self.assertEqual(answer.json(), {"ok": True})
        self.assertEqual(self.ask("PUT", "/processes/new0", NEW, FORM).status, 200)

    def test_browser(self) -> None:
        """
        A browser has to say that it is JSON, unless there is nothing.
        """
        for kind in (FORM, "Content-Type: text/plain", "X-Nothing: x"):
            answer = self.ask("POST", "/processes", NEW, kind, ORIGIN)
            self.assertEqual(answer.status, 415, kind)
            self.assertEqual(answer.json()["error"], "unsupported_media_type")
        kind = "Content-Type: application/json"
        self.assertEqual(self.ask("POST", "/processes", NEW, kind, ORIGIN).status, 200)
        self.assertEqual(self.ask("POST", "/processes/new/_stop", "", ORIGIN).status, 200)
        self.assertEqual(self.ask("POST", "/processes/new/_stop", None, ORIGIN).status, 200)

    def test_input(self) -> None:
        """
        A page of the agent's own may send input of any type.
        """
        self.load(ECHO)
        answer = self.ask("POST", "/streams/1/stdin", "x", "Content-Type: text/plain", ORIGIN)
        self.assertEqual(answer.status, 200)

    def test_noHttp(self) -> None:
        """
        What is no HTTP is told so in the same words.
        """
        wire = Wire(self.site)
        wire.send(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        self.assertEqual(wire.answer().json()["error"], "bad_request")


class ErrorTests(GafferdTestCase):
    """
    The form of errors.
    """

    def test_byPath(self) -> None:
        """
        Where there are both interfaces, errors are in the form of the one that has the
        path.
        """
        for path, reason in {
            "/processes/none": "not_found",
            "/watch/none": "bad_event_type",
            "/streams/9/x": "not_found",
        }.items():
            answer = self.ask("GET", path, site=self.both)
            self.assertEqual(answer.header("content-type"), "application/json", path)
            self.assertEqual(answer.json()["error"], reason)
        for path in ("/process-status/none", "/nowhere", "/processesx"):
            answer = self.ask("GET", path, site=self.both)
            self.assertEqual(answer.header("content-type"), "application/problem+json", path)
        self.assertEqual(by_path(b"/stats", Problem("not-found", "x")).status, 404)

    def test_otherCodes(self) -> None:
        """
        What gafferd has no word for goes by its own.
        """
        for code, status in {
            "stopping": 503,
            "tree-left": 500,
            "too-many-processes": 429,
        }.items():
            error = as_gafferd(b"/", Problem(code, "why"))
            self.assertEqual(error.status, status)
            self.assertIn(code.replace("-", "_").encode(), error.body)


class WalkTests(GafferdTestCase):
    """
    A walk over the table of routes.
    """

    def setUp(self) -> None:
        super().setUp()
        self.fill()

    def fill(self) -> None:
        """
        See that there is something to walk over.
        """
        self.load(DUMMY, ECHO)

    def paths(self, site: Site) -> list[str]:
        """
        Every path there is, with every name in it, and some that there are not.
        """
        paths = ["/nowhere", "//", "/processes/", "*", "no-slash"]
        for route in site.gate.routes:
            pattern = route.path.replace("<any(_start, _stop, _restart):verb>", "_stop")
            pattern = pattern.replace("<any(stdin, ttin):way>", "stdin")
            if "<" in pattern:
                paths += [re.sub("<[^>]*>", name, pattern) for name in NAMES]
                paths += [re.sub("<[^>]*>", "1", pattern).replace("1", "dummy", 1)]
            else:
                paths += [pattern, f"{pattern}/", f"{pattern}%00"]
        return paths

    def walk(
        self, site: Site, method: str, path: str, body: str | None = None, *headers: str
    ) -> None:
        """
        One request.
        """
        wire = Wire(site)
        wire.request(method, path, body, *headers)
        try:
            self.up()
            if not wire.transport.value().startswith(b"HTTP/1.1 101 "):
                answer = wire.answer(head=method == "HEAD")
                self.assertLess(answer.status, 500)
                self.assertFalse(300 <= answer.status < 400)
                self.assertNotIn("text/html", answer.header("content-type") or "")
                self.assertNotIn("server", answer.headers)
                self.assertTrue(answer.header("x-request-id"))
                if answer.status >= 400 and method != "HEAD":
                    document = answer.json()
                    self.assertEqual(
                        document.get("errno", document.get("status")), answer.status
                    )
        except Exception as error:
            error.add_note(f"{method} {path} {body!r} {headers}")
            raise
        if not wire.closed:
            wire.hang_up()

    def test_everyMethod(self) -> None:
        """
        Every path is answered to every method.
        """
        for site in (self.site, self.both):
            for method, path in itertools.product(METHODS, self.paths(site)):
                self.walk(site, method, path)
            self.fill()

    def test_everyBody(self) -> None:
        """
        Every path is answered whatever is sent to it.
        """
        for method, body in itertools.product(("POST", "PUT", "DELETE"), BODIES):
            for path in self.paths(self.site):
                self.walk(self.site, method, path, body, FORM)

    def test_everyQuery(self) -> None:
        """
        Every path is answered whatever its query, with and without a handshake.
        """
        for query, headers in itertools.product(QUERIES, ((), *HEADERS)):
            for path in self.paths(self.site)[::7]:
                self.walk(self.site, "GET", path + query, None, *headers)
