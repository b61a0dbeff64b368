"""
How old a line is when its client has it, where a program writes one every few milliseconds and
nothing else happens.

The program's own clock is in each line; it is compared with the client's when the line has
come.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import frozen

from bench import archives, command, peers, relay_peers
from bench.agents import Agent, agent
from bench.building import build
from bench.emitting import Broken
from bench.ending import end
from bench.figures import Aim, Failed, Report, Row, percentile, ratios
from bench.idling import Idle, idling
from bench.relay_peers import Serve, Serving

AIMS = {50: Aim(bound=1.1), 99: Aim(bound=2)}
"""Times websocketd's, by percentile."""

REFERENCE = "websocketd"

PATIENCE = 120
"""Seconds until the last line must have come."""


@frozen
class Lone:
    """
    A program that writes lone lines: see C{programs/lone.c}.

    @ivar interval: Microseconds from one line to the next.
    @ivar go: A FIFO: its opening is the sign to begin.
    """

    program: Path
    count: int
    interval: int
    go: Path

    @property
    def words(self) -> tuple[str, ...]:
        """
        Its command line.
        """
        return str(self.program), str(self.count), str(self.interval), str(self.go)


Measure = Callable[[Lone], list[float]]
"""How old each line was, in microseconds."""


def heard(hearer: Path, port: int, path: str, lone: Lone) -> list[float]:
    """
    Attach, give the sign, and hear all of it.

    @raise Broken: A line was not what it has to be.
    """
    done = subprocess.run(
        [hearer, str(port), path, str(lone.count), lone.go],
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Broken(done.stderr.strip())
    found = json.loads(done.stdout)
    if found["wrong"]:
        raise Broken(f"{found['wrong']} lines wrong")
    return [age * 1e-3 for age in found["ages"]]


def smartmob(made: Agent, source: str, hearer: Path) -> Measure:
    """
    A process of this agent.
    """

    def measure(lone: Lone) -> list[float]:
        env = {"LONE": " ".join(lone.words)}
        slug = made.create("lone", "lone", source, env=env, restart="never")
        try:
            made.wait_until(slug, "running")
            return heard(hearer, made.port, f"/attach-console/{slug}", lone)
        finally:
            made.delete(slug)

    return measure


def served(serve: Serve, hearer: Path) -> Measure:
    """
    One of the others.
    """

    def measure(lone: Lone) -> list[float]:
        with serve(lone.words) as serving:
            return heard(hearer, serving.port, "/", lone)

    return measure


def floor(relay: Path) -> Serve:
    """
    A relay in C that does nothing else.
    """

    @contextmanager
    def serve(words: Sequence[str]) -> Iterator[Serving]:
        process = subprocess.Popen(
            [relay, "1", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            yield Serving(int(process.stdout.readline()), process.pid)
        finally:
            end(process)

    return serve


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "lone", "hear", "idle", "relay_floor")
    with ExitStack() as stack:
        source = stack.enter_context(archives.served(archives.pack({"lone": "$LONE"})))
        measures: dict[str, Measure] = {}
        for idle in (0, options.idle):
            home = folder / f"beside-{idle}"
            made = stack.enter_context(agent(home))
            if idle:
                stack.enter_context(idling(made, Idle(built["idle"], idle), home))
            who = f"smartmob, {idle} idle beside it"
            measures[who] = smartmob(made, source, built["hear"])
        if not options.no_peers:
            for who, framed in relay_peers.FRAMED.items():
                try:
                    measures[who] = served(framed(), built["hear"])
                except peers.NotInstalled as error:
                    report.add(Row(what="lone line", who=who, note=str(error)))
        measures["floor (C)"] = served(floor(built["relay_floor"]), built["hear"])
        _tell(report, _rounds(options, measures, built["lone"], folder))


def _rounds(
    options: argparse.Namespace, measures: dict[str, Measure], program: Path, folder: Path
) -> dict[str, list[list[float]] | str]:
    """
    All in turn, in each round; or why somebody has no figure.
    """
    found: dict[str, list[list[float]] | str] = {who: [] for who in measures}
    for number in range(options.rounds):
        for place, (who, measure) in enumerate(measures.items()):
            go = folder / f"{number}-{place}.go"
            os.mkfifo(go)
            rounds = found[who]
            try:
                ages = measure(Lone(program, options.lines, options.interval, go))
            except (Failed, OSError, subprocess.SubprocessError) as error:
                found[who] = str(error)
            else:
                if not isinstance(rounds, str):
                    rounds.append(ages)
    return found


def _tell(report: Report, found: dict[str, list[list[float]] | str]) -> None:
    for percent, aim in AIMS.items():
        what = f"lone line, 1 client, p{percent}"
        values: dict[str, tuple[float, ...]] = {}
        for who, rounds in found.items():
            if isinstance(rounds, str):
                report.add(Row(what=what, who=who, note=rounds))
            else:
                values[who] = tuple(percentile(ages, percent) for ages in rounds)
        theirs = values.get(REFERENCE)
        for who, ours in values.items():
            compared = theirs is not None and who != REFERENCE
            aimed = compared and who.startswith("smartmob")
            report.add(
                Row(
                    what=what,
                    who=who,
                    unit="us",
                    values=ours,
                    ratios=ratios(ours, theirs) if theirs and compared else (),
                    to=REFERENCE if compared else "",
                    aim=aim if aimed else None,
                    note=f"{sum(map(len, found[who])):,} lines",
                )
            )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lines", type=int, default=500, help="a round")
    parser.add_argument("--interval", type=int, default=3000, help="microseconds")
    parser.add_argument("--idle", type=int, default=100, help="processes beside it")
    return parser


BENCHMARK = command.Benchmark(
    name="latency",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--lines", "20", "--interval", "1000", "--idle", "2"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
