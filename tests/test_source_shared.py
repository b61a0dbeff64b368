"""
Tests of L{smartmob.source.shared} and L{smartmob.source.disk}.
"""

from __future__ import annotations

import hashlib
import os
import threading

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob.source.disk import Disk, NewFile
from smartmob.source.shared import AT_ONCE, Shared


class SharedTests(SynchronousTestCase):
    """
    Tests of L{Shared}.
    """

    def setUp(self) -> None:
        """
        Work that takes its time, also to be abandoned.
        """
        self.abandoned: list[Deferred[int]] = []
        self.done: Deferred[int] = Deferred()

        async def work() -> int:
            try:
                return await self.done
            except CancelledError:
                ending: Deferred[int] = Deferred()
                self.abandoned.append(ending)
                await ending
                raise

        self.shared = Shared(Deferred.fromCoroutine(work()))

    def test_outcome(self) -> None:
        """
        All get the same outcome, who comes after its end too.
        """
        waiting = [self.shared.join() for _ in range(3)]
        ended = self.shared.when_ended()
        self.assertNoResult(ended)
        self.done.callback(7)
        self.assertEqual([self.successResultOf(d) for d in waiting], [7, 7, 7])
        self.assertEqual(self.successResultOf(self.shared.join()), 7)
        self.successResultOf(ended)
        self.successResultOf(self.shared.when_ended())

    def test_many(self) -> None:
        """
        Of many who wait only some are told in a turn of the reactor; who leaves before his
        turn abandons nothing, and who asks how it ended is told at once.
        """
        clock = Clock()
        done: Deferred[int] = Deferred()
        shared = Shared(done, clock)
        waiting = [shared.join() for _ in range(2 * AT_ONCE + 1)]
        ended = shared.when_ended()
        done.callback(7)
        self.assertEqual([d.called for d in waiting].count(True), AT_ONCE)
        self.assertEqual(self.successResultOf(shared.join()), 7)
        waiting[-1].cancel()
        self.failureResultOf(waiting.pop(), CancelledError)
        self.assertNoResult(ended)
        clock.advance(0)
        self.assertEqual([self.successResultOf(d) for d in waiting], [7] * 2 * AT_ONCE)
        self.successResultOf(ended)
        self.assertTrue(shared.open)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_failure(self) -> None:
        """
        So do they with a failure.
        """
        waiting = [self.shared.join() for _ in range(2)]
        self.done.errback(ValueError("no"))
        for joined in (*waiting, self.shared.join()):
            self.assertEqual(str(self.failureResultOf(joined, ValueError).value), "no")

    def test_leave(self) -> None:
        """
        Who leaves does not disturb the others.
        """
        first, second = self.shared.join(), self.shared.join()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertTrue(self.shared.open)
        self.done.callback(7)
        self.assertEqual(self.successResultOf(second), 7)

    def test_abandon(self) -> None:
        """
        When the last one leaves the work is abandoned, and can't be joined; it is over
        when it says so.
        """
        for joined in [self.shared.join() for _ in range(2)]:
            joined.cancel()
            self.failureResultOf(joined, CancelledError)
        self.assertFalse(self.shared.open)
        ended = self.shared.when_ended()
        self.assertNoResult(ended)
        self.abandoned.pop().callback(0)
        self.successResultOf(ended)


class DiskTests(TestCase):
    """
    Tests of L{Disk} and L{NewFile}.
    """

    def setUp(self) -> None:
        """
        A disk.
        """
        self.disk = Disk(IReactorFromThreads(reactor))

    async def test_threads(self) -> None:
        """
        Work is done in another thread, and its outcome comes back to this one.
        """
        self.disk.start()
        here = threading.get_ident()
        self.assertNotEqual(await self.disk.run(threading.get_ident), here)
        self.assertEqual(threading.get_ident(), here)
        self.assertEqual(await self.disk.run(int, "11", base=2), 3)
        await self.assertFailure(self.disk.run(int, "x"), ValueError)
        await self.disk.stop()

    async def test_stop(self) -> None:
        """
        It ends when all that was asked is done; afterwards, who asks does it himself.
        """
        self.disk.start()
        go = threading.Event()
        slow = self.disk.run(go.wait)
        stopped = self.disk.stop()
        self.assertFalse(stopped.called)
        go.set()
        await stopped
        self.assertTrue(await slow)
        self.assertEqual(await self.disk.run(threading.get_ident), threading.get_ident())

    async def test_cancelled(self) -> None:
        """
        Cancelling forgets the outcome at once, and does not disturb the work.
        """
        self.disk.start()
        go, gone = threading.Event(), threading.Event()

        def work() -> None:
            go.wait()
            gone.set()

        slow = self.disk.run(work)
        slow.cancel()
        await self.assertFailure(slow, CancelledError)
        go.set()
        await self.disk.stop()
        self.assertTrue(gone.is_set())

    def test_newFile(self) -> None:
        """
        A new file has what was written, and its digest is that.
        """
        path = self.mktemp()
        file = NewFile(path)
        file.open()
        file.write(b"abc")
        file.write(bytearray(b"d"))
        self.assertEqual(file.close(), hashlib.sha256(b"abcd").hexdigest())
        self.assertEqual(file.close(), hashlib.sha256(b"abcd").hexdigest())
        with open(path, "rb") as written:
            self.assertEqual(written.read(), b"abcd")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertRaises(FileExistsError, NewFile(path).open)
