"""
Memory that is not needed any more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """
    Let the system have what lies between what is still used.  By itself the C library gives
    back only what lies behind all of that: a thousand connections with TLS leave 50 MB, which
    a next thousand would not all fit into (malloc_trim(3)).
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], object] | None:
    """
    glibc's own; others have none, and less to give back.
    """
    import ctypes  # which most agents that start need never

    trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
