"""
Tests of how the state is written: L{smartmob.state.writer}, L{smartmob.state.journal} and
L{smartmob.state.record}.
"""

from __future__ import annotations

import json
import os
import threading
from errno import EFBIG, ENOSPC
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor as installed_reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob.converter import structure
from smartmob.documents import CreateRequest, LastExit, Left, PastExit
from smartmob.state import journal as module
from smartmob.state.folding import folded
from smartmob.state.journal import Journal
from smartmob.state.models import decoded_models
from smartmob.state.record import (
    KEPT_EXITS,
    Record,
    decoded,
    encoded,
    exit_document,
)
from smartmob.state.sections import decoded_sections
from smartmob.state.versioned import Damaged, Newer
from smartmob.state.writer import MOST_AT_ONCE, Writer, make_folder
from tests.support.fuzzing import tries
from tests.support.lifetimes import Held, Here, watch
from tests.support.stage import REQUEST
from tests.test_fuzz_creates import documents

reactor: Any = installed_reactor

texts = st.text(max_size=5)
numbers = st.integers(0, 2**53)
times = st.floats(0, 1e11)
exits = st.builds(
    PastExit,
    st.builds(
        LastExit,
        code=st.none() | st.integers(0, 255),
        signal=st.none() | st.just("KILL"),
        at=times,
        ran_seconds=times,
        killed=st.lists(texts).map(tuple),
        left=st.lists(st.builds(Left, numbers, texts)).map(tuple),
    ),
    st.lists(texts, max_size=3).map(tuple),
)
records = st.builds(
    Record,
    slug=st.just("a.web.0"),
    created_at=times,
    port=st.none() | st.integers(1, 65535),
    wanted=st.none() | st.booleans(),
    release=st.none() | texts,
    restarts=numbers,
    exits=numbers,
    last_exits=st.lists(exits, max_size=KEPT_EXITS).map(tuple),
)
requests = documents.map(lambda document: structure(document, CreateRequest))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


class RecordTests(SynchronousTestCase):
    """
    A record, as its file has it.
    """

    @tries(100)
    @given(records, st.none() | requests)
    def test_written(self, record: Record, request: CreateRequest | None) -> None:
        """What is written is what is read."""
        if request is not None:
            record = evolve(record, slug=request.slug, request=request)
        self.assertEqual(decoded(record.slug, encoded(record)), record)

    @tries(200)
    @given(records, st.data())
    def test_damaged(self, record: Record, data: st.DataObject) -> None:
        """Whatever takes the place of a member, or is missing, is damage and nothing worse."""
        document = json.loads(encoded(evolve(record, slug=REQUEST.slug, request=REQUEST)))
        place: Any = document
        name = data.draw(st.sampled_from(sorted(place)))
        while isinstance(place[name], dict | list) and place[name] and data.draw(st.booleans()):
            place = place[name]
            inner = range(len(place)) if isinstance(place, list) else sorted(place)
            name = data.draw(st.sampled_from(inner))
        if data.draw(st.booleans()):
            place[name] = data.draw(json_values)
        else:
            del place[name]
        try:
            found = decoded(REQUEST.slug, json.dumps(document).encode())
        except (Damaged, Newer):
            return
        self.assertEqual(decoded(found.slug, encoded(found)), found)

    def test_wrong(self) -> None:
        """What can't be is said."""
        record = Record(slug="a.b", created_at=1.0)
        document = json.loads(encoded(record))
        for name, value, why in (
            ("created_at", float("inf"), "is no time"),
            ("created_at", -1, "is no time"),
            ("created_at", 10**400, "00... is no time"),
            ("created_at", [], "is damaged: created_at: [] is no time"),
            ("port", 65536, "65536 is no port"),
            ("port", 0, "0 is no port"),
            ("restarts", -1, "is no whole number"),
            ("restarts", True, "is no whole number"),
            ("wanted", 1, "wanted is true, false or null"),
            ("schema", None, "it has no schema"),
            ("schema", "2", "is no whole number"),
            ("slug", "a.c", "is the record of 'a.c'"),
            ("request", {"app": "a"}, "has a request that can't be used"),
            ("last_exits", [1], "is damaged: last_exits are none"),
            ("last_exits", 1, "is damaged: last_exits are none"),
            ("schema", 2, "was written by a later release (schema 2; this one knows 1)"),
        ):
            data = json.dumps({**document, name: value}).encode()
            error = self.assertRaises((Damaged, Newer), decoded, "a.b", data)
            self.assertIn(why, str(error))

    def test_noObject(self) -> None:
        """What is none at all is said in words, of each kind of file."""
        fields = {"slug": "a.b", "created_at": 1, "last_exits": 1, "models": 1, "scaled": 1}
        wrong = json.dumps({"schema": 1, **fields})
        for decode in (lambda data: decoded("a.b", data), decoded_models, decoded_sections):
            for data, why in (
                (b"", "is damaged: it is empty"),
                (b"\xff\x00", "is damaged: it is no JSON"),
                (b"[" * 100_000, "is damaged: it is no JSON"),
                (b'{"schema": 1', "is damaged: it is no JSON"),
                (b"[]", "is damaged: it is no JSON object"),
                (b"{}", "is damaged: it has no schema"),
                (b'{"schema": 1, "slug": "a.b"}', "is damaged: it has no "),
                (wrong.encode(), "is damaged: "),
            ):
                error = self.assertRaises(Damaged, decode, data)
                self.assertIn(why, str(error))
                self.assertNotIn("Error", str(error))

    def test_secrets(self) -> None:
        """What is shown of a record in a log has no environment."""
        request = evolve(REQUEST, env={"TOKEN": "secret"})
        record = Record(slug=REQUEST.slug, created_at=1.0, request=request)
        self.assertNotIn("secret", repr(record))


