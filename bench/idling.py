"""
Programs that do nothing, many of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import frozen

from bench import archives
from bench.agents import Agent, Connection
from bench.collecting import Collector

PATIENCE = 180.0
"""Seconds until all have to be up."""


@frozen
class Idle:
    """
    What is to run.
    """

    program: Path
    count: int

    def archive(self, collector: Collector) -> bytes:
        """
        A source of it.
        """
        return archives.pack({"idle": f"./{self.program.name} {collector.path}"}, self.program)

    def create(self, made: Agent, source: str, clients: int) -> None:
        """
        Create all, over so many connections.
        """

        def some(first: int) -> None:
            with closing(Connection(made.port)) as connection:
                for number in range(first, self.count, clients):
                    request = {
                        "app": "bench",
                        "node": f"idle.{number}",
                        "process_type": "idle",
                        "source_url": source,
                    }
                    connection.ask("POST", "/create-process", request)

        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(some, first) for first in range(clients)]:
                done.result()

    def slugs(self) -> Iterator[str]:
        """
        Of those that were created.
        """
        return (f"bench.idle.{number}" for number in range(self.count))


def lines_missing(made: Agent, slugs: Iterable[str]) -> int:
    """
    Of how many of these the agent has not kept the first line.
    """
    with closing(Connection(made.port)) as connection:
        return sum(
            connection.ask("GET", f"/process-logs/{slug}") != b"a first line\n"
            for slug in slugs
        )


@contextmanager
def idling(made: Agent, idle: Idle, folder: Path) -> Iterator[None]:
    """
    They are up.
    """
    with (
        closing(Collector(folder / "collector")) as collector,
        archives.served(idle.archive(collector)) as source,
    ):
        idle.create(made, source, 4)
        collector.wait(idle.count, PATIENCE)
        yield
