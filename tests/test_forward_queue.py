"""
Tests of L{smartmob.forward.queue}.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from smartmob.forward.queue import BATCH, OVERHEAD, SMALL, Entry, Queue
from tests.support.forwarding import entry


def data(entries: Sequence[Entry]) -> list[bytes]:
    """
    Of some entries.
    """
    return [one.data for one in entries]


class QueueTests(SynchronousTestCase):
    """
    Tests of L{Queue}.
    """

    def setUp(self) -> None:
        """
        One with a small bound.
        """
        self.queue = Queue(most=10_000)

    def test_order(self) -> None:
        """
        What is taken is what came first; it counts as waiting until it is settled.
        """
        for key, text in (("a", b"1\n"), ("b", b"2\n"), ("a", b"3\n")):
            self.assertTrue(self.queue.put(key, text, 1))
        self.assertTrue(self.queue)
        batch = self.queue.take()
        self.assertEqual([one.key for one in batch], ["a", "b", "a"])
        self.assertEqual(data(batch), [b"1\n", b"2\n", b"3\n"])
        self.assertFalse(self.queue)
        self.assertEqual((self.queue.lines, self.queue.under_way), (3, 3))
        self.assertEqual(self.queue.size, 6 + 3 * OVERHEAD)
        self.queue.settle(())
        self.assertEqual((self.queue.lines, self.queue.size, self.queue.under_way), (0, 0, 0))

    def test_together(self) -> None:
        """
        Short lines of one key are one entry, as long as it is short.
        """
        for _ in range(10):
            self.queue.put("a", b"x" * 499 + b"\n", 1)
        self.assertEqual([one.lines for one in self.queue.take()], [-(-SMALL // 500), 1])

    def test_again(self) -> None:
        """
        What is left is taken again as it is, before all else, though more came meanwhile.
        """
        self.queue.put("a", b"1\n", 1)
        self.queue.put("b", b"2\n", 1)
        _, second = self.queue.take()
        self.queue.put("b", b"3\n", 1)
        self.queue.settle([second])
        self.assertEqual(self.queue.lines, 2)
        self.assertEqual(data(self.queue.take()), [b"2\n"])
        self.queue.settle(())
        self.assertEqual(data(self.queue.take()), [b"3\n"])

    def test_bound(self) -> None:
        """
        At the bound nothing is taken until half of it is free.
        """
        while self.queue.put(f"{self.queue.lines}", b"x" * 1000, 1):
            pass
        self.assertLessEqual(self.queue.size, 10_000)
        self.assertGreater(self.queue.size, 10_000 - 1000 - OVERHEAD)
        self.assertFalse(self.queue.put("a", b"y", 1))
        batch = self.queue.take()
        self.assertFalse(self.queue.put("a", b"y", 1))
        self.queue.settle(batch[2:])
        self.assertTrue(self.queue.skips)
        self.queue.take()
        self.queue.settle(())
        self.assertTrue(self.queue.put("a", b"y", 1))

    def test_tooMuch(self) -> None:
        """
        What is more than may wait at all is not taken, and is in nobody's way.
        """
        self.assertFalse(self.queue.put("a", b"x" * 10_000, 1))
        self.assertEqual((self.queue.size, self.queue.lines), (0, 0))
        self.assertTrue(self.queue.put("a", b"y", 1))

    def test_batches(self) -> None:
        """
        So much is taken at once, or one that is larger.
        """
        queue = Queue()
        sizes = (BATCH // 2, BATCH // 2, 10, BATCH * 2, 10)
        for size in sizes:
            queue.put("a", b"x" * size, 1)
        taken = []
        while queue:
            taken.append(len(queue.take()))
            queue.settle(())
        self.assertEqual(taken, [2, 1, 1, 1])

    def test_clear(self) -> None:
        """
        All of it can be forgotten, with what is under way.
        """
        for line in "abc":
            self.queue.put(line, b"x\n", 1)
        self.queue.take()
        self.queue.put("d", b"x\n", 1)
        self.assertEqual(self.queue.clear(), 4)
        self.assertEqual((self.queue.lines, self.queue.size), (0, 0))
        self.assertFalse(self.queue)
        self.assertEqual(entry("a").lines, 1)
