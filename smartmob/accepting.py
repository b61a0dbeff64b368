"""
How connections come in by a port.

The system has one queue for all who connect to a port.  While somebody fills it, whoever else
connects waits behind, and once it is full is not heard for a second (tcp(7)).  So it is
emptied first, which costs little, and then protocols are made: for all addresses in turn, not
for those who are gone already, and not for so long that others wait.

Twisted's own takes more at once each time that there are more, without an end, and makes a
protocol for each.
"""

from __future__ import annotations

import socket
from collections import OrderedDict, deque
from collections.abc import Iterator

from twisted.internet import tcp
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()

BATCH = 256
"""Connections that are taken before it is looked at the time."""

TAKING = 0.004
"""Seconds of a turn of the reactor in which connections are taken out of the queue ..."""

MAKING = 0.004
"""... and in which protocols are made of them."""

MOST_OF_A_PEER = 512
"""So many of one address may wait for that: more than it may have open ..."""

MOST = 2048
"""... and so many of all."""

Taken = tuple[socket.socket, tuple[object, ...]]
"""A connection, and the address of the other end as L{socket.socket.accept} has it."""


class Accepting:
    """
    What a port does when somebody has connected.
    """

    def __init__(
        self,
        port: tcp.Port,
        clock: IReactorTime,
        *,
        most: int = MOST,
        most_of_a_peer: int = MOST_OF_A_PEER,
    ) -> None:
        """
        @param port: Which asks this from now on.
        @param most: Connections that may wait for a protocol.
        @param most_of_a_peer: From one address.
        """
        self._port = port
        self._clock = clock
        self._most = most
        self._most_of_a_peer = most_of_a_peer
        self._waiting: OrderedDict[object, deque[Taken]] = OrderedDict()
        self._count = 0
        self._next: IDelayedCall | None = None
        port.doRead = self.read  # type: ignore[method-assign] # whatever kind of port it is

    def read(self) -> None:
        """
        Somebody has connected.
        """
        end = self._clock.seconds() + TAKING
        while self._take() == BATCH and self._clock.seconds() < end:
            pass
        if self._next is None:
            self._make()

    def _take(self) -> int:
        """
        Take a batch of those who wait in the system's queue.

        @return: How many there were.
        """
        taken = 0
        try:
            for client, address in _accepted(self._port):
                taken += 1  # what was taken counts when the next can't be
                peer = address[0] if address else ""
                before = len(self._waiting.get(peer, ()))
                if self._count < self._most and before < self._most_of_a_peer:
                    self._waiting.setdefault(peer, deque()).append((client, address))
                    self._count += 1
                else:
                    client.close()
        except OSError:
            _log.failure("no connection could be taken")
        return taken

    def _make(self) -> None:
        """
        Make protocols for those who wait, one of each address in turn.
        """
        self._next = None
        end = self._clock.seconds() + MAKING
        while self._waiting:
            peer, queue = self._waiting.popitem(last=False)
            client, address = queue.popleft()
            self._count -= 1
            if queue:
                self._waiting[peer] = queue
            if self._port.disconnecting or _is_gone(client):
                client.close()
            else:
                self._connect(client, address)
            if self._clock.seconds() >= end:
                break
        if self._waiting:
            self._next = self._clock.callLater(0, self._make)

    def _connect(self, client: socket.socket, address: tuple[object, ...]) -> None:
        """
        As Twisted's own does.
        """
        port = self._port
        assert port.factory is not None, "it listens"
        try:
            if len(address) == 4:  # IPv6, whose scope belongs to it
                numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
                address = (socket.getnameinfo(address, numeric)[0], *address[1:])  # type: ignore[arg-type] # as it came from accept()
            protocol = port.factory.buildProtocol(port._buildAddr(address))
            if protocol is None:
                client.close()
                return
            port.sessionno += 1
            transport = port.transport(
                client, protocol, address, port, port.sessionno - 1, port.reactor
            )
            protocol.makeConnection(transport)
        except Exception:
            _log.failure("nothing could be made for a connection")
            client.close()


def _accepted(port: tcp.Port) -> Iterator[Taken]:
    """
    Those who wait in the queue, as many as are taken at once.  Where there is no descriptor
    left Twisted closes them, so that they do not wait for what does not come.
    """
    with tcp._BuffersLogs(_log.namespace, _log.observer) as logger:
        yield from tcp._accept(logger, range(BATCH), port.socket, tcp._reservedFD)


def _is_gone(client: socket.socket) -> bool:
    """
    Whether it was closed before it said anything.
    """
    try:
        return not client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
