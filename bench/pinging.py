"""
Asks an agent for its C{/ping}, again and again: C{python -m bench.pinging PORT}; or for
something else: C{python -m bench.pinging PORT PATH}.

A program of its own, so that nothing but the agent makes its answers late.  It begins at
once, ends when its standard input does, and prints the seconds of each answer as a JSON
list.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import perf_counter

from bench.agents import Connection
from bench.ending import end

PERIOD = 0.005


def answers(port: int, path: str) -> list[float]:
    """
    Ask every 5 ms until the standard input ends, but once at least.

    While an answer is late no other question is asked.  Those are counted as if they had
    been, each with the rest of the wait: else the worst moments would count least.
    """
    connection = Connection(port)
    found: list[float] = []
    begun = perf_counter()
    turn = 0
    while True:
        asked = perf_counter()
        connection.ask("GET", path)
        took = perf_counter() - asked
        while took > 0:
            found.append(took)
            took -= PERIOD
            turn += 1
        pause = begun + turn * PERIOD - perf_counter()
        if select([sys.stdin], [], [], max(0.0, pause))[0]:
            connection.close()
            return found


@contextmanager
def pinged(port: int, path: str = "/ping") -> Iterator[list[float]]:
    """
    Ask, from another process, as long as this lasts; then the list has all answers.
    """
    found: list[float] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.pinging", str(port), path],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield found
        out, _ = process.communicate(timeout=30)
        found += json.loads(out)
    finally:
        end(process)


if __name__ == "__main__":
    json.dump(answers(int(sys.argv[1]), "".join(sys.argv[2:3]) or "/ping"), sys.stdout)
