"""
A systemd of its own, as the first process of namespaces of its own: nothing of this machine is
changed, and everything ends with the tests.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

import twisted
from tests.support import first_process
from tests.support.papers import TREE

PATIENCE = 60.0
"""Seconds for what takes a moment."""

OPT = "/opt/smartmob"
"""Where the checkout is installed there."""

AGENT = "smartmob"
"""The user that agents run as."""

_NEEDED = ("unshare", "nsenter", "setpriv", "mount", "umount", "pivot_root")

_PROGRAM = """\
#!{python}
import site, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "{opt}/tree")
site.addsitedir("{opt}/site")
from {module} import {name}
sys.exit({name}())
"""


class Booted:
    """
    A machine with nothing on it but systemd.

    @ivar cgroup: The root of its groups, as seen from here.
    """

    def __init__(self) -> None:
        """
        Boot it.

        @raise SkipTest: That can't be done here.
        """
        if os.geteuid() != 0:
            raise SkipTest("SYSTEMD NOT TESTED: only root can boot one")
        missing = [name for name in _NEEDED if shutil.which(name) is None]
        if not os.path.exists(first_process.INIT):
            missing.append("systemd")
        if missing:
            raise SkipTest(f"SYSTEMD NOT TESTED: {', '.join(missing)} not installed")
        self._folder = Path(tempfile.mkdtemp(prefix="smartmob-boot-"))
        self.cgroup = _cgroup2() / f"smartmob-test-{os.getpid()}"
        try:
            self.cgroup.mkdir()
        except OSError as error:
            shutil.rmtree(self._folder)
            raise SkipTest(f"SYSTEMD NOT TESTED: {error}") from None
        base = Path(sys.base_prefix)
        self._base = base if base.is_relative_to("/usr") else Path(OPT, "base")
        self._log = Path(self._folder, "log")
        place = self._folder / "place"
        place.mkdir()
        binds = [
            *(str(TREE), f"{OPT}/tree"),
            *(str(Path(twisted.__file__).parent.parent), f"{OPT}/site"),
            *(() if self._base == base else (str(base), str(self._base))),
        ]
        namespaces = ("--pid", "--mount", "--uts", "--ipc", "--net", "--fork")
        with self._log.open("wb") as log:
            self._unshare = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *("unshare", *namespaces, "--kill-child=KILL"),
                    *(sys.executable, "-I", "-S", first_process.__file__),
                    *(str(place), str(self.cgroup), *binds),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        atexit.register(self.end)
        self._wait_for_boot()
        self._install()

    def run(self, *words: str, check: bool = True) -> str:
        """
        Run a command there.

        @return: What it writes.
        @raise AssertionError: It failed, and C{check} says that this matters.
        """
        running = self.start(*words)
        said = running.communicate(timeout=PATIENCE)[0].decode()
        assert running.returncode == 0 or not check, f"{words}: {running.returncode}\n{said}"
        return said

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """
        Have a command run there.
        """
        return subprocess.Popen(
            ["nsenter", *self._target(), "--root", "--wd", *words],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def asking(self, method: str, url: str, token: str = "") -> subprocess.Popen[bytes]:
        """
        Have a request sent from there: see L{tests.support.asking}.
        """
        script = f"{OPT}/tree/tests/support/asking.py"
        return self.start(self.python, "-I", "-S", script, method, url, *filter(None, [token]))

    def ask(self, method: str, url: str, body: bytes = b"", token: str = "") -> tuple[int, Any]:
        """
        Send a request from there.

        @return: The status, and the answer: JSON, or text where it is none.
        """
        return answer(self.asking(method, url, token), body)

    def path(self, path: str) -> Path:
        """
        A path there, as seen from here.
        """
        return Path(f"/proc/{self._init}/root", path.lstrip("/"))

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """
        Write a file there.
        """
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    @property
    def python(self) -> str:
        """
        The Python there.
        """
        return f"{self._base}/bin/python{sys.version_info.major}.{sys.version_info.minor}"

    def processes(self, unit: str) -> list[int]:
        """
        All that lives below a service, by the numbers they have here.
        """
        found: list[int] = []
        for folder, _, _ in os.walk(self.cgroup / _slice(unit) / unit):
            with suppress(OSError):
                found += map(int, Path(folder, "cgroup.procs").read_text().split())
        return found

    def end(self) -> None:
        """
        End everything there, and leave nothing.
        """
        if self._unshare.poll() is None:
            self._unshare.send_signal(signal.SIGKILL)
            self._unshare.wait()
        # What was killed with it takes a moment to go, and its groups stay until it has.
        start = time.monotonic()
        while self.cgroup.exists() and time.monotonic() - start < PATIENCE:
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
            time.sleep(0.01)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _target(self) -> list[str]:
        names = ("pid", "mount", "uts", "ipc", "net", "cgroup")
        return [f"--target={self._init}", *(f"--{name}" for name in names)]

    def _wait_for_boot(self) -> None:
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        start = time.monotonic()
        while time.monotonic() - start < PATIENCE:
            time.sleep(0.02)
            if self._unshare.poll() is not None:
                break
            with suppress(OSError):
                found = children.read_text().split()
                # Before it is systemd its root is still that of this machine, which is not to
                # be changed, and where another systemd may answer.
                if not found or Path(f"/proc/{found[0]}/comm").read_text() != "systemd\n":
                    continue
                self._init = int(found[0])
                if "running" in self.run("systemctl", "is-system-running", check=False):
                    return
        said = self._log.read_text(errors="replace").strip()
        self.end()
        raise SkipTest(f"SYSTEMD NOT TESTED: none boots here: {said}")

    def _install(self) -> None:
        """
        Install smartmob, and a user for it.
        """
        for name, module, function in (
            ("twistd", "twisted.scripts.twistd", "run"),
            ("smartmob-agent", "smartmob.main", "main"),
        ):
            program = _PROGRAM.format(python=self.python, opt=OPT, module=module, name=function)
            self.write(f"{OPT}/bin/{name}", program, 0o755)
        for path, line in (
            ("/etc/passwd", f"{AGENT}:x:60123:60123::/var/lib/{AGENT}:/usr/sbin/nologin\n"),
            ("/etc/group", f"{AGENT}:x:60123:\n"),
        ):
            with self.path(path).open("a") as file:
                file.write(line)


def answer(asking: subprocess.Popen[bytes], body: bytes = b"") -> tuple[int, Any]:
    """
    What comes of a request.
    """
    said = asking.communicate(body, timeout=PATIENCE)[0].decode()
    assert asking.returncode == 0, said
    status, _, text = said.partition("\n")
    try:
        return int(status), json.loads(text)
    except ValueError:
        return int(status), text


def booted() -> Booted:
    """
    One for all tests of a run.

    @raise SkipTest: As from L{Booted}.
    """
    made = _tried()
    if isinstance(made, SkipTest):
        raise made
    return made


@cache
def _tried() -> Booted | SkipTest:
    # Where it can't be done once, each test need not find that out anew.
    try:
        return Booted()
    except SkipTest as why:
        return why


def _cgroup2() -> Path:
    """
    Where groups of version 2 are.
    """
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, behind = line.partition(" - ")
        if behind.startswith("cgroup2 "):
            return Path(before.split()[4])
    raise SkipTest("SYSTEMD NOT TESTED: no cgroup2 is mounted")


def _slice(unit: str) -> str:
    """
    The slice of a service: those of a template have one of their own (systemd.slice(5)).
    """
    name, at, _ = unit.partition("@")
    if not at:
        return "system.slice"
    return f"system.slice/system-{name}.slice"
