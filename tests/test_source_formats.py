"""
Tests of the unpacker, L{smartmob.source.unpack}: the same in each format that archives have.
"""

from __future__ import annotations

import io
import json
import os
import stat
from contextlib import redirect_stdout
from importlib.util import find_spec

from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.removal import remove_tree
from smartmob.source.unpack import program
from tests.support.every_format import CASES, DAMAGES, Tree, good

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


class FormatMixin:
    """
    What must hold in one format.
    """

    format: str
    case: SynchronousTestCase

    def unpack(self, data: bytes) -> tuple[str | None, dict[str, str]]:
        """
        Unpack, and see that nothing is anywhere else.

        @return: Why it was refused, or what there is.
        """
        case = self.case
        base = os.path.abspath(case.mktemp())
        os.makedirs(base)
        archive, folder = os.path.join(base, "archive"), os.path.join(base, "in", "X")
        with open(archive, "wb") as written:
            written.write(data)
        arguments = [archive, folder, "10000000", "500", "0", "0"]
        with redirect_stdout(io.StringIO()) as said:
            code = program.main(arguments, lambda root, beside: None)
        case.assertEqual(sorted(os.listdir(base)), ["archive", "in"])
        case.assertEqual(os.listdir(f"{base}/in"), ["X.tmp" if code else "X"])
        case.assertFalse(os.path.lexists("/ESC"))
        why = json.loads(said.getvalue()).get("error")
        case.assertEqual(why is None, code == 0)
        if why is not None:
            case.assertTrue(why.isprintable(), why)
        things = found(folder)
        remove_tree(base)
        return why, things

    def check(self, data: bytes, expected: str | Tree) -> None:
        """
        See that an archive is refused for a reason, or unpacked to exactly that.
        """
        if self.format == "zst" and find_spec("compression") is None:
            expected = "zstd archives need Python 3.14 on the agent's machine"
        why, things = self.unpack(data)
        if isinstance(expected, str):
            self.case.assertIn(expected, str(why))
        else:
            self.case.assertEqual((why, things), (None, expected))

    def check_cases(self) -> None:
        """
        Entries of whatever kind are unpacked as they are, or refused by their names.
        """
        for name, case in CASES.items():
            with self.case.subTest(name=name, format=self.format):
                self.check(case.bytes_of(self.format), case.outcome_of(self.format))

    def check_damages(self) -> None:
        """
        What is damaged, or has something behind its end, is refused.
        """
        data = good(self.format)
        self.check(data, self.unpack(data)[1])
        for name, (damage, why) in DAMAGES.items():
            with self.case.subTest(name=name, format=self.format):
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
            self.check(padded, self.unpack(data)[1])


def tests_of(name: str) -> type[SynchronousTestCase]:
    """
    The tests of one format.
    """

    class FormatTests(FormatMixin, SynchronousTestCase):
        """
        One format.
        """

        format = name

        def setUp(self) -> None:
            """
            It is the case.
            """
            self.case = self

        test_cases = FormatMixin.check_cases
        test_damages = FormatMixin.check_damages
        test_padding = FormatMixin.check_padding

    FormatTests.__name__ = FormatTests.__qualname__ = f"{name.capitalize()}Tests"
    return FormatTests


TarTests = tests_of("tar")
GzTests = tests_of("gz")
Bz2Tests = tests_of("bz2")
XzTests = tests_of("xz")
ZstTests = tests_of("zst")
ZipTests = tests_of("zip")
