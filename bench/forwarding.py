"""
Lines a second to one client, while they are forwarded too: to a file, in each format, and to a
Fluentd that is not there.  Beside an agent that forwards nothing.

The program waits for its client, not for the file: what the disk does not take in time is
dropped there, and how much that was is told.
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from bench import archives, command
from bench.agents import Agent, Connection, agent
from bench.building import build
from bench.emitting import Emission
from bench.figures import Aim, Report, Row, ratios
from bench.relaying import FRAMES, Run, smartmob

KINDS = {"fixed": "80 bytes", "mixed": "10-150 bytes, 1 in 10 not ASCII"}

ALONE = "nothing"

FORWARDS = {
    ALONE: "",
    "a file": "path = {folder}/{{slug}}.log",
    "a file, stamped": "path = {folder}/{{slug}}.log\nformat = stamped",
    "a file, JSON": "path = {folder}/{{slug}}.log\nformat = json",
    "nobody": "fluentd = tcp:127.0.0.1:{port}",
}
"""What is forwarded to; the last is a port where nobody listens."""

AIMS = {"a file": Aim(bound=0.5, least=True), "nobody": Aim(bound=0.8, least=True)}
"""Times as many lines as without."""

_DROPPED = re.compile(rb'smartmob_forward_lines_total\{.*result="(\w+)".*\} ([0-9.e+]+)')


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit", "receive")
    with ExitStack() as stack:
        source = stack.enter_context(archives.served(archives.pack({"emit": "$EMIT"})))
        nobody = stack.enter_context(closing(socket.socket()))
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        agents = {}
        for number, (name, forward) in enumerate(FORWARDS.items()):
            own = folder / f"agent{number}"
            own.mkdir()
            file = own / "agent.ini"
            section = forward.format(folder=own, port=port)
            file.write_text(f"[forward:x]\n{section}\n" if section else "")
            agents[name] = stack.enter_context(agent(own, file))

        def one(kind: str, name: str, lines: int) -> Run:
            emission = Emission.make(built["emit"], kind, max(1, lines), folder)
            return smartmob(agents[name], source, built["receive"], FRAMES)(emission, 1)

        for name in FORWARDS:
            one("mixed", name, options.lines // 20)  # what is made once is made now
        runs: dict[tuple[str, str], list[Run]] = {
            (kind, name): [] for kind in KINDS for name in FORWARDS
        }
        for _ in range(options.rounds):
            for (kind, name), found in runs.items():
                found.append(one(kind, name, options.lines))
        dropped = {name: _dropped(made) for name, made in agents.items()}
    for (kind, name), found in runs.items():
        rates = tuple(run.rate for run in found)
        alone = tuple(run.rate for run in runs[kind, ALONE])
        cpu = sum(run.cpu_a_million for run in found) / len(found)
        report.add(
            Row(
                what=f"forwarded to {name}, {KINDS[kind]}, 1 client",
                who="smartmob",
                unit="lines/s",
                values=rates,
                ratios=() if name == ALONE else ratios(rates, alone),
                to="" if name == ALONE else f"forwarded to {ALONE}",
                aim=AIMS.get(name),
                note=f"{cpu:.2f} CPU s a million lines{dropped[name]}",
            )
        )


def _dropped(made: Agent) -> str:
    """
    How much of what was to be forwarded was dropped, of all rounds.
    """
    with closing(Connection(made.port)) as connection:
        text = connection.ask("GET", "/metrics")
    counts = {name: float(count) for name, count in _DROPPED.findall(text)}
    if not counts:
        return ""
    part = counts[b"dropped"] / max(1.0, sum(counts.values()))
    return f"; {part:.0%} of the lines found no room there"


BENCHMARK = command.of_lines("forwarding", __doc__, measure)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
