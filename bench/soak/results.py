"""
What came of a soak: a table, the figures, and a picture of them.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from attrs import asdict, frozen

from bench.figures import machine
from bench.soak.chart import Panel, Series, draw
from bench.soak.crew import Tally
from bench.soak.samples import Sample, write
from bench.soak.verdict import WARM, Figure, figures, grown, table


@frozen
class Results:
    """
    @ivar percent: What may grow does by at most so much.
    """

    samples: Sequence[Sample]
    tally: Tally
    figures: Sequence[Figure]
    percent: float

    @classmethod
    def of(cls, samples: Sequence[Sample], tally: Tally, percent: float) -> Results:
        """
        Of what was seen.
        """
        return cls(samples, tally, list(figures(samples)), percent)

    @property
    def good(self) -> bool:
        """
        Nothing has grown, and nothing was wrong.
        """
        return not self.tally.errors and not grown(self.figures, self.percent)

    def show(self, out: TextIO) -> None:
        """
        For a person.
        """
        print(table(self.figures), file=out)
        print(file=out)
        for what, count in sorted(self.tally.done.items()):
            print(f"{count:>12,}  {what}", file=out)
        print(f"{self.tally.errors:>12,}  wrong", file=out)
        for what in self.tally.told:
            print(f"wrong: {what}", file=out)
        for figure in grown(self.figures, self.percent):
            print(
                f"grown: {figure.title}, {figure.percent:+.1f} %, from "
                f"{figure.show(figure.warm)} to {figure.show(figure.end)}",
                file=out,
            )
        print(f"\n{json.dumps(self._about())}", file=out, flush=True)

    def write(self, folder: Path) -> None:
        """
        To be kept.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write(self.samples, folder / "soak.csv")
        document = {
            **self._about(),
            "figures": [{**asdict(each), "percent": each.percent} for each in self.figures],
            "done": dict(sorted(self.tally.done.items())),
            "errors": self.tally.errors,
            "told": self.tally.told,
        }
        (folder / "soak.json").write_text(json.dumps(document, indent=1) + "\n")
        (folder / "soak.svg").write_text(self.picture())

    def picture(self) -> str:
        """
        The figures over time.
        """
        minutes = [sample.seconds / 60 for sample in self.samples]
        memory = Panel(
            "memory of the agent",
            "MB",
            (self._line("agent_rss", "RSS"), self._line("agent_pss", "PSS")),
        )
        helpers = Panel(
            "memory of the guardian and all reapers (PSS)",
            "MB",
            (self._line("reapers_pss", "reapers"), self._line("guardian_pss", "guardian")),
        )
        open_files = Panel(
            "open descriptors of the agent", "", (self._line("agent_descriptors", "open", 1),)
        )
        return draw(minutes, (memory, helpers, open_files), minutes[-1] * WARM)

    def _line(self, name: str, title: str, unit: float = 1e6) -> Series:
        """
        With the band that it has to stay in.
        """
        warm = next(each.warm for each in self.figures if each.name == name) / unit
        share = self.percent / 100
        return Series(
            title,
            [getattr(sample, name) / unit for sample in self.samples],
            (warm * (1 - share), warm * (1 + share)),
        )

    def _about(self) -> dict[str, object]:
        """
        Of what, when and where.
        """
        loads = sorted(sample.load for sample in self.samples)
        return {
            **machine(),
            "commit": _commit(),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "minutes": round(self.samples[-1].seconds / 60, 1),
            "load": f"{loads[0]:g} to {loads[-1]:g}, mostly {loads[len(loads) // 2]:g}",
        }


def _commit() -> str:
    """
    Of the checkout; empty where there is none.
    """
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()
