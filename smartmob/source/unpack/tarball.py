"""
Tar archives, plain or compressed.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from typing import Self

from smartmob.source.unpack.destination import (
    Destination,
    Parts,
    Readable,
    Refused,
    parts_of,
    shown,
)

BLOCK = 512
_CHUNK = 1 << 20

_HEADER_ERROR = tarfile.HeaderError
# Kinds of it that typeshed does not know.
_END_MARK: type[tarfile.HeaderError] = tarfile.EOFHeaderError  # type: ignore[attr-defined]
_MISSING: type[tarfile.HeaderError] = tarfile.EmptyHeaderError  # type: ignore[attr-defined]


class Bounded:
    """
    A stream that may give so many bytes, and then is refused.

    What a tar has beside its files is bounded by this: headers, padding, names.
    """

    def __init__(self, source: Readable, left: int, begin: bytes = b"") -> None:
        """
        @param begin: What was read of it before.
        """
        self._source = source
        self._left = left
        self._begin = begin

    def read(self, size: int = -1, /) -> bytes:
        """
        Up to C{size} bytes, and never more than 1 MiB: a name in a header may claim
        to be of any length.
        """
        count = min(size, _CHUNK) if size >= 0 else _CHUNK
        data, self._begin = self._begin[:count], self._begin[count:]
        data = data or self._source.read(count)
        self._left -= len(data)
        if self._left < 0:
            raise Refused("too many bytes when unpacked")
        return data


class Member(tarfile.TarInfo):
    """
    An entry, read strictly: C{tarfile} takes a damaged or missing header for the
    archive's end, and goes backwards for a size below zero, for ever (CVE-2025-8194).
    """

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        """
        The next entry.
        """
        try:
            return super().fromtarfile(tarfile)
        except _END_MARK:
            raise
        except _MISSING:
            raise Refused("damaged archive: it is cut off, its end mark is missing") from None
        except _HEADER_ERROR as error:
            raise Refused(f"damaged archive: {error}") from None

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """
        What a header says.
        """
        entry = super().frombuf(buf, encoding, errors)
        if entry.size < 0:
            raise Refused(f"damaged archive: entry {shown(entry.name)} has no size")
        return entry


def is_header(block: bytes) -> bool:
    """
    Whether a block of 512 bytes is a tar header: by its checksum, since archives
    older than POSIX have no magic.
    """
    if len(block) < BLOCK or not block.strip(b"\0"):
        return False
    try:
        said = int(block[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    rest = block[:148] + b" " * 8 + block[156:BLOCK]
    return said in (sum(rest), sum(byte - 256 if byte > 127 else byte for byte in rest))


def unpack(source: Readable, destination: Destination, begin: bytes = b"") -> None:
    """
    Unpack a tar, to the end of C{source}, so that its checksum is checked.

    @param begin: What was read of it before.
    """
    # Headers, padding and long names come on top of the bytes of files.
    allowed = destination.bytes + destination.entries * 4 * BLOCK + _CHUNK
    bounded = Bounded(source, allowed, begin)
    count = 0
    with tarfile.open(  # type: ignore[call-overload]  # of a stream, only read is called
        fileobj=bounded,
        mode="r|",
        tarinfo=Member,
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        while (entry := archive.next()) is not None:
            count += 1
            destination.check_entries(count)
            archive.members.clear()
            try:
                _unpack_entry(archive, entry, destination)
            except tarfile.TarError as error:
                name = shown(entry.name)
                raise Refused(f"damaged archive: entry {name}: {error}") from None
        if not count:
            raise Refused("an empty archive")
        # Behind its end there is padding, and nothing that others might see.
        rest = archive.fileobj
        assert rest is not None, "it is open"
        while chunk := rest.read(_CHUNK):
            if chunk.strip(b"\0"):
                raise Refused("damaged archive: something follows its end")


def _unpack_entry(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, destination: Destination
) -> None:
    """
    Make what an entry says.
    """
    parts = parts_of(entry.name)
    if entry.isdir():
        destination.folder(parts)
    elif entry.issym():
        destination.symlink(parts, entry.linkname)
    elif entry.islnk():
        destination.hard_link(parts, _target_of(entry))
    elif entry.isreg():
        if entry.size < 0:
            raise Refused(f"damaged archive: entry {shown(entry.name)} has no size")
        if entry.size > destination.bytes:
            # Said before a sparse file of a terabyte is written out.
            destination.charge(destination.bytes + 1)
        if entry.issparse():
            _check_sparse(entry)
        content = archive.extractfile(entry)
        assert content is not None, "a regular file has content"
        destination.file(parts, content, executable=bool(entry.mode & 0o111))
    else:
        raise Refused(f"entry {shown(entry.name)} is a device, a FIFO or the like")


def _check_sparse(entry: tarfile.TarInfo) -> None:
    """
    See that what there is of a sparse file is in order: C{tarfile} leaves out what is not.
    """
    # Where each part of it lies in the file, and its size.
    parts: Iterable[tuple[int, int]] = entry.sparse  # type: ignore[assignment]  # no bytes
    at = 0
    for offset, size in parts:
        if not size:
            continue  # it fills the header
        if offset < at or size < 0:
            raise Refused(f"damaged archive: the parts of entry {shown(entry.name)} overlap")
        at = offset + size
    if at > entry.size:
        raise Refused(f"damaged archive: entry {shown(entry.name)} is longer than it says")


def _target_of(entry: tarfile.TarInfo) -> Parts:
    """
    What a hard link names.
    """
    try:
        return parts_of(entry.linkname)
    except Refused:
        name, target = shown(entry.name), shown(entry.linkname)
        raise Refused(f"entry {name} is a hard link to {target}, out of the archive") from None
