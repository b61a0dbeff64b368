"""
Archives that say of themselves what is not so.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping

from tests.support.archives import APP, Entry, file, folder, header, symlink, zip_info

#: Where fields lie, how they are written: in an entry's own header and in the directory.
_FIELDS = {
    "flags": (6, 8, "<H"),
    "method": (8, 10, "<H"),
    "crc": (14, 16, "<I"),
    "packed": (18, 20, "<I"),
    "size": (22, 24, "<I"),
}


def zip_of(*entries: Entry, extra: bytes = b"", comment: bytes = b"") -> bytes:
    """
    A zip.

    @param extra: The extra field of each entry.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            info = zip_info(entry)
            info.extra = extra
            archive.writestr(info, entry.data)
        archive.comment = comment
    return written.getvalue()


def forged(data: bytes, name: str, **fields: int) -> bytes:
    """
    A zip, one entry of which says something else of itself, in both places.
    """
    changed = bytearray(data)
    raw = name.encode()
    own = data.index(raw) - 30
    listed = data.rindex(raw, 0, data.rindex(b"PK\5\6")) - 46
    for field, value in fields.items():
        in_own, in_directory, layout = _FIELDS[field]
        struct.pack_into(layout, changed, own + in_own, value)
        struct.pack_into(layout, changed, listed + in_directory, value)
    return bytes(changed)


def zip64(size: int, offset: int | None = None) -> bytes:
    """
    A zip whose one entry has a size, and an offset, of 64 bits.
    """
    numbers = [size] if offset is None else [size, offset]
    extra = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
    changed = bytearray(zip_of(APP, extra=extra))
    listed = changed.rindex(b"PK\1\2")
    struct.pack_into("<I", changed, listed + 24, 0xFFFFFFFF)
    if offset is not None:
        struct.pack_into("<I", changed, listed + 42, 0xFFFFFFFF)
    return bytes(changed)


def with_pax(rest: bytes, headers: Mapping[str, bytes]) -> bytes:
    """
    A tar whose first entry has an extended header.
    """
    records = b"".join(_record(key.encode(), value) for key, value in headers.items())
    padded = records.ljust(-(-len(records) // 512) * 512, b"\0")
    return header("x", len(records), tarfile.XHDTYPE) + padded + rest


def _record(key: bytes, value: bytes) -> bytes:
    """
    A record, which begins with its own length (pax(1)).
    """
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + 1
    while len(b"%d" % size) + len(rest) != size:
        size += 1
    return b"%d" % size + rest


def sparse_of_gnu(name: str, size: int, *parts: tuple[int, bytes]) -> bytes:
    """
    A sparse file as GNU tar wrote them at first: what there is of it, with where it lies.
    """
    data = b"".join(part for _, part in parts)
    block = bytearray(header(name, len(data), tarfile.GNUTYPE_SPARSE))
    for number, (offset, part) in enumerate(parts):
        struct.pack_into("12s12s", block, 386 + 24 * number, _octal(offset), _octal(len(part)))
    block[483:495] = _octal(size)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data.ljust(-(-len(data) // 512) * 512, b"\0")


def _octal(number: int) -> bytes:
    return b"%011o\0" % number if number < 8**11 else b"\x80" + number.to_bytes(11, "big")


def below_zero(name: str) -> bytes:
    """
    A header of an entry whose size is below zero.
    """
    block = bytearray(header(name, 0))
    block[124:136] = b"\xff" * 10 + b"\xfe\x00"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def sized_link() -> bytes:
    """
    The header of a link that says that bytes follow.
    """
    info = tarfile.TarInfo("l")
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "Procfile", 512
    return info.tobuf(tarfile.GNU_FORMAT)


def xz_dictionary(data: bytes, code: int) -> bytes:
    """
    An xz stream that says that it needs a dictionary of some size.

    @param code: 40 is 4 GiB (The .xz File Format, 5.3.1).
    """
    changed = bytearray(lzma.compress(data, preset=0))
    length = (changed[12] + 1) * 4
    changed[16] = code
    crc = zlib.crc32(changed[12 : 12 + length - 4])
    struct.pack_into("<I", changed, 12 + length - 4, crc)
    return bytes(changed)


def link_chain() -> list[Entry]:
    """
    Links of which each is harmless without the others.
    """
    return [symlink("a", "."), symlink("a/b", ".."), file("b/ESC/e")]


def path_max_without_hard_links(outside: str) -> list[Entry]:
    """
    What L{beyond_path_max<tests.support.archives.beyond_path_max>} has, as far as a zip can
    have it.
    """
    step = "d" * 247
    entries = [APP]
    path = ""
    for letter in "abcdefghijklmnop":
        entries += [folder(f"{path}{step}"), symlink(f"{path}{letter}", step)]
        path += f"{step}/"
    short = "/".join("abcdefghijklmnop")
    entries.append(symlink(f"{short}/{'l' * 254}", "../" * 16))
    entries.append(symlink("escape", f"{short}/{'l' * 254}/../../..{outside}"))
    return [*entries, file("escape", b"written")]
