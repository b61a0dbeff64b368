"""
A thread for what may take a while, such as writing to a disk.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

T = TypeVar("T")

Work = tuple[Callable[[], Any], "Deferred[Any]"]


class NoThread(Exception):
    """
    There is no room for a thread, and so nothing was done.
    """


@define(eq=False, repr=False)
class Worker:
    """
    Does one thing after the other.  The reactor's own threads are few, others need them, and
    the agent's end waits for them; nobody waits for this one, where a disk does not answer.

    It is there from the first thing to do on: none survives the fork of a daemon.
    """

    reactor: IReactorFromThreads
    name: str
    _queue: SimpleQueue[Work | None] = field(factory=SimpleQueue)
    _thread: Thread | None = None

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Do it after all else that was asked for.  Fires in the reactor's thread; fails with
        L{NoThread} where there can be none now.
        """
        if self._thread is None:
            thread = Thread(target=self._work, name=self.name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # there may be no more tasks (TasksMax, RLIMIT_NPROC)
                return fail(NoThread(str(error)))
            self._thread = thread
        done: Deferred[T] = Deferred()
        self._queue.put((work, done))
        return done

    def end(self) -> None:
        """
        Nothing will be asked for any more; what was is done.
        """
        if self._thread is not None:
            self._thread = None
            self._queue.put(None)

    def _work(self) -> None:
        while (asked := self._queue.get()) is not None:
            work, done = asked
            try:
                result = work()
            except Exception:
                result = Failure()
            self.reactor.callFromThread(done.callback, result)
