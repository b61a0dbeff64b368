"""
Archives: good, odd and hostile ones.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable

from attrs import frozen

PROCFILE = b"web: ./run\n"


@frozen
class Entry:
    """
    An entry of an archive.

    @ivar kind: C{f} a file, C{d} a folder, C{s} a symbolic link, C{h} a hard link, C{c}
        a character device, C{b} a block device, C{p} a FIFO.
    @ivar data: The bytes of a file, the target of a link.
    """

    name: str
    kind: str = "f"
    data: bytes = b""
    mode: int = 0o644


_TYPES = {
    "f": tarfile.REGTYPE,
    "d": tarfile.DIRTYPE,
    "s": tarfile.SYMTYPE,
    "h": tarfile.LNKTYPE,
    "c": tarfile.CHRTYPE,
    "b": tarfile.BLKTYPE,
    "p": tarfile.FIFOTYPE,
}
_MODES = {
    "f": stat.S_IFREG,
    "d": stat.S_IFDIR,
    "s": stat.S_IFLNK,
    "c": stat.S_IFCHR,
    "b": stat.S_IFBLK,
    "p": stat.S_IFIFO,
}

APP = Entry("Procfile", data=PROCFILE)


def file(name: str, data: bytes = b"x", mode: int = 0o644) -> Entry:
    """
    A file.
    """
    return Entry(name, "f", data, mode)


def folder(name: str, mode: int = 0o755) -> Entry:
    """
    A folder.
    """
    return Entry(name, "d", mode=mode)


def symlink(name: str, target: str) -> Entry:
    """
    A symbolic link.
    """
    return Entry(name, "s", target.encode("utf-8", "surrogateescape"), 0o777)


def hard_link(name: str, target: str) -> Entry:
    """
    A hard link.
    """
    return Entry(name, "h", target.encode("utf-8", "surrogateescape"))


def tar(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """
    A plain tar.
    """
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=format) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type = _TYPES[entry.kind]
            info.mode = entry.mode
            if entry.kind == "f":
                info.size = len(entry.data)
                archive.addfile(info, io.BytesIO(entry.data))
            else:
                info.linkname = entry.data.decode("utf-8", "surrogateescape")
                archive.addfile(info)
    return written.getvalue()


def tgz(*entries: Entry) -> bytes:
    """
    A tar, compressed with gzip.
    """
    return gzip.compress(tar(*entries), 1)


def old_tar(name: str, data: bytes) -> bytes:
    """
    A tar from before POSIX: its header has no magic.
    """
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT)[:512])
    block[124:136] = b"%011o\0" % len(data)
    block[257:512] = bytes(255)
    return _checked(block) + data.ljust(512, b"\0") + bytes(1024)


def _checked(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def zipped(*entries: Entry, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """
    A zip.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for entry in entries:
            name = entry.name + "/" if entry.kind == "d" else entry.name
            info = zipfile.ZipInfo(name)
            info.external_attr = (_MODES[entry.kind] | entry.mode) << 16
            info.compress_type = compression
            archive.writestr(info, entry.data)
    return written.getvalue()


def encrypted_zip() -> bytes:
    """
    A zip that says that it is encrypted.
    """
    data = bytearray(zipped(APP))
    data[6] |= 1
    data[data.find(b"PK\1\2") + 8] |= 1
    return bytes(data)


def overlapping_zip(count: int, size: int) -> bytes:
    """
    A zip whose C{count} entries all are the same C{size} bytes.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = deflate.compress(bytes(size)) + deflate.flush()
    crc = zlib.crc32(bytes(size))
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(raw), size, 1, 0)
    local += b"a" + raw
    central = b""
    for number in range(count):
        name = b"f%d" % number
        central += struct.pack(
            *("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, crc, len(raw), size),
            *(len(name), 0, 0, 0, 0, 0, 0),
        )
        central += name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(central), len(local), 0)
    return local + central + end


def gzip_of(head: bytes, zeros: int) -> bytes:
    """
    C{head} and so many zeros, compressed with gzip: small, whatever it becomes.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [deflate.compress(head)]
    block = bytes(1 << 20)
    pieces += [deflate.compress(block) for _ in range(zeros >> 20)]
    return b"".join([*pieces, deflate.flush()])


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """
    The header of an entry of C{size} bytes.
    """
    info = tarfile.TarInfo(name)
    info.size = size
    info.type = kind
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse(size: int) -> bytes:
    """
    A tar with a sparse file of C{size} bytes, of which none is in it.
    """
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "sparse",
        "GNU.sparse.size": str(size),
        "GNU.sparse.numblocks": "1",
        "GNU.sparse.map": "0,0",
    }
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    return written.getvalue()


