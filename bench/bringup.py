"""
A thousand programs: how long until each has written its first line, what the agent answers
meanwhile, and what they cost when nothing happens.

The agent creates them by REST from one archive; supervisor, in turn with it, reads the same
programs from its file.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from bench import archives, command, files, peers, system
from bench.agents import Agent, agent
from bench.building import build
from bench.collecting import Collector
from bench.figures import Aim, Failed, Report, Row, percentile, ratios
from bench.files import Section
from bench.idling import PATIENCE, Idle, lines_missing
from bench.pinging import pinged
from bench.running import running
from bench.waking import NotTraced, system_calls

BRINGUP_AIM = Aim(bound=1)
"""Times what supervisor takes."""

PING_AIM = Aim(bound=50)
"""Milliseconds."""

IDLE_AIM = Aim(bound=0.05)
"""Percent of a core."""

ATTACHING = 3.0
"""Seconds until what a tracer does to processes, or a start, is over."""

NONE_AIM = Aim(bound=0)


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
        last = turn == options.rounds - 1
        home = folder / f"{turn}"
        home.mkdir()
        if supervisor is not None:
            try:
                theirs.append(_supervised(supervisor, idle, home, options, report, last))
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
            if last:
                _tell_bringup(report, idle, ours, theirs, pings)
                _quiet(options, home, report, made, idle)


def _supervised(
    path: Path, idle: Idle, home: Path, options: argparse.Namespace, report: Report, last: bool
) -> float:
    """
    Seconds until supervisor has all of them up.
    """
    with closing(Collector(home / "collector")) as collector:
        section = Section("idle", f"{idle.program} {collector.path}", idle.count)
        file = files.supervisor(home, [section])
        began = monotonic()
        with running([path, "-n", "-c", file], home) as process:
            took = collector.wait(idle.count, PATIENCE) - began
            if last:
                sleep(min(options.settle, ATTACHING))
                _tell_idle_supervisor(report, process.pid, idle, min(options.idle, 10.0))
    return took


def _tell_idle_supervisor(report: Report, pid: int, idle: Idle, seconds: float) -> None:
    before = system.cpu_seconds([pid])
    sleep(seconds)
    used = system.cpu_seconds([pid]) - before
    for what, unit, value in (
        ("processor", "% of a core", used / seconds * 100),
        ("memory (PSS) each", "KiB", system.pss([pid]) / 1024 / idle.count),
    ):
        report.add(
            Row(
                what=f"idle, {idle.count:,} programs, {what}",
                who="supervisor",
                unit=unit,
                values=(value,),
                note=f"over {seconds:g} s" if unit != "KiB" else "supervisord",
            )
        )


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


def _quiet(
    options: argparse.Namespace, home: Path, report: Report, made: Agent, idle: Idle
) -> None:
    """
    What they cost when nothing happens.
    """
    what = f"idle, {idle.count:,} programs"
    helpers = made.helpers()
    ours = [made.pid, *helpers]
    sleep(options.settle)
    used, woken = system.cpu_seconds(ours), system.switches(ours)
    sleep(options.idle)
    used, woken = system.cpu_seconds(ours) - used, system.switches(ours) - woken
    report.add(
        Row(
            what=f"{what}, processor",
            who="smartmob",
            unit="% of a core",
            values=(used / options.idle * 100,),
            aim=IDLE_AIM,
            note=f"agent, guardian and {len(helpers) - 1:,} reapers over {options.idle:g} s",
        )
    )
    report.add(
        Row(
            what=f"{what}, context switches",
            who="smartmob",
            values=(woken,),
            aim=NONE_AIM,
            note="of the same, in the same time",
        )
    )
    try:
        calls = system_calls(ours, min(options.settle, ATTACHING), options.trace, home)
    except NotTraced as error:
        report.add(Row(what=f"{what}, system calls", who="smartmob", note=str(error)))
    else:
        report.add(
            Row(
                what=f"{what}, system calls",
                who="smartmob",
                values=(calls,),
                aim=NONE_AIM,
                note=f"strace -f of the same over {options.trace:g} s",
            )
        )
    programs = [pid for pid in system.below(made.pid) if pid not in set(helpers)]
    of_reapers = [system.pss([pid]) / 1024 for pid in helpers[1:]]
    without = system.pss(ours)
    for who, total, note in (
        ("smartmob", without, "agent, guardian, reapers"),
        ("and programs", without + system.pss(programs), f"and {len(programs):,} programs"),
    ):
        report.add(
            Row(
                what=f"{what}, memory (PSS) each",
                who=who,
                unit="KiB",
                values=(total / 1024 / idle.count,),
                note=f"{note}: {total / system.MIB:.0f} MiB",
            )
        )
    report.add(
        Row(
            what=f"{what}, memory (PSS) of a reaper",
            who="smartmob",
            unit="KiB",
            values=(median(of_reapers),),
            note=f"the agent {system.pss([made.pid]) / system.MIB:.0f} MiB",
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4, help="connections that create")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settle", type=float, default=80.0, metavar="SECONDS")
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--trace", type=float, default=5.0, metavar="SECONDS")
    return parser


BENCHMARK = command.Benchmark(
    name="bringup",
    parser=_parser(),
    measure=measure,
    short=(
        "--programs",
        "5",
        "--rounds",
        "1",
        "--settle",
        "0.1",
        "--idle",
        "0.2",
        "--trace",
        "0.2",
    ),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
