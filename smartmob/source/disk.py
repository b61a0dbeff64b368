"""
What may wait for a disk, away from the reactor's thread.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from smartmob.source.reserve import Reserve

P = ParamSpec("P")
T = TypeVar("T")


class Worker(Protocol):
    """
    Does work that may take its time.
    """

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Have it done.  Cancelling forgets the outcome, the work is done all the same.
        """


class Disk:
    """
    Threads of its own: the reactor's are for names of hosts, which must not wait
    for a slow disk.
    """

    def __init__(self, reactor: IReactorFromThreads, threads: int = 4) -> None:
        self._reactor = reactor
        # All of them from the start: later there may be none to have.
        self._pool = ThreadPool(threads, threads, "smartmob-disk")
        self._busy = 0
        self._stopped = False
        self._idle: Deferred[None] | None = None

    def start(self) -> None:
        """
        Begin.  What was asked before waits until now.
        """
        self._pool.start()

    def stop(self) -> Deferred[None]:
        """
        End, when all that was asked is done.
        """
        idle: Deferred[None] = succeed(None)
        if self._busy:
            idle = self._idle = Deferred()
        # No thread is busy then, so that joining them takes no time.
        return idle.addCallback(lambda _: self._end())

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        See L{Worker.run}.  After the end, the caller does it himself.
        """
        if self._stopped:
            return maybeDeferred(work, *args, **kwargs)
        self._busy += 1
        # Without a canceller: it fires at once when cancelled, and forgets the outcome.
        done: Deferred[T] = Deferred()
        ran = deferToThreadPool(self._reactor, self._pool, work, *args, **kwargs)
        ran.addBoth(self._done)
        ran.addBoth(done.callback)
        return done

    def _end(self) -> None:
        self._stopped = True
        self._pool.stop()

    def _done(self, result: T) -> T:
        self._busy -= 1
        if not self._busy and self._idle is not None:
            idle, self._idle = self._idle, None
            idle.callback(None)
        return result


class NewFile:
    """
    A file that is being written, and the sha256 of what was.  For one thread at a
    time.
    """

    def __init__(
        self, path: str, reserve: Reserve | None = None, expected: int | None = None
    ) -> None:
        """
        @param reserve: What of its disk stays free.
        @param expected: How many bytes will be written, where that is known.
        """
        self._path = path
        self._reserve = reserve
        self._expected = expected
        self._descriptor: int | None = None
        self._digest = hashlib.sha256()

    def open(self) -> None:
        """
        Create it, readable by no other user.

        @raise OSError: It can't be, or there is no room for what is expected.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._check(self._expected or 0)

    def write(self, data: bytes | bytearray) -> None:
        """
        Append.
        """
        assert self._descriptor is not None
        self._check(len(data))
        self._digest.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        """
        Have all of it on the disk (fsync(2)).
        """
        assert self._descriptor is not None
        os.fsync(self._descriptor)

    def close(self) -> str:
        """
        Let go of it.

        @return: The sha256 of all that was written, in hexadecimal digits.
        """
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)
        return self._digest.hexdigest()

    def _check(self, size: int) -> None:
        if self._reserve is not None and self._descriptor is not None:
            self._reserve.check(self._descriptor, size)
