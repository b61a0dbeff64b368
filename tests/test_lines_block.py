"""
A program that waits for its readers: they lose nothing of it, and what is queued is bounded.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import LastExit, State
from smartmob.lines.app import AppConsole, AppWanted
from smartmob.lines.app_encodings import APP_FRAMES, AppEncoding
from smartmob.lines.bounds import Bounds
from smartmob.lines.console import Console, Wanted
from smartmob.lines.consoles import Consoles
from smartmob.lines.encodings import JSON_FRAMES, TEXT, Encoding
from smartmob.lines.readers import Ending
from tests.support.recording import Recorder

JSON = APP_FRAMES["json"]
PLAIN = APP_FRAMES["plain"]

READ = 64
"""Bytes that are read at once, and that a pipe holds, here."""

BOUNDS = Bounds(queue=10_000, queues_in_all=30_000, blocking=1000, beyond=4 * READ)
"""
A read of lines of one byte, as JSON, is a third of C{queue}, and four times C{blocking}.
"""

EXIT = LastExit(code=0, signal=None, at=1.0, ran_seconds=1.0)


def stalled(console: Console, encoding: Encoding = JSON_FRAMES) -> Recorder:
    """
    A reader that takes one write.
    """
    reader = Recorder()
    reader.room = 1
    reader.subscription = console.attach(reader, Wanted(), encoding)
    reader.subscription.resume()
    return reader


def stalled_of_app(app: AppConsole, encoding: AppEncoding = JSON) -> Recorder:
    """
    One of the app.
    """
    reader = Recorder()
    reader.room = 1
    reader.subscription = app.attach(reader, AppWanted(), encoding)
    reader.subscription.resume()
    return reader


def missed(documents: list[Any]) -> list[Any]:
    """
    What was told to be missing.
    """
    return [document for document in documents if document.get("event") == "dropped"]


def numbers(documents: list[Any], node: str | None = None) -> list[int]:
    """
    The numbers of the lines that came.
    """
    return [d["seq"] for d in documents if "seq" in d and d.get("node") == node]


class DueTests(SynchronousTestCase):
    """
    What was written before the program could be held back.
    """

    def setUp(self) -> None:
        self.open(BOUNDS)

    def open(self, bounds: Bounds) -> None:
        """
        A process that waits for its readers, and another that does not.
        """
        self.consoles = Consoles(epoch="e", now=lambda: 1.5, bounds=bounds)
        self.console = self.consoles.open("shop.web.0", State.RUNNING)
        self.other = self.consoles.open("shop.other.0", State.RUNNING)
        self.app = self.consoles.app("shop")
        self.said: list[bool] = []
        self.console.on_blocked = self.said.append

    def ends(self) -> int:
        """
        It writes until it has to wait, and as much as fits into its pipes; then it ends, and
        what others wrote meanwhile comes too.

        @return: How many lines.
        """
        self.console.received("stdout", b"\n" * READ, 7)
        self.assertTrue(self.console.blocked)
        for _ in range(2):
            for stream in ("stdout", "stderr"):
                self.console.received(stream, b"\n" * READ, 7)
        self.console.finish()
        self.console.exited(EXIT, 7)
        return 5 * READ

    def test_drained(self) -> None:
        """
        It ends while it waits: its reader gets what was in its pipes, more than may wait for
        one otherwise, and then that it has ended.
        """
        reader, of_app = stalled(self.console), stalled_of_app(self.app)
        count = self.ends()
        assert reader.subscription is not None
        self.assertGreater(reader.subscription.queued, BOUNDS.queue + (1 << 20) // 1000)
        for each, node in ((reader, None), (of_app, "web.0")):
            each.take()
            documents = each.documents()
            self.assertEqual(missed(documents), [])
            self.assertEqual(numbers(documents, node), [*range(1, count + 1)])
            self.assertEqual(documents[-1]["event"], "exited")
            self.assertEqual(each.endings, [])
        self.assertEqual(self.said, [True, False])
        self.assertEqual((self.consoles.queued, reader.subscription.due), (0, 0))

    def test_eventBehind(self) -> None:
        """
        What is due does not count against the bound of what happened, either.
        """
        self.open(Bounds(queue=1000, blocking=100, beyond=1 << 20))
        reader = stalled(self.console)
        self.console.received("stdout", b"\n" * 30_000, 7)
        assert reader.subscription is not None
        self.assertGreater(reader.subscription.queued, (1 << 20) + 1000)
        self.console.exited(EXIT, 7)
        reader.take()
        self.assertEqual(reader.endings, [])
        self.assertEqual(reader.documents()[-1]["event"], "exited")

    def test_manyReaders(self) -> None:
        """
        However many wait for the same, none of them loses a line, nor does a reader of
        another process because of them.
        """
        readers = [stalled(self.console) for _ in range(30)]
        beside = stalled(self.other)
        self.other.received("stdout", b"x\n" * 50, 8)
        count = self.ends()
        self.assertGreater(
            sum(r.subscription.queued for r in readers if r.subscription), 300_000
        )
        for reader in readers:
            reader.take()
            self.assertEqual(missed(reader.documents()), [])
            self.assertEqual(numbers(reader.documents()), [*range(1, count + 1)])
        beside.take()
        self.assertEqual(numbers(beside.documents()), [*range(1, 51)])
        self.assertEqual(self.consoles.queued, 0)

    def test_beside(self) -> None:
        """
        A reader of the app that misses lines of a flood misses none of the program that
        waits for it, and is told of which process the others were.
        """
        reader = stalled_of_app(self.app)
        for _ in range(20):
            self.other.received("stdout", b"x\n" * READ, 8)
        self.console.received("stdout", b"1\n2\n", 7)
        self.assertTrue(self.console.blocked)
        reader.take()
        documents = reader.documents()
        self.assertEqual(numbers(documents, "web.0"), [1, 2])
        [dropped] = missed(documents)
        self.assertEqual(dropped["node"], "other.0")
        got = numbers(documents, "other.0")
        self.assertEqual(dropped["missed"] + len(got), 20 * READ)
        self.assertEqual(self.said, [True, False])

    def test_givenBack(self) -> None:
        """
        Where readers have to give lines back they keep what is due, those who are ended, too.
        """
        for encoding in (JSON, PLAIN):
            with self.subTest(encoding=encoding):
                self.open(Bounds(queue=9_000, queues_in_all=20_000, blocking=500, beyond=4000))
                readers = [stalled_of_app(self.app, encoding) for _ in range(4)]
                for n in range(60):
                    self.other.received("stdout", b"x" * 80 + b"\n", 8)
                    if n % 20 == 10:
                        self.console.received("stdout", b"due\n", 7)
                    self.assertLessEqual(self.consoles.queued, 20_000)
                for reader in readers:
                    reader.take()
                    due = [frame for frame in reader.frames() if b"due" in frame]
                    if encoding is JSON or not reader.endings:
                        self.assertEqual(len(due), 3)
                        self.assertEqual(reader.endings, [])
                    else:
                        self.assertEqual(reader.endings, [Ending.TOO_SLOW, "ended"])
                        self.assertGreater(len(due), 0)
                if encoding is PLAIN:
                    self.assertNotEqual([reader.endings for reader in readers], [[]] * 4)
                self.assertEqual(self.consoles.queued, 0)

    def test_givenBackBefore(self) -> None:
        """
        So they do where lines that were queued before and behind it are given back; it is told
        there that these are missing, where that can be told.
        """
        for encoding in (JSON, PLAIN):
            with self.subTest(encoding=encoding):
                self.open(BOUNDS)
                reader = stalled_of_app(self.app, encoding)
                self.other.received("stdout", b"first\n", 8)
                for n in range(20):
                    self.other.received("stdout", b"x" * 80 + b"\n", 8)
                    if n in (5, 10):
                        self.console.received("stdout", b"due\n", 7)
                assert reader.subscription is not None
                reader.subscription.shed(1 << 20)
                counted = reader.subscription.counted
                self.assertEqual(self.consoles.queued, counted)
                reader.take()
                frames = reader.frames()
                self.assertEqual(sum(b"due" in frame for frame in frames), 2)
                if encoding is PLAIN:
                    self.assertEqual(reader.endings, [Ending.TOO_SLOW, "ended"])
                else:
                    documents = reader.documents()
                    self.assertEqual([d["missed"] for d in missed(documents)], [7, 5, 9])
                    seen = [d.get("event") or d["line"] for d in documents][-5:]
                    self.assertEqual(seen, ["dropped", "due", "dropped", "due", "dropped"])
                self.assertEqual(self.consoles.queued, 0)

    def test_bounded(self) -> None:
        """
        Where it goes on, as one that is to end or that is started again and again may, no
        more is due than so much: then a reader misses lines as others do, or is ended.
        """
        reader, plain = stalled(self.console), stalled(self.console, TEXT)
        written = 0
        for _ in range(2000):
            self.console.received("stdout", b"\n" * READ, 7)
            written += READ
            for each in (reader, plain):
                assert each.subscription is not None
                self.assertLess(each.subscription.queued, BOUNDS.queue + 6 * READ * 120)
        assert plain.subscription is not None
        self.assertLess(plain.subscription.due, 1000 + 6 * READ)
        reader.take()
        [dropped] = missed(reader.documents())
        self.assertEqual(dropped["missed"] + len(numbers(reader.documents())), written)
        plain.take()
        self.assertEqual(plain.endings, [Ending.TOO_SLOW, "ended"])
        self.console.received("stdout", b"\n" * READ, 7)
        self.assertEqual(len(numbers(reader.documents())) + dropped["missed"], written + READ)
        self.assertEqual(self.consoles.queued, 0)


class Machine(RuleBasedStateMachine):
    """
    An app of one process that waits, and one that floods; readers that come, stall and go.
    """

    @initialize()
    def begin(self) -> None:
        """Both processes."""
        self.consoles = Consoles(epoch="e", now=lambda: 1.5, bounds=BOUNDS)
        self.console = self.consoles.open("shop.web.0", State.RUNNING)
        self.other = self.consoles.open("shop.other.0", State.RUNNING)
        self.app = self.consoles.app("shop")
        self.console.on_blocked = lambda blocked: None
        self.drained = False
        self.readers: list[tuple[Recorder, int, str | None]] = []

    @rule(kind=st.sampled_from(["json", "plain", "single"]))
    def attach(self, kind: str) -> None:
        """A reader comes, which takes next to nothing."""
        next_ = self.console.next
        if kind == "single":
            self.readers.append((stalled(self.console), next_, None))
        elif kind == "json":
            self.readers.append((stalled_of_app(self.app), next_, "web.0"))
        else:
            stalled_of_app(self.app, PLAIN)

    @rule(lines=st.integers(1, READ), stream=st.sampled_from(["stdout", "stderr"]))
    def write(self, lines: int, stream: str) -> None:
        """The one that waits writes, where it need not."""
        if not self.console.blocked:
            self.drained = False
            self.console.received(stream, b"\n" * lines, 7)

    @rule()
    def drain(self) -> None:
        """It ends, whether it has to wait or not."""
        if not self.drained:
            self.drained = True
            for stream in ("stdout", "stderr") * 2:
                self.console.received(stream, b"\n" * READ, 7)
            self.console.exited(EXIT, 7)

    @rule(chunks=st.integers(1, 9), lines=st.integers(1, READ))
    def flood(self, chunks: int, lines: int) -> None:
        """The other one writes as it likes."""
        for _ in range(chunks):
            self.other.received("stdout", b"\n" * lines, 8)
        self.other.started(8)

    @rule(which=st.integers(0, 9), room=st.integers(1, 9000))
    def take(self, which: int, room: int) -> None:
        """A reader reads on."""
        if self.readers:
            self.readers[which % len(self.readers)][0].take(room)

    @rule(which=st.integers(0, 9))
    def leave(self, which: int) -> None:
        """A reader is gone."""
        if self.readers:
            reader, *_ = self.readers.pop(which % len(self.readers))
            assert reader.subscription is not None
            reader.subscription.detach()

    @invariant()
    def bounded(self) -> None:
        """What is not due is bounded, and never counted below nothing."""
        assert 0 <= self.consoles.queued <= BOUNDS.queues_in_all

    def teardown(self) -> None:
        """Each reader got each line of the one that waits, from its first on."""
        if not hasattr(self, "readers"):
            return
        for reader, first, node in self.readers:
            reader.take()
            documents = reader.documents()
            assert numbers(documents, node) == [*range(first, self.console.next)]
            assert not [d for d in missed(documents) if d.get("node") == node]
            assert reader.endings == []
            assert reader.subscription is not None
            assert (reader.subscription.queued, reader.subscription.due) == (0, 0)
            reader.subscription.detach()


class AnyOrderTests(SynchronousTestCase):
    """
    Whatever else happens.
    """

    def test_anyOrder(self) -> None:
        """
        However readers stall, come and go, beside a flood: those of a program that waits get
        each of its lines.
        """
        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=150, stateful_step_count=30, deadline=None),
        )
