"""
A command, tied to the program that started it.

C{python -m smartmob.client.leash PID COMMAND...} executes COMMAND in a session of its
own, so that Ctrl-C at the terminal reaches only the program that started it, process
PID; and with a SIGTERM to come when that one ends, however it does
(PR_SET_PDEATHSIG, prctl(2)), so that nothing is left without its owner.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    """
    Tie this process, then be the command.
    """
    parent, *command = sys.argv[1:]
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        raise SystemExit(1)  # it ended before the knot was tied
    os.execv(command[0], command)  # noqa: S606 - this is what it is for


if __name__ == "__main__":
    main()
