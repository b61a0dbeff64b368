"""
Tests of L{smartmob.source.reserve}.
"""

from __future__ import annotations

import os
from errno import ENOSPC

from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.disk import NewFile
from smartmob.source.limits import SourceLimits
from smartmob.source.reserve import Reserve
from smartmob.source.unpack.destination import Destination

GIB = 1 << 30


class Shrinking:
    """
    A file's content, from a disk on which there is less and less room.
    """

    def __init__(self, test: ReserveTests, chunks: list[bytes]) -> None:
        self._test = test
        self._chunks = chunks
        self._free = 60

    def read(self, size: int = -1, /) -> bytes:
        """
        The next of it.
        """
        self._test.disk(1000, self._free)
        self._free -= 10
        return self._chunks.pop(0) if self._chunks else b""


class ReserveTests(SynchronousTestCase):
    """
    Disks as they say how full they are.
    """

    def disk(
        self, blocks: int, free: int, *, files: int = 0, free_files: int = 0, size: int = 4096
    ) -> None:
        """
        The next disk that is asked has so many blocks.
        """
        # As statvfs(3) has it: root may use more than is said to be free.
        found = os.statvfs_result(
            (size, size, blocks, free + 1000, free, files, free_files, free_files, 0, 255)
        )
        self.patch(os, "fstatvfs", lambda descriptor: found)

    def why(self, reserve: Reserve, wanted: int = 0) -> str:
        """
        Why there is no room.
        """
        with self.assertRaises(OSError) as raised:
            reserve.check(0, wanted)
        self.assertEqual(raised.exception.errno, ENOSPC)
        return str(raised.exception.strerror)

    def test_large(self) -> None:
        """
        Of a large disk some bytes stay free.
        """
        reserve = Reserve(256 << 20, 5)
        self.disk(100 * GIB // 4096, GIB // 4096)
        reserve.check(0)
        reserve.check(0, GIB - (256 << 20))
        self.assertEqual(
            self.why(reserve, GIB - (256 << 20) + 1),
            "no room for 805306369 more bytes on the disk: 1073741824 are free, and 268435456 "
            "stay so",
        )
        self.disk(100 * GIB // 4096, (255 << 20) // 4096)
        self.assertIn("no room for more on the disk: ", self.why(reserve))

    def test_small(self) -> None:
        """
        Of a small one its share does.
        """
        reserve = Reserve(256 << 20, 5)
        self.disk(1000, 51)
        reserve.check(0, 4096)
        self.why(reserve, 4097)

    def test_files(self) -> None:
        """
        Where files are counted some of them do, too.
        """
        reserve = Reserve(0, 5)
        for files, kept in ((1000, 50), (10_000_000, 10_000)):
            self.disk(1000, 1000, files=files, free_files=kept)
            reserve.check(0, 1)
            self.disk(1000, 1000, files=files, free_files=kept - 1)
            said = f"on the disk: {kept - 1} may be made, and {kept} stay so"
            self.assertEqual(self.why(reserve), f"no room for more files {said}")

    def test_growing(self) -> None:
        """
        A file that grows, whose size nobody said, stops growing before.
        """
        reserve = Reserve(1 << 40, 5)
        path = self.mktemp()
        self.disk(1000, 60)
        file = NewFile(path, reserve)
        file.open()
        file.write(b"x" * 4096)
        self.disk(1000, 50)
        self.assertRaises(OSError, file.write, b"x")
        file.close()
        self.assertEqual(os.path.getsize(path), 4096)

    def test_unpacked(self) -> None:
        """
        So does one that is unpacked.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, root)
        destination = Destination(root, 10_000, 10, Reserve(1 << 40, 5))
        self.disk(1000, 60)
        content = Shrinking(self, [b"x" * 4096, b"y", b"z"])
        self.assertRaises(OSError, destination.file, ("f",), content, executable=False)
        self.assertEqual(os.path.getsize(f"{folder}/f"), 4096)

    def test_unknown(self) -> None:
        """
        A file system that does not know its size is no full one.
        """
        self.disk(0, 0)
        Reserve(256 << 20, 5).check(0, 1 << 50)

    def test_real(self) -> None:
        """
        A real one is asked by a descriptor.
        """
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        Reserve(0, 0).check(folder)
        with self.assertRaises(OSError):
            Reserve(1 << 60, 100).check(folder)

    def test_usual(self) -> None:
        """
        256 MiB stay free, or 5 % where that is less.
        """
        reserve = SourceLimits().reserve
        self.assertEqual((reserve.size, reserve.percent), (256 << 20, 5))
