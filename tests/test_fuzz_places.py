"""
Whatever a URL looks like: of a source, of what is allowed, of a redirect, of a webhook.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob import checks
from smartmob.checks import Wrong
from smartmob.place import BadPlace, Place
from smartmob.refusals import SourceNotAllowed
from smartmob.source.errors import SourceRefused
from smartmob.source.location import Location, forbidden
from smartmob.source.rules import SourceRules
from smartmob.target import Target
from tests.support.fuzzing import tries

pieces = st.sampled_from(
    [
        *("http://", "https://", "HTTP:", "//", "/", "ftp://", "smartmob-archive:", "file:"),
        *("example.org", "127.0.0.1", "[::1]", "[", "]", "@", ":", ":80", ":99999", "a" * 64),
        *(
            "..",
            ".",
            "%2e",
            "%2E%2e",
            "%2f",
            "%5c",
            "\\",
            "%",
            "%zz",
            "%00",
            "?",
            "#",
            ";",
            "&",
        ),
        *(
            "\u00e4",
            "\u3002",
            "\uff0e",
            "\u2100",
            "xn--",
            "\ud800",
            "\u200b",
            "\u0130",
            " ",
            "\n",
        ),
        *(
            "169.254.169.254",
            "0x7f.1",
            "2130706433",
            "[::ffff:169.254.169.254]",
            "[fe80::1%25lo]",
        ),
    ]
)
urls = st.text() | st.lists(pieces, max_size=10).map("".join)
urls |= urls.map(lambda rest: "http://" + rest)
segments = st.lists(st.text("ab.%2eE/\\;", max_size=6), max_size=5)

PUB = Place.parse("http://example.org/pub/")


def resolved(path: str) -> list[str]:
    """
    The segments of a path as RFC 3986 resolves them, by its own words (5.2.4).
    """
    out: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del out[-1:]
        elif segment != ".":
            out.append(segment)
    return out


class UrlTests(SynchronousTestCase):
    """
    L{smartmob.place}, L{smartmob.target}, L{smartmob.source.location} and
    L{smartmob.source.rules}.
    """

    @tries(400)
    @given(urls)
    @example("http://[::1%0]/")
    @example("http://\u2100/")
    @example("http://[v1.x]/")
    def test_anything(self, text: str) -> None:
        """It is one, or what is wrong with it is said, without what may be secret in it."""
        try:
            place = Place.parse(text)
        except BadPlace as error:
            self.assertTrue(str(error).isprintable())
            self.assertLess(len(str(error)), 200 + len(text))
        else:
            self.assertTrue(place.path.startswith("/"))
            self.assertTrue(0 < place.port < 65_536)
            self.assertTrue((place.host + place.path).isascii())
            self.assertFalse(re.search(r"[\0-\x20\x7f]", place.path + place.parts.query))
        for reader in (Target.parse, Location.parse):
            try:
                found = reader(text)
            except (BadPlace, SourceRefused):
                continue
            self.assertTrue(re.fullmatch(rb"https?://[!-~]*", found.url), found.url)
            self.assertNotIn("?", found.shown.removesuffix("?..."))
        try:
            SourceRules(places=(PUB,)).check(text)
        except SourceNotAllowed:
            pass
        else:
            self.assertTrue(
                text.lower().startswith(("http://example.org", "smartmob-archive:"))
            )

    @tries(200)
    @given(urls)
    def test_created(self, text: str) -> None:
        """What a create request may name can be looked at by all that follow."""
        try:
            url = checks.source_url(text)
        except Wrong:
            return
        for rules in (SourceRules(), SourceRules(places=(PUB,), archives=False)):
            try:
                rules.check(url)
            except SourceNotAllowed as error:
                self.assertNotIn(url, str(error))

    @tries(200)
    @given(urls)
    def test_redirected(self, to: str) -> None:
        """A redirect leads to what may be asked, never from https to http, or is refused."""
        start = Location.parse("https://example.org/a/b?c")
        try:
            found = start.redirected(to)
        except SourceRefused as error:
            self.assertNotIn("?c", error.reason)
        else:
            self.assertEqual(found.scheme, "https")

    @tries(200)
    @given(segments)
    @example(["pub", "..", "x"])
    @example(["pub", "%2e%2e", "x"])
    def test_below(self, names: list[str]) -> None:
        """What is allowed lies below to whoever reads a path by the RFC, too."""
        path = "/" + "/".join(names)
        try:
            place = Place.parse(f"http://example.org{path}")
        except BadPlace:
            return
        if PUB.holds(place):
            self.assertEqual(resolved(place.path)[:1], ["pub"], path)
            decoded = resolved(place.path.replace("%2e", ".").replace("%2E", "."))
            self.assertEqual(decoded[:1], ["pub"], path)

    @tries(200)
    @given(st.lists(st.text("ab\u00e4 %?#", min_size=1), max_size=4))
    def test_quoted(self, names: list[str]) -> None:
        """Plain names, encoded as they should be, lie below."""
        path = "/".join(quote(name, safe="") for name in names)
        assume("%25" not in path)
        self.assertTrue(PUB.holds(Place.parse(f"http://example.org/pub/{path}")))

    @tries(200)
    @given(st.ip_addresses())
    def test_address(self, ip: object) -> None:
        """Where private addresses are not allowed, what is allowed is one of all the world."""
        kind = forbidden(str(ip), private=False)
        if forbidden(str(ip)) is not None:
            self.assertIsNotNone(kind)

    @tries(200)
    @given(st.ip_addresses(v=4))
    def test_inner(self, ip: object) -> None:
        """An IPv4 address is as allowed in IPv6's clothes as without."""
        kind = forbidden(str(ip), private=False)
        packed = int(ip)  # type: ignore[call-overload] # of an address it is one
        for clothes in (f"::ffff:{ip}", f"64:ff9b::{ip}"):
            self.assertEqual(forbidden(clothes, private=False), kind)
        sixtofour = f"2002:{packed >> 16:x}:{packed & 0xFFFF:x}::"
        self.assertEqual(forbidden(sixtofour, private=False), kind)
