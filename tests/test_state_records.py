"""
Tests of L{smartmob.state.records}, and of the fake that stands for it elsewhere.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import LastExit, PastExit
from smartmob.refusals import StateNotWritten
from smartmob.state import records as module
from smartmob.state.interfaces import IRecords
from smartmob.state.record import Record
from smartmob.state.records import Records
from smartmob.state.sections import Scaled
from tests.support.lifetimes import Held, Here, watch
from tests.support.recording_state import FakeRecords
from tests.support.stage import REQUEST

KEPT = Record(slug="myapp.web.0", created_at=5.25, port=20_000, request=REQUEST, wanted=True)
CONFIGURED = Record(slug="default.dummy.0", created_at=6.5, port=20_001)
EXIT = PastExit(LastExit(code=3, signal=None, at=9.0, ran_seconds=1.5), ("bye",))


class RecordsMixin:
    """
    What holds for all records.  Who tests says what is C{kept}, and can C{fill} the disk,
    C{hold} what is to be written, and C{let} it be written.
    """

    def test_put(self: Any) -> None:
        """What is put is kept."""
        self.successResultOf(self.records.put(KEPT))
        self.assertEqual(self.kept(), {KEPT.slug: KEPT})

    def test_again(self: Any) -> None:
        """What is put later takes the place of what was put before."""
        self.records.put(KEPT)
        stopped = evolve(KEPT, wanted=False)
        self.successResultOf(self.records.put(stopped))
        self.assertEqual(self.kept(), {KEPT.slug: stopped})

    def test_waits(self: Any) -> None:
        """Nobody is told before it is written; what is asked for last counts."""
        self.hold()
        first = self.records.put(KEPT)
        removed = self.records.remove(KEPT)
        last = self.records.put(evolve(KEPT, wanted=False))
        for each in (first, removed, last):
            self.assertNoResult(each)
        self.let()
        for each in (first, removed, last):
            self.successResultOf(each)
        self.assertEqual(self.kept(), {KEPT.slug: evolve(KEPT, wanted=False)})

    def test_remove(self: Any) -> None:
        """What is removed is not kept; what is not there may be removed."""
        self.records.put(KEPT)
        self.records.ended(evolve(KEPT, exits=1, last_exits=(EXIT,)), EXIT)
        self.successResultOf(self.records.remove(KEPT))
        self.successResultOf(self.records.remove(KEPT))
        self.assertEqual(self.kept(), {})

    def test_full(self: Any) -> None:
        """What can't be written is refused with the reason, and what was kept stays."""
        self.records.put(KEPT)
        self.fill(True)
        error = self.failureResultOf(self.records.put(evolve(KEPT, wanted=False)))
        self.assertIn("it can't be kept on the disk: ", error.getErrorMessage())
        error.trap(StateNotWritten)
        self.fill(False)
        self.assertEqual(self.kept(), {KEPT.slug: KEPT})

    def test_noted(self: Any) -> None:
        """Ends and releases are kept with what was put, or noted to have begun."""
        self.records.put(KEPT)
        self.records.began(CONFIGURED)
        expected = {}
        for record in (KEPT, CONFIGURED):
            record = evolve(record, release="abc")
            self.records.released(record)
            record = evolve(record, restarts=1, exits=1, last_exits=(EXIT,))
            self.records.ended(record, EXIT)
            expected[record.slug] = record
        self.assertEqual(self.kept(), expected)

    def test_over(self: Any) -> None:
        """With the end of a run it is kept that none follows."""
        self.records.put(KEPT)
        over = evolve(KEPT, wanted=False, exits=1, last_exits=(EXIT,))
        self.records.ended(over, EXIT)
        self.assertEqual(self.kept(), {KEPT.slug: over})

    def test_toldAgain(self: Any) -> None:
        """An end that is told once more takes the place of what was said of it."""
        self.records.put(KEPT)
        for lines in ((), ("first",), ("first", "second")):
            past = PastExit(EXIT.exit, lines)
            self.records.ended(evolve(KEPT, exits=1, last_exits=(past,)), past)
        [record] = self.kept().values()
        self.assertEqual(record.last_exits, (PastExit(EXIT.exit, ("first", "second")),))


