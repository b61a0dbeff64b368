"""
Where a program's output was cut into reads shows nowhere: in no format, of a process or an app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.lines.app import AppWanted
from smartmob.lines.app_encodings import APP_EVENTS, APP_FRAMES, APP_TEXTS, AppEncoding
from smartmob.lines.bounds import Bounds
from smartmob.lines.console import Console, Wanted
from smartmob.lines.encodings import (
    JSON_FRAMES,
    NDJSON,
    PLAIN_FRAMES,
    SSE,
    SSE_JSON,
    TEXT,
    Encoding,
)
from smartmob.lines.ring import Chunk
from smartmob.lines.splitter import LINE_LIMIT
from tests.support.encoders import BOTH, InPython, WithLibrary
from tests.support.recording import Recorder
from tests.support.websockets import consoles

SINGLE: dict[str, Encoding] = {
    "plain frames": PLAIN_FRAMES,
    "JSON frames": JSON_FRAMES,
    "text": TEXT,
    "NDJSON": NDJSON,
    "events": SSE,
    "JSON events": SSE_JSON,
}
"""All formats of a process."""

APP: dict[str, AppEncoding] = {
    f"{name} {kind}": encoding
    for kind, encodings in (
        ("frames", APP_FRAMES),
        ("text", APP_TEXTS),
        ("events", APP_EVENTS),
    )
    for name, encoding in encodings.items()
}
"""All formats of an app."""

ROOM = Bounds(kept_bytes=1 << 26, kept_lines=1 << 20, queue=1 << 30, queues_in_all=1 << 30)


@frozen
class Heard:
    """
    What every reader of a program got, by format.
    """

    live: dict[str, bytes]
    kept: dict[str, bytes]


def heard(chunks: Iterable[tuple[str, bytes]]) -> Heard:
    """
    Read these chunks of a program's streams, which then ends.
    """
    made = consoles(bounds=ROOM)
    console = made.open("shop.web.0", State.RUNNING)
    app = made.app("shop")
    readers: dict[str, Recorder] = {}
    for name, encoding in SINGLE.items():
        reader = readers[name] = Recorder()
        reader.subscription = console.attach(reader, Wanted(), encoding)
    for name, of_app in APP.items():
        reader = readers[f"app: {name}"] = Recorder()
        reader.subscription = app.attach(reader, AppWanted(), of_app)
    for reader in readers.values():
        assert reader.subscription is not None
        reader.subscription.resume()
    for stream, data in chunks:
        console.received(stream, data, 7)
    console.finish()
    everything, of_all = Wanted(tail=1 << 30), AppWanted(tail=1 << 30)
    kept = {name: console.kept(everything, encoding) for name, encoding in SINGLE.items()}
    kept |= {f"app: {name}": app.kept(of_all, encoding) for name, encoding in APP.items()}
    return Heard({name: reader.data for name, reader in readers.items()}, kept)


def cut(data: bytes, sizes: Iterable[int]) -> list[tuple[str, bytes]]:
    """
    In reads of these sizes, and the rest.
    """
    chunks = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    return [("stdout", chunk) for chunk in [*chunks, data] if chunk]


PIECES = [
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"a",
        b'"\\',
        b"\0",
        b"\x1b[0m",
        b"\xff",
        b"\x80",
        b"\xc3",
        b"\xa9",
    ),
    *("é".encode(), "€".encode(), "😀".encode(), "\u2028".encode(), "\x7f\x85".encode()),
    *(b"\xed\xa0\x80", b"\xf0\x9f", b"\xe2\x82", b"x" * 126),
]


class CutTests(InPython, SynchronousTestCase):
    """
    One stream, in one piece and in many.
    """

    maxDiff = 300

    def assertSame(self, found: Heard, expected: Heard) -> None:
        """
        Assert that every reader got the same bytes.
        """
        for kind in ("live", "kept"):
            ours, theirs = getattr(found, kind), getattr(expected, kind)
            differing = [name for name in theirs if ours[name] != theirs[name]]
            self.assertEqual(differing, [], kind)

    @settings(BOTH, deadline=None)
    @given(
        st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join),
        st.lists(st.integers(1, 9), max_size=60),
    )
    def test_anyCut(self, data: bytes, sizes: list[int]) -> None:
        """
        Whatever is written, and wherever it is cut, in a character as in a line's end,
        each reader gets the same bytes.
        """
        self.assertSame(heard(cut(data, sizes)), heard(cut(data, [])))

    def test_byteByByte(self) -> None:
        """
        So it is where each byte is a read of its own.
        """
        data = b"".join(PIECES) + b"\r\n" + b"".join(reversed(PIECES))
        self.assertSame(heard(cut(data, [1] * len(data))), heard(cut(data, [])))

    @settings(BOTH, deadline=None, max_examples=8)
    @given(st.data())
    def test_longLine(self, data: Any) -> None:
        """
        A line of 3 MiB comes in the same pieces wherever it is cut, in a character at the
        limit, too.
        """
        character = data.draw(st.sampled_from([b"x", "é".encode(), "€".encode(), b"\xff"]))
        before = data.draw(st.integers(0, 4))
        line = b"y" * before + character * (3 * LINE_LIMIT // len(character)) + b"z\r\nlast"
        near = st.sampled_from([LINE_LIMIT, 2 * LINE_LIMIT, 3 * LINE_LIMIT, len(line) - 6])
        at = st.one_of(
            st.tuples(near, st.integers(-5, 9)).map(sum), st.integers(1, len(line) - 1)
        )
        cuts = sorted(set(data.draw(st.lists(at, min_size=1, max_size=6))))
        ends = [end for end in cuts if 0 < end < len(line)]
        sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        self.assertSame(heard(cut(line, sizes)), heard(cut(line, [])))

    def test_readsAsTheyAre(self) -> None:
        """
        Nor does it show where that line is read as pipes are: 64 KiB at a time, or a page.
        """
        line = "€".encode() * LINE_LIMIT + b"\r\n"
        expected = heard(cut(line, []))
        for size in (65536, 4096 + 1):
            self.assertSame(heard(cut(line, [size] * (len(line) // size))), expected)

    @settings(BOTH, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["stdout", "stderr"]),
                st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map(b"".join),
            ),
            max_size=12,
        ),
        st.lists(st.integers(1, 4), min_size=1, max_size=20),
    )
    def test_twoStreams(self, chunks: list[tuple[str, bytes]], sizes: list[int]) -> None:
        """
        Nor where one stream is cut while another has its say: what is between two reads of
        one does not get into its lines.
        """
        whole = [(stream, data + b"\n") for stream, data in chunks]
        small = []
        for n, (stream, data) in enumerate(whole):
            size = sizes[n % len(sizes)]
            small += [(stream, data[at : at + size]) for at in range(0, len(data), size)]
        self.assertSame(heard(small), heard(whole))


class CostTests(SynchronousTestCase):
    """
    What nobody asked for is not made.
    """

    def counted(self, names: Iterable[str]) -> list[str]:
        """
        Count, from now on, which encodings make lines, of which stream.
        """
        made: list[str] = []

        def counting(name: str, kind: type, lines: Callable[..., bytes]) -> None:
            def counted(self: Any, chunk: Chunk, *more: str) -> bytes:
                made.append(f"{name} {chunk.stream}")
                return lines(self, chunk, *more)

            self.patch(kind, "lines", counted)

        for name in names:
            kind = type(SINGLE[name])
            counting(name, kind, kind.lines)
        return made

    def written(self, console: Console) -> None:
        """
        A flood on stdout, a word on stderr.
        """
        for _ in range(100):
            console.received("stdout", b"x" * 79 + b"\n", 1)
        console.received("stderr", b"word\n", 1)

    def test_stderrAlone(self) -> None:
        """
        Who reads stderr alone costs stdout no encoding, however many they are.
        """
        made = self.counted(["plain frames", "JSON frames"])
        console = consoles().open("a.b", State.RUNNING)
        wanted = Wanted(streams=frozenset({"stderr"}))
        readers = [Recorder() for _ in range(3)]
        for n, reader in enumerate(readers):
            reader.subscription = console.attach(
                reader, wanted, JSON_FRAMES if n else PLAIN_FRAMES
            )
            reader.subscription.resume()
        self.written(console)
        self.assertEqual(sorted(made), ["JSON frames stderr", "plain frames stderr"])
        self.assertEqual(readers[0].frames(), [b"word"])
        self.assertEqual(readers[1].documents()[1:], readers[2].documents()[1:])

    def test_onceForAll(self) -> None:
        """
        Lines are encoded once for all who read the same format, whatever streams they
        chose, and never where nobody does.
        """
        made = self.counted(["plain frames", "JSON frames"])
        console = consoles().open("a.b", State.RUNNING)
        self.written(console)
        self.assertEqual(made, [])
        for streams in (frozenset[str](), frozenset({"stdout"}), frozenset({"stderr"})):
            for _ in range(2):
                reader = Recorder()
                wanted = Wanted(streams=streams)
                reader.subscription = console.attach(reader, wanted, JSON_FRAMES)
                reader.subscription.resume()
        console.received("stdout", b"x\n", 1)
        self.assertEqual(made, ["JSON frames stdout"])
        console.received("stderr", b"x\n", 1)
        self.assertEqual(made, ["JSON frames stdout", "JSON frames stderr"])


class CompiledCutTests(WithLibrary, CutTests):
    """
    The same with the compiled library.
    """
