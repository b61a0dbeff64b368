"""
The steps of a run.
"""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """
    Where a run stands.
    """

    IDLE = auto()
    """No run is under way."""
    QUEUED = auto()
    """It waits for its turn."""
    ASKED = auto()
    """Its reaper was asked to execute it."""
    RUNNING = auto()
    """Its leader runs."""
    EXITED = auto()
    """Its leader has ended; its tree, perhaps, not."""
    LOST = auto()
    """Its reaper is gone; its last output is read."""
    REFUSED = auto()
    """It will not be executed; its protocol is about to be told."""

    @property
    def stoppable(self) -> bool:
        """
        Its reaper can do something about it.
        """
        return self in (Phase.ASKED, Phase.RUNNING, Phase.EXITED)
