"""
Turns at measuring, which blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

AT_ONCE = 4
"""
Measurements at the same time.  Their threads are the reactor's, which has ten: the
others are for names of hosts, and the agent's end waits for what was handed to them.
"""

InThread = Callable[[Callable[[], Any]], "Deferred[Any]"]
"""Calls what blocks, and fires with what it returns."""

T = TypeVar("T")


def in_thread_of(reactor: IReactorTime) -> InThread:
    """
    Calls in the reactor's threads.
    """

    def in_thread(work: Callable[[], Any]) -> Deferred[Any]:
        threads = IReactorThreads(reactor)
        return deferToThreadPool(threads, threads.getThreadPool(), work)

    return in_thread


@define(eq=False, repr=False)
class Measurements:
    """
    Measures, a few at a time.  All interfaces of an agent share one.
    """

    _in_thread: InThread
    _turns: DeferredSemaphore = field(factory=partial(DeferredSemaphore, AT_ONCE), init=False)

    async def make(self, measure: Callable[[], T]) -> T:
        """
        What C{measure} returns, called as soon as there is a thread for it.  Cancelling
        gives up the turn; one that has come lasts until its thread is free.
        """
        await self._turns.acquire()
        # No canceller: deferToThread's would forget that the thread is busy.
        result: Deferred[T] = Deferred()
        measured = self._in_thread(measure)
        measured.addBoth(self._next)
        measured.addBoth(result.callback)
        return await result

    def _next(self, result: T | Failure) -> T | Failure:
        self._turns.release()
        return result
