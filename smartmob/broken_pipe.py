"""
When nobody reads any more what is written.
"""

from __future__ import annotations

import os
from typing import Protocol


class File(Protocol):
    """
    What is written to.
    """

    def fileno(self) -> int:
        """Its descriptor."""

    def flush(self) -> None:
        """Write what waits."""


def discard(file: File) -> None:
    """
    Have all that is written to a file from now on go nowhere.

    What Python has kept of it would else fail to be written at the very end, and make
    the exit code 120 (its documentation of C{signal}, "Note on SIGPIPE").
    """
    descriptor = file.fileno()
    nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(nothing, descriptor, inheritable=os.get_inheritable(descriptor))
    finally:
        os.close(nothing)


def flush(file: File) -> None:
    """
    Write what waits, if somebody reads it.
    """
    try:
        file.flush()
    except BrokenPipeError:
        discard(file)
