"""
Webhooks: how many events a second one URL is sent, and how much memory many events at once take
while their sink hangs.

The events are those of processes that are not started (C{start = false}), which come and go as
their number in the file changes: a reload has them happen in one turn of the agent.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, pairwise
from pathlib import Path
from threading import Condition, Thread
from time import monotonic

from attrs import Factory, define

from bench import command, files, system
from bench.agents import Agent, agent
from bench.ending import TookTooLong
from bench.figures import Aim, Failed, Report, Row
from bench.files import Section
from bench.idling import PATIENCE
from bench.stopping import silent_sink

MEMORY_AIM = Aim(bound=8)
"""MiB: what one URL may keep waiting is 1 MiB of bodies."""


@define(eq=False)
class Sink:
    """
    Takes one POST a connection, one after the other, and answers it at once.

    @ivar taken: When each came, and its number: seconds, monotonic.
    """

    listening: socket.socket
    taken: list[tuple[float, int]] = Factory(list)
    _news: Condition = Factory(Condition)

    @property
    def url(self) -> str:
        """
        Where it is.
        """
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}/"

    def serve(self) -> None:
        """
        Until a connection has nothing to say.
        """
        while body := self._post():
            with self._news:
                self.taken.append((monotonic(), json.loads(body)["id"]))
                self._news.notify()

    def wait(self, count: int) -> list[tuple[float, int]]:
        """
        Wait for so many.

        @return: All that came, in the order in which they did.
        @raise TookTooLong: They did not.
        """
        with self._news:
            if not self._news.wait_for(lambda: len(self.taken) >= count, PATIENCE):
                raise TookTooLong(f"{len(self.taken)} of {count} events were delivered")
            return self.taken[:count]

    def _post(self) -> bytes:
        connection, _ = self.listening.accept()
        with connection, connection.makefile("rb") as request:
            length = 0
            while line := request.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = request.read(length)
            if body:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return body


@contextmanager
def answering_sink() -> Iterator[Sink]:
    """
    One that takes all there is.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = Sink(listening)
        thread = Thread(target=sink.serve)
        thread.start()
        try:
            yield sink
        finally:
            socket.create_connection(listening.getsockname()).close()
            thread.join()


@define
class Source:
    """
    An agent that has events happen.

    @ivar url: Where they are posted to; C{None}: nowhere.
    """

    home: Path
    url: str | None

    @contextmanager
    def running(self) -> Iterator[Agent]:
        """
        There is no process yet.
        """
        self.home.mkdir()
        with agent(self.home, "-c", self._write(0)) as made:
            yield made

    def have(self, made: Agent, count: int) -> None:
        """
        Have there be so many processes: an event, or a few, for each that comes or goes.
        """
        self._write(count)
        made.ask("POST", "/reload")

    def _write(self, count: int) -> Path:
        hooks = () if self.url is None else ("[webhooks]", f"** = {self.url}")
        # Nothing is executed.
        section = Section("burst", sys.executable, count, ("start = false",))
        return files.smartmob(self.home, [section], *hooks)


def rate(home: Path, events: int) -> float:
    """
    Deliveries a second.

    @raise Failed: They did not come in their order, all of them.
    """
    with answering_sink() as sink:
        source = Source(home, sink.url)
        with source.running() as made:
            source.have(made, events)
            taken = sink.wait(events)
    if any(later != earlier + 1 for (_, earlier), (_, later) in pairwise(taken)):
        raise Failed("events were delivered in another order than theirs")
    return (len(taken) - 1) / (taken[-1][0] - taken[0][0])


@define
class Growth:
    """
    What events cost.

    @ivar mib: More memory than before, at the most.
    @ivar events: How many events there were; 0 where nobody counts them.
    @ivar waiting: How many of them were still to be posted.
    """

    mib: float
    events: int = 0
    waiting: int = 0


def growth(home: Path, events: int, at_once: int, hook: bool) -> Growth:
    """
    Have at least so many events happen.

    @param at_once: Processes that come, or go, in one turn.
    @param hook: There is a sink that hangs.
    """
    with silent_sink() as url:
        source = Source(home, url if hook else None)
        with source.running() as made:
            before = system.rss(made.pid)
            system.forget_peak(made.pid)
            for _, count in zip(range(0, events, at_once), cycle((at_once, 0)), strict=False):
                source.have(made, count)
            found = Growth((system.peak(made.pid) - before) / system.MIB)
            if hook:
                (report,) = made.ask("GET", "/webhooks")["webhooks"]
                found.waiting = report["queued"]
                found.events = report["queued"] + report["missed"]
                if found.events < events:
                    raise Failed(f"{found.events} events, not {events}")
    return found


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    rates = [rate(folder / f"rate-{turn}", options.events) for turn in range(options.rounds)]
    report.add(
        Row(
            what="webhook, deliveries to one URL",
            who="smartmob",
            unit="events/s",
            values=tuple(rates),
            note=f"{options.events:,} at once, to a sink that answers at once",
        )
    )
    without: list[Growth] = []
    hanging: list[Growth] = []
    for turn in range(options.rounds):
        for hook, found in ((False, without), (True, hanging)):
            home = folder / f"memory-{hook}-{turn}"
            found.append(growth(home, options.many, options.events, hook))
    most = hanging[-1]
    report.add(
        Row(
            what=f"webhook, memory for {options.many:,} events",
            who="smartmob",
            unit="MiB",
            values=tuple(
                more.mib - less.mib for more, less in zip(hanging, without, strict=True)
            ),
            aim=MEMORY_AIM,
            note=(
                f"their sink hangs; {most.events:,} happened, {most.waiting:,} wait; less what "
                "it grows without"
            ),
        )
    )
    report.add(
        Row(
            what=f"the same {options.many:,} events",
            who="smartmob",
            unit="MiB",
            values=tuple(each.mib for each in without),
            note="without a webhook: their processes, and the file being read",
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--events", type=int, default=1000, help="in one turn of the agent")
    parser.add_argument("--many", type=int, default=10_000, help="while the sink hangs")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


BENCHMARK = command.Benchmark(
    name="posting",
    parser=_parser(),
    measure=measure,
    short=("--events", "5", "--many", "10", "--rounds", "1"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
