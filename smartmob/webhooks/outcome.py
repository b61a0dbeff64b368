"""
What came of one try to deliver an event, and what follows from it.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from smartmob.retry_after import is_for_now, seconds_of

LONGEST_RETRY_AFTER = 3600.0
"""Seconds: a sink that asks to be left alone for longer is asked again after that."""


class Result(StrEnum):
    """
    The kinds of outcome.
    """

    DELIVERED = "delivered"
    """The sink has it."""
    FAILED = "failed"
    """It is tried again."""
    REFUSED = "refused"
    """It is dropped: the sink has answered, and would not answer otherwise."""


@frozen(kw_only=True)
class Outcome:
    """
    What came of one try.

    @ivar status: That of the answer; C{None}: there was none that could be read.
    @ivar reason: Why it is not delivered: what follows the URL in a sentence.  It says
        no secret.
    @ivar retry_after: Seconds that the sink asks to be left alone.
    """

    result: Result
    status: int | None = None
    reason: str | None = None
    retry_after: float | None = None


def judge(status: int, retry_after: bytes | None, now: float) -> Outcome:
    """
    What an answer means.

    @param retry_after: The value of its header C{Retry-After}.
    @param now: Seconds since the epoch.
    """
    if 200 <= status < 300:
        return Outcome(result=Result.DELIVERED, status=status)
    reason = f"answered {status}"
    if is_for_now(status):
        asked = None if retry_after is None else seconds_of(retry_after, now)
        return Outcome(
            result=Result.FAILED,
            status=status,
            reason=reason,
            retry_after=None if asked is None else min(asked, LONGEST_RETRY_AFTER),
        )
    return Outcome(result=Result.REFUSED, status=status, reason=reason)


def failed(reason: str) -> Outcome:
    """
    There was no answer.
    """
    return Outcome(result=Result.FAILED, reason=reason)


def unreadable(reason: str) -> Outcome:
    """
    There was an answer, of a kind that nothing can be done with.
    """
    return Outcome(result=Result.REFUSED, reason=reason)
