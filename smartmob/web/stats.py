"""
What the programs of a process use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import asdict, frozen
from twisted.internet.defer import Deferred

from smartmob.web.api import reply
from smartmob.web.render import encode, iso
from smartmob.web.routing import new_app
from smartmob.web.site import Request

if TYPE_CHECKING:
    import psutil

    from smartmob.agent import Agent

SAMPLE_SECONDS = 0.2
"""How long processor time is watched."""


@frozen
class Usage:
    """
    What a tree of programs uses.

    @ivar cpu_percent: 100 is one processor.
    @ivar rss_bytes: Resident memory; what programs share counts for each.
    """

    cpu_percent: float = 0.0
    rss_bytes: int = 0
    processes: int = 0
    threads: int = 0
    open_files: int = 0


InThread = Callable[[Callable[[], Usage]], "Deferred[Usage]"]


def measure(pid: int) -> Usage:
    """
    What a program and its descendants use.  Blocks for L{SAMPLE_SECONDS}.

    Whatever ends meanwhile, or may not be looked at, is not counted.
    """
    import psutil  # what a start does not need is imported when it is needed

    try:
        leader = psutil.Process(pid)
        tree = [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return Usage()
    begun = time.monotonic()
    before = {one.pid: seconds for one in tree if (seconds := _seconds(one)) is not None}
    time.sleep(SAMPLE_SECONDS)
    spent = 0.0
    usages = []
    for one in tree:
        try:
            with one.oneshot():
                now = _seconds(one)
                spent += 0.0 if now is None else now - before.get(one.pid, now)
                usages.append((one.memory_info().rss, one.num_threads(), one.num_fds()))
        except psutil.Error:
            continue
    elapsed = time.monotonic() - begun
    return Usage(
        cpu_percent=round(100 * spent / elapsed, 1),
        rss_bytes=sum(usage[0] for usage in usages),
        processes=len(usages),
        threads=sum(usage[1] for usage in usages),
        open_files=sum(usage[2] for usage in usages),
    )


def _seconds(one: psutil.Process) -> float | None:
    import psutil

    try:
        times = one.cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system


@frozen(eq=False)
class Stats:
    """
    What processes use, on demand: nothing is measured while nobody asks.
    """

    app = new_app()
    agent: Agent
    in_thread: InThread

    @app.route("/process-stats/<slug>", methods=["GET"])
    async def process_stats(self, request: Request, slug: str) -> bytes:
        """What the programs of a process use; zeros and nulls where none runs."""
        process = self.agent.process(slug)
        pid, started = process.pid, process.started_at
        usage = Usage() if pid is None else await self.in_thread(lambda: measure(pid))
        since = None if pid is None or started is None else iso(started)
        return reply(request, encode({**asdict(usage), "started_at": since}))
