"""
What the programs of a process use.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from smartmob.launch import tree
from smartmob.lines.encodings import timestamp
from smartmob.web.api import reply
from smartmob.web.measurements import Measurements
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

    from smartmob.agent import Agent
    from smartmob.launch.interfaces import Usage as GroupUsage

SAMPLE_SECONDS = 0.2
"""How long processor time is watched."""


@frozen
class Usage:
    """
    What a tree of programs uses.

    @ivar cpu_percent: 100 is one processor.
    @ivar rss_bytes: Resident memory; what programs share counts for each.
    @ivar memory_bytes: What counts against the bound of its cgroup, which is with what is
        cached of its files; C{None}: it has none, or that counts no memory.
    """

    cpu_percent: float = 0.0
    rss_bytes: int = 0
    processes: int = 0
    threads: int = 0
    open_files: int = 0
    memory_bytes: int | None = None


def tree_of(pid: int) -> list[int]:
    """
    A leader and everything it started, also what made itself a daemon: that
    became a child of the leader's reaper, which has no other children.
    """
    reaper = _parent(pid)
    guardian = None if reaper is None else _parent(reaper)
    if reaper is not None and guardian is not None and _parent(guardian) == os.getpid():
        return tree.descendants(reaper)
    return [pid, *tree.descendants(pid)]


def _parent(pid: int) -> int | None:
    import psutil

    with suppress(psutil.Error):
        return psutil.Process(pid).ppid()
    return None


def measure(pid: int, group: Callable[[], GroupUsage | None] = lambda: None) -> Usage:
    """
    What a program and all that it started use.  Blocks for L{SAMPLE_SECONDS}.

    Whatever ends meanwhile, or may not be looked at, is not counted; but its processor time
    is, where there is a cgroup.

    @param group: What is used as its cgroup has it, if there is one.
    """
    import psutil  # what a start does not need is imported when it is needed

    programs = []
    for number in tree_of(pid):
        with suppress(psutil.Error):
            programs.append(psutil.Process(number))
    begun = time.monotonic()
    first = group()
    before = {one.pid: seconds for one in programs if (seconds := _seconds(one)) is not None}
    time.sleep(SAMPLE_SECONDS)  # in a thread of its own: the reactor goes on
    elapsed = time.monotonic() - begun
    last = group()
    spent = 0.0
    counts = []
    for one in programs:
        with suppress(psutil.Error), one.oneshot():
            if one.status() != psutil.STATUS_ZOMBIE:
                counts.append((one.memory_info().rss, one.num_threads(), _open_files(one)))
                now = _seconds(one) or 0.0
                spent += now - before.get(one.pid, now)
    if first is not None and last is not None:
        spent = _between(first.cpu_seconds, last.cpu_seconds, spent)
    return Usage(
        cpu_percent=round(100 * spent / elapsed, 1),
        rss_bytes=sum(count[0] for count in counts),
        processes=len(counts),
        threads=sum(count[1] for count in counts),
        open_files=sum(count[2] for count in counts),
        memory_bytes=None if last is None else last.memory_bytes,
    )


def _between(first: float | None, last: float | None, otherwise: float) -> float:
    return otherwise if first is None or last is None else max(0.0, last - first)


def _seconds(one: psutil.Process) -> float | None:
    import psutil

    with suppress(psutil.Error):
        times = one.cpu_times()
        return float(times.user + times.system)
    return None


def _open_files(one: psutil.Process) -> int:
    """
    Descriptors; those of another user's program may not be counted.
    """
    import psutil

    try:
        return one.num_fds()
    except psutil.AccessDenied:
        return 0


@frozen(eq=False, repr=False)
class Stats:
    """
    What processes use, on demand: nothing is measured while nobody asks.
    """

    app = new_app()
    agent: Agent
    measurements: Measurements

    @app.route("/process-stats/<slug>", methods=["GET"])
    async def process_stats(self, request: Request, slug: str) -> bytes:
        """What the programs of a process use; zeros and nulls where none runs."""
        process = self.agent.process(slug)
        pid, started = process.pid, process.started_at
        usage = Usage()
        if pid is not None:
            group = partial(self.agent.launcher.usage, slug)
            usage = await self.measurements.make(partial(measure, pid, group))
        since = None if pid is None or started is None else timestamp(started)
        return reply(request, encode({**asdict(usage), "started_at": since}))
