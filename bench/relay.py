"""
Lines a second, from a program to its WebSocket clients: to one, to ten and to a hundred.

Every line is compared with what it has to be.  The floor is a relay in C that does nothing
else.  Of websocketd each client has a program of its own: that is what it does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from attrs import define, evolve, field, frozen

from bench import archives, command, peers, raw_peers, relay_peers, relaying, system
from bench.agents import COMPILED, PYTHON, agent
from bench.building import build
from bench.emitting import Emission
from bench.figures import Aim, Failed, Report, Row, ratios
from bench.relaying import Measure, Run
from smartmob.lines import encoder

KINDS = {
    "fixed": "80 bytes",
    "mixed": "10-150 bytes, 1 in 10 not ASCII",
    "single": "80 bytes, a line a write",
}
"""The first two are written in blocks of 4 KiB."""

AIMED = ("fixed", "mixed")
"""An aim holds for the worse of these."""

CLIENTS = (1, 10, 100)

PEER_AIMS = {1: Aim(bound=30, least=True)}
"""Times the best peer with frames, with so many clients."""

FLOOR_AIMS = {
    1: Aim(bound=1 / 3, least=True),
    10: Aim(bound=1 / 2, least=True),
    100: Aim(bound=1 / 2, least=True),
}
"""Times the floor."""

CPU_AIM = Aim(bound=0.2)
"""Seconds a million lines, with one client."""

MEMORY_AIM = Aim(bound=16)
"""MiB that the agent may grow over all rounds."""

FEWER = {1: 1, 10: 3, 100: 16}
"""Less often than with one client the lines of a round are moved by those who are fast."""

SLOWER = 40
"""Times that peers are slower, about; so many fewer lines they get, of all clients together."""

SLOWEST = {"supervisor": 5}
"""
Times that one is slower than other peers.  Its client looks through all it has got whenever
something more comes, so with many lines at once it would take minutes for them.
"""

SMARTMOB = COMPILED
FLOOR = "floor (C)"

ALONE = (PYTHON, *raw_peers.RAW)
"""
Those who have one client: one is enough to tell, or each is a program with all of node or
Python.
"""


@frozen
class Column:
    """
    What is relayed, and to how many.
    """

    kind: str
    clients: int

    def lines(self, who: str, most: int) -> int:
        """
        How many: a rate is a rate, and the slow ones need not take longer.
        """
        if who in (SMARTMOB, PYTHON, FLOOR):
            return max(1, most // FEWER[self.clients] // (2 if self.kind == "single" else 1))
        return max(1, most // SLOWER // SLOWEST.get(who, 1) // self.clients)

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}, {_clients(self.clients)}"


@define
class Cell:
    """
    The rounds of one of them.

    @ivar who: With its version.
    @ivar broken: Why one has no figure; then all have none.
    """

    who: str
    runs: list[Run] = field(factory=list)
    broken: str = ""

    @property
    def rates(self) -> tuple[float, ...]:
        """
        Lines a second, of all clients together; none where a round has none.
        """
        return () if self.broken else tuple(run.rate for run in self.runs)

    @property
    def cpu(self) -> tuple[float, ...]:
        """
        CPU seconds a million lines.
        """
        return () if self.broken else tuple(run.cpu_a_million for run in self.runs)

    def note(self) -> str:
        """
        What else is to be known.
        """
        if self.broken or not self.runs:
            return self.broken
        wrong = next((run.note for run in self.runs if run.note), "")
        lines = sum(run.lines for run in self.runs)
        return wrong or f"{lines:,} lines as they have to be"


Cells = dict[str, dict[Column, Cell]]
"""By who, those of whom nothing can be measured without any."""


def best_peer(cells: Cells, column: Column) -> str | None:
    """
    Which peer with frames has most lines there.
    """
    rates = {
        who: median(cells[who][column].rates)
        for who in relay_peers.FRAMED
        if who in cells and cells[who][column].rates
    }
    return max(rates, key=rates.__getitem__, default=None)


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit", "receive", "receive_raw", "relay_floor")
    with (
        archives.served(archives.pack({"emit": "$EMIT"})) as source,
        agent(folder / "agent") as made,
        agent(folder / "python", python=True) as beside,
    ):
        measures: dict[str, Measure] = {
            SMARTMOB: relaying.smartmob(made, source, built["receive"]),
            FLOOR: relaying.floor(built["relay_floor"], built["receive"]),
        }
        if encoder.runs(os.environ) == encoder.COMPILED:
            measures[PYTHON] = relaying.smartmob(beside, source, built["receive"])
        if not options.no_peers:
            for who, found in _peers(built, folder):
                if isinstance(found, str):
                    report.add(Row(what="relay", who=who, note=found))
                else:
                    measures[who] = found
        for clients in CLIENTS:  # what is made once is made now
            warming = Emission.make(built["emit"], "mixed", options.lines // 20, folder)
            measures[SMARTMOB](warming, clients)
        before = system.rss(made.pid)
        system.forget_peak(made.pid)
        names = {who: f"{who} {peers.version(who)}".strip() for who in measures}
        cells = _rounds(options, measures, names, built["emit"], folder)
        _tell(report, cells)
        report.add(
            Row(
                what="relay, growth of the agent's memory, at its peak",
                who=SMARTMOB,
                unit="MiB",
                values=((system.peak(made.pid) - before) / system.MIB,),
                aim=MEMORY_AIM,
                note=f"before {before / system.MIB:.1f}, "
                f"after {system.rss(made.pid) / system.MIB:.1f}",
            )
        )


def _peers(built: Mapping[str, Path], folder: Path) -> Iterator[tuple[str, Measure | str]]:
    """
    Each, or why it can't be had.
    """
    for who, framed in relay_peers.FRAMED.items():
        try:
            yield who, relay_peers.relaying(framed(), built["receive"])
        except peers.NotInstalled as error:
            yield who, str(error)
    for who, raw in raw_peers.RAW.items():
        try:
            yield who, raw(folder / who, built["receive_raw"])
        except peers.NotInstalled as error:
            yield who, str(error)


def _rounds(
    options: argparse.Namespace,
    measures: Mapping[str, Measure],
    names: Mapping[str, str],
    emit: Path,
    folder: Path,
) -> Cells:
    """
    All of them in turn, in each round.
    """
    cells: Cells = {who: {} for who in measures}
    for clients in CLIENTS:
        for _ in range(options.rounds):
            for kind in KINDS:
                for who, measure in measures.items():
                    if who in ALONE and clients > 1:
                        continue
                    column = Column(kind, clients)
                    cell = cells[who].setdefault(column, Cell(names[who]))
                    count = column.lines(who, options.lines)
                    try:
                        run = measure(Emission.make(emit, kind, count, folder), clients)
                    except (Failed, OSError, subprocess.SubprocessError) as error:
                        cell.broken = str(error)
                    else:
                        cell.runs.append(run)
    return cells


def _tell(report: Report, cells: Cells) -> None:
    for clients in CLIENTS:
        columns = [Column(kind, clients) for kind in KINDS]
        for column in columns:
            rows = _compared(cells, column)
            for who, found in cells.items():
                if column in found and not (who == SMARTMOB and rows):
                    rows.append(_rate(f"relay, {column}", column, found[column]))
            for row in rows:
                report.add(row)
        aimed = [column for column in columns if column.kind in AIMED]
        for aims, to in ((PEER_AIMS, None), (FLOOR_AIMS, FLOOR)):
            worse = _worse(cells, aimed, to)
            if worse is not None:
                report.add(evolve(worse, aim=aims.get(clients)))
    for kind in KINDS:
        for who, found in cells.items():
            report.add(_cpu(kind, who, found[Column(kind, 1)]))


def _rate(what: str, column: Column, cell: Cell) -> Row:
    return Row(
        what=what,
        who=cell.who,
        unit="lines/s each",
        values=tuple(rate / column.clients for rate in cell.rates),
        note=cell.note(),
    )


def _beside(cells: Cells, what: str, column: Column, whose: str | None) -> Row | None:
    """
    smartmob, and its ratio to somebody.
    """
    ours = cells[SMARTMOB][column]
    theirs = () if whose is None else cells[whose][column].rates
    if whose is None or not ours.rates or not theirs:
        return None
    row = _rate(what, column, ours)
    return evolve(row, ratios=ratios(ours.rates, theirs), to=whose)


def _compared(cells: Cells, column: Column) -> list[Row]:
    """
    smartmob to the best peer with frames, and to the floor.
    """
    beside = (best_peer(cells, column), FLOOR)
    rows = (_beside(cells, f"relay, {column}", column, whose) for whose in beside)
    return [row for row in rows if row is not None]


def _worse(cells: Cells, columns: list[Column], to: str | None) -> Row | None:
    """
    The column with the lower ratio; C{None} where one of them was not measured.

    @param to: C{None}: the best peer of each.
    """
    rows = []
    for column in columns:
        what = f"relay, {_clients(column.clients)}, the worse column"
        row = _beside(cells, what, column, to or best_peer(cells, column))
        if row is None:
            return None
        rows.append(evolve(row, note=KINDS[column.kind]))
    return min(rows, key=lambda row: median(row.ratios))


def _clients(count: int) -> str:
    return f"{count} client{'s' * (count > 1)}"


def _cpu(kind: str, who: str, cell: Cell) -> Row:
    return Row(
        what=f"relay, {KINDS[kind]}, 1 client: CPU of a million lines",
        who=cell.who,
        unit="s",
        values=cell.cpu,
        aim=CPU_AIM if who == SMARTMOB and kind in AIMED else None,
        note=cell.broken,
    )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lines", type=int, default=4_000_000, help="to one client, a round")
    return parser


BENCHMARK = command.Benchmark(
    name="relay",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--lines", "40000"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
