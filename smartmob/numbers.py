"""
A number that only grows, whatever happens to the agent.
"""

from __future__ import annotations

import os
import struct
from typing import Protocol

from twisted.logger import Logger

from smartmob import plain_files
from smartmob.launch.record import boot_id

_log = Logger()

_FORM = struct.Struct("<Q36s?")
"""The number, the boot in which that was written, and whether it was forced to the disk."""

MARGIN = 1_000_000
"""What is left out where the power failed, so that no number is given twice."""

LARGEST = 1 << 53
"""Readers of JSON know no larger number: who says there was one is not believed."""

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
        return _read(path)[0]
    except OSError:
        return 1


class KeptNumbers:
    """
    Numbers that go on where an earlier agent has left them.

    Each is written with one call, and so is in the file whatever becomes of the agent.  The
    system brings it to the disk when it likes, so after a failure of the power some are left
    out.  A page of memory that is a file would cost less, but where the disk fails, so does
    whoever writes to it.
    """

    def __init__(self, path: str, boot: str | None = None, at_least: int = 1) -> None:
        """
        @param boot: Which start of the system this is, if not as the system says.
        @param at_least: As is known from elsewhere.
        @raise OSError: The file can't be used.
        """
        boot = boot_id() if boot is None else boot
        self._path = path
        self._boot = boot.encode()[:36]
        self._fails = False
        number, written_in, forced = _read(path)
        if written_in and written_in != self._boot and not forced:
            number += MARGIN
        self.next: int = max(number, at_least)
        self._file: int | None = os.open(path, _FLAGS, 0o600)
        try:
            self._write(forced=False)
        except OSError:
            os.close(self._file)
            raise

    def take(self) -> int:
        """
        See L{Numbers.take}.
        """
        number = self.next
        self.next = number + 1
        if self._file is None:
            return number  # whatever has the descriptor's number by now is not ours
        try:
            os.pwrite(self._file, struct.pack("<Q", self.next), 0)
        except OSError as error:
            if not self._fails:
                _log.error(
                    "{path} can't be written: {why}", path=self._path, why=error.strerror
                )
            self._fails = True
        else:
            self._fails = False
        return number

    def close(self) -> None:
        """
        The agent ends in order.

        @raise OSError: That could not be noted.
        """
        assert self._file is not None
        try:
            self._write(forced=True)
        finally:
            os.close(self._file)
            self._file = None

    def _write(self, forced: bool) -> None:
        assert self._file is not None
        # On the disk, for who comes after a failure of the power is to know that there was
        # somebody since.
        os.pwrite(self._file, _FORM.pack(self.next, self._boot, forced), 0)
        os.fsync(self._file)


def _read(path: str) -> tuple[int, bytes, bool]:
    """
    What a file has: the next number, the boot in which it was written (none: it has
    nothing that makes sense), and whether it was forced to the disk.

    @raise OSError: It can't be read.
    """
    try:
        data = plain_files.read(path, 1 << 10, os.O_NOFOLLOW)
        number, boot, forced = _FORM.unpack(data[: _FORM.size])
    except (FileNotFoundError, ValueError, struct.error):
        return 1, b"", False
    if not 0 < number <= LARGEST:
        return 1, b"", False
    return number, boot.rstrip(b"\0"), forced