def beyond_path_max(outside: str) -> bytes:
    """
    A tar in the manner of CVE-2025-4517: links through folders whose full path is
    longer than PATH_MAX, where realpath(3) gives up, lead outside.
    """
    step = "d" * 247
    entries = [APP]
    path = ""
    for letter in "abcdefghijklmnop":
        entries.append(folder(f"{path}{step}"))
        entries.append(symlink(f"{path}{letter}", step))
        path += f"{step}/"
    short = "/".join("abcdefghijklmnop")
    entries.append(symlink(f"{short}/{'l' * 254}", "../" * 16))
    entries.append(symlink("escape", f"{short}/{'l' * 254}/../../..{outside}"))
    entries.append(hard_link("open", "escape"))
    entries.append(file("open", b"written"))
    return tar(*entries)


def many_pax_headers(count: int) -> bytes:
    """
    A tar of extended headers that say nothing, one about the other.
    """
    record = b"6 a=b\n"
    block = header("x", len(record), tarfile.XHDTYPE) + record.ljust(512, b"\0")
    return block * count + tar(APP)


def _flipped(data: bytes, at: int) -> bytes:
    """
    C{data} with one bit changed.
    """
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def _twice_zipped() -> bytes:
    """
    A zip with two entries of one name.
    """
    return zipped(file("aaa"), file("bbb", b"y")).replace(b"bbb", b"aaa")


#: Archives that are unpacked, and what comes of them.
GOOD: dict[str, Callable[[], bytes]] = {
    "plain.tar": lambda: tar(APP),
    "gz": lambda: tgz(APP),
    "bz2": lambda: bz2.compress(tar(APP)),
    "xz": lambda: lzma.compress(tar(APP)),
    "two-gz-members": lambda: gzip.compress(tar(APP)[:512]) + gzip.compress(tar(APP)[512:]),
    "ustar": lambda: tar(APP, format=tarfile.USTAR_FORMAT),
    "gnu": lambda: tar(APP, format=tarfile.GNU_FORMAT),
    "before-posix": lambda: old_tar("Procfile", PROCFILE),
    "dots": lambda: tar(folder("./"), file("./Procfile", PROCFILE), file(".//a//b")),
    "padded": lambda: tar(APP) + bytes(10240),
    "zip": lambda: zipped(APP),
    "stored-zip": lambda: zipped(APP, compression=zipfile.ZIP_STORED),
    "bzip2-zip": lambda: zipped(APP, compression=zipfile.ZIP_BZIP2),
    "lzma-zip": lambda: zipped(APP, compression=zipfile.ZIP_LZMA),
    "case-clash": lambda: tar(APP, file("procfile"), folder("D"), folder("d")),
    "long-names": lambda: tar(APP, file("/".join(["n" * 255] * 8))),
    "deep": lambda: tar(APP, file("/".join(["d"] * 99) + "/f")),
    "sparse": lambda: tar(APP)[:1024] + sparse(100_000),
    "pax-headers": lambda: many_pax_headers(20),
}

