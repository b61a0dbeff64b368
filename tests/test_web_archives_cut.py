"""
Archives that are cut, break off, or take too long.
"""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

from smartmob.source.upload import HIGH_WATER
from smartmob.web.channel import (
    IDLE_SECONDS,
    LINGER_SECONDS,
    UPLOAD_SECONDS,
    UPLOAD_SILENCE,
)
from tests.support.disks import FullDisk, SlowDisk
from tests.support.httpwire import HERE, HalfTransport, Transport, Wire
from tests.support.uploading_over_http import MOST, ArchiveCase, chunk


class PausedTransport(Transport):
    """
    A transport that knows whether it is read from.
    """

    @property
    def paused(self) -> bool:
        """Nobody reads."""
        return bool(self.producerState == "paused")


class CutTests(ArchiveCase):
    """
    What is refused while it comes, or breaks off.
    """

    def test_tooMuch(self) -> None:
        """Chunks are counted, and the one too many ends it."""
        wire = self.chunked()
        wire.send(chunk(b"x" * MOST))
        self.assertEqual(wire.received(), b"")
        self.assertEqual(self.store.found(), ["1.part"])
        wire.send(chunk(b"x"))
        answer = wire.answer()
        self.assertRefused(answer, 413, "body-too-large")
        self.assertEqual(answer.header("connection"), "close")
        self.assertTrue(wire.closed)
        self.assertOver()

    def test_lingers(self) -> None:
        """A client that is cut gets some time to read why."""
        transport = HalfTransport(hostAddress=HERE)
        wire = self.chunked(transport=transport)
        wire.send(chunk(b"x" * MOST) + chunk(b"x" * 10))
        self.assertRefused(wire.answer(), 413, "body-too-large")
        self.assertTrue(transport.half_closed)
        wire.send(b"x" * 1_000)
        self.assertEqual(wire.received(), b"")
        self.clock.advance(LINGER_SECONDS)
        self.assertTrue(transport.aborted)
        self.assertOver()

    def test_malformed(self) -> None:
        """What is no chunk ends it too, and leaves nothing when the connection goes."""
        transport = HalfTransport(hostAddress=HERE)
        wire = self.chunked(transport=transport)
        wire.send(chunk(b"x") + b"nonsense\r\n")
        self.assertEqual(wire.answer().json()["code"], "bad-request")
        self.clock.advance(LINGER_SECONDS)
        self.assertOver()

    def test_hangUp(self) -> None:
        """Of a client that is gone in the middle nothing is left."""
        for length in ("Transfer-Encoding: chunked", "Content-Length: 100"):
            wire = self.wire()
            wire.request("PUT", "/archives", None, length)
            wire.send(chunk(b"half"))
            self.assertEqual(len(self.store.found()), 1)
            wire.hang_up()
            self.assertOver()

    def test_diskFull(self) -> None:
        """A full disk is said to be full, and nothing is left."""
        self.begin(FullDisk(100))
        wire = self.chunked()
        wire.send(chunk(b"x" * 100))
        self.assertEqual(wire.received(), b"")
        wire.send(chunk(b"x"))
        answer = wire.answer()
        self.assertRefused(answer, 507, "state-not-written")
        self.assertIn("No space left on device", answer.json()["detail"])
        self.assertTrue(wire.closed)
        self.assertOver()

    def test_diskFullAtLast(self) -> None:
        """So it is when that shows after the last byte."""
        disk = SlowDisk()
        self.begin(disk)
        wire = self.wire()
        wire.request("PUT", "/archives", b"bytes")
        self.assertEqual(wire.received(), b"")
        os.rmdir(self.store.path)
        disk.work_all()
        os.mkdir(self.store.path)
        self.assertRefused(wire.answer(), 507, "state-not-written")

    def test_cantBegin(self) -> None:
        """Where no file can be made, that is answered once, and no byte is waited for."""
        os.rmdir(self.store.path)
        wire = self.chunked("Expect: 100-continue")
        os.mkdir(self.store.path)
        self.assertRefused(wire.answer(), 507, "state-not-written")

    def test_defect(self) -> None:
        """A defect is answered as one, and logged."""
        self.store.why_not = ValueError("a defect")
        wire = self.chunked()
        self.assertRefused(wire.answer(), 500, "internal-error")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_agentStops(self) -> None:
        """An agent that ends refuses what is under way, and keeps nothing of it."""
        wire = self.chunked()
        wire.send(chunk(b"half"))
        self.successResultOf(Deferred.fromCoroutine(self.store.archives.stop()))
        self.assertRefused(wire.answer(), 503, "stopping")
        self.assertOver()


