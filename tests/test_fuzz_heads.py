"""
Whatever the head of a request says: its target, its headers, its query.
"""

from __future__ import annotations

import re
from base64 import b64decode
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from smartmob.web.gate import Gate, check_archive_type, check_type, origin_form
from smartmob.web.handshake import check_handshake
from smartmob.web.head import Head
from smartmob.web.problems import CATALOGUE, Problem
from smartmob.web.query import (
    last_event_id,
    parse_app_query,
    parse_event_query,
    parse_globs,
    parse_query,
)
from smartmob.web.root import make_site
from smartmob.web.trust import Trust, Way
from tests.support.agents import FakeAgent
from tests.support.fuzzing import linear, tries
from tests.support.head_grammar import hosts, values

digits = st.text("0123456789", min_size=1, max_size=25).map(str.encode)


def way(host: bytes = b"localhost", *, forwarded: bool = False) -> Way:
    """How a request came."""
    return Way(secure=False, host=host, forwarded=forwarded, client="192.0.2.7")


def head(headers: Headers, method: bytes = b"POST", path: bytes = b"/", **more: Any) -> Head:
    """What is known of a request."""
    known: dict[str, Any] = {"length": 2, "way": way(), "local": False}
    return Head(method=method, path=path, headers=headers, **{**known, **more})


def gate() -> Gate:
    """As an agent has it."""
    return make_site(FakeAgent().real, Clock()).gate


def matched(globs: list[str]) -> list[bool]:
    """Whether the longest name fits."""
    return [fnmatchcase("a" * 100, glob) for glob in globs]


class HeadTests(SynchronousTestCase):
    """
    L{smartmob.web.gate}.
    """

    def setUp(self) -> None:
        self.gate = gate()
        self.gate.trust = Trust()

    @tries(300)
    @given(hosts)
    @example(b"localhost:80@evil.example")
    @example(b"127.0.0.1\\.evil.example")
    @example(b"[::1]evil.example")
    @example(b"[::1%evil.example]")
    def test_host(self, host: bytes) -> None:
        """
        A Host that is admitted is this machine or an address, however else a URL with that
        in it is read.
        """
        headers = Headers({b"Host": [host]})
        try:
            self.gate.admit(head(headers, b"GET", b"/ping", length=0, way=way(host)))
        except Problem as problem:
            self.assertIn(problem.code, ("bad-request", "forbidden-host"))
            return
        name = urlsplit(b"http://" + host).hostname
        assert name is not None
        if name != b"localhost":
            ip_address(name.decode("ascii"))

    @tries(200)
    @given(hosts, hosts)
    def test_forwardedHost(self, host: bytes, told: bytes) -> None:
        """What a proxy tells is held to the same, and does not stand for what it is sent."""
        headers = Headers({b"Host": [host]})

        def admitted(way: Way) -> bool:
            try:
                self.gate.admit(head(headers, b"GET", b"/ping", length=0, way=way))
            except Problem:
                return False
            return True

        both = admitted(way(told, forwarded=True))
        if both:
            self.assertTrue(admitted(way(host)))
            headers = Headers({b"Host": [told]})
            self.assertTrue(admitted(way(told)))

    @tries(200)
    @given(values, values | st.just(b"same-origin"), values | st.just(b"navigate"))
    @example(b"null", b"none", b"navigate")
    def test_origin(self, origin: bytes, site: bytes, mode: bytes) -> None:
        """Only the page of the agent itself is admitted, unless others are named."""
        said = {b"Host": [b"localhost"], b"Origin": [origin], b"Sec-Fetch-Mode": [mode]}
        for headers in (said, {**said, b"Sec-Fetch-Site": [site]}):
            asked = head(Headers(headers), b"GET", b"/ping", length=0)
            try:
                self.gate.admit(asked)
            except Problem as problem:
                self.assertEqual(problem.code, "forbidden-origin")
            else:
                self.assertEqual(origin, b"http://localhost")
                self.assertIn(
                    headers.get(b"Sec-Fetch-Site"), (None, [b"same-origin"], [b"none"])
                )

    @tries(200)
    @given(
        st.sampled_from([b"http", b"https", b"HTTP", b"ftp", b""]),
        st.text("abc.:@[]-0", max_size=12).map(str.encode),
        st.text("/a%?&=#.;", max_size=12).map(str.encode),
        st.booleans(),
    )
    def test_target(self, scheme: bytes, host: bytes, rest: bytes, same: bool) -> None:
        """
        A whole URL as the target is as good as its path, where it is of this Host.
        """
        target = scheme + b"://" + host + rest
        headers = Headers({b"Host": [host if same else host + b"x"]})
        try:
            found = origin_form(target, headers)
        except Problem as problem:
            self.assertEqual(problem.code, "bad-request")
            parted = re.match(rb"[^:]*://([^/?]*)", target)
            assert parted is not None
            self.assertNotEqual(parted[1], headers.getRawHeaders(b"host", [])[0])
            return
        if scheme.lower() not in (b"http", b"https"):
            self.assertEqual(found, target)
        else:
            self.assertTrue(found.startswith(b"/"))
            self.assertTrue(same)
            self.assertTrue(target.endswith(found.removeprefix(b"/")))

    @tries(200)
    @given(st.lists(values | st.sampled_from([b"application/json", b"text/plain"]), max_size=2))
    @example([b"application/json; charset=utf-8"])
    @example([b"text/plain, application/json"])
    @example([b"text/plain; application/json"])
    def test_type(self, types: list[bytes]) -> None:
        """
        From a browser only what makes it ask first is taken for JSON, whatever its type is
        written like; from others that too.
        """
        headers = Headers({b"Content-Type": types})

        def taken(headers: Headers) -> bool:
            try:
                check_type(head(headers))
            except Problem as problem:
                self.assertEqual(problem.code, "unsupported-media-type")
                return False
            return True

        by_browser = headers.copy()
        by_browser.addRawHeader(b"Origin", b"null")
        if taken(by_browser):
            essence = b",".join(types).partition(b";")[0].strip().lower()
            self.assertEqual(essence, b"application/json")
            self.assertTrue(taken(headers))

    @tries(100)
    @given(st.lists(values, max_size=2))
    def test_archiveType(self, types: list[bytes]) -> None:
        """Forms can send text and forms only, so none of these is an archive."""
        headers = Headers({b"Content-Type": types, b"Origin": [b"null"]})
        try:
            check_archive_type(head(headers))
        except Problem as problem:
            self.assertEqual(problem.code, "unsupported-media-type")
        else:
            essence = types[0].partition(b";")[0].strip().lower()
            self.assertTrue(essence.startswith(b"application/"))
            self.assertNotEqual(essence, b"application/x-www-form-urlencoded")


