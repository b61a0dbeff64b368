"""
Half an hour of an agent with two hundred programs, used in every way, and whether it grows:
C{python -m bench.soak}.

Exits with 1 where something is more than 5 percent above what it was at minute 5, where
anything went wrong, or where something was left.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import command
from bench.figures import Failed
from bench.soak.population import ALL
from bench.soak.results import Results
from bench.soak.run import Plan, soak


def main() -> int:
    """
    As the command line has it.
    """
    parser = command.described(__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--processes", type=int, default=ALL)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between looks")
    parser.add_argument("--percent", type=float, default=5.0, help="that it may grow")
    parser.add_argument("--seed", type=int, default=1, help="of what is done by chance")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="for soak.csv, soak.json and soak.svg"
    )
    options = parser.parse_args()
    plan = Plan(
        seconds=options.minutes * 60,
        processes=options.processes,
        interval=options.interval,
        seed=options.seed,
    )
    with tempfile.TemporaryDirectory(prefix="smartmob-soak-") as folder:
        try:
            samples, tally = soak(plan, Path(folder))
        except Failed as error:
            print(f"could not be soaked: {error}", file=sys.stderr)
            return 1
    results = Results.of(samples, tally, options.percent)
    if options.results is not None:
        results.write(options.results)
    results.show(sys.stdout)
    return 0 if results.good else 1


if __name__ == "__main__":
    sys.exit(main())
