"""
What changes too often for a file of its own each time: it is appended to one.

A line is written with one call before anybody is told what it says, so that it outlives
the agent however that ends.  It is not forced to the disk: where the power fails, the last
few are lost, and with them how often some program had ended.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from errno import EFBIG, EINVAL, ENOSPC
from typing import Any

from attrs import define

from smartmob import plain_files
from smartmob.state.writer import TEMPORARY

MOST_BYTES = 64 << 20
"""It does not become longer, whatever keeps it from being shortened."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_PIECE = 1 << 16
"""Bytes that are read at once."""


@define(eq=False, repr=False)
class Journal:
    """
    A file of lines, each a JSON object, and perhaps the one before it, from which
    everything is about to be elsewhere.

    @ivar path: Of the file; that of the earlier one ends with C{.old}.
    @ivar size: Of the file, in bytes.
    """

    path: str
    size: int = 0
    _file: int | None = None

    @property
    def older(self) -> str:
        """
        The path of the earlier file.
        """
        return f"{self.path}.old"

    def open(self) -> None:
        """
        Go on with the file.  A line of which only the beginning is there is taken away.

        @raise OSError: It can't be written.
        """
        file = os.open(self.path, _FLAGS, 0o600)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(EINVAL, "it is no plain file", self.path)
            size = status.st_size
            whole = _end_of_lines(file, size)
            if whole < size:
                os.ftruncate(file, whole)
        except OSError:
            os.close(file)
            raise
        self._file, self.size = file, whole

    def entries(self) -> Iterator[dict[str, Any] | None]:
        """
        All that was noted, the earlier file first; C{None} for each line that makes no
        sense.

        @raise ValueError: One of the files can't be read, after what the other has; the
            message ends a sentence that begins with L{path}.
        """
        unread = []
        for path in (self.older, self.path):
            try:
                file = plain_files.opened(path, os.O_NOFOLLOW)
                with os.fdopen(file, "rb") as lines:
                    # No line of ours is as long; who reads a part finds it to be no JSON.
                    while line := lines.readline(MOST_BYTES):
                        yield _entry(line)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                why = plain_files.why(error)
                unread.append(
                    why if path == self.path else f"is not all there is: {path} {why}"
                )
        if unread:
            raise ValueError("; it ".join(reversed(unread)))

    def append(self, entry: Mapping[str, object]) -> None:
        """
        Note something.

        @raise OSError: It can't be; nothing of it was noted then.
        """
        data = json.dumps(entry).encode() + b"\n"
        if self._file is None:
            self.open()
        assert self._file is not None
        if self.size + len(data) > MOST_BYTES:
            raise OSError(EFBIG, os.strerror(EFBIG), self.path)
        try:
            written = os.write(self._file, data)
            if written < len(data):
                raise OSError(ENOSPC, os.strerror(ENOSPC), self.path)
        except OSError:
            # There may have been room for a part: the next line is not to begin in its
            # midst.  Should it stay, it goes when the file is opened next.
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
            self.close()
            raise
        self.size += written

    def turn(self) -> bool:
        """
        Begin a new file.

        @return: It was begun; C{False}: the earlier one is still needed.
        @raise OSError: It can't be.
        """
        if os.path.lexists(self.older):
            return False
        # First that there is room for it: else it is gone on with the one there is.
        new = self.path + TEMPORARY
        file = os.open(new, _FLAGS | os.O_TRUNC, 0o600)
        try:
            os.rename(self.path, self.older)
            try:
                os.rename(new, self.path)
            except OSError:
                os.rename(self.older, self.path)
                raise
        except OSError:
            os.close(file)
            raise
        self.close()
        self._file, self.size = file, 0
        return True

    def forget_older(self) -> None:
        """
        All that the earlier file has is elsewhere.

        @raise OSError: It can't be removed.
        """
        os.unlink(self.older)

    def close(self) -> None:
        """
        Let go of the file.
        """
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _end_of_lines(file: int, size: int) -> int:
    """
    How many bytes of a file are whole lines.
    """
    end = size
    while end:
        begin = max(0, end - _PIECE)
        newline = os.pread(file, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0
