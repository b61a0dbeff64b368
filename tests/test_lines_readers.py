"""
Tests of L{smartmob.lines.readers}.
"""

from __future__ import annotations

import json
import tracemalloc
from functools import partial

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smartmob.lines.bounds import Bounds
from smartmob.lines.budget import Budget
from smartmob.lines.encodings import NDJSON, TEXT, Format
from smartmob.lines.readers import BATCH, DIRECT, Ending, IReader, Subscription
from tests.support.recording import Recorder


@implementer(IReader)
@define(eq=False)
class Written:
    """
    A reader that keeps what it gets.
    """

    data: bytes = b""
    ends: list[Ending] = field(factory=list)

    def write(self, data: bytes) -> None:
        """It comes."""
        self.data += data

    def ending(self, why: Ending) -> None:
        """No more will be queued."""
        self.ends.append(why)

    def ended(self) -> None:
        """All was written."""


class ShedTests(SynchronousTestCase):
    """
    Lines that are dropped since all readers together have too much.
    """

    def test_toldInPlace(self) -> None:
        """What was missed is told before the event that came after it, not later."""
        written = Written()
        budget = Budget(Bounds())
        subscription = Subscription(
            written, NDJSON, budget, moved=lambda: None, left=lambda gone: None
        )
        budget.add(subscription, own=False)
        for life in (1, 2):
            subscription.lines(b'"%s"\n' % (b"x" * 150), 3, "web.0")
            subscription.event(b'{"event":"deleted","life":%d}\n' % life, "web.0")
        subscription.lines(b'"%s"\n' % (b"y" * 400), 5, "web.0")
        subscription.shed(10_000)
        subscription.resume()
        documents = [json.loads(line) for line in written.data.splitlines()]
        told = [(each["event"], each.get("missed")) for each in documents if "event" in each]
        self.assertEqual(
            told,
            [
                ("dropped", 3),
                ("deleted", None),
                ("dropped", 3),
                ("deleted", None),
                ("dropped", 5),
            ],
        )
        self.assertEqual((budget.queued, subscription.queued), (0, 0))


def subscribed(
    budget: Budget, encoding: Format = NDJSON, room: int = 1 << 40
) -> tuple[Recorder, Subscription]:
    """
    A reader that has so much room.
    """
    reader = Recorder()
    reader.room = room
    reader.subscription = subscription = Subscription(
        reader, encoding, budget, moved=lambda: None, left=lambda gone: None
    )
    budget.add(subscription, own=False)
    if room:
        subscription.resume()
    return reader, subscription