class FakeRecordsTests(RecordsMixin, SynchronousTestCase):
    """
    The fake.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        self.fake = self.records = FakeRecords()
        seam: IRecords = self.fake
        self.assertIs(seam, self.fake)

    def kept(self) -> dict[str, Record]:
        """
        As it says.
        """
        return self.fake.kept

    def fill(self, full: bool) -> None:
        """
        Say so.
        """
        self.fake.full = full

    def hold(self) -> None:
        """
        Say so.
        """
        self.fake.held = []

    def let(self) -> None:
        """
        Say so.
        """
        self.fake.let()


class FolderTestCase(SynchronousTestCase):
    """
    Tests with a state folder.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.processes = self.folder / "processes"
        self.clock = Clock()
        self.aside = Held()
        self.watch = watch(self.folder)
        self.records = self.begun()

    def made(self) -> Records:
        """
        Records in the folder.
        """
        return Records(self.folder, self.clock, Here(), self.aside)  # type: ignore[arg-type] # of its interface what is needed

    def begun(self) -> Records:
        """
        Records that go on with what is there.
        """
        records = self.made()
        records.open()
        records.begin()
        return records

    def kept(self) -> dict[str, Record]:
        """
        What a later agent would find.
        """
        return dict(self.made().open().records)

    def fill(self, full: bool) -> None:
        """
        As if there were no room for a new file.
        """
        self.watch.full = full

    def hold(self) -> None:
        """
        The thread does not turn.
        """
        self.aside.at_once = False

    def let(self) -> None:
        """
        It does.
        """
        self.aside.let()
        self.aside.at_once = True

    def names(self) -> list[str]:
        """
        What is in the folder of records.
        """
        return sorted(os.listdir(self.processes))


