"""
All figures, one after the other, in one table.
"""

from __future__ import annotations

import sys

from bench import (
    abuse,
    audience,
    bringup,
    command,
    configured,
    endpoints,
    fairness,
    formats,
    forwarding,
    idling,
    latency,
    lines,
    listing,
    posting,
    relay,
    reloading,
    restart,
    slow,
    startup,
    stopping,
)

BENCHMARKS = (
    restart.BENCHMARK,
    idling.BENCHMARK,
    lines.BENCHMARK,
    relay.BENCHMARK,
    latency.BENCHMARK,
    formats.BENCHMARK,
    forwarding.BENCHMARK,
    endpoints.BENCHMARK,
    audience.BENCHMARK,
    fairness.BENCHMARK,
    slow.BENCHMARK,
    startup.BENCHMARK,
    bringup.BENCHMARK,
    configured.BENCHMARK,
    listing.BENCHMARK,
    stopping.BENCHMARK,
    reloading.BENCHMARK,
    posting.BENCHMARK,
    abuse.BENCHMARK,
)


def main() -> int:
    """
    Measure all.
    """
    parser = command.parser(__doc__)
    parser.add_argument("--short", action="store_true", help="only to see whether it works")
    options = parser.parse_args()
    chosen = []
    for benchmark in BENCHMARKS:
        words = list(benchmark.short) if options.short else []
        if options.no_peers:
            words.append("--no-peers")
        chosen.append((benchmark, benchmark.parser.parse_args(words)))
    return command.run(chosen, options.json)


if __name__ == "__main__":
    sys.exit(main())
