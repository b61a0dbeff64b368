"""
What is found while a file is read: what is wrong, and what is only odd.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from attrs import define, field

from smartmob.config.configuration import BadConfiguration, Mistake

_LONGEST = 100
"""Characters of a name that are compared, and shown."""


@define
class Findings:
    """
    Collects them, so that a person is told all at once.

    @ivar files: Those that were read, in their order.
    @ivar mistakes: For these the file can't be used.
    @ivar warnings: With these it can.
    """

    files: list[str] = field(factory=list)
    mistakes: list[Mistake] = field(factory=list)
    warnings: list[Mistake] = field(factory=list)

    def check(self) -> None:
        """
        Go on only if nothing is wrong.

        @raise BadConfiguration: Something is.
        """
        if self.mistakes:
            raise BadConfiguration(self._sorted(self.mistakes), self.told())

    def told(self) -> tuple[str, ...]:
        """
        The warnings, each a sentence with its place.
        """
        return tuple(str(warning) for warning in self._sorted(self.warnings))

    def _sorted(self, found: list[Mistake]) -> tuple[Mistake, ...]:
        # What is of no file, the command line, comes first.
        order = {file: number for number, file in enumerate(self.files, 1)}
        return tuple(sorted(found, key=lambda one: (order.get(one.file, 0), one.line or 0)))


def shown(name: str) -> str:
    """
    A name as a person is told it: not of any length.
    """
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def near(name: str, known: Iterable[str]) -> str | None:
    """
    The known name that is nearest to an unknown one, where one is near.
    """
    known = list(known)
    for each in (name[:_LONGEST], name[:_LONGEST].lower()):
        found = get_close_matches(each, known, n=1)
        if found:
            return found[0]
    return None


def hint(meant: str | None) -> str:
    """
    What a sentence about an unknown name ends with, where it is known what was meant.
    """
    return "" if meant is None else f"; did you mean {meant}?"
