"""
The programs that receive lines for the benchmarks: that they see what is wrong with them.

A server here sends what it is told to, and so lies as no relay would.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Thread

from twisted.trial.unittest import SynchronousTestCase

from bench.building import SOURCES, build
from bench.emitting import Broken, Emission, Received, receive

LINES = 5000
"""More than a page of them (C{programs/lines.h})."""

VICTIM = 4200
"""The line that something happens to: of the second page."""

PATIENCE = 60


def frame(payload: bytes, opcode: int = 0x81) -> bytes:
    """
    A frame of a server.
    """
    if len(payload) < 126:
        return bytes([opcode, len(payload)]) + payload
    return bytes([opcode, 126]) + len(payload).to_bytes(2, "big") + payload


def frames(lines: Sequence[bytes]) -> bytes:
    """
    A frame each.
    """
    return b"".join(map(frame, lines))


def document(number: int, line: bytes, **more: object) -> dict[str, object]:
    """
    As the agent has them.
    """
    text = line.decode()
    return {"seq": number, "time": "now", "stream": "stdout", "line": text, "pid": 1, **more}


def dumped(documents: Sequence[dict[str, object]], *, ascii_only: bool = False) -> list[bytes]:
    """
    Without white space.
    """
    return [
        json.dumps(one, separators=(",", ":"), ensure_ascii=ascii_only).encode()
        for one in documents
    ]


def chunked(body: bytes, size: int) -> bytes:
    """
    The chunks of an answer that goes on.
    """
    cut = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in cut)


@cache
def programs() -> dict[str, Path]:
    """
    Built once, in the folder of this run of tests.
    """
    folder = Path("receivers").absolute()
    folder.mkdir()
    return build(folder, "emit", "receive", "receive_raw", "hear", "lone")


class Receiving(SynchronousTestCase):
    """
    What these tests have in common.
    """

    if shutil.which("cc") is None:
        skip = "no C compiler on this machine"

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.built = programs()

    def emission(self, kind: str = "mixed") -> Emission:
        """
        With a FIFO of its own.
        """
        return Emission.make(self.built["emit"], kind, LINES, self.folder)

    def lines(self, kind: str = "mixed") -> list[bytes]:
        """
        What the program writes.
        """
        emission = self.emission(kind)
        with subprocess.Popen(emission.words, stdout=subprocess.PIPE) as process:
            emission.go.write_bytes(b"")
            text, _ = process.communicate(timeout=PATIENCE)
        return text.split(b"\n")[:-1]

    @contextmanager
    def serving(self, go: Path, head: bytes, body: bytes, piece: int) -> Iterator[int]:
        """
        A server for one client: its head, and once there is the sign, its body.

        @param piece: Bytes that are sent at once.
        """
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                client, _ = listener.accept()
                with client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    asked = b""
                    while not asked.endswith(b"\r\n\r\n"):
                        asked += client.recv(1 << 16)
                    client.sendall(head)
                    os.close(os.open(go, os.O_RDONLY))
                    for at in range(0, len(body), piece):
                        client.sendall(body[at : at + piece])

            thread = Thread(target=serve)
            thread.start()
            try:
                yield listener.getsockname()[1]
            finally:
                thread.join(PATIENCE)


UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
ANSWERED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class ReceiveTests(Receiving):
    """
    C{receive.c}
    """

    def received(self, body: bytes, form: str = "frames", piece: int = 1 << 20) -> Received:
        """
        What it makes of that.
        """
        emission = self.emission()
        head = UPGRADED if form in ("frames", "json") else ANSWERED
        with self.serving(emission.go, head, body, piece) as port:
            return receive(self.built["receive"], port, "/", 1, emission, form)

    def broken(self, what: str, body: bytes, form: str = "frames") -> None:
        """
        Assert that it sees that something is wrong.
        """
        received = self.received(body, form)
        try:
            received.check(LINES)
        except Broken:
            return
        self.fail(f"{what}: {received}")

    def mistakes(self) -> Iterator[tuple[str, list[bytes]]]:
        """
        What may happen to lines.
        """
        lines = self.lines()
        before, one, after = lines[:VICTIM], lines[VICTIM], lines[VICTIM + 1 :]
        flipped = bytes([one[0] ^ 1]) + one[1:]
        yield "flipped", [*before, flipped, *after]
        yield "lost", [*before, *after]
        yield "lost, and another instead", [*before, *after, lines[0]]
        yield "doubled", [*before, one, one, *after]
        yield "doubled at the end", [*lines, lines[-1]]
        yield "merged", [*before, one + b"\n" + after[0], *after[1:]]
        yield "merged, and an empty one", [*before, one + after[0], b"", *after[1:]]
        yield "cut", [*before, one[:4], one[4:], *after]
        yield "cut short", [*before, one[:-1], *after]
        yield "longer", [*before, one + b"x", *after]
        yield "exchanged", [*before, after[0], one, *after[1:]]
        yield "emptied", [*before, b"", *after]

    def test_right(self) -> None:
        """
        Lines that are as they have to be are, however they are cut into reads, and whatever
        pings are between them.
        """
        lines = self.lines()
        ping = frame(b"are you there", 0x89)
        body = frames(lines[:VICTIM]) + ping + frames(lines[VICTIM:])
        for piece in (997, 1 << 20):
            received = self.received(body, piece=piece)
            received.check(LINES)
            self.assertEqual(received.lines, LINES)

    def test_frames(self) -> None:
        """
        Whatever happens to a line is seen.
        """
        for what, lines in self.mistakes():
            self.broken(what, frames(lines))

    def test_fragments(self) -> None:
        """
        A line in two frames of one message is no frame a line, nor is one that is no text.
        """
        lines = self.lines()
        one, rest = lines[0], frames(lines[1:])
        self.broken("two", frame(one[:4], 0x01) + frame(one[4:], 0x80) + rest)
        self.broken("bytes", frame(one, 0x82) + rest)

    def test_end(self) -> None:
        """
        A connection that ends early is one.
        """
        received = self.received(frames(self.lines()[:-1]))
        self.assertEqual((received.ended, received.fewest), (1, LINES - 1))
        self.assertRaises(Broken, received.check, LINES)

    def documents(self) -> list[dict[str, object]]:
        """
        Of all lines.
        """
        return [document(number, line) for number, line in enumerate(self.lines(), 1)]

    def test_json(self) -> None:
        """
        Documents are right, whatever is escaped, and events beside them are none.
        """
        event: dict[str, object] = {"event": "attached", "slug": "a.b"}
        for ascii_only in (False, True):
            found = dumped([event, *self.documents()], ascii_only=ascii_only)
            for piece in (997, 1 << 20):
                self.received(frames(found), "json", piece).check(LINES)

    def wrong_documents(self) -> Iterator[tuple[str, list[dict[str, object]]]]:
        """
        What may happen to documents: whatever may to their lines, and more.
        """
        for what, lines in self.mistakes():
            yield what, [document(number, line) for number, line in enumerate(lines, 1)]
        documents = self.documents()
        before, one, after = documents[:VICTIM], documents[VICTIM], documents[VICTIM + 1 :]
        yield "number", [*before, {**one, "seq": 1}, *after]
        yield "stream", [*before, {**one, "stream": "stderr"}, *after]
        yield "piece", [*before, {**one, "partial": True}, *after]
        yield "missed", [*before, {"event": "dropped", "missed": 1}, *after]
        yield "told as missed", [*before, {"event": "dropped", "missed": 1}, one, *after]
        yield "nothing in it", [*before, {"pid": 1}, *after]

    def test_wrongJson(self) -> None:
        """
        Whatever happens to a document is seen.
        """
        for what, documents in self.wrong_documents():
            self.broken(what, frames(dumped(documents)), "json")

    def test_ndjson(self) -> None:
        """
        Documents in chunks of any size are right, and what happens to them is seen.
        """

        def body(documents: list[dict[str, object]], size: int) -> bytes:
            return chunked(b"\n".join([*dumped(documents), b""]), size)

        for size in (61, 1 << 17):
            self.received(body(self.documents(), size), "ndjson").check(LINES)
        for what, documents in self.wrong_documents():
            self.broken(what, body(documents, 4096), "ndjson")

    def test_serverSentEvents(self) -> None:
        """
        Events are right, and what happens to them, or to their numbers, is seen.
        """

        def body(lines: Sequence[bytes], size: int, first: int = 1) -> bytes:
            found = [b"id: %d\ndata: %s\n\n" % one for one in enumerate(lines, first)]
            return chunked(b": a comment\n\n" + b"".join(found), size)

        for size in (61, 1 << 17):
            self.received(body(self.lines(), size), "sse").check(LINES)
        self.broken("numbers", body(self.lines(), 4096, first=2), "sse")
        for what, lines in self.mistakes():
            self.broken(what, body(lines, 4096), "sse")


class StreamTests(Receiving):
    """
    C{receive_stream.py}, for what has TLS.
    """

    def right(self, body: bytes) -> bool:
        """
        Whether it takes all that for what it has to be.
        """
        emission = self.emission()
        page = self.folder / "page"
        page.write_bytes(frames(self.lines()[:4099]))
        size = len(frames(self.lines()))
        with self.serving(emission.go, UPGRADED, body, 997) as port:
            words = (str(port), "/", page, str(size), emission.go)
            done = subprocess.run(
                [sys.executable, SOURCES / "receive_stream.py", *words],
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        return done.returncode == 0 and json.loads(done.stdout)["right"]

    def test_right(self) -> None:
        """
        All bytes are compared, more often than once around.
        """
        body = frames(self.lines())
        self.assertTrue(self.right(body))
        for at in (0, len(body) // 2, len(body) - 1):
            flipped = bytearray(body)
            flipped[at] ^= 1
            self.assertFalse(self.right(bytes(flipped)), at)
        self.assertFalse(self.right(body[:-1]))
        self.assertFalse(self.right(body[82:]))


class RawTests(Receiving):
    """
    C{receive_raw.c}, for what has no frames.
    """

    def printed(self, change: Callable[[bytes], bytes]) -> dict[str, float]:
        """
        What it makes of lines to which something happened.
        """
        emission = self.emission()
        text = change(b"\n".join([*self.lines(), b""]))
        words = (emission.kind, str(emission.count), emission.go, "0.05")
        with subprocess.Popen(
            [self.built["receive_raw"], *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(b"I am there\n")
            os.close(os.open(emission.go, os.O_RDONLY))
            assert process.stdout is not None
            self.assertEqual(process.stdout.readline(), b"go\n")
            out, _ = process.communicate(text, timeout=PATIENCE)
        found: dict[str, float] = json.loads(out)
        return found

    def test_raw(self) -> None:
        """
        Lines cut in two are counted, and the first that is wrong is told.
        """
        found = self.printed(lambda text: text)
        self.assertEqual((found["lines"], found["right"], found["cut"]), (LINES, LINES, 0))
        found = self.printed(lambda text: text[:1000] + b"\n" + text[1000:])
        self.assertEqual((found["lines"], found["right"], found["cut"]), (LINES, LINES, 1))
        at = sum(len(line) + 1 for line in self.lines()[:VICTIM]) + 1
        found = self.printed(lambda text: text[:at] + b"\x01" + text[at + 1 :])
        self.assertEqual((found["lines"], found["right"]), (LINES, VICTIM))
        found = self.printed(lambda text: text[:at])
        self.assertEqual(found["lines"], VICTIM)


class HearTests(Receiving):
    """
    C{hear.c}, for lone lines.
    """

    def heard(self, change: Callable[[list[bytes]], list[bytes]]) -> dict[str, object]:
        """
        What it makes of ten lines to which something happened.
        """
        gone = self.emission().go
        with subprocess.Popen(
            [self.built["lone"], "10", "1", gone], stdout=subprocess.PIPE
        ) as process:
            gone.write_bytes(b"")
            text, _ = process.communicate(timeout=PATIENCE)
        lines = change(text.split(b"\n")[:-1])
        go = self.emission().go
        with self.serving(go, UPGRADED, frames(lines), 13) as port:
            done = subprocess.run(
                [self.built["hear"], str(port), "/", "10", go],
                capture_output=True,
                timeout=PATIENCE,
                check=True,
            )
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def test_heard(self) -> None:
        """
        Each line has an age, and those that are not in order are wrong.
        """
        found = self.heard(lambda lines: lines)
        ages = found["ages"]
        assert isinstance(ages, list)
        self.assertEqual((len(ages), found["wrong"]), (10, 0))
        self.assertTrue(all(age > 0 for age in ages))
        self.assertEqual(self.heard(lambda lines: lines[::-1])["wrong"], 10)
        self.assertEqual(self.heard(lambda lines: [*lines[:9], lines[9][:-1]])["wrong"], 1)
