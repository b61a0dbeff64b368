"""
Tests of L{smartmob.source.syncing}: releases that outlast the machine's losing its power.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import cast

from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.disk import Worker
from smartmob.source.errors import SourceUnavailable
from smartmob.source.keeping import Keep
from smartmob.source.manifest import sync_file_system
from smartmob.source.release import Release
from smartmob.source.syncing import SOON
from tests.support.disks import InlineDisk
from tests.support.sourcing import Bench, begin_unpacking, end_unpacking
from tests.support.sourcing_disks import FULL, NO_DESCRIPTORS, LazyDisk, RefusingDisk

A, B = (hashlib.sha256(data).hexdigest() for data in (b"a", b"b"))


class SyncingTests(SynchronousTestCase):
    """
    Tests of L{Syncing<smartmob.source.syncing.Syncing>}, by way of the sources.
    """

    def setUp(self) -> None:
        """
        Listen to warnings.
        """
        self.path = self.mktemp()
        self.warnings: list[str] = []

        def observe(event: LogEvent) -> None:
            if event.get("log_level") is LogLevel.warn:
                self.warnings.append(str(event.get("why")))

        observer = cast(ILogObserver, observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def begin(self, disk: Worker | None = None, boot: str = "one") -> Bench:
        """
        An agent that keeps all.
        """
        self.bench = Bench(self.path, disk or InlineDisk(), boot)
        self.bench.sources.keep = Keep(releases=frozenset([("app", A), ("app", B)]))
        self.bench.sources.startService()
        return self.bench

    def make(self, data: bytes = b"a") -> Release:
        """
        A release that is unpacked.
        """
        asked = self.bench.release("app", f"http://host/{data.decode()}")
        self.bench.fetcher.fetches[-1].done.callback(data)
        for program in self.bench.unpackers:
            begin_unpacking(program)
            end_unpacking(program)
        return self.successResultOf(asked)

    def synced(self, name: str = A) -> object:
        """
        Whether a manifest says that its release is on the disk.
        """
        return json.loads(Path(f"{self.path}/releases/app/{name}.json").read_text())["synced"]

    def restored(self, name: str = A) -> Release | None:
        """
        What is there of a release.
        """
        return self.successResultOf(self.bench.restored(name))

    def test_synced(self) -> None:
        """
        What is unpacked is synced some seconds later, with all that came meanwhile, and is
        there after the machine lost its power; what was not by then is unpacked anew.
        """
        disk = RefusingDisk()
        bench = self.begin(disk)
        self.make()
        bench.clock.advance(SOON / 2)
        self.make(b"b")
        self.assertEqual([self.synced(name) for name in (A, B)], [False, False])
        bench.clock.advance(SOON / 2)
        self.assertEqual([self.synced(name) for name in (A, B)], [True, True])
        self.assertEqual(disk.done.count("sync_file_system"), 1)
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        self.begin(boot="another")
        for name in (A, B):
            release = self.restored(name)
            assert release is not None
            self.assertTrue(release.source.synced)
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_notSynced(self) -> None:
        """
        One that was not synced is whole until the machine is started anew, and where nobody
        knows that it was not.
        """
        self.begin()
        self.make()
        for boot, whole in (("one", True), ("", False)):
            self.begin(boot=boot)
            self.assertEqual(self.restored() is not None, whole)
        self.make()
        self.begin(boot="")
        self.assertIsNone(self.restored())
        self.make()
        self.begin(boot="another")
        self.assertIsNone(self.restored())
        self.assertEqual(self.bench.found(), [])

    def test_syncedLater(self) -> None:
        """
        One of an earlier agent that had no time for it is synced by the next.
        """
        self.begin()
        self.make()
        self.successResultOf(self.bench.sources.stopService())
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])
        bench = self.begin()
        self.restored()
        bench.clock.advance(SOON)
        self.assertTrue(self.synced())

    def test_whileUnderWay(self) -> None:
        """
        What comes while it is under way is synced the next time; what goes has no manifest
        any more when it is gone, and is forgotten.
        """
        disk = LazyDisk("sync_file_system")
        bench = self.begin(disk)
        first = self.make()
        bench.clock.advance(SOON)
        self.assertEqual(len(disk.asked), 1)
        self.make(b"b")
        self.successResultOf(bench.sources.drop(first, "x"))
        disk.work()
        self.assertFalse(os.path.exists(f"{self.path}/releases/app/{A}.json"))
        self.assertFalse(self.synced(B))
        bench.clock.advance(SOON)
        disk.work()
        self.assertTrue(self.synced(B))
        self.assertEqual(bench.clock.getDelayedCalls(), [])

    def test_whileWritten(self) -> None:
        """
        A release goes only when its manifest is not written any more.
        """
        disk = LazyDisk()
        bench = self.begin(disk)
        release = self.make()
        disk.slow = ("write",)
        bench.clock.advance(SOON)
        dropped = bench.sources.drop(release, "x")
        self.assertNoResult(dropped)
        disk.work_all()
        self.successResultOf(dropped)
        self.assertEqual(bench.found(), [])

    def test_stopWhileUnderWay(self) -> None:
        """
        An agent that ends does not write a manifest more.
        """
        disk = LazyDisk("sync_file_system")
        bench = self.begin(disk)
        self.make()
        bench.clock.advance(SOON)
        stopped = bench.sources.stopService()
        self.assertNoResult(stopped)
        disk.work_all()
        self.successResultOf(stopped)
        self.assertFalse(self.synced())
        self.assertEqual(bench.clock.getDelayedCalls(), [])

    def test_fails(self) -> None:
        """
        Where it can't be done that is said, and costs a download after a loss of power.
        """
        for disk in (RefusingDisk(sync_file_system=errno.EIO), RefusingDisk()):
            bench = self.begin(disk)
            self.make()
            disk.refused.setdefault("write", errno.EIO)
            bench.clock.advance(SOON)
            self.assertEqual(self.warnings.pop(), "Input/output error")
            del disk.refused["write"]
            self.assertFalse(self.synced())
        self.assertEqual(self.warnings, [])

    def test_noManifest(self) -> None:
        """
        Where no manifest can be written the release works, that is said, and it is
        downloaded again by the next agent.
        """
        bench = self.begin(RefusingDisk(write=FULL))
        release = self.make()
        self.assertTrue(release.path.is_dir())
        self.assertEqual(self.warnings, ["No space left on device"])
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        self.begin()
        self.assertIsNone(self.restored())
        self.make()

    def test_reallyFull(self) -> None:
        """
        Of a manifest that could be written by half nothing is left.
        """
        bench = self.begin()
        os.makedirs(f"{self.path}/releases/app/{A}.json.tmp/in/the/way")
        self.make()
        self.assertEqual(self.warnings, ["Is a directory"])
        self.assertFalse(os.path.exists(f"{self.path}/releases/app/{A}.json"))
        self.assertEqual(bench.clock.getDelayedCalls(), [])

    def test_noDescriptors(self) -> None:
        """
        Where it can't be seen for the moment whether a release is whole it stays, and may be
        asked for again; one that can't be read is not whole.
        """
        self.begin()
        self.make()
        disk = RefusingDisk(whole=NO_DESCRIPTORS)
        bench = self.begin(disk)
        why = self.failureResultOf(bench.restored(A), SourceUnavailable).value
        self.assertIn("Too many open files", str(why))
        asked = bench.release()
        bench.fetcher.fetches[-1].done.callback(b"a")
        self.failureResultOf(asked, SourceUnavailable)
        disk.refused.clear()
        self.assertIsNotNone(self.restored())
        self.begin(RefusingDisk(whole=errno.EIO))
        self.assertIsNone(self.restored())
        self.assertEqual(self.warnings, ["can't be read: Input/output error"])

    def test_fileSystem(self) -> None:
        """
        A file system can be synced where there is one.
        """
        os.mkdir(self.path)
        sync_file_system(self.path)
        self.assertRaises(OSError, sync_file_system, "/nowhere")
