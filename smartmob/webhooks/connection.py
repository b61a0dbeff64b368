"""
One connection to a sink, with a bound on the head of its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Protocol as Shape
from typing import cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from smartmob.target import Target
from smartmob.webhooks.names import LookUp

HEAD_BYTES = 64 << 10
"""Of an answer, as far as it has no body yet: its status, its headers, what comes before it."""

_A_READ = 64 << 10
"""So much may come at once: the first piece of a body with the head."""

NEXT_SECONDS = 3.0
"""How long an address may take to answer while there are others to try."""

LAST_SECONDS = 30.0
"""The same for the last one: more than a whole try has."""


class _Abortable(Shape):
    """
    A transport whose connection can be ended at once: those of TCP and of TLS.
    """

    def abortConnection(self) -> None:
        """
        End it.
        """


@implementer(IAgentEndpointFactory)
@define(eq=False)
class Connection:
    """
    The way to one sink, for one request.

    @ivar reactor: Of TCP and time.
    @ivar lost: Called when there was a connection, and it is gone, and its client was told.
    @ivar overfull: The head of the answer was too large, so it was cut.
    """

    reactor: object
    target: Target
    policy: IPolicyForHTTPS
    look_up: LookUp
    lost: Callable[[], None]
    overfull: bool = field(default=False, init=False)
    _guard: _Guard | None = field(default=None, init=False)
    _head: int = field(default=0, init=False)
    _in_head: bool = field(default=True, init=False)

    @property
    def open(self) -> bool:
        """
        Whether there is a connection.
        """
        return self._guard is not None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        Where the HTTP client is to connect to: what C{target} says.
        """
        target = self.target
        endpoint: IStreamClientEndpoint = _Named(self.reactor, target, self.look_up)
        if target.scheme == "https":
            creator = self.policy.creatorForNetloc(target.host.encode("ascii"), target.port)
            endpoint = wrapClientTLS(creator, endpoint)
        return _Guarded(self, endpoint)

    def body_begins(self) -> None:
        """
        The head of the answer is over.
        """
        self._in_head = False

    def cut(self) -> None:
        """
        End the connection at once, if there is one.
        """
        if self._guard is not None:
            self._guard.abort()

    def made(self, guard: _Guard) -> None:
        """
        There is a connection.
        """
        self._guard = guard

    def received(self, count: int) -> bool:
        """
        Bytes came.

        @return: Whether the client is to have them.
        """
        if self._in_head:
            self._head += count
            if self._head > HEAD_BYTES + _A_READ:
                self.overfull = True
                self.cut()
        return not self.overfull

    def gone(self) -> None:
        """
        There is no connection any more.
        """
        self._guard = None
        self.lost()


class _Guard(Protocol):
    """
    Between the transport and the HTTP client, above TLS.
    """

    def __init__(self, connection: Connection, client: IProtocol) -> None:
        self._connection = connection
        self.client = client

    def connectionMade(self) -> None:
        """
        The client writes to the transport itself, it only reads by way of us.
        """
        assert self.transport is not None
        self._connection.made(self)
        self.client.makeConnection(self.transport)

    def abort(self) -> None:
        """
        End the connection, without waiting for anything.
        """
        # TCP's and TLS's transports have it, but no interface says so for both.
        cast(_Abortable, self.transport).abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Connection.received}.
        """
        if self._connection.received(len(data)):
            self.client.dataReceived(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        See L{Connection.gone}.
        """
        assert reason is not None
        self.client.connectionLost(reason)
        self._connection.gone()


class _Guards(Factory):
    """
    Makes guards of what another factory makes.
    """

    noisy = False

    def __init__(self, connection: Connection, clients: IProtocolFactory) -> None:
        self._connection = connection
        self._clients = clients

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        A client, guarded.
        """
        assert addr is not None
        client = self._clients.buildProtocol(addr)
        return None if client is None else _Guard(self._connection, client)


@implementer(IStreamClientEndpoint)
class _Guarded:
    """
    An endpoint whose connections are guarded.
    """

    def __init__(self, connection: Connection, endpoint: IStreamClientEndpoint) -> None:
        self._connection = connection
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect; what comes out is the protocol that C{protocolFactory} made.
        """

        def client_of(protocol: IProtocol) -> IProtocol:
            assert isinstance(protocol, _Guard)
            return protocol.client

        guards = _Guards(self._connection, protocolFactory)
        return self._endpoint.connect(guards).addCallback(client_of)


@implementer(IStreamClientEndpoint)
class _Named:
    """
    An endpoint that has a name, and so any number of addresses: one after the other is tried.
    """

    def __init__(self, reactor: object, target: Target, look_up: LookUp) -> None:
        self._reactor = reactor
        self._target = target
        self._look_up = look_up

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the first address that answers; fails as the last one.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        *others, last = await self._look_up(self._target.host)
        for address in others:
            try:
                return await self._to(address, NEXT_SECONDS).connect(factory)
            except ConnectError:
                continue
        return await self._to(last, LAST_SECONDS).connect(factory)

    def _to(self, address: str, seconds: float) -> IStreamClientEndpoint:
        six = isinstance(ip_address(address), IPv6Address)
        kind = TCP6ClientEndpoint if six else TCP4ClientEndpoint
        endpoint: IStreamClientEndpoint = kind(
            self._reactor, address, self._target.port, timeout=seconds
        )
        return endpoint
