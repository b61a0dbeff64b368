"""
Programs that are created by REST: how long until each has written its first line, and what the
agent answers meanwhile.

They come from one archive, over a few connections.  No peer is told by HTTP; pm2, whose daemon
runs, is told of as many by its own client.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from bench import archives, command, peers, pm2
from bench.agents import COMPILED, agent, kinds
from bench.building import build
from bench.collecting import Collector
from bench.contest import Contender, contest
from bench.figures import Aim, Failed, Report, Row, percentile
from bench.idling import PATIENCE, Idle, lines_missing
from bench.pinging import pinged

PING_AIM = Aim(bound=50)
"""Milliseconds."""

MANY = 500
"""So many programs are too many for pm2."""

BEFORE = 0.3
"""Seconds for which the agent is asked before, so that it is asked in time."""


def smartmob(
    idle: Idle, clients: int, python: bool, pings: list[list[float]], home: Path
) -> float:
    """
    An agent, which keeps what they write.

    @param pings: Gets the seconds of each answer meanwhile.
    """
    with (
        closing(Collector(home / "collector")) as collector,
        archives.served(idle.archive(collector)) as source,
        agent(home / "agent", python=python) as made,
    ):
        with pinged(made.port) as answers:
            sleep(BEFORE)
            began = monotonic()
            idle.create(made, source, clients)
            took = collector.wait(idle.count, PATIENCE) - began
        pings.append(answers)
        if missing := lines_missing(made, idle.slugs()):
            raise Failed(f"{missing} lines missing")
        return took


def warm_pm2(path: Path, idle: Idle, home: Path) -> float:
    """
    U{pm2<https://pm2.keymetrics.io>}, whose daemon runs.
    """
    with closing(Collector(home / "collector")) as collector, pm2.told(path, home) as tell:
        file = pm2.file(home, [idle.section(collector)])
        tell("ping")
        began = monotonic()
        tell("start", file)
        return collector.wait(idle.count, PATIENCE) - began


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    program = build(folder, "idle")["idle"]
    if COMPILED not in kinds():
        report.add(Row(what="bring-up by REST", who=COMPILED, note="no compiled guardian"))
    for count in options.programs:
        what = f"bring-up of {count:,} programs by REST"
        idle = Idle(program, count)
        pings: dict[str, list[list[float]]] = {who: [] for who in kinds()}
        contenders = [
            Contender(
                who=who,
                measure=partial(smartmob, idle, options.clients, python, pings[who]),
                note="from the first request; each line is kept by the agent",
            )
            for who, python in kinds().items()
        ]
        if not options.no_peers and count < MANY:
            try:
                path = peers.pm2()
            except Failed as error:
                report.add(Row(what=what, who="pm2", note=str(error)))
            else:
                peer = partial(warm_pm2, path, idle)
                note = "pm2 start, with a daemon that runs"
                contenders.append(Contender(who="pm2", measure=peer, note=note, peer=True))
        contest(what, contenders, options.rounds, folder / f"{count}", report)
        for who, answers in pings.items():
            _tell_pings(what, who, answers, report)


def _tell_pings(what: str, who: str, pings: list[list[float]], report: Report) -> None:
    for percent, aim in ((50, None), (99, PING_AIM), (100, None)):
        report.add(
            Row(
                what=f"{what}, /ping meanwhile, p{percent}",
                who=who,
                unit="ms",
                values=tuple(percentile(answers, percent) * 1e3 for answers in pings),
                aim=aim if who == COMPILED else None,
                note=f"{sum(map(len, pings)):,} answers",
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--clients", type=int, default=4, help="connections that create")
    parser.add_argument("--rounds", type=int, default=7)
    return parser


BENCHMARK = command.Benchmark(
    name="bringup",
    parser=_parser(),
    measure=measure,
    short=("--programs", "5", "--rounds", "1"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
