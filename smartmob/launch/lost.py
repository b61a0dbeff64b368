"""
Keepers whose record is lost: they are found by their sockets, and by what they hold.

Only proc(5) is asked: to connect to a keeper would take its agent from it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from smartmob.launch.record import Record, boot_id, started

GRACE = 30.0
"""
Seconds that a program has to end whose own grace is not known: those of one that is
configured, and does not say.
"""

_DOOR = ".sock"
_OUTPUT = ".out"
_DELETED = " (deleted)"


def lost(folder: int, name: str) -> Record | None:
    """
    What a record would say of a program that runs, as far as that can be known: its
    fingerprint is empty, like that of no command, and its leader is its keeper.

    @param folder: The descriptor of the folder.
    @raise OSError: It can't be read.
    """
    for keeper, kept_as in keepers(folder):
        if kept_as == name and (start := started(keeper)) is not None:
            return Record(
                boot=boot_id(),
                pid=keeper,
                start=start,
                keeper=keeper,
                keeper_start=start,
                grace=GRACE,
                fingerprint="",
            )
    return None


def keepers(folder: int) -> Iterator[tuple[int, str]]:
    """
    The keepers that listen in a folder, and what each keeps, whether there is a record of
    that or not.

    @param folder: A descriptor.
    @raise OSError: It can't be read.
    """
    for entry in os.listdir(folder):
        pid = entry.removesuffix(_DOOR)
        if entry.endswith(_DOOR) and pid.isdecimal():
            try:
                name = kept(folder, int(pid))
            except OSError:
                continue  # it has ended, or is another user's by now
            if name is not None:
                yield int(pid), name


def kept(folder: int, keeper: int) -> str | None:
    """
    What a keeper keeps in this folder: it has it open, wherever it was moved, and the file
    with the output.  In a copy of the folder there is a copy of its socket, but nothing is
    open.

    @param folder: A descriptor.
    @param keeper: A pid.
    @return: The name of the program; C{None} where it keeps none here.
    @raise OSError: It has ended, or can't be looked at.
    """
    where = f"/proc/{keeper}/fd"
    opened = {}
    for descriptor in os.listdir(where):
        try:
            opened[descriptor] = os.readlink(f"{where}/{descriptor}")
        except FileNotFoundError:
            continue  # it was closed meanwhile
    for link in opened.values():
        place, _, file = link.removesuffix(_DELETED).rpartition("/")
        if not file.endswith(_OUTPUT):
            continue
        for descriptor, other in opened.items():
            if other == place and _same(folder, f"{where}/{descriptor}"):
                return file.removesuffix(_OUTPUT)
    return None


def _same(folder: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(folder), os.stat(path))
    except FileNotFoundError:
        return False  # it was closed meanwhile
