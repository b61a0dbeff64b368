"""
Restarts programs of an agent, one after the other, so many a second, and notes when each had
begun: C{python -m bench.changing PORT COLLECTOR RATE}, with their slugs, one a line, on its
standard input, which then stays open: it ends when that does.

A program of its own, so that nothing but the agent makes it late.  It says on a line that it
has begun.  The programs tell the socket COLLECTOR when they were there, by their own clock, as
L{programs/idle.c} does.  Prints the changes as a JSON list.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import cycle
from pathlib import Path
from select import select
from time import monotonic_ns
from typing import Any

from attrs import asdict, frozen

from bench.agents import Connection
from bench.ending import end


@frozen
class Change:
    """
    A program was started again.

    @ivar started_at: As its document has it from then on.
    @ivar at: When it was there: nanoseconds, monotonic.
    """

    slug: str
    pid: int
    started_at: str
    at: int


def changes(port: int, collector: str, rate: float, slugs: Iterable[str]) -> list[Change]:
    """
    Restart them in turn until the standard input ends.
    """
    begun = monotonic_ns()
    answered = []
    moments: dict[int, int] = {}
    with (
        closing(Connection(port)) as connection,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as news,
    ):
        news.bind(collector)
        news.setblocking(False)
        for turn, slug in enumerate(cycle(slugs)):
            due = begun + int(turn * 1e9 / rate)
            if select([sys.stdin], [], [], max(0, due - monotonic_ns()) * 1e-9)[0]:
                break
            document = json.loads(connection.ask("POST", f"/restart-process/{slug}"))
            answered.append((document, monotonic_ns()))
            with suppress(BlockingIOError):
                while True:
                    pid, moment = map(int, news.recv(64).split())
                    moments[pid] = moment
    Path(collector).unlink()
    # One whose word was not heard was there at the latest when the agent said so.
    return [
        Change(
            document["slug"],
            document["pid"],
            document["started_at"],
            min(moment, moments.get(document["pid"], moment)),
        )
        for document, moment in answered
    ]


def first_starts(documents: Iterable[Mapping[str, Any]]) -> list[Change]:
    """
    How running processes were started that nobody has changed yet.
    """
    return [Change(each["slug"], each["pid"], each["started_at"], 0) for each in documents]


@contextmanager
def changed(
    port: int, collector: Path, rate: float, slugs: Iterable[str]
) -> Iterator[list[Change]]:
    """
    Restart them, from another process, as long as this lasts; then the list has all changes.
    """
    found: list[Change] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.changing", str(port), str(collector), str(rate)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write("".join(f"{slug}\n" for slug in (*slugs, "")).encode())
        process.stdin.flush()
        process.stdout.readline()
        yield found
        out, _ = process.communicate(timeout=30)
        found += (Change(**each) for each in json.loads(out))
    finally:
        end(process)


def main() -> None:
    """
    As the command line has it.
    """
    port, collector, rate = sys.argv[1:]
    slugs = []
    # Unbuffered, so that select() sees all there is.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        while slug := lines.readline().strip().decode():
            slugs.append(slug)
    print("begun", flush=True)
    found = changes(int(port), collector, float(rate), slugs)
    json.dump([asdict(each) for each in found], sys.stdout)


if __name__ == "__main__":
    main()
