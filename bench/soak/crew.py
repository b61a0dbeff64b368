"""
Those who use an agent, each in a thread of its own, and what they have done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic

from attrs import define, field

from bench.figures import Failed

MOST_TOLD = 50
"""Of what went wrong, so many are told in words."""

PATIENCE = 180.0
"""Seconds for what is under way, when all is to end."""


@define(eq=False)
class Tally:
    """
    What was done, and what went wrong.

    @ivar done: How often, by what it was.
    @ivar errors: How often something was wrong ...
    @ivar told: ... and the first of it, in words.
    """

    done: Counter[str] = field(factory=Counter)
    errors: int = 0
    told: list[str] = field(factory=list)
    _lock: Lock = field(factory=Lock)

    def did(self, what: str, times: int = 1) -> None:
        """
        It went well.
        """
        with self._lock:
            self.done[what] += times

    def wrong(self, what: str) -> None:
        """
        It did not.
        """
        with self._lock:
            self.errors += 1
            if len(self.told) < MOST_TOLD:
                self.told.append(what)


@define(eq=False)
class Crew:
    """
    @ivar tally: Where they tell.
    @ivar over: Set when it is time to go.
    """

    tally: Tally = field(factory=Tally)
    over: Event = field(factory=Event)
    _threads: list[Thread] = field(factory=list)

    def works(self, name: str, once: Callable[[], object], pause: float) -> None:
        """
        One more, who does it over and over.

        @param pause: Seconds in between.
        """

        def work() -> None:
            while not self.over.wait(pause):
                try:
                    once()
                except (Failed, OSError, ValueError, KeyError) as error:
                    self.tally.wrong(f"{name}: {type(error).__name__}: {error}")

        thread = Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        """
        Each finishes what it is at.
        """
        self.over.set()
        deadline = monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))
            if thread.is_alive():
                self.tally.wrong(f"{thread.name}: did not come to an end")
