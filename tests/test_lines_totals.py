"""
How much was written and dropped, counted for as long as the agent runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.events import Events, Topic
from smartmob.feed import EVENT_STREAM, Feed
from smartmob.lines.bounds import Bounds
from smartmob.lines.console import Console, Wanted
from smartmob.lines.encodings import NDJSON, TEXT, Encoding
from smartmob.lines.ring import Written
from smartmob.lines.totals import KINDS, totals
from smartmob.topics import Topics
from tests.support.recording import Recorder
from tests.support.stage import REQUEST
from tests.support.websockets import consoles


def counted(written: Mapping[str, Written]) -> dict[str, tuple[int, int]]:
    """
    Lines and bytes of the kinds that have some.
    """
    return {kind: (each.lines, each.size) for kind, each in written.items() if each.lines}


class TotalsTests(SynchronousTestCase):
    """
    What processes have written.
    """

    def test_kinds(self) -> None:
        """There is always each kind, and no other: who chooses names makes no numbers."""
        self.assertEqual(tuple(totals()), KINDS)
        found = totals({"stdout": Written(1, 2), "mine": Written(3, 4), "yours": Written(5, 6)})
        self.assertEqual(tuple(found), KINDS)
        self.assertEqual(counted(found), {"stdout": (1, 2), "other": (8, 10)})

    def test_written(self) -> None:
        """Lines are counted by stream, their bytes without their ends."""
        all_of_them = consoles()
        console = all_of_them.open("shop.web.0", State.PENDING)
        console.received("stdout", b"one\ntwo\nth", 1)
        console.received("stderr", b"ouch\r\n", 1)
        console.say("it can't")
        self.assertEqual(
            counted(all_of_them.written),
            {"stdout": (2, 6), "stderr": (1, 4), "smartmob": (1, 8)},
        )
        console.finish()
        self.assertEqual(counted(all_of_them.written)["stdout"], (3, 8))

    def test_letGo(self) -> None:
        """Lines that are no longer kept were written all the same."""
        all_of_them = consoles()
        console = all_of_them.open("shop.web.0", State.PENDING)
        for _ in range(5):
            console.received("stdout", b"x\n" * 1000, 1)
        console.shrink(0)
        self.assertEqual(counted(all_of_them.written), {"stdout": (5000, 5000)})

    def test_deleted(self) -> None:
        """A process that is deleted takes nothing with it, and one of its name begins anew."""
        all_of_them = consoles()
        for total in (1, 2, 3):
            console = all_of_them.open("shop.web.0", State.PENDING)
            console.received("stdout", b"abc\n", 1)
            console.deleted()
            self.assertEqual(counted(all_of_them.written), {"stdout": (total, 3 * total)})
            console.deleted()


class DroppedTests(SynchronousTestCase):
    """
    What readers were too slow for.
    """

    def setUp(self) -> None:
        self.consoles = consoles(bounds=Bounds(queue=1000, queues_in_all=10_000))
        self.budget = self.consoles.budget
        self.console = self.consoles.open("shop.web.0", State.PENDING)

    def attach(self, encoding: Encoding, console: Console | None = None) -> Recorder:
        """
        A reader that takes nothing.
        """
        reader = Recorder()
        reader.room = 0
        reader.subscription = (console or self.console).attach(reader, Wanted(), encoding)
        return reader

    def write(self, lines: int) -> None:
        """
        The program does so.
        """
        for _ in range(lines):
            self.console.received("stdout", b"x" * 99 + b"\n", 1)

    def test_told(self) -> None:
        """As many are counted as a reader that can be told is told of."""
        reader = self.attach(NDJSON)
        self.write(100)
        reader.take()
        told = [json.loads(line).get("missed", 0) for line in reader.data.splitlines()]
        self.assertGreater(sum(told), 50)
        self.assertEqual(self.budget.lines_dropped, sum(told))

    def test_plain(self) -> None:
        """A reader that is closed instead has missed what was the reason."""
        reader = self.attach(TEXT)
        self.write(100)
        reader.take()
        self.assertEqual(reader.data.count(b"\n"), 10)
        self.assertEqual(self.budget.lines_dropped, 1)

    def test_shed(self) -> None:
        """What is taken back from queues, since all together have too much, is counted."""
        readers = [self.attach(NDJSON) for _ in range(50)]
        self.write(3)
        missed = 0
        for reader in readers:
            reader.take()
            documents = [json.loads(line) for line in reader.data.splitlines()]
            missed += sum(document.get("missed", 0) for document in documents)
        self.assertGreater(missed, 0)
        self.assertEqual(self.budget.lines_dropped, missed)

    def test_quick(self) -> None:
        """Who takes what comes misses nothing, and who never read these lines neither."""
        all_of_them = consoles()
        console = all_of_them.open("shop.web.0", State.PENDING)
        self.attach(NDJSON, console).take()
        for _ in range(1500):
            console.received("stdout", b"x\n", 1)
        late = self.attach(NDJSON, console)
        assert late.subscription is not None
        late.subscription.detach()
        self.assertIn(b"dropped", console.kept(Wanted(after=1), NDJSON))
        self.assertEqual(all_of_them.budget.lines_dropped, 0)

    def test_events(self) -> None:
        """Events are no lines, and who reads them is at no console."""
        events = Events()
        feed = Feed(events, self.budget)
        reader = Recorder()
        reader.room = 0
        reader.subscription = feed.attach(reader, Topics(), None, EVENT_STREAM)
        self.attach(NDJSON)
        self.console.attach(Recorder(), Wanted(), NDJSON, own=True)
        self.assertEqual((self.consoles.readers, self.budget.readers_of_lines), (2, 1))
        for _ in range(100):
            events.publish(REQUEST, Topic.UPDATE)
        self.assertGreater(self.budget.others_dropped, 50)
        self.assertEqual(self.budget.lines_dropped, 0)
        reader.subscription.detach()
        self.assertEqual((self.consoles.readers, self.budget.readers_of_lines), (1, 1))
