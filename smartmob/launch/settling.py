"""
How a helper begins: it leaves the world of the agent that started it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from fcntl import F_SETFD, FD_CLOEXEC, fcntl
from signal import (
    SIG_BLOCK,
    SIG_DFL,
    getsignal,
    pthread_sigmask,
    signal,
    valid_signals,
)

from smartmob.launch.execution import restore_internal_signals
from smartmob.launch.reaper import PEER


def settle(bounds: tuple[int, int]) -> None:
    """
    Leave the agent's session, its signals, its folder, and all its descriptors but
    L{PEER<smartmob.launch.reaper.PEER>}.

    All signals are blocked: those that we wait for, and those that a terminal or
    somebody else sends.  None is ignored or caught, so that the programs have
    nothing to undo but the mask.

    @param bounds: RLIMIT_NOFILE for the programs.
    @raise OSError: It can't, or could not do its work.
    """
    pthread_sigmask(SIG_BLOCK, valid_signals())
    for number in valid_signals():
        if getsignal(number) not in (SIG_DFL, None):
            signal(number, SIG_DFL)
    restore_internal_signals()
    os.setsid()
    os.chdir("/")
    fcntl(PEER, F_SETFD, FD_CLOEXEC)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > PEER:
            try:
                os.close(descriptor)
            except OSError:
                continue  # that by which they were listed
    resource.setrlimit(resource.RLIMIT_NOFILE, bounds)
    # Where the kernel does not list children, or /proc is that of another PID namespace,
    # no program could ever be ended, or a stranger would be.
    os.close(os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC))


def signal_descriptor(signals: tuple[int, ...]) -> int:
    """
    A descriptor that is readable while one of these signals waits (signalfd(2)).

    @raise OSError: There is none left.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    mask = sum(1 << number - 1 for number in signals)
    words = mask.to_bytes(8, sys.byteorder).ljust(128, b"\0")
    descriptor: int = libc.signalfd(-1, words, os.O_CLOEXEC)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor
