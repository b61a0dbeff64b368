"""
Those who relay lines in frames: smartmob, and the floor.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from bench import system
from bench.agents import Agent
from bench.emitting import Emission, receive, start
from bench.ending import end
from bench.figures import Failed


@frozen
class Run:
    """
    What came of a round.

    @ivar lines: That came, of all clients together.
    @ivar seconds: From the sign to begin until the last of them.
    @ivar cpu: Seconds of the relaying program.
    @ivar note: What else is to be known.
    """

    lines: int
    seconds: float
    cpu: float
    note: str = ""

    @property
    def rate(self) -> float:
        """
        Lines a second, of all clients together.
        """
        return self.lines / self.seconds

    @property
    def cpu_a_million(self) -> float:
        """
        CPU seconds for a million lines delivered.
        """
        return self.cpu / self.lines * 1e6


Measure = Callable[[Emission, int], Run]
"""
Relay an emission to so many clients; each line has to be as it has to be, or it is L{Failed}.
"""


def delivered(
    receiver: Path,
    port: int,
    path: str,
    clients: int,
    emission: Emission,
    pid: int,
    form: str = "frames",
) -> Run:
    """
    All of it to each client, by this process.

    @raise Broken: Not as it has to be.
    """
    before = system.cpu_seconds([pid])
    received = receive(receiver, port, path, clients, emission, form)
    cpu = system.cpu_seconds([pid]) - before
    received.check(emission.count)
    return Run(received.lines, received.seconds, cpu)


@frozen
class Form:
    """
    How an agent's clients get lines.

    @ivar name: As C{programs/receive.c} has it.
    @ivar path: For a slug.
    """

    name: str
    path: str


FRAMES = Form("frames", "/attach-console/{slug}")
"""A WebSocket message each."""


def smartmob(made: Agent, source: str, receiver: Path, form: Form = FRAMES) -> Measure:
    """
    A process of this agent, whose output waits for its readers: so no line is missed.
    """

    def measure(emission: Emission, clients: int) -> Run:
        slug = start(made, "relay", source, emission, "block")
        try:
            path = form.path.format(slug=slug)
            return delivered(receiver, made.port, path, clients, emission, made.pid, form.name)
        finally:
            made.delete(slug)

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
            received.check(emission.count)
            told = process.stdout.readline().split()
            if len(told) != 2:
                raise Failed("the relay in C ended early")
            return Run(received.lines, received.seconds, float(told[1]))
        finally:
            end(process)

    return measure
