"""
The file through which the output of a detached program passes.
"""

from __future__ import annotations

import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.ring import CHUNK, SIZE, Ring


def take_all(ring: Ring) -> list[tuple[int, bytes]]:
    """
    All that is to be taken, by its streams.
    """
    taken = []
    while ring.cursor < ring.tail:
        packet, ring.cursor = ring.next(ring.tail)
        if packet:
            taken.append((packet[0], packet[1:]))
    return taken


def joined(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """
    Neighbours of one stream as one.
    """
    result: list[tuple[int, bytes]] = []
    for stream, data in frames:
        if result and result[-1][0] == stream:
            result[-1] = (stream, result[-1][1] + data)
        else:
            result.append((stream, data))
    return result


class RingTests(SynchronousTestCase):
    """
    Tests of L{Ring}.
    """

    def ring(self, size: int = SIZE) -> Ring:
        """
        One with a file.
        """
        ring = Ring(size)
        self.file, path = tempfile.mkstemp()
        os.unlink(path)
        ring.open(self.file)
        self.addCleanup(lambda: ring.open(-1))
        return ring

    def test_order(self) -> None:
        """
        What was put is taken, each stream's in its order, and the streams in theirs.
        """
        ring = self.ring()
        for frame in (1, b"one "), (1, b"two"), (2, b"err"), (1, b"\0\1\2"):
            ring.put(*frame)
        self.assertEqual(take_all(ring), [(1, b"one two"), (2, b"err"), (1, b"\0\1\2")])
        self.assertEqual(take_all(ring), [])
        ring.put(2, b"more")
        self.assertEqual(take_all(ring), [(2, b"more")])

    def test_rewind(self) -> None:
        """
        An agent to come gets all that is there.
        """
        ring = self.ring()
        ring.put(1, b"old ")
        take_all(ring)
        ring.put(1, b"new")
        ring.rewind()
        self.assertEqual(take_all(ring), [(1, b"old new")])

    def test_until(self) -> None:
        """
        What comes behind a position is not taken before it is asked for.
        """
        ring = self.ring()
        ring.put(1, b"before")
        position = ring.tail
        ring.put(1, b"behind")
        self.assertEqual(ring.next(position), (b"\1before", position))

    def test_packets(self) -> None:
        """
        What is taken at once fits into a packet, however it was put.
        """
        ring = self.ring()
        for size in CHUNK, CHUNK, 1, CHUNK - 1, 100, CHUNK:
            ring.put(1, b"x" * size)
        sizes = [len(data) for _, data in take_all(ring)]
        self.assertEqual(sum(sizes), 4 * CHUNK + 100)
        self.assertLessEqual(max(sizes), CHUNK)

    def test_full(self) -> None:
        """
        The newest takes the place of the oldest; what was not taken before is counted.
        """
        ring = self.ring(100)
        for number in range(50):
            ring.put(1, b"%02d" % number)
        self.assertEqual(os.fstat(self.file).st_size, 100)
        taken = b"".join(data for _, data in take_all(ring))
        self.assertTrue(taken.endswith(b"474849"))
        self.assertEqual(ring.lost + len(taken), 100)
        ring.lost = 0
        for number in range(50):
            ring.put(1, b"%02d" % number)
            take_all(ring)
        self.assertEqual(ring.lost, 0)

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.sampled_from((1, 2)), st.binary(min_size=1, max_size=60)),
                st.sampled_from(("take", "take all", "rewind", "open")),
            ),
            max_size=200,
        )
    )
    @settings(max_examples=200, deadline=None)
    def test_anything(self, steps: list[tuple[int, bytes] | str]) -> None:
        """
        Whatever is put and taken in whatever order: what is taken is the end of what was
        put, and what was neither taken nor is there is counted.
        """
        ring = self.ring(200)
        kept: list[tuple[int, bytes]] = []
        behind = 0
        put = taken = lost = 0
        for step in steps:
            if isinstance(step, tuple):
                ring.put(*step)
                kept.append(step)
                put += len(step[1])
            elif step == "take" and ring.cursor < ring.tail:
                packet, ring.cursor = ring.next(ring.tail)
                taken += len(packet) - 1
            elif step == "take all":
                taken += sum(len(data) for _, data in take_all(ring))
                self.assertEqual(ring.lost + taken, put + behind)
            elif step == "rewind":
                lost = ring.lost
                ring.rewind()
                whole = take_all(ring)
                self.assertEqual(ring.lost, lost)
                everything = joined(kept)
                if whole:
                    self.assertEqual(whole[1:], everything[len(everything) - len(whole) + 1 :])
                    self.assertTrue(everything[-len(whole)][1].endswith(whole[0][1]))
                put = taken = behind = ring.lost = 0
            elif step == "open":
                self.file, path = tempfile.mkstemp()
                os.unlink(path)
                ring.open(self.file)
                kept = []
                put = taken = 0
            self.assertLessEqual(os.fstat(self.file).st_size, 200)
            self.assertLessEqual(ring.tail - ring.head, 200)
        ring.open(-1)

    def test_noRoom(self) -> None:
        """
        What the file system does not take is lost, and counted; what was there is not.
        """
        ring = self.ring()
        ring.put(1, b"there")
        file = ring._file
        ring._file = os.open(os.devnull, os.O_RDONLY)
        ring.put(1, b"refused")
        os.close(ring._file)
        ring._file = file
        ring.put(1, b" later")
        self.assertEqual(ring.lost, len(b"refused"))
        self.assertEqual(take_all(ring), [(1, b"there later")])

    def test_tamperedWith(self) -> None:
        """
        A file that somebody else truncated, or wrote to, is no reason to end: what was
        in it is lost.
        """
        for damage in b"", b"\0" * 90, b"\1\xff\xff\xff\xff" * 20:
            ring = self.ring(100)
            for _ in range(30):
                ring.put(1, b"word")
            os.ftruncate(self.file, 0)
            os.pwrite(self.file, damage, 0)
            self.assertEqual(take_all(ring), [])
            self.assertGreater(ring.lost, 0)
            for _ in range(30):
                ring.put(2, b"more")
            os.ftruncate(self.file, 0)
            os.pwrite(self.file, damage, 0)
            for _ in range(30):
                ring.put(1, b"last")
            self.assertEqual({stream for stream, _ in take_all(ring)}, {1})
