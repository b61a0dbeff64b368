"""
Tests of the unpacker, L{smartmob.source.unpack}: the same in each format that archives have.
"""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec

from tests.support.every_format import CASES, DAMAGES, Tree, good
from tests.support.unpacked import UnpackingCase

_SHOWN = 20


def found(path: str) -> dict[str, str]:
    """
    What is in a folder, as a L{Tree}.
    """
    things = {}
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            full = os.path.join(parent, name)
            mode = os.lstat(full).st_mode
            if stat.S_ISLNK(mode):
                what = f"l {os.readlink(full)}"
            elif stat.S_ISDIR(mode):
                what = f"d{stat.S_IMODE(mode):o}"
            else:
                with open(full, "rb") as file:
                    text = file.read(_SHOWN).decode("latin-1")
                what = f"-{stat.S_IMODE(mode):o} {text}"
            things[os.path.relpath(full, path)] = what
    return things


class FormatCase(UnpackingCase):
    """
    What must hold in one format.
    """

    format: str

    def check(self, data: bytes, expected: str | Tree) -> None:
        """
        See that an archive is refused for a reason, or unpacked to exactly that.
        """
        if self.format == "zst" and find_spec("compression") is None:
            expected = "zstd archives need Python 3.14 on the agent's machine"
        why, folder = self.unpack(data)
        if isinstance(expected, str):
            self.assertIn(expected, str(why))
        else:
            self.assertEqual((why, found(folder)), (None, expected))

    def contents(self, data: bytes) -> Tree:
        """
        What comes of a good archive.
        """
        return found(self.unpack(data)[1])

    def check_cases(self) -> None:
        """
        Entries of whatever kind are unpacked as they are, or refused by their names.
        """
        for name, case in CASES.items():
            with self.subTest(name=name):
                self.check(case.bytes_of(self.format), case.outcome_of(self.format))

    def check_damages(self) -> None:
        """
        What is damaged, or has something behind its end, is refused.
        """
        data = good(self.format)
        self.check(data, self.contents(data))
        for name, (damage, why) in DAMAGES.items():
            with self.subTest(name=name):
                self.check(damage(data, self.format), why)

    def check_padding(self) -> None:
        """
        Zeros behind its end are padding, but for a zip, which has none.
        """
        data = good(self.format)
        padded = data + bytes(1000)
        if self.format == "zip":
            self.check(padded, "damaged archive: something follows its end")
        else:
            self.check(padded, self.contents(data))


def tests_of(name: str) -> type[FormatCase]:
    """
    The tests of one format.
    """

    class FormatTests(FormatCase):
        """
        One format.
        """

        format = name
        test_cases = FormatCase.check_cases
        test_damages = FormatCase.check_damages
        test_padding = FormatCase.check_padding

    FormatTests.__name__ = FormatTests.__qualname__ = f"{name.capitalize()}Tests"
    return FormatTests


TarTests = tests_of("tar")
GzTests = tests_of("gz")
Bz2Tests = tests_of("bz2")
XzTests = tests_of("xz")
ZstTests = tests_of("zst")
ZipTests = tests_of("zip")
