"""
Tests of L{smartmob.target}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.place import BadPlace
from smartmob.target import Target


class TargetTests(SynchronousTestCase):
    """
    URLs.
    """

    def test_parts(self) -> None:
        """
        A URL is asked for without what is not for the request line, and shown without secrets.
        """
        target = Target.parse("https://me:p%3Aw@sink.example:8443/a/b;c?d=e&f#g")
        self.assertEqual((target.scheme, target.host), ("https", "sink.example"))
        self.assertEqual(target.port, 8443)
        self.assertEqual(target.url, b"https://sink.example:8443/a/b;c?d=e&f")
        self.assertEqual(target.shown, "https://sink.example:8443/a/b;c?...")
        self.assertEqual(target.authorization, b"Basic bWU6cDp3")
        for secret in ("p%3A", "d=e", "bWU6"):
            self.assertNotIn(secret, repr(target))

    def test_defaults(self) -> None:
        """
        Ports and paths that are not said are those of the scheme.
        """
        for text, port, url in (
            ("http://a", 80, b"http://a/"),
            ("HTTPS://A", 443, b"https://A/"),
            ("http://[::1]", 80, b"http://[::1]/"),
            ("http://10.0.0.1?x", 80, b"http://10.0.0.1/?x"),
        ):
            target = Target.parse(text)
            self.assertEqual((target.port, target.url, target.authorization), (port, url, None))
        self.assertEqual(Target.parse("http://[::1]/").host, "::1")

    def test_users(self) -> None:
        """
        A name may be without a password, and either may be empty or have any character.
        """
        for user, header in (
            ("me", b"Basic bWU6"),
            (":pw", b"Basic OnB3"),
            ("", b"Basic Og=="),
            ("a:b:c", b"Basic YTpiOmM="),
            ("a%40b:c%2Fd", b"Basic YUBiOmMvZA=="),
            ("m\u00e9:x", b"Basic bcOpOng="),
        ):
            target = Target.parse(f"http://{user}@a/")
            self.assertEqual(target.authorization, header, user)
            self.assertEqual(target.url, b"http://a/")

    def test_unicode(self) -> None:
        """
        Other letters than ASCII's are sent as HTTP can have them.
        """
        target = Target.parse("http://b\u00fccher.example/\u00fc?\u00fc")
        self.assertEqual(target.host, "xn--bcher-kva.example")
        self.assertEqual(target.url, b"http://xn--bcher-kva.example/%C3%BC?%C3%BC")

    def test_bad(self) -> None:
        """
        What nothing can be posted to is refused, without a word of what may be secret.
        """
        for text, why in (
            ("", "http and https"),
            ("ftp://u:s3cret@a/", "http and https"),
            ("sink.example/s3cret", "http and https"),
            ("http://", "host"),
            ("http://u:s3cret@/", "host"),
            ("http://u:s3cret@:80/", "host"),
            ("http://a:0/", "port"),
            ("http://a:99999/s3cret", "port"),
            ("http://a:x/s3cret", "port"),
            ("http://[::1/s3cret", "valid URL"),
            ("http://[fe80::1%25eth0]/", "host"),
            ("http://a b/s3cret", "white space"),
            ("http://a/s3cret\r\nX: y", "white space"),
            ("http://a,b/", "host"),
            *((f"https://u:s3cret@{host}/", "certificate") for host in ("a_b", "-a", "a-.b")),
        ):
            with self.assertRaises(BadPlace) as raised:
                Target.parse(text)
            self.assertIn(why, str(raised.exception), text)
            self.assertNotIn("s3cret", str(raised.exception))

    @given(st.text())
    def test_anyText(self, text: str) -> None:
        """
        Any text is a URL or refused.
        """
        for each in (text, f"http://{text}", f"http://a/{text}", f"http://{text}@a"):
            try:
                target = Target.parse(each)
            except BadPlace:
                continue
            self.assertRegex(target.url, rb"\Ahttps?://[!-~]+\Z")
