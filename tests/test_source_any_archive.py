"""
Tests of the unpacker, L{smartmob.source.unpack}, with archives that nobody thought of.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from contextlib import redirect_stdout

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.removal import remove_tree
from smartmob.source.reserve import Reserve
from smartmob.source.unpack import program
from smartmob.source.unpack.destination import Destination, Refused
from tests.support.archives import (
    APP,
    Entry,
    file,
    folder,
    hard_link,
    symlink,
    tar,
    tgz,
    zipped,
)

#: Machines that run tests may be busy.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", ""]), max_size=4).map("/".join)
ENTRIES = st.one_of(
    st.builds(file, NAMES),
    st.builds(folder, NAMES),
    st.builds(symlink, NAMES, NAMES),
    st.builds(hard_link, NAMES, NAMES),
)


def leads_to(path: str) -> str | None:
    """
    Where a path leads, also if nothing is there; C{None}: to itself, so nowhere.  Of
    such a link C{realpath} alone would make one out of the folder.
    """
    try:
        return os.path.realpath(path, strict=True)
    except OSError as error:
        return None if error.errno == errno.ELOOP else os.path.realpath(path)


class AnyArchiveTests(SynchronousTestCase):
    """
    Archives that nobody thought of.
    """

    def unpack(self, data: bytes) -> str | None:
        """
        Unpack within this process.

        @return: The folder, unless it was refused.
        """
        base = os.path.abspath(self.mktemp())
        os.makedirs(base)
        self.addCleanup(remove_tree, base)
        archive, target = os.path.join(base, "archive"), os.path.join(base, "in", "X")
        with open(archive, "wb") as written:
            written.write(data)
        with redirect_stdout(io.StringIO()) as said:
            code = program.main(
                [archive, target, "100000", "100", "0", "0"], lambda root, beside: None
            )
        self.assertEqual("error" in json.loads(said.getvalue()), bool(code))
        self.assertEqual(sorted(os.listdir(base)), ["archive", "in"])
        self.assertEqual(os.listdir(f"{base}/in"), ["X.tmp" if code else "X"])
        return None if code else target

    @PATIENT
    @given(st.lists(ENTRIES, max_size=8))
    def test_entries(self, entries: list[Entry]) -> None:
        """
        Whatever the entries, nothing leads out of the folder, and no two files are one
        that are not meant to be.
        """
        target = self.unpack(tar(*entries))
        if target is None:
            return
        root = os.path.realpath(target)
        for parent, folders, files in os.walk(target):
            for name in (*folders, *files):
                real = leads_to(os.path.join(parent, name))
                if real is not None:
                    self.assertEqual(os.path.commonpath((root, real)), root)

    @PATIENT
    @given(st.integers(0, 3000), st.integers(0, 255), st.sampled_from([tar, tgz, zipped]))
    def test_changedByte(self, at: int, value: int, build: Callable[..., bytes]) -> None:
        """
        Whatever byte is another, it is unpacked or refused.
        """
        data = bytearray(build(APP, file("a", bytes(600)), symlink("l", "a"), folder("d")))
        data[at % len(data)] = value
        self.unpack(bytes(data))

    @PATIENT
    @given(st.binary(max_size=2000), st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b", b"BZh"]))
    def test_anyBytes(self, data: bytes, magic: bytes) -> None:
        """
        Whatever the bytes, they are unpacked or refused.
        """
        self.unpack(magic + data)


class DestinationTests(SynchronousTestCase):
    """
    Tests of L{Destination}.
    """

    def test_fileExists(self) -> None:
        """
        What is there already is never written to.
        """
        path = self.mktemp()
        os.mkdir(path)
        os.symlink("/etc/passwd", f"{path}/f")
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, root)
        destination = Destination(root, 100, 100, Reserve(0, 0))
        with open(os.devnull, "rb") as nothing:
            self.assertRaises(Refused, destination.file, ("f",), nothing, executable=False)
            self.assertRaises(Refused, destination.file, ("f", "g"), nothing, executable=False)
