"""
The folder in which an agent keeps what is its own.
"""

from __future__ import annotations

import os
from errno import ENOTDIR
from pathlib import Path

from attrs import define, field

from smartmob.pidlock import PidLock, Taken

_LOCK = "lock"

_NOBODYS = frozenset(["lost+found"])
"""What a folder has that is the root of a file system, and otherwise empty."""

_ROOT = 0


class FolderTaken(Exception):
    """
    Another agent uses the folder, or another user has it, or it is no agent's at all.
    """


@define(eq=False, repr=False)
class StateFolder:
    """
    One folder for one agent.

    @ivar path: Absolute: a daemon leaves the folder where it was started.
    """

    path: Path
    _lock: PidLock = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lock = PidLock(self.path / _LOCK, 0o600, without_pid=True)

    def open(self) -> None:
        """
        Make the folder where there is none, for the agent's user only, and lock it.
        Opening it once more changes nothing.

        The lock goes with the agent, however that ends.  Its file stays, and tells a
        state folder from any other: in that one, what has the names of an agent's own
        files would be removed.

        @raise FolderTaken: Another agent has it, or another user, or it has other things
            in it.
        @raise OSError: It can't be used.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(ENOTDIR, "it is no folder", str(self.path)) from None
        # Whoever owns it could exchange what is run: root, in a folder that everybody may
        # write to, may find one there that somebody has made for that.
        for status in (self.path.lstat(), self.path.stat()):
            if status.st_uid not in (_ROOT, os.geteuid()):
                raise FolderTaken(
                    f"{self.path} belongs to user {status.st_uid}, who could change what is "
                    "run: name another with --state-dir"
                )
        found = set(os.listdir(self.path)) - _NOBODYS
        if found and _LOCK not in found:
            raise FolderTaken(
                f"{self.path} is no state folder, and not empty: name another with --state-dir"
            )
        os.chmod(self.path, 0o700)
        try:
            self._lock.take()
        except Taken as taken:
            raise FolderTaken(
                f"another agent (pid {taken.pid}) uses {self.path}; "
                "end it, or name another folder with --state-dir"
            ) from None

    def close(self) -> None:
        """
        Let go of it.
        """
        self._lock.release()
