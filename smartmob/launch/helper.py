"""
Starting the guardian, and keepers.

There are two guardians that do the same: a compiled one, where C{setup.py} found a
compiler, and one in Python, which runs wherever the agent does.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from errno import EMFILE, ENFILE, ENOEXEC, ENOMEM, ETIMEDOUT
from fcntl import F_DUPFD_CLOEXEC, fcntl

from smartmob.launch import wire

HERE = os.path.dirname(os.path.abspath(__file__))

EXECUTABLE = os.path.join(HERE, "compiled", "smartmob-guardian")
"""The compiled guardian, where there is one."""

COMPILED, PYTHON = "compiled", "python"

VARIABLE = "SMARTMOB_GUARDIAN"
"""The environment variable that says which one it has to be."""

PATIENCE = 5.0
"""
Seconds that the compiled guardian has to say that it is ready; it needs a millisecond.
"""

_SCARCE = (EMFILE, ENFILE, ENOMEM)
"""What keeps the guardian in Python from being started as well."""


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """
    Two ends of a connection of packets, as large as the kernel grants.

    @raise OSError: There are no descriptors left.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # The kernel doubles it.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wire.LARGEST // 2)
    return ours, theirs


class Helper:
    """
    A guardian that was started, or what is about to become a keeper.
    """

    def __init__(self, connection: socket.socket, pid: int, kind: str = PYTHON) -> None:
        """
        @param connection: The agent's end, of packets.
        @param kind: L{COMPILED} or L{PYTHON}.
        """
        self.connection = connection
        self.pid = pid
        self.kind = kind

    def kill(self) -> None:
        """
        End it, if it has not ended.  Its reapers find out, and kill their trees.
        """
        with suppress(ProcessLookupError):  # as in wait
            os.kill(self.pid, signal.SIGKILL)

    def wake(self) -> None:
        """
        Have it go on, should somebody have stopped it.
        """
        with suppress(ProcessLookupError):  # as in wait
            os.kill(self.pid, signal.SIGCONT)

    def reap(self) -> None:
        """
        Forget it, after its end of the connection was closed: so it has ended, or is
        about to.
        """
        self.kill()
        self.wait()

    def wait(self) -> str:
        """
        Wait for its end.

        @return: How it ended.
        """
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            # Where SIGCHLD is ignored, as we may have inherited it, what ends is gone.
            return "it is not known how"
        code = os.waitstatus_to_exitcode(status)
        return f"killed by signal {-code}" if code < 0 else f"with exit code {code}"


def chosen(environ: Mapping[str, str], executable: str = EXECUTABLE) -> str | None:
    """
    Which guardian the operator wants; C{None}: the best that works.

    @param executable: The compiled one.
    @raise ValueError: There is none of that name, or it was not built.
    """
    said = environ.get(VARIABLE) or None
    if said not in (None, COMPILED, PYTHON):
        raise ValueError(f"{VARIABLE} is {COMPILED} or {PYTHON}, not {said!r}")
    if said == COMPILED and not os.path.exists(executable):
        raise ValueError(
            f"{VARIABLE} is {COMPILED}, but this smartmob was built without a compiler:"
            f" there is no {executable}"
        )
    return said


def start_guardian(
    bounds: tuple[int, int],
    choice: str | None = None,
    instead: Callable[[OSError], None] = lambda error: None,
    executable: str = EXECUTABLE,
) -> Helper:
    """
    Start the best one that works.

    @param bounds: RLIMIT_NOFILE for the programs.
    @param choice: As from L{chosen}; unless given, what the environment says.
    @param instead: Called with the reason where the compiled one is there and does not work,
        before the other one is started in its place.
    @param executable: The compiled one.
    @raise OSError: None can be started, or not the one that was chosen.
    @raise ValueError: As from L{chosen}.
    """
    choice = choice or chosen(os.environ, executable)
    if choice == COMPILED:
        return start_compiled(bounds, executable)
    if choice is None and os.path.exists(executable):
        try:
            return start_compiled(bounds, executable)
        except OSError as error:
            if error.errno in _SCARCE:
                raise
            instead(error)
    return start_python(bounds)


def start_python(bounds: tuple[int, int]) -> Helper:
    """
    Start the guardian in Python.

    @param bounds: As for L{start_guardian}.
    @raise OSError: It can't be started.
    """
    return _start(_python("guardian.py"), bounds, PYTHON)


def start_compiled(bounds: tuple[int, int], executable: str = EXECUTABLE) -> Helper:
    """
    Start the compiled guardian, and wait until it is ready: what is wrong with an
    executable shows at its start, and may be that it ends at once.  That it is ready is
    for whoever reads the connection to hear again.

    @param bounds: As for L{start_guardian}.
    @param executable: What to execute.
    @raise OSError: It can't be started, or does not work.
    """
    helper = _start([executable], bounds, COMPILED)
    helper.connection.settimeout(PATIENCE)
    try:
        first = helper.connection.recv(4096, socket.MSG_PEEK)
        number, why = ENOEXEC, wire.unpack(first)[-1].decode("utf-8", "replace")
    except TimeoutError:
        first, number, why = b"", ETIMEDOUT, f"it was not ready after {PATIENCE:g} s"
    except ConnectionError:
        first, number, why = b"", ENOEXEC, ""
    if first == wire.READY:
        helper.connection.settimeout(None)
        return helper
    helper.connection.close()
    helper.kill()
    how = helper.wait()
    raise OSError(number, why or f"it ended at once, {how}", executable)


def start_keeper(bounds: tuple[int, int]) -> Helper:
    """
    Start one.  It forks itself away at once: what is left to be reaped is not the
    keeper.

    @param bounds: RLIMIT_NOFILE for the program.
    @raise OSError: It can't be started.
    """
    return _start(_python("keeper.py"), bounds, PYTHON)


def runs(choice: str | None = None, executable: str = EXECUTABLE) -> str:
    """
    Which guardian it would be, as L{start_guardian} has it: found out by having the
    compiled one run for a moment.

    @param choice: As for L{start_guardian}.
    @param executable: The compiled one.
    @raise OSError: Not the one that was chosen.
    @raise ValueError: As from L{chosen}.
    """
    choice = choice or chosen(os.environ, executable)
    if choice == PYTHON or not os.path.exists(executable):
        return PYTHON
    try:
        helper = start_compiled(resource.getrlimit(resource.RLIMIT_NOFILE), executable)
    except OSError:
        if choice == COMPILED:
            raise
        return PYTHON
    helper.connection.close()
    helper.reap()
    return COMPILED


def _python(script: str) -> list[str]:
    return [sys.executable, "-I", "-S", os.path.join(HERE, script)]


def _start(words: list[str], bounds: tuple[int, int], kind: str) -> Helper:
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
            pid = _spawn([*words, *map(str, bounds)], high)
        finally:
            os.close(high)
    except OSError:
        ours.close()
        raise
    return Helper(ours, pid, kind)


def _spawn(words: list[str], connection: int) -> int:
    kept = ("LD_LIBRARY_PATH",)  # without which some interpreters do not start
    return os.posix_spawn(
        words[0],
        words,
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
