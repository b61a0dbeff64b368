"""
The machine of one URL: when its first event is tried.

::

    idle --add--> waiting --its time--> delivering --answered--> idle
                     ^                   |    |
                     +----- more waits --+   cut --> cutting --> ended

A timer belongs to C{waiting} and a request to C{delivering}, so leaving the state ends
it.  What waits without a delay waits for the next turn of the reactor: events come in the
midst of a change of a process, which nothing may hold up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from automat import TypeMachine, TypeMachineBuilder
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.webhooks.delivery import Encoded
from smartmob.webhooks.outcome import Outcome, failed
from smartmob.webhooks.queue import Queue

_log = Logger()

Cancel = Callable[[], None]
"""What a state that waits for something holds: how to wait for it no longer."""


class Delivering(Protocol):
    """
    What can happen to a URL's deliveries.
    """

    def add(self, event: Encoded) -> None:
        """One more is to be delivered."""

    def hurry(self) -> None:
        """The agent ends soon: no long waits any more."""

    def cut(self, why: str) -> None:
        """End it, whatever is left."""

    def _elapsed(self) -> None:
        """It is time for a try."""

    def _answered(self, outcome: Outcome) -> None:
        """A try is over."""

    def _go_wait(self, delay: float) -> None:
        """Wait before the next try."""

    def _go_rest(self) -> None:
        """Wait for an event."""


def build() -> TypeMachine[Delivering, Queue]:
    """
    The machine.
    """
    b = TypeMachineBuilder(Delivering, Queue)

    # What is true on entering a state, and what it has to hold on to.

    def wait(k: Delivering, queue: Queue, delay: float) -> Cancel:
        queue.due = queue.now() + delay
        cancel: Cancel = queue.clock.callLater(delay, k._elapsed).cancel
        return cancel

    def deliver(k: Delivering, queue: Queue) -> Cancel:
        posting = queue.try_first()

        def broken(failure: Failure) -> Outcome:
            _log.failure("posting to {url}", failure, url=queue.shown)
            return failed("could not be asked; the log of the agent says why")

        posting.outcome.addErrback(broken).addCallback(k._answered)
        return posting.cut

    idle = b.state("idle")
    poised = b.state("poised")
    waiting = b.state("waiting", wait)
    delivering = b.state("delivering", deliver)
    cutting = b.state("cutting")
    ended = b.state("ended")

    poised.upon(Delivering._go_wait).to(waiting).returns(None)

    @poised.upon(Delivering._go_rest).to(idle)
    def rest(k: Delivering, queue: Queue) -> None:
        queue.rest()

    # An event comes.

    @idle.upon(Delivering.add).to(poised)
    def first(k: Delivering, queue: Queue, event: Encoded) -> None:
        queue.at_rest = False
        queue.take(event, under_way=False)
        k._go_wait(0)

    @waiting.upon(Delivering.add).loop()
    def another(k: Delivering, queue: Queue, cancel: Cancel, event: Encoded) -> None:
        queue.take(event, under_way=False)

    @delivering.upon(Delivering.add).loop()
    def behind(k: Delivering, queue: Queue, cancel: Cancel, event: Encoded) -> None:
        queue.take(event, under_way=True)

    # It is tried.

    waiting.upon(Delivering._elapsed, nodata=True).to(delivering).returns(None)

    @delivering.upon(Delivering._answered).to(poised)
    def answered(k: Delivering, queue: Queue, cancel: Cancel, outcome: Outcome) -> None:
        delay = queue.settle(outcome)
        if delay is None:
            k._go_rest()
        else:
            k._go_wait(delay)

    # The end.

    @waiting.upon(Delivering.hurry).to(poised)
    def hurry(k: Delivering, queue: Queue, cancel: Cancel) -> None:
        cancel()
        queue.hurry()
        k._go_wait(0)

    @delivering.upon(Delivering.hurry, nodata=True).loop()
    @idle.upon(Delivering.hurry).loop()
    def hurried(k: Delivering, queue: Queue) -> None:
        queue.hurry()

    @idle.upon(Delivering.cut).to(ended)
    def cut_idle(k: Delivering, queue: Queue, why: str) -> None:
        queue.lose(why)
        queue.rest()

    @waiting.upon(Delivering.cut).to(ended)
    def cut_waiting(k: Delivering, queue: Queue, cancel: Cancel, why: str) -> None:
        cancel()
        queue.lose(why)
        queue.rest()

    @delivering.upon(Delivering.cut).to(cutting)
    def cut_delivering(k: Delivering, queue: Queue, cancel: Cancel, why: str) -> None:
        queue.lose(why)
        cancel()

    @cutting.upon(Delivering._answered).to(ended)
    def nothing_left(k: Delivering, queue: Queue, outcome: Outcome) -> None:
        queue.rest()

    for over in (cutting, ended):
        over.upon(Delivering.add).loop().returns(None)
        over.upon(Delivering.hurry).loop().returns(None)
        over.upon(Delivering.cut).loop().returns(None)

    return b.build()


delivering = build()
