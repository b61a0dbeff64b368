"""
Messages to syslog, each a datagram: over a unix socket or UDP.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Sequence

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorFDSet,
    IReactorTime,
    IWriteDescriptor,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.config.forward import Peer
from smartmob.forward.destination import Outcome, lines_of
from smartmob.forward.queue import Entry
from smartmob.names import LookUp

MOST_AT_ONCE = 256
"""Messages that are sent in one turn of the reactor: then it is everybody else's."""

SILENCE = 30.0
"""Seconds in which a receiver has to take something, or it is taken for stuck."""


def connected(path_or_address: str, port: int) -> socket.socket:
    """
    A socket whose datagrams go there; that takes no time.

    @param port: 0: it is a path.
    @raise OSError: Nobody is there.
    """
    if not port:
        family = socket.AF_UNIX
    else:
        family = socket.AF_INET6 if ":" in path_or_address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        made.connect((path_or_address, port) if port else path_or_address)
    except BaseException:
        made.close()
        raise
    return made


@implementer(IWriteDescriptor)
@define(eq=False, repr=False)
class DatagramDestination:
    """
    See L{Destination<smartmob.forward.destination.Destination>}.

    Whether a datagram arrives nobody says.  A local receiver that is slow is waited for; one
    that is gone is looked for again, and what it had not taken is sent to the next.

    @ivar reactor: Of descriptors.
    @ivar look_up: How addresses of hosts are found.
    """

    reactor: IReactorFDSet
    clock: IReactorTime
    peer: Peer
    look_up: LookUp
    _socket: socket.socket | None = field(default=None, init=False)
    _waiting: Deferred[Outcome] | None = field(default=None, init=False)
    _entries: deque[Entry] = field(factory=deque, init=False)
    _messages: deque[bytes] = field(factory=deque, init=False)  # of the first of them
    _count: int = field(default=0, init=False)
    _lost: int = field(default=0, init=False)
    _why: str = field(default="", init=False)
    _late: IDelayedCall | None = field(default=None, init=False)

    def deliver(self, batch: Sequence[Entry]) -> Deferred[Outcome]:
        """
        Send it.
        """
        waiting: Deferred[Outcome] = Deferred()
        self._waiting = waiting
        self._entries.extend(batch)
        self._take_apart()
        self._count, self._lost, self._why = lines_of(batch), 0, ""
        self._late = self.clock.callLater(SILENCE, self._silent)
        if self._socket is not None or self.peer.kind == "unix":
            self.clock.callLater(0, self._open, waiting, [self.peer.host])
            return waiting
        found = self.look_up(self.peer.host)
        found.addCallbacks(
            lambda addresses: self._open(waiting, addresses),
            lambda failure: self._unknown(waiting, failure),
        )
        return waiting

    def cut(self) -> None:
        """
        Send no more of it.
        """
        if self._waiting is not None:
            self._settle("")

    def close(self) -> None:
        """
        Let go of the socket.
        """
        gone, self._socket = self._socket, None
        if gone is not None:
            self.reactor.removeWriter(self)
            gone.close()

    # What the reactor asks.

    def fileno(self) -> int:
        """
        See L{IWriteDescriptor}.
        """
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """
        See L{IWriteDescriptor}.
        """
        return "syslog"

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor ends, or something came of what was sent before: nobody is there.
        """
        number = 0
        if self._socket is not None:
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.close()
        if self._waiting is not None:
            self._settle(f"can't be reached: {os.strerror(number or errno.ECONNRESET)}")

    def doWrite(self) -> None:
        """
        There is room: send as much as may be sent in a turn.
        """
        assert self._socket is not None
        for _ in range(MOST_AT_ONCE):
            if not self._messages:
                self._settle("")
                return
            try:
                self._socket.send(self._messages[0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    self.close()
                    self._settle(f"can't be reached: {error.strerror}")
                    return
                self._lost += 1
                self._why = "takes no message that long"
            self._messages.popleft()
            if not self._messages:
                self._entries.popleft()
                self._take_apart()
            if self._late is not None:
                self._late.reset(SILENCE)

    # Inside.

    def _open(self, waiting: Deferred[Outcome], addresses: Sequence[str]) -> None:
        if self._waiting is not waiting:
            return  # it was cut
        why: str | None = None
        for address in addresses:
            if self._socket is None:
                try:
                    self._socket = connected(address, self.peer.port)
                except OSError as error:  # this machine may have no way to some of them
                    why = error.strerror
        if self._socket is None:
            self._settle(f"can't be reached: {why}")
        else:
            self.reactor.addWriter(self)

    def _unknown(self, waiting: Deferred[Outcome], failure: Failure) -> None:
        if self._waiting is waiting:
            self._settle(f"can't be reached: {failure.getErrorMessage()}")

    def _take_apart(self) -> None:
        if self._entries:
            self._messages.extend(self._entries[0].data.split(b"\n"))
            self._messages.pop()

    def _silent(self) -> None:
        self._late = None
        why = "can't be reached: nobody answers" if self._socket is None else "takes nothing"
        self.close()
        self._settle(why)

    def _settle(self, why: str) -> None:
        waiting, self._waiting = self._waiting, None
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self._socket is not None:
            self.reactor.removeWriter(self)
        left = list(self._entries)
        if self._messages:
            key, _, count = left[0]
            data = b"".join(message + b"\n" for message in self._messages)
            left[0] = Entry(key, data, min(count, len(self._messages)))
        self._entries.clear()
        self._messages.clear()
        lost = min(self._lost, self._count - lines_of(left))
        if waiting is not None:
            waiting.callback(Outcome(left=left, lost=lost, why=why or self._why))
