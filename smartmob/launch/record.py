"""
What a keeper writes down, so that an agent to come finds its program again.

Read by agents, and written by keepers, which run without site-packages.
"""

from __future__ import annotations

import errno
import os
from fcntl import LOCK_EX, LOCK_UN, flock

from smartmob import plain_files

TYPE_CHECKING = False  # importing typing costs each keeper memory
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_MOST = 16 << 10
"""Bytes of a record."""

_MOST_DIGITS = 20
"""Of a pid: more than any has, and less than Python converts."""


def started(pid: int) -> int | None:
    """
    When a process began, in ticks since the machine did (proc(5), field 22); C{None}
    where it has ended.  With that, a number that was given to another process is not
    mistaken for the first.

    @raise OSError: It can't be said.
    """
    fields = stat(pid)
    return int(fields[19]) if fields else None


def stat(pid: int) -> list[bytes]:
    """
    The fields of a process from C{state} on (proc(5)); none where it has ended.

    @raise OSError: It can't be said.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", 0) as file:
            fields = file.read().rpartition(b") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return fields if fields and fields[0] not in b"ZX" else []


def boot_id() -> str:
    """
    What is another after each start of the machine.
    """
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def identity(folder: int) -> str:
    """
    By which a folder is known again when it was moved, and told from a copy of it.

    @param folder: A descriptor.
    """
    status = os.fstat(folder)
    return f"{status.st_dev}:{status.st_ino}"


def names(name: str, keeper: int) -> tuple[str, ...]:
    """
    The files of a program, its record last: as long as that is there, the others may
    be.

    @param keeper: A pid.
    """
    return door(keeper), f"{name}.out", f"{name}.new", f"{name}.json"


def door(keeper: int) -> str:
    """
    The socket on which a keeper listens: no program's name, since that may be longer
    than a socket's address.
    """
    return f"{keeper}.sock"


def remove(folder: int, name: str, keeper: int) -> None:
    """
    Remove the files of a program, as far as they are there.

    @param folder: A descriptor.
    """
    for each in names(name, keeper):
        try:
            os.unlink(each, dir_fd=folder)
        except OSError:
            continue  # it is not there, or the folder isn't


def give_up(folder: int, name: str, keeper: int) -> None:
    """
    Remove the files of a program that has ended, but for those that are another
    keeper's by now.

    @param folder: A descriptor.
    """
    flock(folder, LOCK_EX)
    try:
        if recorded_keeper(folder, name) in (keeper, None):
            remove(folder, name, keeper)
        else:
            os.unlink(door(keeper), dir_fd=folder)
    except OSError:
        return  # it is not there, or the folder isn't
    finally:
        flock(folder, LOCK_UN)


def read(folder: int, name: str) -> bytes:
    """
    The record of a program, as it is there.

    @param folder: A descriptor.
    @raise OSError: It can't be read: the error has its name.
    @raise ValueError: It is too large to be one.
    """
    file = f"{name}.json"
    try:
        number = plain_files.opened(file, os.O_NOFOLLOW, folder)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), file) from None
    try:
        return plain_files.content(number, _MOST)
    finally:
        os.close(number)


def recorded_keeper(folder: int, name: str) -> int | None:
    """
    The pid of the keeper that wrote the record of a program; C{None} where there is none.
    It is another's only where somebody removed a record whose keeper went on.

    @param folder: A descriptor.
    """
    try:
        record = read(folder, name)
    except (OSError, ValueError):
        return None
    pid = record.partition(b'"keeper": ')[2].partition(b",")[0]
    return int(pid) if pid.isdigit() and len(pid) < _MOST_DIGITS else None


_TYPES = {"boot": "str", "fingerprint": "str", "folder": "str", "grace": "float"}
"""Those of a record's members that are no numbers."""


class Record:
    """
    A program and its keeper.

    @ivar boot: The L{boot_id} of their machine.
    @ivar pid: The leader.
    @ivar start: When it began, as of L{started}.
    @ivar keeper: The keeper's pid.
    @ivar keeper_start: When that began.
    @ivar grace: Seconds that the program has to end.
    @ivar fingerprint: By which a command is known again.
    @ivar folder: The L{identity} of that of the record; empty where it was not written yet,
        or by a keeper of an earlier release.
    """

    __slots__ = (
        "boot",
        "fingerprint",
        "folder",
        "grace",
        "keeper",
        "keeper_start",
        "pid",
        "start",
    )

    def __init__(
        self,
        *,
        boot: str,
        pid: int,
        start: int,
        keeper: int,
        keeper_start: int,
        grace: float,
        fingerprint: str,
        folder: str = "",
    ) -> None:
        self.boot = boot
        self.pid = pid
        self.start = start
        self.keeper = keeper
        self.keeper_start = keeper_start
        self.grace = grace
        self.fingerprint = fingerprint
        self.folder = folder

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Record:
        """
        @param document: As it was written.
        @raise ValueError: It is none.
        """
        values = {name: document.get(name) for name in cls.__slots__}
        values["folder"] = document.get("folder", "")
        for name, value in values.items():
            wanted = _TYPES.get(name, "int")
            if type(value).__name__ != wanted:
                raise ValueError(f"its {name} is missing, or wrong")
        return cls(**values)  # type: ignore[arg-type] # they were looked at

    @property
    def keeper_lives(self) -> bool:
        """
        The keeper has not ended.
        """
        return started(self.keeper) == self.keeper_start

    @property
    def leader_lives(self) -> bool:
        """
        The leader has not ended.
        """
        return started(self.pid) == self.start

    def write(self, folder: int, name: str, unwanted: Callable[[], bool]) -> None:
        """
        Write it down, whole or not at all.

        @param folder: A descriptor.
        @param unwanted: Says whether it is not to be written any more.  Nobody else writes
            meanwhile, so that it never takes the place of one that came after it.
        @raise OSError: It can't be.
        """
        self.folder = identity(folder)
        flock(folder, LOCK_EX)
        try:
            if not unwanted():
                self._write(folder, name)
        finally:
            flock(folder, LOCK_UN)

    def _write(self, folder: int, name: str) -> None:
        # Numbers, and words of digits and colons: JSON without its module.
        members = [
            f'"{member}": "{value}"' if isinstance(value, str) else f'"{member}": {value!r}'
            for member in self.__slots__
            for value in (getattr(self, member),)
        ]
        new = f"{name}.new"
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=folder)
        try:
            os.write(file, f'{{"schema": 1, {", ".join(members)}}}\n'.encode("ascii"))
        finally:
            os.close(file)
        os.rename(new, f"{name}.json", src_dir_fd=folder, dst_dir_fd=folder)
