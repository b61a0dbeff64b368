"""
Files that an operator names, read without waiting for anybody.
"""

from __future__ import annotations

import os
import stat

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def read(path: str, most: int) -> bytes:
    """
    All of a file.  One that became something else since it was named, such as a FIFO that
    nobody writes to or a device that never ends, holds nobody up.

    @param most: Bytes that it may have.
    @raise OSError: It can't be read.
    @raise ValueError: It is no plain file or has more; the message ends a sentence that
        begins with its name.
    """
    number = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError("is no plain file")
        with open(number, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(number)
    if len(data) > most:
        raise ValueError(f"has more than {_size(most)}")
    return data


def _size(most: int) -> str:
    return f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"
