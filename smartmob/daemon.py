"""
Going to the background, but not before it is known that all is well.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from attrs import frozen


@frozen
class Terminal:
    """
    The process that the operator started, which waits for its daemon.

    @ivar _pipe: What the daemon's end is told through; closed with it.
    """

    _pipe: int

    def let_go(self) -> None:
        """
        All is well: the command has succeeded.  Standard error goes the way of
        standard output, to nowhere, and the folder it was started in may go.
        """
        os.chdir("/")
        os.write(self._pipe, b"\0")
        os.close(self._pipe)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 2)
        os.close(null)


def detach() -> Terminal:
    """
    Go on in a process of its own session, with no terminal.

    The first process stays until L{Terminal.let_go}, or until the daemon ends, and
    then ends as it did.  Standard error is kept until then, so that a start that
    fails says so where it was asked for.
    """
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        _wait(read, child)
    os.close(read)
    os.setsid()
    grandchild = os.fork()
    if grandchild:
        # What leads a session may get a terminal again, so the daemon does not.
        os.close(write)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) & 0xFF)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return Terminal(write)


def _wait(read: int, child: int) -> NoReturn:
    if os.read(read, 1):
        # It has nothing to tell any more, and must not keep standard error open.
        os.kill(child, signal.SIGKILL)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code & 0xFF or 1)
