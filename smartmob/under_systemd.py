"""
An agent that a service manager has started, such as systemd.
"""

from __future__ import annotations

import faulthandler
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial

from twisted.internet.interfaces import IReactorTime

from smartmob.agent import Agent
from smartmob.documents import State
from smartmob.notify import Fed, Notices, Notifier, notices
from smartmob.process import Process
from smartmob.progress import Progress
from smartmob.watchdog import Answers, Watchdog, interval

_SAID = {
    State.RUNNING: "running",
    State.STARTING: "starting",
    State.PENDING: "pending",
    State.DOWNLOADING: "downloading",
    State.UNPACKING: "unpacking",
    State.BACKOFF: "in backoff",
    State.FAILED: "failed",
    State.STOPPING: "stopping",
    State.STOPPED: "stopped",
}


def counts(processes: Iterable[Process]) -> str:
    """
    How many of these stand where, for a person: C{3 running, 1 in backoff}.
    """
    found = Counter(process.state for process in processes)
    return ", ".join(
        f"{found[state]} {said}"
        for state, said in _SAID.items()
        if found[state] or state is State.RUNNING
    )


def progress(
    environ: Mapping[str, str], clock: IReactorTime, agent: Agent, answers: Answers
) -> Progress:
    """
    What tells the service manager about an agent.

    @param answers: Asks the guardian whether it is there.
    """
    way = notices(environ, clock)
    if way is None:
        return Progress()
    notifier = Notifier(
        clock,
        way,
        lambda: counts(agent.processes()),
        partial(_watchdog, environ, clock, way, answers),
    )
    agent.shown = notifier.status.changed
    return notifier


def _watchdog(
    environ: Mapping[str, str], clock: IReactorTime, way: Notices, answers: Answers
) -> Fed:
    seconds = interval(environ, os.getpid())
    if seconds is None:
        return Fed()
    # An agent that is not fed any more gets SIGABRT (WatchdogSignal of systemd.service(5)):
    # where it stood then is what there is to know about it.
    faulthandler.enable(2)
    return Watchdog(clock, way.tell, seconds, answers)
