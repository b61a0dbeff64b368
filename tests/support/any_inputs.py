"""
Chance plays the operator and the system of one process, for as long as is wanted.

It is less thorough than hypothesis in any one place, and comes a thousand times further.

Run as C{python any_inputs.py SEED NUMBER} it says C{lives NUMBER} and C{grown BYTES}: how many
processes there were, and by how much what Python has allocated grew over the second half.
"""

from __future__ import annotations

import gc
import random
import sys
import tracemalloc
from collections.abc import Callable

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import LimitedHistoryLogObserver, globalLogBeginner

from smartmob.documents import Flapping
from smartmob.refusals import UnknownProcess
from smartmob.source.errors import SourceRefused, SourceUnavailable
from tests.support.launching import FakeProgram
from tests.support.lives import Life
from tests.support.stage import REQUEST, Stage

LATEST = 100_000.0
"""Seconds of the clock: it goes on, so that all numbers of a long life are large."""


class Chance:
    """
    Gives inputs to the machine of a process, one after the other.  When it is deleted,
    another takes its place.

    @ivar inputs: How many there were.
    @ivar lives: How many processes.
    """

    def __init__(self, seed: int) -> None:
        self.inputs = 0
        self.lives = 0
        self._random = random.Random(seed)
        self._clock = Clock()
        self._clock.advance(LATEST)
        self._begin()

    def step(self) -> None:
        """
        One input of those that may come now.
        """
        self.inputs += 1
        self._random.choice(self._possible())()
        for event in self._stage.told:
            self._life.tell(event)
        self._stage.told.clear()
        # What is over is forgotten, or the fakes would grow where nothing else does.
        del self._stage.launcher.programs[:-1], self._stage.recipe.works[:-1]
        if self._stage.launcher.programs:
            del self._program.runs[:-1]
        if self._stage.gone:
            self._begin()

    def _begin(self) -> None:
        self.lives += 1
        flapping = Flapping(attempts=3, window=1.0, retry_in=1.5, max_retry=2)
        request = evolve(REQUEST, flapping=flapping if self._random.random() < 0.5 else None)
        self._stage = Stage(request, clock=self._clock)
        self._life = Life()
        self._stage.process.start()

    @property
    def _program(self) -> FakeProgram:
        return self._stage.program

    def _possible(self) -> list[Callable[[], object]]:
        stage, process = self._stage, self._stage.process
        discarding = stage.recipe.discarding
        if discarding is not None and not discarding.called:
            return [stage.discard, process.stop, process.delete, self._pass]
        does: list[Callable[[], object]] = [
            *(self._verb(verb) for verb in (process.start, process.restart)),
            *(process.stop, self._pass, self._pass),
        ]
        if self._random.random() < 0.01:
            does.append(process.delete)
        works = stage.recipe.works
        if works and not works[-1].called:
            return [*does, *[stage.source] * 5, self._unsourced]
        if not stage.launcher.programs or not self._program.running:
            return does
        if self._program.pid is None:
            return [*does, *[self._program.execute] * 5, self._program.fail, self._program.lose]
        return [*does, *[self._end] * 5, self._program.lose]

    def _verb(self, verb: Callable[[], object]) -> Callable[[], None]:
        def call() -> None:
            try:
                verb()
            except UnknownProcess:
                return  # it is being deleted

        return call

    def _pass(self) -> None:
        self._clock.advance(self._random.choice([0, 0.05, 1, 11, 61]))

    def _unsourced(self) -> None:
        later = self._random.random() < 0.9
        error = SourceUnavailable("no") if later else SourceRefused("never")
        self._stage.recipe.works[-1].errback(error)

    def _end(self) -> None:
        self._program.end(self._random.randrange(3))


def main() -> None:
    """
    Give so many inputs.
    """
    # Else they are kept for whoever begins to log.
    globalLogBeginner.beginLoggingTo([LimitedHistoryLogObserver(1)], redirectStandardIO=False)
    seed, number = map(int, sys.argv[1:])
    chance = Chance(seed)
    begun = 0
    for count in range(number):
        if count == number // 4:
            tracemalloc.start()
        if count == number // 2:
            gc.collect()
            begun = tracemalloc.get_traced_memory()[0]
        chance.step()
    gc.collect()
    print("lives", chance.lives)
    print("grown", tracemalloc.get_traced_memory()[0] - begun)


if __name__ == "__main__":
    main()
