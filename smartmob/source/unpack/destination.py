"""
The folder that an archive is unpacked to, and what may come into it.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from typing import NoReturn, Protocol

from smartmob.source.reserve import Reserve

Parts = tuple[str, ...]

_CHUNK = 1 << 20
_MAX_DEPTH = 100
_MAX_NAME = 2048
_MAX_PART = 255
_MAX_TARGET = 1024
# As many links as the kernel follows before it says ELOOP (path_resolution(7)).
_MAX_HOPS = 40
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):
    """
    An archive that is not unpacked.  The message is for a person.
    """


class Readable(Protocol):
    """
    Where the bytes of a file come from.
    """

    def read(self, size: int = -1, /) -> bytes:
        """
        Up to C{size} bytes; none at the end.
        """


def shown(name: str) -> str:
    """
    A name as it stands in a message: short, and printable whatever it is.
    """
    return ascii(name if len(name) <= 100 else name[:97] + "...")


def parts_of(name: str) -> Parts:
    """
    The parts of an entry's name, relative to the destination.

    @raise Refused: If it leads elsewhere, or is longer than can be used.
    """
    if "\0" in name:
        raise Refused(f"the name of entry {shown(name)} has a NUL character")
    if name.startswith("/"):
        raise Refused(f"entry {shown(name)} has an absolute name")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Refused(f"entry {shown(name)} leads out of the archive")
    if (
        len(parts) > _MAX_DEPTH
        or len(os.fsencode(name)) > _MAX_NAME
        or any(len(os.fsencode(part)) > _MAX_PART for part in parts)
    ):
        raise Refused(f"the name of entry {shown(name)} is too long or too deep")
    return parts


class Destination:
    """
    A folder that is filled with what an archive has, and nothing else.

    @ivar bytes: How many bytes may still be written.
    @ivar entries: How many files, folders and links may still be made.
    """

    def __init__(self, root: int, max_bytes: int, max_entries: int, reserve: Reserve) -> None:
        """
        @param root: A descriptor of the empty folder.
        @param reserve: What of its disk stays free.
        """
        self.bytes = max_bytes
        self.entries = max_entries
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._root = root
        self._reserve = reserve
        self._names: set[Parts] = set()
        self._files: set[Parts] = set()
        self._links: dict[Parts, str] = {}

    def folder(self, parts: Parts) -> None:
        """
        Make a folder, and those it lies in.
        """
        self._claim(parts)
        os.close(self._open(parts))

    def file(self, parts: Parts, source: Readable, *, executable: bool) -> int:
        """
        Make a file, readable by all, writable by its owner.

        @return: Its size.
        """
        self._claim(parts)
        self._count()
        before = self.bytes
        with os.fdopen(self._create(parts), "wb", buffering=0) as written:
            while chunk := source.read(_CHUNK):
                self.charge(len(chunk))
                self._reserve.check(self._root, len(chunk))
                view = memoryview(chunk)
                while view:
                    view = view[written.write(view) :]
            os.fchmod(written.fileno(), 0o755 if executable else 0o644)
        self._files.add(parts)
        return before - self.bytes

    def hard_link(self, parts: Parts, target: Parts) -> None:
        """
        Make another name of a file that this archive made before.
        """
        self._claim(parts)
        self._count()
        if target not in self._files:
            name, other = shown("/".join(parts)), shown("/".join(target))
            raise Refused(f"entry {name} is a hard link to {other}, no file of the archive")
        source = self._open(target[:-1])
        try:
            folder = self._open(parts[:-1])
            try:
                os.link(
                    *(target[-1], parts[-1]),
                    src_dir_fd=source,
                    dst_dir_fd=folder,
                    follow_symlinks=False,
                )
            except FileExistsError:
                _clash(parts)
            finally:
                os.close(folder)
        finally:
            os.close(source)
        self._files.add(parts)

    def symlink(self, parts: Parts, target: str) -> None:
        """
        Make a symbolic link, when all else is made.
        """
        self._claim(parts)
        self._count()
        if not target or "\0" in target or len(os.fsencode(target)) > _MAX_TARGET:
            raise Refused(f"the link {shown('/'.join(parts))} has no usable target")
        self._links[parts] = target

    def finish(self) -> None:
        """
        Make the symbolic links.

        @raise Refused: If one leads outside, by its name alone or by way of others.
        """
        for parts, target in self._links.items():
            by_name = posixpath.normpath("/".join((*parts[:-1], target)))
            if (
                target.startswith("/")
                or by_name.split("/", 1)[0] == ".."
                or self._leaves(parts[:-1], target)
            ):
                link = f"{shown('/'.join(parts))} -> {shown(target)}"
                raise Refused(f"the link {link} leads out of the archive")
        for parts, target in self._links.items():
            folder = self._open(parts[:-1])
            try:
                os.symlink(target, parts[-1], dir_fd=folder)
            except FileExistsError:
                _clash(parts)
            finally:
                os.close(folder)

    def charge(self, count: int) -> None:
        """
        Count bytes.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise Refused(f"more than {self._max_bytes} bytes when unpacked")

    def check_entries(self, count: int) -> None:
        """
        Refuse an archive with too many entries.
        """
        if count > self._max_entries:
            raise Refused(f"more than {self._max_entries} entries")

    def _count(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            self.check_entries(self._max_entries + 1)
        self._reserve.check(self._root)

    def _claim(self, parts: Parts) -> None:
        """
        Take a name, which no other entry has, and which lies below no link.
        """
        name = "/".join(parts)
        if parts in self._names:
            raise Refused(f"two entries have the name {shown(name)}")
        if self._links and any(parts[:n] in self._links for n in range(1, len(parts))):
            raise Refused(f"entry {shown(name)} lies below a link")
        self._names.add(parts)

    def _create(self, parts: Parts) -> int:
        """
        Create a file that is not there, and return its descriptor.
        """
        if not parts:
            raise Refused("an entry that is no folder has no name")
        folder = self._open(parts[:-1])
        try:
            return os.open(parts[-1], _NEW_FILE, 0o600, dir_fd=folder)
        except FileExistsError:
            _clash(parts)
        finally:
            os.close(folder)

    def _open(self, parts: Parts) -> int:
        """
        A new descriptor of a folder, made where it is missing.
        """
        at = os.dup(self._root)
        try:
            for part in parts:
                try:
                    os.mkdir(part, 0o755, dir_fd=at)
                    self._count()
                except FileExistsError:
                    # Mostly so: made by an entry before.
                    pass
                try:
                    below = os.open(part, _FOLDER, dir_fd=at)
                except NotADirectoryError:
                    _clash(parts)
                os.close(at)
                at = below
        except BaseException:
            os.close(at)
            raise
        return at

    def _leaves(self, folder: Iterable[str], target: str) -> bool:
        """
        Whether a link's target leads outside for one who follows all links.

        The check of names alone misses C{a/up -> ..} with C{a/out -> up/..}.
        """
        at = list(folder)
        steps = target.split("/")[::-1]
        hops = 0
        while steps:
            step = steps.pop()
            if step in ("", "."):
                continue
            if step == "..":
                if not at:
                    return True
                at.pop()
                continue
            at.append(step)
            link = self._links.get(tuple(at))
            if link is not None:
                hops += 1
                if hops > _MAX_HOPS:
                    return False
                at.pop()
                steps.extend(link.split("/")[::-1])
        return False


def _clash(parts: Parts) -> NoReturn:
    """
    Refuse a name that is in use for something of another kind.
    """
    raise Refused(f"{shown('/'.join(parts))} is the name of two things of different kinds")
