"""
What is tried in each format that archives have, and what comes of it.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from tests.support.archives import (
    APP,
    Entry,
    beyond_path_max,
    file,
    flipped,
    folder,
    hard_link,
    header,
    many_pax_headers,
    overlapping_zip,
    sparse,
    symlink,
    tar,
    twice_zipped,
    zipped,
)
from tests.support.forged import (
    below_zero,
    forged,
    link_chain,
    path_max_without_hard_links,
    sized_link,
    sparse_of_gnu,
    with_pax,
    zip64,
    zip_of,
)

Tree = Mapping[str, str]
"""What is unpacked: names, and what they are as C{ls -l} shows it, or a link's target."""


def zst(data: bytes) -> bytes:
    """
    A zstd frame of blocks that are not compressed (RFC 8878, 3.1.1), with its checksum.
    """
    blocks = [data[at : at + 65536] for at in range(0, len(data), 65536)] or [b""]
    written = [b"\x28\xb5\x2f\xfd", struct.pack("<BB", 0x00, 0x58)]
    for number, block in enumerate(blocks, 1):
        last = number == len(blocks)
        written += [(len(block) << 3 | last).to_bytes(3, "little"), block]
    return b"".join(written)


COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gz": lambda data: gzip.compress(data, 1),
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": zst,
}


@frozen
class Case:
    """
    Something that is tried.

    @ivar tar: The bytes of a tar, to be compressed.
    @ivar zip: Those of a zip: the same, or what comes nearest to it.
    @ivar outcome: A word of why it is refused, or what is unpacked.
    @ivar zip_outcome: What comes of the zip, if something else.
    """

    tar: Callable[[], bytes]
    zip: Callable[[], bytes]
    outcome: str | Tree
    zip_outcome: str | Tree | None = None

    def outcome_of(self, kind: str) -> str | Tree:
        """
        What comes of it in a format.
        """
        if kind == "zip" and self.zip_outcome is not None:
            return self.zip_outcome
        return self.outcome

    def bytes_of(self, kind: str) -> bytes:
        """
        An archive in a format.
        """
        return self.zip() if kind == "zip" else COMPRESSIONS[kind](self.tar())


def both(
    entries: Sequence[Entry], outcome: str | Tree, zip_outcome: str | Tree | None = None
) -> Case:
    """
    The same entries in a tar and in a zip, behind a Procfile.
    """
    return Case(lambda: tar(APP, *entries), lambda: zipped(APP, *entries), outcome, zip_outcome)


PROCFILE = {"Procfile": "-644 web: ./run\n"}
TOO_MANY = "more than 10000000 bytes when unpacked"
BAD_NAME = b"caf\xe9\xff".decode("utf-8", "surrogateescape")

