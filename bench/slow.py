"""
A client that attaches and never reads: what it costs its program, another client, and the
agent's memory; and whether it is told what it missed, when it reads at last.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from attrs import define, frozen

from bench import archives, command, system
from bench.agents import Agent, agent
from bench.building import build
from bench.emitting import Emission, Received, receive, start
from bench.figures import Aim, Report, Row, ratios
from bench.websockets import CLOSE, TEXT, SlowClient

SLOWED_AIM = Aim(bound=1.25)
"""Times what it takes without the slow client: a tenth is noise."""

MEMORY_AIM = Aim(bound=16)
"""MiB: 8 may be queued for a client, and there are as many kept lines again."""

PATIENCE = 5.0
"""Seconds without a byte after which nothing more will come."""


@define
class Told:
    """
    What a slow client got when it read at last.
    """

    lines: int = 0
    missed: int = 0
    close: int | None = None

    def read(self, client: SlowClient, lines: int) -> None:
        """
        Read all there is: so many lines, or the news that they were missed.
        """
        for opcode, payload in client.read(PATIENCE):
            if opcode == CLOSE:
                self.close = int.from_bytes(payload[:2], "big")
            elif opcode == TEXT and payload.startswith(b'{"event":'):
                event = json.loads(payload)
                if event["event"] == "dropped":
                    self.missed += event["missed"]
            elif opcode == TEXT:
                self.lines += 1
            if self.lines + self.missed == lines:
                return


@frozen
class Run:
    """
    @ivar writing: Seconds that the program took to write its lines.
    @ivar peak: The most that the agent had, in bytes.
    """

    writing: float
    peak: int
    received: Received
    told: Told | None


def run(made: Agent, source: str, receiver: Path, emission: Emission, slow: str | None) -> Run:
    """
    A program, a client that reads, and perhaps one that does not.

    @param slow: The query of the one that does not.
    """
    slug = start(made, "slow", source, emission, "drop")
    path = f"/attach-console/{slug}"
    client = SlowClient(made.port, f"{path}?{slow}") if slow is not None else None
    system.forget_peak(made.pid)
    received = receive(receiver, made.port, path, 1, emission)
    peak = system.peak(made.pid)
    told = None
    if client is not None:
        told = Told()
        told.read(client, emission.count)
        client.close()
    made.wait_until(slug, "stopped")  # then it has told how long it took
    made.delete(slug)
    received.check(emission.count)
    return Run(emission.seconds(), peak, received, told)


SLOW = {"plain": "", "JSON": "format=json"}


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit", "receive")
    runs: dict[str | None, list[Run]] = {None: [], **{slow: [] for slow in SLOW}}
    with (
        archives.served(archives.pack({"emit": "$EMIT"})) as source,
        agent(folder / "agent") as made,
    ):

        def one(slow: str | None) -> Run:
            emission = Emission.make(built["emit"], "fixed", options.lines, folder)
            query = None if slow is None else SLOW[slow]
            return run(made, source, built["receive"], emission, query)

        one(None)  # what is imported and made once, is now
        before = system.rss(made.pid)
        for slow, found in [*runs.items()] * options.rounds:
            found.append(one(slow))
    _tell(report, runs, options.lines, before)


def _tell(report: Report, runs: dict[str | None, list[Run]], lines: int, before: int) -> None:
    alone = runs[None]
    for slow, found in runs.items():
        with_whom = "alone" if slow is None else f"beside a {slow} one that never reads"
        for what, values, base in (
            (
                "a program writes to its client",
                tuple(run.writing for run in found),
                tuple(run.writing for run in alone),
            ),
            (
                "the client has its lines",
                tuple(run.received.seconds for run in found),
                tuple(run.received.seconds for run in alone),
            ),
        ):
            report.add(
                Row(
                    what=f"slow client: {what}",
                    who=with_whom,
                    unit="s",
                    values=values,
                    ratios=() if slow is None else ratios(values, base),
                    to="" if slow is None else "alone",
                    aim=None if slow is None else SLOWED_AIM,
                    note=f"{lines:,} lines, each as it has to be",
                )
            )
        report.add(
            Row(
                what="slow client: growth of the agent's memory",
                who=with_whom,
                unit="MiB",
                values=tuple((run.peak - before) / system.MIB for run in found),
                aim=MEMORY_AIM,
            )
        )
        told = [run.told for run in found if run.told is not None]
        if told:
            _tell_told(report, with_whom, told, lines)


def _tell_told(report: Report, who: str, told: list[Told], lines: int) -> None:
    """
    Each line was either got, or told as missed; or the connection was closed with 1013.
    """
    wrong = sum(
        one.lines + one.missed != lines if one.close is None else one.close != 1013
        for one in told
    )
    one = told[-1]
    if one.close is None:
        note = f"{one.lines:,} lines got, {one.missed:,} told as missed"
    else:
        note = f"{one.lines:,} lines got, then closed with {one.close}"
    report.add(
        Row(
            what="slow client: not told what it missed",
            who=who,
            unit=f"of {len(told)} times",
            values=(wrong,),
            aim=Aim(bound=0),
            note=note,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=5_000_000, help="a round")
    return parser


BENCHMARK = command.Benchmark(
    name="slow",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--lines", "20000"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
