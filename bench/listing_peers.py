"""
Supervisors that say what their processes are like, each asked in its own way.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from attrs import frozen

from bench import files, peers
from bench.building import SOURCES
from bench.collecting import Collector
from bench.figures import Failed
from bench.files import Section
from bench.idling import PATIENCE, Idle
from bench.running import GRACE, running, sweep

INTERFACE = (
    "[unix_http_server]",
    "file=%(here)s/asked",
    "[rpcinterface:supervisor]",
    "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
)
"""How one can speak to a supervisord."""


SUPERVISORS = {
    "supervisor": "getAllProcessInfo() over a unix socket; nothing changes meanwhile",
    "circus": "list, which has no more than their pids; nothing changes meanwhile",
}
"""What each is asked for."""


@frozen
class Supervisor:
    """
    One that runs.

    @ivar words: Ask it, for so many seconds more.
    @ivar count: Of its processes.
    """

    words: tuple[str | Path, ...]
    count: int

    def rate(self, seconds: float) -> float:
        """
        How often it answers, a second.

        @raise Failed: It does not, or not all are there.
        """
        asked = subprocess.run(
            [*self.words, f"{seconds}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if asked.returncode:
            raise Failed(asked.stderr.strip().rpartition("\n")[2])
        said = json.loads(asked.stdout)
        if said["processes"] != self.count:
            raise Failed(f"{said['processes']} of {self.count} processes are listed")
        answers: int = said["answers"]
        seconds = said["seconds"]
        return answers / seconds


@contextmanager
def _supervisor(home: Path, section: Section) -> Iterator[tuple[str | Path, ...]]:
    path = peers.supervisor()
    file = files.supervisor(
        home, [Section(section.name, section.command, section.count, INTERFACE)]
    )
    with running([path, "-n", "-c", file], home, grace=GRACE):
        yield sys.executable, SOURCES / "listing_supervisor.py", home / "asked"


@contextmanager
def _circus(home: Path, section: Section) -> Iterator[tuple[str | Path, ...]]:
    path = peers.circus()
    file = files.circus(home, [section])
    endpoint = files.circus_sockets(home)["endpoint"]
    with running([path, file], home, grace=GRACE):
        yield path.with_name("python"), SOURCES / "listing_circus.py", endpoint, section.name


@contextmanager
def supervised(who: str, home: Path, idle: Idle) -> Iterator[Supervisor]:
    """
    It runs them.

    @param who: A key of L{SUPERVISORS}.
    @raise Failed: It can't be had, or does not run them.
    """
    home.mkdir()
    with ExitStack() as stack:
        collector = stack.enter_context(closing(Collector(home / "collector")))
        stack.callback(sweep, collector.pids, idle.program.name)
        run = {"supervisor": _supervisor, "circus": _circus}[who]
        words = stack.enter_context(run(home, idle.section(collector)))
        collector.wait(idle.count, PATIENCE)
        yield Supervisor(words, idle.count)
