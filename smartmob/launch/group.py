"""
Cgroups (v2, cgroups(7)), by their folders, as helpers see them.
"""

from __future__ import annotations

import os


def write(folder: bytes, file: bytes, word: bytes) -> None:
    """
    Write a word to a file of a group.

    @raise OSError: That can't be.
    """
    descriptor = os.open(folder + b"/" + file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, word)
    finally:
        os.close(descriptor)


def kill(folder: bytes) -> None:
    """
    KILL all that is in it, whoever it belongs to (Linux 5.14).
    """
    try:
        write(folder, b"cgroup.kill", b"1")
    except OSError:
        return  # an older kernel, or there is no such group any more
