"""
Why there is no release.
"""

from __future__ import annotations


class SourceError(Exception):
    """
    A source that can't be had.

    @ivar reason: A sentence for a person.  It says no secret: of a URL only scheme,
        host and path.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SourceUnavailable(SourceError):
    """
    It may be had later.

    @ivar retry_after: Seconds that its server asks to be left alone, if it said so.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class SourceRefused(SourceError):
    """
    It will never be had, unless it is changed.
    """
