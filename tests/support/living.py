"""
What lives, as proc(5) shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.task import deferLater

from tests.support import warden
from tests.support.console_client import PATIENCE

reactor: Any = installed_reactor


async def until(condition: Callable[[], object], what: str) -> float:
    """
    Wait for something that nobody tells us of.

    @return: The seconds it took.
    """
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < PATIENCE, f"waited in vain for {what}"
        await deferLater(reactor, 0.005)
    return time.monotonic() - start


def running(pids: Sequence[int]) -> list[int]:
    """
    Those of the processes that are more than zombies.
    """
    return [pid for pid in pids if (parts := stat_of(pid)) and parts[0] not in "ZX"]


def stat_of(pid: int) -> list[str]:
    """
    proc(5)'s fields of a process from C{state} on; none where it is gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(") ")[2].split()


def described(pids: Sequence[int]) -> list[str]:
    """
    Processes for a person.
    """
    found = []
    for pid in pids:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        found.append(f"{pid} {command.decode(errors='replace')}")
    return found


def name(pid: int) -> str:
    """
    The name of a process, empty where it is gone.
    """
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """
    The living children of a process.
    """
    below = running(warden.below(pid))
    grandchildren = {each for child in below for each in warden.below(child)}
    return [child for child in below if child not in grandchildren]


async def emptied(left: Callable[[], list[int]]) -> float:
    """
    Wait until nothing is left, for ten looks in a row: a process that forks itself
    anew may be missed by one.

    @param left: Returns what is.
    @return: The seconds it took.
    """
    start = last = time.monotonic()
    empty = 0
    while empty < 10:
        found = left()
        now = time.monotonic()
        if found:
            empty, last = 0, now
            waited = now - start
            assert waited < PATIENCE, f"left after {waited:.1f} s: {described(found)}"
        else:
            empty += 1
        await deferLater(reactor, 0.003)
    return last - start
