"""
Archives: good, odd and hostile ones.
"""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable

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
    "socket": stat.S_IFSOCK,
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


def zip_info(entry: Entry) -> zipfile.ZipInfo:
    """
    What a zip says of an entry.
    """
    info = zipfile.ZipInfo(entry.name + "/" if entry.kind == "d" else entry.name)
    info.external_attr = (_MODES[entry.kind] | entry.mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def zipped(*entries: Entry, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """
    A zip.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for entry in entries:
            info = zip_info(entry)
            info.compress_type = compression
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of two entries with one name
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


def flipped(data: bytes, at: int) -> bytes:
    """
    C{data} with one bit changed.
    """
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def twice_zipped() -> bytes:
    """
    A zip with two entries of one name.
    """
    return zipped(file("aaa"), file("bbb", b"y")).replace(b"bbb", b"aaa")


def of_app(files: Iterable[Entry] = (), top: str = "") -> bytes:
    """
    An archive of an app, in the one folder C{top} if that is given.
    """
    return tgz(*(Entry(top + e.name, e.kind, e.data, e.mode) for e in (APP, *files)))
