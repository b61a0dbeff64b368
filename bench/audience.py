"""
Many readers: a thousand of one process, and one each of a thousand processes.

Every line of each is compared with what it has to be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from attrs import frozen

from bench import archives, command, system
from bench.agents import Agent, Connection, agent
from bench.building import build
from bench.emitting import Emission, receive, start
from bench.ending import wait_for
from bench.figures import Report, Row

KIND = "fixed"

PATIENCE = 180.0
"""Seconds until all processes have to run."""

CONNECTIONS = 4
"""Over which they are created, and ended."""


@frozen
class Run:
    """
    What came of a round.

    @ivar rate: Lines a second, of all readers together.
    @ivar seconds: From the sign to begin to the last line.
    @ivar cpu: Seconds of the agent a million lines.
    @ivar growth: Bytes that the agent had at its peak more than before the readers came.
    """

    rate: float
    seconds: float
    cpu: float
    growth: int


def heard(made: Agent, receiver: Path, path: str, readers: int, emission: Emission) -> Run:
    """
    So many readers, each of all lines.

    @param path: C{{}} in it stands for the number of each.
    @raise Broken: One did not get all lines as they have to be.
    """
    before = system.rss(made.pid)
    system.forget_peak(made.pid)
    used = system.cpu_seconds([made.pid])
    received = receive(receiver, made.port, path, readers, emission)
    cpu = system.cpu_seconds([made.pid]) - used
    growth = system.peak(made.pid) - before
    received.check(emission.count)
    return Run(received.rate, received.seconds, cpu / received.lines * 1e6, growth)


def of_one(made: Agent, source: str, receiver: Path, readers: int, emission: Emission) -> Run:
    """
    They all read the same process.
    """
    slug = start(made, "heard", source, emission, "block")
    try:
        return heard(made, receiver, f"/attach-console/{slug}", readers, emission)
    finally:
        made.delete(slug)


def of_many(made: Agent, source: str, receiver: Path, readers: int, emission: Emission) -> Run:
    """
    Each reads another one.
    """
    nodes = [f"heard.{number}" for number in range(readers)]

    def create(connection: Connection, node: str) -> None:
        request = {
            "app": "bench",
            "node": node,
            "process_type": "emit",
            "source_url": source,
            "env": emission.environment(),
            "restart": "never",
            "output": "block",
        }
        connection.ask("POST", "/create-process", request)

    def delete(connection: Connection, node: str) -> None:
        connection.ask("POST", f"/delete-process/bench.{node}")

    def running() -> bool:
        listed = made.ask("GET", "/list-processes?state=running")["processes"]
        return len(listed) == readers

    try:
        _all(made, nodes, create)
        wait_for(f"{readers} processes to run", running, PATIENCE, step=0.2)
        return heard(made, receiver, "/attach-console/bench.heard.{}", readers, emission)
    finally:
        _all(made, nodes, delete)


def _all(made: Agent, nodes: list[str], do: Callable[[Connection, str], None]) -> None:
    """
    Over some connections at once.
    """

    def some(first: int) -> None:
        with closing(Connection(made.port)) as connection:
            for node in nodes[first::CONNECTIONS]:
                do(connection, node)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(some, first) for first in range(CONNECTIONS)]:
            done.result()


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit", "receive")
    count = options.readers
    measures = {
        f"{count:,} readers of a process": (of_one, options.lines),
        f"{count:,} processes, a reader each": (of_many, options.lines_each),
    }
    with archives.served(archives.pack({"emit": "$EMIT"})) as source:
        for number, (what, (each, lines)) in enumerate(measures.items()):
            with agent(
                folder / f"agent-{number}"
            ) as made:  # the memory of one is not the other's

                def one(lines: int, each: Callable[..., Run] = each, made: Agent = made) -> Run:
                    emission = Emission.make(built["emit"], KIND, lines, folder)
                    return each(made, source, built["receive"], count, emission)

                runs = [one(lines) for _ in range(options.rounds)]
            _tell(report, what, runs, lines * count)


def _tell(report: Report, what: str, runs: list[Run], lines: int) -> None:
    cpu = sum(run.cpu for run in runs) / len(runs)
    right = f"{lines:,} lines a round, each as it has to be"
    for figure, unit, values, note in (
        (
            "lines of all together",
            "lines/s",
            [run.rate for run in runs],
            f"{right}; {cpu:.2f} CPU s a million, attaching included",
        ),
        ("until the last line", "s", [run.seconds for run in runs], ""),
        (
            "growth of the agent's memory, at its peak",
            "MiB",
            [run.growth / system.MIB for run in runs],
            "",
        ),
    ):
        report.add(
            Row(
                what=f"{what}: {figure}",
                who="smartmob",
                unit=unit,
                values=tuple(values),
                note=note,
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=10_000, help="of the one process")
    parser.add_argument("--lines-each", type=int, default=1_000, help="of each of many")
    return parser


BENCHMARK = command.Benchmark(
    name="audience",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--readers", "5", "--lines", "2000", "--lines-each", "500"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
