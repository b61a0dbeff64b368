"""
Tests of L{smartmob.source.sweeping}: what sources make of what is there at the start.
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.refusals import StateNotWritten
from smartmob.source.archives import url_of
from smartmob.source.disk import Worker
from smartmob.source.errors import SourceRefused
from smartmob.source.keeping import Keep
from smartmob.source.limits import SourceLimits
from smartmob.source.release import Release
from smartmob.source.sweeping import Sweep
from smartmob.source.upload import Stored
from tests.support.disks import InlineDisk
from tests.support.sourcing import Bench, begin_unpacking, end_unpacking
from tests.support.sourcing_disks import FULL, LazyDisk, RefusingDisk
from tests.support.uploading import FakeSender, digest

A, B = (hashlib.sha256(data).hexdigest() for data in (b"a", b"b"))


class StartCase(SynchronousTestCase):
    """
    Agents on one folder, one after the other.
    """

    def setUp(self) -> None:
        """
        No agent yet.
        """
        self.path = os.path.abspath(self.mktemp())

    def begin(
        self,
        disk: Worker | None = None,
        keep: Keep | None = None,
        limits: SourceLimits | None = None,
    ) -> Bench:
        """
        The next agent.
        """
        self.bench = Bench(self.path, disk or InlineDisk(), limits=limits)
        self.bench.sources.keep = keep or Keep(releases=frozenset([("app", A)]))
        self.bench.sources.startService()
        return self.bench

    def make(self, data: bytes = b"a") -> Release:
        """
        A release that is unpacked.
        """
        return self.successResultOf(self.making(data))

    def making(self, data: bytes = b"a") -> Deferred[Release]:
        """
        A release that is being made, as far as that goes by itself.
        """
        asked = self.bench.release("app", f"http://host/{data.decode()}")
        self.fetched(data)
        return asked

    def fetched(self, data: bytes = b"a") -> None:
        """
        Have what is downloaded come, and unpacked.
        """
        for fetch in self.bench.fetcher.fetches:
            if not fetch.over:
                fetch.done.callback(data)
        for program in self.bench.unpackers:
            begin_unpacking(program)
            end_unpacking(program)

    def put(self, data: bytes, *used: str) -> Deferred[Stored]:
        """
        Send an archive.
        """
        upload = self.bench.sources.archives.receive(None, FakeSender(), lambda: used)
        upload.write(data)
        return upload.finish()

    def archives(self) -> list[str]:
        """
        The archives there are.
        """
        return sorted(os.listdir(f"{self.path}/archives"))

    def junk(self) -> None:
        """
        What a crash may leave.
        """
        for name in (
            f"releases/app/{B}.tmp/d/e",
            "downloads/1",
            "releases/gone/x",
            "discarded/z",
        ):
            os.makedirs(f"{self.path}/{name}")
        for name in ("downloads/2", "archives/3.part", f"releases/app/{B}.json", "releases/f"):
            Path(f"{self.path}/{name}").touch()


class ReleasesTests(StartCase):
    """
    Releases, and what goes.
    """

    def stay(self) -> list[str]:
        """
        What stays of a release.
        """
        return ["releases/app", *(f"releases/app/{A}{end}" for end in ("", ".json", "/half"))]

    def test_clean(self) -> None:
        """
        Of what is left only the releases that are kept stay.
        """
        self.begin()
        self.make()
        self.junk()
        self.assertEqual(self.begin().found(), self.stay())

    def test_inTheBackground(self) -> None:
        """
        What goes is removed when there is time for it: what is there is restored meanwhile,
        and what is not is made.
        """
        self.begin()
        self.make()
        self.junk()
        disk = LazyDisk("remove_tree")
        bench = self.begin(disk)
        self.assertEqual(os.listdir(f"{self.path}/downloads"), [])
        self.assertEqual(self.archives(), [])
        found = [name for name in bench.found() if not name.startswith("discarded")]
        self.assertEqual(found, self.stay())
        release = self.successResultOf(bench.restored(A))
        assert release is not None
        other = self.making(b"b")
        self.assertTrue(os.path.isdir(f"{self.path}/releases/app/{B}"))
        self.assertTrue(os.path.isdir(f"{self.path}/discarded"))
        disk.work_all()
        self.assertFalse(os.path.lexists(f"{self.path}/discarded"))
        self.assertNotEqual(self.successResultOf(other).path, release.path)

    def test_shortOfRoom(self) -> None:
        """
        Where there may be no room for one more source, that waits for what goes.
        """
        self.begin()
        self.junk()
        disk = LazyDisk("remove_tree")
        bench = self.begin(disk, limits=SourceLimits(free_bytes=1 << 60, free_percent=100))
        asked = bench.release()
        self.assertEqual(bench.fetcher.fetches, [])
        disk.work()
        self.assertEqual(len(bench.fetcher.fetches), 1)
        bench.fetcher.fetches[0].done.errback(SourceRefused("no"))
        disk.work_all()
        self.failureResultOf(asked, SourceRefused)

    def test_stop(self) -> None:
        """
        An agent that ends does not remove all of it first: the next one goes on with that.
        """
        self.begin()
        self.junk()
        disk = LazyDisk("remove_tree")
        bench = self.begin(disk)
        stopped = bench.sources.stopService()
        self.assertNoResult(stopped)
        disk.work_all()
        self.successResultOf(stopped)
        self.assertIn("discarded", bench.found())
        self.assertEqual(self.begin().found(), [])

    def test_cantRemove(self) -> None:
        """
        What can't be removed is said, and nobody waits for it.
        """
        self.begin()
        self.junk()
        with capturedLogs() as logs:
            self.begin(RefusingDisk(remove_tree=errno.EIO))
        said = [
            text for event in logs if "can't be removed" in (text := f"{formatEvent(event)}")
        ]
        self.assertEqual(len(said), 1, logs)
        self.assertIn("discarded can't be removed: Input/output error", said[0])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_nothingKept(self) -> None:
        """
        Where nothing is kept there is nothing left.
        """
        self.begin()
        self.make()
        self.junk()
        self.assertEqual(self.begin(keep=Keep()).found(), [])

    def test_instead(self) -> None:
        """
        Where there is something else in the place of a release or a folder, that goes, and
        what a link names stays.
        """
        elsewhere = Path(self.mktemp()).absolute()
        elsewhere.mkdir()
        (elsewhere / "kept").touch()
        self.begin()
        for name in ("downloads", "archives"):
            os.rmdir(f"{self.path}/{name}")
            os.symlink(elsewhere, f"{self.path}/{name}")
        os.mkdir(f"{self.path}/releases/app")
        os.symlink(elsewhere, f"{self.path}/releases/app/{A}")
        Path(f"{self.path}/releases/app/{A}.json").touch()
        bench = self.begin()
        self.assertIsNone(self.successResultOf(bench.restored(A)))
        self.assertEqual(bench.found(), [])
        self.assertEqual(os.listdir(elsewhere), ["kept"])
        for name in ("downloads", "archives", "releases"):
            self.assertFalse(os.path.islink(f"{self.path}/{name}"))
            self.assertEqual(os.stat(f"{self.path}/{name}").st_mode & 0o777, 0o700)

    def test_onlyManifest(self) -> None:
        """
        A manifest without a release goes, as does the folder of an app that has none.
        """
        self.begin()
        os.mkdir(f"{self.path}/releases/app")
        Path(f"{self.path}/releases/app/{A}.json").touch()
        self.assertEqual(self.begin().found(), [])

    def test_modes(self) -> None:
        """
        Programs of other users are let in anew: who was let in before may not be needed.
        """
        self.begin()
        self.make()
        os.chmod(f"{self.path}/releases", 0o711)
        self.begin()
        self.assertEqual(os.stat(f"{self.path}/releases").st_mode & 0o777, 0o700)

    def test_fullDisk(self) -> None:
        """
        Where nothing can be moved, for there is no room for another folder, it is removed.
        """
        self.begin()
        self.make()
        self.junk()
        os.rmdir(f"{self.path}/discarded/z")
        os.rmdir(f"{self.path}/discarded")
        Path(f"{self.path}/discarded").touch()
        sweep = Sweep(
            downloads=f"{self.path}/downloads",
            releases=f"{self.path}/releases",
            archives=f"{self.path}/archives",
            discarded=f"{self.path}/discarded",
        )
        left = sweep.run(Keep(releases=frozenset([("app", A)])))
        self.assertEqual(left.releases, {("app", A)})
        self.assertEqual(left.failures, ())
        found = [name for name in self.bench.found() if name != "discarded"]
        self.assertEqual(found, self.stay())

    def test_noFolders(self) -> None:
        """
        Where no folder can be made what is there is restored all the same.
        """
        self.begin()
        self.make()
        for name in ("downloads", "archives"):
            os.rmdir(f"{self.path}/{name}")

        def mkdir(*args: object) -> None:
            raise OSError(FULL, os.strerror(FULL))

        self.patch(os, "mkdir", mkdir)
        bench = self.begin()
        self.assertIsNotNone(self.successResultOf(bench.restored(A)))
        self.failureResultOf(self.put(b"x"), StateNotWritten)

    def test_unusable(self) -> None:
        """
        Where the folders can't be used nothing is restored, nor made, and the reason is told.
        """
        bench = self.begin(RefusingDisk(run=FULL))
        for asked in (bench.restored(A), bench.release()):
            error = self.failureResultOf(asked, SourceRefused).value
            self.assertIn("the state folder can't be used: No space left", str(error))


class ArchivesTests(StartCase):
    """
    Archives that clients sent to an earlier agent.
    """

    def fetched_archive(self, sha256: str) -> Deferred[str]:
        """
        Ask for an archive.
        """
        self.link = self.mktemp()
        archives = self.bench.sources.archives
        return Deferred.fromCoroutine(archives.fetch(url_of(sha256), self.link, "id-1"))

    def test_kept(self) -> None:
        """
        An archive that was sent is there for the next agent; half of one is not, and what has
        no name of ours is left alone.
        """
        self.begin()
        sha256 = self.successResultOf(self.put(b"one")).sha256
        for name in ("7.part", "README", "8.parts", B.upper(), B[1:]):
            Path(f"{self.path}/archives/{name}").touch()
        os.mkdir(f"{self.path}/archives/{B}")
        self.begin()
        self.assertEqual(
            self.archives(), sorted([sha256, "README", "8.parts", B.upper(), B[1:], B])
        )
        self.assertEqual(self.successResultOf(self.fetched_archive(sha256)), sha256)
        self.assertEqual(Path(self.link).read_bytes(), b"one")
        for other in (B, B.upper()):
            self.failureResultOf(self.fetched_archive(other), SourceRefused)

    def test_order(self) -> None:
        """
        What was used longest ago goes first, also when it was used by an earlier agent; what
        is used stays.
        """
        limits = SourceLimits(archives=4)
        self.begin(limits=limits)
        names = [
            self.successResultOf(self.put(data)).sha256 for data in (b"0", b"1", b"2", b"3")
        ]
        for number, name in enumerate(names):
            os.utime(f"{self.path}/archives/{name}", (number + 1, number + 1))
        self.successResultOf(self.fetched_archive(names[0]))
        self.successResultOf(self.put(b"1"))
        self.begin(limits=limits)
        new = self.successResultOf(self.put(b"4", names[2])).sha256
        self.assertEqual(self.archives(), sorted([*names[:3], new]))

    def test_bounds(self) -> None:
        """
        Where there are more than may be, those go with the next that comes which nobody uses;
        they count before.
        """
        self.begin()
        names = [self.successResultOf(self.put(data)).sha256 for data in (b"0", b"1", b"2")]
        self.begin(limits=SourceLimits(archives=2))
        self.assertEqual(self.archives(), sorted(names))
        self.assertRaises(StateNotWritten, self.put, b"3", *names)
        new = self.successResultOf(self.put(b"3", names[0])).sha256
        self.assertEqual(self.archives(), sorted([names[0], new]))
        self.begin(limits=SourceLimits(archives_bytes=2))
        self.successResultOf(self.put(b"4", new))
        self.assertEqual(self.archives(), sorted([new, digest(b"4")]))

    def test_sentAgain(self) -> None:
        """
        What became of one since the last agent nobody knows: who sends it again makes it
        good.
        """
        self.begin()
        sha256 = self.successResultOf(self.put(b"good")).sha256
        Path(f"{self.path}/archives/{sha256}").write_bytes(b"bad")
        self.begin()
        self.successResultOf(self.put(b"good"))
        self.assertEqual(Path(f"{self.path}/archives/{sha256}").read_bytes(), b"good")
        os.unlink(f"{self.path}/archives/{sha256}")
        self.failureResultOf(self.fetched_archive(sha256), SourceRefused)
        self.successResultOf(self.put(b"good"))
        self.assertEqual(self.successResultOf(self.fetched_archive(sha256)), sha256)

    def test_whileBegun(self) -> None:
        """
        One that is sent before it is known what is there comes after that.
        """
        self.begin()
        old = self.successResultOf(self.put(b"old")).sha256
        disk = LazyDisk("run")
        self.begin(disk, limits=SourceLimits(archives=2))
        stored = self.put(b"new")
        used = self.put(b"other", old, digest(b"new"))
        disk.work_all()
        self.failureResultOf(used, StateNotWritten)
        new = self.successResultOf(stored).sha256
        self.assertEqual(self.archives(), sorted([old, new]))

    def test_sentWhileOthersGo(self) -> None:
        """
        One that is being sent again is not what makes room for another.
        """
        limits = SourceLimits(archives_bytes=7)
        disk = LazyDisk("_used_now")
        self.begin(disk, limits=limits)
        self.successResultOf(self.put(b"one"))
        again = self.put(b"one")
        self.failureResultOf(self.put(b"two"), StateNotWritten)
        disk.work_all()
        self.assertEqual(self.archives(), [self.successResultOf(again).sha256])

    def test_notSynced(self) -> None:
        """
        What is not on the disk is not acknowledged, and nothing is left of it.
        """
        for name in ("sync", "_enter"):
            self.begin(RefusingDisk(**{name: errno.EIO}))
            why = self.failureResultOf(self.put(b"x"), StateNotWritten).value
            self.assertIn("could not be written: Input/output error", str(why))
            self.assertEqual(self.archives(), [])

    def test_notNamed(self) -> None:
        """
        So it is where its name is not on the disk.
        """
        self.begin()
        really = os.fsync

        def fsync(number: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{number}"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            really(number)

        self.patch(os, "fsync", fsync)
        self.failureResultOf(self.put(b"x"), StateNotWritten)
        self.assertEqual(self.archives(), [])
        self.patch(os, "fsync", really)
        self.successResultOf(self.put(b"x"))
