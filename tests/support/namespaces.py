"""
Places with mounts of their own, for agents to run in.

What is mounted there is seen by who runs there and nobody else, and goes with the last of
them.  Root may make one; other users where the system lets them have a user namespace, in
which they look like root to themselves (unshare(1)).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

_HOLD = "echo ready; read -r _"
"""It holds the place until the test, or who runs it, has ended."""


class Place:
    """
    A place with mounts of its own.

    @ivar within: Words before a command that is to run there.
    @ivar root: Its root, as seen from here.
    """

    def __init__(self, test: SynchronousTestCase, what: str) -> None:
        """
        @param what: Is not tested where there can be no such place, in capital letters.
        @raise SkipTest: There can't.
        """
        self._what = what
        unshare, nsenter = (shutil.which(name) for name in ("unshare", "nsenter"))
        if unshare is None or nsenter is None:
            raise SkipTest(f"{what} NOT TESTED: there is no unshare(1), or no nsenter(1)")
        plain = os.geteuid() != 0
        who = ("--user", "--map-root-user") if plain else ()
        self._holder = subprocess.Popen(
            [unshare, *who, "--mount", "sh", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        test.addCleanup(self._leave)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            assert self._holder.stderr is not None
            why = self._holder.stderr.read().decode().strip()
            raise SkipTest(f"{what} NOT TESTED: there can be no mounts of our own: {why}")
        as_who = ("--user", "--preserve-credentials") if plain else ()
        target = ("--target", str(self._holder.pid))
        self.within = (nsenter, *target, *as_who, "--mount")
        self.root = Path(f"/proc/{self._holder.pid}/root")

    def run(self, *command: str) -> None:
        """
        Have something done there.

        @raise SkipTest: It can't be.
        """
        done = subprocess.run([*self.within, *command], capture_output=True, check=False)
        if done.returncode:
            why = done.stderr.decode().strip()
            raise SkipTest(f"{self._what} NOT TESTED: {' '.join(command)}: {why}")

    def seen(self, path: Path) -> Path:
        """
        A path of that place, as seen from here.
        """
        return self.root / path.relative_to("/")

    def _leave(self) -> None:
        self._holder.communicate(b"\n")


class SmallDisk:
    """
    A disk with little room, at a folder of such a place.
    """

    def __init__(self, place: Place, path: Path, mebibytes: int) -> None:
        """
        @param path: Made, where there is none.
        """
        path.mkdir(exist_ok=True)
        self._place = place
        self._path = path
        options = f"size={mebibytes}m,mode=700"
        place.run("mount", "-t", "tmpfs", "-o", options, "smartmob-test", str(path))
        self.seen = place.seen(path)

    @property
    def _filler(self) -> Path:
        return self.seen / "lost+found"  # the one foreign name that a state folder may have

    def fill(self, leave: int = 0) -> None:
        """
        Leave no room, or so many bytes.
        """
        found = os.statvfs(self.seen)
        size = found.f_bavail * found.f_frsize - leave
        if size <= 0:
            return
        with self._filler.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), size)

    def make_room(self) -> None:
        """
        Have the room there was.
        """
        self._filler.unlink()

    def be_read_only(self) -> None:
        """
        Take no writes any more, but to what is open.
        """
        path = str(self._path)
        self._place.run("mount", "--bind", path, path)
        self._place.run("mount", "-o", "remount,bind,ro", path)

    def be_writable(self) -> None:
        """
        Take writes again.
        """
        self._place.run("umount", str(self._path))
