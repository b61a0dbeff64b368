"""
Whatever an archive is, and whatever the unpacker says of it.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.interfaces import ILauncher
from smartmob.source.archives import sha256_of
from smartmob.source.errors import SourceRefused
from smartmob.source.unpack.compressed import Compressed
from smartmob.source.unpack.destination import Refused
from smartmob.source.unpacking import Unpacked, Unpacker
from tests.support.archives import (
    APP,
    Entry,
    file,
    folder,
    hard_link,
    sparse,
    symlink,
    tar,
    tgz,
    zipped,
)
from tests.support.every_format import COMPRESSIONS
from tests.support.forged import forged, sparse_of_gnu, with_pax, zip64, zip_of
from tests.support.fuzzing import tries
from tests.support.launching import FakeLauncher
from tests.support.unpacked import UnpackingCase

BUILDS: list[Callable[..., bytes]] = [tar, tgz, zipped]
NAMES = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", "\\", "\0", "\n", "\udcff", "n" * 255]),
    max_size=4,
).map("/".join)
CLEAN_NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", ""]), max_size=4).map("/".join)
ENTRIES = st.one_of(
    st.builds(file, CLEAN_NAMES),
    st.builds(folder, CLEAN_NAMES),
    st.builds(symlink, CLEAN_NAMES, CLEAN_NAMES),
    st.builds(hard_link, CLEAN_NAMES, CLEAN_NAMES),
)
NUMBERS = st.one_of(
    st.integers(-10, 3000),
    st.sampled_from([2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64, -(2**63), 10**30]),
)
TEXTS = st.one_of(
    NAMES.map(lambda name: name.encode("utf-8", "surrogateescape")),
    NUMBERS.map(lambda number: b"%d" % number),
    st.binary(max_size=20),
)
PAX_KEYS = st.sampled_from(
    [
        *("path", "linkpath", "size", "mtime", "uid", "uname", "hdrcharset", "charset"),
        *("GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name", "GNU.sparse.size"),
        *("GNU.sparse.realsize", "GNU.sparse.map", "GNU.sparse.numblocks"),
        *("GNU.sparse.offset", "GNU.sparse.numbytes", "SCHILY.xattr.x", "comment"),
    ]
)
MAPS = st.lists(NUMBERS, max_size=6).map(
    lambda numbers: ",".join(str(number) for number in numbers).encode()
)
FIELDS = st.dictionaries(
    st.sampled_from(["flags", "method", "crc", "packed", "size"]), st.integers(0, 0xFFFF)
)


class AnyArchiveTests(UnpackingCase):
    """
    Archives that nobody thought of.
    """

    most_bytes = 100_000
    most_entries = 100

    @tries(100)
    @given(st.lists(ENTRIES, max_size=8), st.sampled_from(BUILDS))
    def test_entries(self, entries: list[Entry], build: Callable[..., bytes]) -> None:
        """
        Whatever the entries, nothing leads out of the folder, and no two files are one
        that are not meant to be.
        """
        if build is zipped:
            entries = [entry for entry in entries if entry.kind != "h"]
        self.unpack(build(*entries))

    @tries(100)
    @given(st.integers(0, 3000), st.integers(0, 255), st.sampled_from(BUILDS))
    def test_changedByte(self, at: int, value: int, build: Callable[..., bytes]) -> None:
        """
        Whatever byte is another, it is unpacked or refused.
        """
        data = bytearray(build(APP, file("a", bytes(600)), symlink("l", "a"), folder("d")))
        data[at % len(data)] = value
        self.unpack(bytes(data))

    @tries(100)
    @given(
        st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=8)), max_size=4),
        st.integers(0, 5000),
        st.sampled_from(["tar", "gz", "bz2", "xz", "zip"]),
    )
    def test_changedBytes(
        self, changes: list[tuple[int, bytes]], length: int, kind: str
    ) -> None:
        """
        Whatever bytes are others, and wherever it is cut, in whichever format.
        """
        entries = (APP, file("a", bytes(range(256)) * 4), symlink("d/l", "../a"))
        data = zipped(*entries) if kind == "zip" else COMPRESSIONS[kind](tar(*entries))
        for at, instead in changes:
            at %= len(data)
            data = data[:at] + instead + data[at + len(instead) :]
        self.unpack(data[:length] if length % 3 else data)

    @tries(100)
    @given(st.binary(max_size=2000), st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b", b"BZh"]))
    def test_anyBytes(self, data: bytes, magic: bytes) -> None:
        """
        Whatever the bytes, they are unpacked or refused.
        """
        self.unpack(magic + data)

    @tries(150)
    @given(
        st.dictionaries(PAX_KEYS, TEXTS | MAPS, max_size=6),
        st.sampled_from([file("a", bytes(600)), symlink("a", "b"), folder("a"), APP]),
    )
    def test_extendedHeaders(self, headers: dict[str, bytes], entry: Entry) -> None:
        """
        Whatever an extended header says of an entry.
        """
        self.unpack(with_pax(tar(entry, APP), headers))

    @tries(60)
    @given(st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=9)), max_size=4))
    def test_sparse(self, parts: list[tuple[int, bytes]]) -> None:
        """
        Whatever parts a sparse file has.
        """
        self.unpack(sparse_of_gnu("a", 4000, *parts) + tar(APP))
        self.unpack(sparse(len(parts)) + tar(APP))

    @tries(100)
    @given(FIELDS, st.binary(max_size=40), st.binary(max_size=30))
    def test_forged(self, fields: dict[str, int], extra: bytes, comment: bytes) -> None:
        """
        Whatever an entry of a zip says of itself, and whatever stands beside it.
        """
        data = zip_of(APP, file("other", bytes(900)), extra=extra, comment=comment)
        if data.count(b"other") == 2:
            self.unpack(forged(data, "other", **fields))

    @tries(50)
    @given(st.integers(0, 2**64 - 1), st.none() | st.integers(0, 2**64 - 1))
    def test_zip64(self, size: int, offset: int | None) -> None:
        """
        Whatever size an entry of a zip has, and wherever it lies.
        """
        self.unpack(zip64(size, offset))


class CompressedTests(SynchronousTestCase):
    """
    Compressed streams.
    """

    @tries(100)
    @given(
        st.lists(st.binary(max_size=300), min_size=1, max_size=4),
        st.lists(st.integers(1, 400), min_size=1, max_size=5),
        st.integers(0, 9),
        st.sampled_from([b"", b"\0", b"j", b"\0j", b"BZ", b"\xfd7z", b"BZhx"]),
        st.booleans(),
    )
    def test_streams(
        self, texts: list[bytes], sizes: list[int], zeros: int, behind: bytes, xz: bool
    ) -> None:
        """
        However many streams there are, and however they are read, all of them come, and
        what follows them is refused.
        """
        make, magic = (lzma.compress, b"\xfd7zXZ\0") if xz else (bz2.compress, b"BZh")
        data = (bytes(zeros)).join(map(make, texts)) + behind
        source = Dripping(data, sizes[0])
        read = Compressed(
            source,
            magic,
            lzma.LZMADecompressor if xz else bz2.BZ2Decompressor,
        )
        found = b""
        try:
            while piece := read.read(sizes[len(found) % len(sizes)]):
                found += piece
        except (Refused, OSError, EOFError):
            self.assertTrue(behind.strip(b"\0"))
        else:
            self.assertFalse(behind.strip(b"\0"))
        self.assertEqual(found, b"".join(texts))


class Dripping(io.BytesIO):
    """
    A stream that gives no more than some bytes at a time.
    """

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """
        Some bytes.
        """
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


class SaidTests(SynchronousTestCase):
    """
    What unpackers say.
    """

    @tries(200)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["home", "procfile", "dotenv", "network", "error"]), inner
                )
            ),
            max_leaves=8,
        )
        | st.fixed_dictionaries(
            {
                "home": NAMES,
                "procfile": st.none() | st.text(max_size=8),
                "dotenv": st.none() | st.just("QQ=="),
                "network": st.none() | st.text(max_size=5),
            }
        ),
        st.binary(max_size=3),
        st.sampled_from([0, 1]),
    )
    def test_anything(self, said: object, behind: bytes, code: int) -> None:
        """
        Whatever it is, there is a folder of the archive, or a refusal in one line.
        """
        clock = Clock()
        launcher = FakeLauncher(clock)
        unpacker = Unpacker(clock, ILauncher(launcher))
        unpacking = Deferred.fromCoroutine(unpacker.unpack("/a", "/x"))
        [program] = launcher.programs
        program.execute()
        program.output(json.dumps(said).encode() + behind)
        program.end(code)
        outcome: list[object] = []
        unpacking.addBoth(outcome.append)
        [result] = outcome
        if isinstance(result, Unpacked):
            self.assertNotIn(result.home, (".", ".."))
            self.assertNotIn("/", result.home)
            self.assertNotIn("\0", result.home)
            self.assertEqual(code, 0)
            return
        error = getattr(result, "value", None)
        assert isinstance(error, SourceRefused), result
        self.assertTrue(error.reason.isprintable())

    @tries(100)
    @given(st.text(), st.sampled_from(["", "smartmob-archive:", "SMARTMOB-ARCHIVE:"]))
    def test_url(self, text: str, scheme: str) -> None:
        """
        Whatever a URL is, it names an archive by what is behind the scheme, or it does not.
        """
        found = sha256_of(scheme + text)
        if scheme:
            self.assertEqual(found, text.lower())
