"""
How many connections there may be, in all and from one address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from smartmob.memory import give_back
from smartmob.waiting import Waiters

_log = Logger()

MOST_CONNECTIONS = 1_024
MOST_OF_A_PEER = 256

STORM = 64
"""Where there were so many connections, and a 16th of them is left, it was one, and is over."""


class Connection(ProtocolWrapper):
    """
    A connection that counts, from its beginning to its end, whoever speaks on it:
    a WebSocket takes the place of the HTTP channel.

    @ivar peer: The address it came from, where that is one.
    """

    peer: str | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It has ended.  What was not sent is let go here: protocols that had much to say may
        have circles of references, and keep it until somebody looks for these.
        """
        super().connectionLost(reason)
        if isinstance(self.transport, FileDescriptor):
            self.transport.dataBuffer = b""
            self.transport._tempDataBuffer = []
            self.transport._tempDataLen = 0


class Census:
    """
    The connections of an agent, by whatever endpoint they came.

    Those over unix sockets are not bounded, since only this machine's own users can
    make them.  Those of a proxy are many clients': how many one of these may have is
    for the proxy to say.

    @ivar is_proxy: Whether an address is that of a proxy whose word counts.  Another
        function may take its place at any time.
    @ivar refused: How many there would be one too many with, ever.
    """

    def __init__(
        self,
        *,
        most: int = MOST_CONNECTIONS,
        most_of_a_peer: int = MOST_OF_A_PEER,
        storm_over: Callable[[], object] = give_back,
    ) -> None:
        """
        @param most: Connections in all.
        @param most_of_a_peer: From one address.
        @param storm_over: Called when there were many, and few are left.
        """
        self.is_proxy: Callable[[str], bool] = lambda address: False
        self._most = most
        self._most_of_a_peer = most_of_a_peer
        self._open: set[Connection] = set()
        self._peers: Counter[str] = Counter()
        self._count = 0
        self._storm_over = storm_over
        self._peak = 0
        self._told: set[str | None] = set()
        self.refused = 0
        self._gone = Waiters()

    def __len__(self) -> int:
        """
        How many there are.
        """
        return len(self._open)

    def guard(self, wrapped: IProtocolFactory) -> Connections:
        """
        What lets connections in to C{wrapped} while there are not too many of all.
        """
        return Connections(wrapped, self)

    def admits(self, peer: str | None) -> bool:
        """
        Whether there may be one more.
        """
        if peer is None:
            return True
        if self._count >= self._most:
            self._tell(None, peer)
            return False
        if self._peers[peer] >= self._most_of(peer):
            self._tell(peer, peer)
            return False
        return True

    def _tell(self, about: str | None, peer: str) -> None:
        """
        Count, and say that connections are refused: once, until half of these are gone.  Who
        connects and connects would fill the log.

        @param about: Who has too many; C{None}: all together.
        """
        self.refused += 1
        if about not in self._told:
            self._told.add(about)
            _log.warn(
                "refusing connections: {total} are open, {of_peer} of {peer}",
                total=self._count,
                of_peer=self._peers[peer],
                peer=peer,
            )

    def began(self, connection: Connection) -> None:
        """
        There is one more.
        """
        self._open.add(connection)
        self._peak = max(self._peak, len(self._open))
        if connection.peer is not None:
            self._count += 1
            self._peers[connection.peer] += 1

    def ended(self, connection: Connection) -> None:
        """
        There is one less.
        """
        self._open.remove(connection)
        peer = connection.peer
        if peer is not None:
            self._count -= 1
            self._peers[peer] -= 1
            if self._told:
                if self._peers[peer] * 2 <= self._most_of(peer):
                    self._told.discard(peer)
                if self._count * 2 <= self._most:
                    self._told.discard(None)
            if not self._peers[peer]:
                del self._peers[peer]
        if self._peak >= STORM and len(self._open) * 16 <= self._peak:
            self._peak = len(self._open)
            self._storm_over()
        if not self._open:
            self._gone.fire()

    def _most_of(self, peer: str) -> int:
        return self._most if self.is_proxy(peer) else self._most_of_a_peer

    def abort(self) -> Deferred[None]:
        """
        Cut what connections there still are.  Fires when there are none.
        """
        gone = self._gone.wait()
        for connection in list(self._open):
            connection.abortConnection()
        if not self._open:
            self._gone.fire()
        return gone


class Connections(WrappingFactory[Connection]):
    """
    Lets connections in while there are not too many.

    One too many is closed without an answer: to read what it asks for would cost
    what the bound is there to save, and so would shaking hands for TLS, which
    therefore belongs inside.
    """

    protocol = Connection
    noisy = False

    def __init__(self, wrapped: IProtocolFactory, census: Census) -> None:
        """
        @param wrapped: Makes the protocols.
        @param census: Counts these connections, and perhaps others with them.
        """
        super().__init__(wrapped)
        self._census = census

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # type: ignore[override] # None refuses (IProtocolFactory)
        """
        A new connection, or C{None}, which closes it.
        """
        peer = _peer(addr)
        if not self._census.admits(peer):
            return None
        connection = super().buildProtocol(addr)
        connection.peer = peer
        return connection

    def registerProtocol(self, p: Connection) -> None:
        """
        A connection begins.
        """
        super().registerProtocol(p)
        self._census.began(p)

    def unregisterProtocol(self, p: Connection) -> None:
        """
        A connection has ended.
        """
        super().unregisterProtocol(p)
        self._census.ended(p)

    def abort(self) -> Deferred[None]:
        """
        See L{Census.abort}.
        """
        return self._census.abort()


def _peer(address: IAddress | None) -> str | None:
    if isinstance(address, IPv4Address | IPv6Address):
        return address.host
    return None
