"""
Compressed streams, read to their very end.

Python's own files for bzip2, xz and zstd take what follows a stream and is none for
nothing; others would see something else in such an archive than we do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Protocol

from smartmob.source.unpack.destination import Refused

_CHUNK = 1 << 16


class Decompressor(Protocol):
    """
    What Python has for each kind of compression.
    """

    @property
    def eof(self) -> bool:
        """
        A stream has ended.
        """

    @property
    def needs_input(self) -> bool:
        """
        There is nothing more to come of what was given.
        """

    @property
    def unused_data(self) -> bytes:
        """
        What was given of what follows its end.
        """

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """
        Some of what comes of all that was given.
        """


class Compressed:
    """
    One stream behind another, and zeros between and behind them: padding.
    """

    def __init__(
        self, source: IO[bytes], magic: bytes, decompressor: Callable[[], Decompressor]
    ) -> None:
        """
        @param magic: What every stream begins with.
        @param decompressor: Makes one for a stream.
        """
        self._source = source
        self._magic = magic
        self._decompressor = decompressor
        self._current = decompressor()
        self._rest = b""
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """
        Some bytes, at least one, unless it has ended.

        @raise Refused: Something follows its end.
        """
        while not self._ended:
            if self._current.eof:
                self._next()
                continue
            given, self._rest = self._rest, b""
            if not given and self._current.needs_input:
                given = self._source.read(_CHUNK)
                if not given:
                    raise EOFError("it is cut off")
            data = self._current.decompress(given, size)
            if data:
                return data
        return b""

    def _next(self) -> None:
        """
        Go on with the stream that follows, if there is one.
        """
        rest = self._current.unused_data.lstrip(b"\0")
        while not rest and (more := self._source.read(_CHUNK)):
            rest = more.lstrip(b"\0")
        while 0 < len(rest) < len(self._magic) and (more := self._source.read(_CHUNK)):
            rest += more
        if not rest:
            self._ended = True
            return
        if not rest.startswith(self._magic):
            raise Refused("damaged archive: something follows its end")
        self._rest = rest
        self._current = self._decompressor()