#: Archives that are refused, and a word of why.
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not an archive: it is empty"),
    "html": (
        lambda: b"\n <!DOCTYPE html><html><body>Not found</body></html>" * 20,
        "not an archive: it looks like an HTML page",
    ),
    "html-fragment": (lambda: b"<html>404</html>", "it looks like an HTML page"),
    "text": (lambda: b"Not found\n", "not an archive: neither tar nor zip"),
    "zeros": (lambda: bytes(10240), "an empty archive"),
    "empty-tar": (tar, "an empty archive"),
    "empty-tgz": (tgz, "an empty archive"),
    "empty-zip": (zipped, "an empty archive"),
    "gz-of-nothing": (lambda: gzip.compress(b""), "it is empty inside its compression"),
    "gz-of-text": (
        lambda: gzip.compress(b"hello" * 1000),
        "neither tar nor zip inside its compression",
    ),
    "gz-of-html": (lambda: gzip.compress(b"<html>404</html>"), "looks like an HTML page"),
    "gz-of-zip": (lambda: gzip.compress(zipped(APP)), "neither tar nor zip inside"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd" + bytes(100), ""),
    "cut-gz": (lambda: tgz(APP)[:60], "damaged archive"),
    "cut-bz2": (lambda: bz2.compress(tar(APP))[:60], "damaged archive"),
    "cut-xz": (lambda: lzma.compress(tar(APP))[:60], "damaged archive"),
    "cut-zip": (lambda: zipped(APP, file("a"))[:-30], "damaged archive"),
    "cut-in-data": (lambda: tar(APP, file("a", bytes(5000)))[:2000], "damaged archive"),
    "cut-in-header": (lambda: tar(APP, file("a"))[:1200], "damaged archive"),
    "cut-before-end": (lambda: tar(APP)[:1024], "it is cut off"),
    "gz-checksum": (lambda: tgz(APP)[:-8] + bytes(8), "damaged archive"),
    "xz-checksum": (
        lambda: _flipped(lzma.compress(tar(APP), check=lzma.CHECK_CRC32), -30),
        "damaged archive",
    ),
    "zip-checksum": (
        lambda: _flipped(zipped(APP, compression=zipfile.ZIP_STORED), 40),
        "damaged archive",
    ),
    "header-checksum": (lambda: _flipped(tar(APP, file("a")), 1024), "damaged archive"),
    "trailing-garbage": (lambda: tgz(APP) + b"junk" * 100, "damaged archive"),
    "dots": (lambda: tar(APP, file("../ESC/a")), "'../ESC/a' leads out of the archive"),
    "dots-inside": (lambda: tar(APP, file("a/../b")), "leads out of the archive"),
    "absolute": (lambda: tar(APP, file("/ESC/a")), "'/ESC/a' has an absolute name"),
    "no-name": (lambda: tar(APP, file("./.")), "has no name"),
    "below-link": (
        lambda: tar(APP, folder("d"), symlink("l", "d"), file("l/f")),
        "'l/f' lies below a link",
    ),
    "below-later-link": (
        lambda: tar(APP, file("l/f"), symlink("l", "d")),
        "'l' is the name of two things",
    ),
    "below-absolute-link": (
        lambda: tar(APP, symlink("l", "/tmp"), file("l/f")),
        "'l/f' lies below a link",
    ),
    "below-file": (lambda: tar(APP, file("a"), file("a/b")), "two things"),
    "folder-over-file": (lambda: tar(APP, file("a"), folder("a")), "two entries"),
    "file-over-folder": (lambda: tar(APP, file("a/b"), file("a")), "two things"),
    "twice": (lambda: tar(APP, file("a"), file("./a")), "two entries have the name 'a'"),
    "folder-twice": (lambda: tar(APP, folder("a"), folder("a/")), "two entries"),
    "link-twice": (lambda: tar(APP, symlink("a", "b"), symlink("a", "c")), "two entries"),
    "file-over-link": (lambda: tar(APP, symlink("a", "b"), file("a")), "two entries"),
    "absolute-link": (
        lambda: tar(APP, symlink("l", "/etc/passwd")),
        "'l' -> '/etc/passwd' leads out",
    ),
    "leaving-link": (lambda: tar(APP, symlink("d/l", "../../x")), "leads out"),
    "link-to-parent": (lambda: tar(APP, symlink("l", "..")), "leads out"),
    "leaving-by-name": (
        lambda: tar(APP, folder("a/b/c"), symlink("l", "a/b/c"), symlink("m", "l/../../x")),
        "'m' -> 'l/../../x' leads out",
    ),
    "leaving-by-links": (
        lambda: tar(APP, symlink("a/up", ".."), symlink("a/out", "up/../x")),
        "'a/out' -> 'up/../x' leads out",
    ),
    "Procfile-link": (
        lambda: tar(symlink("Procfile", "/etc/passwd")),
        "'Procfile' -> '/etc/passwd' leads out",
    ),
    "empty-link": (lambda: zipped(APP, symlink("l", "")), "'l' has no usable target"),
    "nul-link": (lambda: zipped(APP, symlink("l", "a\0b")), "'l' has no usable target"),
    "long-link": (lambda: tar(APP, symlink("l", "x/" * 600)), "'l' has no usable target"),
    "hard-link-out": (
        lambda: tar(APP, hard_link("h", "../../etc/passwd")),
        "'h' is a hard link to '../../etc/passwd'",
    ),
    "hard-link-absolute": (
        lambda: tar(APP, hard_link("h", "/etc/passwd")),
        "'h' is a hard link to '/etc/passwd'",
    ),
    "hard-link-to-link": (
        lambda: tar(APP, symlink("l", "Procfile"), hard_link("h", "l")),
        "'h' is a hard link to 'l'",
    ),
    "hard-link-to-folder": (
        lambda: tar(APP, folder("d"), hard_link("h", "d")),
        "'h' is a hard link to 'd'",
    ),
    "hard-link-to-later": (
        lambda: tar(APP, hard_link("h", "f"), file("f")),
        "'h' is a hard link to 'f'",
    ),
    "hard-link-to-itself": (lambda: tar(APP, hard_link("Procfile", "Procfile")), "two entries"),
    "character-device": (lambda: tar(APP, Entry("null", "c")), "'null' is a device"),
    "block-device": (lambda: tar(APP, Entry("sda", "b")), "'sda' is a device"),
    "fifo": (lambda: tar(APP, Entry("fifo", "p")), "'fifo' is a device, a FIFO"),
    "long-name": (lambda: tar(APP, file("n" * 256)), "too long"),
    "long-path": (lambda: tar(APP, file("/".join(["n" * 200] * 11))), "too long"),
    "too-deep": (lambda: tar(APP, file("d/" * 100 + "f")), "too deep"),
    "Procfile-folder": (lambda: tar(folder("Procfile")), "Procfile is not a file"),
    "large-Procfile": (
        lambda: tar(file("Procfile", bytes((1 << 20) + 1))),
        "Procfile is larger than 1048576 bytes",
    ),
    "large-.env": (lambda: tar(APP, file(".env", bytes((1 << 20) + 1))), ".env is larger"),
    "path-max": (lambda: beyond_path_max("/ESC/w"), ""),
    "zip-dots": (lambda: zipped(APP, file("../ESC/z")), "'../ESC/z' leads out"),
    "zip-absolute": (lambda: zipped(APP, file("/ESC/z")), "absolute name"),
    "zip-backslash": (lambda: zipped(APP, file("..\\ESC\\w")), "has a backslash"),
    "zip-nul": (
        lambda: zipped(APP, file("aXb")).replace(b"aXb", b"a\0b"),
        "has a NUL character",
    ),
    "zip-device": (lambda: zipped(APP, Entry("n", "c")), "'n' is a device"),
    "zip-link": (lambda: zipped(APP, symlink("l", "/etc")), "'l' -> '/etc' leads out"),
    "zip-below-link": (
        lambda: zipped(APP, symlink("l", "/tmp"), file("l/q")),
        "'l/q' lies below a link",
    ),
    "zip-twice": (_twice_zipped, "two entries have the name 'aaa'"),
    "zip-encrypted": (encrypted_zip, "'Procfile' is encrypted"),
    "zip-overlap": (lambda: overlapping_zip(200, 1 << 20), "overlaps another"),
    "zip-other-name": (
        lambda: zipped(APP).replace(b"Procfile", b"Profcile", 1),
        "damaged archive",
    ),
    # Too large for the bounds that the tests set: 10 MB, 500 entries, 150 MiB.
    "bomb": (
        lambda: gzip_of(header("zeros", 100 << 20), 101 << 20),
        "more than 10000000 bytes when unpacked",
    ),
    "small-bombs": (
        lambda: tgz(APP, *(file(f"z{n}", bytes(1_000_000)) for n in range(11))),
        "more than 10000000 bytes when unpacked",
    ),
    "zip-bomb": (lambda: zipped(APP, file("z", bytes(11_000_000))), "more than 10000000 bytes"),
    "sparse-bomb": (lambda: sparse(1 << 40), "more than 10000000 bytes when unpacked"),
    "long-name-bomb": (
        lambda: gzip_of(header("@LongLink", 200 << 20, tarfile.GNUTYPE_LONGNAME), 200 << 20),
        "",
    ),
    "pax-bomb": (
        lambda: gzip_of(header("x", 200 << 20, tarfile.XHDTYPE), 200 << 20),
        "",
    ),
    "padding-bomb": (
        lambda: gzip.compress(tar(APP)) + gzip_of(b"", 100 << 20),
        "too many bytes",
    ),
    "pax-chain": (lambda: gzip.compress(many_pax_headers(3000)), "damaged archive"),
    "entries": (
        lambda: tgz(*(folder(f"d{n}") for n in range(501))),
        "more than 500 entries",
    ),
    "implied-entries": (
        lambda: tgz(*(file(f"{n}/" + "d/" * 90 + "f") for n in range(10))),
        "more than 500 entries",
    ),
    "zip-entries": (
        lambda: zipped(*(file(f"f{n}", b"") for n in range(501))),
        "more than 500 entries",
    ),
}


def of_app(files: Iterable[Entry] = (), top: str = "") -> bytes:
    """
    An archive of an app, in the one folder C{top} if that is given.
    """
    return tgz(*(Entry(top + e.name, e.kind, e.data, e.mode) for e in (APP, *files)))
