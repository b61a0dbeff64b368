"""
Detached programs that an earlier agent began: finding them, and ending them.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.launch import wire
from smartmob.launch.keeper_link import connect
from smartmob.launch.lost import keepers, kept, lost
from smartmob.launch.packets import Packets
from smartmob.launch.pipes import Reactor
from smartmob.launch.record import Record, boot_id, identity, read, remove, started, stat
from smartmob.launch.tree import send

_log = Logger()

LOOK = 0.02
"""
Seconds between two looks at what has no descriptor that would tell us.
"""

PATIENCE = 5.0
"""
Seconds after which a keeper that listens to nobody is killed, and what can't be killed
is left.
"""

ANSWER = 7.0
"""
Seconds beyond its program's grace that a keeper has to answer: it kills for 5 at most.
"""

_RECORD = ".json"


@contextmanager
def opened(folder: str, *, make: bool = False) -> Iterator[int]:
    """
    The descriptor of a folder.

    @param make: Make it where it is not there, for the agent's user only.
    @raise OSError: It can't be used.
    """
    if make:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def found(folder: int, name: str) -> Record | None:
    """
    The record of a program, if that or its keeper lives.  Where neither does, it is
    removed, with all that belongs to it.  Where there is none of a keeper that lives, it is
    what L{lost} knows of that.

    @param folder: A descriptor.
    @raise OSError: It can't be read; the error has the name of the file.
    """
    try:
        record = Record.from_document(json.loads(read(folder, name)))
    except FileNotFoundError:
        return lost(folder, name)
    except (ValueError, AttributeError, RecursionError) as e:
        unrecorded = lost(folder, name)
        _log.warn(
            "the record of {name}, which is detached, is damaged, {so}: {why}",
            name=name,
            so="but it runs" if unrecorded else "so it is not known whether it runs",
            why=str(e),
        )
        remove(folder, name, 0)
        return unrecorded
    lives = record.boot == boot_id() and (record.keeper_lives or record.leader_lives)
    if lives and _is_of(folder, name, record):
        return record
    unrecorded = lost(folder, name)
    if unrecorded is None:
        if lives:
            _log.warn(
                "{name}, pid {pid}, is detached, and another agent's, of whose state folder"
                " this one is a copy: it is left alone",
                name=name,
                pid=record.pid,
            )
        remove(folder, name, record.keeper)
    return unrecorded


def _is_of(folder: int, name: str, record: Record) -> bool:
    """
    Whether a record was written in this folder, and is no copy.  One that does not say where
    it was written is believed, unless its keeper is seen to be elsewhere.
    """
    if record.folder:
        return record.folder == identity(folder)
    try:
        return not record.keeper_lives or kept(folder, record.keeper) == name
    except OSError:
        return True  # it can't be looked at


class Earlier:
    """
    A program that an earlier agent began, and that is to end.
    """

    def __init__(self, reactor: Reactor, folder: str, name: str) -> None:
        """
        @param folder: That of its record.
        """
        self._reactor = reactor
        self._folder = folder
        self._name = name
        self._control: Packets | None = None
        self._silent: IDelayedCall | None = None
        self._hurry = False

    def end(self) -> Deferred[None]:
        """
        Ask it to end, and after its grace see to it that it does.

        @return: Fires when its tree is gone, or what is left can't be ended.  To cancel
            it ends the wait, and changes nothing else.
        """
        return Deferred.fromCoroutine(self._end())

    def kill(self) -> None:
        """
        Wait for it no longer: KILL it.
        """
        self._hurry = True
        if self._control is not None:
            self._control.send(wire.KILL)
            assert self._silent is not None
            self._silent.reset(ANSWER)

    async def _end(self) -> None:
        patience = self._reactor.seconds() + PATIENCE
        told = False
        with opened(self._folder) as folder:
            while (record := found(folder, self._name)) is not None:
                late = self._reactor.seconds() > patience
                if not record.fingerprint and not told:
                    told = True
                    _log.warn(
                        "{name} is detached, and runs, but its record is lost: it ends, with"
                        " what keeps it, pid {keeper}",
                        name=self._name,
                        keeper=record.keeper,
                    )
                if record.keeper_lives:
                    if await self._ask(folder, record):
                        patience = self._reactor.seconds() + PATIENCE
                    elif late:
                        kill_keeper(record)
                elif late:
                    _log.error(
                        "{name}, pid {pid}, was left by an earlier agent and can't be ended",
                        name=self._name,
                        pid=record.pid,
                    )
                    remove(folder, self._name, record.keeper)
                    return
                else:
                    self._kill_orphan(record)
                await self._moment()

    async def _ask(self, folder: int, record: Record) -> bool:
        """
        Have the keeper end it.

        @return: It took the message, and has answered, or ended.  One that does neither,
            since somebody stopped it (SIGSTOP), is killed.
        """
        try:
            connection = connect(folder, record)
        except OSError:
            return False  # it is about to end
        wake_keeper(record)
        over: Deferred[None] = Deferred()

        def said(packet: bytes) -> None:
            if packet.startswith(wire.GONE) and not over.called:
                over.callback(None)

        def lost() -> None:
            if not over.called:
                over.callback(None)

        control = self._control = Packets(self._reactor, connection, said, lost)
        wait = ANSWER if self._hurry else record.grace + ANSWER
        silent = self._silent = self._reactor.callLater(wait, kill_keeper, record)
        control.send(wire.pack(wire.STOP, str(record.grace).encode()))
        if self._hurry:
            control.send(wire.KILL)
        try:
            await over
        finally:
            self._control = None
            if silent.active():
                silent.cancel()
            control.close()
        return True

    def _kill_orphan(self, record: Record) -> None:
        """
        End a leader without a keeper, and its session, as long as the leader is there:
        the number of a session is its own so long, and no longer.
        """
        _log.warn(
            "{name}, pid {pid}, was left without what kept it: it is killed",
            name=self._name,
            pid=record.pid,
        )
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            fields = stat(pid)
            if pid != record.pid and fields and int(fields[3]) == record.pid:
                kill(pid, int(fields[19]))
        kill(record.pid, record.start)

    def _moment(self) -> Deferred[None]:
        moment: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(LOOK, moment.callback, None)
        return moment


def kill_keeper(record: Record) -> None:
    """
    KILL a keeper, and wake its parent, which kills what was below it, should somebody have
    stopped both.
    """
    _wake_parent(record)
    kill(record.keeper, record.keeper_start)


def wake_keeper(record: Record) -> None:
    """
    Have a keeper go on, should somebody have stopped it: it would never answer.  Its parent,
    too, which would stay when the keeper has ended.
    """
    with suppress(OSError):  # it can't be looked at now
        _wake_parent(record)
    send(record.keeper, signal.SIGCONT)


def _wake_parent(record: Record) -> None:
    fields = stat(record.keeper)
    if fields:
        send(int(fields[1]), signal.SIGCONT)


def kill(pid: int, start: int) -> None:
    """
    KILL a process, and never another that was given its number.

    @param start: When it began, as of L{started}.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return  # it has ended
    try:
        if started(pid) == start:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return  # there is no right to it
    finally:
        os.close(descriptor)


