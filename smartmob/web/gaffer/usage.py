"""
What programs use, in the words of gafferd, which are those of top(1).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

from smartmob.web.stats import tree_of

if TYPE_CHECKING:
    import psutil

SAMPLE_SECONDS = 0.2
"""How long processor time is watched."""

UNKNOWN = "N/A"
"""Stands for what can't be known, such as that of another user's program."""

Info = dict[str, object]
T = TypeVar("T")


def measure(pids: Sequence[int]) -> list[Info | None]:
    """
    What the programs with these numbers use, and what they started.  Blocks for
    L{SAMPLE_SECONDS}.

    @param pids: As the operating system knows them.
    @return: C{None} for a program that has ended.
    """
    import psutil  # what a start does not need is imported when it is needed

    trees = [[*_programs(tree_of(pid))] for pid in pids]
    if not any(trees):
        return [None for _ in pids]
    for tree in trees:
        for program in tree:
            with suppress(psutil.Error):
                program.cpu_percent()
    time.sleep(SAMPLE_SECONDS)  # in a thread of its own: the reactor goes on
    return [_nested(pid, tree) for pid, tree in zip(pids, trees, strict=True)]


def _programs(pids: Iterable[int]) -> Iterable[psutil.Process]:
    import psutil

    for pid in pids:
        with suppress(psutil.Error):
            yield psutil.Process(pid)


def _nested(root: int, tree: list[psutil.Process]) -> Info | None:
    """
    A program with its children, and they with theirs; what made itself a daemon counts
    as the child of the first.
    """
    import psutil

    infos: dict[int, Info] = {}
    parents: dict[int, int] = {}
    for program in tree:
        with suppress(psutil.NoSuchProcess), program.oneshot():
            if program.status() != psutil.STATUS_ZOMBIE:
                infos[program.pid] = _info(program)
                parents[program.pid] = program.ppid()
    for pid, info in infos.items():
        if pid != root:
            above = infos.get(parents[pid]) or infos.get(root)
            if above is not None and isinstance(above["children"], list):
                above["children"].append(info)
    return infos.get(root)


def _info(program: psutil.Process) -> Info:
    memory = _known(program.memory_info)
    times = _known(program.cpu_times)
    percent = _known(program.memory_percent)
    words = _known(program.cmdline) or []
    return {
        "mem_info1": UNKNOWN if memory is None else human(memory.rss),
        "mem_info2": UNKNOWN if memory is None else human(memory.vms),
        "cpu": _or_unknown(_known(program.cpu_percent)),
        "mem": UNKNOWN if percent is None else round(percent, 1),
        "ctime": UNKNOWN if times is None else clock(times.user + times.system),
        "pid": program.pid,
        "username": _or_unknown(_known(program.username)),
        "nice": _or_unknown(_known(program.nice)),
        "cmdline": PurePath(words[0]).name if words else UNKNOWN,
        "children": [],
    }


def _known(ask: Callable[[], T]) -> T | None:
    import psutil

    with suppress(psutil.AccessDenied):
        return ask()
    return None


def _or_unknown(value: object) -> object:
    return UNKNOWN if value is None else value


def human(size: int) -> str:
    """
    Bytes for a person: C{17M}.
    """
    for power, letter in ((4, "T"), (3, "G"), (2, "M"), (1, "K")):
        if size >= 1 << 10 * power:
            return f"{size >> 10 * power}{letter}"
    return f"{size}B"


def clock(seconds: float) -> str:
    """
    Processor time as minutes, seconds and hundredths: C{1:02.50}.
    """
    hundredths = int(seconds * 100)
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"


def summary(name: str, infos: Sequence[Info]) -> Info:
    """
    What all programs of a template use.

    @param infos: Of each.
    """
    document: Info = {"name": name, "stats": list(infos)}
    for key in ("mem", "cpu"):
        numbers = [value for info in infos if isinstance(value := info[key], int | float)]
        known = bool(numbers) and len(numbers) == len(infos)
        document[key] = round(sum(numbers), 1) if known else UNKNOWN
        document[f"max_{key}"] = max(numbers) if known else UNKNOWN
        document[f"min_{key}"] = min(numbers) if known else UNKNOWN
    return document
