"""
A program that outlives the agent.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.launch import wire
from smartmob.launch.earlier import Earlier, found, opened, wake_keeper
from smartmob.launch.interfaces import Command, IProgram
from smartmob.launch.keeper_link import KeeperLink, connect
from smartmob.launch.phase import Phase
from smartmob.launch.program import Program
from smartmob.launch.record import started
from smartmob.launch.start_queue import Starts
from smartmob.launch.terms import EXHAUSTED, fingerprint

_log = Logger()


@implementer(IProgram)
class DetachedProgram(Program):
    """
    One program with, as long as it runs, its keeper: another agent may have started
    both.
    """

    def __init__(self, launcher: Starts, command: Command) -> None:
        """
        @param command: With C{detach}.
        """
        super().__init__(launcher, command)
        assert command.detach is not None
        self._detach = command.detach
        self._adopting = False
        self._unwanted = False
        self._earlier: Earlier | None = None
        self._clearing: Deferred[None] | None = None

    def begin(self) -> None:
        """
        Its turn has come: find it, or have it executed.
        """
        self._phase = Phase.ASKED
        self._adopting = False
        self._unwanted = False
        if self._link is not None:
            self._link.control.send(wire.RUN, (), self._undelivered)
            return
        try:
            with opened(self._detach.folder, make=True) as folder:
                self._find(folder)
        except OSError as e:
            if e.errno in EXHAUSTED:
                self._undelivered(e)
                return
            self._launcher.finished(self)
            # What is in the folder is named relative to it.
            path = os.path.join(self._detach.folder, e.filename or "")
            self.refuse(f"{path} can't be used: {e.strerror}")

    def letGo(self) -> None:
        """
        Let it live on.
        """
        if self._phase is Phase.REFUSED:
            return  # which is told in a moment
        if self._phase is Phase.QUEUED:
            self._launcher.withdraw(self)
        if self._clearing is not None:
            self._clearing.cancel()
        stdin, protocol = self._stdin, self._protocol
        self._release()  # before its input: the keeper is not told to end that
        self._forget()
        self._protocol = None
        self._phase = Phase.IDLE
        if stdin is not None:
            stdin.close()
        if protocol is not None:
            self._launcher.finished(self)
            self._launcher.ended(self)

    def keeper(self) -> int | None:
        """
        Its keeper, as its record has it.
        """
        with opened(self._detach.folder) as folder:
            record = found(folder, self._detach.name)
        return record.keeper if record is not None and record.keeper_lives else None

    def _end_by(self, packet: bytes, grace: float = 0.0) -> None:
        if self._phase is Phase.ASKED:
            self._unwanted = True
            if self._earlier is not None and packet == wire.KILL:
                self._earlier.kill()
        super()._end_by(packet, grace)

    # Finding it.

    def _find(self, folder: int) -> None:
        """
        @param folder: The descriptor of its folder.
        """
        record = found(folder, self._detach.name)
        if record is None:
            self._start(folder)
            return
        same = record.fingerprint == fingerprint(self.command)
        if not (same and record.keeper_lives and record.leader_lives):
            self._clear()
            return
        try:
            connection = connect(folder, record)
        except OSError:
            self._clear()  # it has just ended
            return
        with suppress(ValueError):  # it goes on, though it can't be bounded any more
            self._place = self._launcher.housing.place(self.command)
        wake_keeper(record)
        self._adopting = True
        self._hold(
            KeeperLink(
                self._launcher.reactor,
                self._launcher.turns,
                self._detach.name,
                connection,
                self._said,
                self._output,
                self._emptied,
            )
        )

    def _clear(self) -> None:
        """
        Nothing of an earlier one is to be left when it begins.
        """
        self._adopting = False
        earlier = self._earlier = Earlier(
            self._launcher.reactor, self._detach.folder, self._detach.name
        )
        clearing = self._clearing = earlier.end()
        clearing.addBoth(self._cleared)

    def _cleared(self, result: Failure | None) -> None:
        self._earlier = self._clearing = None
        if result is not None and result.check(CancelledError):
            return
        if self._unwanted:
            self._launcher.finished(self)
            self.refuse("it was stopped before it was executed")
        elif result is None:
            self.begin()
        else:
            _log.failure("ending an earlier {name}", result, name=self._detach.name)
            self._launcher.finished(self)
            self.refuse("an earlier one could not be ended; the agent's log says why")

    def _start(self, folder: int) -> None:
        """
        Have it executed.
        """
        command, detach = self.command, self._detach
        flags = (command.redirect_input, command.merge_output)
        try:
            packet = self._order()
            place = self._place
            keep = wire.pack(
                wire.KEEP,
                os.fsencode(detach.name),
                fingerprint(command).encode(),
                *(b"%d" % flag for flag in flags),
                *([] if place is None else [os.fsencode(place.keeper or "")]),
            )
            helper = self._launcher.keeper()
        except (OSError, ValueError) as e:
            self._undelivered(e)
            return
        link = KeeperLink(
            self._launcher.reactor,
            self._launcher.turns,
            detach.name,
            helper,
            self._said,
            self._output,
            self._emptied,
        )
        self._hold(link)
        link.control.send(keep, (os.dup(folder),), self._undelivered)
        if self._link is link:
            link.control.send(packet, (), self._undelivered)

    # What the keeper says.

    def _executed(self, pid: int) -> None:
        self.adopted = self._adopting
        self.started_at = _began(pid)
        self._adopting = False
        assert isinstance(self._link, KeeperLink)
        self._stdin = self._link.take_input()
        super()._executed(pid)

    def _lost(self) -> None:
        if self._phase is Phase.ASKED and self._adopting:
            self._release()  # it has just ended
            self._clear()
        else:
            super()._lost()


def _began(pid: int) -> float | None:
    """
    When a process began, in seconds since the epoch.
    """
    ticks = started(pid)
    if ticks is None:
        return None
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return round(boot + ticks / os.sysconf("SC_CLK_TCK"), 2)