def lives(folder: str, name: str) -> bool:
    """
    Whether a program that an earlier agent began runs still.

    @param folder: That of the records; need not be there.
    """
    try:
        with opened(folder) as descriptor:
            record = found(descriptor, name)
    except OSError:
        return False
    return record is not None and record.leader_lives


def end_leftovers(reactor: Reactor, folder: str, known: Container[str]) -> Deferred[None]:
    """
    End what earlier agents began, and nobody wants any more, each with its grace.

    @param folder: That of the records; need not be there.
    @param known: The names of those to be left alone.
    @return: Fires when none of the others is left, or all that can be done was.  To cancel
        it ends the wait, and changes nothing else.
    """
    try:
        with opened(folder) as descriptor:
            entries = os.listdir(descriptor)
            names = {name for _, name in keepers(descriptor)}
    except OSError:
        entries, names = [], set()
    names |= {entry.removesuffix(_RECORD) for entry in entries if entry.endswith(_RECORD)}
    ends = []
    for name in sorted(names):
        if name not in known:
            _log.info("{name} is detached, and not configured any more: it ends", name=name)
            end = Earlier(reactor, folder, name).end()
            ends.append(end.addErrback(_failed, folder, name))
    return DeferredList(ends).addCallback(lambda _: None)


def _failed(failure: Failure, folder: str, name: str) -> None:
    if failure.check(CancelledError):
        return
    if isinstance(failure.value, OSError):
        _log.warn(
            "whether {name}, which is detached, runs is not known: {path} can't be used: {why}",
            name=name,
            path=os.path.join(folder, failure.value.filename or ""),
            why=failure.value.strerror,
        )
        return
    _log.failure("ending {name}", failure, name=name)
