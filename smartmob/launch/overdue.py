"""
Programs that should be gone, and are not, since somebody stopped what keeps them.

A reaper or a keeper can't refuse to end a tree; but whoever runs as its user can stop it
(SIGSTOP), a program that it keeps too.  Without this nobody could end that program, nor the
agent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from signal import SIGCONT, SIGKILL
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from smartmob.launch.pipes import Reactor
from smartmob.launch.record import stat
from smartmob.launch.tree import children

_log = Logger()

ALLOWANCE = 2.0
"""
Seconds that a reaper has beyond what its program was given, and those between two looks.
"""


class Ending(Protocol):
    """
    A program that was told to end.

    @ivar pid: Its leader.
    """

    pid: int | None

    def keeper(self) -> int | None:
        """
        The pid of what keeps it, where that is a keeper; C{None} where it is a reaper.

        @raise OSError: It can't be said.
        """


class Overdue:
    """
    Looks after those that were told to end.  Where nobody is late, nothing is looked at.
    """

    def __init__(self, reactor: Reactor, guardian: Callable[[], int | None]) -> None:
        """
        @param guardian: The pid of the guardian, if there is one.
        """
        self._reactor = reactor
        self._guardian = guardian
        self._due: dict[Ending, float] = {}
        self._call: IDelayedCall | None = None

    def expect(self, program: Ending, seconds: float) -> None:
        """
        It was told to be gone by then.
        """
        wait = seconds + ALLOWANCE
        due = self._reactor.seconds() + wait
        self._due[program] = min(due, self._due.get(program, due))
        if self._call is None:
            self._call = self._reactor.callLater(wait, self._look)
        elif self._call.getTime() > due:
            self._call.reset(wait)

    def gone(self, program: Ending) -> None:
        """
        It is.
        """
        self._due.pop(program, None)
        if self._call is not None and not self._due:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        now = self._reactor.seconds()
        guardian = self._guardian()
        late = [program for program, due in self._due.items() if due <= now]
        with suppress(OSError):  # without descriptors nothing can be seen, until later
            _free(guardian, late)
        wait = max(ALLOWANCE, min(self._due.values()) - now)
        self._call = self._reactor.callLater(wait, self._look)


def _free(guardian: int | None, late: list[Ending]) -> None:
    """
    Kill what keeps programs, if it is stopped: to wake it would do once, and that somebody
    could stop it again.  Its parent, which kills what it leaves, is woken.
    """
    if guardian is not None and _is_stopped(stat(guardian)):
        _send(guardian, SIGCONT)
    for pid in set(_keeping(guardian, late)):
        fields = stat(pid)
        if _is_stopped(fields):
            _log.warn(
                "{pid}, which keeps a program that is to end, was stopped by somebody: it is "
                "killed, and with it the program",
                pid=pid,
            )
            _send(int(fields[1]), SIGCONT)
            _send(pid, SIGKILL)


def _keeping(guardian: int | None, late: list[Ending]) -> Iterator[int]:
    for program in late:
        keeper = program.keeper()
        if keeper is not None:
            yield keeper
        elif guardian is not None:
            yield from _reapers(guardian, program)


def _reapers(guardian: int, program: Ending) -> Iterator[int]:
    leader = stat(program.pid) if program.pid is not None else []
    if not leader:
        # Whatever is left of it is below one of these.
        yield from children(guardian)
        return
    reaper = int(leader[1])
    fields = stat(reaper)
    if fields and int(fields[1]) == guardian:
        yield reaper


def _is_stopped(fields: list[bytes]) -> bool:
    """
    Whether a process was stopped, by a signal or by who traces it (proc(5)).

    @param fields: As from L{stat}.
    """
    return fields[:1] in ([b"T"], [b"t"])


def _send(pid: int, signal: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal)
