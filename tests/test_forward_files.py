"""
Tests of L{smartmob.forward.files} and L{smartmob.forward.thread}.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.forward import files
from smartmob.forward.destination import Outcome, lines_of
from smartmob.forward.files import FileDestination, Files
from smartmob.forward.queue import Entry
from smartmob.forward.thread import Worker
from tests.support.forwarding import entry
from tests.support.threadless import no_threads

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no failure."""

LIMIT = 30.0
"""Seconds after which a test has failed."""


class FilesTestCase(SynchronousTestCase):
    """
    Has a folder.
    """

    def setUp(self) -> None:
        """
        It is not there yet.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.path = str(self.folder / "x" / "a.log")

    def content(self, name: str = "a.log") -> str:
        """
        What is in a file.
        """
        return (self.folder / "x" / name).read_text()

    def names(self) -> list[str]:
        """
        Of the files that there are.
        """
        return sorted(os.listdir(self.folder / "x"))


class WritingTests(FilesTestCase):
    """
    Tests of L{Files}.
    """

    def test_private(self) -> None:
        """
        Folders and file are made, for the agent's user alone, and added to.
        """
        out = Files(max_bytes=0, backups=0)
        for text in ("one", "two"):
            self.assertEqual(out.write([entry(text, key=self.path)]), Outcome())
        self.assertEqual(self.content(), "one\ntwo\n")
        for path, mode in (
            (self.folder, 0o700),
            (self.folder / "x", 0o700),
            (self.path, 0o600),
        ):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)

    def test_several(self) -> None:
        """
        Each entry goes to its file, in its order; no descriptor stays open.
        """
        other = f"{self.path}.txt"
        before = os.listdir("/proc/self/fd")
        Files(max_bytes=0, backups=0).write(
            [entry("1", key=self.path), entry("2", key=other), entry("3", key=self.path)]
        )
        self.assertEqual((self.content(), self.content("a.log.txt")), ("1\n3\n", "2\n"))
        self.assertEqual(len(os.listdir("/proc/self/fd")), len(before))

    def test_moved(self) -> None:
        """
        A file that somebody moves away is made anew, without being told.
        """
        out = Files(max_bytes=0, backups=0)
        out.write([entry("1", key=self.path)])
        os.rename(self.path, f"{self.path}-yesterday")
        out.write([entry("2", key=self.path)])
        self.assertEqual((self.content(), self.content("a.log-yesterday")), ("2\n", "1\n"))

    def test_vanishes(self) -> None:
        """
        Nothing is lost where somebody moves files away, or removes their folder, at the moment
        in which they are to be moved away here.
        """
        case = self

        class Module:
            """
            The system, whose files vanish just before they are moved.
            """

            def __getattr__(self, name: str) -> Any:
                return getattr(os, name)

            def replace(self, name: str, after: str) -> None:
                if case.folder.exists():
                    os.rename(case.folder, f"{case.folder}-{len(moved)}")
                    moved.append(f"{case.folder}-{len(moved)}")
                os.replace(name, after)

        moved: list[str] = []
        self.patch(files, "os", Module())
        out = Files(max_bytes=8, backups=3)
        self.assertEqual(out.write([entry("one", "two", "three", key=self.path)]), Outcome())
        self.assertEqual(self.content(), "three\n")
        self.assertEqual(Path(moved[0], "x", "a.log").read_text(), "one\ntwo\n")

    def test_rotation(self) -> None:
        """
        A file has at most so many bytes, and as many older ones are kept as are wanted.
        """
        out = Files(max_bytes=10, backups=2)
        for number in range(1000, 1012):
            out.write([entry(str(number), key=self.path)])
        self.assertEqual(self.names(), ["a.log", "a.log.1", "a.log.2"])
        self.assertEqual(self.content("a.log.2"), "1006\n1007\n")
        self.assertEqual(self.content("a.log.1"), "1008\n1009\n")
        self.assertEqual(self.content(), "1010\n1011\n")

    def test_noBackups(self) -> None:
        """
        Where none is wanted, the file begins anew.
        """
        out = Files(max_bytes=10, backups=0)
        out.write([entry("1", "2", "3", "4", "5", "6", key=self.path)])
        self.assertEqual((self.names(), self.content()), (["a.log"], "6\n"))

    @PATIENT
    @given(
        st.lists(st.lists(st.text("ab", max_size=12), min_size=1), max_size=12),
        st.integers(1, 40),
    )
    def test_whole(self, batches: list[list[str]], most: int) -> None:
        """
        However they are cut into batches, no line is cut, none is missing, and only a single
        line may be longer than a file may be.
        """
        folder = Path(self.mktemp()).absolute()
        path = str(folder / "log")
        out = Files(max_bytes=most, backups=1000)
        for lines in batches:
            self.assertEqual(out.write([entry(*lines, key=path)]), Outcome())
        names = sorted(
            os.listdir(folder) if batches else [], key=lambda name: int(name[4:] or 0)
        )
        found = [(folder / name).read_text() for name in reversed(names)]
        self.assertEqual(
            "".join(found), "".join(f"{line}\n" for lines in batches for line in lines)
        )
        for text in found:
            self.assertTrue(text.endswith("\n"))
            self.assertTrue(len(text) <= most or text.count("\n") == 1, text)

    def test_refused(self) -> None:
        """
        What can never be written to loses its lines, which are counted, and no other's.
        """
        os.makedirs(self.path)
        other = f"{self.path}.txt"
        outcome = Files(max_bytes=0, backups=0).write(
            [entry("1", "2", key=self.path), entry("3", key=other)]
        )
        self.assertEqual((outcome.left, outcome.lost), ((), 2))
        self.assertEqual(outcome.why, f"can't be written: {self.path}: Is a directory")
        self.assertEqual(self.content("a.log.txt"), "3\n")

    def test_odd(self) -> None:
        """
        A pipe that nobody reads, or a link to somewhere else, holds nobody up, and gets
        nothing.
        """
        out = Files(max_bytes=0, backups=0)
        os.makedirs(os.path.dirname(self.path))
        os.mkfifo(self.path)
        self.assertEqual(out.write([entry("1", key=self.path)]).lost, 1)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        outcome = out.write([entry("1", key=self.path)])
        self.assertIn("is no plain file", outcome.why)
        link = f"{self.path}-link"
        os.symlink(self.folder / "elsewhere", link)
        self.assertEqual(out.write([entry("1", key=link)]).lost, 1)
        self.assertFalse((self.folder / "elsewhere").exists())


class FullDiskTests(FilesTestCase):
    """
    A disk without room.
    """

    def setUp(self) -> None:
        """
        There is room for so many bytes, in all.
        """
        super().setUp()
        self.room = 1 << 20
        self.fails = errno.ENOSPC

        class Module:
            """
            The system, but for one call of it.
            """

            def __getattr__(self, name: str) -> Any:
                return getattr(os, name)

            def write(this, number: int, data: bytes) -> int:
                written = os.write(number, data[: self.room])
                self.room -= written
                if not written:
                    raise OSError(self.fails, os.strerror(self.fails))
                return written

        self.patch(files, "os", Module())

    def test_full(self) -> None:
        """
        What finds no room is left, whole, and there is no half a line in the file; when there
        is room it is written.
        """
        out = Files(max_bytes=0, backups=0)
        out.write([entry("one", key=self.path)])
        self.room = 6
        outcome = out.write([entry("two", "three", key=self.path)])
        self.assertEqual(lines_of(outcome.left), 2)
        self.assertEqual(outcome.lost, 0)
        self.assertEqual(outcome.why, f"can't be written: {self.path}: No space left on device")
        self.assertEqual(self.content(), "one\n")
        self.room = 1 << 20
        self.assertEqual(out.write(outcome.left), Outcome())
        self.assertEqual(self.content(), "one\ntwo\nthree\n")

    def test_between(self) -> None:
        """
        What was written to files before the one that finds no room is not written again.
        """
        out = Files(max_bytes=8, backups=9)
        self.room = 10
        outcome = out.write(
            [entry("one", "two", key=self.path), entry("three", "four", key=self.path)]
        )
        self.assertEqual(self.content("a.log.1"), "one\ntwo\n")
        self.assertEqual(outcome.left, (entry("three", "four", key=self.path),))
        self.room = 8
        outcome = out.write(outcome.left)
        self.assertEqual(outcome.left, (entry("four", key=self.path),))
        self.room = 1 << 20
        out.write(outcome.left)
        self.assertEqual(self.content("a.log.1") + self.content(), "three\nfour\n")

    def test_others(self) -> None:
        """
        An error that will not go by loses the lines.
        """
        self.room, self.fails = 0, errno.EIO
        outcome = Files(max_bytes=0, backups=0).write([entry("1", key=self.path)])
        self.assertEqual((outcome.left, outcome.lost), ((), 1))

    def test_device(self) -> None:
        """
        The system's own full device is no plain file, so nothing is written to it.
        """
        if not os.path.exists("/dev/full"):
            raise SkipTest("there is no /dev/full")
        outcome = Files(max_bytes=0, backups=0).write([entry("1", key="/dev/full")])
        self.assertEqual(outcome.lost, 1)


FILLS = """
import errno, os, sys
from smartmob.forward.destination import Outcome
from smartmob.forward.files import Files
from smartmob.forward.queue import Entry

