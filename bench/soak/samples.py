"""
How big an agent is, and how much it has open, every few seconds.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from threading import Event
from time import monotonic

from attrs import asdict, fields_dict, frozen

from bench import system
from bench.agents import Agent
from bench.soak.crew import Tally

TRIES = 20
"""How often a look is begun anew, since a process ended meanwhile."""


@frozen(kw_only=True)
class Sample:
    """
    @ivar seconds: Since the soak began.
    @ivar agent_rss: Bytes that are resident, ...
    @ivar agent_pss: ... and the same with what is shared divided among those who share it.
    @ivar reapers: How many there are.
    @ivar reapers_rss: Of all of them together.
    @ivar agent_descriptors: How many it has open.
    @ivar agent_threads: How many it has.
    @ivar state_files: Files and folders below the agent's state folder, ...
    @ivar state_bytes: ... and how big these files are together.
    @ivar load: Of the machine: how many want a core, over a minute.
    """

    seconds: float
    agent_rss: int
    agent_pss: int
    guardian_rss: int
    guardian_pss: int
    reapers: int
    reapers_rss: int
    reapers_pss: int
    agent_descriptors: int
    guardian_descriptors: int
    agent_threads: int
    state_files: int
    state_bytes: int
    load: float


GROWING = tuple(
    name
    for name in fields_dict(Sample)
    if name not in ("seconds", "reapers", "state_bytes", "load")
)
"""
What may not grow.  Of reapers there are as many as programs, which come and go; what is written
down of changes grows and is cut, again and again.
"""


def look(made: Agent, state: Path, began: float) -> Sample:
    """
    Now.

    @param began: When the soak did: seconds, monotonic.
    @raise OSError: The agent is not there.
    """
    for _ in range(TRIES):
        try:
            return _look(made, state, began)
        except (FileNotFoundError, ProcessLookupError):
            if not system.alive(made.pid):
                raise
    raise OSError("processes come and go too fast to be looked at")


def _look(made: Agent, state: Path, began: float) -> Sample:
    [guardian] = [pid for pid in system.children(made.pid) if _is_guardian(pid)]
    reapers = [
        pid for pid in system.children(guardian) if system.name(pid) == "smartmob-reaper"
    ]
    agent_rss, agent_pss = system.sizes([made.pid])
    guardian_rss, guardian_pss = system.sizes([guardian])
    reapers_rss, reapers_pss = system.sizes(reapers)
    files, size = _below(state)
    return Sample(
        seconds=round(monotonic() - began, 2),
        agent_rss=agent_rss,
        agent_pss=agent_pss,
        guardian_rss=guardian_rss,
        guardian_pss=guardian_pss,
        reapers=len(reapers),
        reapers_rss=reapers_rss,
        reapers_pss=reapers_pss,
        agent_descriptors=system.descriptors(made.pid),
        guardian_descriptors=system.descriptors(guardian),
        agent_threads=system.threads(made.pid),
        state_files=files,
        state_bytes=size,
        load=round(os.getloadavg()[0], 2),
    )


def _below(folder: Path) -> tuple[int, int]:
    """
    How many files and folders there are, and how big the files are.
    """
    count = size = 0
    for path, folders, names in os.walk(folder):
        count += len(folders) + len(names)
        size += sum(os.lstat(os.path.join(path, name)).st_size for name in names)
    return count, size


def _is_guardian(pid: int) -> bool:
    return system.name(pid) == "smartmob-guard"


def watch(
    made: Agent, state: Path, interval: float, seconds: float, tally: Tally
) -> list[Sample]:
    """
    Look again and again, for so long.
    """
    began = monotonic()
    samples: list[Sample] = []
    due = began
    nobody = Event()
    while due <= began + seconds:
        nobody.wait(max(0.0, due - monotonic()))
        try:
            samples.append(look(made, state, began))
        except (OSError, ValueError) as error:
            tally.wrong(f"looking at the agent: {error}")
            if made.process.poll() is not None:
                break
        due += interval
    return samples


def write(samples: Iterable[Sample], path: Path) -> None:
    """
    As CSV.
    """
    with path.open("w", encoding="ascii", newline="") as file:
        table = csv.DictWriter(file, list(fields_dict(Sample)), lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(sample) for sample in samples)


def between(samples: Sequence[Sample], first: float, last: float) -> list[Sample]:
    """
    Those of a time: seconds.
    """
    return [sample for sample in samples if first <= sample.seconds <= last]


def middle(samples: Sequence[Sample], name: str) -> float:
    """
    The median of a figure.
    """
    return float(median(getattr(sample, name) for sample in samples))
