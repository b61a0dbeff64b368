"""
Programs that flood, and what the agent is to others meanwhile: how late the line of a quiet
program comes to its reader, and how late requests are answered.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, monotonic_ns, sleep

from attrs import define, field, frozen

from bench import archives, command, system
from bench.agents import Agent, agent
from bench.building import build
from bench.emitting import Broken
from bench.ending import end
from bench.figures import Aim, Report, Row, percentile
from bench.pinging import pinged
from bench.websockets import TEXT, SlowClient

AIM = Aim(bound=20)
"""Milliseconds."""

TICK = 0.005
"""Seconds from one line of the quiet program to its next."""

LONG = "x" * 79
SHORT = "y"

SETTLE = 0.3
"""Seconds until floods are at their pace."""

PATIENCE = 60.0


@frozen
class Scene:
    """
    Who floods, and who reads it.

    @ivar floods: So many programs.
    @ivar line: What they write, again and again.
    @ivar readers: So many clients each, who read as fast as it comes ...
    @ivar query: ... with this query.
    @ivar of_app: Not each: the clients read all of them together.
    """

    name: str
    floods: int
    line: str = LONG
    readers: int = 1
    query: str = ""
    of_app: bool = False

    def paths(self) -> list[str]:
        """
        What is read.
        """
        if not self.readers:
            return []
        if self.of_app:
            return [f"/attach-app/bench?node=flood.*{self.query}"]
        return [f"/attach-console/bench.flood.{n}?{self.query}" for n in range(self.floods)]


SCENES = (
    Scene("nobody floods", 0),
    Scene("two floods, a plain reader each", 2),
    Scene("two floods, a JSON reader each", 2, query="format=json"),
    Scene("two floods, 10 plain readers each", 2, readers=10),
    Scene("two floods, a JSON reader of the app", 2, query="&format=json", of_app=True),
    Scene("two floods of 1-byte lines, a JSON reader each", 2, line=SHORT, query="format=json"),
    Scene("20 floods, a plain reader each", 20),
    Scene("100 floods, nobody reads", 100, readers=0),
    Scene("1,000 floods, nobody reads", 1000, readers=0),
)
"""The last one only where C{--most} allows it: it takes long to begin and to end."""


@define
class Found:
    """
    One round of one scene.

    @ivar lines: How late each line of the quiet program was, in seconds.
    @ivar pings: How late each answer to C{/ping} was.
    @ivar listings: How late each listing of all processes was.
    @ivar rate: Bytes a second that the agent read, of pipes nearly all of them.
    @ivar ended: Readers of floods that were closed, since they were too slow.
    """

    lines: list[float] = field(factory=list)
    pings: list[float] = field(factory=list)
    listings: list[float] = field(factory=list)
    rate: float = 0.0
    ended: int = 0


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "tick", "swallow")
    scenes = [scene for scene in SCENES if scene.floods <= options.most]
    found: dict[Scene, list[Found]] = {scene: [] for scene in scenes}
    procfile = {"tick": "exec $TICK", "flood": "exec yes $LINE", "idle": "exec sleep 1000000"}
    with (
        archives.served(archives.pack(procfile)) as source,
        agent(folder / "agent") as made,
    ):
        tick = f"{built['tick']} {int(TICK * 1e6)}"
        quiet = made.create("quiet", "tick", source, env={"TICK": tick})
        idle = [made.create(f"idle.{n}", "idle", source) for n in range(options.idle - 1)]
        for slug in (quiet, *idle):
            made.wait_until(slug, "running")
        for scene in [*found] * options.rounds:
            with _flooded(made, scene, source, built["swallow"]) as one:
                _look(made, quiet, options.seconds, one)
            found[scene].append(one)
    _tell(report, found, options.idle)


@contextmanager
def _flooded(made: Agent, scene: Scene, source: str, swallow: Path) -> Iterator[Found]:
    """
    The floods of a scene, and their readers, as long as this lasts.
    """
    found = Found()
    slugs = [
        made.create(f"flood.{n}", "flood", source, env={"LINE": scene.line})
        for n in range(scene.floods)
    ]
    reading = None
    try:
        for slug in slugs:
            made.wait_until(slug, "running")
        if scene.paths():
            reading = subprocess.Popen(
                [swallow, str(made.port), str(scene.readers), *scene.paths()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert reading.stdout is not None
            if reading.stdout.readline() != b"ready\n":
                raise Broken("those who read the floods can't")
        sleep(SETTLE)
        yield found
        if reading is not None:
            out, _ = reading.communicate(timeout=PATIENCE)
            found.ended = json.loads(out)["ended"]
    finally:
        if reading is not None:
            end(reading)
        for slug in slugs:
            made.delete(slug)


def _look(made: Agent, quiet: str, seconds: float, found: Found) -> None:
    """
    For so many seconds, ask and listen.
    """
    with (
        pinged(made.port) as found.pings,
        pinged(made.port, "/list-processes") as found.listings,
    ):
        sleep(SETTLE)
        listener = SlowClient(made.port, f"/attach-console/{quiet}")
        began, read = monotonic(), system.read(made.pid)
        for opcode, payload in listener.read(PATIENCE):
            if opcode == TEXT:
                found.lines.append((monotonic_ns() - int(payload)) * 1e-9)
            if monotonic() - began > seconds:
                break
        listener.close()
        found.rate = (system.read(made.pid) - read) / (monotonic() - began)


def _tell(report: Report, found: dict[Scene, list[Found]], processes: int) -> None:
    for scene, rounds in found.items():
        for what, values in (
            ("a quiet program's line is late, p99", [one.lines for one in rounds]),
            ("an answer to /ping, p99", [one.pings for one in rounds]),
            (f"a listing of {processes} and the floods, p99", [one.listings for one in rounds]),
        ):
            report.add(
                Row(
                    what=f"{scene.name}: {what}",
                    who="smartmob",
                    unit="ms",
                    values=tuple(percentile(each, 99) * 1e3 for each in values),
                    aim=AIM,
                    note=f"{sum(map(len, values)):,} of them",
                )
            )
        ended = sum(one.ended for one in rounds)
        report.add(
            Row(
                what=f"{scene.name}: read of all programs",
                who="smartmob",
                unit="MiB/s",
                values=tuple(one.rate / system.MIB for one in rounds),
                note=f"{ended} readers were too slow" if ended else "",
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each scene in a round")
    parser.add_argument("--idle", type=int, default=100, help="processes beside the floods")
    parser.add_argument("--most", type=int, default=100, help="floods, no scene with more")
    return parser


BENCHMARK = command.Benchmark(
    name="fairness",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--seconds", "0.2", "--idle", "3", "--most", "2"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
