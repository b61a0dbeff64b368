"""
Tar archives, plain or compressed.
"""

from __future__ import annotations

import tarfile
from typing import IO, Self

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

    def __init__(self, source: Readable, left: int) -> None:
        self._source = source
        self._left = left

    def read(self, size: int = -1, /) -> bytes:
        """
        Up to C{size} bytes, and never more than 1 MiB: a name in a header may claim
        to be of any length.
        """
        data = self._source.read(min(size, _CHUNK) if size >= 0 else _CHUNK)
        self._left -= len(data)
        if self._left < 0:
            raise Refused("too many bytes when unpacked")
        return data


class Member(tarfile.TarInfo):
    """
    An entry, read strictly: C{tarfile} takes a damaged or missing header for the
    archive's end.
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


def unpack(source: IO[bytes], destination: Destination) -> None:
    """
    Unpack a tar, to the end of C{source}, so that its checksum is checked.
    """
    # Headers, padding and long names come on top of the bytes of files.
    allowed = destination.bytes + destination.entries * 4 * BLOCK + _CHUNK
    bounded = Bounded(source, allowed)
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
            _unpack_entry(archive, entry, destination)
    if not count:
        raise Refused("an empty archive")
    while bounded.read():
        pass


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
        if entry.size > destination.bytes or entry.size < 0:
            # Said before a sparse file of a terabyte is written out.
            destination.charge(destination.bytes + 1)
        content = archive.extractfile(entry)
        assert content is not None, "a regular file has content"
        destination.file(parts, content, executable=bool(entry.mode & 0o111))
    else:
        raise Refused(f"entry {shown(entry.name)} is a device, a FIFO or the like")


def _target_of(entry: tarfile.TarInfo) -> Parts:
    """
    What a hard link names.
    """
    try:
        return parts_of(entry.linkname)
    except Refused:
        name, target = shown(entry.name), shown(entry.linkname)
        raise Refused(f"entry {name} is a hard link to {target}, out of the archive") from None
