"""
Programs of a configuration file: how long from the execution of the supervisor until each has
written its first line.

Written in both ways: one section for all of them, and a section for each; in turn with circus,
and with supervisor and pm2 who read the same programs from a file of theirs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import monotonic

from attrs import frozen

from bench import command, files, peers, pm2
from bench.agents import COMPILED, agent, kinds
from bench.building import build
from bench.collecting import Collector
from bench.contest import Contender, contest
from bench.figures import Aim, Failed, Report, Row
from bench.files import Section
from bench.idling import PATIENCE, lines_missing
from bench.running import running, sweep

BRINGUP_AIM = Aim(bound=0.5)
"""Times what the best peer takes, for an agent with the compiled guardian."""

MANY = 500
"""From so many programs on, peers take part in each fourth round, and some in none."""

GRACE = 1.0
"""Seconds for a peer to end, whose programs are swept afterwards."""


@frozen
class Form:
    """
    A way to write down so many programs.

    @ivar single: One section for all of them.
    """

    count: int
    single: bool

    def __str__(self) -> str:
        if self.count == 1:
            return "bring-up of a file with 1 program"
        sections = "1 section" if self.single else f"{self.count:,} sections"
        return f"bring-up of a file with {self.count:,} programs, {sections}"

    def sections(self, words: str) -> list[Section]:
        """
        The sections.

        @param words: What each program is executed with.
        """
        if self.single:
            return [Section("idle", words, self.count)]
        return [Section(f"idle{number}", words) for number in range(self.count)]

    def slugs(self) -> Iterator[str]:
        """
        What the agent calls the programs.
        """
        for section in self.sections(""):
            for number in range(section.count):
                yield f"default.{section.name}.{number}"


def smartmob(form: Form, program: Path, python: bool, home: Path) -> float:
    """
    An agent, which keeps what they write.
    """
    with closing(Collector(home / "collector")) as collector:
        file = files.smartmob(home, form.sections(f"{program} {collector.path}"))
        with agent(home, "-c", file, python=python) as made:
            took = collector.wait(form.count, PATIENCE) - made.began
            if missing := lines_missing(made, form.slugs()):
                raise Failed(f"{missing} lines missing")
            return took


def cold_pm2(path: Path, form: Form, program: Path, home: Path) -> float:
    """
    U{pm2<https://pm2.keymetrics.io>}, whose daemon does not run yet.
    """
    with closing(Collector(home / "collector")) as collector, pm2.told(path, home) as tell:
        file = pm2.file(home, form.sections(f"{program} {collector.path}"))
        began = monotonic()
        tell("start", file)
        return collector.wait(form.count, PATIENCE) - began


def _peer(
    write: Callable[[Path, Sequence[Section]], Path],
    words: Sequence[str | Path],
    form: Form,
    program: Path,
    home: Path,
) -> float:
    with closing(Collector(home / "collector")) as collector:
        file = write(home, form.sections(f"{program} {collector.path}"))
        began = monotonic()
        try:
            with running([*words, file], home, grace=GRACE):
                return collector.wait(form.count, PATIENCE) - began
        finally:
            sweep(collector.pids, program.name)


Peer = Callable[[Form, Path, Path], float]
"""
Seconds from the start of a peer to the last first line.  It is given what to run, the program,
and a folder of its own.
"""


@frozen
class Known:
    """
    A peer that may take part.

    @ivar measure: C{None}: it can't be had here.
    @ivar note: How it is measured, or why it is not.
    """

    who: str
    measure: Peer | None
    note: str

    def takes_part(self, form: Form) -> bool:
        """
        Whether there is time for it.
        """
        if self.who == "circus":
            return True
        if self.who == "pm2":
            return form.single and form.count < MANY
        return form.single


def _known() -> Iterator[Known]:
    def found(
        who: str, path: Callable[[], Path], with_path: Callable[[Path], Peer], note: str
    ) -> Known:
        try:
            return Known(who, with_path(path()), note)
        except Failed as error:
            return Known(who, None, str(error))

    yield found(
        "circus",
        peers.circus,
        lambda path: partial(_peer, files.circus, [path]),
        "as it comes: what is written goes to /dev/null",
    )
    yield found(
        "circus-kept",
        peers.circus,
        lambda path: partial(_peer, partial(files.circus, kept=True), [path]),
        "what is written goes through it to a file",
    )
    yield found(
        "supervisor",
        peers.supervisor,
        lambda path: partial(_peer, files.supervisor, [path, "-n", "-c"]),
        "what is written is thrown away",
    )
    yield found(
        "pm2",
        peers.pm2,
        lambda path: partial(cold_pm2, path),
        "pm2 start, without a daemon",
    )


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    program = build(folder, "idle")["idle"]
    known = [] if options.no_peers else list(_known())
    if COMPILED not in kinds():
        report.add(Row(what="bring-up", who=COMPILED, note="there is no compiled guardian"))
    for count in options.programs:
        for single in (True, False) if count > 1 else (True,):
            form = Form(count, single)
            home = folder / f"{count}-{single:d}"
            contenders = [*_agents(form, program), *_peers(form, program, known, report)]
            contest(str(form), contenders, options.rounds, home, report)


def _agents(form: Form, program: Path) -> Iterator[Contender]:
    for who, python in kinds().items():
        yield Contender(
            who=who,
            measure=partial(smartmob, form, program, python),
            note="each line is kept by the agent",
            every=2 if python and form.count >= MANY else 1,
            aim=BRINGUP_AIM if form.count > 1 and not python else None,
        )


def _peers(
    form: Form, program: Path, known: Sequence[Known], report: Report
) -> Iterator[Contender]:
    for peer in known:
        if not peer.takes_part(form):
            continue
        if peer.measure is None:
            report.add(Row(what=str(form), who=peer.who, note=peer.note))
            continue
        yield Contender(
            who=peer.who,
            measure=partial(peer.measure, form, program),
            note=peer.note,
            peer=True,
            every=4 if form.count >= MANY else 1,
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, nargs="*", default=[1, 100, 1000])
    parser.add_argument("--rounds", type=int, default=7)
    return parser


BENCHMARK = command.Benchmark(
    name="configured",
    parser=_parser(),
    measure=measure,
    short=("--programs", "3", "--rounds", "1"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
