"""
Tests of L{smartmob.source.archives}: what clients send, and what is kept of it.
"""

from __future__ import annotations

import errno
import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.refusals import OutOfDescriptors, StateNotWritten
from smartmob.source.archives import sha256_of, url_of
from smartmob.source.errors import SourceRefused
from smartmob.source.upload import Stored, refusal_of
from tests.support.disks import FullDisk, InlineDisk
from tests.support.uploading import Store, digest

STEPS = ("put", "gone", "use", "unuse", "fetch")


class ArchivesTests(SynchronousTestCase):
    """
    A store on a disk that does everything at once.
    """

    def store(self, **limits: int) -> Store:
        """
        A new store.
        """
        return Store(self.mktemp(), InlineDisk(), **limits)

    def put(self, store: Store, data: bytes) -> str:
        """
        Send one, which is kept.
        """
        stored = self.successResultOf(store.put(data))
        self.assertEqual(stored, Stored(digest(data), len(data)))
        return stored.sha256

    def fetched(self, store: Store, url: str) -> Deferred[str]:
        """
        Ask for one.
        """
        self.path = self.mktemp()
        return Deferred.fromCoroutine(store.archives.fetch(url, self.path, "id-1"))

    def test_kept(self) -> None:
        """What was sent is a file with the name of its bytes, for the agent alone."""
        store = self.store()
        upload, sender = store.upload()
        for piece in (b"some ", b"", b"bytes"):
            upload.write(piece)
        self.assertEqual(store.found(), ["1.part"])
        self.successResultOf(upload.finish())
        self.assertEqual(store.found(), [digest(b"some bytes")])
        path = os.path.join(store.path, store.found()[0])
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"some bytes")
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        self.assertEqual((sender.held, sender.refused), ([], []))

    def test_twice(self) -> None:
        """The same bytes are one file, however often and however close they are sent."""
        store = self.store()
        first, second = store.upload()[0], store.upload()[0]
        first.write(b"same")
        second.write(b"same")
        done = [first.finish(), second.finish(), store.put(b"same")]
        self.assertEqual({self.successResultOf(one).sha256 for one in done}, {digest(b"same")})
        self.assertEqual(store.found(), [digest(b"same")])

    def test_fetched(self) -> None:
        """Who needs one gets it as a file of his own, which outlives the store's."""
        store = self.store(archives=1)
        sha256 = self.put(store, b"one")
        for url in (url_of(sha256), f"SMARTMOB-Archive:{sha256.upper()}"):
            self.assertEqual(self.successResultOf(self.fetched(store, url)), sha256)
        self.put(store, b"two")
        self.assertEqual(store.found(), [digest(b"two")])
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), b"one")

    def test_unknown(self) -> None:
        """One that is not there is refused, in a sentence that says what to do."""
        fetched = self.fetched(self.store(), url_of("0" * 64))
        error = self.failureResultOf(fetched, SourceRefused).value
        assert isinstance(error, SourceRefused)
        self.assertEqual(
            error.reason, f"there is no archive {'0' * 64} here; send it (PUT /archives)"
        )
        self.assertFalse(os.path.exists(self.path))

    def test_vanished(self) -> None:
        """So is one whose file somebody took away."""
        store = self.store()
        sha256 = self.put(store, b"x")
        os.unlink(os.path.join(store.path, sha256))
        error = self.failureResultOf(self.fetched(store, url_of(sha256)), SourceRefused).value
        assert isinstance(error, SourceRefused)
        self.assertIn("can't be read: No such file", error.reason)

    def test_urls(self) -> None:
        """Of other URLs it knows nothing."""
        self.assertEqual(sha256_of(url_of("ab" * 32)), "ab" * 32)
        for url in ("http://smartmob-archive:1/", "https://h/", "smartmob-archive", ""):
            self.assertIsNone(sha256_of(url))

    def test_gone(self) -> None:
        """Of what breaks off nothing is left, and nobody is told."""
        store = self.store()
        upload, sender = store.upload()
        upload.write(b"half")
        upload.abandon()
        upload.write(b"late")
        upload.abandon()
        self.assertEqual(store.found(), [])
        self.assertEqual(sender.refused, [])
        self.successResultOf(Deferred.fromCoroutine(store.archives.stop()))

    def test_goneTooLate(self) -> None:
        """Who goes when all of it is there changes nothing."""
        store = self.store()
        upload, _ = store.upload()
        upload.write(b"all")
        upload.finish()
        upload.abandon()
        self.assertEqual(store.found(), [digest(b"all")])

    def test_number(self) -> None:
        """When there are too many the one that was neither sent nor read longest goes."""
        store = self.store(archives=3)
        a, b, _ = (self.put(store, data) for data in (b"a", b"b", b"c"))
        self.put(store, b"a")
        self.successResultOf(self.fetched(store, url_of(b)))
        d = self.put(store, b"d")
        self.assertEqual(store.found(), sorted([a, b, d]))
        e = self.put(store, b"e")
        self.assertEqual(store.found(), sorted([b, d, e]))

    def test_used(self) -> None:
        """What a process names stays, however old; when all is named, no more is taken."""
        store = self.store(archives=2)
        a, b = self.put(store, b"a"), self.put(store, b"b")
        store.used = {a}
        c = self.put(store, b"c")
        self.assertEqual(store.found(), sorted([a, c]))
        store.used = {a, c}
        error = self.assertRaises(StateNotWritten, store.upload)
        self.assertIn("those it has are in use", str(error))
        store.used = {c}
        self.put(store, b"b")
        self.assertEqual(store.found(), sorted([b, c]))

    def test_forgotten(self) -> None:
        """However many are sent over time, no more is known than what is kept."""
        store = self.store(archives=2)
        for number in range(50):
            self.put(store, b"%d" % number)
        sha256 = self.put(store, b"gone")
        os.unlink(os.path.join(store.path, sha256))
        self.failureResultOf(self.fetched(store, url_of(sha256)), SourceRefused)
        known = [each for each in vars(store.archives).values() if isinstance(each, set | dict)]
        self.assertEqual([len(each) for each in known if len(each) > 2], [])
        self.assertIn({digest(b"49")}, known)

    def test_usedMeanwhile(self) -> None:
        """So it is for one that became one too many on its way."""
        store = self.store(archives=2)
        a = self.put(store, b"a")
        upload, sender = store.upload()
        upload.write(b"c")
        b = self.put(store, b"b")
        store.used = {a, b}
        self.failureResultOf(upload.finish(), StateNotWritten)
        self.assertEqual(store.found(), sorted([a, b]))
        self.assertEqual(sender.refused, [])

    def test_bytes(self) -> None:
        """Archives go as bytes come that have no room beside them, and only then."""
        store = self.store(archives_bytes=100)
        a, b = self.put(store, b"a" * 50), self.put(store, b"b" * 40)
        upload, sender = store.upload()
        upload.write(b"c" * 10)
        self.assertEqual(store.found(), sorted(["3.part", a, b]))
        upload.write(b"c")
        self.assertEqual(store.found(), ["3.part", b])
        store.used = {b}
        upload.write(b"c" * 49)
        self.assertEqual(sender.refused, [])
        upload.write(b"c")
        self.assertIsInstance(sender.refused[0], StateNotWritten)
        self.assertEqual(store.found(), [b])

    def test_announced(self) -> None:
        """What is announced and will have no room is refused before it comes."""
        store = self.store(archives_bytes=100)
        a = self.put(store, b"a" * 50)
        other, _ = store.upload()
        other.write(b"b" * 20)
        store.used = {a}
        self.assertRaises(StateNotWritten, store.upload, 31)
        store.upload(30)
        store.used = set()
        store.upload(80)
        self.assertEqual(store.found(), sorted(["2.part", "3.part", "4.part", a]))

    def test_underWay(self) -> None:
        """Those on their way count."""
        store = self.store(archives=2)
        upload, _ = store.upload()
        store.upload()
        self.assertRaises(StateNotWritten, store.upload)
        upload.abandon()
        store.upload()

    def test_cantOpen(self) -> None:
        """Where no file can be made the client is told at once."""
        store = self.store()
        os.rmdir(store.path)
        upload, sender = store.upload()
        self.assertIsInstance(sender.refused[0], StateNotWritten)
        self.assertIn("No such file or directory", str(sender.refused[0]))
        upload.write(b"x")
        self.successResultOf(Deferred.fromCoroutine(store.archives.stop()))

    def test_noFolder(self) -> None:
        """So it is where the state folder could not be made."""
        store = self.store()
        store.why_not = SourceRefused("the state folder can't be used: why")
        _, sender = store.upload()
        self.assertIsInstance(sender.refused[0], StateNotWritten)
        self.assertIn("can't be used: why", str(sender.refused[0]))
        self.assertEqual(store.found(), [])

    def test_cantRemove(self) -> None:
        """What can't be removed is said, and why, and nothing waits for it."""
        store = self.store(archives=1)
        a = self.put(store, b"a")
        path = os.path.join(store.path, a)
        os.unlink(path)
        os.mkdir(path)
        with capturedLogs() as logs:
            b = self.put(store, b"b")
        self.assertEqual(store.found(), sorted([a, b]))
        [said] = [event for event in logs if event["log_level"] is not LogLevel.info]
        self.assertEqual(formatEvent(said), f"{path} can't be removed: Is a directory")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_readOnly(self) -> None:
        """Where the disk became read-only that is refused, and nothing there is to remove."""
        store = self.store()
        error = OSError(errno.EROFS, os.strerror(errno.EROFS))

        def refuse(*args: object, **kwargs: object) -> None:
            raise error

        for name in ("open", "unlink"):
            self.patch(os, name, refuse)
        with capturedLogs() as logs:
            _, sender = store.upload()
        self.assertIn("Read-only file system", str(sender.refused[0]))
        self.assertEqual(logs, [])

    def test_refusals(self) -> None:
        """A full disk is one refusal, want of descriptors another; the rest is a defect."""
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
            refusal = refusal_of(OSError(number, os.strerror(number)))
            self.assertIsInstance(refusal, StateNotWritten)
            self.assertIn(os.strerror(number), str(refusal))
        for number in (errno.EMFILE, errno.ENFILE):
            self.assertIsInstance(refusal_of(OSError(number, "")), OutOfDescriptors)
        defect = ValueError()
        self.assertIs(refusal_of(defect), defect)

    def test_full(self) -> None:
        """Of what the disk has no room for nothing is left."""
        store = Store(self.mktemp(), FullDisk(1_000))
        upload, sender = store.upload()
        upload.write(b"x" * 1_000)
        self.assertEqual(sender.refused, [])
        upload.write(b"y")
        [why] = sender.refused
        self.assertIsInstance(why, StateNotWritten)
        self.assertIn("No space left on device", str(why))
        self.assertEqual(store.found(), [])

    def test_share(self) -> None:
        """One client has a part of the places only, until one is free again."""
        store = self.store(archives_of_one=2)
        first, _ = store.upload(share=b"one")
        store.upload(share=b"one")
        error = self.assertRaises(StateNotWritten, store.upload, share=b"one")
        self.assertEqual(str(error), "with one token at most 2 archives are sent at a time")
        for share in (b"other", None, None, None):
            store.upload(share=share)
        first.abandon()
        store.upload(share=b"one")

    def test_reserve(self) -> None:
        """Nor may one fill the disk: there is a bound on what it leaves free."""
        for length in (5, None):
            store = self.store(free_bytes=1 << 60, free_percent=100)
            upload, sender = store.upload(length)
            upload.write(b"hello")
            [why] = sender.refused
            self.assertIsInstance(why, StateNotWritten)
            self.assertRegex(
                str(why),
                r"^the archive could not be written: no room for (5 )?more( bytes)? on the "
                r"disk: \d+ are free, and \d+ stay so$",
            )
            self.assertEqual(store.found(), [])

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 5), st.sampled_from(STEPS)),
            max_size=40,
        )
    )
    def test_anyOrder(self, steps: list[tuple[int, str]]) -> None:
        """Whatever is done: within the bounds, nothing named is lost, no file is a stray."""
        store = self.store(archives=3, archives_bytes=1_000)
        kept: set[str] = set()
        for number, step in steps:
            data = bytes([number]) * (150 * number + 1)
            sha256 = digest(data)
            if step == "put":
                try:
                    stored = store.put(data)
                except StateNotWritten:
                    continue
                if isinstance(stored.result, Failure):
                    self.failureResultOf(stored, StateNotWritten)
                elif stored.called:
                    kept.add(sha256)
            elif step == "gone":
                try:
                    upload, _ = store.upload(len(data))
                except StateNotWritten:
                    continue
                upload.write(data)
                upload.abandon()
            elif step == "use" and sha256 in store.found():
                store.used.add(sha256)
            elif step == "unuse":
                store.used.discard(sha256)
            elif step == "fetch":
                there = sha256 in store.found()
                got = self.fetched(store, url_of(sha256))
                if there:
                    self.assertEqual(self.successResultOf(got), sha256)
                else:
                    self.failureResultOf(got, SourceRefused)
            found = store.found()
            self.assertLessEqual(set(found), kept)
            self.assertLessEqual(store.used, set(found))
            self.assertLessEqual(len(found), 3)
            sizes = [os.stat(os.path.join(store.path, name)).st_size for name in found]
            self.assertLessEqual(sum(sizes), 1_000)
