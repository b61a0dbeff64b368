"""
The machine of one forward: when what waits is delivered.

::

    idle --more--> gathering --its time--> delivering --settled--> idle
                       ^                   ^   |   |
                       +---- more waits ---|---+  cut --> cutting --> ended
                                           |   |
                             waiting ------+   |
                                ^              |
                                +--- failed ---+

A timer belongs to C{gathering} and to C{waiting}, a delivery to C{delivering}, so leaving the
state ends it.  Where nothing waits there is no timer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.forward.destination import Outcome
from smartmob.forward.lane import Lane

_log = Logger()

Cancel = Callable[[], None]
"""What a state that waits for something holds: how to wait for it no longer."""


class Delivering(Protocol):
    """
    What can happen to what waits.
    """

    def more(self) -> None:
        """Something waits, where nothing did."""

    def enough(self) -> None:
        """Enough waits to be delivered together."""

    def hurry(self) -> None:
        """It ends soon: no long waits any more."""

    def cut(self, why: str) -> None:
        """End it, whatever is left."""

    def _elapsed(self) -> None:
        """It is time for a try."""

    def _settled(self, outcome: Outcome) -> None:
        """A try is over."""

    def _go_gather(self, delay: float) -> None:
        """Wait for more to deliver together."""

    def _go_wait(self, delay: float) -> None:
        """Wait before the next try."""

    def _go_rest(self) -> None:
        """Wait for lines."""


def build() -> TypeMachine[Delivering, Lane]:
    """
    The machine.
    """
    b = TypeMachineBuilder(Delivering, Lane)

    # What is true on entering a state, and what it has to hold on to.

    def wait(k: Delivering, lane: Lane, delay: float) -> Cancel:
        cancel: Cancel = lane.clock.callLater(delay, k._elapsed).cancel
        return cancel

    def deliver(k: Delivering, lane: Lane) -> Cancel:
        def broken(failure: Failure) -> Outcome:
            _log.failure("[forward:{name}]", failure, name=lane.name)
            return Outcome(lost=lane.queue.under_way, why="could not be delivered")

        delivered = maybeDeferred(lane.destination.deliver, lane.queue.take())
        delivered.addErrback(broken)
        if delivered.called:  # by a defect: not before this state has come about
            lane.clock.callLater(0, delivered.addCallback, k._settled)
        else:
            delivered.addCallback(k._settled)
        return lane.destination.cut

    idle = b.state("idle")
    poised = b.state("poised")
    gathering = b.state("gathering", wait)
    waiting = b.state("waiting", wait)
    delivering = b.state("delivering", deliver)
    cutting = b.state("cutting")
    ended = b.state("ended")

    poised.upon(Delivering._go_gather).to(gathering).returns(None)
    poised.upon(Delivering._go_wait).to(waiting).returns(None)

    @poised.upon(Delivering._go_rest).to(idle)
    def rest(k: Delivering, lane: Lane) -> None:
        lane.rest()

    # Lines come.

    @idle.upon(Delivering.more).to(poised)
    def first(k: Delivering, lane: Lane) -> None:
        k._go_gather(lane.patience)

    @gathering.upon(Delivering.enough).to(poised)
    def enough(k: Delivering, lane: Lane, cancel: Cancel) -> None:
        cancel()
        k._go_wait(0)

    # They are delivered.

    gathering.upon(Delivering._elapsed, nodata=True).to(delivering).returns(None)
    waiting.upon(Delivering._elapsed, nodata=True).to(delivering).returns(None)

    @delivering.upon(Delivering._settled).to(poised)
    def settled(k: Delivering, lane: Lane, cancel: Cancel, outcome: Outcome) -> None:
        delay = lane.settle(outcome)
        if delay is not None:
            k._go_wait(delay)
        elif lane.queue:
            k._go_gather(lane.patience)
        else:
            k._go_rest()

    # The end.

    @gathering.upon(Delivering.hurry).to(poised)
    @waiting.upon(Delivering.hurry).to(poised)
    def hurry(k: Delivering, lane: Lane, cancel: Cancel) -> None:
        cancel()
        lane.hurried = True
        k._go_wait(0)

    @delivering.upon(Delivering.hurry, nodata=True).loop()
    @idle.upon(Delivering.hurry).loop()
    def hurried(k: Delivering, lane: Lane) -> None:
        lane.hurried = True

    @idle.upon(Delivering.cut).to(ended)
    def cut_idle(k: Delivering, lane: Lane, why: str) -> None:
        lane.end(why)

    @gathering.upon(Delivering.cut).to(ended)
    @waiting.upon(Delivering.cut).to(ended)
    def cut_waiting(k: Delivering, lane: Lane, cancel: Cancel, why: str) -> None:
        cancel()
        lane.end(why)

    @delivering.upon(Delivering.cut).to(cutting)
    def cut_delivering(k: Delivering, lane: Lane, cancel: Cancel, why: str) -> None:
        lane.farewell = why
        cancel()

    @cutting.upon(Delivering._settled).to(ended)
    def nothing_left(k: Delivering, lane: Lane, outcome: Outcome) -> None:
        lane.end(lane.farewell, outcome)

    # What needs nothing to be done.

    for busy in (waiting, delivering):
        busy.upon(Delivering.more, nodata=True).loop().returns(None)
        busy.upon(Delivering.enough, nodata=True).loop().returns(None)
    gathering.upon(Delivering.more, nodata=True).loop().returns(None)
    for over in (cutting, ended):
        over.upon(Delivering.more).loop().returns(None)
        over.upon(Delivering.enough).loop().returns(None)
        over.upon(Delivering.hurry).loop().returns(None)
        over.upon(Delivering.cut).loop().returns(None)

    return b.build()


delivering = build()
