"""
A program that emits lines once its readers are there, and readers that check each of them.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from attrs import frozen

from bench.agents import Agent
from bench.figures import Failed

PATIENCE = 180
"""Seconds until the last line must have come."""


@frozen
class Emission:
    """
    So many lines of a kind (see C{programs/lines.h}).

    @ivar go: A FIFO: its opening is the sign to begin.
    @ivar log: Where the program tells how long it took.
    """

    emit: Path
    kind: str
    count: int
    go: Path
    log: Path

    @classmethod
    def make(cls, emit: Path, kind: str, count: int, folder: Path) -> Emission:
        """
        With a FIFO and a log of its own below C{folder}.
        """
        name = f"{kind}-{len(list(folder.iterdir()))}"
        go = folder / f"{name}.go"
        os.mkfifo(go)
        return cls(emit, kind, count, go, folder / f"{name}.log")

    @property
    def words(self) -> tuple[str, ...]:
        """
        The program's command line.
        """
        return str(self.emit), self.kind, str(self.count), str(self.go), str(self.log)

    def environment(self) -> dict[str, str]:
        """
        For a Procfile that runs C{$EMIT}.
        """
        return {"EMIT": " ".join(self.words)}

    def seconds(self) -> float:
        """
        How long the program took to write.
        """
        return int(self.log.read_text().split()[1]) * 1e-9


@frozen
class Received:
    """
    What came.

    @ivar seconds: From the sign to begin to the last line.
    @ivar cpu: Seconds of those who received, meanwhile.
    """

    lines: int
    fewest: int
    wrong: int
    ended: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """
        Lines a second, of all clients together.
        """
        return self.lines / self.seconds

    def check(self, count: int) -> None:
        """
        @raise Broken: Not each line came to each client as it has to be.
        """
        if self.wrong or self.ended or self.fewest != count:
            raise Broken(
                f"{self.wrong} lines wrong, {self.ended} clients cut off, "
                f"{self.fewest} of {count} lines"
            )


class Broken(Failed):
    """
    Lines were lost or changed.
    """


def start(made: Agent, node: str, source: str, emission: Emission, output: str) -> str:
    """
    A process of an agent that waits for the sign.

    @return: Its slug.
    """
    slug = made.create(
        node, "emit", source, env=emission.environment(), restart="never", output=output
    )
    made.wait_until(slug, "running")
    return slug


def receive(
    receiver: Path,
    port: int,
    path: str,
    clients: int,
    emission: Emission,
    form: str = "frames",
) -> Received:
    """
    Attach so many clients, give the sign, and read to the end.

    @param path: C{{}} in it stands for the number of each.
    @param form: How lines come: see C{programs/receive.c}.
    """
    words = (str(port), path, str(clients), emission.kind, str(emission.count))
    done = subprocess.run(
        [receiver, *words, emission.go, form],
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Broken(done.stderr.strip())
    return Received(**json.loads(done.stdout))
