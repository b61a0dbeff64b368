"""
What can happen to a supervised process.
"""

from __future__ import annotations

from typing import Protocol

from twisted.python.failure import Failure

from smartmob.launch.interfaces import Command
from smartmob.run import Ending


class Supervision(Protocol):
    """
    What can happen to a process.
    """

    def start(self) -> None:
        """The operator wants it up."""

    def stop(self) -> None:
        """The operator wants it down."""

    def restart(self) -> None:
        """The operator wants it down, then up."""

    def delete(self) -> None:
        """The operator wants it gone."""

    def _go_source(self) -> None:
        """Download and unpack."""

    def _go_run(self) -> None:
        """Execute."""

    def _go_wait(self, delay: float, reason: str) -> None:
        """Wait before another try."""

    def _go_rest(self) -> None:
        """Stay down."""

    def _go_fail(self, reason: str) -> None:
        """Stay down, because of something."""

    def _go_discard(self) -> None:
        """Forget everything."""

    def _go_stop_left(self) -> None:
        """Try once more to end what is left."""

    def _go_delete_left(self) -> None:
        """Try once more to end what is left, then forget everything."""

    def _sourced(self, command: Command) -> None:
        """The source is there, and says what to execute."""

    def _unsourced(self, failure: Failure) -> None:
        """The source can't be had, now or ever."""

    def _elapsed(self) -> None:
        """The delay is over."""

    def _executed(self) -> None:
        """The program has a pid."""

    def _exited(self, ending: Ending) -> None:
        """Its leader is gone."""

    def _lingers(self) -> None:
        """Some of its tree is still there a turn of the reactor later."""

    def _ended(self, ending: Ending) -> None:
        """Its tree is gone, or can't be ended."""

    def _discarded(self) -> None:
        """Nothing of it is left on disk."""

    def _not_discarded(self, error: Exception) -> None:
        """A later agent would know of it still."""
