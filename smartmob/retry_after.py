"""
What servers say of trying again later.
"""

from __future__ import annotations

from twisted.web.http import stringToDatetime


def is_for_now(status: int) -> bool:
    """
    Whether an answer of this status may be another at another time.
    """
    return status in (408, 429) or 500 <= status <= 599


def seconds_of(retry_after: bytes, now: float) -> float | None:
    """
    What C{Retry-After} says, seconds or a date (RFC 9110, 10.2.3), in seconds from
    C{now}; C{None}: it is neither.

    @param now: Seconds since the epoch.
    """
    value = retry_after.strip()
    if value.isdigit():
        return float(value[:9])
    try:
        at: int = stringToDatetime(value)
    except (ValueError, IndexError, KeyError, OverflowError):
        return None
    return max(0.0, at - now)
