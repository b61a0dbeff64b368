"""
How a process comes by its command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from smartmob.documents import State
from smartmob.launch.interfaces import Command


class Recipe(Protocol):
    """
    Where the command of a process comes from.

    @ivar streams: The names of descriptors 1 and 2; C{None} throws one away.
    @ivar port: The port that is set aside for it.
    @ivar release: The name of what was unpacked for it; C{None}: nothing was, so far.
    @ivar types: The process types that its source has, once they are known.
    """

    @property
    def streams(self) -> tuple[str | None, str | None]:
        """
        See the class.
        """

    @property
    def port(self) -> int | None:
        """
        See the class.
        """

    @property
    def release(self) -> str | None:
        """
        See the class.
        """

    @property
    def types(self) -> tuple[str, ...] | None:
        """
        See the class.
        """

    def prepare(self, progress: Callable[[State], None]) -> Deferred[Command]:
        """
        Get what it takes, and say what to execute.  Cancelling abandons it.

        Fails with L{SourceUnavailable} or L{SourceRefused}.
        """

    def discard(self) -> Deferred[None]:
        """
        The process is deleted: fires when no file that only it used is left.
        """
