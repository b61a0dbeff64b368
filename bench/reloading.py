"""
SIGHUP with one of many programs changed: how long until its new program has written its first
line, and that no other was touched.  In turn with circus and its C{reloadconfig}.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic, sleep

from attrs import frozen

from bench import command, files, peers
from bench.agents import agent
from bench.building import build
from bench.collecting import Collector
from bench.ending import end
from bench.figures import Aim, Failed, Report, Row, ratios
from bench.files import Section
from bench.idling import PATIENCE
from bench.running import GRACE, left, running, sweep

ONE = Aim(bound=1)

# Circus' own client, without the time it takes to start: it says when it asks.
CIRCUS_CLIENT = """
import sys, time
from circus.client import CircusClient
client = CircusClient(endpoint=sys.argv[1], timeout=float(sys.argv[2]))
print(time.monotonic_ns(), flush=True)
client.call({"command": "reloadconfig", "properties": {}})
"""

Tell = Callable[[], float]
"""Has the file read again; when it was asked to: seconds, monotonic."""


@frozen
class Found:
    """
    What a reload did.

    @ivar seconds: Until the first line of the changed one's new program.
    @ivar restarted: Programs that took the place of others.
    """

    seconds: float
    restarted: int


@frozen
class Programs:
    """
    What runs, each with a section of its own.

    @ivar settle: Seconds for others to be restarted in, which none should.
    """

    program: Path
    count: int
    settle: float

    def sections(self, collector: Collector, change: str) -> list[Section]:
        """
        The sections, of which one, in their midst, is not always the same.
        """
        sections = [
            Section(f"idle{number}", f"{self.program} {collector.path}")
            for number in range(self.count)
        ]
        middle = self.count // 2
        changed = f"{sections[middle].command} {change}"
        sections[middle] = Section(sections[middle].name, changed)
        return sections

    def reload(
        self, collector: Collector, write: Callable[[Sequence[Section]], object], tell: Tell
    ) -> Found:
        """
        Change one.
        """
        collector.wait(self.count, PATIENCE)
        before = set(left(collector.pids, self.program.name))
        write(self.sections(collector, "second"))
        asked = tell()
        took = collector.wait(1, PATIENCE) - asked
        sleep(self.settle)
        kept = left(before, self.program.name)
        return Found(took, len(before) - len(kept))


def smartmob(programs: Programs, home: Path) -> Found:
    """
    An agent.
    """
    with closing(Collector(home / "collector")) as collector:

        def write(sections: Sequence[Section]) -> Path:
            return files.smartmob(home, sections)

        file = write(programs.sections(collector, "first"))
        with agent(home, "-c", file) as made:

            def tell() -> float:
                asked = monotonic()
                os.kill(made.pid, signal.SIGHUP)
                return asked

            return programs.reload(collector, write, tell)


def circus(programs: Programs, home: Path) -> Found:
    """
    U{circusd<https://circus.readthedocs.io>}, asked by its own client.
    """
    path = peers.circus()
    with closing(Collector(home / "collector")) as collector, ExitStack() as stack:

        def write(sections: Sequence[Section]) -> Path:
            return files.circus(home, sections)

        def tell() -> float:
            words: list[str | Path] = [path.with_name("python"), "-c", CIRCUS_CLIENT]
            client = subprocess.Popen(
                [*words, files.circus_sockets(home)["endpoint"], str(PATIENCE)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(end, client)
            assert client.stdout is not None, "it was asked for"
            with client.stdout:
                return float(client.stdout.readline() or "nan") * 1e-9

        file = write(programs.sections(collector, "first"))
        stack.callback(lambda: sweep(collector.pids, programs.program.name))
        stack.enter_context(running([path, file], home, grace=GRACE))
        return programs.reload(collector, write, tell)


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    programs = Programs(build(folder, "idle")["idle"], options.programs, options.settle)
    what = f"reload, 1 of {programs.count:,} programs changed"
    measures = {"smartmob": smartmob}
    if not options.no_peers:
        measures["circus"] = circus
    found: dict[str, list[Found]] = {who: [] for who in measures}
    for turn in range(options.rounds):
        for who, measured in list(measures.items()):
            home = folder / f"{who}-{turn}"
            home.mkdir()
            try:
                found[who].append(measured(programs, home))
            except (Failed, OSError) as error:
                if who == "smartmob":
                    raise
                report.add(Row(what=what, who=who, note=str(error)))
                del measures[who], found[who]
    _tell(report, what, found)
    if any(each.restarted != 1 for each in found["smartmob"]):
        raise Failed("a reload that changes one program has to restart that one")


def _tell(report: Report, what: str, found: dict[str, list[Found]]) -> None:
    seconds = {who: tuple(each.seconds for each in some) for who, some in found.items()}
    for who, some in found.items():
        compared = who == "smartmob" and "circus" in found
        report.add(
            Row(
                what=what,
                who=who,
                unit="s",
                values=seconds[who],
                ratios=ratios(seconds[who], seconds["circus"]) if compared else (),
                to="circus" if compared else "",
                note=_NOTES[who],
            )
        )
        report.add(
            Row(
                what=f"{what}: restarted",
                who=who,
                values=tuple(each.restarted for each in some),
                aim=ONE,
                note="programs whose pid is gone",
            )
        )


_NOTES = {
    "smartmob": "from SIGHUP to the first line of the new program",
    "circus": "from its client's reloadconfig to the same",
}


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, default=500)
    parser.add_argument("--settle", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


BENCHMARK = command.Benchmark(
    name="reloading",
    parser=_parser(),
    measure=measure,
    short=("--programs", "3", "--settle", "0.1", "--rounds", "1"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
