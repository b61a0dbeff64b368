"""
The compiled library that does by the chunk what C{splitter} and C{encodings} do by the line,
where C{setup.py} found a compiler.

Where there is none, or it does not work here, they do the same themselves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compiled", "frames.so")
"""The library, where there is one."""

COMPILED, PYTHON = "compiled", "python"

VARIABLE = "SMARTMOB_FRAMES"
"""The environment variable that says which it has to be."""

ROOM = 3 << 16
"""
Bytes that a library keeps for frames: twice what is read at once and a half of that again,
which is what was left of the read before.
"""

WRONG = (AttributeError, ImportError, OSError)
"""What may be raised where there is no library, or none that works here."""


class Library:
    """
    It, loaded.
    """

    def __init__(self, path: str) -> None:
        """
        @raise OSError: It is not there, or for another machine, or no library.
        @raise AttributeError: It is another library.
        @raise ImportError: This Python has no ctypes.
        """
        from ctypes import PyDLL, c_char_p, c_size_t, c_ssize_t, c_void_p, create_string_buffer

        self._new_room = create_string_buffer
        self._room = create_string_buffer(ROOM)
        self._view = memoryview(self._room)
        # It takes less time than to let others run meanwhile.
        library = PyDLL(path)
        self._count = library.lines_count
        self._count.argtypes = [c_char_p, c_size_t]
        self._count.restype = c_ssize_t
        self._frames = library.lines_frames
        self._frames.argtypes = [c_char_p, c_size_t, c_void_p]
        self._frames.restype = c_size_t

    def count(self, data: bytes) -> int:
        """
        How many lines these are; -1: they are not UTF-8.
        """
        count: int = self._count(data, len(data))
        return count

    def frames(self, data: bytes) -> bytes:
        """
        A frame for each line, one after the other.

        @param data: Each line with its end.
        """
        size = len(data)
        if size * 2 > ROOM:
            room = self._new_room(size * 2)
            return memoryview(room)[: self._frames(data, size, room)].tobytes()
        return self._view[: self._frames(data, size, self._room)].tobytes()


def runs(environ: Mapping[str, str], path: str = LIBRARY) -> str:
    """
    Which it would be: found out by loading the library.

    @param path: The library.
    @raise ValueError: The environment says something else than one of the two, or that it has
        to be the compiled one, and that does not work here.
    """
    said = environ.get(VARIABLE) or None
    if said not in (None, COMPILED, PYTHON):
        raise ValueError(f"{VARIABLE} is {COMPILED} or {PYTHON}, not {said!r}")
    if said == PYTHON:
        return PYTHON
    try:
        Library(path)
    except WRONG as error:
        if said == COMPILED:
            raise ValueError(
                f"{VARIABLE} is {COMPILED}, but that does not work: {error}"
            ) from None
        return PYTHON
    return COMPILED


def check(environ: Mapping[str, str]) -> None:
    """
    See that it is as the environment says; where that says nothing, nothing is loaded.

    @raise ValueError: As from L{runs}.
    """
    if environ.get(VARIABLE):
        runs(environ)


@cache
def loaded() -> Library | None:
    """
    The library, where there is one that works and it is wanted: loaded when it is asked for
    the first time.
    """
    if os.environ.get(VARIABLE) == PYTHON:
        return None
    try:
        return Library(LIBRARY)
    except WRONG:
        return None
