"""
What a program needs of its launcher, and how many starts are under way at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall

from smartmob.launch.helper import Helper
from smartmob.launch.housing import Housing
from smartmob.launch.overdue import Ending
from smartmob.launch.pipes import Reactor
from smartmob.launch.turns import Turns

WINDOW = 8
"""
Starts that are under way at once.  A thousand forks at the same moment would starve
the agent.
"""

AT_FIRST = 64
"""
The same until the agent answers requests, so that none can be late: about as many as
programs start while what answers them is imported.
"""

OVERDUE = 5.0
"""
Seconds after which a start does not count any more: it hangs, as an executable on a
dead network file system does, and must not keep the others waiting.
"""


class Startable(Ending, Protocol):
    """
    What is to be started, and to end.
    """

    def begin(self) -> None:
        """Its turn has come."""

    def refuse(self, why: str) -> None:
        """Its turn will not come."""

    def letGo(self) -> None:
        """Where it outlives the agent, its run is over for us."""

    def abandon(self) -> None:
        """Every helper has ended: let go of what is kept between runs."""


class Starts(Protocol):
    """
    What a program needs of its launcher.

    @ivar turns: When the output of all programs is read.
    @ivar housing: Their cgroups.
    """

    reactor: Reactor
    turns: Turns
    housing: Housing

    def enter(self, program: Startable) -> None:
        """Call C{program.begin()} as soon as there is room for one more start."""

    def again(self, program: Startable) -> None:
        """The same, since nobody was there to begin it."""

    def withdraw(self, program: Startable) -> None:
        """Do not."""

    def finished(self, program: Startable) -> None:
        """The start is over, with or without success: there is room for another."""

    def ended(self, program: Startable) -> None:
        """The run that C{enter} began is over."""

    def order(
        self,
        packet: bytes,
        descriptors: tuple[int, ...],
        undelivered: Callable[[OSError], None],
    ) -> None:
        """Send an order to the guardian."""

    def expect(self, program: Ending, seconds: float) -> None:
        """See to it that a program which was told to be gone by then is."""

    def keeper(self) -> Helper:
        """Start a keeper; C{OSError} where that can't be."""

    def holds(self, program: Startable, something: bool) -> None:
        """The program has descriptors open, or not, while no run is under way."""


class StartQueue:
    """
    The queue before the guardian.
    """

    def __init__(self, reactor: Reactor, is_open: Callable[[], bool]) -> None:
        """
        @param is_open: Whether there is a guardian.
        """
        self._reactor = reactor
        self._is_open = is_open
        self._waiting: deque[Startable] = deque()
        self._under_way: dict[Startable, float] = {}
        self._timer: IDelayedCall | None = None
        self._going = False
        self._window = AT_FIRST

    def enter(self, startable: Startable) -> None:
        """
        Let it begin, now or in its turn.
        """
        self._waiting.append(startable)
        self.go()

    def again(self, startable: Startable) -> None:
        """
        Let it begin once more, as the next: nobody was there.
        """
        self._under_way.pop(startable, None)
        self._waiting.appendleft(startable)
        self.go()

    def withdraw(self, startable: Startable) -> None:
        """
        Do not let it begin.
        """
        self._waiting.remove(startable)

    def finished(self, startable: Startable) -> None:
        """
        Its start is over, well or not.
        """
        if self._under_way.pop(startable, None) is not None:
            self.go()

    def go(self) -> None:
        """
        Begin what has its turn.
        """
        if self._going:
            # One that failed at once has finished within its own beginning: the loop
            # goes on with the next, where a call for each would exhaust the stack.
            return
        self._going = True
        try:
            while self._waiting and len(self._under_way) < self._window and self._is_open():
                startable = self._waiting.popleft()
                self._under_way[startable] = self._reactor.seconds()
                startable.begin()
        finally:
            self._going = False
        if self._waiting and self._timer is None:
            self._timer = self._reactor.callLater(OVERDUE, self._look)

    def narrow(self) -> None:
        """
        From now on there are others who need the machine.
        """
        self._window = WINDOW

    def close(self, why: str) -> None:
        """
        Let nobody begin any more.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, deque()
        for startable in waiting:
            startable.refuse(why)

    def _look(self) -> None:
        self._timer = None
        due = self._reactor.seconds() - OVERDUE
        for startable in [each for each, since in self._under_way.items() if since <= due]:
            del self._under_way[startable]
        self.go()
