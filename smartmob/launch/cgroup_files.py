"""
The files of a cgroup, as the kernel shows them (cgroups(7), version 2).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from signal import SIGKILL

from smartmob.launch.tree import send


def write(folder: str, file: str, word: str) -> None:
    """
    Write a word to a file.

    @raise OSError: That can't be; the error has its name.
    """
    path = os.path.join(folder, file)
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, word.encode("ascii"))
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def words(folder: str, file: str) -> list[str]:
    """
    What is in a file.

    @raise OSError: It can't be read.
    """
    with open(os.path.join(folder, file), encoding="ascii") as opened:
        return opened.read().split()


def number(folder: str, file: str, member: str | None = None) -> int | None:
    """
    A number in a file.

    @param member: What stands before it; unless given, it stands alone.
    @return: C{None} where there is none, or no such file.
    """
    try:
        found = words(folder, file)
        return int(found[found.index(member) + 1 if member is not None else 0])
    except (OSError, ValueError, IndexError):
        return None


def processes(folder: str) -> list[int]:
    """
    The processes of a group, but not of those below it.  One that our PID namespace does not
    have is 0.

    @raise OSError: They can't be read.
    """
    return list(map(int, words(folder, "cgroup.procs")))


def populated(folder: str) -> bool:
    """
    Whether there are processes in a group, or below it; those that have ended do not count.
    """
    return number(folder, "cgroup.events", "populated") == 1


def kill(folder: str) -> None:
    """
    KILL all that is in a group and below it, once.
    """
    try:
        write(folder, "cgroup.kill", "1")
    except FileNotFoundError:  # before Linux 5.14, or there is no such group any more
        for each in below(folder):
            for pid in filter(None, _still(each)):  # 0 would be all of our own group
                send(pid, SIGKILL)


def below(folder: str) -> list[str]:
    """
    A group and all below it, that one last.
    """
    return [each for each, _, _ in os.walk(folder, topdown=False)]


def remove(folder: str, rmdir: Callable[[str], object]) -> bool:
    """
    Remove a group and all below it, as far as there is nothing in them.

    @return: There is no such group any more.
    """
    for each in below(folder):
        try:
            rmdir(each)
        except FileNotFoundError:
            continue
        except OSError:
            return False  # there is something in it still
    return True


def _still(folder: str) -> list[int]:
    try:
        return processes(folder)
    except OSError:
        return []
