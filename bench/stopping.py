"""
From SIGTERM to the end of the agent: with many programs that do what they are asked, or
ignore it to the end of their grace; and while a webhook's sink hangs and a plugin does not
stop.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import dedent

from attrs import frozen

from bench import command, files
from bench.agents import Agent, agent
from bench.building import build
from bench.collecting import Collector
from bench.ending import wait_for
from bench.figures import Aim, Failed, Report, Row
from bench.files import Section
from bench.idling import PATIENCE
from bench.running import left, seconds_to_end

MARGIN = 1.0
"""Seconds beside the longest grace."""

MANY = 2.0
"""The grace of many programs."""

PLUGIN = """
    from smartmob import Plugin
    from twisted.internet.defer import Deferred

    __all__ = ["Stays"]


    class App:
        def stop(self):
            return Deferred()


    class Stays(Plugin):
        def app(self, cfg):
            return App()
"""


@frozen
class Programs:
    """
    What runs when the agent is told to end.

    @ivar deaf: They ignore TERM.
    """

    program: Path
    count: int
    grace: float
    deaf: bool

    def seconds_to_end(self, home: Path, visitors: bool) -> float:
        """
        From the signal to the end of the agent.

        @param visitors: There are a sink and a plugin that keep it waiting.
        @raise Failed: Programs were left.
        """
        home.mkdir(parents=True)
        with closing(Collector(home / "collector")) as collector, silent_sink() as url:
            words = f"{self.program} {collector.path}{' deaf' if self.deaf else ''}"
            grace = f"graceful_timeout = {self.grace:g}"
            sections = [Section("idle", words, self.count, (grace,))]
            hooks = ("[webhooks]", f"** = {url}") if visitors else ()
            file = files.smartmob(home, sections, *hooks)
            plugins = home / "plugins"
            (plugins / "stays/plugin").mkdir(parents=True)
            if visitors:
                (plugins / "stays/plugin/__init__.py").write_text(dedent(PLUGIN))
            with agent(home, "-c", file, "-p", plugins) as made:
                collector.wait(self.count, PATIENCE)
                if visitors:
                    _see_visitors(made)
                took = seconds_to_end(made.process, self.grace + PATIENCE)
            if there := left(collector.pids, self.program.name):
                raise Failed(f"{len(there)} programs are left")
            return took


@contextmanager
def silent_sink() -> Iterator[str]:
    """
    A URL where the kernel takes connections and nobody answers.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def _see_visitors(made: Agent) -> None:
    """
    Make sure that they are what they should be.
    """

    def waits() -> bool:
        (hook,) = made.ask("GET", "/webhooks")["webhooks"]
        (plugin,) = made.ask("GET", "/plugins")["plugins"]
        return bool(hook["queued"]) and plugin["state"] == "running"

    wait_for("the sink and the plugin", waits, 30)


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    program = build(folder, "idle")["idle"]
    for count in options.programs:
        for deaf in (False, True):
            many = Programs(program, count, options.grace, deaf)
            took = [
                many.seconds_to_end(folder / f"{count}-{deaf}-{turn}", visitors=False)
                for turn in range(options.rounds)
            ]
            _tell_many(report, many, took)
    for grace in options.graces:
        one = Programs(program, 1, grace, deaf=True)
        alone: list[float] = []
        kept: list[float] = []
        for turn in range(options.rounds):
            for visitors, found in ((False, alone), (True, kept)):
                home = folder / f"one-{grace:g}-{visitors}-{turn}"
                found.append(one.seconds_to_end(home, visitors))
        for note, values in (
            ("neither webhooks nor plugins", alone),
            ("a sink hangs, and a plugin's stop never fires", kept),
        ):
            report.add(
                Row(
                    what=f"SIGTERM to exit, 1 deaf program with {grace:g} s",
                    who="smartmob",
                    unit="s",
                    values=tuple(values),
                    aim=Aim(bound=grace + MARGIN),
                    note=note,
                )
            )


def _tell_many(report: Report, many: Programs, took: list[float]) -> None:
    what = f"SIGTERM to exit, {many.count:,} programs"
    if not many.deaf:
        note = "they end at once"
        row = Row(what=what, who="smartmob", unit="s", values=tuple(took), note=note)
    else:
        row = Row(
            what=what,
            who="smartmob",
            unit="s",
            values=tuple(took),
            ratios=tuple(seconds / many.grace for seconds in took),
            to="their grace",
            aim=Aim(bound=(many.grace + MARGIN) / many.grace),
            note=f"they ignore it, and have {many.grace:g} s",
        )
    report.add(row)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, nargs="*", default=[500])
    parser.add_argument("--grace", type=float, default=MANY, metavar="SECONDS")
    parser.add_argument("--graces", type=float, nargs="*", default=[0.0, 1.0, 10.0])
    parser.add_argument("--rounds", type=int, default=3)
    return parser


BENCHMARK = command.Benchmark(
    name="stopping",
    parser=_parser(),
    measure=measure,
    short=("--programs", "3", "--grace", "0.1", "--graces", "0", "--rounds", "1"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
