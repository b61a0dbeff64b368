"""
One connection to a sink, with a bound on the head of its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from smartmob.guarded import Guard, Guarded
from smartmob.names import LookUp
from smartmob.target import Target

HEAD_BYTES = 64 << 10
"""Of an answer, as far as it has no body yet: its status, its headers, what comes before it."""

_A_READ = 64 << 10
"""So much may come at once: the first piece of a body with the head."""

NEXT_SECONDS = 3.0
"""How long an address may take to answer while there are others to try."""

LAST_SECONDS = 30.0
"""The same for the last one: more than a whole try has."""


@implementer(IAgentEndpointFactory)
@define(eq=False, repr=False)
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
    _guard: Guard | None = field(default=None, init=False)
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
        return Guarded(self, endpoint)

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

    def made(self, guard: Guard) -> None:
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

    def given_up(self) -> None:
        """
        The client ends the connection, and says why by itself.
        """

    def gone(self) -> None:
        """
        There is no connection any more.
        """
        self._guard = None
        self.lost()


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
