"""
What the kernel knows about processes: proc(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20

_PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """
    Its children, of all its threads; none where it is gone.
    """
    found: list[int] = []
    for task in _tasks(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, (task / "children").read_text().split())
    return found


def below(pid: int) -> list[int]:
    """
    Its children, their children, and so on.
    """
    found = children(pid)
    for child in found:  # grows while it is walked through
        found += children(child)
    return found


def name(pid: int) -> str:
    """
    What it is called; empty where it is gone.
    """
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def cpu_seconds(pids: Iterable[int]) -> float:
    """
    Seconds that they have run, to the nanosecond (schedstat counts what the ticks of
    C{stat} miss).
    """
    nanoseconds = 0
    for pid in pids:
        for task in _tasks(pid):
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds * 1e-9


def switches(pids: Iterable[int]) -> int:
    """
    How many times they went to sleep or were made to stop: what did not wake up has none.
    """
    count = 0
    for pid in pids:
        for task in _tasks(pid):
            for line in (task / "status").read_text().splitlines():
                if "ctxt_switches" in line:
                    count += int(line.split()[1])
    return count


def pss(pids: Iterable[int]) -> int:
    """
    Bytes of memory, what is shared divided among those who share it.
    """
    return sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in pids) * 1024


def rss(pid: int) -> int:
    """
    Bytes of memory that are resident.
    """
    return _kilobytes(pid, "status", "VmRSS:") * 1024


def sizes(pids: Iterable[int]) -> tuple[int, int]:
    """
    Bytes of memory that are resident, of all together, and the same with what is shared divided
    among those who share it: both of the same moment.
    """
    resident = proportional = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                resident += int(line.split()[1])
            elif line.startswith("Pss:"):
                proportional += int(line.split()[1])
    return resident * 1024, proportional * 1024


def threads(pid: int) -> int:
    """
    How many it has.
    """
    return len(_tasks(pid))


def peak(pid: int) -> int:
    """
    The most that was resident since L{forget_peak}, in bytes.
    """
    return _kilobytes(pid, "status", "VmHWM:") * 1024


def forget_peak(pid: int) -> None:
    """
    Let the peak begin anew.
    """
    (_PROC / str(pid) / "clear_refs").write_text("5")


def read(pid: int) -> int:
    """
    Bytes that it has read, of files, pipes and sockets.
    """
    for line in (_PROC / str(pid) / "io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    return 0


def descriptors(pid: int) -> int:
    """
    How many it has open.
    """
    return len(list((_PROC / str(pid) / "fd").iterdir()))


def alive(pid: int) -> bool:
    """
    Whether there is such a process.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _tasks(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []


def _kilobytes(pid: int, file: str, key: str) -> int:
    for line in (_PROC / str(pid) / file).read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0
