"""
What becomes systemd: the first process of namespaces of its own.

C{python -I -S first_process.py FOLDER CGROUP [FROM TO]...} makes a root of this machine's, as
it is, and a layer above it that takes all changes and goes with the last process of it.  What
lies in FROM is at TO there.  Then it executes systemd, with units of ours alone.

FOLDER is empty, CGROUP a group of version 2 that is to be the root of all groups there.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

CLONE_NEWCGROUP = 0x02000000
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 1

INIT = "/lib/systemd/systemd"

UNITS = "/run/systemd/system:/etc/systemd/system"
"""
Those of the machine would have all of it started.
"""

NOTHING = "[Unit]\nDefaultDependencies=no\n"
BOOTED = "booted.target"
TARGETS = (
    "sysinit.target",
    "basic.target",
    "sockets.target",
    "multi-user.target",
    "network-online.target",
    "shutdown.target",
    "umount.target",
    BOOTED,
)
"""
What units depend on without saying so, and where it ends up.
"""


def mount(*words: str | Path) -> None:
    """
    As mount(8).
    """
    subprocess.run(["mount", *map(str, words)], check=True)


def make_root(folder: Path, binds: list[tuple[str, str]]) -> Path:
    """
    Make the root.
    """
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "tmpfs", folder)
    layer, work, root = (folder / name for name in ("layer", "work", "root"))
    for each in (layer, work, root):
        each.mkdir()
    options = f"lowerdir=/,upperdir={layer},workdir={work}"
    mount("-t", "overlay", "overlay", "-o", options, root)
    mount("-t", "proc", "proc", root / "proc")
    for path, mode in (("run", "755"), ("tmp", "1777")):
        mount("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", root / path)
    mount("-t", "sysfs", "-o", "ro", "sysfs", root / "sys")
    mount("--rbind", "/dev", root / "dev")
    for there, here in binds:
        place = root / here.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        mount("--bind", there, place)
    units = root / "run" / "systemd" / "system"
    units.mkdir(parents=True)
    for name in TARGETS:
        (units / name).write_text(NOTHING)
    (root / "run" / "old").mkdir()
    return root


def raise_loopback() -> None:
    """
    Have the loopback interface up, the only one there is.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("16xh", fcntl.ioctl(some, SIOCGIFFLAGS, request))[0]
        fcntl.ioctl(some, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def be_systemd(folder: str, cgroup: str, *binds: str) -> NoReturn:
    """
    All of it.
    """
    # Before the root is made, in which the group can't be seen.
    Path(cgroup, "cgroup.procs").write_text("0")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWCGROUP):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    root = make_root(Path(folder), list(zip(binds[::2], binds[1::2], strict=True)))
    mount("-t", "cgroup2", "cgroup2", root / "sys" / "fs" / "cgroup")
    raise_loopback()
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "run/old"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", "/run/old"], check=True)
    # What a helper of systemd's mounts for a service is to be seen by it: of that, in a
    # container, systemd thinks that it was taken care of.
    mount("--make-rshared", "/")
    os.execve(
        INIT,
        [INIT, "--system", f"--unit={BOOTED}"],
        {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM": "linux",
            "container": "lxc",
            "SYSTEMD_UNIT_PATH": UNITS,
            "SYSTEMD_GENERATOR_PATH": "/run/none",
            "SYSTEMD_LOG_TARGET": "console",
        },
    )


if __name__ == "__main__":
    be_systemd(*sys.argv[1:])