#: By name.  C{/ESC} and C{../ESC} are what nothing may ever be made of.
CASES: dict[str, Case] = {
    "absolute": both([file("/ESC/a")], "entry '/ESC/a' has an absolute name"),
    "dots": both([file("../ESC/a")], "entry '../ESC/a' leads out of the archive"),
    "dots-inside": both([file("a/../b")], "entry 'a/../b' leads out of the archive"),
    "dots-of-folder": both([folder("a/..")], "leads out of the archive"),
    "link-out": both([symlink("l", "../ESC")], "the link 'l' -> '../ESC' leads out"),
    "link-absolute": both([symlink("l", "/ESC")], "the link 'l' -> '/ESC' leads out"),
    "link-then-file": both(
        [symlink("l", "/ESC"), file("l/f")], "entry 'l/f' lies below a link"
    ),
    "link-inside-then-file": both(
        [folder("d"), symlink("l", "d"), file("l/f")], "entry 'l/f' lies below a link"
    ),
    "link-then-file-over-it": both(
        [symlink("l", "../ESC"), file("l")], "two entries have the name 'l'"
    ),
    "link-chain": both(link_chain(), "entry 'a/b' lies below a link"),
    "link-chain-by-names": both(
        [symlink("a/up", ".."), symlink("a/out", "up/../ESC")],
        "the link 'a/out' -> 'up/../ESC' leads out",
    ),
    "path-max": Case(
        lambda: beyond_path_max("/ESC/w"),
        lambda: zipped(*path_max_without_hard_links("/ESC/w")),
        "is too long or too deep",
    ),
    "hard-link-out": Case(
        lambda: tar(APP, hard_link("h", "../../etc/passwd")),
        lambda: zipped(APP, symlink("h", "../../etc/passwd")),
        "entry 'h' is a hard link to '../../etc/passwd'",
        "the link 'h' -> '../../etc/passwd' leads out",
    ),
    "hard-link-to-link-out": Case(
        lambda: tar(APP, symlink("l", "/etc/passwd"), hard_link("h", "l")),
        lambda: zipped(APP, symlink("h", "l"), symlink("l", "/etc/passwd")),
        "entry 'h' is a hard link to 'l', no file of the archive",
        "the link 'l' -> '/etc/passwd' leads out",
    ),
    "character-device": both([Entry("null", "c")], "entry 'null' is a device"),
    "block-device": both([Entry("sda", "b")], "entry 'sda' is a device"),
    "fifo": both([Entry("pipe", "p")], "entry 'pipe' is a device, a FIFO"),
    "no-such-kind": Case(
        lambda: header("a", 0, b"Z") + bytes(1024),
        lambda: zipped(APP, Entry("a", "socket")),
        "entry 'a' is a device, a FIFO or the like",
    ),
    "set-uid": both(
        [file("su", b"x", 0o6755), file("sticky", b"x", 0o1644), folder("d", 0o7777)],
        {**PROCFILE, "su": "-755 x", "sticky": "-644 x", "d": "d755"},
    ),
    "bomb-by-ratio": both([file("z", bytes(11_000_000))], TOO_MANY),
    "bombs": both([file(f"z{n}", bytes(1_000_000)) for n in range(11)], TOO_MANY),
    "bomb-by-long-name": Case(
        lambda: header("@LongLink", 20 << 20, tarfile.GNUTYPE_LONGNAME) + bytes(20 << 20),
        lambda: zipped(APP, file("n" * 65_000)),
        "too many bytes when unpacked",
        "is too long or too deep",
    ),
    "bomb-by-pax": Case(
        lambda: header("x", 20 << 20, tarfile.XHDTYPE) + bytes(20 << 20),
        lambda: zip_of(APP, extra=b"\xff\xff\xf0\xff" + bytes(0xFFF0)),
        "too many bytes when unpacked",
        PROCFILE,
    ),
    "bomb-by-count": both([file(f"f{n}", b"") for n in range(500)], "more than 500 entries"),
    "bomb-by-folders": both(
        [file(f"{n}/" + "d/" * 90 + "f") for n in range(10)], "more than 500 entries"
    ),
    "bomb-by-nothing": Case(
        lambda: sparse(1 << 40),
        lambda: forged(zipped(APP), "Procfile", size=1 << 31),
        TOO_MANY,
        "entry 'Procfile' is not as long as it says",
    ),
    "bomb-by-gnu": Case(
        lambda: sparse_of_gnu("a", 1 << 40, (0, b"x")) + bytes(1024),
        lambda: zip64(1 << 63),
        TOO_MANY,
        "entry 'Procfile' is not as long as it says",
    ),
    "overlap": Case(
        lambda: header("a", 5000) + tar(file("b"))[:2048],
        lambda: overlapping_zip(200, 1 << 20),
        "damaged archive: entry 'a': unexpected end of data",
        "overlaps another",
    ),
    "encrypted": Case(
        lambda: b"Salted__" + bytes(range(256)) * 40,
        lambda: forged(zipped(APP), "Procfile", flags=1),
        "not an archive: neither tar nor zip",
        "entry 'Procfile' is encrypted",
    ),
    "encrypted-names": Case(
        lambda: b"age-encryption.org/v1\n-> X25519 x\n" + bytes(range(256)) * 40,
        lambda: forged(zipped(APP), "Procfile", flags=0x2000),
        "not an archive: neither tar nor zip",
        "entry 'Procfile' is encrypted",
    ),
    "duplicate": Case(
        lambda: tar(APP, file("aaa"), file("aaa", b"y")),
        twice_zipped,
        "two entries have the name 'aaa'",
    ),
    "duplicate-by-dots": both([file("a/b"), file("./a//b")], "two entries have the name 'a/b'"),
    "file-as-folder": both([file("a"), file("a/b")], "is the name of two things"),
    "case-clash": both(
        [file("procfile", b"y"), folder("D"), file("d/x"), file("D/x", b"y")],
        {
            **PROCFILE,
            "procfile": "-644 y",
            "D": "d755",
            "D/x": "-644 y",
            "d": "d755",
            "d/x": "-644 x",
        },
    ),
    "no-utf-8": Case(
        lambda: tar(APP, file(BAD_NAME), format=tarfile.GNU_FORMAT),
        lambda: zipped(APP, file("cafXY")).replace(b"cafXY", b"caf\xe9\xff"),
        {**PROCFILE, BAD_NAME: "-644 x"},
    ),
    "no-utf-8-though-it-says-so": Case(
        lambda: with_pax(tar(file("a")), {"path": b"caf\xe9\xff"}),
        lambda: zipped(APP, file("caf\u00e9")).replace(b"caf\xc3\xa9", b"caf\xe9\xff"),
        {BAD_NAME: "-644 x"},
        "damaged archive",
    ),
    "backslash": both(
        [file("..\\ESC\\w")],
        {**PROCFILE, "..\\ESC\\w": "-644 x"},
        "the name of entry '..\\\\ESC\\\\w' has a backslash",
    ),
    "newline": both(
        [file("a\nb\x1b[31m"), file("-rf")],
        {**PROCFILE, "a\nb\x1b[31m": "-644 x", "-rf": "-644 x"},
    ),
    "nul": Case(
        lambda: with_pax(tar(file("a")), {"path": b"a\0/../../ESC"}),
        lambda: zipped(APP, file("aXb")).replace(b"aXb", b"a\0b"),
        "has a NUL character",
    ),
    "long-name": both([file("n" * 256)], "is too long or too deep"),
    "long-path": both([file("/".join(["n" * 200] * 11))], "is too long or too deep"),
    "deep": both([file("d/" * 100 + "f")], "is too long or too deep"),
    "archive-in-it": Case(
        lambda: tar(APP, file("a.tar", tar(file("../ESC")))),
        lambda: zipped(APP, file("a.tar", tar(file("../ESC")))),
        {**PROCFILE, "a.tar": "-644 ../ESC" + "\0" * 14},
    ),
    "name-in-it": both([file("a.tar/../ESC")], "entry 'a.tar/../ESC' leads out"),
    "sparse": Case(
        lambda: sparse_of_gnu("a", 9, (2, b"xy"), (6, b"z")) + bytes(1024),
        lambda: zipped(file("a", b"\0\0xy\0\0z\0\0")),
        {"a": "-644 \0\0xy\0\0z\0\0"},
    ),
    "sparse-backwards": Case(
        lambda: sparse_of_gnu("a", 9, (6, b"xy"), (2, b"z")) + bytes(1024),
        lambda: zip64(11, 1 << 62),
        "damaged archive: the parts of entry 'a' overlap",
        "damaged archive",
    ),
    "sparse-beyond": Case(
        lambda: sparse_of_gnu("a", 9, (6, b"four")) + bytes(1024),
        lambda: zip64(1, 2),
        "damaged archive: entry 'a' is longer than it says",
        "damaged archive",
    ),
    "other-name": Case(
        lambda: with_pax(tar(file("a")), {"path": b"../ESC"}),
        lambda: zipped(APP, file("harmless")).replace(b"harmless", b"../ESC/x", 1),
        "entry '../ESC' leads out",
        "damaged archive: File name in directory 'harmless'",
    ),
    "other-target": Case(
        lambda: with_pax(tar(symlink("l", "a")), {"linkpath": b"/ESC"}),
        lambda: zipped(APP, symlink("l", "a\0/../../ESC")),
        "the link 'l' -> '/ESC' leads out",
        "the link 'l' has no usable target",
    ),
    "longer-than-it-is": Case(
        lambda: with_pax(tar(file("a")), {"size": b"1000000"}),
        lambda: forged(zipped(file("aaa", bytes(9999))), "aaa", size=10_000),
        "damaged archive: entry 'a': unexpected end of data",
        "damaged archive: entry 'aaa' is not as long as it says",
    ),
    "shorter-than-it-is": Case(
        lambda: with_pax(tar(file("a", b"x" * 600)), {"size": b"100"}),
        lambda: forged(zipped(file("aaa", bytes(9999))), "aaa", size=10),
        "damaged archive",
        "damaged archive: Bad CRC-32 for file 'aaa'",
    ),
    "shorter-than-nothing": Case(
        lambda: below_zero("a") + bytes(1024),
        lambda: forged(zipped(APP), "Procfile", packed=0xFFFFFFFE),
        "damaged archive: entry 'a' has no size",
        "overlaps another",
    ),
    "shorter-than-nothing-by-pax": Case(
        lambda: with_pax(tar(file("a")), {"size": b"-512"}),
        lambda: zip64(0),
        "damaged archive",
        "damaged archive",
    ),
    "link-with-size": Case(
        lambda: sized_link() + tar(APP),
        lambda: zipped(APP, symlink("l", "x" * 1025)),
        {**PROCFILE, "l": "l Procfile"},
        "the link 'l' has no usable target",
    ),
    "unknown-method": Case(
        lambda: header("a", 0, tarfile.CONTTYPE) + bytes(1024),
        lambda: forged(zipped(APP), "Procfile", method=99),
        {"a": "-644 "},
        "entry 'Procfile' can't be read: ",
    ),
    "many-headers": Case(
        lambda: many_pax_headers(3000),
        lambda: zip_of(APP, comment=b"PK\5\6" + bytes(18)),
        "damaged archive",
        "an empty archive",
    ),
}


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10]


