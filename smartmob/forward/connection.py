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

PIECE = 64 << 10
"""Bytes that the transport has at once: how fast it gets on is seen by them."""


@implementer(IPullProducer)
class Connection(Protocol):
    """
    Knows how far what is written has left.
    """

    transport: Any  # of sockets, TCP and unix, which no one interface is for

    def __init__(
        self,
        drained: Callable[[bool], None],
        received: Callable[[bytes], None],
        lost: Callable[[Connection], None],
    ) -> None:
        """
        @param drained: Called when the system has taken another L{PIECE}, with whether that
            was all.
        @param received: Called with what comes.
        @param lost: Called when there is no connection any more.
        """
        self._drained = drained
        self._received = received
        self._lost = lost
        self._data = memoryview(b"")  # what the system has not taken ...
        self._under_way = 0  # ... of which the transport has so much

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
        self._data = memoryview(data)
        self._write()

    def resumeProducing(self) -> None:
        """
        See L{IPullProducer}: the transport has nothing left.
        """
        if self._under_way:
            rest = self._data[self._under_way :]
            self._data, self._under_way = rest or memoryview(b""), 0  # which holds nothing else
            self._write()
            self._drained(not self._under_way)

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
        self._data = memoryview(b"")
        self._lost(self)

    def _write(self) -> None:
        if self._data:
            piece = self._data[:PIECE]
            self._under_way = len(piece)
            self.transport.write(bytes(piece))
