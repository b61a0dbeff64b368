"""
Tests of L{smartmob.source.location}.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.errors import SourceRefused
from smartmob.source.location import Location, forbidden

#: What is no source URL, and a word of why.
REFUSED: dict[str, str] = {
    "": "has no scheme",
    "x": "has no scheme",
    "http://...": "no valid host",
    "http://": "no valid host",
    "http:///x": "no valid host",
    "http://a..b/": "no valid host",
    "http://a_b!/": "no valid host",
    "http://" + "a" * 64 + "/": "no valid host",
    "http://[::1/": "not a valid URL",
    "http://[x]/": "not a valid URL",
    "http://[fe80::1%25eth0]/": "no valid host",
    "http://h:x/": "no valid port",
    "http://h:65536/": "no valid port",
    "http://h:0/": "no valid port",
    "http://u@h/": "user name",
    "http://u:p@h/": "user name",
    "http://@h/": "user name",
    "file:///etc/passwd": "is of scheme file",
    "ftp://h/": "is of scheme ftp",
    "http://169.254.169.254/x": "169.254.169.254, which is link-local",
    "http://0.0.0.0/": "unspecified",
    "http://[::]/": "unspecified",
    "http://h/a b": "white space",
    "http://h/a\r\nX: y": "white space",
    "http://h/\0": "white space",
    "http://h\\@g/": "white space",
}

#: Machines that run tests may be busy.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class LocationTests(SynchronousTestCase):
    """
    Tests of L{Location}.
    """

    def test_refused(self) -> None:
        """
        What can't be read says why.
        """
        for url, why in REFUSED.items():
            with self.subTest(url=url):
                error = self.assertRaises(SourceRefused, Location.parse, url)
                self.assertIn(why, error.reason)

    def test_parsed(self) -> None:
        """
        A URL is sent as it was given, and shown without its query.
        """
        location = Location.parse("HTTPS://h.example:444//a/%2f;x?sig=a%2Bb&c#frag")
        self.assertEqual(
            (location.scheme, location.host, location.port), ("https", "h.example", 444)
        )
        self.assertEqual(location.url, b"https://h.example:444//a/%2f;x?sig=a%2Bb&c")
        self.assertEqual(location.shown, "https://h.example:444//a/%2f;x")
        self.assertEqual(Location.parse("http://h").url, b"http://h/")
        self.assertEqual(Location.parse("http://h?q").url, b"http://h/?q")
        self.assertEqual(Location.parse("https://h").port, 443)
        v6 = Location.parse("http://[::1]:81/x")
        self.assertEqual((v6.host, v6.port, v6.url), ("::1", 81, b"http://[::1]:81/x"))

    def test_international(self) -> None:
        """
        A URL of other letters is sent in ASCII.
        """
        location = Location.parse("http://bücher.example/ä?ö")
        self.assertEqual(location.url, b"http://xn--bcher-kva.example/%C3%A4?%C3%B6")
        self.assertEqual(location.host, "xn--bcher-kva.example")

    def test_redirected(self) -> None:
        """
        A redirect may be relative, and lead from http to https.
        """
        location = Location.parse("http://h/a/b?q")
        for to, url in {
            "c": b"http://h/a/c",
            "/c?r": b"http://h/c?r",
            "//g/c": b"http://g/c",
            "https://h/": b"https://h/",
        }.items():
            self.assertEqual(location.redirected(to).url, url)

    def test_redirectRefused(self) -> None:
        """
        A redirect must not leave https, or http altogether, or name a user; the query
        is not shown.
        """
        location = Location.parse("https://h/a?secret")
        for to, why in {
            "http://h/a": "from https to http",
            "file:///etc/passwd": "scheme file",
            "//u@h/": "user name",
            "http://[": "no valid URL",
            "https://h/ x": "white space",
        }.items():
            error = self.assertRaises(SourceRefused, location.redirected, to)
            self.assertIn(why, error.reason)
            self.assertIn("https://h/a", error.reason)
            self.assertNotIn("secret", error.reason)

    @PATIENT
    @given(st.text() | st.text().map(lambda text: "http://" + text))
    def test_anything(self, text: str) -> None:
        """
        Whatever the text, there is a location or a L{SourceRefused}.
        """
        try:
            location = Location.parse(text)
        except SourceRefused:
            return
        self.assertEqual(Location.parse(location.url.decode("ascii")), location)
        self.assertIn(location.scheme, ("http", "https"))
        self.assertFalse(set(location.url) & set(b" \r\n\0#"))


class ForbiddenTests(SynchronousTestCase):
    """
    Tests of L{forbidden}.
    """

    def test_forbidden(self) -> None:
        """
        Link-local, multicast and unspecified addresses are, however they are written.
        """
        for address, kind in {
            "169.254.169.254": "link-local",
            "fe80::1": "link-local",
            "fe80::1%eth0": "link-local",
            "::ffff:169.254.169.254": "link-local",
            "64:ff9b::a9fe:a9fe": "link-local",
            "224.0.0.1": "multicast",
            "ff02::1": "multicast",
            "0.0.0.0": "unspecified",
            "::": "unspecified",
            "::ffff:0.0.0.0": "unspecified",
            "2002:a9fe:a9fe::1": "link-local",
            "2001:0:4136:e378:8000:63bf:5601:5601": "link-local",
            "::169.254.169.254": "link-local",
            "::ffff:0:169.254.169.254": "link-local",
            "64:ff9b:1::a9fe:a9fe": "link-local",
            "64:ff9b:1:a9fe:a9:fe00::": "link-local",
            "2001:db8::5efe:a9fe:a9fe": "link-local",
            "2001:db8::200:5efe:a9fe:a9fe": "link-local",
            "169.254.0.0": "link-local",
            "239.255.255.255": "multicast",
            "::ffff:224.0.0.1": "multicast",
            "fd00:ec2::254": "where a cloud keeps the machine's credentials",
            "100.100.100.200": "where a cloud keeps the machine's credentials",
            "::ffff:168.63.129.16": "where a cloud keeps the machine's credentials",
        }.items():
            self.assertEqual(forbidden(address), kind, address)
            self.assertEqual(forbidden(address, private=False), kind, address)

    def test_allowed(self) -> None:
        """
        All others are not, loopback and private ones included.
        """
        for address in (
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.0.1",
            "8.8.8.8",
            "2001:db8::1",
            "2001:db8::5efe:808:808",
            "64:ff9b:1::808:808",
            "fd00:ec2::253",
        ):
            self.assertIs(forbidden(address), None, address)

    def test_private(self) -> None:
        """
        Loopback and private ones are where that is asked for, however they are written.
        """
        for address, kind in {
            "127.0.0.1": "loopback",
            "127.255.0.1": "loopback",
            "::1": "loopback",
            "::ffff:127.0.0.1": "loopback",
            "64:ff9b::7f00:1": "loopback",
            "2002:7f00:1::": "loopback",
            "2001:0:4136:e378:8000:63bf:80ff:fffe": "loopback",
            "10.255.255.255": "private",
            "172.16.0.1": "private",
            "172.31.255.255": "private",
            "192.168.1.1": "private",
            "100.64.0.1": "private",
            "100.127.255.255": "private",
            "0.1.2.3": "private",
            "255.255.255.255": "private",
            "::ffff:10.0.0.1": "private",
            "::10.0.0.1": "private",
            "64:ff9b::a00:1": "private",
            "64:ff9b:1::1": "private",
            "64:ff9b:1::808:808": "private",
            "::ffff:0:192.168.0.1": "private",
            "2001:db8::5efe:10.0.0.1": "private",
            "240.0.0.1": "private",
            "2002:a00:1::1": "private",
            "fc00::1": "private",
            "fd12:3456::1%eth0": "private",
            "fec0::1": "private",
        }.items():
            self.assertEqual(forbidden(address, private=False), kind, address)
            self.assertIsNone(forbidden(address), address)
        for address in (
            *("8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1"),
            *("2606:4700::1", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"),
        ):
            self.assertIsNone(forbidden(address, private=False), address)
