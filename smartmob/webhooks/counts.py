"""
What becomes of events, in numbers.
"""

from __future__ import annotations

from attrs import define


@define
class Counts:
    """
    What became of events, and of tries.

    @ivar failed: Tries after which there was, or will be, another one.
    @ivar refused: Events that were dropped as their sink did not want them.
    @ivar missed: Events that were dropped as too many waited, or as there was no more time.
    """

    delivered: int = 0
    failed: int = 0
    refused: int = 0
    missed: int = 0

    def add(self, other: Counts) -> None:
        """
        Count those, too.
        """
        self.delivered += other.delivered
        self.failed += other.failed
        self.refused += other.refused
        self.missed += other.missed
