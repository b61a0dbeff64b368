"""
What changes too often for a file of its own each time: it is appended to one.

A line is written with one call before anybody is told what it says, so that it outlives
the agent however that ends.  It is not forced to the disk: where the power fails, the last
few are lost, and with them how often some program had ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from errno import ENOSPC
from typing import Any

from attrs import define

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


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
        Go on with the file.

        @raise OSError: It can't be written.
        """
        self._file = os.open(self.path, _FLAGS, 0o600)
        self.size = os.fstat(self._file).st_size
        if self.size and os.pread(self._file, 1, self.size - 1) != b"\n":
            self._end_line()

    def entries(self) -> tuple[list[dict[str, Any]], int]:
        """
        All that was noted, the earlier file first, and how many lines make no sense.

        @raise OSError: It can't be read.
        """
        found: list[dict[str, Any]] = []
        bad = 0
        for path in (self.older, self.path):
            try:
                with open(path, "rb") as file:
                    lines = file.read().split(b"\n")
            except FileNotFoundError:
                continue
            for line in filter(None, lines):
                try:
                    entry = json.loads(line)
                except (ValueError, RecursionError):
                    entry = None
                if isinstance(entry, dict):
                    found.append(entry)
                else:
                    bad += 1
        return found, bad

    def append(self, entry: Mapping[str, object]) -> None:
        """
        Note something.

        @raise OSError: It can't be; nothing of it was noted then.
        """
        if self._file is None:
            self.open()
        assert self._file is not None
        data = json.dumps(entry).encode() + b"\n"
        written = os.write(self._file, data)
        if written < len(data):
            # There was room for a part only: the next line is not to begin in its midst.
            os.ftruncate(self._file, self.size)
            raise OSError(ENOSPC, os.strerror(ENOSPC), self.path)
        self.size += written

    def turn(self) -> bool:
        """
        Begin a new file.

        @return: It was begun; C{False}: the earlier one is still needed.
        @raise OSError: It can't be.
        """
        if os.path.exists(self.older):
            return False
        os.rename(self.path, self.older)
        self.close()
        self.open()
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

    def _end_line(self) -> None:
        assert self._file is not None
        self.size += os.write(self._file, b"\n")
