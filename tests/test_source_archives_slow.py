"""
Tests of L{smartmob.source.archives} on a disk that takes its time.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.refusals import Stopping
from smartmob.source.archives import url_of
from smartmob.source.upload import HIGH_WATER, LOW_WATER
from tests.support.disks import SlowDisk
from tests.support.uploading import Store, digest


class SlowTests(SynchronousTestCase):
    """
    A store on a slow disk.
    """

    def setUp(self) -> None:
        """
        A store.
        """
        self.disk = SlowDisk()
        self.store = Store(self.mktemp(), self.disk, archives=1)

    def test_backPressure(self) -> None:
        """A client waits while the disk is behind, and goes on when it has caught up."""
        upload, sender = self.store.upload()
        upload.write(bytes(HIGH_WATER))
        self.assertEqual(sender.held, [])
        upload.write(b"x")
        self.assertEqual(sender.held, [True])
        self.disk.work()  # open
        self.assertEqual(sender.held, [True, False])
        upload.write(bytes(HIGH_WATER + 1))
        self.assertEqual(sender.held, [True, False, True])
        self.disk.work_all()
        self.assertEqual(sender.held, [True, False, True, False])
        self.assertLess(LOW_WATER, HIGH_WATER)
        done = upload.finish()
        self.disk.work_all()
        self.assertEqual(self.successResultOf(done).size, 2 * HIGH_WATER + 2)

    def test_goneWhileWriting(self) -> None:
        """Of what breaks off while a thread writes nothing is left, and none is let go on."""
        upload, sender = self.store.upload()
        upload.write(bytes(HIGH_WATER + 1))
        self.disk.work()
        upload.write(bytes(HIGH_WATER + 1))
        upload.abandon()
        self.assertEqual(sender.held, [True, False, True])
        self.disk.work_all()
        self.assertEqual(sender.held, [True, False, True])
        self.assertEqual(self.store.found(), [])

    def test_stop(self) -> None:
        """At the end clients are refused, and nothing of theirs is left when that is over."""
        upload, sender = self.store.upload()
        upload.write(b"half")
        self.disk.work()
        stopped = Deferred.fromCoroutine(self.store.archives.stop())
        [why] = sender.refused
        self.assertIsInstance(why, Stopping)
        self.assertNoResult(stopped)
        self.assertRaises(Stopping, self.store.upload)
        self.disk.work_all()
        self.successResultOf(stopped)
        self.assertEqual(self.store.found(), [])

    def test_stopWhileNaming(self) -> None:
        """What was whole by then is kept or refused, and never half."""
        for steps in range(7):
            store = Store(self.mktemp(), self.disk)
            done = store.put(b"all")
            for _ in range(steps):
                self.disk.work()
            stopped = Deferred.fromCoroutine(store.archives.stop())
            self.disk.work_all()
            self.successResultOf(stopped)
            if isinstance(done.result, Failure):
                self.failureResultOf(done, Stopping)
                self.assertEqual(store.found(), [])
            else:
                self.assertEqual(store.found(), [self.successResultOf(done).sha256])

    def test_sentAnewWhileGoing(self) -> None:
        """One that is sent anew while it has to make room is there afterwards."""
        store = Store(self.mktemp(), self.disk, archives_bytes=100)
        store.put(b"a" * 40)
        self.disk.work_all()
        other, again = store.put(b"d" * 10), store.put(b"a" * 40)
        for _ in range(6):
            self.disk.work()
        self.assertEqual(store.found(), sorted(["2.part", "3.part", digest(b"a" * 40)]))
        third, _ = store.upload()
        third.write(b"c" * 11)
        third.abandon()
        self.disk.work_all()
        there = [self.successResultOf(done).sha256 for done in (other, again)]
        self.assertEqual(store.found(), sorted(there))

    def test_cancelledFetch(self) -> None:
        """Who wants one no more is told when nothing makes its file any more."""
        done = self.store.put(b"a")
        self.disk.work_all()
        sha256 = self.successResultOf(done).sha256
        path = self.mktemp()
        fetched = Deferred.fromCoroutine(
            self.store.archives.fetch(url_of(sha256), path, "id-1")
        )
        fetched.cancel()
        self.assertNoResult(fetched)
        self.disk.work_all()
        self.failureResultOf(fetched, CancelledError)
