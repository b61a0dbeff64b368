"""
A client that attaches and never reads: what it costs its program, another client, and the
agent's memory; whether it is told what it missed, when it reads at last; and a hundred of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import sleep

from attrs import define, frozen

from bench import archives, command, system
from bench.agents import Agent, agent
from bench.building import build
from bench.emitting import Broken, Emission, Received, receive, start
from bench.ending import end
from bench.figures import Aim, Report, Row, ratios
from bench.websockets import CLOSE, TEXT, SlowClient

SLOWED_AIM = Aim(bound=1.25)
"""Times what it takes without the slow client: a tenth is noise."""

MEMORY_AIM = Aim(bound=16)
"""MiB: 8 may be queued for a client, and there are as many kept lines again."""

QUEUE = 8
"""MiB that may wait for a client."""

QUEUES = 256
"""MiB that may wait for all clients together."""

SPARE = 16
"""MiB that the agent may have beside them."""

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

STALLED = (1, 100)
"""So many clients that stall at the same time."""


def stall(made: Agent, source: str, swallow: Path, clients: int, seconds: float) -> int:
    """
    A program that floods, a client that reads, and so many that stall, for so long.

    @return: By how many bytes the agent grew, at most.
    """
    slug = made.create("flood", "flood", source)
    made.wait_until(slug, "running")
    path = f"/attach-console/{slug}"
    words: list[str | Path] = [swallow, str(made.port), "1", path]
    before = system.rss(made.pid)
    system.forget_peak(made.pid)
    with (
        ExitStack() as attached,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reading,
    ):
        try:
            for _ in range(clients):
                client = SlowClient(made.port, f"{path}?format=json")
                attached.callback(client.close)
            sleep(seconds)
            grown = system.peak(made.pid) - before
            out, _ = reading.communicate(timeout=PATIENCE)
        finally:
            end(reading)
    made.delete(slug)
    came = json.loads(out.splitlines()[1])
    if came["ended"] or not came["bytes"]:
        raise Broken(f"the client that reads did not get its lines: {came}")
    return grown


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit", "receive", "swallow")
    runs: dict[str | None, list[Run]] = {None: [], **{slow: [] for slow in SLOW}}
    procfile = {"emit": "$EMIT", "flood": f"exec yes {'x' * 79}"}
    stalls: dict[int, list[int]] = {clients: [] for clients in STALLED}
    with (
        archives.served(archives.pack(procfile)) as source,
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
        for clients, grown in [*stalls.items()] * options.rounds:
            long = clients == 1 and not grown
            seconds = options.long_stall if long else options.stall
            grown.append(stall(made, source, built["swallow"], clients, seconds))
    for clients, grown in stalls.items():
        _tell_stalls(report, clients, grown, options)
    _tell(report, runs, options.lines, before)


def _tell_stalls(
    report: Report, clients: int, grown: list[int], options: argparse.Namespace
) -> None:
    who = "one client stalls" if clients == 1 else f"{clients} clients stall"
    note = f"for {options.stall:g} s"
    if clients == 1:
        note += f", once for {options.long_stall:g} s: {grown[0] / system.MIB:.1f} MiB"
    report.add(
        Row(
            what=f"memory while {who} behind a flood",
            who="smartmob",
            unit="MiB more",
            values=tuple(each / system.MIB for each in grown),
            aim=Aim(bound=min(QUEUE * clients, QUEUES) + SPARE),
            note=note,
        )
    )


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
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lines", type=int, default=3_000_000, help="a round")
    parser.add_argument("--stall", type=float, default=3.0, help="seconds of each ...")
    parser.add_argument("--long-stall", type=float, default=60.0, help="... but for the first")
    return parser


BENCHMARK = command.Benchmark(
    name="slow",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--lines", "20000", "--stall", "0.2", "--long-stall", "0.2"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
