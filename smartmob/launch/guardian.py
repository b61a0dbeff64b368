"""
The one process below the agent that outlives it, for as long as it takes to end
everything that the agent started.

Run as a program: C{python -I -S guardian.py SOFT HARD}, with a SOCK_SEQPACKET
socket to the agent as descriptor 3.  SOFT and HARD are the bounds of open files
(RLIMIT_NOFILE) with which the agent was started, for the programs.

Each order makes a reaper (L{smartmob.launch.reaper}).  The agent's end, however it
comes, closes the socket.  What a reaper that was killed leaves behind becomes the
guardian's, since it is the next reaper up the tree (PR_SET_CHILD_SUBREAPER).
"""

from __future__ import annotations

import gc
import os
import sys
from signal import SIGCHLD, SIGCONT, SIGIO, SIGKILL, sigtimedwait, sigwaitinfo
from time import monotonic

if __name__ == "__main__":  # run by its path, and without site-packages
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from smartmob.launch import wire
from smartmob.launch.execution import (
    NOT_EXECUTABLE,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NAME,
    PR_SET_PDEATHSIG,
    prctl,
)
from smartmob.launch.reaper import Mailbox, Reaper
from smartmob.launch.settling import settle
from smartmob.launch.tree import PATIENCE, children, kill_all, kill_once

TYPE_CHECKING = False  # importing typing costs each program memory
if TYPE_CHECKING:
    from signal import struct_siginfo
    from typing import NoReturn

_WOKEN_BY = (SIGCHLD, SIGIO, SIGCONT)


class Guardian:
    """
    @ivar reaper: What each child becomes.
    @ivar reapers: Those that live.
    @ivar unkillable: Orphans that can't be ended.
    @ivar until: How long orphans are killed again (monotonic); C{None}: there are none.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.reaper = Reaper(mailbox)
        self.me = os.getpid()
        self.agent = os.getppid()
        self.reapers: set[int] = set()
        self.unkillable: set[int] = set()
        self.until: float | None = None

    def live(self) -> NoReturn:
        """
        Stay until the agent is gone.
        """
        self.mailbox.listen(self.me)
        self.mailbox.send(wire.READY)
        self.hear()
        while True:
            woken: struct_siginfo | None
            if self.until is None:
                woken = sigwaitinfo(_WOKEN_BY)
            else:
                woken = sigtimedwait(_WOKEN_BY, 0.002)
                self.kill_orphans(self.until)
            if woken is None:
                continue
            if woken.si_signo == SIGCHLD:
                self.reap()
            elif woken.si_signo == SIGIO:
                self.hear()
            elif os.getppid() != self.agent:
                self.leave()

    def hear(self) -> None:
        """
        Make a reaper of each order, and answer who asks whether we are here.
        """
        while self.mailbox.waiting():
            packet, descriptors, complete = self.mailbox.receive()
            if not packet:
                self.leave()
            if packet == wire.PING and not descriptors:
                self.mailbox.send(wire.ALIVE)
            elif complete and len(descriptors) >= 3:
                self.delegate(packet, descriptors)
            else:
                self.refuse(descriptors, "its helper has no descriptors left")
            for descriptor in descriptors:
                os.close(descriptor)

    def delegate(self, packet: bytes, descriptors: list[int]) -> None:
        """
        Make a reaper.
        """
        try:
            pid = os.fork()
        except OSError as e:
            self.refuse(descriptors, f"no process can be made for it: {e.strerror}")
            return
        if pid:
            self.reapers.add(pid)
            return
        try:
            self.reaper.live(packet, descriptors, self.me)
        except BaseException as e:  # whatever it is, this copy of the guardian has to end
            self.mailbox.send(wire.broken(e))
        finally:
            os._exit(1)

    def refuse(self, descriptors: list[int], why: str) -> None:
        """
        Say that a program can't be executed.
        """
        if not descriptors:  # control comes first, so that it is the last to be missed
            return
        try:
            os.write(
                descriptors[0],
                wire.pack(wire.REFUSED, b"%d" % NOT_EXECUTABLE, why.encode()),
            )
        except OSError:
            return  # the agent wants to know no more

    def reap(self) -> bool:
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
            self.unkillable.discard(pid)
            if pid in self.reapers:
                self.reapers.remove(pid)
                if status and self.until is None:
                    self.until = monotonic() + PATIENCE

    def kill_orphans(self, until: float) -> None:
        """
        KILL what a reaper left behind: all our children that are no reapers.
        """
        kill_once(self.me, {}, self.reapers | self.unkillable)
        self.reap()
        orphans = set(children(self.me)) - self.reapers - self.unkillable
        if orphans and monotonic() >= until:
            self.unkillable |= orphans
        elif orphans:
            return
        self.until = None

    def leave(self) -> NoReturn:
        """
        The agent is gone: KILL everything.
        """
        for reaper in self.reapers:  # their leaders die with them: one sweep for most
            os.kill(reaper, SIGKILL)
        kill_all(self.me, self.reap, {})
        os._exit(0)


def main() -> NoReturn:
    """
    Be the guardian.
    """
    mailbox = Mailbox()
    try:
        settle((int(sys.argv[1]), int(sys.argv[2])))
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_PDEATHSIG, SIGCONT)  # which one that was stopped gets as well
        prctl(PR_SET_NAME, b"smartmob-guard")
    except OSError as e:
        mailbox.send(wire.broken(e))
        os._exit(1)
    guardian = Guardian(mailbox)
    # No collection may touch, and so copy, the memory that all reapers share.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        guardian.live()
    except BaseException as e:  # the agent has to know, and everything has to end
        mailbox.send(wire.broken(e))
        guardian.leave()


if __name__ == "__main__":
    main()
