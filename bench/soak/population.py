"""
The programs of a soak: two hundred, unless fewer are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from bench import archives, endpoints, files
from bench.files import Section

APP = "soak"
"""Of the processes that are created by REST, and stay."""

ALL = 200

_STEADY, _TALK, _FLOOD, _END, _CRASH, _FLAP, _DETACHED, _INPUT = 90, 16, 2, 30, 10, 10, 4, 4
_RELOADED, _SCALED, _OPERATED, _CHURNED = 6, 12, 10, 6

# What is kept of each program's lines is full before the soak counts: each has written a
# thousand lines soon, but for those that write one and no more.
_QUIET = "1 40 0 -1 0"
_TALKING = "1000 60 50 -1 0"


@frozen
class Population:
    """
    Who lives with the agent.

    @ivar program: C{programs/life.c}.
    @ivar size: About so many processes.
    @ivar hooks: URLs that are told of all events.
    @ivar stuck: A port that takes connections, and nothing else: for lines.
    """

    home: Path
    program: Path
    certificate: Path
    size: int
    hooks: tuple[str, ...]
    stuck: int

    def of(self, share: int) -> int:
        """
        Of so many in two hundred: one at least.
        """
        return max(1, share * self.size // ALL)

    def archive(self, **more: str) -> bytes:
        """
        What those that are created by REST are made of.

        @param more: For its Procfile.
        """
        procfile = {
            "web": f"exec ./{self.program.name} {_QUIET}",
            "talk": f"exec ./{self.program.name} {_TALKING}",
            "brief": f"exec ./{self.program.name} 5 60 0 300 0",
        }
        return archives.pack({**procfile, **more}, self.program)

    @property
    def scaled(self) -> int:
        """
        How many instances there are of what is scaled, on the average.
        """
        return self.of(_SCALED)

    @property
    def operated(self) -> list[str]:
        """
        Nodes of processes that operators start, stop and restart.
        """
        return [f"operated.{number}" for number in range(self.of(_OPERATED))]

    @property
    def churning(self) -> int:
        """
        So many come and go all the time.
        """
        return self.of(_CHURNED)

    @property
    def talking(self) -> list[str]:
        """
        Slugs of those that always have something to say.
        """
        return [f"default.talk.{number}" for number in range(self.of(_TALK))]

    @property
    def flooding(self) -> list[str]:
        """
        Slugs of those that have more to say than a slow reader takes.
        """
        return [f"default.flood.{number}" for number in range(self.of(_FLOOD))]

    @property
    def hearing(self) -> list[str]:
        """
        Slugs of those that have an input.
        """
        return [f"default.input.{number}" for number in range(self.of(_INPUT))]

    def write(self, turn: int = 0) -> Path:
        """
        The configuration file, another one each turn.
        """
        return self._write([*self._sections(), self._reloaded(turn)])

    def write_nobody(self) -> Path:
        """
        The same file without any of them.
        """
        return self._write([])

    def _write(self, sections: list[Section]) -> Path:
        own = endpoints.configure(self.home, self.certificate).read_text().splitlines()
        more = [
            "[webhooks]",
            f"** = {' '.join(self.hooks)}",
            "[forward:files]",
            f"path = {self.home}/lines/{{slug}}.log",
            "max_bytes = 100000",
            "backups = 1",
            "apps = default",
            "[forward:stuck]",
            f"fluentd = tcp:127.0.0.1:{self.stuck}",
        ]
        return files.smartmob(self.home, sections, *own, *more)

    def _sections(self) -> Iterator[Section]:
        life = self.program
        for name, words, share, more in (
            ("steady", _QUIET, _STEADY, ()),
            ("talk", _TALKING, _TALK, ()),
            ("flood", "300 4000 2 -1 0", _FLOOD, ()),
            ("end", "250 60 0 12000 0", _END, ()),
            ("crash", "300 60 0 0 1", _CRASH, ()),
            ("flap", "40 60 0 20 3", _FLAP, ("flapping = 3, 5, 4, -1",)),
            ("detached", _TALKING, _DETACHED, ("detach = true",)),
        ):
            yield Section(name, f"{life} {words}", self.of(share), more)
        yield Section("input", "cat", self.of(_INPUT), ("redirect_input = true",))

    def _reloaded(self, turn: int) -> Section:
        """
        More of them, fewer of them, or all of them new.
        """
        count = self.of(_RELOADED) + (turn + 1) % 3 - 1
        words = f"{self.program} {_QUIET}"
        return Section("reloaded", words, max(1, count), (f"env = TURN={turn // 3}",))
