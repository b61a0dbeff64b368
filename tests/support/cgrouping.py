"""
Cgroups, real ones and such as only look like it.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from errno import EBUSY

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.launch import cgroup_files as files
from smartmob.launch.cgroups import Cgroups
from smartmob.launch.delegation import Places

PATIENCE = 30
"""
Seconds for the end of what is killed.
"""

SETTINGS = {
    "cgroup.procs": "",
    "cgroup.subtree_control": "",
    "cgroup.kill": "",
    "cgroup.events": "populated 0\nfrozen 0\n",
    "cpu.stat": "usage_usec 0\nuser_usec 0\n",
    "memory.max": "max\n",
    "memory.swap.max": "max\n",
    "memory.oom.group": "0\n",
    "memory.current": "0\n",
    "pids.max": "max\n",
    "pids.current": "0\n",
    "cpu.max": "max 100000\n",
}
"""
The files of a group, and what is in them.
"""


class FakeCgroups:
    """
    A folder in which there is what would be in a mounted cgroup file system.

    @ivar path: Where it is.
    @ivar removed: The names of the groups that were removed, in order.
    """

    def __init__(self, path: str, controllers: str = "cpuset cpu io memory pids") -> None:
        """
        @param path: A folder that is not there yet.
        @param controllers: Those that all groups have.
        """
        self.path = path
        self.controllers = controllers
        self.removed: list[str] = []
        self.mkdir(path)

    def places(self, own: str = "/", *, root: str = "/", kind: str = "cgroup2") -> Places:
        """
        What the kernel would say.

        @param own: The group of the agent.
        @param root: The group that is mounted.
        """
        mounts, groups = f"{self.path}.mounts", f"{self.path}.own"
        with open(mounts, "w") as file:
            point = self.path.replace(" ", "\\040")
            file.write("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n")
            file.write(f"41 31 0:38 {root} {point} rw,nosuid - {kind} cgroup2 rw\n")
        with open(groups, "w") as file:
            file.write(f"4:memory:/elsewhere\n0::{own}\n")
        return Places(mounts=mounts, own=groups)

    def cgroups(self) -> Cgroups:
        """
        All of it is delegated.
        """
        return Cgroups(self.places(), mkdir=self.mkdir, rmdir=self.rmdir)

    def mkdir(self, path: str) -> None:
        """
        Make a group.
        """
        os.mkdir(path)
        for name, text in {**SETTINGS, "cgroup.controllers": self.controllers}.items():
            with open(os.path.join(path, name), "w") as file:
                file.write(text)

    def rmdir(self, path: str) -> None:
        """
        Remove one, as the kernel does.
        """
        if self.read(path, "cgroup.events").startswith("populated 1"):
            raise OSError(EBUSY, "Device or resource busy", path)
        shutil.rmtree(path)
        self.removed.append(os.path.relpath(path, self.path))

    def read(self, group: str, file: str) -> str:
        """
        What is in a file.
        """
        with open(os.path.join(self.path, group, file)) as opened:
            return opened.read()

    def write(self, group: str, file: str, text: str) -> None:
        """
        Change a file.
        """
        with open(os.path.join(self.path, group, file), "w") as opened:
            opened.write(text)


def real_cgroup(case: SynchronousTestCase, *, delegate: bool = True) -> str:
    """
    The folder of a cgroup for a test, at whose end all in it is killed and removed.

    @param delegate: As if systemd had delegated it.
    @raise SkipTest: There can't be one here.
    """
    if os.geteuid() != 0:
        raise SkipTest("only root can make itself a cgroup")
    mount = _mount()
    if mount is None:
        raise SkipTest("no cgroups of version 2 are mounted here")
    folder = os.path.join(mount, f"smartmob-test-{os.getpid()}-{time.time_ns():x}")
    try:
        os.mkdir(folder)
    except OSError as error:
        raise SkipTest(f"{folder} can't be made: {error.strerror}") from None
    case.addCleanup(_clean, folder)
    if not os.path.exists(os.path.join(folder, "cgroup.kill")):
        raise SkipTest("this kernel can't kill a cgroup (Linux 5.14)")
    if delegate:
        try:
            os.setxattr(folder, "user.delegate", b"1")
        except OSError as error:
            raise SkipTest(f"cgroups have no attributes here: {error.strerror}") from None
    return folder


def _mount() -> str | None:
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            head, _, tail = line.partition(" - ")
            if tail.startswith("cgroup2 "):
                return head.split()[4]
    return None


def _clean(folder: str) -> None:
    files.kill(folder)
    end = time.monotonic() + PATIENCE
    while not files.remove(folder, os.rmdir):
        assert time.monotonic() < end, f"{folder} can't be removed"
        time.sleep(0.005)


def group_of(pid: int) -> str | None:
    """
    The group of a process, unless it has ended.
    """
    with suppress(OSError), open(f"/proc/{pid}/cgroup") as lines:
        for line in lines:
            if line.startswith("0::"):
                return line[3:].strip()
    return None
