"""
What a program needs of its launcher, and how many starts are under way at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall

from smartmob.launch.pipes import Reactor

WINDOW = 8
"""
Starts that are under way at once.  A thousand forks at the same moment would starve
the agent.
"""

OVERDUE = 5.0
"""
Seconds after which a start does not count any more: it hangs, as an executable on a
dead network file system does, and must not keep the others waiting.
"""


class Departing(Protocol):
    """
    What is to be started.
    """

    def depart(self) -> None:
        """Its turn has come."""

    def refuse(self, why: str) -> None:
        """Its turn will not come."""

    def abandon(self) -> None:
        """Every helper has ended: let go of what is kept between runs."""


class Starts(Protocol):
    """
    What a program needs of its launcher.
    """

    reactor: Reactor

    def enter(self, program: Departing) -> None:
        """Call C{program.depart()} as soon as there is room for one more start."""

    def again(self, program: Departing) -> None:
        """The same, since its last departure led nowhere."""

    def withdraw(self, program: Departing) -> None:
        """Do not."""

    def landed(self, program: Departing) -> None:
        """The start is over, with or without success: there is room for another."""

    def ended(self, program: Departing) -> None:
        """The run that C{enter} began is over."""

    def order(
        self,
        packet: bytes,
        descriptors: tuple[int, ...],
        undelivered: Callable[[OSError], None],
    ) -> None:
        """Send an order to the guardian."""

    def holds(self, program: Departing, something: bool) -> None:
        """The program has descriptors open, or not, while no run is under way."""


class Departures:
    """
    The queue before the guardian.
    """

    def __init__(self, reactor: Reactor, is_open: Callable[[], bool]) -> None:
        """
        @param is_open: Whether there is a guardian.
        """
        self._reactor = reactor
        self._is_open = is_open
        self._waiting: deque[Departing] = deque()
        self._flying: dict[Departing, float] = {}
        self._timer: IDelayedCall | None = None
        self._going = False

    def enter(self, departing: Departing) -> None:
        """
        Let it depart, now or in its turn.
        """
        self._waiting.append(departing)
        self.go()

    def again(self, departing: Departing) -> None:
        """
        Let it depart once more, as the next: it departed, but nobody was there.
        """
        self._flying.pop(departing, None)
        self._waiting.appendleft(departing)
        self.go()

    def withdraw(self, departing: Departing) -> None:
        """
        Do not let it depart.
        """
        self._waiting.remove(departing)

    def landed(self, departing: Departing) -> None:
        """
        Its start is over, well or not.
        """
        if self._flying.pop(departing, None) is not None:
            self.go()

    def go(self) -> None:
        """
        Let go whose turn it is.
        """
        if self._going:
            # One that failed at once has landed within its own departure: the loop
            # goes on with the next, where a call for each would exhaust the stack.
            return
        self._going = True
        try:
            while self._waiting and len(self._flying) < WINDOW and self._is_open():
                departing = self._waiting.popleft()
                self._flying[departing] = self._reactor.seconds()
                departing.depart()
        finally:
            self._going = False
        if self._waiting and self._timer is None:
            self._timer = self._reactor.callLater(OVERDUE, self._look)

    def close(self, why: str) -> None:
        """
        Let nobody depart any more.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, deque()
        for departing in waiting:
            departing.refuse(why)

    def _look(self) -> None:
        self._timer = None
        due = self._reactor.seconds() - OVERDUE
        for departing in [each for each, since in self._flying.items() if since <= due]:
            del self._flying[departing]
        self.go()