def _wrong(kind: str) -> bytes:
    """
    An archive with a wrong checksum, or what comes nearest to it.
    """
    noise = bytes(at * at % 251 for at in range(5000))
    if kind == "zip":
        return flipped(zipped(APP, file("a", noise), compression=zipfile.ZIP_STORED), 200)
    plain = tar(APP, file("a", noise))
    if kind == "tar":
        return flipped(plain, 1024)
    if kind == "xz":
        return flipped(lzma.compress(plain, check=lzma.CHECK_CRC32, preset=0), -40)
    at = {"gz": -6, "bz2": 12, "zst": 6}[kind]
    return flipped(COMPRESSIONS[kind](plain), at)


#: By name: what is made of a good archive in a format, and a word of why it is refused.
DAMAGES: dict[str, tuple[Callable[[bytes, str], bytes], str]] = {
    "wrong-checksum": (lambda data, kind: _wrong(kind), "damaged archive"),
    "cut": (lambda data, kind: _cut(data), "damaged archive"),
    "cut-by-a-byte": (lambda data, kind: data.rstrip(b"\0")[:-1], "damaged archive"),
    "garbage-behind": (lambda data, kind: data + b"junk" * 100, "damaged archive"),
    "another-behind": (lambda data, kind: data + data, "damaged archive"),
    "another-kind-behind": (
        lambda data, kind: data + (tar(APP) if kind == "zip" else zipped(APP)),
        "damaged archive",
    ),
}


def good(kind: str) -> bytes:
    """
    An archive of some size that does not compress.
    """
    noise = b"".join(hashlib.sha256(b"%d" % at).digest() for at in range(200))
    entries = (APP, file("a", noise))
    return zipped(*entries) if kind == "zip" else COMPRESSIONS[kind](tar(*entries))
