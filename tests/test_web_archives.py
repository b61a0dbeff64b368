"""
Sending archives: what is refused before, what is cut, and how long a client may take.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.disk import Worker
from smartmob.source.limits import SourceLimits
from smartmob.source.upload import HIGH_WATER
from smartmob.web.bodies import ARCHIVE_BYTES
from smartmob.web.channel import (
    IDLE_SECONDS,
    LINGER_SECONDS,
    UPLOAD_SECONDS,
    UPLOAD_SILENCE,
)
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.disks import FullDisk, InlineDisk, SlowDisk
from tests.support.httpwire import HERE, Answer, HalfTransport, Transport, Wire
from tests.support.uploading import Store

MOST = 1_000
"""Bytes that an archive may have here."""

BROWSER = "Sec-Fetch-Site: same-origin"


class PausedTransport(Transport):
    """
    A transport that knows whether it is read from.
    """

    @property
    def paused(self) -> bool:
        """Nobody reads."""
        return bool(self.producerState == "paused")


class ArchiveCase(SynchronousTestCase):
    """
    An agent in memory, with a store on disk.
    """

    def setUp(self) -> None:
        self.begin(InlineDisk())

    def begin(self, disk: Worker, most: int = MOST, **limits: int) -> None:
        """Have an agent."""
        self.clock = Clock()
        self.store = Store(self.mktemp(), disk, **limits)
        self.agent = FakeAgent(archives=self.store.archives)
        self.site = make_site(self.agent.real, self.clock, archive_bytes=most)

    def wire(self, **more: Any) -> Wire:
        """A new connection."""
        return Wire(self.site, **more)

    def chunked(self, *headers: str, **more: Any) -> Wire:
        """A new connection, on which an archive begins without a length."""
        wire = self.wire(**more)
        wire.request("PUT", "/archives", None, "Transfer-Encoding: chunked", *headers)
        return wire

    def assertRefused(self, answer: Answer, status: int, code: str) -> None:
        """It was answered with a problem, and nothing is left."""
        self.assertEqual((answer.status, answer.json()["code"]), (status, code))
        self.assertEqual(answer.header("content-type"), "application/problem+json")
        self.assertEqual(self.store.found(), [])

    def assertOver(self) -> None:
        """No file and no timer is left."""
        self.assertEqual(self.store.found(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


def chunk(data: bytes) -> bytes:
    """
    A chunk, as it is sent.
    """
    return b"%x\r\n%b\r\n" % (len(data), data)


class SendingTests(ArchiveCase):
    """
    What is kept.
    """

    def test_kept(self) -> None:
        """An archive is answered with what a create request calls it."""
        wire = self.wire()
        sha256 = hashlib.sha256(b"bytes").hexdigest()
        for status in (201, 201):
            answer = wire.ask("PUT", "/archives", b"bytes")
            self.assertEqual(answer.status, status)
            self.assertEqual(
                answer.json(),
                {"source_url": f"smartmob-archive:{sha256}", "sha256": sha256, "size": 5},
            )
        self.assertEqual(self.store.found(), [sha256])
        created = wire.ask(
            "POST",
            "/create-process",
            {
                "app": "myapp",
                "node": "web.0",
                "process_type": "web",
                "source_url": answer.json()["source_url"],
            },
        )
        self.assertEqual(created.status, 201)
        self.assertEqual(created.json()["source_url"], f"smartmob-archive:{sha256}")

    def test_continue(self) -> None:
        """Who asks first is told to go on, and only where that makes sense."""
        wire = self.wire()
        head = "PUT /archives HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        wire.send(f"{head}Content-Length: 3\r\n\r\n".encode())
        self.assertEqual(wire.received(), b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.send(b"abc")
        self.assertEqual(wire.answer().status, 201)
        wire.send(f"{head}Content-Length: {MOST + 1}\r\n\r\n".encode())
        self.assertEqual(wire.answer().status, 413)

    @settings(deadline=None)
    @given(
        st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8),
        st.booleans(),
        st.integers(1, 200),
    )
    def test_anyCut(self, pieces: list[bytes], announced: bool, size: int) -> None:
        """However it is sent, what is kept is what was sent, and the next is understood."""
        data = b"".join(pieces)
        head = b"PUT /archives HTTP/1.1\r\nHost: localhost\r\n"
        if announced:
            sent = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(data), data)
        else:
            body = b"".join([*map(chunk, pieces), chunk(b"")])
            sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + body
        sent += b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.begin(InlineDisk())
        wire = self.wire()
        for start in range(0, len(sent), size):
            wire.send(sent[start : start + size])
        put, ping = wire.answers()
        sha256 = hashlib.sha256(data).hexdigest()
        self.assertEqual((put.status, put.json()["sha256"]), (201, sha256))
        self.assertEqual(put.json()["size"], len(data))
        self.assertEqual((ping.status, ping.body), (200, b"OK"))
        [name] = self.store.found()
        with open(os.path.join(self.store.path, name), "rb") as file:
            self.assertEqual((name, file.read()), (sha256, data))
        wire.hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class GateTests(ArchiveCase):
    """
    What is refused before a byte of it is kept.
    """

    def setUp(self) -> None:
        # Whoever would begin to keep something would be noticed.
        self.disk_asked = SlowDisk()
        self.begin(self.disk_asked)

    def refused(self, status: int, code: str, *headers: str, **more: Any) -> Answer:
        """What a chunked body is answered with before it comes."""
        wire = self.wire()
        wire.request("PUT", "/archives", None, "Transfer-Encoding: chunked", *headers, **more)
        answer = wire.answer()
        self.assertRefused(answer, status, code)
        self.assertEqual(answer.header("connection"), "close")
        self.assertTrue(wire.closed)
        self.assertEqual(self.disk_asked.asked, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return answer

    def test_host(self) -> None:
        """Host and Origin come first, as everywhere."""
        self.refused(403, "forbidden-host", host="evil.example")
        self.refused(403, "forbidden-origin", "Origin: http://evil.example")
        self.refused(403, "forbidden-origin", "Sec-Fetch-Site: cross-site")
        self.refused(400, "bad-request", host=None)

    def test_browser(self) -> None:
        """From a browser it has to say that it is an archive."""
        for kind in ("text/plain", "application/json", "multipart/form-data; boundary=x", ""):
            answer = self.refused(
                415, "unsupported-media-type", BROWSER, f"Content-Type: {kind}"
            )
            self.assertIn("application/octet-stream", answer.json()["detail"])
            self.assertIn("application/gzip", str(answer.header("accept")))
        self.refused(415, "unsupported-media-type", BROWSER)

    def test_types(self) -> None:
        """Whatever else sends one may call it what it likes."""
        self.begin(InlineDisk())
        for kind in ("text/html", "application/json", "x", ""):
            answer = self.wire().ask("PUT", "/archives", b"x", f"Content-Type: {kind}")
            self.assertEqual(answer.status, 201, kind)
        for kind in ("application/octet-stream", "Application/X-Tar; a=b", "application/zip"):
            answer = self.wire().ask("PUT", "/archives", b"x", f"Content-Type: {kind}", BROWSER)
            self.assertEqual(answer.status, 201, kind)

    def test_announced(self) -> None:
        """What is announced as too large is refused before it comes."""
        for length, headers in ((MOST + 1, ()), (10**30, ("Expect: 100-continue",))):
            wire = self.wire()
            sent = (f"Content-Length: {length}", *headers)
            wire.request("PUT", "/archives", None, *sent)
            answer = wire.answer()
            self.assertRefused(answer, 413, "body-too-large")
            self.assertIn(str(MOST), answer.json()["detail"])
        self.assertEqual(self.disk_asked.asked, [])

    def test_limit(self) -> None:
        """An archive may be as large as one that is downloaded, and a document not."""
        self.assertEqual(ARCHIVE_BYTES, SourceLimits().download_bytes)
        self.assertEqual(ARCHIVE_BYTES, 512 << 20)
        self.site = make_site(self.agent.real, self.clock)
        wire = self.wire()
        wire.request("PUT", "/archives", None, f"Content-Length: {ARCHIVE_BYTES}")
        self.assertEqual(wire.received(), b"")
        wire.hang_up()
        wire = self.wire()
        wire.request("POST", "/create-process", None, f"Content-Length: {ARCHIVE_BYTES}")
        self.assertEqual(wire.answer().status, 413)

    def test_empty(self) -> None:
        """An empty body is no archive, whether that was announced or not."""
        self.begin(InlineDisk())
        for headers in ((), ("Content-Length: 0",)):
            wire = self.wire()
            wire.request("PUT", "/archives", None, *headers)
            answer = wire.answer()
            self.assertRefused(answer, 400, "invalid-document")
            self.assertIn("the body is empty", answer.json()["detail"])
        wire = self.chunked()
        wire.send(chunk(b""))
        self.assertRefused(wire.answer(), 400, "invalid-document")
        wire.hang_up()
        self.assertOver()

    def test_part(self) -> None:
        """A part of an archive is none."""
        self.refused(400, "bad-request", "Content-Range: bytes 0-9/100")

    def test_methods(self) -> None:
        """Nothing else can be done there, and PUT nowhere else."""
        for method in ("GET", "HEAD", "POST", "DELETE", "PATCH"):
            wire = self.wire()
            wire.request(method, "/archives")
            answer = wire.answer(head=method == "HEAD")
            self.assertEqual(answer.status, 405, method)
            self.assertEqual(answer.header("allow"), "OPTIONS, PUT")
        for path in ("/create-process", "/"):
            self.assertEqual(self.wire().ask("PUT", path, b"x").status, 405)

    def test_noRoom(self) -> None:
        """Where there will be no room for it, that is said before it comes."""
        self.begin(InlineDisk(), archives_bytes=100)
        wire = self.wire()
        wire.request("PUT", "/archives", None, "Content-Length: 101")
        self.assertRefused(wire.answer(), 507, "state-not-written")

    def test_stopping(self) -> None:
        """An agent that is about to end takes none."""
        self.agent.archives = None
        self.refused(503, "stopping")


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
