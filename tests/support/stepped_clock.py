"""
A wall clock that a test sets, for an agent and all that it starts.

Nobody may set the machine's for a test, and no namespace has one of its own
(time_namespaces(7)).  So a library comes before the C library's own (ld.so(8)), which adds to
what that says.  What the kernel says by itself, such as when a file was changed, stays as it
is.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest

_SOURCE = Path(__file__).with_suffix(".c")


class SteppedClock:
    """
    The clock.

    @ivar env: What an agent's environment needs, that it goes by this clock.
    """

    def __init__(self, folder: Path) -> None:
        """
        @raise SkipTest: Nothing can be compiled here.
        """
        compiler = shutil.which("cc")
        if compiler is None:
            raise SkipTest("CLOCKS THAT STEP ARE NOT TESTED: there is no cc")
        library, step = folder / "stepped_clock.so", folder / "step"
        words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
        made = subprocess.run(words, capture_output=True, check=False)
        if made.returncode:
            why = made.stderr.decode()
            raise SkipTest(f"CLOCKS THAT STEP ARE NOT TESTED: cc failed: {why}")
        step.write_bytes(bytes(8))
        with step.open("r+b") as file:
            self._step = mmap.mmap(file.fileno(), 8)
        self.env = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(step)}

    def set(self, seconds: int) -> None:
        """
        It is so many seconds ahead of the right time.
        """
        self._step[:] = struct.pack("=q", seconds)
