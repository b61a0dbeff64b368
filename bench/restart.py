"""
How long it takes until a program that ended runs again: from its exit to the first line of
its next run, both told by the program itself.

The floor is a loop of posix_spawn and waitpid with the same program in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from attrs import frozen

from bench import archives, command, files, peers
from bench.agents import STARTS_AT_ONCE, Agent, agent
from bench.building import build
from bench.ending import wait_for
from bench.figures import Aim, Failed, Report, Row, percentile, ratios
from bench.files import Section
from bench.idling import Idle, idling
from bench.running import running

BLOCKS = 5
"""So many times the runs are taken in turn."""

AIMS = {0: Aim(bound=8), 1000: Aim(bound=12)}
"""Times the floor, with so many others."""


@frozen
class Program:
    """
    A program that is soon over.

    @ivar log: Where it tells of each of its runs.
    """

    path: Path
    log: Path
    milliseconds: int

    @property
    def words(self) -> tuple[str, ...]:
        """
        Its command line.
        """
        return str(self.path), str(self.log), str(self.milliseconds)

    def gaps(self) -> list[float]:
        """
        Seconds from the end of each run to the beginning of the next.
        """
        found = []
        ended: int | None = None
        for record in self.log.read_text().splitlines() if self.log.exists() else ():
            kind, moment = record.split()
            if kind == "L":
                ended = int(moment)
            elif ended is not None:
                found.append((int(moment) - ended) * 1e-9)
                ended = None
        return found

    def wait(self, restarts: int, seconds: float) -> list[float]:
        """
        Wait for so many restarts.
        """
        wait_for(
            f"{restarts} restarts", lambda: len(self.gaps()) >= restarts, seconds + restarts
        )
        return self.gaps()[:restarts]


Measure = Callable[[Program, int], list[float]]
"""Restart a program so many times; the seconds that each took."""


def floor(spawner: Path) -> Measure:
    """
    What no supervisor can be faster than.
    """

    def measure(program: Program, restarts: int) -> list[float]:
        subprocess.run(
            [spawner, str(restarts + 1), *program.words],
            stdout=subprocess.DEVNULL,
            timeout=60 + restarts,
            check=True,
        )
        return program.gaps()

    return measure


def smartmob(made: Agent) -> Measure:
    """
    A process of this agent.
    """

    def measure(program: Program, restarts: int) -> list[float]:
        archive = archives.pack({"brief": " ".join(program.words)})
        with archives.served(archive) as source:
            slug = made.create("brief", "brief", source, flapping=STARTS_AT_ONCE)
            try:
                return program.wait(restarts, 60)
            finally:
                made.delete(slug)

    return measure


def supervisor(folder: Path) -> Measure:
    """
    U{supervisord<http://supervisord.org>}, told to restart at once and for ever.
    """
    path = peers.supervisor()

    def measure(program: Program, restarts: int) -> list[float]:
        more = ("autorestart=true", "startsecs=0")
        brief = Section("brief", " ".join(program.words), more=more)
        file = files.supervisor(folder, [brief])
        return _run([path, "-n", "-c", file], program, restarts, folder)

    return measure


def circus(folder: Path) -> Measure:
    """
    U{circusd<https://circus.readthedocs.io>}, as it is.
    """
    path = peers.circus()

    def measure(program: Program, restarts: int) -> list[float]:
        file = files.circus(folder, [Section("brief", " ".join(program.words))])
        return _run([path, file], program, restarts, folder)

    return measure


def pm2(folder: Path) -> Measure:
    """
    U{pm2<https://pm2.keymetrics.io>}, told that no run is too short.
    """
    path = peers.pm2()

    def measure(program: Program, restarts: int) -> list[float]:
        env = {**os.environ, "PM2_HOME": str(folder / "pm2")}

        def tell(*words: str | Path) -> None:
            subprocess.run(
                [path, *words], env=env, cwd=folder, capture_output=True, timeout=60, check=True
            )

        brief = {
            "name": "brief",
            "script": str(program.path),
            "args": list(program.words[1:]),
            "interpreter": "none",
            "min_uptime": 100,
            "max_restarts": 1_000_000,
        }
        file = folder / "brief.json"
        file.write_text(json.dumps({"apps": [brief]}))
        try:
            tell("start", file)
            return program.wait(restarts, 60)
        finally:
            tell("kill")

    return measure


def _run(words: list[str | Path], program: Program, restarts: int, folder: Path) -> list[float]:
    with running(words, folder):
        return program.wait(restarts, 60 + 9 * restarts)


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "brief", "idle", "spawn_floor")
    logs = iter(range(1 << 30))

    def program() -> Program:
        return Program(built["brief"], folder / f"log-{next(logs)}", options.milliseconds)

    for count in options.others:
        with ExitStack() as stack:
            made = stack.enter_context(agent(folder / f"with-{count}"))
            if count:
                stack.enter_context(idling(made, Idle(built["idle"], count), folder))
            _compare(
                options.restarts,
                f"restart, {count:,} others",
                [("floor (C)", floor(built["spawn_floor"])), ("smartmob", smartmob(made))],
                program,
                report,
                AIMS.get(count),
            )
    if options.no_peers:
        return
    for who, peer, restarts in (
        ("supervisor", supervisor, options.restarts // 20),
        ("circus", circus, options.restarts // 20),
        ("pm2", pm2, options.restarts // 2),
    ):
        home = folder / who
        home.mkdir()
        try:
            gaps = peer(home)(program(), max(1, restarts))
        except (Failed, OSError, subprocess.SubprocessError) as error:
            report.add(Row(what="restart, 0 others", who=who, note=str(error)))
            continue
        _tell(report, "restart, 0 others", who, [gaps], [])


def _compare(
    restarts: int,
    what: str,
    measures: list[tuple[str, Measure]],
    program: Callable[[], Program],
    report: Report,
    aim: Aim | None,
) -> None:
    """
    The first of the measures is what all are compared with.
    """
    found: dict[str, list[list[float]]] = {who: [] for who, _ in measures}
    for _ in range(min(BLOCKS, restarts)):
        for who, measure in measures:
            found[who].append(measure(program(), max(1, restarts // BLOCKS)))
    base = found[measures[0][0]]
    for who, blocks in found.items():
        _tell(report, what, who, blocks, [] if blocks is base else base, aim)


def _tell(
    report: Report,
    what: str,
    who: str,
    blocks: list[list[float]],
    base: list[list[float]],
    aim: Aim | None = None,
) -> None:
    for percent in (50, 90):
        values = _milliseconds(blocks, percent)
        report.add(
            Row(
                what=f"{what}, p{percent}",
                who=who,
                unit="ms",
                values=values,
                ratios=ratios(values, _milliseconds(base, percent)) if base else (),
                to="floor" if base else "",
                aim=aim if base else None,
                note=f"{sum(map(len, blocks))} restarts",
            )
        )


def _milliseconds(blocks: list[list[float]], percent: float) -> tuple[float, ...]:
    return tuple(percentile(block, percent) * 1e3 for block in blocks)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--restarts", type=int, default=200)
    parser.add_argument("--milliseconds", type=int, default=100, help="of each run")
    parser.add_argument("--others", type=int, nargs="*", default=[0, 1000])
    return parser


BENCHMARK = command.Benchmark(
    name="restart",
    parser=_parser(),
    measure=measure,
    short=("--restarts", "2", "--milliseconds", "10", "--others", "2"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
