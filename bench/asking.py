"""
Asks somebody for a listing, as fast as it comes or at a rate, and judges the answers.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from attrs import define, field, frozen

from bench.changing import Change
from bench.figures import Failed


class Untrue(Failed):
    """
    An answer is not what it has to be.
    """


@frozen
class Answer:
    """
    @ivar due: When it was asked for, or should have been: nanoseconds, monotonic.
    @ivar first: When its first byte came ...
    @ivar last: ... and its last.
    @ivar body: The number of its body; those that are the same have the same.
    """

    due: int
    first: int
    last: int
    body: int


@define
class Answers:
    """
    All that came of one run.

    @ivar each: In the order in which they were whole.
    @ivar shown: By body what it shows of processes that another showed otherwise: the slug,
        C{started_at}, state and pid (0 where there is none).
    """

    seconds: float
    each: list[Answer] = field(factory=list)
    shown: dict[int, list[tuple[str, str, str, int]]] = field(factory=dict)

    @property
    def rate(self) -> float:
        """
        A second.
        """
        return len(self.each) / self.seconds

    def milliseconds(self) -> list[float]:
        """
        What each took.
        """
        return [(answer.last - answer.due) * 1e-6 for answer in self.each]

    def age(self, changes: Iterable[Change]) -> float:
        """
        The most by which an answer was behind, in milliseconds: for so long the program of
        some process had been started, by its own clock, when the first byte of an answer
        came that still showed the one before.

        @param changes: All starts of the programs that change, in order, from the first.
        @raise Untrue: An answer shows what never was.
        """
        runs: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            runs[change.slug].append(change)
        starts = {
            (slug, change.started_at): index
            for slug, of_it in runs.items()
            for index, change in enumerate(of_it)
        }
        outdated: dict[str, float] = {}
        since: dict[int, float] = {}
        for body in sorted(self.shown):
            for slug, started_at, state, pid in self.shown[body]:
                if slug not in runs:
                    continue
                index = starts.get((slug, started_at))
                if index is None:
                    raise Untrue(f"{slug} is said to be started at {started_at}, but never was")
                of_it = runs[slug]
                if state == "running" and pid != of_it[index].pid:
                    raise Untrue(f"{slug} runs as {of_it[index].pid}, and is said to as {pid}")
                later = of_it[index + 1 : index + 2]
                outdated[slug] = later[0].at if later else math.inf
            since[body] = min(outdated.values(), default=math.inf)
        return max(max(0.0, answer.first - since[answer.body]) for answer in self.each) * 1e-6


@frozen
class Asker:
    """
    @ivar program: C{programs/ask.c}.
    @ivar folder: For what it writes.
    """

    program: Path
    folder: Path

    def ask(
        self,
        port: int,
        path: str,
        *,
        connections: int,
        seconds: float,
        rate: int = 0,
        processes: int | None = None,
    ) -> Answers:
        """
        Ask on so many connections for so long.

        @param rate: So often a second; 0: as soon as there is an answer.
        @param processes: So many have to be in each answer.
        @raise Untrue: An answer is not whole, or there is none.
        """
        log = self.folder / "answers"
        words = [str(port), path, str(connections), str(rate), str(seconds), str(log)]
        done = subprocess.run(
            [self.program, *words],
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
        if done.returncode:
            raise Untrue(done.stderr.strip())
        said = json.loads(done.stdout)
        if said["wrong"] or not said["answers"]:
            raise Untrue(said["wrong"] or "no answer at all")
        answers = _read(log, said["seconds"], processes)
        if processes is not None:
            document = json.loads(log.with_suffix(".body").read_bytes())
            slugs = {each["slug"] for each in document["processes"]}
            if len(slugs) != processes:
                raise Untrue(f"{len(slugs)} of {processes} processes are listed")
        return answers


def _read(log: Path, seconds: float, processes: int | None) -> Answers:
    """
    What C{programs/ask.c} has noted.
    """
    answers = Answers(seconds)
    slugs: dict[str, str] = {}
    news: list[tuple[str, str, str, int]] = []
    with log.open(encoding="ascii") as lines:
        for line in lines:
            kind, *words = line.split()
            if kind == "R":
                answers.each.append(Answer(*map(int, words)))
            elif kind == "P":
                index, pid, started_at, state = words
                news.append((slugs[index], started_at, state, int(pid)))
            elif kind == "I":
                slugs[words[0]] = words[1]
            else:
                if processes is not None and int(words[2]) != processes:
                    raise Untrue(f"{words[2]} of {processes} processes are listed")
                answers.shown[int(words[0])], news = news, []
    return answers