class RecordsTests(RecordsMixin, FolderTestCase):
    """
    The real ones, with files.
    """

    def test_nothing(self) -> None:
        """A new folder has nothing."""
        found = self.made().open()
        self.assertEqual((found.records, found.unread, found.scaled), ({}, {}, {}))

    def test_schema(self) -> None:
        """A file says by which rules it was written, and is its owner's."""
        self.records.put(KEPT)
        path = self.processes / "myapp.web.0.json"
        self.assertEqual(json.loads(path.read_bytes())["schema"], 1)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.processes.stat().st_mode & 0o777, 0o700)

    def test_older(self) -> None:
        """What an older release has left out is as it was without it."""
        document = {"schema": 0, "slug": KEPT.slug, "created_at": 5.25, "wanted": True}
        document["request"] = {
            name: getattr(REQUEST, name) for name in ("app", "node", "process_type")
        } | {"source_url": REQUEST.source_url}
        (self.processes / "myapp.web.0.json").write_text(json.dumps(document))
        self.assertEqual(self.kept(), {KEPT.slug: evolve(KEPT, port=None)})

    def test_newer(self) -> None:
        """What a later release has written stays as it is, whatever is asked."""
        path = self.processes / "myapp.web.0.json"
        path.write_text('{"schema": 2, "anything": []}')
        records = self.made()
        found = records.open()
        why = "has a record that was written by a later release (schema 2; this one knows 1)"
        self.assertEqual((found.records, found.unread), ({}, {KEPT.slug: why}))
        records.begin()
        error = self.failureResultOf(records.put(KEPT), StateNotWritten)
        self.assertEqual(error.getErrorMessage(), f"{KEPT.slug} {why}")
        records.repeat(KEPT.slug)
        records.began(KEPT)
        self.successResultOf(records.remove(KEPT))
        self.clock.advance(100)
        self.assertEqual(path.read_text(), '{"schema": 2, "anything": []}')
        self.assertEqual(self.kept(), {})

    def test_damaged(self) -> None:
        """What makes no sense is put aside under a name of its own, and said."""
        path = self.processes / "myapp.web.0.json"
        for number, data in enumerate([b"", b"{", b"[]", b'{"schema": 1}'], 1):
            path.write_bytes(data)
            with capturedLogs() as logs:
                self.assertEqual(self.kept(), {})
            [event] = logs
            aside = f"{path}.bad" if number == 1 else f"{path}.bad-{number}"
            self.assertIn(f"it is kept as {aside}, and", formatEvent(event))
            self.assertEqual(Path(aside).read_bytes(), data)
        self.assertFalse(path.exists())

    def test_noFile(self) -> None:
        """What is no file is left alone, and keeps its slug."""
        (self.processes / "a.folder.json").mkdir()
        (self.processes / "a.link.json").symlink_to(self.folder / "journal")
        os.mkfifo(self.processes / "a.fifo.json")
        with open(self.processes / "a.huge.json", "wb") as file:
            file.truncate(1 << 40)
        found = self.made().open()
        self.assertEqual(
            found.unread,
            dict.fromkeys(
                ["a.folder", "a.link", "a.fifo"], "has a record that is no plain file"
            )
            | {"a.huge": "has a record that has more than 32 MiB"},
        )

    def test_oddNames(self) -> None:
        """What is called as no record is none; what was being written is removed."""
        names = ["x", "x.json.bad", "x.jsonx", "\udcff.json", "a\n.json", ".json.tmp", "a.tmp"]
        for name in names:
            (self.processes / name).write_bytes(b"{}")
        (self.folder / "sections.json.tmp").write_bytes(b"{")
        found = self.made().open()
        self.assertEqual((found.records, found.unread), ({}, {}))
        left = [name for name in names if not name.endswith(".tmp")]
        self.assertEqual(self.names(), sorted(left))
        self.assertFalse((self.folder / "sections.json.tmp").exists())

    def test_folderGone(self) -> None:
        """A folder that was removed is there again with the next record."""
        self.processes.rmdir()
        self.successResultOf(self.records.remove(KEPT))
        self.successResultOf(self.records.put(KEPT))
        self.assertEqual(self.kept(), {KEPT.slug: KEPT})

    def test_noFolder(self) -> None:
        """What is in the place of the folder is a reason not to start."""
        self.processes.rmdir()
        self.processes.write_bytes(b"")
        self.assertRaises(NotADirectoryError, self.made().open)

    def test_nothingHalf(self) -> None:
        """What can't be renamed leaves nothing behind."""
        (self.processes / "myapp.web.0.json").mkdir()
        error = self.failureResultOf(self.records.put(KEPT), StateNotWritten)
        self.assertIn("Is a directory", error.getErrorMessage())
        self.assertEqual(self.names(), ["myapp.web.0.json"])
        self.assertEqual(self.records.failed, 1)

    def test_repeated(self) -> None:
        """What could not be written is tried again, ever later, until it is, as it is then."""
        tries: list[str] = []
        self.records.snapshot = lambda slug: evolve(KEPT, restarts=len(tries))
        self.watch.before = tries.append
        self.fill(True)
        self.records.repeat(KEPT.slug)
        for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
            before = len(tries)
            self.clock.advance(seconds - 0.01)
            self.assertEqual(len(tries), before)
            self.clock.advance(0.01)
            self.assertGreater(len(tries), before)
        self.fill(False)
        self.clock.advance(60)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertGreater(self.kept()[KEPT.slug].restarts, before)

    def test_repeatedGone(self) -> None:
        """What should not be there is removed as soon as that can be."""
        self.records.put(KEPT)
        self.records.repeat(KEPT.slug)
        self.clock.advance(1)
        self.assertEqual(self.kept(), {})

    def test_notNoted(self) -> None:
        """What can't be noted is written as soon as that can be."""
        self.records.put(KEPT)
        ended = evolve(KEPT, exits=1, last_exits=(EXIT,))
        self.records.snapshot = lambda slug: ended
        os.rename(self.folder / "journal", self.folder / "elsewhere")
        (self.folder / "journal").mkdir()
        records = self.begun()
        records.snapshot = lambda slug: ended
        records.ended(ended, EXIT)
        self.clock.advance(1)
        self.assertEqual(self.kept(), {KEPT.slug: ended})

    def test_saidOnce(self) -> None:
        """That the disk is full is said once, and again when it was not meanwhile."""
        for _ in range(2):
            self.fill(True)
            with capturedLogs() as logs:
                for _ in range(3):
                    self.failureResultOf(self.records.put(KEPT), StateNotWritten)
            self.assertEqual(len(logs), 1)
            self.fill(False)
            self.records.put(KEPT)

    def test_sections(self) -> None:
        """What was scaled is kept; what can't be is repeated."""
        scaled = {"default.dummy": Scaled(2, 5)}
        self.fill(True)
        self.failureResultOf(self.records.scaled(scaled), StateNotWritten)
        self.fill(False)
        self.assertEqual(self.made().open().scaled, {})
        self.clock.advance(1)
        self.assertEqual(self.made().open().scaled, scaled)

    def test_sectionsDamaged(self) -> None:
        """What makes no sense is put aside, and said."""
        path = self.folder / "sections.json"
        wrong = '{"schema": 1, "scaled": {"a.b": {"numprocesses": 1, "wanted": 99999999}}}'
        for text in ("", "[]", '{"schema": 1, "scaled": []}', wrong):
            path.write_text(text)
            with capturedLogs() as logs:
                self.assertEqual(self.made().open().scaled, {})
            self.assertEqual(len(logs), 1)
            self.assertFalse(path.exists())

    def test_sectionsNewer(self) -> None:
        """What a later release has written stays."""
        path = self.folder / "sections.json"
        path.write_text('{"schema": 2}')
        records = self.begun()
        self.failureResultOf(records.scaled({}), StateNotWritten)
        self.assertEqual(path.read_text(), '{"schema": 2}')

    def test_sameNameAnew(self) -> None:
        """Of an earlier process of the same name nothing is taken over."""
        self.records.put(KEPT)
        self.records.ended(evolve(KEPT, exits=7, last_exits=(EXIT,)), EXIT)
        self.records.remove(KEPT)
        other = evolve(KEPT, created_at=8.0)
        self.records.put(other)
        self.assertEqual(self.kept(), {KEPT.slug: other})

    def test_saidSince(self) -> None:
        """What an operator has said since a run ended counts."""
        self.records.put(KEPT)
        over = evolve(KEPT, wanted=False, exits=1, last_exits=(EXIT,))
        self.records.ended(over, EXIT)
        again = evolve(over, wanted=True)
        self.records.put(again)
        self.assertEqual(self.kept(), {KEPT.slug: again})

    def test_close(self) -> None:
        """At the end all is tried once more, and the thread goes when all is done."""
        self.records.snapshot = lambda slug: KEPT
        self.records.repeat(KEPT.slug)
        self.hold()
        closed = self.records.close()
        self.assertNoResult(closed)
        self.assertEqual(self.aside.ended, 0)
        self.let()
        self.successResultOf(closed)
        self.assertEqual(self.aside.ended, 1)
        self.assertEqual(self.kept(), {KEPT.slug: KEPT})
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ShorteningTests(FolderTestCase):
    """
    A journal that is long.
    """

    def setUp(self) -> None:
        """
        Make one that soon is.
        """
        super().setUp()
        self.patch(module, "JOURNAL_BYTES", 2000)
        self.records = self.begun()
        self.records._limit = 2000
        self.now: dict[str, Record] = {}
        self.records.snapshot = self.now.get

    def live(self, number: int) -> None:
        """
        Another run of some process ends.
        """
        slug = f"default.dummy.{number}"
        if slug not in self.now:
            self.now[slug] = evolve(CONFIGURED, slug=slug)
            self.records.began(self.now[slug])
        exits = self.now[slug].exits + 1
        past = PastExit(evolve(EXIT.exit, code=exits), ("x" * 50,))
        last_exits = (past, *self.now[slug].last_exits)[:10]
        self.now[slug] = evolve(self.now[slug], exits=exits, last_exits=last_exits)
        self.records.ended(self.now[slug], past)

    def journals(self) -> list[str]:
        """
        The files.
        """
        return sorted(name for name in os.listdir(self.folder) if "journal" in name)

    def test_shortened(self) -> None:
        """What a long journal says is written to the records, and it begins anew."""
        for number in range(200):
            self.live(number % 7)
            self.assertEqual(self.kept(), self.now)
            self.assertLess((self.folder / "journal").stat().st_size, 2500)
        self.assertEqual(self.journals(), ["journal"])

    def test_slow(self) -> None:
        """While that is under way more may happen, which is not lost, nor shortened twice."""
        self.hold()
        for number in range(100):
            self.live(number % 7)
            self.assertEqual(self.kept(), self.now)
        self.assertEqual(self.journals(), ["journal", "journal.old"])
        self.assertLessEqual(len(self.aside.works), 1)
        self.let()
        self.assertEqual(self.kept(), self.now)
        self.assertEqual(self.journals(), ["journal"])

    def test_oneAtATime(self) -> None:
        """However slow the disk is, none removes what another has not dealt with."""
        self.patch(module, "AT_ONCE", 1)
        self.hold()
        for number in range(400):
            self.live(number % 7)
            if number % 3 == 0 and self.aside.works:
                self.aside.works.pop(0)()
            self.assertEqual(self.kept(), self.now)
        self.let()
        self.assertEqual(self.kept(), self.now)

    def test_notNow(self) -> None:
        """What can't be written keeps the old journal, and is tried now and then."""
        tries: list[str] = []
        self.watch.before = tries.append
        self.fill(True)
        for number in range(100):
            self.live(number % 7)
            self.assertEqual(self.kept(), self.now)
        self.assertLess(len(tries), 60)
        self.fill(False)
        for number in range(100):
            self.live(number % 7)
            self.assertEqual(self.kept(), self.now)
        self.assertEqual(self.journals(), ["journal"])

    def test_deletedMeanwhile(self) -> None:
        """Who is deleted while the journal is shortened is not there again."""
        self.hold()
        for number in range(30):
            self.live(number % 7)
        self.assertEqual(self.journals(), ["journal", "journal.old"])
        gone = self.now.pop("default.dummy.3")
        removed = self.records.remove(gone)
        self.let()
        self.successResultOf(removed)
        self.assertEqual(self.kept(), self.now)
        self.assertEqual(self.journals(), ["journal"])

    def test_manyDeletedBefore(self) -> None:
        """However many were deleted whose names come first, the rest is written, too."""
        self.records._limit = 1 << 30
        for number in range(3 * module.AT_ONCE):
            self.live(1000 + number)
        for number in range(3):
            self.live(9000 + number)
        for slug in sorted(self.now)[: 3 * module.AT_ONCE]:
            self.successResultOf(self.records.remove(self.now.pop(slug)))
        self.records._limit = 0
        self.live(9000)
        self.assertEqual(self.journals(), ["journal"])
        self.assertEqual(self.kept(), self.now)

    def test_left(self) -> None:
        """An old journal that an earlier agent left is dealt with at the start."""
        self.hold()
        for number in range(30):
            self.live(number % 7)
        self.aside.works.clear()
        self.aside.at_once = True
        records = self.made()
        found = dict(records.open().records)
        self.assertEqual(found, self.now)
        records.snapshot = found.get
        records.begin()
        self.assertEqual(self.journals(), ["journal"])
        self.assertEqual(self.kept(), self.now)

    def test_many(self) -> None:
        """Records are written a few at a time."""
        self.records._limit = 1 << 30
        for number in range(120):
            self.live(number)
        self.hold()
        self.records._limit = 0
        self.live(0)
        batches = 0
        while self.aside.works:
            batches += 1
            self.aside.works.pop(0)()
        self.assertGreaterEqual(batches, 3)
        self.let()
        self.assertEqual(self.kept(), self.now)
