"""
What a line costs on its way through C{smartmob.lines}: split, numbered, kept, and
encoded for those who read.

Readers throw away what they get, so this is the agent's own work without the
system's.  Run it as C{python bench/lines.py [SECONDS]}; each row is the median of
five rounds.
"""

from __future__ import annotations

import random
import statistics
import sys
import time

from zope.interface import implementer

from smartmob.documents import State
from smartmob.lines.app import AppWanted
from smartmob.lines.app_encodings import APP_FRAMES
from smartmob.lines.console import Wanted
from smartmob.lines.consoles import Consoles
from smartmob.lines.encodings import JSON_FRAMES, PLAIN_FRAMES, Encoding
from smartmob.lines.readers import Ending, IReader

ROUNDS = 5


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


def mixed(chance: random.Random, ascii_only: bool) -> bytes:
    """
    A line of 10 to 150 bytes; one in ten is not ASCII.
    """
    line = b"x" * chance.randint(10, 150)
    if not ascii_only and chance.random() < 0.1:
        line += "żółw".encode()
    return line


def output(kind: str, size: int) -> tuple[list[bytes], int]:
    """
    About 4 MiB of output cut into chunks, and the number of its lines.
    """
    chance = random.Random(1)
    lines: list[bytes] = []
    total = 0
    while total < 4 << 20:
        line = b"x" * 80 if kind == "80 bytes" else mixed(chance, kind == "mixed ASCII")
        lines.append(line)
        total += len(line) + 1
    data = b"\n".join([*lines, b""])
    return [data[at : at + size] for at in range(0, len(data), size)], len(lines)


def cost(
    kind: str, size: int, readers: list[Encoding], seconds: float, of_app: str = ""
) -> float:
    """
    Seconds a line.

    @param of_app: There are ten readers of the app, too, in this format.
    """
    chunks, lines = output(kind, size)
    rounds = []
    for _ in range(ROUNDS):
        consoles = Consoles(epoch="bench")
        console = consoles.open("bench.lines", State.RUNNING)
        for encoding in readers:
            console.attach(Nowhere(), Wanted(), encoding).resume()
        for _ in range(10 if of_app else 0):
            app = consoles.app("bench")
            app.attach(Nowhere(), AppWanted(), APP_FRAMES[of_app]).resume()
        done = 0
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            for chunk in chunks:
                console.received("stdout", chunk, 1)
            done += lines
        rounds.append((time.perf_counter() - begun) / done)
    return statistics.median(rounds)


def main() -> None:
    """
    Print the table.
    """
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.3
    rows: list[tuple[str, list[Encoding], str]] = [
        ("nobody", [], ""),
        ("1 plain", [PLAIN_FRAMES], ""),
        ("10 plain", [PLAIN_FRAMES] * 10, ""),
        ("1 JSON", [JSON_FRAMES], ""),
        ("10 plain, 10 JSON", [PLAIN_FRAMES, JSON_FRAMES] * 10, ""),
        ("10 plain of the app", [], "plain"),
        ("10 JSON of the app", [], "json"),
    ]
    print(f"{'lines':14}{'chunk':>8}  {'readers':20}{'ns/line':>9}{'M lines/s':>11}")
    for kind in ("80 bytes", "mixed ASCII", "mixed"):
        for size in (4096, 65536):
            for name, readers, of_app in rows:
                line = cost(kind, size, readers, seconds, of_app)
                print(
                    f"{kind:14}{size:>8}  {name:20}{line * 1e9:>9.1f}{1e-6 / line:>11.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
