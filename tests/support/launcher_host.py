"""
A process with a L{Launcher}, for a test to kill.

Run as C{python launcher_host.py COUNT WORDS [FOLDER]}: it says C{guardian PID}, then
C{executed} as often as the program of these words was, out of COUNT times at once,
and what these programs say.  WORDS are hexadecimal digits, with zero bytes between
the words, so that a marker of the programs is not found in this command line.  With a
FOLDER they are detached, as C{app.web.0} and so on.  With C{SMARTMOB_TEST_CGROUP} in its
environment, the folder of a cgroup, it goes into that first, and divides it.
"""

from __future__ import annotations

import os
import sys

from twisted.internet import reactor
from twisted.internet.protocol import ProcessProtocol

from smartmob.launch import cgroup_files as files
from smartmob.launch.cgroups import Cgroups
from smartmob.launch.interfaces import Command, Detach, Group
from smartmob.launch.launcher import Launcher


class Relay(ProcessProtocol):
    """
    Says what it is told.
    """

    def connectionMade(self) -> None:
        print("executed", flush=True)

    def outReceived(self, data: bytes) -> None:
        print(data.decode().strip(), flush=True)


def main() -> None:
    """
    Start, until somebody kills us.
    """
    count = int(sys.argv[1])
    words = bytes.fromhex(sys.argv[2]).decode().split("\0")
    groups = None
    if os.environ.get("SMARTMOB_TEST_CGROUP"):
        files.write(os.environ["SMARTMOB_TEST_CGROUP"], "cgroup.procs", "0")
        groups = Cgroups()
    launcher = Launcher(reactor, groups=groups)
    launcher.startService()
    assert launcher._helper is not None
    print("guardian", launcher._helper.pid, flush=True)
    for number in range(count):
        detach = None
        if sys.argv[3:]:
            detach = Detach(name=f"app.web.{number}", folder=sys.argv[3])
        command = Command(
            argv=tuple(words),
            env={"PATH": os.environ["PATH"]},
            detach=detach,
            group=Group(name=f"app.web.{number}"),
        )
        launcher.program(command).run(Relay())
    reactor.run()


if __name__ == "__main__":
    main()