folder, filler = sys.argv[1], sys.argv[1] + "/filler"
with open(filler, "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
out = Files(max_bytes=0, backups=0)
entry = Entry(folder + "/log", b"x" * 9_999 + b"\\n", 1)
first = out.write([entry])
assert first.left == (entry,) and not first.lost, first
size = os.stat(folder + "/log").st_size if os.path.exists(folder + "/log") else 0
assert not size, size
os.truncate(filler, 0)
assert out.write(first.left) == Outcome()
assert os.stat(folder + "/log").st_size == 10_000
print("as it has to be")
"""
"""Fills the disk that it is told, writes there, makes room, and writes again."""


class RealDiskTests(FilesTestCase):
    """
    A file system that is really full.
    """

    def test_full(self) -> None:
        """
        What finds no room is left, and no half of a line is; with room it is written.
        """
        self.folder.mkdir()
        mounts = f"mount -t tmpfs -o size=64k none {self.folder} || exit 77"
        said = subprocess.run(
            [
                *("unshare", "--mount", "--map-root-user", "sh", "-c"),
                f'{mounts}; exec "$@"',
                *("sh", sys.executable, "-c", FILLS, str(self.folder)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode == 77 or "unshare" in said.stderr:
            raise SkipTest(f"no file system can be mounted here: {said.stderr.strip()}")
        self.assertEqual((said.stdout, said.stderr), ("as it has to be\n", ""))


class Calls:
    """
    A reactor that threads call.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[..., None], Any]] = SimpleQueue()

    def callFromThread(self, act: Callable[..., None], *args: Any) -> None:
        """
        Keep it.
        """
        self._asked.put((act, args))

    def turn(self) -> None:
        """
        Wait for a call, and do it.
        """
        act, args = self._asked.get(timeout=LIMIT)
        act(*args)


