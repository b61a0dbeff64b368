"""
What all these programs have in common on their command lines.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.building import NotBuilt
from bench.figures import Report, Row


def parser(text: str | None) -> argparse.ArgumentParser:
    """
    The options that every one has.

    @param text: What it measures.
    """
    made = argparse.ArgumentParser(description=text, allow_abbrev=False)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    made.add_argument("--no-peers", action="store_true", help="measure nothing but smartmob")
    return made


def measured(
    options: argparse.Namespace,
    *measures: Callable[[argparse.Namespace, Path, Report], None],
) -> int:
    """
    Measure in a folder that is gone afterwards, and show the table.

    @return: 0; 1 where something could not be measured at all.
    """
    report = Report()
    code = 0
    for measure in measures:
        with tempfile.TemporaryDirectory(prefix="smartmob-bench-") as folder:
            try:
                measure(options, Path(folder), report)
            except NotBuilt as error:
                report.add(Row(what=measure.__module__, who="smartmob", note=str(error)))
                code = 1
    report.show(sys.stdout)
    if options.json is not None:
        report.write(options.json)
    return code
