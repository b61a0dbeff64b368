"""
Tests of L{smartmob.source.unpacking}: what it means how the unpacker ended.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from resource import RLIM_INFINITY, RLIMIT_CPU, RLIMIT_FSIZE
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.interfaces import Command, ILauncher
from smartmob.source import unpacking
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.limits import SourceLimits
from smartmob.source.unpacking import Unpacked, Unpacker
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
        self.assertEqual(command.argv[-6:], ("/a", "/x", "10000000", "500", "268435456", "5"))
        self.assertEqual(command.rlimits["RLIMIT_AS"], (150 << 20, 150 << 20))
        self.assertEqual(command.rlimits["RLIMIT_CPU"], (50, 51))
        self.assertEqual(command.rlimits["RLIMIT_FSIZE"], (10_000_000, 10_000_000))
        self.assertEqual(command.rlimits["RLIMIT_CORE"], (0, 0))
        self.assertEqual(command.rlimits["RLIMIT_NOFILE"], (32, 32))

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

    def report(self, report: Mapping[str, object], code: int = 0) -> None:
        """
        Have the unpacker say something, and end.
        """
        usual = {"home": "app-1", "procfile": None, "dotenv": None, "network": None}
        self.program.execute()
        self.program.output(json.dumps({**usual, **report}).encode())
        self.program.end(code)

    def test_unpacked(self) -> None:
        """
        What was unpacked is what it says.
        """
        self.begin()
        self.report({"procfile": "d2ViOiB4", "dotenv": ""})
        self.assertEqual(
            self.successResultOf(self.unpacking), Unpacked("app-1", b"web: x", b"")
        )

    def test_talked_into(self) -> None:
        """
        An unpacker that says what none would has been talked into it by the archive.
        """
        reports: list[dict[str, object]] = [
            {"home": ".."},
            {"home": "."},
            {"home": "../other"},
            {"home": "/etc"},
            {"home": "a\0b"},
            {"home": None},
            {"home": ["a"]},
            {"procfile": "no base64!"},
            {"procfile": 7},
            {"dotenv": {}},
            {"network": 3},
        ]
        for report in reports:
            with self.subTest(report=report):
                self.begin()
                self.report(report)
                self.check(SourceRefused, "the archive made the unpacker fail")
        for said in (b"[]", b"7", b"{}", b"[" * 100_000):
            for code in (0, 1):
                self.begin()
                self.program.execute()
                self.program.output(said)
                self.program.end(code)
                self.check(SourceRefused, "the archive made the unpacker fail")

    def test_sentence(self) -> None:
        """
        Why it refuses is one line of text, whatever it says.
        """
        self.begin()
        self.report({"error": "one\ntwo \x1b[31m" + "x" * 5000}, 1)
        self.check(SourceRefused, "the archive was refused: one?two ?[31m" + "x" * (1000 - 13))

    def test_network(self) -> None:
        """
        Where unpackers can't give the network away that is said, loudly and once.
        """
        said: list[tuple[LogLevel, str]] = []

        def hear(event: LogEvent) -> None:
            if event.get("log_namespace") == "smartmob.source.unpacking":
                said.append((event["log_level"], event["log_format"].format(**event)))

        globalLogPublisher.addObserver(cast(ILogObserver, hear))
        self.addCleanup(globalLogPublisher.removeObserver, cast(ILogObserver, hear))
        self.launcher = FakeLauncher(self.clock)
        unpacker = Unpacker(self.clock, ILauncher(self.launcher), LIMITS)
        for _ in range(3):
            unpacking = Deferred.fromCoroutine(unpacker.unpack("/a", "/x"))
            self.program = self.launcher.programs[-1]
            self.report({"network": "no filter"})
            self.successResultOf(unpacking)
        [(level, text)] = said
        self.assertIs(level, LogLevel.warn)
        self.assertIn("UNPACKED BY A PROCESS THAT CAN USE THE NETWORK", text)
        self.assertTrue(text.endswith(": no filter"))

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
