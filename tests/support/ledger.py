"""
Programs that write down that they were started, and whether another of their name runs.
"""

from __future__ import annotations

from pathlib import Path

from attrs import define

PROCFILE = (
    'web: exec 9>>"$LEDGER/$SMARTMOB_SLUG"; '
    'flock -n 9 || echo "$SMARTMOB_SLUG" >>"$LEDGER/twice"; '
    'echo "$$ $PORT" >&9; echo up; exec sleep 1000'
)
"""Its lock lasts as long as it runs (flock(2)): the second of two that overlap has none."""


@define
class Ledger:
    """
    What these programs have written.
    """

    folder: Path

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir()

    @property
    def env(self) -> dict[str, str]:
        """
        What a create request has to say, that its program finds it.
        """
        return {"LEDGER": str(self.folder)}

    def starts(self, slug: str) -> list[tuple[int, int]]:
        """
        The pid and the port of each start of a process, in their order.
        """
        try:
            lines = (self.folder / slug).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(int(pid), int(port)) for pid, port in map(str.split, lines)]

    def twice(self) -> list[str]:
        """
        The slugs of those that were started while they ran.
        """
        try:
            return (self.folder / "twice").read_text().splitlines()
        except FileNotFoundError:
            return []
