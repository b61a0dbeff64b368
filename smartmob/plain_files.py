"""
Files that an operator names, or somebody put there, read without waiting for anybody.

Keepers read so as well, which run without site-packages.
"""

from __future__ import annotations

import errno
import os
import stat

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

_PIECE = 64 << 10
"""Bytes that are read at once."""


def read(path: str, most: int, flags: int = 0, dir_fd: int | None = None) -> bytes:
    """
    All of a file.  One that became something else since it was named, such as a FIFO that
    nobody writes to or a device that never ends, holds nobody up.

    @param most: Bytes that it may have.
    @param flags: More for open(2).
    @param dir_fd: What the path is relative to.
    @raise OSError: It can't be read.
    @raise ValueError: It is no plain file or has more; the message ends a sentence that
        begins with its name.
    """
    number = opened(path, flags, dir_fd)
    try:
        return content(number, most)
    finally:
        os.close(number)


def opened(path: str, flags: int = 0, dir_fd: int | None = None) -> int:
    """
    The descriptor of a file; see L{read}.

    @raise OSError: It can't be opened.
    @raise ValueError: It is no plain file.
    """
    try:
        number = os.open(path, _FLAGS | flags, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP and flags & os.O_NOFOLLOW:
            raise ValueError("is no plain file") from None
        raise
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ValueError("is no plain file")
    return number


def content(number: int, most: int) -> bytes:
    """
    All that an open file has; see L{read}.

    @param number: Its descriptor, of L{opened}.
    @raise OSError: It can't be read.
    @raise ValueError: It has more.
    """
    data = bytearray()
    while piece := os.read(number, _PIECE):
        data += piece
        if len(data) > most:
            raise ValueError(f"has more than {_size(most)}")
    return bytes(data)


def why(error: OSError | ValueError) -> str:
    """
    Why a file could not be read: the end of a sentence that begins with its name.
    """
    if isinstance(error, OSError):
        return f"can't be read: {error.strerror}"
    return str(error)


def _size(most: int) -> str:
    return f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"
