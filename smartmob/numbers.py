"""
A number that only grows, whatever happens to the agent.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Protocol

from smartmob.launch.record import boot_id

_FORM = struct.Struct("<Q36s?")
"""The number, the boot in which that was written, and whether it was forced to the disk."""

MARGIN = 1_000_000
"""What is left out where the power failed, so that no number is given twice."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Numbers(Protocol):
    """
    Gives numbers.

    @ivar next: The next one.
    """

    next: int

    def take(self) -> int:
        """
        The next one, once.
        """


class FleetingNumbers:
    """
    Numbers that begin anew with the agent.
    """

    def __init__(self, first: int = 1) -> None:
        self.next = first

    def take(self) -> int:
        """
        See L{Numbers.take}.
        """
        number = self.next
        self.next += 1
        return number


def number_in(path: str) -> int:
    """
    The next number, as far as a file says, by which no new one can be taken.
    """
    try:
        with open(path, "rb") as file:
            number: int = _FORM.unpack(file.read(_FORM.size))[0]
    except (OSError, struct.error):
        return 1
    return max(1, number)


class KeptNumbers:
    """
    Numbers that go on where an earlier agent has left them.

    The file is a page of memory that the agent writes to, which is all that it costs.
    What is written is in the file whatever becomes of the agent; the system brings it to
    the disk when it likes, so after a failure of the power some are left out.
    """

    def __init__(self, path: str, boot: str | None = None) -> None:
        """
        @param boot: Which start of the system this is, if not as the system says.
        @raise OSError: The file can't be used.
        """
        boot = boot_id() if boot is None else boot
        self._boot = boot.encode()[:36]
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            # What has no room can't be written, which memory is no place to learn.
            os.posix_fallocate(descriptor, 0, _FORM.size)
            self._page = mmap.mmap(descriptor, _FORM.size)
        finally:
            os.close(descriptor)
        number: int
        number, written_in, forced = _FORM.unpack_from(self._page)
        if number and written_in.rstrip(b"\0") != self._boot and not forced:
            number += MARGIN
        self.next: int = max(1, number)
        self._write(forced=False)

    def take(self) -> int:
        """
        See L{Numbers.take}.
        """
        number = self.next
        self.next = number + 1
        struct.pack_into("<Q", self._page, 0, self.next)
        return number

    def close(self) -> None:
        """
        The agent ends in order.
        """
        self._write(forced=True)
        self._page.flush()
        self._page.close()

    def _write(self, forced: bool) -> None:
        _FORM.pack_into(self._page, 0, self.next, self._boot, forced)
