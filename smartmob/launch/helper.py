"""
Starting the guardian, and keepers.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from fcntl import F_DUPFD_CLOEXEC, fcntl

from smartmob.launch.wire import LARGEST


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """
    Two ends of a connection of packets, as large as the kernel grants.

    @raise OSError: There are no descriptors left.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST // 2)  # the kernel doubles it
    return ours, theirs


class Helper:
    """
    A guardian that was started, or what is about to become a keeper.
    """

    def __init__(self, connection: socket.socket, pid: int) -> None:
        """
        @param connection: The agent's end, of packets.
        """
        self.connection = connection
        self.pid = pid

    def kill(self) -> None:
        """
        End it, if it has not ended.  Its reapers find out, and kill their trees.
        """
        os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> None:
        """
        Forget it, after its end of the connection was closed: so it has ended, or is
        about to.
        """
        self.kill()
        os.waitpid(self.pid, 0)


def start_guardian(bounds: tuple[int, int]) -> Helper:
    """
    Start one.

    @param bounds: RLIMIT_NOFILE for the programs.
    @raise OSError: It can't be started.
    """
    return _start("guardian.py", bounds)


def start_keeper(bounds: tuple[int, int]) -> Helper:
    """
    Start one.  It forks itself away at once: what is left to be reaped is not the
    keeper.

    @param bounds: RLIMIT_NOFILE for the program.
    @raise OSError: It can't be started.
    """
    return _start("keeper.py", bounds)


def _start(script: str, bounds: tuple[int, int]) -> Helper:
    """
    Start a helper, which gets nothing of the agent: neither its environment nor its
    descriptors.
    """
    ours, theirs = packet_pair()
    try:
        with theirs:
            # Above those that are about to be replaced in the child.
            high = fcntl(theirs.fileno(), F_DUPFD_CLOEXEC, 10)
        try:
            pid = _spawn(script, high, bounds)
        finally:
            os.close(high)
    except OSError:
        ours.close()
        raise
    return Helper(ours, pid)


def _spawn(script: str, connection: int, bounds: tuple[int, int]) -> int:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), script)
    kept = ("LD_LIBRARY_PATH",)  # without which some interpreters do not start
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", program, *map(str, bounds)],
        {name: os.environ[name] for name in kept if name in os.environ},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, connection, 3),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        # A terminal's Ctrl-C is for the agent, from the first moment on.
        setsigmask=signal.valid_signals(),
    )
