"""
How many connections there may be, in all and from one address.
"""

from __future__ import annotations

from collections import Counter

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from smartmob.waiting import Waiters

_log = Logger()

MOST_CONNECTIONS = 1_024
MOST_OF_A_PEER = 256


class Connection(ProtocolWrapper):
    """
    A connection that counts, from its beginning to its end, whoever speaks on it:
    a WebSocket takes the place of the HTTP channel.

    @ivar peer: The address it came from, where that is one.
    """

    peer: str | None = None


class Connections(WrappingFactory[Connection]):
    """
    Lets connections in while there are not too many.

    One too many is closed without an answer: to read what it asks for would cost
    what the bound is there to save.  Those over unix sockets are not bounded,
    since only this machine's own users can make them.
    """

    protocol = Connection
    noisy = False

    def __init__(
        self,
        wrapped: IProtocolFactory,
        *,
        most: int = MOST_CONNECTIONS,
        most_of_a_peer: int = MOST_OF_A_PEER,
    ) -> None:
        """
        @param wrapped: Makes the protocols.
        @param most: Connections in all.
        @param most_of_a_peer: From one address.
        """
        super().__init__(wrapped)
        self._most = most
        self._most_of_a_peer = most_of_a_peer
        self._peers: Counter[str] = Counter()
        self._refusing = False
        self._gone = Waiters()

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # type: ignore[override] # None refuses (IProtocolFactory)
        """
        A new connection, or C{None}, which closes it.
        """
        peer = _peer(addr)
        if peer is not None and (
            self._peers.total() >= self._most or self._peers[peer] >= self._most_of_a_peer
        ):
            if not self._refusing:
                self._refusing = True
                _log.warn(
                    "refusing connections: {total} are open, {of_peer} of {peer}",
                    total=self._peers.total(),
                    of_peer=self._peers[peer],
                    peer=peer,
                )
            return None
        self._refusing = False
        connection = super().buildProtocol(addr)
        connection.peer = peer
        return connection

    def registerProtocol(self, p: Connection) -> None:
        """
        A connection begins.
        """
        super().registerProtocol(p)
        if p.peer is not None:
            self._peers[p.peer] += 1

    def unregisterProtocol(self, p: Connection) -> None:
        """
        A connection has ended.
        """
        super().unregisterProtocol(p)
        if p.peer is not None:
            self._peers[p.peer] -= 1
            if not self._peers[p.peer]:
                del self._peers[p.peer]
        if not self.protocols:
            self._gone.fire()

    def abort(self) -> Deferred[None]:
        """
        Cut what connections there still are.  Fires when there are none.
        """
        gone = self._gone.wait()
        for connection in list(self.protocols):
            connection.abortConnection()
        if not self.protocols:
            self._gone.fire()
        return gone


def _peer(address: IAddress | None) -> str | None:
    if isinstance(address, IPv4Address | IPv6Address):
        return address.host
    return None
