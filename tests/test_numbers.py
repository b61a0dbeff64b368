"""
Tests of L{smartmob.numbers}.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from smartmob.numbers import LARGEST, MARGIN, FleetingNumbers, KeptNumbers, number_in

BOOT = "9a2c7b3e-0000-4000-8000-000000000001"
LATER = "9a2c7b3e-0000-4000-8000-000000000002"


class NumbersTests(SynchronousTestCase):
    """
    Numbers that only grow.
    """

    def setUp(self) -> None:
        """
        There is no file.
        """
        self.path = Path(self.mktemp()).absolute()

    def numbers(self, boot: str = BOOT, at_least: int = 1) -> KeptNumbers:
        """
        Those of another agent, after one that was killed.
        """
        return KeptNumbers(str(self.path), boot, at_least)

    def test_fleeting(self) -> None:
        """Some begin anew each time."""
        numbers = FleetingNumbers()
        self.assertEqual([numbers.take(), numbers.take(), numbers.next], [1, 2, 3])

    def test_goOn(self) -> None:
        """They go on after the agent was killed, at whatever moment."""
        taken: list[int] = []
        for _ in range(5):
            numbers = self.numbers()
            self.assertEqual(numbers.next, len(taken) + 1)
            taken += [numbers.take(), numbers.take()]
        self.assertEqual(taken, list(range(1, 11)))
        self.assertEqual(number_in(str(self.path)), 11)

    def test_closed(self) -> None:
        """Who takes one after the end writes to no file that has the descriptor since."""
        numbers = self.numbers()
        numbers.close()
        other = Path(self.mktemp())
        with other.open("wb") as file:
            self.assertEqual(numbers.take(), 1)
            file.flush()
        self.assertEqual(other.read_bytes(), b"")

    def test_powerFailed(self) -> None:
        """After a failure of the power none is given twice, whatever was on the disk."""
        self.numbers().take()
        self.assertEqual(self.numbers(LATER).next, 2 + MARGIN)
        # And no more are left out, however often the agent is killed then.
        self.assertEqual(self.numbers(LATER).next, 2 + MARGIN)

    def test_inOrder(self) -> None:
        """After an end in order none is left out, also when the system was started anew."""
        numbers = self.numbers()
        numbers.take()
        numbers.close()
        later = self.numbers(LATER)
        self.assertEqual(later.take(), 2)
        # But whoever was there since, and was not asked to end, counts.
        self.assertEqual(self.numbers(BOOT).next, 3 + MARGIN)

    def test_knownFromElsewhere(self) -> None:
        """Who knows of later numbers is believed."""
        self.assertEqual(self.numbers(at_least=7).take(), 7)
        self.assertEqual(self.numbers(at_least=3).take(), 8)

    def test_damaged(self) -> None:
        """What makes no sense is as if it were not there."""
        whole = struct.pack("<Q36s?", 5, BOOT.encode(), False)
        for data in (
            b"",
            b"hello",
            whole[:-1],
            struct.pack("<Q36s?", LARGEST + 1, b"", False),
            struct.pack("<Q36s?", 0, b"", False),
            b"x" * 2000,
        ):
            self.path.write_bytes(data)
            self.assertEqual(number_in(str(self.path)), 1)
            self.assertEqual(self.numbers(at_least=9).next, 9)
            self.path.unlink()
        self.path.write_bytes(whole + b"more")
        self.assertEqual(self.numbers().next, 5)

    def test_noFile(self) -> None:
        """What is no file is none to write to, and nobody waits for it."""
        self.path.symlink_to("elsewhere")
        self.assertRaises(OSError, self.numbers)
        self.path.unlink()
        self.path.mkdir()
        self.assertRaises(OSError, self.numbers)
        self.assertEqual(number_in(str(self.path)), 1)

    def test_diskFails(self) -> None:
        """Numbers are given on where the disk fails, which is said once."""
        numbers = self.numbers()
        assert numbers._file is not None
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.dup2(writer, numbers._file)  # where pwrite(2) fails
        os.close(writer)
        with capturedLogs() as logs:
            self.assertEqual([numbers.take(), numbers.take()], [1, 2])
        self.assertEqual(len(logs), 1)
        self.assertRaises(OSError, numbers.close)

    def test_cutOff(self) -> None:
        """A file that somebody empties meanwhile ends nothing."""
        numbers = self.numbers()
        numbers.take()
        os.truncate(self.path, 0)
        self.assertEqual(numbers.take(), 2)
