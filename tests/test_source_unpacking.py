"""
Tests of L{smartmob.source.unpacking}: what it means how the unpacker ended.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from resource import RLIM_INFINITY, RLIMIT_CPU, RLIMIT_FSIZE

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.interfaces import Command, ILauncher
from smartmob.source import unpacking
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.limits import SourceLimits
from smartmob.source.unpacking import Unpacker
from tests.support.launching import FakeLauncher

LIMITS = SourceLimits(
    unpacked_bytes=10_000_000,
    entries=500,
    unpack_memory_bytes=150 << 20,
    unpack_seconds=50,
)


class RunTests(SynchronousTestCase):
    """
    What it means how the unpacker ended.
    """

    def setUp(self) -> None:
        """
        A launcher.
        """
        self.clock = Clock()

    def begin(self) -> None:
        """
        Have an unpacker that is about to run.
        """
        self.launcher = FakeLauncher(self.clock)
        unpacker = Unpacker(self.clock, ILauncher(self.launcher), LIMITS)
        self.unpacking = Deferred.fromCoroutine(unpacker.unpack("/a", "/x"))
        [self.program] = self.launcher.programs

    def check(self, kind: type[SourceError], reason: str) -> None:
        """
        Assert that it failed so, and that nothing is left.
        """
        error = self.failureResultOf(self.unpacking, kind).value
        assert isinstance(error, SourceError)
        self.assertEqual(error.reason, reason)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.program.dismissed)

    def test_command(self) -> None:
        """
        It is bounded, and sees nothing of the agent's environment.
        """
        self.begin()
        command: Command = self.program.command
        self.assertEqual(command.env, {})
        self.assertEqual(command.argv[-4:], ("/a", "/x", "10000000", "500"))
        self.assertEqual(command.rlimits["RLIMIT_AS"], (150 << 20, 150 << 20))
        self.assertEqual(command.rlimits["RLIMIT_CPU"], (50, 51))
        self.assertEqual(command.rlimits["RLIMIT_FSIZE"], (10_000_000, 10_000_000))
        self.assertEqual(command.rlimits["RLIMIT_CORE"], (0, 0))

    def test_bounded_agent(self) -> None:
        """
        What the agent itself may not have, its unpacker does not ask for.
        """
        own = {RLIMIT_FSIZE: (4096, 8192), RLIMIT_CPU: (RLIM_INFINITY, RLIM_INFINITY)}
        self.patch(unpacking, "getrlimit", lambda number: own.get(number, (50 << 20,) * 2))
        self.begin()
        limits = self.program.command.rlimits
        self.assertEqual(limits["RLIMIT_FSIZE"], (8192, 8192))
        self.assertEqual(limits["RLIMIT_CPU"], (50, 51))
        self.assertEqual(limits["RLIMIT_AS"], (50 << 20, 50 << 20))

    def test_slow(self) -> None:
        """
        It is killed when its time is over, which begins when it runs.
        """
        self.begin()
        self.clock.advance(1000)
        self.program.execute()
        self.clock.advance(49)
        self.assertFalse(self.program.was_killed)
        self.clock.advance(1)
        self.assertTrue(self.program.was_killed)
        self.program.end(signal=signal.SIGKILL)
        self.check(SourceRefused, "the archive takes longer than 50 s to unpack")

    def test_busy(self) -> None:
        """
        So it is when it used so much time of the processor.
        """
        self.begin()
        self.program.execute()
        self.program.end(signal=signal.SIGXCPU)
        self.check(SourceRefused, "the archive takes longer than 50 s to unpack")

    def test_endings(self) -> None:
        """
        What is not the archive's fault may go better later.
        """
        ends: list[tuple[Callable[[], None], SourceError]] = [
            (
                lambda: self.program.fail("no python"),
                SourceUnavailable("the unpacker could not be started: no python"),
            ),
            (
                self.program_lost,
                SourceUnavailable("the unpacker was lost, with the helper that started it"),
            ),
            (self.program_killed, SourceUnavailable("the unpacker was killed by signal 9")),
        ]
        for end, error in ends:
            with self.subTest(error=error):
                self.begin()
                end()
                self.check(type(error), error.reason)

    def program_lost(self) -> None:
        """
        Its helper is killed.
        """
        self.program.execute()
        self.program.lose()

    def program_killed(self) -> None:
        """
        Someone kills it.
        """
        self.program.execute()
        self.program.end(signal=signal.SIGKILL)

    def test_silent(self) -> None:
        """
        An unpacker that says nothing that can be understood has failed, and what it
        said is in the log.
        """
        self.begin()
        self.program.execute()
        self.program.output(b'{"hom')
        self.program.output(b"Traceback", 2)
        self.program.end(1)
        self.check(SourceRefused, "the archive made the unpacker fail")

    def test_cancelledEarly(self) -> None:
        """
        Cancelling before it was executed waits for its end, too.
        """
        self.begin()
        self.unpacking.cancel()
        self.assertTrue(self.program.was_killed)
        self.assertNoResult(self.unpacking)
        self.program.fail()
        self.failureResultOf(self.unpacking, CancelledError)
        self.assertTrue(self.program.dismissed)
