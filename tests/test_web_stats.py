"""
What programs use, as the operating system says it.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

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
