"""
What a line costs on its way through C{smartmob.lines}: split, numbered, kept, and encoded for
those who read.

Readers throw away what they get, so this is the agent's own work without the system's.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from attrs import frozen
from zope.interface import implementer

from bench import command
from bench.agents import COMPILED, PYTHON
from bench.figures import Report, Row
from smartmob.documents import State
from smartmob.lines import encoder
from smartmob.lines.app import AppWanted
from smartmob.lines.app_encodings import APP_FRAMES
from smartmob.lines.console import Wanted
from smartmob.lines.consoles import Consoles
from smartmob.lines.encodings import JSON_FRAMES, NDJSON, PLAIN_FRAMES, SSE, Encoding
from smartmob.lines.readers import Ending, IReader

KINDS = {
    "fixed": "80 bytes",
    "mixed": "10-150 bytes, 1 in 10 not ASCII",
}

CHUNKS = (4096, 65536)
"""Bytes that are read at once: a write of a program's, and the most that an agent reads."""


@implementer(IReader)
class Nowhere:
    """
    A reader that takes everything at once.
    """

    def write(self, data: bytes) -> None:
        """See L{IReader.write}."""

    def ending(self, why: Ending) -> None:
        """See L{IReader.ending}."""

    def ended(self) -> None:
        """See L{IReader.ended}."""


@frozen
class Readers:
    """
    Who reads.

    @ivar encodings: Of the process, one each.
    @ivar of_app: So many of its app ...
    @ivar form: ... in this format.
    @ivar python: The compiled library is not used.
    """

    name: str
    encodings: tuple[Encoding, ...] = ()
    of_app: int = 0
    form: str = "plain"
    python: bool = False


READERS = (
    Readers("nobody"),
    Readers("1 plain", (PLAIN_FRAMES,)),
    Readers("1 plain", (PLAIN_FRAMES,), python=True),
    Readers("10 plain", (PLAIN_FRAMES,) * 10),
    Readers("1 JSON", (JSON_FRAMES,)),
    Readers("1 NDJSON", (NDJSON,)),
    Readers("1 server-sent events", (SSE,)),
    Readers("10 JSON of the app", of_app=10, form="json"),
)


@frozen
class Output:
    """
    What a program writes.

    @ivar chunks: As it is read.
    @ivar lines: How many that are.
    """

    chunks: tuple[bytes, ...]
    lines: int

    @classmethod
    def make(cls, kind: str, chunk: int, size: int) -> Output:
        """
        About so many bytes.
        """
        chance = random.Random(1)
        lines: list[bytes] = []
        total = 0
        while total < size:
            line = b"x" * (80 if kind == "fixed" else chance.randint(10, 150))
            if kind == "mixed" and chance.random() < 0.1:
                line += "żółw".encode()
            lines.append(line)
            total += len(line) + 1
        data = b"\n".join([*lines, b""])
        cut = tuple(data[at : at + chunk] for at in range(0, len(data), chunk))
        return cls(cut, len(lines))


def cost(output: Output, readers: Readers, seconds: float) -> float:
    """
    Nanoseconds a line, measured for so long.
    """
    consoles = Consoles(epoch="bench")
    console = consoles.open("bench.lines", State.RUNNING)
    for encoding in readers.encodings:
        console.attach(Nowhere(), Wanted(), encoding).resume()
    for _ in range(readers.of_app):
        app = consoles.app("bench")
        app.attach(Nowhere(), AppWanted(), APP_FRAMES[readers.form]).resume()

    def relay() -> None:
        for chunk in output.chunks:
            console.received("stdout", chunk, 1)

    with _wanted(encoder.PYTHON if readers.python else ""):
        return _nanoseconds(relay, seconds) / output.lines


@contextmanager
def _wanted(which: str) -> Iterator[None]:
    """
    Have frames made by this one; if empty, by the best there is.
    """
    before = os.environ.get(encoder.VARIABLE, "")
    os.environ[encoder.VARIABLE] = which or before
    encoder.loaded.cache_clear()
    try:
        yield
    finally:
        os.environ[encoder.VARIABLE] = before
        encoder.loaded.cache_clear()


def _nanoseconds(do: Callable[[], None], seconds: float) -> float:
    """
    A turn.
    """
    turns = 0
    began = perf_counter()
    while not turns or perf_counter() - began < seconds:
        do()
        turns += 1
    return (perf_counter() - began) * 1e9 / turns


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    size = options.bytes
    outputs = {
        (kind, chunk): Output.make(kind, chunk, size) for kind in KINDS for chunk in CHUNKS
    }
    found: dict[tuple[str, int, Readers], list[float]] = {
        (kind, chunk, readers): [] for kind, chunk in outputs for readers in READERS
    }
    for _ in range(options.rounds):
        for (kind, chunk, readers), values in found.items():
            values.append(cost(outputs[kind, chunk], readers, options.seconds))
    for (kind, chunk, readers), values in found.items():
        report.add(
            Row(
                what=f"inside, {KINDS[kind]}, {chunk // 1024} KiB at once, {readers.name}",
                who=PYTHON if readers.python else COMPILED,
                unit="ns/line",
                values=tuple(values),
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each row in a round")
    parser.add_argument("--bytes", type=int, default=1 << 20, help="of output, again and again")
    return parser


BENCHMARK = command.Benchmark(
    name="lines",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--seconds", "0.001", "--bytes", "65536"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
