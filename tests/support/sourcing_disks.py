"""
Disks on which some of what sources do does not work.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail

from tests.support.disks import InlineDisk, SlowDisk

P = ParamSpec("P")
T = TypeVar("T")


class RefusingDisk(InlineDisk):
    """
    Does everything at once, but what it refuses.

    @ivar refused: The name of each function that fails, and with which number.
    @ivar done: The names of the others that were called, in order.
    """

    def __init__(self, **refused: int) -> None:
        self.refused = refused
        self.done: list[str] = []

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Do it, or refuse to.
        """
        number = self.refused.get(work.__name__)
        if number is not None:
            return fail(OSError(number, os.strerror(number)))
        self.done.append(work.__name__)
        return super().run(work, *args, **kwargs)


class LazyDisk(SlowDisk):
    """
    Does everything at once, but what it is slow at: that waits for the test.

    @ivar slow: Names of functions.
    """

    def __init__(self, *slow: str) -> None:
        super().__init__()
        self.slow = slow

    def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Do it, or note it.
        """
        if work.__name__ in self.slow:
            return super().run(work, *args, **kwargs)
        return InlineDisk().run(work, *args, **kwargs)


FULL = errno.ENOSPC
READ_ONLY = errno.EROFS
NO_DESCRIPTORS = errno.EMFILE
