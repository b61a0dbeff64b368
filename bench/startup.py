"""
The start of a supervisor: from its execution to the first line of the first program that it
is told to run; and how long until an agent listens.

An agent is told by REST once it says that it listens, and has to fetch the program; each peer
in its own way.  A twistd that imports the same libraries and does nothing else is beside them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic

from bench import archives, command, files, peers, pm2
from bench.agents import COMPILED, agent, kinds
from bench.building import build
from bench.collecting import Collector
from bench.contest import Contender, contest
from bench.figures import Aim, Failed, Report, Row, ratios
from bench.files import Section
from bench.idling import Idle
from bench.running import running, sweep

AIM = Aim(bound=1.5)
"""Times what pm2 takes, for an agent with the compiled guardian."""

DOCUMENTED = Path(__file__).parent.parent / "examples/gafferd/gaffer.ini"
"""What gafferd's documentation shows."""

PATIENCE = 60.0
"""Seconds for the first line."""

GRACE = 2.0
"""Seconds for a peer to end, whose program is swept afterwards."""


def smartmob(program: Path, python: bool, home: Path) -> float:
    """
    An agent.
    """
    with closing(Collector(home / "collector")) as collector:
        archive = Idle(program, 1).archive(collector)
        with archives.served(archive) as source, agent(home, python=python) as made:
            made.create("idle", "idle", source)
            return collector.wait(1, PATIENCE) - made.began


def cold_pm2(path: Path, program: Path, home: Path) -> float:
    """
    A pm2 whose daemon does not run yet.
    """
    with closing(Collector(home / "collector")) as collector, pm2.told(path, home) as tell:
        file = pm2.file(home, [_section(program, collector)])
        began = monotonic()
        tell("start", file)
        return collector.wait(1, PATIENCE) - began


def supervisor(path: Path, program: Path, home: Path) -> float:
    """
    U{supervisord<http://supervisord.org>}, with a file.
    """
    with closing(Collector(home / "collector")) as collector:
        file = files.supervisor(home, [_section(program, collector)])
        return _first_line([path, "-n", "-c", file], program, collector, home)


def circus(path: Path, program: Path, home: Path) -> float:
    """
    U{circusd<https://circus.readthedocs.io>}, with a file.
    """
    with closing(Collector(home / "collector")) as collector:
        file = files.circus(home, [_section(program, collector)])
        return _first_line([path, file], program, collector, home)


def twistd(program: Path, home: Path) -> float:
    """
    twistd with the libraries of an agent, and a resource of Klein's.
    """
    path = Path(sys.executable).with_name("twistd")
    tac = Path(__file__).parent / "programs/bare.tac"
    with closing(Collector(home / "collector")) as collector:
        more = {"BARE_PROGRAM": str(program), "BARE_WORD": str(collector.path)}
        words: list[str | Path] = [
            path,
            "--nodaemon",
            "--no_save",
            "--pidfile=",
            "--python",
            tac,
        ]
        return _first_line(words, program, collector, home, more)


def _section(program: Path, collector: Collector) -> Section:
    return Section("idle", f"{program} {collector.path}")


def _first_line(
    words: list[str | Path],
    program: Path,
    collector: Collector,
    home: Path,
    more: Mapping[str, str] | None = None,
) -> float:
    began = monotonic()
    try:
        with running(words, home, grace=GRACE, more=more):
            return collector.wait(1, PATIENCE) - began
    finally:
        sweep(collector.pids, program.name)


Peer = Callable[[Path, Path, Path], float]
"""Seconds; is given the peer, the program, and a folder."""

PEERS: tuple[tuple[str, Callable[[], Path], Peer, str], ...] = (
    ("pm2", peers.pm2, cold_pm2, "pm2 start, without a daemon"),
    ("supervisor", peers.supervisor, supervisor, "a file with the program"),
    ("circus", peers.circus, circus, "a file with the program"),
)


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    program = build(folder, "idle")["idle"]
    what = "start-up to the first program's line"
    contenders = [
        Contender(
            who=who,
            measure=partial(smartmob, program, python),
            note="until it listens, then by REST",
            aim=None if python else AIM,
        )
        for who, python in kinds().items()
    ]
    if COMPILED not in kinds():
        report.add(Row(what=what, who=COMPILED, note="there is no compiled guardian"))
    if not options.no_peers:
        contenders += _peers(what, program, report)
    contest(what, contenders, options.rounds, folder, report, to="pm2")
    _tell_listening(options.rounds, folder, report)


def _peers(what: str, program: Path, report: Report) -> Iterator[Contender]:
    note = "imports what an agent has imported, and starts it"
    yield Contender(who="twistd", measure=partial(twistd, program), note=note, peer=True)
    for who, find, peer, how in PEERS:
        try:
            measured = partial(peer, find(), program)
        except Failed as error:
            report.add(Row(what=what, who=who, note=str(error)))
        else:
            yield Contender(who=who, measure=measured, note=how, peer=True)


def _tell_listening(rounds: int, folder: Path, report: Report) -> None:
    """
    How long until an agent listens, in turn with and without a file.
    """
    found: dict[str, list[float]] = {"without a file": [], "with the documented file": []}
    for turn in range(rounds):
        for (what, values), words in zip(found.items(), ((), ("-c", DOCUMENTED)), strict=True):
            with agent(folder / f"{what}-{turn}", *words) as made:
                values.append(made.listened - made.began)
    for what, values in found.items():
        bare = found["without a file"]
        report.add(
            Row(
                what=f"start-up to 'Listening on', {what}",
                who="smartmob",
                unit="s",
                values=tuple(values),
                ratios=() if values is bare else ratios(values, bare),
                to="" if values is bare else "no file",
                note="" if values is bare else "its programs are not waited for",
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    return parser


BENCHMARK = command.Benchmark(
    name="startup", parser=_parser(), measure=measure, short=("--rounds", "1")
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
