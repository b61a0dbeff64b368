"""
The soak itself: an agent comes up, is used, and has to leave nothing.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from random import Random
from time import sleep
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from bench import archives, endpoints, system
from bench.agents import Agent, Refused, agent
from bench.building import build
from bench.ending import TookTooLong, wait_for
from bench.posting import Sink, answering_sink
from bench.running import seconds_to_end
from bench.soak.crew import Crew, Tally
from bench.soak.operators import Operators
from bench.soak.population import APP, Population
from bench.soak.samples import Sample, watch
from bench.soak.visitors import Visitors
from bench.stopping import silent_sink

UP = 180.0
"""Seconds until all programs have been started, or have ended."""

REST = 60.0
"""Seconds until descriptors are as many as before all began."""

STOP = 90.0
"""Seconds for the agent's end."""

COMING = {"pending", "downloading", "unpacking", "starting"}
"""States of those that are not there yet."""

COMPLAINTS = (" error: ", " critical: ", "Traceback", "Unhandled")
"""What the agent may not say."""

KEPT = {"lock", "archives", "journal", "next-event", "events", "models.json"}
"""What may be in the state folder when no process is left, beside empty folders."""


@frozen(kw_only=True)
class Plan:
    """
    @ivar seconds: How long, of use.
    @ivar processes: About so many.
    @ivar interval: Seconds between two looks.
    @ivar seed: Of what is done by chance.
    """

    seconds: float
    processes: int
    interval: float
    seed: int

    @property
    def stay(self) -> float:
        """
        Seconds that a reader stays, at most.
        """
        return min(30.0, self.seconds / 4)


def soak(plan: Plan, folder: Path) -> tuple[list[Sample], Tally]:
    """
    Use an agent for so long.

    @return: What was seen of it, and what was done to it.
    """
    crew = Crew()
    tally = crew.tally
    home = folder / "agent"
    home.mkdir()
    certificate = endpoints.certify(folder)
    program = build(folder, "life")["life"]
    with ExitStack() as stack:
        sink = stack.enter_context(answering_sink())
        silent = stack.enter_context(silent_sink())
        population = Population(
            home=home,
            program=program,
            certificate=certificate,
            size=plan.processes,
            hooks=(sink.url, silent),
            stuck=urlsplit(silent).port or 0,
        )
        source = stack.enter_context(archives.served(population.archive()))
        made = stack.enter_context(agent(home, "-c", population.write(), endpoints=3))
        random = Random(plan.seed)
        operators = Operators(made, population, source, tally, random)
        operators.settle()
        _wait_until_up(made)
        before = _descriptors(made)
        _employ(crew, plan, operators, certificate)
        try:
            seen = watch(made, home / "state", plan.interval, plan.seconds, tally)
        finally:
            crew.end()
        _judge_rest(made, population, before, tally)
        _judge_hooks(made, sink, tally)
        _judge_end(made, population, home / "state", tally)
    _judge_words(home / "agent.stderr", tally)
    for pid in _running(program):
        tally.wrong(f"a program is left: {pid}")
    return seen, tally


def _employ(crew: Crew, plan: Plan, operators: Operators, certificate: Path) -> None:
    """
    Have everybody begin.
    """
    made, population, random = operators.made, operators.population, operators.random
    visitors = Visitors(made.port, crew.tally, crew.over, random, plan.stay)
    talking, flooding = population.talking, population.flooding
    follow = [f"/process-logs/{talking[0]}?follow=1", "/app-logs/default?follow=1&node=talk.*"]
    for _ in range(3):
        crew.works("plain reader", lambda: visitors.read_plain(talking), 0.1)
        crew.works("JSON reader", lambda: visitors.read_json(talking), 0.1)
    crew.works("reader of an app", visitors.read_app, 0.1)
    crew.works("slow reader", lambda: visitors.read_slowly(flooding), 0.1)
    crew.works("too slow a reader", lambda: visitors.read_too_slowly(flooding), 0.1)
    crew.works("subscriber", visitors.hear_events, 0.1)
    crew.works("stream", lambda: visitors.stream(["/events", *follow]), 0.1)
    for _ in range(population.churning):
        crew.works("churn", operators.churn, 0.5)
    crew.works("scaling", operators.scale, 2.0)
    crew.works("operator", operators.operate, 0.5)
    crew.works("writer", operators.write, 0.2)
    crew.works("reload", operators.reload, 7.0)
    crew.works("looking", operators.look, 0.2)
    crew.works("looking, over TLS", lambda: operators.look_over_tls(certificate), 1.0)
    crew.works("refused", operators.be_refused, 0.3)
    crew.works("hanging up", operators.hang_up, 0.5)
    if _has_metrics(made):
        crew.works("scraping", operators.scrape, 5.0)


