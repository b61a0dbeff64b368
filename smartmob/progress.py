"""
How far an agent is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """
    Called at each step of an agent's life, for whoever started it.  This one tells nobody.
    """

    def starting(self) -> None:
        """
        It begins to come up, in the process that it will stay.
        """

    def failed(self, why: str) -> None:
        """
        It can't come up.

        @param why: A sentence for a person.
        """

    def ready(self) -> None:
        """
        It listens on every endpoint, and can launch programs.
        """

    def reloading(self) -> None:
        """
        It begins to take another configuration over.
        """

    def reloaded(self, refused: str | None = None) -> None:
        """
        It has, or it goes on with the one before.

        @param refused: Why it does; a sentence for a person.
        """

    def throughout(self, reload: Callable[[], T]) -> T:
        """
        Take it over, which is told before and behind.

        @raise Exception: As from C{reload}.
        """
        self.reloading()
        try:
            outcome = reload()
        except Exception as error:
            self.reloaded(str(error) or type(error).__name__)
            raise
        self.reloaded()
        return outcome

    def stopping(self, seconds: float) -> None:
        """
        It was asked to end.

        @param seconds: That this takes at most.
        """

    def stopped(self) -> None:
        """
        Nothing is left of it but the process itself.
        """