class TimeTests(ArchiveCase):
    """
    How long it may take.
    """

    def test_slow(self) -> None:
        """Who sends slowly has an hour, then is cut."""
        transport = HalfTransport(hostAddress=HERE)
        wire = self.chunked(transport=transport)
        for _ in range(int(UPLOAD_SECONDS / 20) - 1):
            self.clock.advance(20)
            wire.send(chunk(b"x"))
            self.assertFalse(transport.aborted)
        self.clock.advance(20)
        self.assertTrue(transport.aborted)
        self.assertOver()

    def test_silent(self) -> None:
        """Who is silent is cut."""
        transport = HalfTransport(hostAddress=HERE)
        wire = self.chunked(transport=transport)
        self.clock.advance(UPLOAD_SILENCE - 1)
        wire.send(b"1")  # not even a chunk
        self.clock.advance(UPLOAD_SILENCE - 1)
        self.assertFalse(transport.aborted)
        self.clock.advance(1)
        self.assertTrue(transport.aborted)
        self.assertOver()

    def test_others(self) -> None:
        """The next request on the connection has no more time than any."""
        transport = HalfTransport(hostAddress=HERE)
        wire = self.wire(transport=transport)
        self.assertEqual(wire.ask("PUT", "/archives", b"x").status, 201)
        self.clock.advance(IDLE_SECONDS - 1)
        wire.send(b"POST /create-process HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(29):
            self.clock.advance(1)
            wire.send(b"X: y\r\n")
        self.clock.advance(1)
        self.assertTrue(transport.aborted)

    def test_diskBehind(self) -> None:
        """A client that is made to wait for the disk is not silent."""
        disk = SlowDisk()
        self.begin(disk, most=4 * HIGH_WATER)
        transport = PausedTransport(hostAddress=HERE)
        wire = self.wire(transport=transport)
        data = bytes(3 * HIGH_WATER)
        wire.request("PUT", "/archives", None, f"Content-Length: {len(data)}")
        wire.send(data[: 2 * HIGH_WATER])
        self.assertTrue(transport.paused)
        self.clock.advance(10 * UPLOAD_SILENCE)
        self.clock.advance(10 * UPLOAD_SILENCE)
        self.assertFalse(transport.aborted)
        self.resume(wire)
        self.assertTrue(transport.paused)
        disk.work_all()
        self.assertFalse(transport.paused)
        wire.send(data[2 * HIGH_WATER :])
        disk.work_all()
        self.assertEqual(wire.answer().json()["size"], len(data))
        self.assertFalse(transport.paused)

    def resume(self, wire: Wire) -> None:
        """What was written has been read, as a transport tells its producer."""
        producer = wire.transport.producer
        assert producer is not None
        producer.pauseProducing()
        producer.resumeProducing()

    def test_goneWhileHeld(self) -> None:
        """A client that goes while it is made to wait leaves nothing either."""
        disk = SlowDisk()
        self.begin(disk, most=4 * HIGH_WATER)
        for sent in (2 * HIGH_WATER, 3 * HIGH_WATER):
            wire = self.wire()
            wire.request("PUT", "/archives", None, f"Content-Length: {3 * HIGH_WATER}")
            wire.send(bytes(sent))
            wire.hang_up()
            disk.work_all()
            whole = sent == 3 * HIGH_WATER
            self.assertEqual(len(self.store.found()), whole)
            self.assertEqual(self.clock.getDelayedCalls(), [])
