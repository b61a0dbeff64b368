"""
Tests of L{smartmob.forward.delivering}, with the lane that it moves.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.forward import Forward, ToFiles
from smartmob.forward.destination import Outcome
from smartmob.forward.formats import Plain
from smartmob.forward.forwarding import Forwarding
from smartmob.forward.lane import FIRST_DELAY, GATHER, LONGEST_DELAY, QUIET_SECONDS, Lane
from smartmob.forward.queue import BATCH, MOST
from smartmob.placeholders import Pattern
from tests.support.forwarding import Recorder


class DeliveringTests(SynchronousTestCase):
    """
    When what waits is delivered.
    """

    def setUp(self) -> None:
        """
        A forward whose destination does what the test says.
        """
        self.clock = Clock()
        self.recorder = Recorder()
        self.rests: list[Lane] = []
        self.lane = Lane("x", "there", self.recorder, self.clock, self.rests.append)
        path = Pattern.of("/log")
        forward = Forward(name="x", to=ToFiles(path=path))
        self.forwarding = Forwarding.of(forward, Plain(), path, self.lane)
        self.said: list[LogEvent] = []
        observer = cast(ILogObserver, self.said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def put(self, *lines: str) -> None:
        """
        Some lines come, each for a file of its own.
        """
        for line in lines:
            self.assertTrue(self.forwarding.put(line, f"{line}\n".encode(), 1))

    def warnings(self) -> list[str]:
        """
        What was said to the operator.
        """
        return [formatEvent(event) for event in self.said if event["log_level"].name == "warn"]

    def test_gathered(self) -> None:
        """
        Lines that come one soon after the other are delivered together, and not at once.
        """
        self.put("1")
        self.clock.advance(GATHER / 2)
        self.put("2")
        self.assertEqual(self.recorder.batches, [])
        self.clock.advance(GATHER / 2)
        self.assertEqual(self.recorder.batches, [["1", "2"]])
        self.put("3")
        self.recorder.settle()
        self.clock.advance(GATHER)
        self.recorder.settle()
        self.assertEqual(self.recorder.batches, [["1", "2"], ["3"]])
        self.assertEqual((self.lane.delivered, self.lane.dropped), (3, 0))

    def test_idle(self) -> None:
        """
        Where nothing waits there is no timer.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.put("1")
        self.clock.advance(GATHER)
        self.recorder.settle()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.rests, [self.lane])
        self.assertTrue(self.lane.at_rest)

    def test_enough(self) -> None:
        """
        Where much waits nothing more is waited for.
        """
        self.put("1")
        self.forwarding.put("2", b"x" * BATCH, 1)
        self.forwarding.put("3", b"x", 1)
        self.clock.advance(0)
        self.assertEqual(len(self.recorder.batches), 1)

    def test_again(self) -> None:
        """
        What could not be delivered is tried again, later each time, and said once.
        """
        self.put("1", "2")
        self.clock.advance(GATHER)
        self.recorder.settle(left=1)
        delays = []
        for _ in range(7):
            [call] = self.clock.getDelayedCalls()
            delays.append(call.getTime() - self.clock.seconds())
            self.clock.advance(delays[-1])
            self.recorder.settle(left=1)
        self.assertEqual([round(each) for each in delays], [1, 2, 4, 8, 16, 30, 30])
        self.assertEqual(delays[0], FIRST_DELAY)
        self.assertEqual(
            self.warnings(), ["[forward:x] there is gone; trying again, 1 lines waiting"]
        )
        self.assertEqual(self.forwarding.report()["error"], "is gone")
        self.clock.advance(LONGEST_DELAY)
        self.assertEqual(set(map(tuple, self.recorder.batches[1:])), {("2",)})
        self.put("3")
        self.recorder.settle()
        self.clock.advance(GATHER)
        self.recorder.settle(left=1)
        [call] = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime() - self.clock.seconds(), FIRST_DELAY)
        self.assertEqual((self.lane.delivered, self.lane.failed), (2, 9))

    def test_progress(self) -> None:
        """
        One that takes a part each time is tried again as soon each time, and is told of once.
        """
        for number in range(6):
            self.forwarding.put(f"{number}", b"x\n", 1)
        self.clock.advance(GATHER)
        for left in range(5, 0, -1):
            self.recorder.settle(left=left)
            [call] = self.clock.getDelayedCalls()
            self.assertAlmostEqual(call.getTime() - self.clock.seconds(), FIRST_DELAY)
            self.clock.advance(FIRST_DELAY + 0.001)
        self.recorder.settle()
        self.assertEqual(self.lane.delivered, 6)
        self.assertEqual(len(self.warnings()), 1)

    def test_lost(self) -> None:
        """
        What a destination never takes is counted, and said once a minute.
        """
        for _ in range(4):
            self.put("1", "2")
            self.clock.advance(GATHER)
            self.recorder.settle(lost=1, why="can't write")
        self.assertEqual((self.lane.delivered, self.lane.dropped), (4, 4))
        self.assertEqual(len(self.warnings()), 1)
        self.clock.advance(QUIET_SECONDS)
        self.put("1")
        self.clock.advance(GATHER)
        self.recorder.settle(lost=1, why="can't write")
        self.assertIn("lines dropped: 4: it can't write", self.warnings()[1])

    def test_unsaid(self) -> None:
        """
        What was dropped and not told yet is told at the end, with the reason it had.
        """
        for _ in range(2):
            self.put("1")
            self.clock.advance(GATHER)
            self.recorder.settle(lost=1, why="can't write")
        self.forwarding.machine.cut("")
        first, last = self.warnings()
        self.assertEqual(first, last)
        self.assertTrue(last.endswith("lines dropped: 1: it can't write"))

    def test_dead(self) -> None:
        """
        A destination that never takes anything costs a bounded amount of memory, and what
        finds no room is counted.
        """
        self.put("1")
        self.clock.advance(GATHER)
        taken = 0
        for _ in range(1000):
            if self.forwarding.put("k", b"x" * 65_536, 10):
                taken += 10
            else:
                self.lane.miss(10)
            self.assertLessEqual(self.lane.queue.size, MOST)
        self.assertEqual(self.lane.dropped, 10_000 - taken)
        report = self.forwarding.report()
        self.assertEqual((report["queued"], report["dropped"]), (taken + 1, 10_000 - taken))
        self.assertEqual(len(self.warnings()), 1)

    def test_hurry(self) -> None:
        """
        At the end nothing is waited for, and a failed try is made again soon.
        """
        self.put("1")
        self.forwarding.machine.hurry()
        self.clock.advance(0)
        self.recorder.settle(left=1)
        self.clock.advance(0.2)
        self.recorder.settle()
        self.assertEqual(self.recorder.batches, [["1"], ["1"]])
        self.put("2")
        self.clock.advance(0)
        self.forwarding.machine.hurry()
        self.recorder.settle()
        self.assertEqual(self.lane.delivered, 2)

    def test_cut(self) -> None:
        """
        It ends in any state: what waits is dropped, and said, and nothing is left.
        """
        for steps in range(4):
            self.setUp()
            if steps:
                self.put("1")
            if steps > 1:
                self.clock.advance(GATHER)
                self.put("2")
            if steps > 2:
                self.recorder.settle(left=1)
            self.forwarding.machine.cut("the agent ends")
            self.assertTrue(self.lane.over)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.assertEqual(self.lane.dropped, min(steps, 2))
            self.assertEqual((self.recorder.cuts, self.recorder.closed), (int(steps == 2), 1))
            self.assertEqual(len(self.warnings()), (0, 1, 1, 2)[steps])
            self.forwarding.put("3", b"x\n", 1)
            for late in (self.forwarding.machine.hurry, self.forwarding.machine.enough):
                late()
            self.forwarding.machine.cut("again")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_broken(self) -> None:
        """
        A destination with a defect loses lines, which is logged and counted, and goes on.
        """

        class Broken(Recorder):
            """
            It has one.
            """

            def deliver(self, batch: object) -> Deferred[Outcome]:
                raise ZeroDivisionError

        self.patch(self.lane, "destination", Broken())
        self.put("1")
        self.clock.advance(GATHER)
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.lane.dropped, 1)
        self.assertTrue(self.lane.at_rest)
