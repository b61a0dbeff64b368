"""
Whatever an application brings: its Procfile, its C{.env}, and the words in them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob import dotenv, procfile
from smartmob.logical_lines import LineError, logical_lines
from smartmob.shell_words import NotClosed, plain_words, take_word
from tests.support.fuzzing import doublings, linear, tries

pieces = st.sampled_from(
    [
        *(b"\\\n", b"\\\r\n", b"\n", b"\r\n", b"\r", b"#", b" ", b"\t", b"\f", b"\\", b"web:"),
        *(b"A=1 ", b"env ", b"'", b'"', b"$(", b")", b"`", b"${", b"}", b"x", b"\xc3\xa4"),
        *(b"export ", b"=", b";", b"&&", b"\0", b"\xff", b"\xef\xbb\xbf", b"a: b"),
    ]
)
files = st.lists(pieces, max_size=25).map(b"".join)

_BLANK = " \t\r\f\v"


def naive_lines(text: str) -> list[str] | None:
    """
    The logical lines of a text without a NUL, read as slowly as the rules say it; C{None}:
    the last one is continued.
    """
    physical = [line.removesuffix("\r").lstrip(_BLANK) for line in text.split("\n")]
    if text.endswith("\n"):
        del physical[-1]
    found = []
    while physical:
        line = physical.pop(0)
        if not line or line.startswith("#"):
            continue
        while line.endswith("\\"):
            if not physical:
                return None
            line = line[:-1].rstrip(_BLANK) + " " + physical.pop(0)
        found.append(line)
    return found


def repeated(parse: Callable[[bytes], object], start: bytes, line: bytes, size: int) -> None:
    """
    Read a file that is one thing again and again.
    """
    with contextlib.suppress(LineError):
        parse(start + line * (size // len(line)) + b"x")


class LinesTests(SynchronousTestCase):
    """
    L{smartmob.logical_lines}.
    """

    @tries(400)
    @given(files)
    @example(b"\\\n\\\n\\\nx")
    @example(b"a \\\n  \\\n # \\\nb")
    @example(b"\\")
    def test_naive(self, data: bytes) -> None:
        """They are what one gets that follows the rules a character at a time."""
        try:
            text = data.decode()
            expected = None if data.startswith(b"\xef\xbb\xbf") else naive_lines(text)
        except UnicodeDecodeError:
            expected = None
        if b"\0" in data:
            expected = None
        try:
            found = [text for _, text in logical_lines(data)]
        except LineError as error:
            self.assertIsNone(expected)
            self.assertTrue(0 < error.line <= data.count(b"\n") + 1)
        else:
            self.assertEqual(found, expected)

    @tries(400)
    @given(files)
    @example(b"A=1\n".replace(b"A", b"A" * 9999) * 2)
    @example(b"web: " + b"A" * 9999 + b"='")
    @example(b"web: " + (b"A" * 9999 + b"=1 ") * 2 + b"x")
    def test_files(self, data: bytes) -> None:
        """A Procfile and an C{.env} are read, or the line that is wrong is named."""
        for parse, error in (
            (procfile.parse, procfile.ProcfileError),
            (dotenv.parse, dotenv.DotenvError),
        ):
            try:
                parse(data)
            except LineError as wrong:
                self.assertIsInstance(wrong, error)
                self.assertTrue(0 < wrong.line <= data.count(b"\n") + 1)
                self.assertLess(len(wrong.why), 400)

    def test_long(self) -> None:
        """The longest that is read takes as long a byte as a short one."""
        lines = (
            *(b"a: x" + b"x\\\n" * 8, b"A=1 ", b"\\\n", b"a: b\n", b"A=", b"'", b'"', b"$("),
            *(b"`", b"#\n", b"x\\\n", b" ", b"\\a", b'"${', b"env A=1 "),
        )
        for line in lines:
            for start in (b"", b"a: ", b"a: A=", b"A=", b"a: env A=1 x"):
                for parse in (procfile.parse, dotenv.parse):
                    text = partial(repeated, parse, start, line)
                    doublings(text, 1 << 14)

    def test_continued(self) -> None:
        """So does a line that is continued again and again, where texts are joined."""
        data = b"web: x" + b"xx\\\n" * (1 << 20) + b"x"
        linear(lambda: procfile.parse(data), 20)


class WordsTests(SynchronousTestCase):
    """
    L{smartmob.shell_words}.
    """

    text = st.text("ab \t'\"\\$(){}`;&|<>=\u00e4\n", max_size=25)

    @tries(400)
    @given(text, st.integers(0, 25))
    def test_takeWord(self, text: str, start: int) -> None:
        """A word ends where it ends, wherever it begins, or is not closed."""
        try:
            word, end = take_word(text, start)
        except NotClosed as error:
            self.assertTrue(str(error))
            self.assertTrue(set("'\"`$") & set(text[start:]))
            return
        if start <= len(text):
            self.assertTrue(start <= end <= len(text))
            self.assertTrue(end == len(text) or text[end] in " \t&|;<>()")
            self.assertLessEqual(len(word), end - start)

    @tries(200)
    @given(text)
    def test_plainWords(self, text: str) -> None:
        """Words that need no shell have nothing in them that a shell looks at."""
        words = plain_words(text)
        if words is not None:
            self.assertFalse(set("'\"\\$(){}`;&|<>\n") & set("".join(words)))
            self.assertEqual(" ".join(words).split(), list(words))
