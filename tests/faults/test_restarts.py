"""
A long life.
"""

from __future__ import annotations

import os
import sys

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from smartmob.launch.helper import COMPILED, PYTHON, VARIABLE
from tests.support import any_inputs, restarting
from tests.support.faulting import FULL, often
from tests.support.twins import require_compiled

RESTARTS = often(500, 20_000)

INPUTS = often(20_000, 1_000_000)


class RestartTests(TestCase):
    """
    One program is run again and again, by a launcher and nothing else.
    """

    timeout = 1200

    async def restarted(self, guardian: str) -> None:
        """
        See that nobody's memory grows: of the last nine tenths, that is.
        """
        out, err, code = await getProcessOutputAndValue(
            sys.executable,
            ["-P", restarting.__file__, str(RESTARTS)],
            env={**os.environ, VARIABLE: guardian},
        )
        self.assertEqual((code, err), (0, b""), out.decode())
        samples = []
        said = {}
        for line in out.decode().splitlines():
            word, *numbers = line.split()
            if word == "after":
                samples.append([int(number) for number in numbers])
            else:
                said[word] = int(numbers[0])
        self.assertEqual(said["executed"], RESTARTS)
        first, last = samples[0], samples[-1]
        self.assertEqual(last[0], RESTARTS)
        _, agent, helper, reaper, descriptors = (
            after - before for before, after in zip(first, last, strict=True)
        )
        self.assertLess(agent, 512, samples)  # KiB: pages that the allocator has or has not
        self.assertLess(max(helper, reaper), 64, samples)
        self.assertEqual(descriptors, 0, samples)
        self.assertFalse(os.path.exists(f"/proc/{said['guardian']}"))
        self.assertFalse(os.path.exists(f"/proc/{said['reaper']}"))
        if FULL:
            print(f"\n{self.id()}: {first} ... {last}")

    async def test_compiled(self) -> None:
        """
        With the compiled guardian.
        """
        require_compiled()
        await self.restarted(COMPILED)

    async def test_python(self) -> None:
        """
        With the one in Python.
        """
        await self.restarted(PYTHON)


class InputTests(TestCase):
    """
    The machine of a process gets input after input.
    """

    timeout = 1200

    async def test_inputs(self) -> None:
        """
        Whatever comes, in whatever order and for however long, lives are told as they may be,
        and no memory grows.
        """
        out, err, code = await getProcessOutputAndValue(
            sys.executable,
            ["-P", any_inputs.__file__, "6", str(INPUTS)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.assertEqual((code, err), (0, b""), out.decode())
        said = dict(map(str.split, out.decode().splitlines()))
        self.assertLess(int(said["grown"]), 256 << 10)
        self.assertGreater(int(said["lives"]), INPUTS / 5000)
        if FULL:
            print(f"\n{self.id()}: {said}")
