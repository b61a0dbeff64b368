"""
Documents a second to one client, in each format that has some: JSON over a WebSocket, NDJSON
and server-sent events over HTTP.  Plain frames are beside them.

Of each document the number, the stream and the line are compared with what they have to be.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import archives, command
from bench.agents import agent
from bench.building import build
from bench.emitting import Emission
from bench.figures import Aim, Report, Row, ratios
from bench.relaying import FRAMES, Form, Run, smartmob

KINDS = {"fixed": "80 bytes", "mixed": "10-150 bytes, 1 in 10 not ASCII"}

JSON = Form("json", "/attach-console/{slug}?format=json")

FORMS = {
    "plain frames": FRAMES,
    "JSON frames": JSON,
    "NDJSON": Form("ndjson", "/process-logs/{slug}?follow=1&format=json"),
    "server-sent events": Form("sse", "/process-logs/{slug}?follow=1"),
}

AIM = Aim(bound=1_000_000, least=True)
"""JSON frames a second."""


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit", "receive")
    with (
        archives.served(archives.pack({"emit": "$EMIT"})) as source,
        agent(folder / "agent") as made,
    ):

        def one(kind: str, form: Form, lines: int) -> Run:
            emission = Emission.make(built["emit"], kind, max(1, lines), folder)
            return smartmob(made, source, built["receive"], form)(emission, 1)

        for form in FORMS.values():
            one("mixed", form, options.lines // 20)  # what is made once is made now
        runs: dict[tuple[str, str], list[Run]] = {
            (kind, name): [] for kind in KINDS for name in FORMS
        }
        for _ in range(options.rounds):
            for (kind, name), found in runs.items():
                found.append(one(kind, FORMS[name], options.lines))
    for (kind, name), found in runs.items():
        rates = tuple(run.rate for run in found)
        plain = tuple(run.rate for run in runs[kind, "plain frames"])
        is_plain = name == "plain frames"
        cpu = sum(run.cpu_a_million for run in found) / len(found)
        report.add(
            Row(
                what=f"{name}, {KINDS[kind]}, 1 client",
                who="smartmob",
                unit="lines/s",
                values=rates,
                # An aim is for the ratio, where there is one; that for JSON is not.
                ratios=() if is_plain or FORMS[name] is JSON else ratios(rates, plain),
                to="" if is_plain or FORMS[name] is JSON else "plain frames",
                aim=AIM if FORMS[name] is JSON else None,
                note=f"{cpu:.2f} CPU s a million lines, each as it has to be",
            )
        )


BENCHMARK = command.of_lines("formats", __doc__, measure)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
