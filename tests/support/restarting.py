"""
A process with a L{Launcher} that runs one program again and again, as fast as it can.

Run as C{python restarting.py TIMES}: it says C{guardian PID} and C{reaper PID}, then ten
times C{after RUNS AGENT GUARDIAN REAPER DESCRIPTORS}: how often the program was run, how many
KiB of memory of its own each of the three has then, and how many descriptors this process
has; and at the end C{executed TIMES}.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from smartmob.launch.interfaces import Command
from smartmob.launch.launcher import Launcher
from smartmob.launch.tree import children

reactor: Any = installed_reactor

SAMPLES = 10


def private(pid: int) -> int:
    """
    KiB of memory that no other process has, and no file (proc(5)).
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_Dirty:"))


class Again(ProcessProtocol):
    """
    Runs the program, until it was run so often.
    """

    def __init__(self, launcher: Launcher, guardian: int, times: int) -> None:
        self._launcher = launcher
        self._guardian = guardian
        self._times = times
        self._executed = 0
        self._ended = 0
        self._reaper = 0
        self._program = launcher.program(Command(argv=("/bin/true",), env={}))
        self._program.run(self)

    def makeConnection(self, transport: object) -> None:
        """
        It was executed.
        """
        self._executed += 1
        if not self._reaper:
            [self._reaper] = children(self._guardian)
            print("reaper", self._reaper, flush=True)

    def processEnded(self, reason: Failure) -> None:
        """
        It is over.
        """
        if not reason.check(ProcessDone):
            print("failed", reason.value, flush=True)
            os._exit(1)
        self._ended += 1
        if self._ended % max(1, self._times // SAMPLES) == 0:
            self._sample()
        if self._ended < self._times:
            self._program.run(self)
        else:
            print("executed", self._executed, flush=True)
            self._program.dismiss()
            self._launcher.stopService().addCallback(lambda _: reactor.stop())

    def _sample(self) -> None:
        gc.collect()
        memory = [private(pid) for pid in (os.getpid(), self._guardian, self._reaper)]
        print("after", self._ended, *memory, len(os.listdir("/proc/self/fd")), flush=True)


def main() -> None:
    """
    Run it.
    """
    launcher = Launcher(reactor)
    launcher.startService()
    assert launcher._helper is not None
    guardian = launcher._helper.pid
    print("guardian", guardian, flush=True)
    Again(launcher, guardian, int(sys.argv[1]))
    reactor.run()


if __name__ == "__main__":
    main()
