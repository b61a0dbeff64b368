"""
Tests of L{smartmob.source.removal}.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source import layout as layouts
from smartmob.source.layout import Layout
from smartmob.source.removal import remove_tree
from tests.support.disks import InlineDisk

SWAPPING = """\
import os, sys
os.chdir(sys.argv[1])
print("up", flush=True)
def attempt(do, *what):
    try:
        do(*what)
    except OSError:
        pass
while os.getppid() == int(sys.argv[3]):
    for name in os.listdir("."):
        attempt(os.rename, name, name + ".was")
        attempt(os.symlink, sys.argv[2], name)
        attempt(os.mkdir, name + ".was/x", 0)
        attempt(os.symlink, sys.argv[2], name + ".was/x/y")
"""
"""Puts links in the places of folders, as fast as it can."""


class RemoveTreeTests(SynchronousTestCase):
    """
    Tests of L{remove_tree}.
    """

    def setUp(self) -> None:
        """
        A folder.
        """
        self.path = os.path.abspath(self.mktemp())
        os.mkdir(self.path)

    def test_nothing(self) -> None:
        """
        What is not there is removed already.
        """
        os.rmdir(self.path)
        remove_tree(self.path)

    def test_file(self) -> None:
        """
        A file is removed, and a link, but not what it names.
        """
        target = self.mktemp()
        for make in (lambda p: os.close(os.open(p, os.O_CREAT)), lambda p: os.symlink("x", p)):
            make(target)
            remove_tree(target)
            self.assertFalse(os.path.lexists(target))
        os.symlink(self.path, target)
        remove_tree(target)
        self.assertTrue(os.path.isdir(self.path))

    def test_swapped(self) -> None:
        """
        A link that takes a folder's place while that is looked at leads nowhere.
        """
        outside = self.mktemp()
        os.mkdir(outside, 0o750)
        os.makedirs(f"{self.path}/a/b")
        really, folders = os.lstat, []

        def lstat(name: str, dir_fd: int | None = None) -> os.stat_result:
            found = really(name, dir_fd=dir_fd)
            if name == "b":
                folders.append(name)
                os.rmdir(name, dir_fd=dir_fd)
                os.symlink(os.path.abspath(outside), name, dir_fd=dir_fd)
            return found

        self.patch(os, "lstat", lstat)
        self.assertRaises(OSError, remove_tree, self.path)
        self.assertEqual(folders, ["b"])
        self.assertEqual(os.stat(outside).st_mode & 0o777, 0o750)

    def test_race(self) -> None:
        """
        Somebody who puts links in the places of folders while they are removed loses
        nothing but what is below: what the links name stays as it is.
        """
        outside = Path(self.mktemp()).absolute()
        (outside / "folder").mkdir(parents=True, mode=0o755)
        (outside / "folder" / "kept").write_text("kept")
        (outside / "folder").chmod(0o750)
        words = [sys.executable, "-I", "-S", "-c", SWAPPING]
        where = [self.path, str(outside / "folder"), str(os.getpid())]
        with subprocess.Popen([*words, *where], stdout=subprocess.PIPE) as racing:
            self.addCleanup(racing.kill)
            assert racing.stdout is not None
            self.assertEqual(racing.stdout.readline(), b"up\n")
            ready = self.mktemp()
            for number in range(100):
                os.makedirs(f"{ready}/in/inner")
                os.rename(ready, f"{self.path}/{number}")
                for name in os.listdir(self.path):
                    try:
                        remove_tree(f"{self.path}/{name}")
                    except OSError:
                        continue  # somebody was faster
            racing.kill()
        self.assertEqual((outside / "folder" / "kept").read_text(), "kept")
        self.assertEqual((outside / "folder").stat().st_mode & 0o777, 0o750)
        remove_tree(self.path)
        self.assertFalse(os.path.lexists(self.path))

    def test_all(self) -> None:
        """
        Everything in a folder goes with it, whatever its permissions, and nothing that
        a link names.
        """
        outside = self.mktemp()
        os.mkdir(outside)
        with open(f"{outside}/kept", "w"):
            pass
        for n in range(3):
            inner = f"{self.path}/a{n}/b/c"
            os.makedirs(inner)
            with open(f"{inner}/f", "w"):
                pass
            os.mkfifo(f"{inner}/fifo")
            os.symlink(os.path.abspath(outside), f"{inner}/l")
            os.symlink("nothing", f"{inner}/m")
            for name in (f"{inner}/f", inner, os.path.dirname(inner)):
                os.chmod(name, 0)
        os.chmod(f"{self.path}/a1", 0o500)
        os.chmod(self.path, 0)
        remove_tree(self.path)
        self.assertFalse(os.path.exists(self.path))
        self.assertEqual(os.listdir(outside), ["kept"])

    def test_deep(self) -> None:
        """
        Folders in folders, deeper than any path may be long and than descriptors may be
        open, are removed.
        """
        depth = 2 * resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        depth = min(max(depth, 3000), 20_000)
        at = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(depth):
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
        remove_tree(self.path)
        self.assertFalse(os.path.exists(self.path))

    def test_said(self) -> None:
        """
        What stays is said, with the system's reason; a defect with where it was.
        """
        layout = Layout(InlineDisk(), self.path)
        path = f"{self.path}/a"

        def fails(error: Exception) -> list[str | None]:
            def remove(path: str) -> None:
                raise error

            self.patch(layouts, "remove_tree", remove)
            with capturedLogs() as logs:
                for removed in (layout.remove(path), layout.remove_release(path, synced=False)):
                    self.successResultOf(Deferred.fromCoroutine(removed))
            return [formatEvent(event) for event in logs]

        said = fails(OSError(errno.EROFS, os.strerror(errno.EROFS)))
        self.assertEqual(said[0], f"{path} can't be removed: Read-only file system")
        self.assertEqual(len(said), 5)
        self.assertEqual(self.flushLoggedErrors(), [])
        fails(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 5)

    def test_failure(self) -> None:
        """
        What can't be removed is told, after all else was.
        """
        os.mkdir(f"{self.path}/a")
        self.assertRaises(OSError, remove_tree, f"{self.path}/.")
        self.assertEqual(os.listdir(self.path), [])
