"""
The folder in which an agent keeps what is its own.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from attrs import define

_LOCK = "lock"

_NOBODYS = frozenset(["lost+found"])
"""What a folder has that is the root of a file system, and otherwise empty."""


class FolderTaken(Exception):
    """
    Another agent uses the folder, or it is no agent's at all.
    """


@define(eq=False)
class StateFolder:
    """
    One folder for one agent.

    @ivar path: Absolute: a daemon leaves the folder where it was started.
    """

    path: Path
    _lock: int | None = None

    def open(self) -> None:
        """
        Make the folder where there is none, for the agent's user only, and lock it.
        Opening it once more changes nothing.

        The lock is flock(2)'s: it goes with the agent, however that ends.  Its file
        stays, and tells a state folder from any other: in that one, what has the names
        of an agent's own files would be removed.

        @raise FolderTaken: Another agent has it, or it has other things in it.
        @raise OSError: It can't be used.
        """
        if self._lock is not None:
            return
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = set(os.listdir(self.path)) - _NOBODYS
        if found and _LOCK not in found:
            raise FolderTaken(
                f"{self.path} is no state folder, and not empty: name another with --state-dir"
            )
        os.chmod(self.path, 0o700)
        lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise FolderTaken(
                f"another agent (pid {pid}) uses {self.path}; "
                "end it, or name another folder with --state-dir"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, b"%d\n" % os.getpid())
        self._lock = lock

    def close(self) -> None:
        """
        Let go of it.
        """
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
