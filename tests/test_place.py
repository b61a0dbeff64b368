"""
Tests of L{smartmob.place}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.place import BadPlace, Place

PUB = "https://ci.example/pub/"

BELOW = (
    "https://ci.example/pub",
    "https://ci.example/pub/",
    "https://ci.example/pub/a.tar.gz?sig=../..#x",
    "https://ci.example/pub//a",
    "https://ci.example/pub/a/../b",
    "https://ci.example/pub/./a/%2e%2E/b",
    "https://ci.example/pub/%C3%A0%e0%a4%85/caf%e9/%C0/b",
    "https://ci.example/x/../pub/a",
    "https://ci.example/pub/a%2fb",
    "https://ci.example/pub/100%25",
    "https://ci.example/pub/a;b=c/d",
    "HTTPS://CI.EXAMPLE:443/pub/a",
    "https://ci.example/%70ub/a",
)

ELSEWHERE = (
    "http://ci.example/pub/a",
    "https://ci.example:8443/pub/a",
    "https://ci.example.evil.example/pub/a",
    "https://evil.example/pub/a",
    "https://ci.example./pub/a",
    "https://ci.example/",
    "https://ci.example",
    "https://ci.example/public/a",
    "https://ci.example/PUB/a",
    "https://ci.example//pub/a",
    "https://ci.example/pub/../a",
    "https://ci.example/pub/..",
    "https://ci.example/pub/%2e%2e/a",
    "https://ci.example/pub/.%2E/a",
    "https://ci.example/pub/x/..%2f..%2f..%2fa",
    "https://ci.example/pub%2f..%2fa",
    "https://ci.example/x%2f..%2fpub/a",
    "https://ci.example/pub/a%2fb/%2e%2e/%2e%2e/x",
    "https://ci.example/pub/%252e%252e/a",
    "https://ci.example/pub/%25252e%25252e%25252fa",
    "https://ci.example/pub/..%5c..%5ca",
    "https://ci.example/pub/..;/a",
    "https://ci.example/pub/%2e%2e;x=y/a",
    "https://ci.example/pub/..%c0%afx",
    "https://ci.example/pub/%C0%AE%C0%AE/x",
    "https://ci.example/pub/..%e0%80%afx",
    "https://ci.example/pub/..%25c0%25afx",
    "https://ci.example/pub/..%u002Fx",
    "https://ci.example/pub//../x",
    "https://ci.example/pub/%2525252525252e./a",
    "https://ci.example/?/pub/a",
)


class PlaceTests(SynchronousTestCase):
    """
    What lies below what.
    """

    def test_below(self) -> None:
        """A place holds what its server can only take for something below its path."""
        pub = Place.parse(PUB)
        for url in BELOW:
            self.assertTrue(pub.holds(Place.parse(url)), url)

    def test_elsewhere(self) -> None:
        """It does not hold what some server might take for something else."""
        for written in (PUB, PUB.rstrip("/"), "https://ci.example/x/../%70ub/."):
            pub = Place.parse(written)
            for url in ELSEWHERE:
                self.assertFalse(pub.holds(Place.parse(url)), url)

    def test_whole(self) -> None:
        """A server without a path is all that is on it."""
        for text in ("http://h", "http://h:80/", "http://H/."):
            for url in ("http://h/", "http://h:80/a/../..", "http://h//a"):
                self.assertTrue(Place.parse(text).holds(Place.parse(url)), url)
            self.assertFalse(Place.parse(text).holds(Place.parse("http://h:81/")))
            self.assertFalse(Place.parse(text).holds(Place.parse("https://h:80/")))

    def test_hosts(self) -> None:
        """A host is the same however it is written."""
        for one, other in (
            ("http://[::1]:8080/", "http://[0:0::0:1]:8080/a"),
            ("http://[2001:DB8::1]/", "http://[2001:db8:0::1]/"),
            ("http://bücher.example/ä", "http://xn--bcher-kva.EXAMPLE/%C3%A4/x"),
            ("http://xn--bcher-kva.example/%c3%a4/", "http://BÜCHER.example/ä"),
        ):
            self.assertTrue(Place.parse(one).holds(Place.parse(other)), other)

    def test_long(self) -> None:
        """A long path that is encoded again and again is no place that is held, soon."""
        path = "/pub/%" + "25" * 2000 + "2e"
        self.assertFalse(Place.parse(PUB).holds(Place.parse(f"https://ci.example{path}")))

    def test_bad(self) -> None:
        """What is no URL of http or https is no place, and the message says why."""
        for text, why in (
            ("", "has no scheme"),
            ("ci.example/pub", "has no scheme"),
            ("ftp://h/", "is of scheme ftp"),
            ("https://u:p@h/", "has a user name"),
            ("https:///pub", "has no valid host"),
            ("https://h:0/", "has no valid port"),
            ("https://h/a b", "has white space"),
        ):
            self.assertIn(why, str(self.assertRaises(BadPlace, Place.parse, text)))

    @given(
        st.lists(st.sampled_from(["pub", "a", "..", ".", "", "%2e%2e", "..%2f", "%5c", ";"]))
    )
    def test_anyPath(self, segments: list[str]) -> None:
        """What is held is below by the plain reading of RFC 3986, whatever else is in it."""
        path = "/" + "/".join(segments)
        if not Place.parse(PUB).holds(Place.parse(f"https://ci.example{path}")):
            return
        depth: list[str] = []
        for segment in path.split("/")[1:]:
            if segment == "..":
                del depth[-1:]
            elif segment != ".":
                depth.append(segment)
        self.assertEqual(depth[0], "pub")
