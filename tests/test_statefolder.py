"""
Tests of L{smartmob.statefolder}.
"""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smartmob.pidlock import PidLock
from smartmob.statefolder import FolderTaken, StateFolder
from tests.support.users import another_user


class StateFolderTests(SynchronousTestCase):
    """
    One folder for one agent.
    """

    def test_private(self) -> None:
        """The folder is made, and is its owner's alone, also where it was there."""
        path = Path(self.mktemp())
        path.mkdir(0o755)
        for each in (path, path / "new" / "one"):
            folder = StateFolder(each)
            folder.open()
            self.addCleanup(folder.close)
            self.assertEqual(stat.S_IMODE(each.stat().st_mode), 0o700)

    def test_taken(self) -> None:
        """A second agent is told who has the folder, and has it when that is gone."""
        path = Path(self.mktemp())
        first, second = StateFolder(path), StateFolder(path)
        first.open()
        with self.assertRaises(FolderTaken) as caught:
            second.open()
        self.assertIn(str(os.getpid()), str(caught.exception))
        self.assertIn("--state-dir", str(caught.exception))
        first.close()
        first.close()
        second.open()
        second.close()

    def test_notOurs(self) -> None:
        """A folder with other things in it is left as it is."""
        path = Path(self.mktemp())
        (path / "releases").mkdir(parents=True)
        path.chmod(0o755)
        with self.assertRaises(FolderTaken) as caught:
            StateFolder(path).open()
        self.assertIn("--state-dir", str(caught.exception))
        self.assertEqual([each.name for each in path.iterdir()], ["releases"])
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o755)

    def test_noFolder(self) -> None:
        """What is no folder is said to be none."""
        with self.assertRaises(NotADirectoryError) as caught:
            StateFolder(Path("/dev/null")).open()
        self.assertEqual(caught.exception.strerror, "it is no folder")

    def test_anothers(self) -> None:
        """A folder of another user's is not used, nor one that a link of theirs leads to."""
        nobody = another_user().uid
        path, link, there = (Path(self.mktemp()) for _ in range(3))
        path.mkdir(0o755)
        os.chown(path, nobody, -1)
        there.mkdir()
        link.symlink_to(there.absolute())
        os.lchown(link, nobody, -1)
        for each in (path, link):
            with self.assertRaises(FolderTaken) as caught:
                StateFolder(each).open()
            self.assertIn(f"belongs to user {nobody}", str(caught.exception))
            self.assertEqual(list(each.iterdir()), [])
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o755)

    def test_again(self) -> None:
        """A folder that was an agent's is one, whatever is in it; so is an empty disk."""
        path = Path(self.mktemp())
        (path / "lost+found").mkdir(parents=True)
        for _ in range(2):
            folder = StateFolder(path)
            folder.open()
            folder.close()
            (path / "releases").mkdir(exist_ok=True)

    def test_full(self) -> None:
        """Where there is no room to say who has the folder, it is had all the same."""
        path = Path(self.mktemp())
        bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
        for before in (b"", b"4194304\n"):
            path.mkdir(exist_ok=True)
            (path / "lock").write_bytes(before)
            first, second = StateFolder(path), StateFolder(path)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, bounds[1]))
            try:
                first.open()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
            self.assertEqual((path / "lock").read_bytes(), b"")
            with self.assertRaises(FolderTaken) as caught:
                second.open()
            self.assertIn("unknown", str(caught.exception))
            first.close()
            # A pidfile that says nothing is none.
            lock = PidLock(path / "pid", 0o644)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, bounds[1]))
            try:
                self.assertRaises(OSError, lock.take)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
            lock.take()
            lock.release()

    def test_unusable(self) -> None:
        """A folder that can't be made is an error of the operating system."""
        path = Path(self.mktemp())
        path.write_text("a file")
        self.assertRaises(OSError, StateFolder(path / "x").open)