class RoutesTests(SynchronousTestCase):
    """
    L{smartmob.web.routing}.
    """

    def setUp(self) -> None:
        """An agent's table."""
        self.routes = gate().routes

    methods = st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"get", b"HEAD", b"X"])
    parts = st.sampled_from(
        [
            *("/", "//", "%2F", "%2e", "..", "%", "%zz", "%00", "*", ";", "\x80", "%ff"),
            *("process-status", "logs", "scale-app", "attach-console", "ping", "a.web.0"),
            "%F0%9F%98%80",
        ]
    )
    paths = st.lists(parts | st.text(st.characters(min_codepoint=33, max_codepoint=176)))

    @tries(300)
    @given(methods, paths.map("".join).map(lambda path: path.encode("latin-1")))
    @example(b"OPTIONS", b"*")
    @example(b"GET", b"/ping\n")
    @example(b"GET", b"http://[/")
    def test_path(self, method: bytes, path: bytes) -> None:
        """A path leads somewhere or does not, each time the same."""
        found: list[object] = []
        for _ in range(2):
            try:
                found.append(self.routes.match(method, path))
            except Problem as problem:
                self.assertIn(problem.code, ("not-found", "method-not-allowed"))
                found.append(problem.code)
        self.assertEqual(found[0], found[1])

    @tries(200)
    @given(st.text(min_size=1, max_size=200))
    @example("a\nb")
    @example(".")
    @example("..")
    def test_names(self, name: str) -> None:
        """What is named in a path is what was meant, any character of it."""
        assume("/" not in name)
        path = f"/process-status/{quote(name, safe='')}".encode()
        self.assertEqual(self.routes.match(b"GET", path).arguments, {"slug": name})


