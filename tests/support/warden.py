"""
A command, and an account of everything that ever comes of it.

C{python -I -S warden.py CONTROL SOFT HARD UMASK COMMAND...} runs COMMAND with these
bounds of open files (C{-}: as they are) and this umask, and becomes the parent of
whatever is left below it when its own parent ends (PR_SET_CHILD_SUBREAPER), as init
would: what is left of an agent that was killed is what is below the warden.

Tells on the descriptor CONTROL C{started PID}, then C{exited STATUS}, and goes on
reaping.  SIGTERM, or the end of the process that started it, ends it, and before
that all that is below it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

WOKEN_BY = (signal.SIGCHLD, signal.SIGTERM)


def below(pid: int) -> list[int]:
    """
    All that is below a process, zombies included, parents first.
    """
    found = _children(pid)
    for child in found:
        found += _children(child)
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        return found  # it ended meanwhile
    return found


def be_command(soft: str, hard: str, umask: str, *command: str) -> NoReturn:
    """
    The child.
    """
    if soft != "-":
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), int(hard)))
    if umask != "-":
        os.umask(int(umask, 8))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WOKEN_BY)
    os.execvp(command[0], list(command))


def reap(command: int, control: int) -> bool:
    """
    @return: There is no child left.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not pid:
            return False
        if pid == command:
            tell(control, b"exited %d\n" % os.waitstatus_to_exitcode(status))


def tell(control: int, what: bytes) -> None:
    """
    Say something to the test, which may be gone.
    """
    try:
        os.write(control, what)
    except BrokenPipeError:
        return


def leave(command: int, control: int) -> NoReturn:
    """
    End everything.
    """
    while not reap(command, control):
        for pid in below(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        signal.sigtimedwait([signal.SIGCHLD], 0.01)
    os._exit(0)


def main() -> NoReturn:
    """
    Start the command, and keep what comes of it.
    """
    control = int(sys.argv[1])
    os.set_inheritable(control, False)
    signal.pthread_sigmask(signal.SIG_BLOCK, WOKEN_BY)
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    command = os.fork()
    if not command:
        be_command(*sys.argv[2:])
    for name in os.listdir("/proc/self/fd"):
        if int(name) != control:
            try:
                os.close(int(name))
            except OSError:
                continue  # that by which they were listed
    tell(control, b"started %d\n" % command)
    while True:
        woken = signal.sigwait(WOKEN_BY)
        if woken == signal.SIGTERM:
            leave(command, control)
        reap(command, control)


if __name__ == "__main__":
    main()