class FoldingTests(SynchronousTestCase):
    """
    What a line changes.
    """

    @tries(200)
    @given(
        st.dictionaries(
            st.sampled_from(
                ["slug", "of", "port", "gone", "exit", "exits", "restarts", "release", "over"]
            ),
            st.sampled_from(["a.b", 1.0, {"code": 1}]) | json_values,
        ),
        st.sampled_from(["code", "signal", "at", "ran_seconds", "killed", "left", "lines"]),
        json_values,
    )
    def test_anything(self, entry: dict[str, Any], name: str, value: object) -> None:
        """Whatever stands in it, what comes of it can be written."""
        past = PastExit(LastExit(code=0, signal=None, at=1.0, ran_seconds=1.0))
        found = {"a.b": Record(slug="a.b", created_at=1.0)}
        folded(found, entry, ())
        exit_line = {"slug": "a.b", "of": 1.0, "exits": 5, "restarts": 2}
        folded(found, {**exit_line, "exit": {**exit_document(past), name: value}}, ())
        for record in found.values():
            self.assertEqual(decoded(record.slug, encoded(record)), record)

    def test_wrongPort(self) -> None:
        """A port that can't be begins nothing."""
        found: dict[str, Record] = {}
        folded(found, {"slug": "a.b", "of": 1.0, "port": 99_999}, ())
        self.assertEqual(found, {})