class DestinationTests(FilesTestCase):
    """
    Tests of L{FileDestination}, and of the thread that it is written in.
    """

    def setUp(self) -> None:
        """
        A thread.
        """
        super().setUp()
        self.reactor = Calls()
        self.worker = Worker(cast(Any, self.reactor), self.mktemp())
        self.addCleanup(self.worker.end)

    def destination(self, write: Callable[[list[Entry]], Outcome]) -> FileDestination:
        """
        One that writes so.
        """
        return FileDestination(cast(Files, _Writes(write)), self.worker.run)

    def test_thread(self) -> None:
        """
        It is written in another thread, of which there is none before.
        """
        threads: list[threading.Thread] = []

        def write(batch: list[Entry]) -> Outcome:
            threads.append(threading.current_thread())
            return Outcome()

        destination = self.destination(write)
        self.assertNotIn(self.worker.name, [each.name for each in threading.enumerate()])
        done = destination.deliver([entry("1")])
        self.reactor.turn()
        self.assertEqual(self.successResultOf(done), Outcome())
        self.assertEqual([each.name for each in threads], [self.worker.name])

    def test_stuck(self) -> None:
        """
        A disk that does not answer is waited for no longer than is wanted.
        """
        go = threading.Event()
        self.addCleanup(go.set)

        def write(batch: list[Entry]) -> Outcome:
            go.wait(LIMIT)
            return Outcome()

        destination = self.destination(write)
        done = destination.deliver([entry("1")])
        destination.cut()
        self.assertEqual(self.successResultOf(done).left, (entry("1"),))
        go.set()
        self.reactor.turn()  # and nobody is told
        destination.cut()
        destination.close()

    def test_noThread(self) -> None:
        """
        Where there may be no more threads now, all is left; later there may be one.
        """
        none = no_threads(self)
        destination = self.destination(lambda batch: Outcome())
        outcome = self.successResultOf(destination.deliver([entry("1")]))
        self.assertEqual((lines_of(outcome.left), outcome.lost), (1, 0))
        self.assertEqual(outcome.why, "can't be written: can't start new thread")
        none.restore()
        done = destination.deliver(outcome.left)
        self.reactor.turn()
        self.assertEqual(self.successResultOf(done), Outcome())

    def test_defect(self) -> None:
        """
        A defect is told, and the thread goes on.
        """

        def fails() -> None:
            raise ZeroDivisionError

        first: Deferred[object] = self.worker.run(fails)
        second = self.worker.run(lambda: 2)
        self.reactor.turn()
        self.reactor.turn()
        failure: Failure = self.failureResultOf(first)
        failure.trap(ZeroDivisionError)
        self.assertEqual(self.successResultOf(second), 2)


class _Writes:
    def __init__(self, write: Callable[[list[Entry]], Outcome]) -> None:
        self.write = write
