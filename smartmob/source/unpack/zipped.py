"""
Zip archives.
"""

from __future__ import annotations

import os
import stat
import zipfile
from typing import IO

from smartmob.source.unpack.destination import Destination, Refused, parts_of, shown

# The general purpose bits of APPNOTE 4.4.4.
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_UTF_8 = 0x0800
_LOCAL_HEADER = 30
_END, _END_RECORD = b"PK\5\6", 22
_MAX_TARGET = 1024


def unpack(source: IO[bytes], destination: Destination) -> None:
    """
    Unpack a zip; the checksum of each entry is checked.
    """
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
        if not entries:
            raise Refused("an empty archive")
        destination.check_entries(len(entries))
        _refuse_surroundings(archive, source)
        _refuse_overlaps(archive, entries)
        for entry in entries:
            _unpack_entry(archive, entry, destination)


def _unpack_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, destination: Destination
) -> None:
    """
    Make what an entry says.
    """
    name = _name_of(entry)
    parts = parts_of(name)
    if "\\" in name:
        raise Refused(f"the name of entry {shown(name)} has a backslash")
    if entry.flag_bits & _ENCRYPTED:
        raise Refused(f"entry {shown(name)} is encrypted")
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if name.endswith("/") or kind == stat.S_IFDIR:
        destination.folder(parts)
        return
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise Refused(f"entry {shown(name)} is a device, a FIFO or the like")
    try:
        content = archive.open(entry)
    except NotImplementedError as error:
        raise Refused(f"entry {shown(name)} can't be read: {error}") from None
    with content:
        if kind == stat.S_IFLNK:
            if entry.file_size > _MAX_TARGET:
                raise Refused(f"the link {shown(name)} has no usable target")
            target = content.read(_MAX_TARGET + 1)
            destination.symlink(parts, os.fsdecode(target))
            size = len(target)
        else:
            size = destination.file(parts, content, executable=bool(mode & 0o111))
        if size != entry.file_size:
            raise Refused(f"damaged archive: entry {shown(name)} is not as long as it says")


def _name_of(entry: zipfile.ZipInfo) -> str:
    """
    The name as the bytes that stand in the archive: C{zipfile} decodes what is not
    marked as UTF-8 as a DOS code page, and cuts names at a NUL.
    """
    name = entry.orig_filename
    if entry.flag_bits & _UTF_8:
        return name
    return os.fsdecode(name.encode("cp437"))


def _refuse_surroundings(archive: zipfile.ZipFile, source: IO[bytes]) -> None:
    """
    Refuse what lies before the first entry or behind the end: C{zipfile} looks for the end
    from behind, where others begin at the start, and might see another archive.
    """
    if min(entry.header_offset for entry in archive.infolist()):
        raise Refused("damaged archive: something lies before its first entry")
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - len(archive.comment) - _END_RECORD))
    record = source.read()
    if not record.startswith(_END) or record[20:22] != len(archive.comment).to_bytes(
        2, "little"
    ):
        raise Refused("damaged archive: something follows its end")


def _refuse_overlaps(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """
    Refuse entries that share their bytes: that is how a small zip gets very large
    (D. Fifield, "A better zip bomb", 2019).
    """
    end = archive.start_dir
    for entry in sorted(entries, key=lambda entry: entry.header_offset, reverse=True):
        name = entry.orig_filename
        least = _LOCAL_HEADER + len(name) + entry.compress_size
        if entry.header_offset + least > end:
            raise Refused(f"entry {shown(name)} overlaps another")
        end = entry.header_offset
