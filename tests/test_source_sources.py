"""
Tests of L{smartmob.source.sources}, with downloads and unpackers in memory.
"""

from __future__ import annotations

import hashlib
import os

from twisted.internet.defer import CancelledError
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.source.errors import SourceRefused, SourceUnavailable
from smartmob.source.release import Release
from tests.support.disks import InlineDisk, SlowDisk
from tests.support.sourcing import (
    Bench,
    begin_unpacking,
    end_unpacking,
    refuse_unpacking,
)

A = hashlib.sha256(b"a").hexdigest()


class SourcesTests(SynchronousTestCase):
    """
    Tests of L{Sources<smartmob.source.sources.Sources>}.
    """

    def setUp(self) -> None:
        """
        Sources that run.
        """
        self.bench = Bench(self.mktemp(), InlineDisk())
        self.sources = self.bench.sources
        self.sources.startService()
        self.fetches = self.bench.fetcher.fetches

    def unpack(self) -> None:
        """
        Have the unpacker succeed that runs.
        """
        [program] = self.bench.unpackers
        begin_unpacking(program)
        end_unpacking(program)

    def released(self, app: str = "app", url: str = "http://host/a") -> Release:
        """
        A release of the bytes C{a}.
        """
        asked = self.bench.release(app, url)
        self.fetches[-1].done.callback(b"a")
        if self.bench.unpackers:
            self.unpack()
        return self.successResultOf(asked)

    def check_nothing(self) -> None:
        """
        Assert that nothing is left.
        """
        self.assertEqual(self.bench.found(), [])
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])
        self.assertEqual(self.bench.unpackers, [])

    def test_release(self) -> None:
        """
        A release is downloaded, unpacked, used, and removed when it is not used any
        more.
        """
        states: list[State] = []
        asked = self.bench.release(progress=states.append)
        [fetch] = self.fetches
        self.assertEqual((fetch.url, fetch.request_id), ("http://host/a", "id-1"))
        self.assertEqual(os.path.dirname(fetch.path), f"{self.bench.path}/downloads")
        self.assertEqual(states, [State.DOWNLOADING])
        fetch.done.callback(b"a")
        self.assertEqual(states, [State.DOWNLOADING, State.UNPACKING])
        self.unpack()
        release = self.successResultOf(asked)
        self.assertEqual(str(release.path), f"{self.bench.path}/releases/app/{A}")
        self.assertEqual((release.app, release.sha256), ("app", A))
        self.assertEqual((release.procfile, release.dotenv), (b"web: ./run\n", None))
        self.assertEqual(
            self.bench.found(),
            [
                *("releases/app", f"releases/app/{A}"),
                *(f"releases/app/{A}.json", f"releases/app/{A}/half"),
            ],
        )
        self.successResultOf(self.sources.drop(release, "app.web.0"))
        self.check_nothing()

    def test_oneDownload(self) -> None:
        """
        Equal downloads at the same moment are one, for all apps; a release is one app's.
        """
        asked = [self.bench.release(app) for app in ("app", "app", "other")]
        other = self.bench.release("app", "http://host/b")
        self.assertEqual([f.url for f in self.fetches], ["http://host/a", "http://host/b"])
        self.fetches[0].done.callback(b"a")
        self.assertEqual(len(self.bench.unpackers), 2)
        self.fetches[1].done.callback(b"a")
        for program in self.bench.unpackers:
            begin_unpacking(program)
            end_unpacking(program)
        first, second, third = [self.successResultOf(d) for d in asked]
        fourth = self.successResultOf(other)
        self.assertEqual({first.path, second.path, fourth.path}, {first.path})
        self.assertNotEqual(third.path, first.path)
        for release in (first, third, fourth):
            self.successResultOf(self.sources.drop(release, "x"))
            self.assertTrue(os.path.isdir(second.path))
        self.successResultOf(self.sources.drop(second, "x"))
        self.check_nothing()

    def test_downloadedAnew(self) -> None:
        """
        What was downloaded is downloaded anew by the next who asks, and only unpacked
        again where nobody has it.
        """
        first = self.released()
        states: list[State] = []
        asked = self.bench.release(progress=states.append)
        self.assertEqual(len(self.fetches), 2)
        self.fetches[1].done.callback(b"a")
        self.assertEqual(self.bench.unpackers, [])
        second = self.successResultOf(asked)
        self.assertEqual(states, [State.DOWNLOADING])
        self.assertEqual(first.path, second.path)

    def test_dropTwice(self) -> None:
        """
        A release can be dropped again; that changes nothing for others.
        """
        first, second = self.released(), self.released()
        for _ in range(2):
            self.successResultOf(self.sources.drop(first, "x"))
        self.assertTrue(os.path.isdir(second.path))

    def test_sha256(self) -> None:
        """
        The bytes must be those that were asked for, in digits of either case; who asked
        for others does not disturb who did not.
        """
        asked = [self.bench.release(sha256=digest) for digest in (A.upper(), "0" * 64, None)]
        self.fetches[0].done.callback(b"a")
        self.unpack()
        self.successResultOf(asked[0])
        self.successResultOf(asked[2])
        error = self.failureResultOf(asked[1], SourceRefused).value
        assert isinstance(error, SourceRefused)
        self.assertEqual(error.reason, f"the archive's sha256 is {A}, not {'0' * 64}")

    def test_downloadFails(self) -> None:
        """
        All who wait hear why a download fails, nothing is left, and it can be tried
        again.
        """
        asked = [self.bench.release() for _ in range(2)]
        self.fetches[0].done.errback(SourceUnavailable("later", 7.0))
        for waiting in asked:
            error = self.failureResultOf(waiting, SourceUnavailable).value
            assert isinstance(error, SourceUnavailable)
            self.assertEqual((error.reason, error.retry_after), ("later", 7.0))
        self.check_nothing()
        self.released()

    def test_unpackFails(self) -> None:
        """
        So it is when it can't be unpacked, and when there is no Procfile in it.
        """
        for procfile, why in (
            (b"", "the archive was refused: it is bad"),
            (None, "the archive has no Procfile in its root or its one top folder"),
        ):
            asked = [self.bench.release() for _ in range(2)]
            self.fetches[-1].done.callback(b"a")
            [program] = self.bench.unpackers
            begin_unpacking(program)
            if procfile is None:
                end_unpacking(program, None)
            else:
                refuse_unpacking(program)
            for waiting in asked:
                error = self.failureResultOf(waiting, SourceRefused).value
                assert isinstance(error, SourceRefused)
                self.assertEqual(error.reason, why)
            self.check_nothing()
        self.released()

    def test_cancelledDownload(self) -> None:
        """
        Who is not interested any more leaves; with the last one the download ends, and
        its file is gone when that is told.
        """
        first, second = self.bench.release(), self.bench.release()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        [fetch] = self.fetches
        self.assertIs(fetch.ending, None)
        second.cancel()
        self.assertNoResult(second)
        third = self.bench.release()
        self.assertEqual(len(self.fetches), 2)
        assert fetch.ending is not None
        fetch.ending.callback(None)
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.bench.found(), ["downloads/2"])
        third.cancel()
        assert self.fetches[1].ending is not None
        self.fetches[1].ending.callback(None)
        self.failureResultOf(third, CancelledError)
        self.check_nothing()

    def test_cancelledUnpacking(self) -> None:
        """
        The same of unpacking: the last one's leaving kills the unpacker, and what it
        made is gone when that is told.
        """
        first, second = self.bench.release(), self.bench.release()
        self.fetches[0].done.callback(b"a")
        [program] = self.bench.unpackers
        begin_unpacking(program)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertFalse(program.was_killed)
        second.cancel()
        self.assertTrue(program.was_killed)
        self.assertNoResult(second)
        program.end(signal=9)
        self.failureResultOf(second, CancelledError)
        self.check_nothing()

    def test_archiveStays(self) -> None:
        """
        An archive is there as long as an unpacker needs it, whoever started that.
        """
        first = self.bench.release(url="http://host/a")
        second = self.bench.release(url="http://host/b")
        self.fetches[0].done.callback(b"a")
        self.fetches[1].done.callback(b"a")
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.unpack()
        self.successResultOf(second)

    def test_waitsForClosing(self) -> None:
        """
        Who needs a release that is being abandoned waits until it is gone.
        """
        first = self.bench.release()
        self.fetches[0].done.callback(b"a")
        [program] = self.bench.unpackers
        begin_unpacking(program)
        first.cancel()
        second, third = self.bench.release(), self.bench.release()
        self.fetches[1].done.callback(b"a")
        self.assertEqual(self.bench.unpackers, [program])
        third.cancel()
        self.failureResultOf(third, CancelledError)
        program.end(signal=9)
        self.failureResultOf(first, CancelledError)
        self.unpack()
        release = self.successResultOf(second)
        self.assertTrue(os.path.isdir(release.path))

    def test_fewUnpackers(self) -> None:
        """
        Two archives are unpacked at a time, the others wait; those can be abandoned.
        """
        asked = [self.bench.release("app", f"http://host/{n}") for n in range(4)]
        for n, fetch in enumerate(list(self.fetches)):
            fetch.done.callback(b"%d" % n)
        self.assertEqual(len(self.bench.unpackers), 2)
        asked[2].cancel()
        self.failureResultOf(asked[2], CancelledError)
        for _ in range(3):
            program = self.bench.unpackers[0]
            begin_unpacking(program)
            end_unpacking(program)
        for n in (0, 1, 3):
            self.successResultOf(asked[n])
        self.assertEqual(len(self.bench.launcher.programs), 3)

    def test_leftovers(self) -> None:
        """
        What a crash left is removed at the start, and the folders are the agent's alone.
        """
        for name in ("downloads/1", "releases/app/x.tmp/d", "processes"):
            os.makedirs(f"{self.bench.path}/{name}", exist_ok=True)
        again = Bench(self.bench.path, InlineDisk())
        again.sources.startService()
        self.assertEqual(again.found(), ["processes"])
        for name in ("archives", "downloads", "releases"):
            self.assertEqual(os.stat(f"{again.path}/{name}").st_mode & 0o777, 0o700)

    def test_waitsForStart(self) -> None:
        """
        Nothing is downloaded before what a crash left is removed.
        """
        disk = SlowDisk()
        bench = Bench(self.mktemp(), disk)
        bench.sources.startService()
        gone, asked = bench.release(), bench.release()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertEqual(bench.fetcher.fetches, [])
        disk.work()
        [fetch] = bench.fetcher.fetches
        fetch.done.errback(SourceRefused("no"))
        disk.work_all()
        self.failureResultOf(asked, SourceRefused)

    def test_cancelledBeforeStart(self) -> None:
        """
        Who leaves before that does not keep others from it.
        """
        disk = SlowDisk()
        bench = Bench(self.mktemp(), disk)
        bench.sources.startService()
        asked = bench.release()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        disk.work_all()
        again = bench.release()
        self.assertEqual(len(bench.fetcher.fetches), 1)
        bench.fetcher.fetches[0].done.errback(SourceRefused("no"))
        disk.work_all()
        self.failureResultOf(again, SourceRefused)

    def test_noStateFolder(self) -> None:
        """
        Where the state folder can't be used there is no release, and a reason.
        """
        path = self.mktemp()
        with open(path, "w"):
            pass
        bench = Bench(path, InlineDisk())
        bench.sources.startService()
        error = self.failureResultOf(bench.release(), SourceRefused).value
        assert isinstance(error, SourceRefused)
        self.assertEqual(error.reason, "the state folder can't be used: Not a directory")

    def test_notRunning(self) -> None:
        """
        Sources that do not run have no releases.
        """
        bench = Bench(self.mktemp(), InlineDisk())
        self.failureResultOf(bench.release(), RuntimeError)

    def test_stop(self) -> None:
        """
        At the end all that is under way is abandoned; releases stay.
        """
        release = self.released()
        downloading = self.bench.release(url="http://host/b")
        unpacking = self.bench.release(url="http://host/c")
        self.fetches[2].done.callback(b"c")
        [program] = self.bench.unpackers
        stopped = self.sources.stopService()
        self.assertNoResult(stopped)
        assert self.fetches[1].ending is not None
        self.fetches[1].ending.callback(None)
        self.failureResultOf(downloading, CancelledError)
        self.assertNoResult(stopped)
        program.fail()
        self.failureResultOf(unpacking, CancelledError)
        self.successResultOf(stopped)
        self.assertTrue(os.path.isdir(release.path))
        self.assertEqual(os.listdir(f"{self.bench.path}/downloads"), [])
        self.assertEqual(sorted(os.listdir(release.path.parent)), [A, f"{A}.json"])

    def test_folder(self) -> None:
        """
        A working directory lies in the release, also after links.
        """
        release = self.released()
        os.makedirs(f"{release.path}/d/e")
        os.symlink("d", f"{release.path}/in")
        os.symlink("/etc", f"{release.path}/out")
        os.symlink("../..", f"{release.path}/d/up")
        self.assertEqual(release.folder(None), str(release.path))
        self.assertEqual(release.folder(""), str(release.path))
        for cwd in ("d", "d/e", "in/e", "missing", "d/./e"):
            self.assertEqual(release.folder(cwd), str(release.path / cwd))
        for cwd in ("..", "out", "d/up", "in/up/other", "/etc", "a\0b", "../" + A + "x"):
            error = self.assertRaises(SourceRefused, release.folder, cwd)
            self.assertIn("leads out of the source", error.reason)

    def test_removalFails(self) -> None:
        """
        What can't be removed is logged, and nothing waits for it.
        """
        release = self.released()
        # rmdir(2) refuses a name that ends so.
        release.source.path += "/."
        with capturedLogs() as logs:
            self.successResultOf(self.sources.drop(release, "x"))
        warned = [event for event in logs if event["log_level"] is LogLevel.warn]
        self.assertEqual(len(warned), 1)
        self.assertIn("can't be removed", formatEvent(warned[0]))
        again = self.released(url="http://host/b")
        self.assertTrue(os.path.isdir(again.path))

    def test_cancelledLate(self) -> None:
        """
        Who cancels when only the archive is still to be removed has no release.
        """
        disk = SlowDisk()
        bench = Bench(self.mktemp(), disk)
        bench.sources.startService()
        disk.work_all()
        asked = bench.release()
        bench.fetcher.fetches[0].done.callback(b"a")
        [program] = bench.unpackers
        begin_unpacking(program)
        end_unpacking(program)
        while os.path.exists(bench.fetcher.fetches[0].path) and len(disk.asked) > 1:
            disk.work()
        asked.cancel()
        while disk.asked:
            disk.work()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(bench.found(), [])