class QueryTests(SynchronousTestCase):
    """
    L{smartmob.web.query}.
    """

    names = st.sampled_from(b"tail after epoch stream format stdin follow node topic x".split())
    said = st.binary(max_size=8) | digits | st.sampled_from([b"0", b"1", b"json", b"plain"])
    args = st.dictionaries(names, st.lists(said, min_size=1, max_size=3), max_size=4)

    @tries(300)
    @given(args, st.lists(said, max_size=2))
    @example({b"tail": [b"1" * 1001]}, [])
    @example({b"tail": [b"\xb2"]}, [b"\xb2"])
    @example({b"after": [b"1" * 1000]}, [b"1" * 20])
    @example({b"topic": [b"*" * 600, b"."]}, [])
    def test_query(self, args: dict[bytes, list[bytes]], ids: list[bytes]) -> None:
        """A query is understood, or refused by the name of what is wrong in it."""
        headers = Headers({b"Last-Event-ID": ids})
        seen = last_event_id(headers)
        self.assertTrue(seen is None or seen >= 0)
        readings: list[Any] = [
            parse_query,
            parse_app_query,
            lambda args: parse_event_query(args, headers),
        ]
        for reading in readings:
            try:
                found = reading(args)
            except Problem as problem:
                self.assertEqual(problem.code, "bad-query")
                [error] = problem.errors
                self.assertIn(error.field.encode(), args)
                self.assertEqual(problem.status, CATALOGUE["bad-query"].status)
                problem.encode()
                continue
            wanted = getattr(found, "wanted", None)
            if wanted is not None and b"tail" in args:
                self.assertEqual(wanted.tail, int(args[b"tail"][-1]))

    @tries(100)
    @given(st.lists(st.text("[]!*?-a", max_size=12) | st.just("[" * 201), max_size=40))
    def test_globs(self, globs: list[str]) -> None:
        """Globs are as they were said, or are too many or too long."""
        args = {b"node": [glob.encode() for glob in globs]}
        try:
            self.assertEqual(parse_globs(args, "node"), globs)
        except Problem as problem:
            self.assertEqual(problem.code, "bad-query")
            self.assertTrue(len(globs) > 32 or max(map(len, globs)) > 200)

    def test_worstGlobs(self) -> None:
        """What is allowed of them is read at once, also where each is as bad as can be."""
        for piece in ("[", "[!", "*a", "*[a-z]", "[a-", "?"):
            globs = [f"{number}{piece * 200}"[:200] for number in range(32)]
            found = parse_globs({b"node": [glob.encode() for glob in globs]}, "node")
            linear(partial(matched, found), 5)


class HandshakeTests(SynchronousTestCase):
    """
    L{smartmob.web.handshake}.
    """

    good = (b"websocket", b"keep-alive, Upgrade", b"13", b"dGhlIHNhbXBsZSBub25jZQ==")
    names = (b"Upgrade", b"Connection", b"Sec-WebSocket-Version", b"Sec-WebSocket-Key")
    headers = st.tuples(*(st.lists(st.just(right) | values, max_size=2) for right in good))

    @tries(300)
    @given(headers, st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]))
    @example(tuple([each] for each in good), b"HTTP/1.1")
    def test_handshake(self, said: tuple[list[bytes], ...], version: bytes) -> None:
        """It is refused, or has all that one needs."""
        headers = Headers(dict(zip(self.names, said, strict=True)))
        request: Any = SimpleNamespace(
            method=b"GET", requestHeaders=headers, clientproto=version
        )
        try:
            key = check_handshake(request)
        except Problem as problem:
            self.assertEqual(problem.code, "upgrade-required")
            self.assertNotEqual(
                (said, version), (tuple([each] for each in self.good), b"HTTP/1.1")
            )
            return
        self.assertEqual(len(b64decode(key, validate=True)), 16)
        self.assertEqual((said[2], said[3], version), ([b"13"], [key], b"HTTP/1.1"))
        self.assertIn(b"websocket", b",".join(said[0]).lower())
        self.assertIn(b"upgrade", b",".join(said[1]).lower())