class MemoryTests(SynchronousTestCase):
    """
    What is queued takes no more memory than it says.
    """

    def test_shortLines(self) -> None:
        """
        Many short lines, of whichever process, take little more than their bytes, come in
        their order, and are counted where they are dropped.
        """
        budget = Budget(Bounds())
        reader, subscription = subscribed(budget, room=0)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        for n in range(100_000):
            subscription.lines(b"%07d\n" % n, 1, f"web.{n % 3}")
        taken = tracemalloc.get_traced_memory()[0] - before
        self.assertEqual((subscription.queued, budget.queued), (800_000, 800_000))
        self.assertLess(taken, 1_200_000)
        subscription.shed(400_000)
        reader.take()
        numbers = [int(line) for line in reader.data.splitlines() if line.isdigit()]
        self.assertEqual(numbers, list(range(len(numbers))))
        told = [json.loads(line) for line in reader.data.splitlines()[len(numbers) :]]
        self.assertEqual({each["node"] for each in told}, {"web.0", "web.1", "web.2"})
        self.assertEqual(sum(each["missed"] for each in told) + len(numbers), 100_000)
        self.assertGreater(len(numbers), 49_000)
        self.assertEqual((subscription.queued, budget.queued), (0, 0))

    def test_eventsBetween(self) -> None:
        """
        Short lines and events stay in their order, and none of the events is dropped.
        """
        reader, subscription = subscribed(Budget(Bounds()), room=0)
        expected = []
        for n in range(500):
            (subscription.event if n % 7 == 0 else partial(subscription.lines, count=1))(
                b"%d\n" % n
            )
            expected.append(n)
        reader.take()
        self.assertEqual([int(line) for line in reader.data.splitlines()], expected)

    def test_manyReadersOfOne(self) -> None:
        """
        What waits for many readers of the same is there once.
        """
        budget = Budget(Bounds())
        readers = [subscribed(budget, room=0)[1] for _ in range(100)]
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            chunk = b"x" * 65535 + b"\n"
            for subscription in readers:
                subscription.lines(chunk, 1)
        taken = tracemalloc.get_traced_memory()[0] - before
        self.assertEqual(budget.queued, 100 * 10 * 65536)
        self.assertLess(taken, 10 * 65536 + 100 * 10 * 600)

    def test_largeChunk(self) -> None:
        """
        Of a chunk that became very large a connection is given no more than it may keep,
        and the rest when it has room.
        """
        budget = Budget(Bounds())
        chunk = b"".join([b"%09d\n" % n for n in range(DIRECT // 5)])
        fast, _ = subscribed(budget)
        slow, subscription = subscribed(budget, room=1)
        for _, each in ((fast, fast.subscription), (slow, subscription)):
            assert each is not None
            each.lines(chunk, DIRECT // 5)
        self.assertEqual(fast.data, chunk)
        self.assertLessEqual(max(map(len, fast.parts)), DIRECT)
        self.assertEqual(slow.data, chunk[:BATCH])
        self.assertEqual(budget.queued, len(chunk) - BATCH)
        subscription.lines(b"next\n", 1)
        while budget.queued:
            slow.take(1)
        self.assertEqual(slow.data, chunk + b"next\n")
        self.assertLessEqual(max(map(len, slow.parts)), DIRECT)

    def test_largeChunkTakenBack(self) -> None:
        """
        A chunk of which some was written is written to its end, whatever is taken back: a
        frame is never cut.
        """
        for encoding in (NDJSON, TEXT):
            with self.subTest(encoding=encoding):
                budget = Budget(Bounds())
                chunk = b"".join([b"%09d\n" % n for n in range(DIRECT // 5)])
                slow, subscription = subscribed(budget, encoding, room=1)
                subscription.lines(chunk, DIRECT // 5)
                subscription.lines(b"next\n", 1)
                subscription.shed(1 << 30)
                subscription.lines(b"later\n", 1)
                slow.take()
                self.assertTrue(slow.data.startswith(chunk))
                if encoding is NDJSON:
                    rest = slow.data[len(chunk) :]
                    self.assertEqual(json.loads(rest), {"event": "dropped", "missed": 2})
                else:
                    self.assertEqual(slow.data, chunk)
                    self.assertEqual(slow.endings, [Ending.TOO_SLOW, "ended"])
                self.assertEqual((subscription.queued, budget.queued), (0, 0))

    def test_goneInTheMidst(self) -> None:
        """
        A reader that goes while some of a chunk is written frees its queue at once.
        """
        budget = Budget(Bounds())
        slow, subscription = subscribed(budget, room=1)
        subscription.lines(b"x" * 2 * DIRECT + b"\n", 1)
        subscription.lines(b"y\n", 1)
        self.assertGreater(budget.queued, DIRECT)
        subscription.detach()
        subscription.lines(b"z\n", 1)
        self.assertEqual((budget.queued, subscription.queued, len(budget)), (0, 0, 0))
        self.assertEqual(len(slow.data), BATCH)

    def test_eventsInAll(self) -> None:
        """
        Where events alone are more than all readers together may have queued, those with
        most are ended: they can't be missed, and the bound holds.
        """
        budget = Budget(Bounds(queues_in_all=100_000))
        readers = [subscribed(budget, room=0) for _ in range(10)]
        small, other = subscribed(budget, room=0)
        for _ in range(1000):
            for _, subscription in readers:
                subscription.event(b"x" * 99 + b"\n")
                self.assertLessEqual(budget.queued, 100_000)
        other.lines(b"line\n", 1)
        self.assertEqual(small.endings, [])
        self.assertGreater(sum(Ending.TOO_SLOW in reader.endings for reader, _ in readers), 8)
        for reader, _ in (*readers, (small, other)):
            reader.take()
        self.assertEqual(budget.queued, 0)
        self.assertEqual(small.data, b"line\n")
