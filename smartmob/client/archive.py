"""
An application's folder as an archive.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

_LEFT_OUT = frozenset({"__pycache__", ".git", ".hg", ".venv", ".tox", ".DS_Store"})


def pack(folder: Path) -> bytes:
    """
    C{folder} as a gzip-compressed tar archive with one top folder of its name.

    The same files give the same bytes: names are sorted, and owners and times
    are left out, since a release is known by the checksum of its archive.

    @raise OSError: A file can't be read.
    """
    memory = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=memory, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        archive.add(folder.resolve(), arcname=folder.name, filter=_keep)
    return memory.getvalue()


def _keep(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """
    The entry without what differs from one checkout to the next, or nothing
    where it is no part of the application.
    """
    if entry.name.rpartition("/")[2] in _LEFT_OUT:
        return None
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry
