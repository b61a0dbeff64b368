"""
Connections of HTTP clients, guarded: somebody sees what comes before the client does, and
can end the connection at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Shape
from typing import cast

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer


class Sentry(Shape):
    """
    Who guards connections.
    """

    def made(self, guard: Guard) -> None:
        """There is a connection, of which its client does not know yet."""

    def received(self, count: int) -> bool:
        """Bytes came; says whether the client is to have them."""

    def given_up(self) -> None:
        """The client ends the connection, for what it was just given."""

    def gone(self) -> None:
        """There is no connection any more, and its client was told."""


class _Transport(Shape):
    """
    A transport whose connection can be ended at once: those of TCP and of TLS have it,
    but no interface says so for both.

    @ivar disconnecting: Its end was asked for.
    """

    disconnecting: bool

    def abortConnection(self) -> None:
        """
        End it.
        """


class Guard(Protocol):
    """
    Between the transport and the HTTP client, above TLS.
    """

    def __init__(self, sentry: Sentry, client: IProtocol) -> None:
        self._sentry = sentry
        self.client = client

    def connectionMade(self) -> None:
        """
        The client writes to the transport itself, it only reads by way of us.
        """
        assert self.transport is not None
        self._sentry.made(self)
        self.client.makeConnection(self.transport)

    def abort(self) -> None:
        """
        End the connection, without waiting for anything.
        """
        cast(_Transport, self.transport).abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Sentry.received}.
        """
        if self._sentry.received(len(data)):
            self.client.dataReceived(data)
            if cast(_Transport, self.transport).disconnecting:
                self._sentry.given_up()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        See L{Sentry.gone}.
        """
        assert reason is not None
        self.client.connectionLost(reason)
        self._sentry.gone()


@implementer(IProtocolFactory)
@frozen(eq=False, repr=False)
class Making:
    """
    A protocol factory that is no more than a function.
    """

    _make: Callable[[IAddress], IProtocol | None]

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """
        Call the function.
        """
        return self._make(addr)

    def doStart(self) -> None:
        """
        Nothing to be done.
        """

    def doStop(self) -> None:
        """
        Nothing to be done.
        """


@implementer(IStreamClientEndpoint)
@frozen(eq=False, repr=False)
class Guarded:
    """
    An endpoint whose connections are guarded.
    """

    _sentry: Sentry
    _endpoint: IStreamClientEndpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect; what comes out is the protocol that C{protocolFactory} made.
        """

        def guard(addr: IAddress) -> IProtocol | None:
            client = protocolFactory.buildProtocol(addr)
            return None if client is None else Guard(self._sentry, client)

        def client_of(protocol: IProtocol) -> IProtocol:
            assert isinstance(protocol, Guard)
            return protocol.client

        return self._endpoint.connect(Making(guard)).addCallback(client_of)
