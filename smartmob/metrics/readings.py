"""
Where the numbers come from: what each part of the agent has to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import smartmob
from smartmob.agent import Agent
from smartmob.documents import State
from smartmob.forward.service import Forwards
from smartmob.launch.guardians import Guardians
from smartmob.metrics import catalogue
from smartmob.metrics.catalogue import Metric
from smartmob.metrics.loop_delay import LoopDelay
from smartmob.process import Process
from smartmob.state.records import Records
from smartmob.tally import How
from smartmob.webhooks.service import Webhooks


class Measured(NamedTuple):
    """
    What was measured more than once.

    @ivar buckets: How many were at most as much as each bound, the last of which is infinite.
    @ivar sum: Of all.
    """

    buckets: list[tuple[float, int]]
    sum: float


class Sample(NamedTuple):
    """
    A number.

    @ivar labels: A value for each label of the metric.
    """

    metric: Metric
    value: float | Measured
    labels: tuple[str, ...] = ()


Reading = Callable[[], Iterable[Sample]]
"""Says how things are now."""


class Reloads(Protocol):
    """
    What takes configurations over.
    """

    @property
    def successful(self) -> bool:
        """Whether it could, the last time."""

    @property
    def taken_at(self) -> float:
        """When it did, the last time, in seconds since the epoch."""


class Connected(Protocol):
    """
    The connections.
    """

    def __len__(self) -> int:
        """How many there are."""

    @property
    def refused(self) -> int:
        """How many were not let in."""


Answers = Iterable[tuple[tuple[str, str, int], int]]
"""Route, method and status, and how many requests had them."""


def of_version() -> Iterator[Sample]:
    """
    Which agent it is.
    """
    yield Sample(catalogue.BUILD_INFO, 1, (smartmob.__version__,))


def of_processes(processes: Iterable[Process]) -> Iterator[Sample]:
    """
    How many processes are in which state: in each of them.
    """
    counts = Counter(process.state for process in processes)
    for state in State:
        yield Sample(catalogue.PROCESSES, counts[state], (state.value,))


def of_agent(agent: Agent) -> Iterator[Sample]:
    """
    What there is to say of processes, and of what they write.
    """
    processes = agent.processes()
    yield from of_processes(processes)
    yield Sample(catalogue.BLOCKED, sum(process.blocked for process in processes))
    yield Sample(catalogue.RESTARTS, agent.tally.restarts)
    for how in How:
        yield Sample(catalogue.EXITS, agent.tally.exits[how], (how.value,))
    consoles, budget = agent.consoles, agent.consoles.budget
    for stream, written in consoles.written.items():
        yield Sample(catalogue.LINES, written.lines, (stream,))
        yield Sample(catalogue.LINE_BYTES, written.size, (stream,))
    yield Sample(catalogue.LINES_DROPPED, budget.lines_dropped)
    yield Sample(catalogue.CONSOLE_CLIENTS, budget.readers_of_lines)
    yield Sample(catalogue.KEPT_BYTES, consoles.kept)
    yield Sample(catalogue.UNFINISHED_BYTES, consoles.begun)
    yield Sample(catalogue.QUEUED_BYTES, budget.queued)
    yield Sample(catalogue.EVENT_CLIENTS, len(budget) - budget.readers_of_lines)
    yield Sample(catalogue.EVENTS_DROPPED, budget.others_dropped)


def of_requests(answers: Iterable[Answers]) -> Iterator[Sample]:
    """
    What requests were answered with.

    @param answers: Those of each site there is.
    """
    total: Counter[tuple[str, str, int]] = Counter()
    for each in answers:
        total.update(dict(each))
    for (route, method, status), count in sorted(total.items()):
        yield Sample(catalogue.REQUESTS, count, (route, method, str(status)))


def of_connections(connections: Connected) -> Iterator[Sample]:
    """
    How many connections there are.
    """
    yield Sample(catalogue.CONNECTIONS, len(connections))
    yield Sample(catalogue.CONNECTIONS_REFUSED, connections.refused)


def of_webhooks(webhooks: Webhooks) -> Iterator[Sample]:
    """
    What became of events, and what waits.
    """
    counts: Mapping[str, int] = webhooks.counts()
    for result, count in counts.items():
        yield Sample(catalogue.DELIVERIES, count, (result,))
    events, size = webhooks.waiting()
    yield Sample(catalogue.HOOK_EVENTS, events)
    yield Sample(catalogue.HOOK_BYTES, size)


def of_forwards(forwards: Forwards) -> Iterator[Sample]:
    """
    What became of lines that are forwarded, and what waits: of each forward that is configured.
    """
    for told in forwards.report():
        name = str(told["name"])
        for result in ("delivered", "dropped"):
            yield Sample(catalogue.FORWARD_LINES, _number(told[result]), (name, result))
        yield Sample(catalogue.FORWARD_FAILURES, _number(told["failed"]), (name,))
        yield Sample(catalogue.FORWARD_QUEUE, _number(told["queued"]), (name,))
        yield Sample(catalogue.FORWARD_BYTES, _number(told["queued_bytes"]), (name,))


def of_records(records: Records) -> Iterator[Sample]:
    """
    Whether what is to outlive the agent can be written.
    """
    yield Sample(catalogue.STATE_WRITES, records.written, ("written",))
    yield Sample(catalogue.STATE_WRITES, records.failed, ("failed",))


def of_delay(delay: LoopDelay) -> Iterator[Sample]:
    """
    How late the agent is.
    """
    yield Sample(catalogue.LOOP_DELAY, Measured(delay.buckets(), delay.sum))


def of_guardians(guardians: Guardians) -> Iterator[Sample]:
    """
    How often the helper that starts programs had to be replaced.
    """
    yield Sample(catalogue.GUARDIAN_RESTARTS, max(0, guardians.started - 1))


def of_reloads(reloads: Reloads) -> Iterator[Sample]:
    """
    Whether the configuration is what its file says.
    """
    yield Sample(catalogue.RELOADED, reloads.successful)
    yield Sample(catalogue.RELOADED_AT, reloads.taken_at)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
