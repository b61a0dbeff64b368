"""
Bytes in, lines out.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.lines import splitter
from smartmob.lines.splitter import Block, Splitter
from tests.support.encoders import BOTH, InPython, WithLibrary

LIMIT = splitter.LINE_LIMIT

cuts = st.lists(st.integers(min_value=1, max_value=12), max_size=40)
output = st.lists(
    st.sampled_from(
        [
            *(b"\n", b"\r", b"\r\n", b"a", b"bc", b"\0", b"\xff", b"\x80", b"\xc3", b"\xa9"),
            *("é".encode(), "€".encode(), "😀".encode()),
            *(b"\xed\xa0\x80", b"\xf0\x9f", b"\xe2\x82"),
        ]
    ),
    max_size=60,
).map(b"".join)


def expected(data: bytes) -> list[bytes]:
    """
    The lines of C{data}, by the book.
    """
    lines = data.split(b"\n")
    last = lines.pop()
    lines = [line.removesuffix(b"\r") for line in lines]
    lines += [last] if last else []
    return [line.decode(errors="replace").encode() for line in lines]


def split(chunks: list[bytes]) -> list[tuple[bytes, bool]]:
    """
    What a splitter makes of chunks: lines, and whether each is partial.
    """
    it = Splitter()
    blocks: list[Block] = []
    for chunk in chunks:
        blocks += it.feed(chunk)
    blocks += it.finish()
    lines = []
    for data, count, partial in blocks:
        *found, empty = data.split(b"\n")
        assert empty == b""
        assert len(found) == count > 0
        lines += [(line, partial) for line in found]
    return lines


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """
    C{data} in pieces of these sizes, and the rest.
    """
    chunks = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    return [chunk for chunk in [*chunks, data] if chunk]


class SplitterTests(InPython, SynchronousTestCase):
    """
    L{Splitter}.
    """

    @BOTH
    @given(output, cuts)
    def test_anyCut(self, data: bytes, sizes: list[int]) -> None:
        """
        However bytes are cut into reads, the lines are those of the whole.
        """
        self.assertEqual(split(cut(data, sizes)), [(line, False) for line in expected(data)])

    def test_crlf(self) -> None:
        """
        CRLF is a line end, also when it comes in two reads; a CR alone is a character.
        """
        self.assertEqual(
            split([b"a\r", b"\nb\rc\r\r\n\r\n", b"d\r"]),
            [(b"a", False), (b"b\rc\r", False), (b"", False), (b"d\r", False)],
        )

    def test_lastLine(self) -> None:
        """
        A last line without its end comes at the end of the output, once.
        """
        it = Splitter()
        self.assertEqual(it.feed(b"a\nb"), [(b"a\n", 1, False)])
        self.assertEqual(it.finish(), [(b"b\n", 1, False)])
        self.assertEqual(it.finish(), [])
        self.assertEqual(it.feed(b"c\n"), [(b"c\n", 1, False)])

    def test_decodedInPieces(self) -> None:
        """
        What is UTF-8 and what is not does not depend on where a character lies in a large
        read.
        """
        for at in range(splitter.PIECE - 5, splitter.PIECE + 2):
            for odd in ("😀".encode(), b"\xf0\x9f\x98", b"\x98", b"\xf0\x9f", b"\xed\xa0\x80"):
                for end in (b"\n", b"y" * splitter.PIECE + b"\n"):
                    line = b"x" * at + odd + end
                    with self.subTest(at=at, odd=odd):
                        self.assertEqual(
                            Splitter().feed(line)[0].data,
                            line.decode(errors="replace").encode(),
                        )

    def test_oneObject(self) -> None:
        """
        A read that is complete lines, and many of them, is not copied.
        """
        data = b"a line\n" * (splitter.SHORT // 7 + 1)
        [(block, _, _)] = Splitter().feed(data)
        self.assertIs(block, data)

    def test_exactLimit(self) -> None:
        """
        A line of 1 MiB is whole, whatever its end; one more byte is another piece.
        """
        line = b"x" * LIMIT
        for end in (b"\n", b"\r\n", b""):
            with self.subTest(end=end):
                self.assertEqual(split([line + end]), [(line, False)])
                self.assertEqual(split([line, end] if end else [line]), [(line, False)])
                self.assertEqual(split([line, b"y" + end]), [(line, True), (b"y", False)])
        self.assertEqual(split([line + b"\r", b"\n"]), [(line, False)])
        self.assertEqual(split([line + b"\r", b"z\n"]), [(line, True), (b"\rz", False)])

    def test_longLine(self) -> None:
        """
        A long line comes in pieces, each but the last partial, in the same ones however
        it was read, and the lines around it are whole.
        """
        data = b"before\n" + b"x" * (2 * LIMIT + 10) + b"\nafter\n"
        pieces = [
            (b"before", False),
            (b"x" * LIMIT, True),
            (b"x" * LIMIT, True),
            (b"x" * 10, False),
            (b"after", False),
        ]
        self.assertEqual(split([data]), pieces)
        for size in (1 << 16, 4096 * 3 + 1, LIMIT - 1, LIMIT, LIMIT + 1):
            chunks = [data[at : at + size] for at in range(0, len(data), size)]
            self.assertEqual(split(chunks), pieces)

    def test_longLineIsNotKept(self) -> None:
        """
        A line without end needs no more memory than a piece.
        """
        it = Splitter()
        for _ in range(64):
            it.feed(b"x" * (1 << 16))
            self.assertLessEqual(it.size, LIMIT + (1 << 16))

    def test_manySmallReads(self) -> None:
        """
        A line that comes a few bytes at a time takes hardly more memory than its bytes.
        """
        it = Splitter()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        for n in range(100_000):
            self.assertEqual(it.feed(b"%02d" % (n % 100)), [])
        held = tracemalloc.get_traced_memory()[0] - before
        self.assertLess(held, 400_000)
        (block,) = it.feed(b"\n")
        self.assertEqual(block.data, b"".join(b"%02d" % n for n in range(100)) * 1000 + b"\n")


class SmallLimitTests(InPython, SynchronousTestCase):
    """
    The same with a limit that is reached often.
    """

    def setUp(self) -> None:
        self.patch(splitter, "LINE_LIMIT", 8)

    @BOTH
    @given(output, cuts)
    def test_anyCut(self, data: bytes, sizes: list[int]) -> None:
        """
        Pieces, too, are the same however bytes are cut, valid by themselves, within
        the limit, and together the line.
        """
        pieces = split(cut(data, sizes))
        self.assertEqual(pieces, split([data]))
        lines = []
        line = b""
        for piece, partial in pieces:
            self.assertLessEqual(len(piece), 8)
            piece.decode()
            line += piece
            if partial:
                self.assertTrue(piece)
            else:
                lines.append(line)
                line = b""
        self.assertEqual(line, b"")
        self.assertEqual(lines, expected(data))


KEEPS = """
import os
from collections import deque
from smartmob.lines.splitter import Splitter

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def said(pipe, data):
    reading, writing = pipe
    os.write(writing, data)
    return Splitter().feed(os.read(reading, 65536))

short, long = os.pipe(), os.pipe()
kept, others = deque(maxlen=20_000), deque(maxlen=256)
said(short, b"x\\n")
before = resident()
for _ in range(20_000):
    kept.append(said(short, b"x" * 79 + b"\\n"))
    others.append(said(long, b"y" * 3999 + b"\\n"))
print(resident() - before)
"""
"""Keeps the short lines of one program, and the last long ones of another."""


class KeptTests(SynchronousTestCase):
    """
    What lines that are kept take in memory.
    """

    def test_short(self) -> None:
        """
        A short line takes some hundred bytes, and no part of the room that was made to read it,
        however others are read meanwhile.
        """
        done = subprocess.run(
            [sys.executable, "-c", KEEPS],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        self.assertLess(int(done.stdout) / 20_000, 1000)


class CompiledSplitterTests(WithLibrary, SplitterTests):
    """
    The same with the compiled library.
    """


class CompiledSmallLimitTests(WithLibrary, SmallLimitTests):
    """
    The same with the compiled library.
    """
