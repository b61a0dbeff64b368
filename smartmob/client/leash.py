"""
The agent, tied to the program that started it.

C{python -m smartmob.client.leash PID [OPTION...]} is C{smartmob-agent [OPTION...]}
in a session of its own, so that Ctrl-C at the terminal reaches only the program
that started it, process PID; and with a SIGTERM to come when that one ends, however it
does (PR_SET_PDEATHSIG, prctl(2)), so that no agent is left without its owner.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def tie(parent: int) -> None:
    """
    Ask for SIGTERM at the end of C{parent}, and leave its session and its terminal.

    @raise SystemExit: C{parent} has ended already.
    """
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


def main() -> NoReturn:
    """
    Tie this process, then be the agent.
    """
    tie(int(sys.argv[1]))
    sys.argv[:2] = ["smartmob-agent"]
    # Imported late: what may still go wrong with it is to go wrong tied.
    from smartmob.main import main as agent

    sys.exit(agent())


if __name__ == "__main__":
    main()
