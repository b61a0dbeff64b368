"""
What of a disk stays free: sources may not fill it, others need it too.

The unpacker reads this as well, so it needs nothing but Python's library.
"""

from __future__ import annotations

import errno
import os

_FILES = 10_000
"""
So many more files there may be, at least: disks have a bound on these, too.
"""


class Reserve:
    """
    So much of a disk: some bytes, or some hundredths of it where that is less.
    """

    def __init__(self, size: int, percent: int) -> None:
        self.size = size
        self.percent = percent

    def check(self, descriptor: int, wanted: int = 0) -> None:
        """
        See that there is room for more.

        @param descriptor: Of something on the disk.
        @param wanted: Bytes.
        @raise OSError: There is none, for a reason that is told a person.
        """
        found = os.fstatvfs(descriptor)
        if found.f_blocks:  # not every file system has an idea of its size
            kept = self._of(found.f_blocks * found.f_frsize, self.size)
            free = found.f_bavail * found.f_frsize
            if free - wanted < kept:
                more = f"{wanted} more bytes" if wanted else "more"
                raise OSError(
                    errno.ENOSPC,
                    f"no room for {more} on the disk: {free} are free, and {kept} stay so",
                )
        kept = self._of(found.f_files, _FILES)
        if found.f_favail < kept:
            raise OSError(
                errno.ENOSPC,
                f"no room for more files on the disk: {found.f_favail} may be made, and {kept} "
                "stay so",
            )

    def _of(self, total: int, most: int) -> int:
        return min(most, total * self.percent // 100)
