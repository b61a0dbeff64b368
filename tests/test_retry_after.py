"""
Tests of L{smartmob.retry_after}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.retry_after import is_for_now, seconds_of


class RetryAfterTests(SynchronousTestCase):
    """
    C{Retry-After}.
    """

    def test_values(self) -> None:
        """
        It is a number of seconds or a date; what is over is now.
        """
        now = 784_111_777.0  # the moment of the RFC's own example
        for value, expected in (
            (b"0", 0),
            (b" 120 ", 120),
            (b"3601", 3601),
            (b"9" * 400, 999_999_999),
            (b"Sun, 06 Nov 1994 08:49:47 GMT", 10),
            (b"Sunday, 06-Nov-94 08:49:47 GMT", 10),
            (b"Sun Nov  6 08:49:47 1994", 10),
            (b"Sun, 06 Nov 1994 08:49:27 GMT", 0),
            (b"", None),
            (b"-1", None),
            (b"1.5", None),
            (b"tomorrow", None),
        ):
            self.assertEqual(seconds_of(value, now), expected, value)

    @given(st.binary())
    def test_anything(self, value: bytes) -> None:
        """
        Whatever else a server says there is not looked at.
        """
        for each in (value, b"Sun, 06 " + value, value + b", 06-Nov-94 08:49:47"):
            seconds = seconds_of(each, 0)
            self.assertTrue(seconds is None or seconds >= 0)

    def test_forNow(self) -> None:
        """
        Some refusals are of the moment, others are not.
        """
        self.assertTrue(all(map(is_for_now, (408, 429, 500, 503, 599))))
        self.assertFalse(any(map(is_for_now, (200, 302, 400, 404, 410, 600, 999, 99_999))))
