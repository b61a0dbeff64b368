"""
An agent that is killed between any two changes that it makes on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any
from unittest import mock

_CHANGES = ("rename", "unlink", "rmdir", "mkdir", "link", "symlink", "utime", "chmod", "fsync")


class Killed(Exception):
    """
    Nothing is done any more.
    """


class Killing:
    """
    While it is entered the disk is changed so often, and then not any more: whoever tries
    has nothing to clean up with, either.

    @ivar changes: How often it was changed.
    @ivar over: That was too often.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.changes = 0
        self.over = False
        self._patches = [
            mock.patch.object(os, name, self._counted(getattr(os, name))) for name in _CHANGES
        ]
        self._patches.append(mock.patch.object(os, "open", self._opening(os.open)))

    def __enter__(self) -> Killing:
        """
        Begin.
        """
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """
        End, whatever the agent made of it.
        """
        for patch in self._patches:
            patch.stop()
        return self.over and error is not None

    def _counted(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._count()
            return change(*args, **kwargs)

        return counted

    def _opening(self, opened: Callable[..., int]) -> Callable[..., int]:
        def opening(path: str, flags: int, mode: int = 0o777, **kwargs: Any) -> int:
            if flags & (os.O_CREAT | os.O_TRUNC):
                self._count()
            return opened(path, flags, mode, **kwargs)

        return opening

    def _count(self) -> None:
        if self.changes >= self.most:
            self.over = True
            raise Killed
        self.changes += 1
