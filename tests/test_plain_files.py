"""
Tests of L{smartmob.plain_files}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smartmob.plain_files import opened, read


class ReadTests(SynchronousTestCase):
    """
    What an operator named, and what it became.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()

    def refused(self, path: str, most: int = 4096) -> str:
        """
        Why it is not read, the end of a sentence.
        """
        return str(self.assertRaises(ValueError, read, path, most))

    def test_read(self) -> None:
        """A file is read as it is, through a link too, up to its bound."""
        Path(self.path).write_bytes(b"0123")
        os.symlink(os.path.basename(self.path), f"{self.path}.link")
        self.assertEqual(read(self.path, 4), b"0123")
        self.assertEqual(read(f"{self.path}.link", 5), b"0123")

    def test_more(self) -> None:
        """One with more bytes is refused, and the bound said."""
        Path(self.path).write_bytes(b"x" * ((1 << 20) + 1))
        self.assertEqual(self.refused(self.path, 1 << 20), "has more than 1 MiB")
        self.assertEqual(self.refused(self.path, 4096), "has more than 4 KiB")

    def test_others(self) -> None:
        """What is no plain file is refused at once: a FIFO, a device, a folder."""
        os.mkfifo(self.path)
        for path in (self.path, "/dev/zero", os.path.dirname(self.path) or "."):
            self.assertEqual(self.refused(path), "is no plain file")

    def test_missing(self) -> None:
        """What can't be opened is said by the system."""
        self.assertRaises(FileNotFoundError, read, self.path, 4096)

    def test_relative(self) -> None:
        """A name may be one in an open folder, and links in its place may be refused."""
        folder = self.path
        os.mkdir(folder)
        Path(folder, "file").write_bytes(b"0123")
        os.symlink("file", os.path.join(folder, "link"))
        number = os.open(folder, os.O_RDONLY)
        self.addCleanup(os.close, number)
        self.assertEqual(read("link", 4, dir_fd=number), b"0123")
        error = self.assertRaises(ValueError, read, "link", 4, os.O_NOFOLLOW, number)
        self.assertEqual(str(error), "is no plain file")

    def test_inherited(self) -> None:
        """Programs get none of them."""
        Path(self.path).write_bytes(b"0123")
        number = opened(self.path)
        self.addCleanup(os.close, number)
        self.assertFalse(os.get_inheritable(number))

    def test_closed(self) -> None:
        """No descriptor is left open."""
        Path(self.path).write_bytes(b"0123")
        before = os.listdir("/proc/self/fd")
        read(self.path, 4)
        self.refused(self.path, 1)
        for path in ("/dev/zero", "/"):
            self.refused(path)
        self.assertEqual(os.listdir("/proc/self/fd"), before)
