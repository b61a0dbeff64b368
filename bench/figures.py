"""
Figures: medians over interleaved rounds, ratios of what was measured in the same round, and
the one table that shows them.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import TextIO

from attrs import asdict, define, field, frozen

from smartmob.launch import helper
from smartmob.lines import encoder

TIE = 1.3
"""
What is less apart than this, as a ratio, is the same: so much a busy machine makes up.
"""


class Failed(Exception):
    """
    Something could not be measured; the text is for the table.
    """


def percentile(values: Iterable[float], percent: float) -> float:
    """
    The smallest value that so many percent of all are not above (nearest rank).

    @raise ValueError: There are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values, no percentile")
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[max(0, rank - 1)]


@frozen(kw_only=True)
class Aim:
    """
    What a figure should be.

    @ivar bound: At least, or at most, so much.
    @ivar least: It is a lower bound.
    """

    bound: float
    least: bool = False

    def met(self, value: float) -> bool:
        """
        Whether it is.
        """
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='} {_short(self.bound)}"


@frozen(kw_only=True)
class Row:
    """
    One figure.

    @ivar what: What was measured.
    @ivar who: Whose it is.
    @ivar unit: Of the values.
    @ivar values: One a round.
    @ivar ratios: Of the same rounds: how many times the value of C{to}.
    @ivar to: What the ratios are to.
    @ivar aim: For the ratios, where there are any, else for the values; it is the median
        that has to meet it.
    @ivar note: What else is to be known, or why there are no values.
    """

    what: str
    who: str
    unit: str = ""
    values: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    to: str = ""
    aim: Aim | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """
        Whether the aim is met; C{None} where there is none, or nothing was measured.
        """
        judged = self.ratios or self.values
        if self.aim is None or not judged:
            return None
        return self.aim.met(median(judged))

    @property
    def tie(self) -> bool:
        """
        The ratio is too near to 1 to say who is better.
        """
        return bool(self.ratios) and 1 / TIE < median(self.ratios) < TIE

    def cells(self) -> tuple[str, ...]:
        """
        As the table shows it.
        """
        values = _spread(self.values)
        ratio = f"{_spread(self.ratios)} x {self.to}" if self.ratios else ""
        ratio += ", a tie" * self.tie
        verdict = {None: "", True: "yes", False: "NO"}[self.met]
        return (
            self.what,
            self.who,
            f"{values} {self.unit}".strip() if values else "-",
            ratio,
            str(self.aim or ""),
            verdict,
            self.note,
        )


HEADINGS = ("figure", "of", "median (least-most)", "ratio (least-most)", "aim", "met", "note")


@define
class Report:
    """
    The rows of a run.  Each is told on C{progress} as it comes.
    """

    rows: list[Row] = field(factory=list)
    progress: TextIO = sys.stderr

    def add(self, row: Row) -> None:
        """
        One more.
        """
        self.rows.append(row)
        print("  ".join(cell for cell in row.cells() if cell), file=self.progress, flush=True)

    def show(self, out: TextIO) -> None:
        """
        The table, and below it the machine it was measured on.
        """
        lines = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, tuple("-" * width for width in widths))
        for line in lines:
            text = "  ".join(
                cell.ljust(width) for cell, width in zip(line, widths, strict=True)
            )
            print(text.rstrip(), file=out)
        print(f"\n{json.dumps(machine())}", file=out, flush=True)

    def write(self, path: Path) -> None:
        """
        The same as JSON.
        """
        rows = [{**asdict(row), "met": row.met, "tie": row.tie} for row in self.rows]
        document = {"machine": machine(), "rows": rows}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """
    What figures depend on.
    """
    return {
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "guardian": helper.runs(),
        "frames": encoder.runs(os.environ),
        "load": round(os.getloadavg()[0], 2),
    }


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """
    Round by round.
    """
    return tuple(our / their for our, their in zip(ours, theirs, strict=True))


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    middle = _short(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({_short(min(values))}-{_short(max(values))})"


def _short(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
