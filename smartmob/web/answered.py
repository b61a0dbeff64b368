"""
How many requests were answered, and with what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

NOWHERE = "none"
"""
The route of a request whose path and method no route has, or that was refused before these were
looked at; of one, too, that is no HTTP.
"""

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "OPTIONS")}

OTHER = "other"
"""Stands for every other method: clients choose their names, and each would be kept."""


class Answered:
    """
    Counts the answers of a site.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, int]] = Counter()

    def note(self, route: str, method: bytes, status: int) -> None:
        """
        A request was answered.

        @param route: The path as the table of routes has it, or L{NOWHERE}.
        """
        self._counts[route, METHODS.get(method, OTHER), status] += 1

    def __iter__(self) -> Iterator[tuple[tuple[str, str, int], int]]:
        """
        Route, method and status, and how many requests had them.
        """
        return iter(self._counts.items())
