"""
All forwards of an agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from smartmob.process import Process
from smartmob.waiting import Waiters

if TYPE_CHECKING:
    from smartmob.config.forward import Forward
    from smartmob.forward.forwarding import Forwarding
    from smartmob.forward.lane import Lane
    from smartmob.forward.making import Making

_log = Logger()

END_SECONDS = 1.5
"""How long what waits may still be delivered when the agent, or a forward, ends."""


@define(eq=False, repr=False)
class Forwards(Service):
    """
    Gives lines of programs to what is configured for them.  Where nothing is, no process
    knows of it, and nothing of it is imported.

    @ivar reactor: Of all that is connected to, of threads and time.
    @ivar processes: All that there are.
    @ivar now: Seconds since the epoch.
    """

    reactor: IReactorTime
    processes: Callable[[], Iterable[Process]]
    now: Callable[[], float] = time
    _running: dict[str, Forwarding] = field(factory=dict, init=False)
    _leaving: dict[Lane, Forwarding] = field(factory=dict, init=False)
    _late: dict[Lane, IDelayedCall] = field(factory=dict, init=False)
    _making: Making | None = field(default=None, init=False)
    _ending: bool = field(default=False, init=False)
    _stopped: Waiters = field(factory=Waiters, init=False)

    def configure(self, forwards: Sequence[Forward]) -> None:
        """
        Forward as these say from now on.  One that stays as it was goes on; what waits for
        one that goes, or changes, is still delivered, as far as that takes no longer than
        L{END_SECONDS}.
        """
        before = self._running
        same = {
            forward.name: before[forward.name]
            for forward in forwards
            if forward.name in before and before[forward.name].forward == forward
        }
        self._running = same
        for name, forwarding in before.items():
            if name not in same:
                self._retire(forwarding)
        self._running = {
            forward.name: same.get(forward.name) or self._new(forward) for forward in forwards
        }
        if list(before.values()) != list(self._running.values()):
            for process in self.processes():
                self.watch(process)

    def watch(self, process: Process) -> None:
        """
        Forward the lines of this process.
        """
        console = process.console
        if not self._running and console.follower is None:
            return
        from smartmob.forward.follower import follower_of

        console.follower = follower_of(process, list(self._running.values()), self.now)

    def stopService(self) -> Deferred[None]:
        """
        Deliver what waits, without long waits between tries.  Fires when nothing is left:
        everything is delivered or dropped, no connection, no timer.  That is after
        L{END_SECONDS} at the latest, or when L{cut} was called.
        """
        super().stopService()
        stopped = self._stopped.wait()
        self._ending = True
        running, self._running = self._running, {}
        for forwarding in running.values():
            self._retire(forwarding)
        self._look()
        return stopped

    def cut(self) -> None:
        """
        The agent ends: drop what waits, and break off what is under way.
        """
        for forwarding in list(self._leaving.values()):
            forwarding.machine.cut("the agent ends")

    def report(self) -> list[dict[str, object]]:
        """
        Each forward, in the order of the configuration, see L{Forwarding.report}.
        """
        return [forwarding.report() for forwarding in self._running.values()]

    def _new(self, forward: Forward) -> Forwarding:
        if self._making is None:
            from smartmob.forward.making import Making

            self._making = Making(self.reactor, self._rested)
        return self._making.forwarding(forward)

    def _retire(self, forwarding: Forwarding) -> None:
        """
        It gets no more lines.
        """
        lane = forwarding.lane
        self._leaving[lane] = forwarding
        if lane.at_rest:
            forwarding.machine.cut("")
            return
        self._late[lane] = self.reactor.callLater(END_SECONDS, self._too_late, forwarding)
        forwarding.machine.hurry()

    def _too_late(self, forwarding: Forwarding) -> None:
        # Of one that went before, too: by now there is no time for any.
        why = "it is not configured so any more, and did not take them in time"
        forwarding.machine.cut("the agent ends" if self._ending else why)

    def _rested(self, lane: Lane) -> None:
        forwarding = self._leaving.get(lane)
        if forwarding is None:
            return
        late = self._late.pop(lane, None)
        if late is not None and late.active():
            late.cancel()
        if not lane.over:
            forwarding.machine.cut("")  # and so it ends
            return
        del self._leaving[lane]
        names = {*self._running, *(other.name for other in self._leaving)}
        if lane.name not in names and self._making is not None:
            self._making.forget(lane.name)
        self._look()

    def _look(self) -> None:
        """
        Whether the end has come.
        """
        if self._ending and not self._leaving:
            self._stopped.fire()
