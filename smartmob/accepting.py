"""
How connections come in by a port.

The system has one queue for all who connect to a port.  While somebody fills it, whoever else
connects waits behind, and once it is full is not heard for a second (tcp(7)).  So it is
emptied first, which costs little, and then protocols are made: for all addresses in turn, not
for those who are gone already, and not for so long that others wait.

Some connect faster than that.  Then whoever has connected and left a thousand times in a second
is not heard for a moment, where the agent may have the system do that.

Twisted's own takes more at once each time that there are more, without an end, and makes a
protocol for each.
"""

from __future__ import annotations

import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from math import inf

from attrs import frozen
from twisted.internet import tcp
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from smartmob import packet_filter

_log = Logger()

QUIET = 60.0
"""Seconds after which it is said again that somebody is not heard."""

Taken = tuple[socket.socket, tuple[object, ...]]
"""A connection, and the address of the other end as L{socket.socket.accept} has it."""


@frozen(kw_only=True)
class Pace:
    """
    How much of that is done at once.

    @ivar batch: Connections that are taken before it is looked at the time.
    @ivar taking: Seconds of a turn of the reactor in which connections are taken out of the
        queue ...
    @ivar making: ... and in which protocols are made of them.
    @ivar most_of_a_peer: So many of one address may wait for that: more than it may have
        open ...
    @ivar most: ... and so many of all.
    @ivar hasty: Connections of an address in a second that came to nothing: where there are
        more than can be taken out of the queue, it is not heard ...
    @ivar ignored: ... for so many seconds.
    """

    batch: int = 256
    taking: float = 0.004
    making: float = 0.004
    most_of_a_peer: int = 512
    most: int = 2048
    hasty: float = 1000
    ignored: float = 0.5


SHARED = Pace(hasty=inf)
"""Where others have the socket, too: what it does not hear it would not for them, or ever."""


class Accepting:
    """
    What a port does when somebody has connected.
    """

    def __init__(self, port: tcp.Port, clock: IReactorTime, pace: Pace | None = None) -> None:
        """
        @param port: Which asks this from now on.
        """
        self._port = port
        self._clock = clock
        self._pace = pace or Pace()
        self._waiting: OrderedDict[str, deque[Taken]] = OrderedDict()
        self._count = 0
        self._next: IDelayedCall | None = None
        self._behind = False
        self._may_ignore = True
        self._vain: Counter[str] = Counter()
        self._counted_until = 0.0
        self._ignored: set[str] = set()
        self._told_until = 0.0
        port.doRead = self.read  # type: ignore[method-assign] # whatever kind of port it is

    def read(self) -> None:
        """
        Somebody has connected.
        """
        began = self._clock.seconds()
        if began >= self._counted_until:
            self._counted_until = began + 1
            self._vain.clear()
        behind = False
        while not behind and self._take() == self._pace.batch:
            behind = self._clock.seconds() >= began + self._pace.taking
        self._behind = behind
        if self._next is None:
            self._make()

    def _take(self) -> int:
        """
        Take a batch of those who wait in the system's queue.

        @return: How many there were.
        """
        taken = 0
        try:
            for client, address in _accepted(self._port, self._pace.batch):
                taken += 1  # what was taken counts when the next can't be
                peer = str(address[0]) if address else ""
                if self._behind and self._vain[peer] >= self._pace.hasty:
                    client.close()
                    self._came_in_vain(peer)
                    continue
                before = len(self._waiting.get(peer, ()))
                if self._count < self._pace.most and before < self._pace.most_of_a_peer:
                    self._waiting.setdefault(peer, deque()).append((client, address))
                    self._count += 1
                else:
                    client.close()
                    self._came_in_vain(peer)
        except OSError:
            _log.failure("no connection could be taken")
        return taken

    def _make(self) -> None:
        """
        Make protocols for those who wait, one of each address in turn.
        """
        self._next = None
        end = self._clock.seconds() + self._pace.making
        while self._waiting:
            peer, queue = self._waiting.popitem(last=False)
            client, address = queue.popleft()
            self._count -= 1
            if queue:
                self._waiting[peer] = queue
            if self._port.disconnecting:
                client.close()
            elif _is_gone(client) or not self._connect(client, address):
                client.close()
                self._came_in_vain(peer)
            if self._clock.seconds() >= end:
                break
        if self._waiting:
            self._next = self._clock.callLater(0, self._make)

    def _connect(self, client: socket.socket, address: tuple[object, ...]) -> bool:
        """
        As Twisted's own does.

        @return: Whether there is a protocol now.
        """
        port = self._port
        assert port.factory is not None, "it listens"
        try:
            if len(address) == 4:  # IPv6, whose scope belongs to it
                numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
                address = (socket.getnameinfo(address, numeric)[0], *address[1:])  # type: ignore[arg-type] # as it came from accept()
            protocol = port.factory.buildProtocol(port._buildAddr(address))
            if protocol is None:
                return False
            port.sessionno += 1
            transport = port.transport(
                client, protocol, address, port, port.sessionno - 1, port.reactor
            )
            protocol.makeConnection(transport)
        except Exception:
            _log.failure("nothing could be made for a connection")
            return False
        return True

    def _came_in_vain(self, peer: str) -> None:
        """
        A connection came to nothing.  That of a unix socket was somebody of this machine's,
        who waits for it, and fills no queue for others.
        """
        self._vain[peer] += 1
        if self._behind and self._vain[peer] >= self._pace.hasty:
            self._ignore(peer)

    def _ignore(self, peer: str) -> None:
        full = len(self._ignored) == packet_filter.MOST
        if not peer or peer in self._ignored or full or not self._may_ignore:
            return
        try:
            packet_filter.ignore(self._port.socket, {*self._ignored, peer})
        except OSError as error:
            self._may_ignore = False
            _log.debug("{peer} can't be ignored: {why}", peer=peer, why=error.strerror)
            return
        if not self._ignored:
            self._clock.callLater(self._pace.ignored, self._hear_all)
        self._ignored.add(peer)
        now = self._clock.seconds()
        if now >= self._told_until:
            self._told_until = now + QUIET
            _log.warn(
                "{peer} connects and leaves, more than {times} times a second: it is not "
                "heard for {seconds:g} s at a time",
                peer=peer,
                times=self._pace.hasty,
                seconds=self._pace.ignored,
            )

    def _hear_all(self) -> None:
        self._ignored.clear()
        self._vain.clear()
        if self._port.connected:
            packet_filter.hear_all(self._port.socket)


def _accepted(port: tcp.Port, most: int) -> Iterator[Taken]:
    """
    Those who wait in the queue, as many as are taken at once.  Where there is no descriptor
    left Twisted closes them, so that they do not wait for what does not come.
    """
    with tcp._BuffersLogs(_log.namespace, _log.observer) as logger:
        yield from tcp._accept(logger, range(most), port.socket, tcp._reservedFD)


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