def _has_metrics(made: Agent) -> bool:
    return "/metrics" in made.ask("GET", "/openapi.json")["paths"]


def _wait_until_up(made: Agent) -> None:
    """
    @raise TookTooLong: Some are not.
    """

    def up() -> bool:
        return not COMING.intersection(each["state"] for each in _listed(made))

    wait_for("all programs", up, UP, step=0.2)


def _listed(made: Agent) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = made.ask("GET", "/list-processes")["processes"]
    return listed


def _descriptors(made: Agent) -> int:
    """
    How many there are, the most of a few looks: deliveries and restarts have some for a moment.
    """
    most = 0
    for _ in range(20):
        most = max(most, system.descriptors(made.pid))
        sleep(0.05)
    return most


def _judge_rest(made: Agent, population: Population, before: int, tally: Tally) -> None:
    """
    With everybody gone, and as many programs as at first, as much is open as then.
    """
    population.write()
    made.ask("POST", "/reload")
    made.ask("POST", f"/scale-app/{APP}", {"web": population.scaled})
    try:
        wait_for("descriptors", lambda: system.descriptors(made.pid) <= before, REST, step=0.05)
    except TookTooLong:
        now = system.descriptors(made.pid)
        tally.wrong(f"{now} descriptors are open at rest, and were {before} before")


def _judge_hooks(made: Agent, sink: Sink, tally: Tally) -> None:
    """
    Who answers has got all events, in their order.
    """

    def delivered() -> bool:
        return not _hook(made, sink)["queued"]

    try:
        wait_for("webhooks", delivered, REST, step=0.2)
    except TookTooLong as error:
        tally.wrong(str(error))
    found = _hook(made, sink)
    for what in ("failed", "refused", "missed"):
        if found[what]:
            tally.wrong(f"{found[what]} events were {what} at a sink that answers")
    numbers = [number for _, number in sink.taken]
    if gaps := sum(later != earlier + 1 for earlier, later in pairwise(numbers)):
        tally.wrong(f"{gaps} events came to the sink out of their order")
    tally.did("webhooks taken", len(numbers))


def _hook(made: Agent, sink: Sink) -> dict[str, Any]:
    listed = made.ask("GET", "/webhooks")["webhooks"]
    found: dict[str, Any] = next(each for each in listed if each["url"] == sink.url)
    return found


def _judge_end(made: Agent, population: Population, state: Path, tally: Tally) -> None:
    """
    All are deleted, then the agent is to end: nothing of either is left.
    """
    population.write_nobody()
    made.ask("POST", "/reload")
    for app in {each["app"] for each in _listed(made)}:
        try:
            made.ask("POST", f"/delete-app/{app}")
        except Refused as error:
            tally.wrong(str(error))
    if there := _listed(made):
        tally.wrong(f"{len(there)} processes are left, such as {there[0]['slug']}")
    try:
        # A reaper ends by itself once it has told of the end of all else.
        wait_for("reapers", lambda: len(made.helpers()) == 1, REST)
    except TookTooLong:
        tally.wrong(f"{len(made.helpers()) - 1} reapers are left")
    helpers = made.helpers()
    took = seconds_to_end(made.process, STOP)
    if made.process.returncode:
        tally.wrong(f"the agent ended with {made.process.returncode}, after {took:.1f} s")
    for pid in helpers:
        if system.alive(pid):
            tally.wrong(f"a helper is left: {pid}")
    _judge_folder(state, tally)


def _judge_folder(state: Path, tally: Tally) -> None:
    models = state / "models.json"
    if models.exists() and json.loads(models.read_bytes())["models"]:
        tally.wrong("types of processes are remembered though their apps are gone")
    for path in state.iterdir():
        if path.name not in KEPT and (not path.is_dir() or any(path.iterdir())):
            tally.wrong(f"left in the state folder: {path.name}")


def _judge_words(said: Path, tally: Tally) -> None:
    """
    What the agent said may be warnings, and no more.
    """
    for line in said.read_text().splitlines():
        if any(word in line for word in COMPLAINTS):
            tally.wrong(f"the agent said: {line}")


def _running(program: Path) -> list[int]:
    """
    All processes on the machine that run it.
    """
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdecimal() and Path(f"/proc/{name}/exe").readlink() == program:
                found.append(int(name))
        except OSError:
            continue  # it is gone, or somebody else's
    return found
