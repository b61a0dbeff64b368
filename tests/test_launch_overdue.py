"""
Programs that stop what keeps them.
"""

from __future__ import annotations

import os
import signal

from attrs import define
from twisted.internet import reactor
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.interfaces import Command, LauncherLost
from smartmob.launch.overdue import ALLOWANCE, Overdue
from smartmob.launch.tree import exists
from tests.support.processes import Recorder, until
from tests.support.twins import WithCompiled
from tests.test_launch_real import ENV, RealCase

STOPPING_REAPER = "read go; kill -STOP $PPID; echo up; sleep 1000"

STOPPING_AT_ONCE = "kill -STOP $PPID; echo > done; sleep 1000"

STRAGGLING = """\
read go
reaper=$PPID
trap "" TERM
(while kill -0 $$ && ! grep -q "^State:.Z" /proc/$$/status; do :; done
 kill -STOP $reaper; echo up; sleep 1000) 2> /dev/null &
exit 0
"""

STOPPING_GUARDIAN = """\
read go
read -r pid comm state guardian rest < /proc/$PPID/stat
kill -STOP "$guardian"; echo up; sleep 1000
"""


@define(eq=False)
class Told:
    """
    A program that was told to end.
    """

    pid: int | None = None

    def keeper(self) -> int | None:
        """A reaper keeps it."""
        return None


class OverdueTests(SynchronousTestCase):
    """
    When is looked, where nobody is stopped.
    """

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.looks: list[float] = []
        self.overdue = Overdue(self.clock, self.guardian)

    def guardian(self) -> int | None:
        """There is none, but it is asked for."""
        self.looks.append(self.clock.seconds())
        return None

    def test_inTime(self) -> None:
        """Nobody looks after those that end in time, and no timer is left."""
        first, second = Told(), Told()
        self.overdue.expect(first, 1.0)
        self.overdue.expect(second, 1.0)
        self.overdue.gone(first)
        self.clock.advance(1.0 + ALLOWANCE / 2)
        self.overdue.gone(second)
        self.overdue.gone(second)
        self.assertEqual((self.looks, self.clock.getDelayedCalls()), ([], []))

    def test_late(self) -> None:
        """Those that are late are looked after again and again, and then no more."""
        told = Told()
        self.overdue.expect(told, 5.0)
        self.clock.pump([5.0, *[ALLOWANCE] * 3])
        self.assertEqual(self.looks, [5.0 + ALLOWANCE * times for times in (1, 2, 3)])
        self.overdue.gone(told)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_sooner(self) -> None:
        """What was told to hurry is late sooner; to be told again gives it no more time."""
        hurried, other = Told(), Told()
        self.overdue.expect(other, 50.0)
        self.overdue.expect(hurried, 10.0)
        self.overdue.expect(hurried, 1.0)
        self.overdue.expect(hurried, 100.0)
        self.clock.advance(1.0 + ALLOWANCE)
        self.assertEqual(self.looks, [1.0 + ALLOWANCE])
        self.overdue.gone(hurried)
        self.clock.advance(ALLOWANCE)
        self.overdue.gone(other)


class StoppedTests(RealCase):
    """
    Real ones.
    """

    async def run_up(self, script: str) -> Recorder:
        """
        Run a program, and when it is known to run, until it has done its harm.
        """
        self.recorder = Recorder()
        up = self.recorder.says(b"up\n")
        command = Command(argv=("sh", "-c", script), env=ENV, redirect_input=True)
        self.program = self.launcher.program(command)
        self.program.run(self.recorder)
        await self.recorder.executed
        self.program.writeToChild(0, b"go\n")
        await up
        return self.recorder

    async def test_reaper(self) -> None:
        """
        A program that stops its reaper is ended, and the reaper with it.
        """
        recorder = await self.run_up(STOPPING_REAPER)
        pid = self.program.pid
        assert pid is not None
        self.program.stop(0.1)
        self.assertIsInstance(await recorder.ended, LauncherLost)
        # It was killed by then, and is reaped in a moment.
        await until(reactor, lambda: not exists(pid), 30)

    async def test_atOnce(self) -> None:
        """
        So is one that does it before anybody knows that it runs.
        """
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        recorder = Recorder()
        argv = ("sh", "-c", STOPPING_AT_ONCE)
        program = self.launcher.program(Command(argv=argv, env=ENV, cwd=folder))
        program.run(recorder)
        await until(reactor, lambda: os.path.exists(f"{folder}/done"), 30)
        program.stop(0.1)
        await recorder.ended

    async def test_straggler(self) -> None:
        """
        So is one that is left of a program which has ended.
        """
        recorder = await self.run_up(STRAGGLING)
        self.program.kill()
        await recorder.ended

    async def test_guardian(self) -> None:
        """
        A guardian that was stopped ends all the same when its agent does.
        """
        recorder = await self.run_up(STOPPING_GUARDIAN)
        helper = self.launcher._helper
        assert helper is not None
        await self.launcher.stopService()
        await recorder.ended
        self.assertRaises(ProcessLookupError, os.kill, helper.pid, 0)

    async def test_neighbour(self) -> None:
        """
        What is not to end is left alone, stopped or not.
        """
        await self.run_up(STOPPING_REAPER)
        neighbour, recorder = self.program, self.recorder
        assert neighbour.pid is not None
        other = await self.run_up(STOPPING_REAPER)
        self.program.stop(0.1)
        await other.ended
        os.kill(neighbour.pid, 0)
        with open(f"/proc/{neighbour.pid}/stat") as file:
            reaper = int(file.read().rpartition(") ")[2].split()[1])
        os.kill(reaper, signal.SIGCONT)
        neighbour.kill()
        await recorder.ended


class CompiledStoppedTests(WithCompiled, StoppedTests):
    """
    The same with the compiled guardian.
    """
