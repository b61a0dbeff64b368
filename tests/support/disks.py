"""
Disks for tests.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred

P = ParamSpec("P")
T = TypeVar("T")


class InlineDisk:
    """
    Does everything at once.
    """

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Do it.
        """
        return maybeDeferred(work, *args, **kwargs)


class FullDisk(InlineDisk):
    """
    A disk on which there is room for so many bytes.
    """

    def __init__(self, room: int) -> None:
        self.room = room

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Do it, unless it is to write more.
        """
        written = args[0] if args else None
        if isinstance(written, bytearray):
            self.room -= len(written)
            if self.room < 0:
                return fail(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return super().run(work, *args, **kwargs)


class SlowDisk:
    """
    Does what it was asked when the test says so.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Note it.
        """
        done: Deferred[T] = Deferred()
        self.asked.append((done, lambda: work(*args, **kwargs)))
        return done

    def work(self) -> None:
        """
        Do the oldest of it.
        """
        done, work = self.asked.pop(0)
        maybeDeferred(work).addBoth(done.callback)

    def work_all(self) -> None:
        """
        Do all of it, and what comes of it.
        """
        while self.asked:
            self.work()
