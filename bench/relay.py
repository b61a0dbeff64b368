"""
Lines a second, from a program to its WebSocket clients: to one, and to ten together.

Every line is compared with what it has to be.  The floor is a relay in C that does nothing
else.  Of websocketd each client has a program of its own: that is what it does.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from bench import archives, command, peers, system
from bench.agents import Agent, agent
from bench.building import build
from bench.emitting import Emission, Received, receive, start
from bench.ending import end, wait_for
from bench.figures import Aim, Failed, Report, Row, ratios

KINDS = {
    "fixed": "80 bytes, 4 KiB a write",
    "mixed": "10-150 bytes, one in ten not ASCII",
    "single": "80 bytes, a line a write",
}

AIMS = {1: Aim(bound=15, least=True), 10: Aim(bound=30, least=True)}
"""Times websocketd, with so many clients."""

MEMORY_AIM = Aim(bound=16)
"""MiB that the agent may grow over all rounds."""


@frozen
class Run:
    """
    What came of a round.

    @ivar cpu: Seconds of the relaying program.
    """

    received: Received
    cpu: float

    @property
    def cpu_a_million(self) -> float:
        """
        CPU seconds for a million lines delivered.
        """
        return self.cpu / self.received.lines * 1e6


Measure = Callable[[Emission, int], Run]
"""Relay an emission to so many clients."""


def smartmob(made: Agent, source: str, receiver: Path) -> Measure:
    """
    A process of this agent, whose output waits for its readers: so no line is missed.
    """

    def measure(emission: Emission, clients: int) -> Run:
        slug = start(made, "relay", source, emission, "block")
        before = system.cpu_seconds([made.pid])
        received = receive(receiver, made.port, f"/attach-console/{slug}", clients, emission)
        cpu = system.cpu_seconds([made.pid]) - before
        made.delete(slug)
        return Run(received, cpu)

    return measure


def websocketd(receiver: Path) -> Measure:
    """
    U{websocketd<http://websocketd.com>}.
    """
    path = peers.websocketd()

    def measure(emission: Emission, clients: int) -> Run:
        port = _free_port()
        process = subprocess.Popen(
            [
                path,
                f"--port={port}",
                "--address=127.0.0.1",
                "--loglevel=fatal",
                *emission.words,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for("websocketd to listen", lambda: _listens(port), 10)
            before = system.cpu_seconds([process.pid])
            received = receive(receiver, port, "/", clients, emission)
            return Run(received, system.cpu_seconds([process.pid]) - before)
        finally:
            end(process)

    return measure


def floor(relay: Path, receiver: Path) -> Measure:
    """
    What a relay can do that does nothing else.
    """

    def measure(emission: Emission, clients: int) -> Run:
        process = subprocess.Popen(
            [relay, str(clients), *emission.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            received = receive(receiver, port, "/", clients, emission)
            cpu = float(process.stdout.readline().split()[1])
            return Run(received, cpu)
        finally:
            end(process)

    return measure


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit", "receive", "relay_floor")
    with (
        archives.served(archives.pack({"emit": "$EMIT"})) as source,
        agent(folder / "agent") as made,
    ):
        measures = {"smartmob": smartmob(made, source, built["receive"])}
        if not options.no_peers:
            try:
                measures["websocketd"] = websocketd(built["receive"])
            except peers.NotInstalled as error:
                report.add(Row(what="relay", who="websocketd", note=str(error)))
        measures["floor (C)"] = floor(built["relay_floor"], built["receive"])
        for clients in (1, 10):  # what is made once is made now
            warming = Emission.make(built["emit"], "mixed", options.lines // 20, folder)
            measures["smartmob"](warming, clients)
        before = system.rss(made.pid)
        system.forget_peak(made.pid)
        for kind, text in KINDS.items():
            for clients in (1, 10):
                what = f"relay, {text}, {clients} client{'s' * (clients > 1)}"
                _compare(options, what, kind, clients, measures, built["emit"], folder, report)
        memory = (
            f"before {before / system.MIB:.1f}, after {system.rss(made.pid) / system.MIB:.1f}"
        )
        report.add(
            Row(
                what="relay, growth of the agent's memory, at its peak",
                who="smartmob",
                unit="MiB",
                values=((system.peak(made.pid) - before) / system.MIB,),
                aim=MEMORY_AIM,
                note=memory,
            )
        )


def _compare(
    options: argparse.Namespace,
    what: str,
    kind: str,
    clients: int,
    measures: dict[str, Measure],
    emit: Path,
    folder: Path,
    report: Report,
) -> None:
    runs: dict[str, list[Run]] = {who: [] for who in measures}
    broken: dict[str, str] = {}
    for _ in range(options.rounds):
        for who, measure in measures.items():
            # The slow ones get fewer lines to move: a rate is a rate.
            slowness = {"websocketd": 8}.get(who, 1) * (4 if clients > 1 else 1)
            emission = Emission.make(emit, kind, max(1, options.lines // slowness), folder)
            try:
                run = measure(emission, clients)
                run.received.check(emission.count)
            except (Failed, OSError) as error:
                broken[who] = str(error)
            else:
                runs[who].append(run)
    rates = {who: tuple(run.received.rate for run in found) for who, found in runs.items()}
    theirs = rates.get("websocketd", ())
    for who, found in runs.items():
        if who in broken or not found:
            report.add(Row(what=what, who=who, note=broken.get(who, "")))
            continue
        compared = who == "smartmob" and len(theirs) == len(rates[who])
        cpu = sum(run.cpu_a_million for run in found) / len(found)
        lines = sum(run.received.lines for run in found)
        note = f"{cpu:.2f} CPU s a million lines, {lines:,} lines as they have to be"
        report.add(
            Row(
                what=what,
                who=who,
                unit="lines/s",
                values=rates[who],
                ratios=ratios(rates[who], theirs) if compared else (),
                to="websocketd" if compared else "",
                aim=AIMS[clients] if compared else None,
                note=note,
            )
        )


def _free_port() -> int:
    """
    For programs that can't be asked which one they got.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        assert isinstance(port, int)
        return port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=2_000_000, help="to one client, a round")
    return parser


BENCHMARK = command.Benchmark(
    name="relay",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--lines", "20000"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
