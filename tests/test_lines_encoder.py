"""
The compiled library, beside what it is the twin of, and doing without it.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.lines import encoder, encodings, splitter
from smartmob.lines.encoder import COMPILED, PYTHON, VARIABLE, Library
from smartmob.lines.ring import split
from tests.support.encoders import require_library

BYTES = bytes.fromhex("000a61 7f808f909fa0bf c0c1c2dfe0e1ecedeeeff0f1f3f4f5ff")
"""The first and the last of each kind that there is in UTF-8."""

SIZES = (0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 4095, 4096, 65534, 65535, 65536, 65537)
"""Those around which the head of a frame changes, among others."""

pieces = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(str.encode),
    st.sampled_from(SIZES).map(lambda size: b"x" * size),
    st.sampled_from([b"\n", b"\r\n", b"\n" * 300, "é€😀".encode()]),
)


def is_utf8(data: bytes) -> bool:
    """
    Whether Python takes it for that.
    """
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class TwinTests(SynchronousTestCase):
    """
    The same answers, byte for byte.
    """

    def setUp(self) -> None:
        self.library = require_library()

    def assertSame(self, data: bytes) -> None:
        """
        The library counts as Python does, and makes the same frames.
        """
        count = data.count(b"\n") if is_utf8(data) else -1
        self.assertEqual(self.library.count(data), count)
        data += b"\n"
        self.assertEqual(self.library.frames(data), encodings.frames(split(data)))

    def test_fresh(self) -> None:
        """
        It was made of the sources as they are: else what is tested is another one.
        """
        made = os.stat(encoder.LIBRARY).st_mtime
        folder = Path(encoder.LIBRARY).parent
        newer = [path.name for path in folder.glob("*.[ch]") if path.stat().st_mtime > made]
        self.assertEqual(
            newer, [], "changed since: `pip install --editable .` compiles it again"
        )

    @given(st.lists(pieces, max_size=8).map(b"".join))
    def test_any(self, data: bytes) -> None:
        """
        Whatever programs write.
        """
        self.assertSame(data)

    def test_sizes(self) -> None:
        """
        Lines of all sizes, alone and beside others.
        """
        for size in (*SIZES, 1 << 20):
            self.assertSame(b"x" * size)
            self.assertSame(b"\n" + b"x" * size + b"\ny")

    def test_many(self) -> None:
        """
        As many lines as are read at once, all of them empty; and more than there is room kept
        for, which the next ones do not show.
        """
        for count in (65536, encoder.ROOM, 1):
            self.assertSame(b"\n" * count)

    def test_characters(self) -> None:
        """
        What a character begins with decides what may follow it: each combination of four
        bytes that differ in kind.
        """
        wrong = [
            combined
            for combined in map(bytes, product(BYTES, repeat=4))
            if (self.library.count(combined) >= 0) != is_utf8(combined)
        ]
        self.assertEqual(wrong, [])

    def test_everyCharacter(self) -> None:
        """
        All there are, by themselves and cut short; and surrogates, which are none.
        """
        for number in range(0x80, 0x110000, 7):
            data = chr(number).encode(errors="surrogatepass")
            surrogate = 0xD800 <= number < 0xE000
            self.assertEqual(self.library.count(data), -1 if surrogate else 0, hex(number))
            self.assertEqual(self.library.count(data[:-1]), -1, hex(number))

    def test_anywhere(self) -> None:
        """
        A character, or what is none, wherever it is in what is looked at.
        """
        for before in range(140):
            for odd in ("é", "€", "😀"):
                whole = odd.encode()
                for data in (whole, whole[:-1], whole[1:], whole[:-1] + b"\n"):
                    self.assertSame(b"\n" * before + data)
                    self.assertSame(b"x" * before + data + b"y" * (140 - before))


class LoadTests(SynchronousTestCase):
    """
    Whether there is one to be used.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.patch(encoder, "LIBRARY", self.path)
        self.patch(os, "environ", {**os.environ, VARIABLE: ""})
        self.forget()
        self.addCleanup(self.forget)

    def forget(self) -> None:
        """
        Have it loaded anew.
        """
        encoder.loaded.cache_clear()

    def assertPython(self) -> None:
        """
        It is done in Python, which has to be said where the other one is asked for.
        """
        self.forget()
        self.assertIsNone(encoder.loaded())
        self.assertEqual(encoder.runs({}, self.path), PYTHON)
        with self.assertRaisesRegex(ValueError, f"SMARTMOB_FRAMES .*{self.path}"):
            encoder.runs({VARIABLE: COMPILED}, self.path)

    def real(self) -> bytes:
        """
        The library of this checkout.
        """
        path = Path(encoder.__file__).parent / "compiled" / "frames.so"
        if not path.exists():
            raise SkipTest("no compiler, no compiled encoder of frames")
        return path.read_bytes()

    def test_missing(self) -> None:
        """
        There is none.
        """
        self.assertPython()

    def test_garbage(self) -> None:
        """
        It is a file of another kind, an empty one, or a folder.
        """
        for content in (b"", b"no library", b"\x7fELF", bytes(10_000)):
            Path(self.path).write_bytes(content)
            self.assertPython()
        os.unlink(self.path)
        os.mkdir(self.path)
        self.assertPython()

    def test_foreign(self) -> None:
        """
        It is for another machine: for 32 bits, or of another make (elf(5)).
        """
        real = self.real()
        for at, other in ((4, b"\x01"), (18, b"\x08\x00")):
            content = real[:at] + other + real[at + len(other) :]
            Path(self.path).write_bytes(content)
            self.assertPython()

    def test_other(self) -> None:
        """
        It is a library, but another one.
        """
        content = self.real().replace(b"lines_frames", b"lines_flames")
        Path(self.path).write_bytes(content)
        self.assertPython()

    def test_works(self) -> None:
        """
        It is the one, and is loaded once.
        """
        Path(self.path).write_bytes(self.real())
        self.assertIsInstance(encoder.loaded(), Library)
        self.assertIs(encoder.loaded(), encoder.loaded())
        for said in ("", COMPILED):
            self.assertEqual(encoder.runs({VARIABLE: said}, self.path), COMPILED)

    def test_unwanted(self) -> None:
        """
        The environment says that it is not to be used.
        """
        Path(self.path).write_bytes(self.real())
        self.patch(os, "environ", {**os.environ, VARIABLE: PYTHON})
        self.assertIsNone(encoder.loaded())
        self.assertEqual(encoder.runs(os.environ, self.path), PYTHON)

    def test_wrong(self) -> None:
        """
        The environment says something else.
        """
        with self.assertRaisesRegex(ValueError, "SMARTMOB_FRAMES is .*, not 'C'"):
            encoder.check({VARIABLE: "C"})

    def test_little(self) -> None:
        """
        For a few lines nothing is loaded: they take less time without.
        """
        for module in (splitter, encodings):
            self.patch(module, "loaded", lambda: self.fail("it was loaded"))
        data = b"line\n" * (encodings.MANY - 1)
        self.assertEqual(splitter.Splitter().feed(data), [(data, encodings.MANY - 1, False)])
