"""
How many programs ended, and how, and how many were started again: of all processes, those
that are deleted by now too.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from attrs import define, field

from smartmob.run import Ending


class How(StrEnum):
    """
    How a program ended, whoever wished it to.
    """

    SUCCESS = "success"
    """With the exit code 0."""
    FAILURE = "failure"
    """With another."""
    SIGNAL = "signal"
    """By a signal."""
    NOT_EXECUTED = "not-executed"
    """It never began: there is no such program, or it can't be executed."""
    UNKNOWN = "unknown"
    """Nobody can know, since its helper was killed."""


@define(eq=False, repr=False)
class Tally:
    """
    Counts since the agent started, which all processes share.

    @ivar restarts: Starts that nobody asked for.
    @ivar exits: Runs that are over.
    """

    restarts: int = 0
    exits: Counter[How] = field(factory=Counter)

    def ended(self, leader: Ending, *, executed: bool) -> None:
        """
        One more run is over.

        @param leader: How its program ended.
        @param executed: There was one.
        """
        if not executed:
            how = How.NOT_EXECUTED
        elif leader.signal is not None:
            how = How.SIGNAL
        elif leader.code is None:
            how = How.UNKNOWN
        else:
            how = How.FAILURE if leader.code else How.SUCCESS
        self.exits[how] += 1
