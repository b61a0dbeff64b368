"""
A thousand programs: how long until each has written its first line, and what the agent answers
meanwhile.

The agent creates them by REST from one archive; supervisor, in turn with it, reads the same
programs from its file.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

from bench import archives, command, files, peers
from bench.agents import agent
from bench.building import build
from bench.collecting import Collector
from bench.figures import Aim, Failed, Report, Row, percentile, ratios
from bench.idling import PATIENCE, Idle, lines_missing
from bench.pinging import pinged
from bench.running import running

BRINGUP_AIM = Aim(bound=1)
"""Times what supervisor takes."""

PING_AIM = Aim(bound=50)
"""Milliseconds."""


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    idle = Idle(build(folder, "idle")["idle"], options.programs)
    ours: list[float] = []
    theirs: list[float] = []
    pings: list[list[float]] = []
    supervisor = None
    if not options.no_peers:
        try:
            supervisor = peers.supervisor()
        except peers.NotInstalled as error:
            report.add(Row(what="bring-up", who="supervisor", note=str(error)))
    for turn in range(options.rounds):
        home = folder / f"{turn}"
        home.mkdir()
        if supervisor is not None:
            try:
                theirs.append(_supervised(supervisor, idle, home))
            except (Failed, OSError) as error:
                report.add(Row(what="bring-up", who="supervisor", note=str(error)))
                supervisor = None
                theirs.clear()
        with (
            closing(Collector(home / "collector")) as collector,
            archives.served(idle.archive(collector)) as source,
            agent(home / "agent") as made,
        ):
            with pinged(made.port) as answers:
                sleep(0.3)  # until it asks
                began = monotonic()
                idle.create(made, source, options.clients)
                ours.append(collector.wait(idle.count, PATIENCE) - began)
            pings.append(answers)
            missing = lines_missing(made, idle.slugs())
            if missing:
                row = Row(what="bring-up", who="smartmob", note=f"{missing} lines missing")
                report.add(row)
    _tell_bringup(report, idle, ours, theirs, pings)


def _supervised(path: Path, idle: Idle, home: Path) -> float:
    """
    Seconds until supervisor has all of them up.
    """
    with closing(Collector(home / "collector")) as collector:
        file = files.supervisor(home, [idle.section(collector)])
        began = monotonic()
        with running([path, "-n", "-c", file], home):
            return collector.wait(idle.count, PATIENCE) - began


def _tell_bringup(
    report: Report,
    idle: Idle,
    ours: list[float],
    theirs: list[float],
    pings: list[list[float]],
) -> None:
    what = f"bring-up of {idle.count:,} programs"
    report.add(
        Row(
            what=what,
            who="smartmob",
            unit="s",
            values=tuple(ours),
            ratios=ratios(ours, theirs) if theirs else (),
            to="supervisor" if theirs else "",
            aim=BRINGUP_AIM if theirs else None,
            note="from the first request; each line is kept by the agent",
        )
    )
    if theirs:
        note = "from its start; its output is thrown away"
        row = Row(what=what, who="supervisor", unit="s", values=tuple(theirs), note=note)
        report.add(row)
    for percent, aim in ((50, None), (99, PING_AIM), (100, None)):
        report.add(
            Row(
                what=f"/ping meanwhile, p{percent}",
                who="smartmob",
                unit="ms",
                values=tuple(percentile(answers, percent) * 1e3 for answers in pings),
                aim=aim,
                note=f"{sum(map(len, pings)):,} answers",
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4, help="connections that create")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


BENCHMARK = command.Benchmark(
    name="bringup",
    parser=_parser(),
    measure=measure,
    short=("--programs", "5", "--rounds", "1"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
