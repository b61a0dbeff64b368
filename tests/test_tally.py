"""
What is counted of runs and restarts.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import Restart
from smartmob.run import Ending
from smartmob.tally import How, Tally
from tests.support.stage import Stage, staged


class HowTests(SynchronousTestCase):
    """
    How a program ended.
    """

    def test_each(self) -> None:
        """Every way to end is one of a few."""
        for ending, executed, how in (
            (Ending(code=0), True, How.SUCCESS),
            (Ending(code=3), True, How.FAILURE),
            (Ending(signal=15), True, How.SIGNAL),
            (Ending(why="the helper is gone"), True, How.UNKNOWN),
            (Ending(code=127, why="there is no such program"), False, How.NOT_EXECUTED),
        ):
            tally = Tally()
            tally.ended(ending, executed=executed)
            self.assertEqual(tally.exits, {how: 1})


class LifeTests(SynchronousTestCase):
    """
    What a process has counted.
    """

    def test_restarts(self) -> None:
        """A start that nobody asked for is counted where the document counts it."""
        stage = Stage()
        program = stage.up()
        program.end(3)
        program.execute()
        program.end(signal=9)
        stage.clock.advance(5)
        tally = stage.process.tally
        self.assertEqual(tally.restarts, 2)
        self.assertEqual(tally.restarts, stage.process.restarts)
        self.assertEqual(tally.exits, {How.FAILURE: 1, How.SIGNAL: 1})

    def test_notExecuted(self) -> None:
        """What can't be executed has ended all the same, and is tried again."""
        stage = Stage()
        stage.process.start()
        stage.source()
        stage.program.fail()
        self.assertEqual(stage.process.tally.exits, {How.NOT_EXECUTED: 1})
        self.assertEqual(stage.process.tally.restarts, 1)

    def test_lost(self) -> None:
        """Of a program whose helper was killed nobody knows how it ended."""
        stage = staged(restart=Restart.NEVER)
        stage.up().lose()
        self.assertEqual(stage.process.tally.exits, {How.UNKNOWN: 1})

    def test_stopped(self) -> None:
        """A run that an operator ends is counted once, and its restart is none."""
        stage = Stage()
        program = stage.up()
        stage.process.restart()
        program.end(signal=15)
        program.execute()
        stage.process.delete()
        program.end(signal=15)
        tally = stage.process.tally
        self.assertEqual(tally.exits, {How.SIGNAL: 2})
        self.assertEqual(tally.restarts, 0)