class FileTestCase(SynchronousTestCase):
    """
    Has a folder.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "file"
        self.watch = watch(self.folder)


class JournalTests(FileTestCase):
    """
    A file of lines.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        super().setUp()
        self.journal = Journal(str(self.path))
        self.addCleanup(self.journal.close)

    def lines(self) -> list[object]:
        """
        What a later agent would read.
        """
        return list(Journal(str(self.path)).entries())

    def test_append(self) -> None:
        """Each line is there at once, and after one who goes on."""
        self.assertEqual(self.lines(), [])
        for number in range(3):
            self.journal.append({"n": number})
            self.assertEqual(self.lines(), [{"n": each} for each in range(number + 1)])
            self.journal.close()
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_torn(self) -> None:
        """Wherever a line is torn, it alone is missing, and the next is whole."""
        first, last = b'{"n": 1}\n', b'{"n": 2, "text": "\\u00e4"}\n'
        for cut in range(len(last)):
            self.path.write_bytes(first + last[:cut])
            journal = Journal(str(self.path))
            journal.append({"n": 3})
            journal.close()
            self.assertEqual(self.lines(), [{"n": 1}, {"n": 3}])
            self.assertEqual(journal.size, self.path.stat().st_size)

    def test_tornLong(self) -> None:
        """So it is where what is torn is long, or all there is, or was never written."""
        for whole in (b"", b'{"n": 1}\n'):
            for tail in (b"x" * 200_000, b"\0" * 65_536, b"{" * 65_535):
                self.path.write_bytes(whole + tail)
                journal = Journal(str(self.path))
                journal.append({"n": 3})
                journal.close()
                self.assertEqual(self.lines()[-1], {"n": 3})
                self.assertEqual(self.path.stat().st_size, len(whole) + len(b'{"n": 3}\n'))

    def test_senseless(self) -> None:
        """Lines that make no sense are told as such, and cost no other."""
        bad = [b"{", b"\xff", b"1", b"[]", b"[" * 100_000, b"\0" * 100, b"1" * 5000, b""]
        self.path.write_bytes(b'{"n": 1}\n' + b"\n".join(bad) + b'\n{"n": 2}\n')
        self.assertEqual(self.lines(), [{"n": 1}, *[None] * len(bad), {"n": 2}])

    def test_oneIsNoFile(self) -> None:
        """A file that is none is named, and what the other one has is read."""
        journal = Journal(str(self.path))
        for other, good, why in (
            (journal.path, journal.older, "is no plain file"),
            (
                journal.older,
                journal.path,
                f"is not all there is: {journal.older} is no plain file",
            ),
        ):
            Path(good).write_bytes(b'{"n": 1}\n')
            Path(other).mkdir()
            entries = journal.entries()
            self.assertEqual(next(entries), {"n": 1})
            error = self.assertRaises(ValueError, list, entries)
            self.assertEqual(str(error), why)
            Path(other).rmdir()
            Path(good).unlink()

    def test_noRoom(self) -> None:
        """What is written in part, for want of room, is taken back."""

        self.journal.append({"n": 1})
        size = self.path.stat().st_size
        reader, writer = os.pipe2(os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        # A pipe takes a part of what is too much for it.
        assert self.journal._file is not None
        os.close(self.journal._file)
        self.journal._file = writer
        error = self.assertRaises(OSError, self.journal.append, {"n": "x" * 200_000})
        self.assertEqual(error.errno, ENOSPC)
        self.assertEqual(self.path.stat().st_size, size)
        self.journal.append({"n": 3})
        self.assertEqual(self.lines(), [{"n": 1}, {"n": 3}])

    def test_bound(self) -> None:
        """It does not become longer than it may."""
        self.patch(module, "MOST_BYTES", 100)
        self.journal.append({"n": "x" * 60})
        error = self.assertRaises(OSError, self.journal.append, {"n": "x" * 60})
        self.assertEqual(error.errno, EFBIG)

    def test_noFile(self) -> None:
        """What is no file is neither read nor written, and nobody waits for it."""
        for number in range(3):
            if number == 0:
                self.path.mkdir()
            elif number == 1:
                os.mkfifo(self.path)
            else:
                self.path.symlink_to("elsewhere")
            self.assertRaises(OSError, self.journal.append, {})
            self.assertRaises(ValueError, self.lines)
            self.path.rename(self.folder / f"aside{number}")

    def test_turn(self) -> None:
        """What is in an earlier file is read first; there is one such at most."""
        self.journal.append({"n": 1})
        self.assertTrue(self.journal.turn())
        self.journal.append({"n": 2})
        self.assertEqual(self.lines(), [{"n": 1}, {"n": 2}])
        self.assertFalse(self.journal.turn())
        self.journal.forget_older()
        self.assertEqual(self.lines(), [{"n": 2}])
        self.assertTrue(self.journal.turn())

    def test_noTurn(self) -> None:
        """Where there is no room for a new file, it is gone on with the one there is."""
        self.journal.append({"n": 1})
        self.watch.full = True
        self.assertRaises(OSError, self.journal.turn)
        self.journal.append({"n": 2})
        self.assertEqual(self.lines(), [{"n": 1}, {"n": 2}])
        self.assertEqual(os.listdir(self.folder), ["file"])


class WriterTests(FileTestCase):
    """
    Files that are written aside.
    """

    def setUp(self) -> None:
        """
        Make one that waits.
        """
        super().setUp()
        self.aside = Held(at_once=False)
        self.writer = Writer(Here(), self.aside)  # type: ignore[arg-type] # of its interface what is needed

    def test_batches(self) -> None:
        """Those who wait at the same time share a folder's being forced to the disk."""
        seen: list[str] = []
        self.watch.before = seen.append
        names = [f"f{number:03}" for number in range(MOST_AT_ONCE + 2)]
        done = [self.writer.write(str(self.folder / name), b"x") for name in names]
        self.assertEqual(len(self.aside.works), 1)
        self.aside.works.pop()()
        self.successResultOf(done[0])
        self.assertNoResult(done[1])
        self.aside.works.pop()()
        self.successResultOf(done[MOST_AT_ONCE])
        self.assertNoResult(done[MOST_AT_ONCE + 1])
        self.aside.let()
        self.assertEqual(sorted(os.listdir(self.folder)), names)
        self.assertEqual(self.writer.written, len(names))

    def test_order(self) -> None:
        """A file is never there but whole: it is written beside it, then takes its place."""
        self.path.write_bytes(b"old")
        seen: list[str] = []
        self.watch.before = lambda what: seen.append(f"{what}: {self.path.read_bytes()!r}")
        self.writer.write(str(self.path), b"new")
        self.aside.let()
        self.assertEqual(seen, ["open file.tmp: b'old'", "os.rename file.tmp: b'old'"])
        self.assertEqual(self.path.read_bytes(), b"new")

    def test_cancelled(self) -> None:
        """Who waits no longer changes nothing."""
        done = self.writer.write(str(self.path), b"x")
        done.cancel()
        self.failureResultOf(done)
        self.aside.let()
        self.assertEqual(self.path.read_bytes(), b"x")

    def test_anyError(self) -> None:
        """Whatever can't be written costs nobody else anything."""
        wrong = self.writer.write(str(self.folder / "a\0b"), b"x")
        other = self.writer.write(str(self.path), b"x")
        self.aside.let()
        self.assertIn("ValueError", self.failureResultOf(wrong, OSError).getErrorMessage())
        self.successResultOf(other)
        self.assertEqual((self.writer.written, self.writer.failed), (1, 1))

    def test_link(self) -> None:
        """A link is not followed, but replaced."""
        elsewhere = self.folder / "elsewhere"
        self.path.symlink_to(elsewhere)
        done = self.writer.write(str(self.path), b"x")
        self.aside.let()
        self.successResultOf(done)
        self.assertFalse(elsewhere.exists())
        self.assertFalse(self.path.is_symlink())

    def test_makeFolder(self) -> None:
        """A folder is made once."""
        path = str(self.folder / "new")
        make_folder(path)
        make_folder(path)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o700)


class ThreadTests(TestCase):
    """
    The thread that writes.
    """

    async def test_thread(self) -> None:
        """It comes with the first file, goes at the end, and comes again when needed."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        writer = Writer(reactor)

        def there() -> int:
            return sum(each.name == "smartmob-state" for each in threading.enumerate())

        before = there()
        await writer.close()
        for _ in range(2):
            done = [
                writer.write(str(folder / "f" / str(number)), b"x") for number in range(250)
            ]
            await writer.close()
            for each in done:
                self.assertTrue(each.called)
                await each
            self.assertEqual(there(), before)
