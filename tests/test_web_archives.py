"""
Sending archives: what is refused before, what is cut, and how long a client may take.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from smartmob.source.limits import SourceLimits
from smartmob.web.bodies import ARCHIVE_BYTES
from smartmob.web.root import make_site
from tests.support.disks import InlineDisk, SlowDisk
from tests.support.httpwire import Answer
from tests.support.uploading_over_http import MOST, ArchiveCase, chunk

BROWSER = "Sec-Fetch-Site: same-origin"


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
