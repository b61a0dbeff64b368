"""
How long output is read before the reactor looks at everything else again.

A reactor asks all descriptors that are ready before it asks any of them again: with a hundred
programs that write as fast as they are read, a request would wait for a chunk of each of them,
and for all that is made of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

SLICE = 0.003
"""
Seconds for which sources are read, together, before it is everybody else's turn; that of
those which had to wait, and once more that of those which did not.
"""

LONG = 0.004
"""
Seconds that a chunk may take before less is read at once: it can't be interrupted.
"""

LEAST = 4096
"""
Bytes that are read at once in any case.
"""

PAID = 0.6
"""
A chunk of half the size has to take no more of the time than this, else it is not worth it:
what is done once a chunk would be done twice as often.
"""

TRIED = 256
"""
Chunks after which it is tried again.
"""


class Clock(Protocol):
    """
    Time, as it is needed here.
    """

    def seconds(self) -> float: ...
    def callLater(
        self, delay: float, act: Callable[..., object], /, *args: object
    ) -> IDelayedCall: ...


class Source(Protocol):
    """
    Something that is read.
    """

    def take(self) -> bool:
        """
        Read once, and call L{Turns.spend}.

        @return: Whether there is probably more, so that it is to have its turn again.
            Else it has to ask the reactor itself.
        """

    def connectionLost(self, reason: Failure) -> None:
        """
        It failed: the end.
        """


class Turns:
    """
    Who may read now, and who has to wait for the next turn of the reactor.

    As long as there is time for all, the reactor says who is ready, and nothing else is done.
    Where there is not, who has more than is read at once waits here instead, and all of those
    are read one after the other, once a round each.  Who was quiet is not among them: so it
    does not wait for a round, however many there are that flood.

    @ivar over: Nobody may read any more in this turn.
    @ivar waiting: Those who wait, in their order.
    """

    def __init__(self, clock: Clock) -> None:
        self.over = False
        self.clock = clock
        self._spent = 0.0
        self.waiting: OrderedDict[Source, None] = OrderedDict()
        self._left = 0  # of them, those who may have their turn in this one
        self._next: IDelayedCall | None = None

    def spend(self, seconds: float) -> None:
        """
        So long it took to read something.
        """
        if seconds > 0:  # else the system's clock was set
            self._spent += seconds
            if self._spent >= SLICE:
                self.over = True
                self._go_on()

    def wait(self, source: Source) -> None:
        """
        Have C{take} called when its turn has come.
        """
        self.waiting[source] = None
        self._go_on()

    def forget(self, source: Source) -> bool:
        """
        Do not.

        @return: Whether it waited.
        """
        if source not in self.waiting:
            return False
        del self.waiting[source]
        self._left -= 1
        return True

    def _go_on(self) -> None:
        if self._next is None:
            self._next = self.clock.callLater(0, self._go)

    def _go(self) -> None:
        """
        The next turn of the reactor: read those who wait, until a slice is over or each was
        read once.
        """
        self._next = None
        self._begin()
        self._left = len(self.waiting)
        while self._left > 0 and not self.over:
            self._left -= 1
            source, _ = self.waiting.popitem(last=False)
            try:
                more = source.take()
            except Exception:
                # As the reactor has it: that is the end of this one, and of no other.
                _log.failure("output could not be read")
                source.connectionLost(Failure())
                more = False
            if more:
                self.waiting[source] = None
        self._begin()
        if self.waiting:
            self._go_on()

    def _begin(self) -> None:
        self.over = False
        self._spent = 0.0


class Portion:
    """
    How many bytes of a source are read at once: as many as there may be, unless what is made of
    them takes long, as it does with very short lines.

    @ivar size: So many.
    """

    __slots__ = ("_before", "_left", "_most", "size")

    def __init__(self, most: int) -> None:
        self.size = self._most = most
        self._before = 0.0  # what a chunk took of twice this size, where that is on trial
        self._left = 0  # chunks until it may become smaller

    def took(self, seconds: float) -> None:
        """
        So long a whole portion took.
        """
        before, self._before = self._before, 0.0
        if before and seconds > before * PAID:
            self.size *= 2
            self._left = TRIED
        elif self._left:
            self._left -= 1
        elif seconds > LONG and self.size > LEAST:
            self._before = seconds
            self.size //= 2
        elif seconds < LONG / 4 and self.size < self._most:
            self.size *= 2
