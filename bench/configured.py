"""
Programs of a configuration file: how long from the execution of the supervisor until each has
written its first line; and how long until the agent listens.

Written in both ways: one section for all of them, and a section for each; in turn with circus
and supervisor, who read the same programs from theirs.
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

from bench import command, files, peers
from bench.agents import agent
from bench.building import build
from bench.collecting import Collector
from bench.figures import Aim, Failed, Report, Row, ratios
from bench.files import Section
from bench.idling import PATIENCE, lines_missing
from bench.running import GRACE, running, sweep

BRINGUP_AIM = Aim(bound=0.5)
"""Times what circus takes."""

DOCUMENTED = Path(__file__).parent.parent / "examples/gafferd/gaffer.ini"
"""What gafferd's documentation shows."""


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


BringUp = Callable[[Form, Path, Path], float]
"""
Seconds from the start of a supervisor to the last first line.  It is given what to run, the
program, and a folder of its own.
"""


def smartmob(form: Form, program: Path, home: Path) -> float:
    """
    An agent, which keeps what they write.
    """
    with closing(Collector(home / "collector")) as collector:
        file = files.smartmob(home, form.sections(f"{program} {collector.path}"))
        with agent(home, "-c", file) as made:
            took = collector.wait(form.count, PATIENCE) - made.began
            if missing := lines_missing(made, form.slugs()):
                raise Failed(f"{missing} lines missing")
            return took


def circus() -> BringUp:
    """
    U{circusd<https://circus.readthedocs.io>}, told to keep what they write in files.
    """
    path = peers.circus()

    def measure(form: Form, program: Path, home: Path) -> float:
        return _peer(form, program, home, partial(files.circus, kept=True), path)

    return measure


def careless_circus() -> BringUp:
    """
    The same as it comes: nobody reads what they write.
    """
    path = peers.circus()

    def measure(form: Form, program: Path, home: Path) -> float:
        return _peer(form, program, home, files.circus, path)

    return measure


def supervisor() -> BringUp:
    """
    U{supervisord<http://supervisord.org>}, told to throw away what they write.
    """
    path = peers.supervisor()

    def measure(form: Form, program: Path, home: Path) -> float:
        return _peer(form, program, home, files.supervisor, path, "-n", "-c")

    return measure


def _peer(
    form: Form,
    program: Path,
    home: Path,
    write: Callable[[Path, Sequence[Section]], Path],
    *words: str | Path,
) -> float:
    with closing(Collector(home / "collector")) as collector:
        file = write(home, form.sections(f"{program} {collector.path}"))
        began = monotonic()
        try:
            with running([*words, file], home, grace=GRACE):
                return collector.wait(form.count, PATIENCE) - began
        finally:
            sweep(collector.pids, program.name)


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    program = build(folder, "idle")["idle"]
    measures: dict[str, BringUp] = {"smartmob": smartmob}
    if not options.no_peers:
        for who, peer in (
            ("circus", circus),
            ("circus-unread", careless_circus),
            ("supervisor", supervisor),
        ):
            try:
                measures[who] = peer()
            except Failed as error:
                report.add(Row(what="bring-up of a file", who=who, note=str(error)))
    _tell_listening(options.rounds, folder, report)
    for count in options.programs:
        for single in (True, False) if count > 1 else (True,):
            form = Form(count, single)
            home = folder / f"{count}-{single:d}"
            _compare(form, program, home, dict(measures), options.rounds, report)


def _compare(
    form: Form,
    program: Path,
    folder: Path,
    measures: dict[str, BringUp],
    rounds: int,
    report: Report,
) -> None:
    found: dict[str, list[float]] = {who: [] for who in measures}
    for turn in range(rounds):
        for who, measure in list(measures.items()):
            home = folder / f"{who}-{turn}"
            home.mkdir(parents=True)
            try:
                found[who].append(measure(form, program, home))
            except (Failed, OSError) as error:
                if who == "smartmob":
                    raise
                report.add(Row(what=str(form), who=who, note=str(error)))
                del measures[who], found[who]
    base = found.get("circus", [])
    for who, values in found.items():
        compared = ratios(values, base) if base and values is not base else ()
        report.add(
            Row(
                what=str(form),
                who=who,
                unit="s",
                values=tuple(values),
                ratios=compared,
                to="circus" if compared else "",
                aim=BRINGUP_AIM if compared and form.count > 1 and who == "smartmob" else None,
                note="each line is kept by the agent" if who == "smartmob" else _PEERS[who],
            )
        )


_PEERS = {
    "circus": "what is written goes through it to a file",
    "circus-unread": "as it comes: what is written goes to /dev/null",
    "supervisor": "what is written is thrown away",
}


def _tell_listening(rounds: int, folder: Path, report: Report) -> None:
    """
    How long until the agent listens, in turn with and without a file.
    """
    without: list[float] = []
    documented: list[float] = []
    with agent(folder / "first"):
        pass  # nobody may have compiled its modules yet
    for turn in range(rounds):
        for name, words, found in (
            ("bare", (), without),
            ("documented", ("-c", DOCUMENTED), documented),
        ):
            with agent(folder / f"{name}-{turn}", *words) as made:
                found.append(made.listened - made.began)
    for what, values, note in (
        ("without a file", without, "from the execution to 'Listening on'"),
        ("with the documented file", documented, "the same; its programs are not waited for"),
    ):
        row = Row(
            what=f"start {what}",
            who="smartmob",
            unit="ms",
            values=tuple(value * 1e3 for value in values),
            note=note,
        )
        report.add(row)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, nargs="*", default=[1, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    return parser


BENCHMARK = command.Benchmark(
    name="configured",
    parser=_parser(),
    measure=measure,
    short=("--programs", "3", "--rounds", "1"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
