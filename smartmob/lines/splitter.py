"""
Bytes as they were read in, whole lines out.

Where a program's output was cut into writes and reads must never show.  So a
block of lines leaves here only when it is complete, and bytes that are not
UTF-8 are replaced in whole lines: a character whose bytes came in two reads is
still that character.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import NamedTuple

from smartmob.lines.encoder import loaded

LINE_LIMIT = 1 << 20
"""Longer lines leave in pieces of at most so many bytes."""

MOST_PARTS = 256
"""
Reads that are kept apart while their line has no end: an object for each of a few
bytes takes twenty times their size.
"""

PIECE = 16384
"""
Bytes that are decoded at once, to see whether they can be: as text they are four times as
many where there is an emoji among them, and are to stay in the processor's cache.
"""


SHORT = 32768
"""
Fewer bytes are copied before they are kept.  What C{os.read} returns was made for all that
might have come, and then cut: the rest of it is a hole in the heap that others fill in part,
and so a short line that is kept would take thousands of bytes.
"""

MUCH = 1024
"""For fewer bytes it takes less time to do without the compiled library."""


class Block(NamedTuple):
    """
    Some complete lines.

    @ivar data: Valid UTF-8; each line is followed by C{\\n}.
    @ivar lines: How many.
    @ivar partial: It is one line, a piece of one that goes on in the next block.
    """

    data: bytes
    lines: int
    partial: bool = False


class Splitter:
    """
    The line ends of one stream of one run: C{\\n} or C{\\r\\n}.

    @ivar size: Bytes of a line whose end has not come yet.
    """

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def feed(self, data: bytes) -> list[Block]:
        """
        Take what was read; give the lines that it completes.
        """
        end = data.rfind(b"\n") + 1
        if not end:
            self._parts.append(_own(data))
            self.size += len(data)
            if len(self._parts) > MOST_PARTS:
                self._parts[:] = [b"".join(self._parts)]
            # Two bytes more than the limit: of one, the line's end might still
            # follow, and of "\r" that it is a part of it.
            return self._overlong() if self.size >= LINE_LIMIT + 2 else []
        if self._parts:
            raw = b"".join([*self._parts, memoryview(data)[:end]])
            self._parts.clear()
        else:
            raw = data[:end] if end < len(data) else _own(data)
        self.size = len(data) - end
        if self.size:
            self._parts.append(data[end:])
        if b"\r" in raw:
            raw = raw.replace(b"\r\n", b"\n")
        text, count = examined(raw)
        if max(len(raw), len(text)) > LINE_LIMIT:
            return _in_pieces(raw)
        return [Block(text, count)]

    def finish(self) -> list[Block]:
        """
        Nothing more will be read: give the last line, if it has no end.
        """
        if not self.size:
            return []
        raw = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return _in_pieces(raw + b"\n")

    def _overlong(self) -> list[Block]:
        raw = b"".join(self._parts)
        blocks = []
        while len(raw) >= LINE_LIMIT + 2:
            end = _boundary(raw)
            blocks += [Block(piece + b"\n", 1, True) for piece in _valid_pieces(raw[:end])]
            raw = raw[end:]
        self._parts[:] = [raw]
        self.size = len(raw)
        return blocks


def _own(data: bytes) -> bytes:
    """
    The same bytes, in memory that is made for so many.
    """
    return b"".join((data, b"")) if len(data) < SHORT else data  # of one it would be the same


def examined(raw: bytes) -> tuple[bytes, int]:
    """
    The same lines as UTF-8, as by L{valid}, and how many they are.
    """
    if len(raw) >= MUCH:
        library = loaded()
        if library is not None:
            count = library.count(raw)
            if count >= 0:
                return raw, count
    text = raw if raw.isascii() else valid(raw)
    return text, text.count(b"\n")


def valid(raw: bytes) -> bytes:
    """
    The same bytes as UTF-8, with U+FFFD for what is not.
    """
    view, end, at = memoryview(raw), len(raw), 0
    try:
        while at < end:
            to = at + PIECE
            at += utf_8_decode(view[at:to], "strict", to >= end)[1]
    except UnicodeDecodeError:
        return raw.decode(errors="replace").encode()
    return raw


def _boundary(raw: bytes) -> int:
    """
    Where a piece of a longer line ends: at the limit, or up to three bytes
    before it if that keeps a character whole.
    """
    for end in range(LINE_LIMIT, LINE_LIMIT - 4, -1):
        if raw[end] & 0xC0 != 0x80:
            return end
    return LINE_LIMIT


def _valid_pieces(raw: bytes) -> list[bytes]:
    """
    A piece as UTF-8: in pieces again if it got longer by replacements.
    """
    text = valid(raw)
    pieces = []
    while len(text) > LINE_LIMIT:
        end = _boundary(text)
        pieces.append(text[:end])
        text = text[end:]
    pieces.append(text)
    return pieces


def _in_pieces(raw: bytes) -> list[Block]:
    """
    Lines of which some may be too long.

    A line is first cut as it was read, then as it will be sent, since that is
    all that can be done while its end has not been read.
    """
    blocks: list[Block] = []
    whole: list[bytes] = []
    lines = raw.split(b"\n")
    lines.pop()
    for line in lines:
        pieces: list[bytes] = []
        while len(line) > LINE_LIMIT:
            end = _boundary(line)
            pieces += _valid_pieces(line[:end])
            line = line[end:]
        pieces += _valid_pieces(line)
        last = pieces.pop()
        if pieces:
            _flush(whole, blocks)
            blocks += [Block(piece + b"\n", 1, True) for piece in pieces]
        whole.append(last)
    _flush(whole, blocks)
    return blocks


def _flush(whole: list[bytes], blocks: list[Block]) -> None:
    if whole:
        blocks.append(Block(b"\n".join([*whole, b""]), len(whole)))
        whole.clear()
