"""
A file that only one process has at a time, and that says which.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from attrs import define


class Taken(Exception):
    """
    Another process has it.

    @ivar pid: Which, as far as the file says.
    """

    def __init__(self, pid: str) -> None:
        super().__init__(f"pid {pid} has it")
        self.pid = pid


@define(eq=False, repr=False)
class PidLock:
    """
    A lock file, or a pidfile, with the process's id in it.

    The lock is flock(2)'s: it goes with the process, however that ends, so that a file
    that was left behind keeps nobody out.

    @ivar mode: Of the file, where it is made.
    @ivar without_pid: That it is locked counts, also where there is no room for the id.
    """

    path: Path
    mode: int
    without_pid: bool = False
    _file: int | None = None

    def take(self) -> None:
        """
        Have the file.  Taking it once more changes nothing.

        @raise Taken: Another process has it.
        @raise OSError: It can't be written.
        """
        if self._file is not None:
            return
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self.mode)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise Taken(pid) from None
        self._file = file
        data = b"%d\n" % os.getpid()
        try:
            # In place: where the disk is full, there is room for what was there before.
            os.pwrite(file, data, 0)
            os.ftruncate(file, len(data))
        except OSError:
            if not self.without_pid:
                self.release()
                raise
            with suppress(OSError):  # rather nobody's than that of somebody else
                os.ftruncate(file, 0)

    def release(self, *, remove: bool = False) -> None:
        """
        Let go of it.  May be repeated.

        @param remove: The file goes, too, unless somebody has put another in its place.
        @raise OSError: It can't be removed.
        """
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if remove and os.path.samestat(os.fstat(file), os.stat(self.path)):
                os.unlink(self.path)
        except FileNotFoundError:
            return  # somebody was faster
        finally:
            os.close(file)
