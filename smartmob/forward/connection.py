"""
A connection to one that takes lines, over TCP or a unix socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPullProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IPullProducer)
class Connection(Protocol):
    """
    Knows when all that was written has left.
    """

    transport: Any  # of sockets, TCP and unix, which no one interface is for

    def __init__(
        self,
        drained: Callable[[], None],
        received: Callable[[bytes], None],
        lost: Callable[[Connection], None],
    ) -> None:
        """
        @param drained: Called when the system has taken all that was written.
        @param received: Called with what comes.
        @param lost: Called when there is no connection any more.
        """
        self._drained = drained
        self._received = received
        self._lost = lost
        self._owes = False

    def connectionMade(self) -> None:
        """
        Nothing was written yet.
        """
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)  # one that is gone is found out
        self.transport.registerProducer(self, False)

    def send(self, data: bytes) -> None:
        """
        Write this; all that was written before has left.
        """
        self._owes = True
        self.transport.write(data)

    def resumeProducing(self) -> None:
        """
        See L{IPullProducer}: the transport has nothing left.
        """
        if self._owes:
            self._owes = False
            self._drained()

    def stopProducing(self) -> None:
        """
        The connection is gone, as is said elsewhere too.
        """

    def dataReceived(self, data: bytes) -> None:
        """
        It answers.
        """
        self._received(data)

    def end(self) -> None:
        """
        End it when all that was written has left.
        """
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """
        End it at once.
        """
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It has ended.
        """
        self._lost(self)
