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
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from attrs import frozen

from bench import archives, command, files, peers
from bench.agents import COMPILED, PYTHON, STARTS_AT_ONCE, Agent, agent, kinds
from bench.building import build
from bench.ending import wait_for
from bench.figures import Aim, Failed, Report, Row, percentile, ratios
from bench.files import Section
from bench.idling import Idle, idling
from bench.running import running

AIMS = {0: Aim(bound=2.5), 1000: Aim(bound=4)}
"""Times the floor, with so many others, for an agent with the compiled guardian."""

DESCRIPTORS = 3000
"""What the agent has open with 1,000 others."""


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


@frozen
class Contender:
    """
    Who is measured.

    @ivar who: As the table has it.
    @ivar restarts: So many a round.
    @ivar aim: For the median.
    """

    who: str
    measure: Measure
    restarts: int
    aim: Aim | None = None


def floor(spawner: Path, descriptors: int = 0) -> Measure:
    """
    What no supervisor can be faster than.

    @param descriptors: So many are open in it.
    """

    def measure(program: Program, restarts: int) -> list[float]:
        subprocess.run(
            [spawner, str(restarts + 1), str(descriptors), *program.words],
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

    agents = kinds()
    if COMPILED not in agents:
        report.add(Row(what="restart", who=COMPILED, note="there is no compiled guardian"))
    for count in options.others:
        what = f"restart, {count:,} others"
        contenders = [Contender("floor (C)", floor(built["spawn_floor"]), options.restarts)]
        with ExitStack() as stack:
            for who, python in agents.items():
                home = folder / f"{who}-with-{count}"
                made = stack.enter_context(agent(home, python=python))
                if count:
                    stack.enter_context(idling(made, Idle(built["idle"], count), home))
                aim = None if python else AIMS.get(count)
                contenders.append(Contender(who, smartmob(made), options.restarts, aim))
            if count:
                held = floor(built["spawn_floor"], DESCRIPTORS)
                name = f"floor (C), {DESCRIPTORS:,} descriptors"
                contenders.append(Contender(name, held, options.restarts))
            elif not options.no_peers:
                contenders += _peers(folder, report, what, options.restarts)
            _compare(options.rounds, what, contenders, program, report)


def _peers(folder: Path, report: Report, what: str, restarts: int) -> Iterator[Contender]:
    for who, peer, share in (
        ("supervisor", supervisor, 12),  # it takes a second for each
        ("circus", circus, 25),  # and it five
        ("pm2", pm2, 1),
    ):
        home = folder / who
        home.mkdir()
        try:
            yield Contender(who, peer(home), max(1, restarts // share))
        except (Failed, OSError) as error:
            report.add(Row(what=what, who=who, note=str(error)))


def _compare(
    rounds: int,
    what: str,
    contenders: list[Contender],
    program: Callable[[], Program],
    report: Report,
) -> None:
    """
    The first of them is what all are compared with.
    """
    found: dict[str, list[list[float]]] = {each.who: [] for each in contenders}
    base = found[contenders[0].who]
    for _ in range(rounds):
        for each in contenders:
            gaps = found.get(each.who)
            if gaps is None:
                continue
            try:
                gaps.append(each.measure(program(), each.restarts))
            except (Failed, OSError, subprocess.SubprocessError) as error:
                if each.who in (contenders[0].who, COMPILED, PYTHON):
                    raise
                report.add(Row(what=what, who=each.who, note=str(error)))
                del found[each.who]
    for each in contenders:
        blocks = found.get(each.who)
        if blocks:
            _tell(report, what, each, blocks, [] if blocks is base else base)


def _tell(
    report: Report,
    what: str,
    contender: Contender,
    blocks: list[list[float]],
    base: list[list[float]],
) -> None:
    for percent in (50, 90):
        values = _milliseconds(blocks, percent)
        report.add(
            Row(
                what=f"{what}, p{percent}",
                who=contender.who,
                unit="ms",
                values=values,
                ratios=ratios(values, _milliseconds(base, percent)) if base else (),
                to="floor" if base else "",
                aim=contender.aim if percent == 50 else None,
                note=f"{sum(map(len, blocks)):,} restarts",
            )
        )


def _milliseconds(blocks: list[list[float]], percent: float) -> tuple[float, ...]:
    return tuple(percentile(block, percent) * 1e3 for block in blocks)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--restarts", type=int, default=25, help="a round")
    parser.add_argument("--milliseconds", type=int, default=60, help="of each run")
    parser.add_argument("--others", type=int, nargs="*", default=[0, 1000])
    return parser


BENCHMARK = command.Benchmark(
    name="restart",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--restarts", "2", "--milliseconds", "10", "--others", "2"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
