"""
Times as headers have them (RFC 9110, section 5.6.7).
"""

from __future__ import annotations

from functools import lru_cache
from time import time

from twisted.web import http


def date_now() -> bytes:
    """
    The header Date.
    """
    return _date(int(time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """
    The same for a second, and that for many requests.
    """
    date: bytes = http.datetimeToString(second)
    return date
