"""
A bound on the processes and threads of an agent and all that it starts.

Root gets a cgroup with the controller C{pids}, of either version (cgroups(7)).  For others
the bound of their user counts (setrlimit(2)), which in a user namespace of its own counts
what is in there, whatever else that user runs.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import warden

_WHAT = "AGENTS THAT MAY NOT FORK ARE NOT TESTED"
_FOLDERS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


class FewProcesses:
    """
    The bound.

    @ivar within: Words before a command that is to have it.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        """
        @raise SkipTest: There can be none.
        """
        self._group: Path | None = None
        self.within: Sequence[str]
        if os.geteuid() == 0:
            self._group = self._cgroup(test)
            enter = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
            self.within = ("sh", "-c", enter, str(self._group))
        else:
            self.within = self._namespace()

    def forbid(self, agent: int) -> None:
        """
        Nothing that an agent has started may fork, nor start a thread.
        """
        if self._group is not None:
            (self._group / "pids.max").write_text("1")
        else:
            self._bound(agent, 1)

    def permit(self, agent: int) -> None:
        """
        All may again.
        """
        if self._group is not None:
            (self._group / "pids.max").write_text("max")
        else:
            self._bound(agent, None)

    @staticmethod
    def _bound(agent: int, most: int | None) -> None:
        for pid in (agent, *warden.below(agent)):
            hard = resource.prlimit(pid, resource.RLIMIT_NPROC)[1]
            resource.prlimit(pid, resource.RLIMIT_NPROC, (most or hard, hard))

    @staticmethod
    def _cgroup(test: SynchronousTestCase) -> Path:
        for folder in _FOLDERS:
            group = folder / f"smartmob-test-{os.getpid()}"
            try:
                group.mkdir()
            except OSError:
                continue
            test.addCleanup(group.rmdir)
            if (group / "pids.max").exists():
                return group
        raise SkipTest(f"{_WHAT}: there can be no cgroup that counts them")

    @staticmethod
    def _namespace() -> Sequence[str]:
        unshare = shutil.which("unshare")
        if unshare is None:
            raise SkipTest(f"{_WHAT}: there is no unshare(1)")
        words = (unshare, "--user", "--map-current-user")
        done = subprocess.run([*words, "true"], capture_output=True, check=False)
        if done.returncode:
            raise SkipTest(f"{_WHAT}: {done.stderr.decode().strip()}")
        return words
