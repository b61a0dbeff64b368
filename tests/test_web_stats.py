"""
What programs use, as the operating system says it.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.interfaces import Usage as GroupUsage
from smartmob.web.measurements import AT_ONCE, Measurements
from smartmob.web.stats import Usage, measure

BUSY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"],
                         stdin=subprocess.PIPE)
print("up", flush=True)
while True:
    pass
"""


class MeasureTests(SynchronousTestCase):
    """
    Measuring real programs.
    """

    def test_tree(self) -> None:
        """A busy program and its idle child are counted together."""
        program = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        assert program.stdout is not None
        self.addCleanup(program.stdout.close)
        self.assertEqual(program.stdout.readline(), b"up\n")
        usage = measure(program.pid)
        while not usage.cpu_percent:  # on a loaded machine it may not have had its turn
            usage = measure(program.pid)
        self.assertEqual(usage.processes, 2)
        self.assertGreaterEqual(usage.threads, 2)
        self.assertGreater(usage.rss_bytes, 1 << 20)
        self.assertGreaterEqual(usage.open_files, 6)
        self.assertLess(usage.cpu_percent, 200)

    def test_group(self) -> None:
        """Where it has a cgroup, that knows of processor time which nobody has any more."""
        usages = [
            GroupUsage(memory_bytes=5, cpu_seconds=1.0),
            GroupUsage(memory_bytes=7, cpu_seconds=1000.0),
        ]
        usage = measure(os.getpid(), lambda: usages.pop(0))
        self.assertGreater(usage.cpu_percent, 1000)
        self.assertEqual(usage.memory_bytes, 7)
        usage = measure(os.getpid(), GroupUsage)
        self.assertLess(usage.cpu_percent, 1000)
        self.assertIsNone(usage.memory_bytes)

    def test_gone(self) -> None:
        """A program that has ended uses nothing."""
        program = subprocess.Popen([sys.executable, "-c", ""])
        program.wait()
        self.assertEqual(measure(program.pid), Usage())

    def test_zombie(self) -> None:
        """Nor does one whose end nobody has looked at yet."""
        program = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        self.addCleanup(program.wait)
        self.assertEqual(measure(program.pid), Usage())


class TurnTests(SynchronousTestCase):
    """
    How many are measured at the same time.
    """

    def setUp(self) -> None:
        """
        Threads that the test plays.
        """
        self.threads: list[Deferred[Usage]] = []
        self.measurements = Measurements(self.in_thread)

    def in_thread(self, act: object) -> Deferred[Usage]:
        """
        Begin, and wait for the test.
        """
        self.threads.append(Deferred())
        return self.threads[-1]

    def ask(self, number: int) -> list[Deferred[Usage]]:
        """
        So many clients at once.
        """
        return [Deferred.fromCoroutine(self.measurements.make(Usage)) for _ in range(number)]

    def test_inTurn(self) -> None:
        """Only so many have a thread; each that is done, well or not, lets one go."""
        asked = self.ask(AT_ONCE + 2)
        self.assertEqual(len(self.threads), AT_ONCE)
        self.threads[0].callback(Usage(processes=7))
        self.assertEqual(self.successResultOf(asked[0]).processes, 7)
        self.threads[1].errback(ZeroDivisionError())
        self.failureResultOf(asked[1], ZeroDivisionError)
        self.assertEqual(len(self.threads), AT_ONCE + 2)

    def test_clientsGone(self) -> None:
        """
        What nobody waits for any more is not begun, and no busy thread counts as free.
        """
        for one in self.ask(100):
            one.cancel()
            self.failureResultOf(one, CancelledError)
        self.assertEqual(len(self.threads), AT_ONCE)
        [last] = self.ask(1)
        self.assertEqual(len(self.threads), AT_ONCE)
        self.threads[0].callback(Usage())
        self.threads[AT_ONCE].callback(Usage(processes=7))
        self.assertEqual(self.successResultOf(last).processes, 7)
