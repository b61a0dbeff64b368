"""
What comes of reading the configuration again.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen
from twisted.internet.defer import Deferred

from smartmob.config.configuration import Mistake
from smartmob.converter import InvalidDocument


@frozen(kw_only=True)
class Outcome:
    """
    What a reload did: slugs, and what is to be said of the file.

    @ivar done: Fires when what was stopped is gone and what was restarted is up, or
        can't be; fails with L{TreeLeft<smartmob.refusals.TreeLeft>}.
    """

    started: tuple[str, ...]
    restarted: tuple[str, ...]
    stopped: tuple[str, ...]
    warnings: tuple[str, ...]
    done: Deferred[None]


class NotReloaded(InvalidDocument):
    """
    The configuration can't be taken over; all is as it was before.

    @ivar mistakes: A sentence each.
    """

    def __init__(self, mistakes: Iterable[Mistake | str]) -> None:
        said = tuple(mistakes)
        super().__init__(
            tuple(("", one) if isinstance(one, str) else (one.where, one.why) for one in said)
        )
        self.mistakes = tuple(map(str, said))
        self.args = (f"nothing was changed, since {self.mistakes[0]}",)
