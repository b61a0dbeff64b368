"""
Finding the cgroup that is the agent's to divide.

A cgroup is delegated to who is in it by systemd, which marks it (C{Delegate=yes}: the extended
attribute C{user.delegate}, of root's services also C{trusted.delegate}), and by whatever made a
container, whose cgroup namespace begins with it.  Where neither was done it is somebody else's,
also where root could write to it; and where processes that are not ours are in it, no groups
can be made below it that have controllers (the "no internal processes" rule of cgroups(7)).
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from attrs import frozen

from smartmob.launch.cgroup_files import processes

LEAF = "agent"
"""
The group below the delegated one in which agent, guardian and reapers are.
"""

_MARKS = ("user.delegate", "trusted.delegate")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class NotDelegated(Exception):
    """
    There is no such cgroup.  The message is a sentence for a person.
    """


@frozen(kw_only=True)
class Places:
    """
    Where the kernel says what is where.

    @ivar mounts: All that is mounted, as proc(5) has it (C{mountinfo}).
    @ivar own: The groups of this process, as cgroups(7) has it.
    """

    mounts: str = "/proc/self/mountinfo"
    own: str = "/proc/self/cgroup"


def delegated(places: Places) -> str:
    """
    The folder of the cgroup that is ours.

    @raise NotDelegated: There is none, and why.
    """
    try:
        path = _own(places.own)
        folder = _folder(path, places.mounts)
        if os.path.basename(folder) == LEAF and _is_ours(os.path.dirname(folder)):
            folder = os.path.dirname(folder)  # we were here before, and became another program
        elif not _is_ours(folder) and not (path == "/" and _begins_namespace(folder)):
            raise NotDelegated(f"{folder} was not delegated to it (systemd: Delegate=yes)")
        _check(folder)
    except OSError as error:
        raise NotDelegated(f"{error.filename or places.own}: {error.strerror}") from None
    return folder


def _own(file: str) -> str:
    with open(file, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if line.startswith("0::"):
                return line.removeprefix("0::").rstrip("\n")
    raise NotDelegated("this machine has no cgroups of version 2")


def _folder(path: str, mounts: str) -> str:
    """
    @param path: Of a group, from the beginning of our namespace on.
    """
    with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            head, _, tail = line.partition(" - ")
            if tail.split()[:1] != ["cgroup2"]:
                continue
            root, point = map(_plain, head.split()[3:5])
            below = os.path.relpath(path, root)
            if below.split("/")[0] != ".." and not path.startswith("/.."):
                return os.path.normpath(os.path.join(point, below))
    raise NotDelegated("no cgroups of version 2 are mounted where its own would be")


def _plain(word: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), word)


def _is_ours(folder: str) -> bool:
    for mark in _MARKS:
        with suppress(OSError):  # it has none, or we may not know
            if os.getxattr(folder, mark) == b"1":
                return True
    return False


def _begins_namespace(folder: str) -> bool:
    """
    Whether our namespace begins with it, which is the first of its mount: so does that of the
    machine, but the machine's first group has no events.
    """
    return os.path.exists(os.path.join(folder, "cgroup.events"))


def _check(folder: str) -> None:
    """
    @raise NotDelegated: It can't be divided.
    """
    for name in "", "cgroup.procs", "cgroup.subtree_control":
        if not os.access(os.path.join(folder, name), os.W_OK):
            raise NotDelegated(f"it may not write to {os.path.join(folder, name)}")
    others = set(processes(folder)) - {os.getpid()}
    if others:
        numbers = ", ".join(map(str, sorted(others)[:5]))
        raise NotDelegated(f"there are processes of others in {folder}: {numbers}")
