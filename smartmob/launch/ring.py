"""
The last output of a program, in a file that does not grow.

Part of the keeper, which runs without site-packages.
"""

from __future__ import annotations

import os

SIZE = 8 << 20
"""
Bytes of the file, at most.
"""

CHUNK = 65535
"""
Bytes that are taken at once, at most: with the number of their stream they fill a
packet as agents receive it.
"""

_HEADER = 5


class Ring:
    """
    A file that is written around and around.

    Positions only grow; one is found in the file at its remainder by the size.  Between
    C{head} and C{tail} are frames: a byte for the stream, four for the length, and
    what the program wrote.  What was taken stays until there is no room for it, for
    an agent that comes later.

    @ivar size: Bytes of the file, at most.
    @ivar cursor: What comes next to be taken.
    @ivar lost: Bytes of output that gave way before they were taken; whoever tells of
        them sets this to 0.
    """

    __slots__ = ("_file", "cursor", "head", "lost", "size", "tail")

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self._file = -1
        self.head = self.cursor = self.tail = self.lost = 0

    def open(self, file: int) -> None:
        """
        Begin anew.

        @param file: The descriptor of an empty file, ours from now on.
        """
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self.tail += -self.tail % self.size  # a file that was not full yet has no hole
        self.head = self.cursor = self.tail
        self.lost = 0

    def rewind(self) -> None:
        """
        All that is there is to be taken once more.
        """
        self.cursor = self.head

    def put(self, stream: int, data: bytes) -> None:
        """
        Keep some output, in place of the oldest.  What the file system does not take
        is lost.
        """
        frame = b"%c%b%b" % (stream, len(data).to_bytes(4, "big"), data)
        while self.tail + len(frame) - self.head > self.size:
            length = int.from_bytes(self._read(self.head + 1, 4), "big")
            if not 0 < length <= CHUNK:
                self._forget()
                break
            if self.cursor == self.head:
                self.lost += length
                self.cursor += _HEADER + length
            self.head += _HEADER + length
        try:
            self._write(self.tail, frame)
        except OSError:
            self.lost += len(data)
        else:
            self.tail += len(frame)

    def next(self, until: int) -> tuple[bytes, int]:
        """
        What comes next, of one stream.

        @param until: A position behind the cursor that ends it.
        @return: The number of the stream as a byte, with what was written to it behind;
            and where the cursor is to be once it was taken.  Nothing, where somebody
            else changed the file.
        """
        block = self._read(self.cursor, min(until - self.cursor, CHUNK + _HEADER))
        parts = [block[:1]]
        end = 0
        while block[end : end + 1] == block[:1]:
            start = end + _HEADER
            length = int.from_bytes(block[end + 1 : start], "big")
            if not 0 < length <= len(block) - start:
                break
            parts.append(block[start : start + length])
            end = start + length
        if not end:
            self._forget()
            return b"", self.tail
        return b"".join(parts), self.cursor + end

    def _forget(self) -> None:
        """
        The file is not what was written.
        """
        self.lost += self.tail - self.cursor
        self.head = self.cursor = self.tail

    def _read(self, position: int, size: int) -> bytes:
        """
        As much of it as can be read.
        """
        place = position % self.size
        try:
            data = os.pread(self._file, min(size, self.size - place), place)
            if len(data) == self.size - place:
                data += os.pread(self._file, size - len(data), 0)
        except OSError:
            return b""
        return data

    def _write(self, position: int, data: bytes) -> None:
        while data:
            place = position % self.size
            taken = os.pwrite(self._file, data[: self.size - place], place)
            position += taken
            data = data[taken:]
