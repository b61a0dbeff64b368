"""
What all these programs have in common on their command lines.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

from bench.figures import Failed, Report, Row

Measure = Callable[[argparse.Namespace, Path, Report], None]


@frozen
class Benchmark:
    """
    Something that can be measured.

    @ivar parser: For its options.
    @ivar measure: Given them and a folder that is gone afterwards, adds its rows.
    @ivar short: Options that make it quick, and its figures worthless: to see whether
        it works.
    """

    name: str
    parser: argparse.ArgumentParser
    measure: Measure
    short: tuple[str, ...]


def described(text: str | None) -> argparse.ArgumentParser:
    """
    One without options.

    @param text: What the program does.
    """
    said = re.sub(r"[A-Z]\{([^}]*)\}", r"\1", text or "")  # epytext is for readers of code
    return argparse.ArgumentParser(description=said, allow_abbrev=False)


def parser(text: str | None) -> argparse.ArgumentParser:
    """
    The options that every one has.

    @param text: What it measures.
    """
    made = described(text)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    made.add_argument("--no-peers", action="store_true", help="measure nothing but smartmob")
    return made


def of_lines(name: str, text: str | None, measure: Measure) -> Benchmark:
    """
    One that passes so many lines on in each of so many rounds.

    @param text: What it measures.
    """
    made = parser(text)
    made.add_argument("--rounds", type=int, default=7)
    made.add_argument("--lines", type=int, default=600_000, help="a round")
    return Benchmark(name, made, measure, short=("--rounds", "1", "--lines", "5000"))


def run(benchmarks: Iterable[tuple[Benchmark, argparse.Namespace]], json: Path | None) -> int:
    """
    Measure, one after the other, and show the table.

    @param json: Where the results are written, too: what there is, after each of them.
    @return: 0; 1 where something could not be measured at all.
    """
    report = Report()
    code = 0
    for benchmark, options in benchmarks:
        with tempfile.TemporaryDirectory(prefix="smartmob-bench-") as folder:
            try:
                benchmark.measure(options, Path(folder), report)
            except Failed as error:
                report.add(Row(what=benchmark.name, who="smartmob", note=str(error)))
                code = 1
        if json is not None:
            json.parent.mkdir(parents=True, exist_ok=True)
            report.write(json)
    report.show(sys.stdout)
    return code


def main(benchmark: Benchmark) -> int:
    """
    Measure one thing, as the command line has it.
    """
    options = benchmark.parser.parse_args()
    return run([(benchmark, options)], options.json)
