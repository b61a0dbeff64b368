"""
Tests of L{smartmob.threaded_writer}.
"""

from __future__ import annotations

import contextlib
import os
from io import StringIO, TextIOWrapper

from twisted.trial.unittest import SynchronousTestCase

from smartmob.threaded_writer import ThreadedWriter

LIMIT = 30.0
"""Seconds after which a test has failed."""


class UnhurriedTests(SynchronousTestCase):
    """
    A log must not hold up whose log it is.
    """

    def test_order(self) -> None:
        """What is written arrives, in order."""
        out = StringIO()
        log = ThreadedWriter(out)
        for number in range(1000):
            log.write(f"{number}\n")
        self.assertTrue(log.drain(LIMIT))
        self.assertEqual(out.getvalue(), "".join(f"{n}\n" for n in range(1000)))

    def test_unread(self) -> None:
        """A pipe that nobody reads holds nobody up, and who reads it later is told."""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        os.set_blocking(read, False)
        with TextIOWrapper(open(write, "wb")) as out:
            log = ThreadedWriter(out, most=10)
            for _ in range(1000):
                log.write("x" * 999 + "\n")
            self.assertFalse(log.drain(0.0))
            self._read_until(log, read)
            log.write("the end\n")
            said = self._read_until(log, read)
        self.assertRegex(
            said, rb"^\([0-9]+ entries of the log were not read in time\)\nthe end\n$"
        )

    def _read_until(self, log: ThreadedWriter, read: int) -> bytes:
        said = b""
        while True:
            written = log.drain(0.05)
            with contextlib.suppress(BlockingIOError):
                while part := os.read(read, 65536):
                    said += part
            if written:
                return said

    def test_no_reader(self) -> None:
        """A pipe whose reader is gone is no error, and what comes later no burden."""
        read, write = os.pipe()
        os.close(read)
        with open(write, "wb", buffering=0) as raw:
            out = TextIOWrapper(raw, write_through=True)
            log = ThreadedWriter(out, most=10)
            for _ in range(100):
                log.write("x\n")
            self.assertTrue(log.drain(LIMIT))
            out.detach()
