"""
Guardians that do not answer.
"""

from __future__ import annotations

import os
import select
import signal

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch import wire
from smartmob.launch.interfaces import Command
from smartmob.launch.pulse import NOTICE, REPLACE, WAKE, Pulse
from tests.support.processes import Recorder
from tests.support.twins import WithCompiled
from tests.test_launch_launcher import LauncherCase
from tests.test_launch_real import ENV, RealCase


class PulseTests(SynchronousTestCase):
    """
    Who is asked when, and what follows.
    """

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.there = True
        self.done: list[str] = []
        self.pulse = Pulse(
            self.clock,
            ask=self.ask,
            wake=lambda: self.done.append("woken"),
            kill=lambda: self.done.append("killed"),
        )

    def ask(self) -> bool:
        """It is asked, if it is there."""
        if self.there:
            self.done.append("asked")
        return self.there

    def test_answers(self) -> None:
        """Whoever wants to know is told at the first answer, with one question for all."""
        asking = [self.pulse.answers(5.0), self.pulse.answers(1.0)]
        self.assertEqual(self.done, ["asked"])
        self.clock.advance(0.5)
        self.pulse.heard()
        self.assertEqual([self.successResultOf(each) for each in asking], [True, True])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        """Without an answer in time that is what is told, and it is not asked twice."""
        early, late = self.pulse.answers(0.5), self.pulse.answers(1.5)
        self.clock.pump([0.5, 0])
        self.assertFalse(self.successResultOf(early))
        self.assertNoResult(late)
        self.clock.pump([1.0, 0])
        self.assertFalse(self.successResultOf(late))
        self.assertEqual(self.done, ["asked"])
        self.pulse.heard()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """Who does not want to know any more is not told, and leaves nothing."""
        asking = self.pulse.answers(1.0)
        asking.addErrback(lambda _: None)
        asking.cancel()
        self.pulse.heard()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_next(self) -> None:
        """Where there is none, that the next one is ready is an answer."""
        self.there = False
        asking = self.pulse.answers(1.0)
        self.pulse.ready()
        self.assertTrue(self.successResultOf(asking))
        self.assertEqual(self.done, [])

    def test_lost(self) -> None:
        """Of one that has ended nothing is expected any more; but of the next one."""
        asking = self.pulse.answers(REPLACE + 1)
        self.pulse.lost()
        self.clock.pump([1.0] * REPLACE)
        self.assertEqual(self.done, ["asked"])
        self.pulse.ready()
        self.assertTrue(self.successResultOf(asking))

    def test_silent(self) -> None:
        """One that does not answer is woken, and then killed, which is done once."""
        self.pulse.ask()
        self.clock.pump([1.0] * (WAKE - 1))
        self.assertEqual(self.done, ["asked"])
        self.clock.advance(1.0)
        self.assertEqual(self.done, ["asked", "woken"])
        self.clock.pump([1.0] * (REPLACE - WAKE - 1))
        self.assertEqual(self.done, ["asked", "woken"])
        self.clock.advance(1.0)
        self.assertEqual(self.done, ["asked", "woken", "killed"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_woken(self) -> None:
        """One that answers once it is woken has all the time again when it is next asked."""
        for _ in range(2):
            self.pulse.ask()
            self.clock.pump([1.0] * (REPLACE - 1))
            self.pulse.heard()
        self.assertEqual(self.done, ["asked", "woken"] * 2)

    def test_noticed(self) -> None:
        """A crowd of starts costs one question a while later, and then there is no timer."""
        for _ in range(3):
            self.pulse.notice()
        self.clock.advance(NOTICE / 2)
        self.pulse.notice()
        self.assertEqual(self.done, [])
        self.clock.advance(NOTICE / 2)
        self.assertEqual(self.done, ["asked"])
        self.pulse.heard()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close(self) -> None:
        """When it is over, whoever wants to know is told so."""
        asking = self.pulse.answers(1.0)
        self.pulse.close()
        self.assertFalse(self.successResultOf(asking))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LauncherTests(LauncherCase):
    """
    The launcher and guardians that the test plays.
    """

    def test_answers(self) -> None:
        """A guardian that says that it is alive answers."""
        asking = self.launcher.answers(1.0)
        (guardian,) = self.guardians
        self.assertEqual(guardian.peer.recv(100), wire.PING)
        guardian.peer.send(wire.ALIVE)
        self.reactor.turn()
        self.assertTrue(self.successResultOf(asking))

    def test_late(self) -> None:
        """One that is silent does not, and is woken, and replaced."""
        _, recorder = self.program()
        self.arrived()
        asking = self.launcher.answers(1.0)
        (guardian,) = self.guardians
        self.reactor.pump([1.0] * WAKE)
        self.assertFalse(self.successResultOf(asking))
        self.assertEqual((guardian.woken, guardian.killed), (True, False))
        self.reactor.pump([1.0] * (REPLACE - WAKE))
        self.assertTrue(guardian.killed)
        self.reapers[0].die()
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["ended"])
        self.reactor.advance(1.0)
        self.assertEqual(len(self.guardians), 2)

    def test_started(self) -> None:
        """After a start it is asked."""
        self.running()
        (guardian,) = self.guardians
        self.reactor.advance(NOTICE)
        self.assertEqual(guardian.peer.recv(100), wire.PING)

    def test_another(self) -> None:
        """Where it ends instead, the next one answers by being ready."""
        asking = self.launcher.answers(1.0)
        self.guardians[0].peer.send(wire.READY)
        self.reactor.turn()
        self.assertTrue(self.successResultOf(asking))
        asking = self.launcher.answers(1.0)
        self.guardians[0].peer.close()
        self.reactor.turn()
        self.reactor.advance(0.2)
        self.assertNoResult(asking)
        self.guardians[1].peer.send(wire.READY)
        self.reactor.turn()
        self.assertTrue(self.successResultOf(asking))

    def test_stopped(self) -> None:
        """A launcher that does not run has nobody who answers."""
        asking = self.launcher.answers(1.0)
        stopping = self.launcher.stopService()
        self.assertFalse(self.successResultOf(asking))
        self.assertFalse(self.successResultOf(self.launcher.answers(1.0)))
        self.guardians[0].peer.close()
        self.reactor.turn()
        self.successResultOf(stopping)


class RealTests(RealCase):
    """
    A real guardian.
    """

    async def test_answers(self) -> None:
        """It answers, as often as it is asked."""
        await self.launcher.whenReady()
        for _ in range(3):
            self.assertTrue(await self.launcher.answers(30.0))

    async def test_readBeforeItIsTooLate(self) -> None:
        """An answer that is there when an agent goes on which was stopped itself counts."""
        await self.launcher.whenReady()
        asking = self.launcher.answers(0.0)
        assert self.launcher._guardian is not None
        select.select([self.launcher._guardian], [], [], 30)
        self.assertTrue(await asking)

    async def test_stopped(self) -> None:
        """One that was stopped does not; what is to be started wakes it, and is."""
        helper = self.launcher._helper
        assert helper is not None
        await self.launcher.whenReady()
        os.kill(helper.pid, signal.SIGSTOP)
        self.assertFalse(await self.launcher.answers(0.2))
        recorder = Recorder()
        self.launcher.program(Command(argv=("true",), env=ENV)).run(recorder)
        await recorder.ended
        self.assertEqual(recorder.order(), ["executed", "exited", "ended"])
        self.assertTrue(await self.launcher.answers(30.0))
        self.assertEqual(self.launcher._helper, helper)

    async def test_killed(self) -> None:
        """Where it was killed, the next one answers."""
        helper = self.launcher._helper
        assert helper is not None
        os.kill(helper.pid, signal.SIGKILL)
        self.assertTrue(await self.launcher.answers(30.0))
        self.flushLoggedErrors()


class CompiledRealTests(WithCompiled, RealTests):
    """
    The same with the compiled guardian.
    """
