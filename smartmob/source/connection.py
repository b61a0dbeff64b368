"""
One guarded connection to a server that a source is read from.

It looks at the address that was really connected to, not at what a name was said
to stand for, bounds the head of the response, and ends when no byte comes.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from smartmob.guarded import Guard, Guarded, Making
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.limits import SourceLimits
from smartmob.source.location import Location
from smartmob.source.resolution import Careful


@implementer(IAgentEndpointFactory)
@define(eq=False, repr=False)
class Connection:
    """
    The way to one server, for one request.

    @ivar private: It may lead to this machine, or its network.
    @ivar failed: Why it was cut, if it was.
    """

    reactor: IReactorTime
    location: Location
    limits: SourceLimits
    policy: IPolicyForHTTPS
    private: bool = True
    failed: SourceError | None = None
    _names: Careful | None = field(default=None, init=False)
    _guard: Guard | None = field(default=None, init=False)
    _head: int = field(default=0, init=False)
    _in_head: bool = field(default=True, init=False)
    _held: bool = field(default=False, init=False)
    _silence: IDelayedCall | None = field(default=None, init=False)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        Where the HTTP client is to connect to: what C{location} says.
        """
        location = self.location
        self._names = Careful(self.reactor, location, private=self.private)
        endpoint: IStreamClientEndpoint = _Checked(
            self,
            HostnameEndpoint(
                self._names,
                location.host.encode("ascii"),
                location.port,
                timeout=self.limits.idle_seconds,
            ),
        )
        if location.scheme == "https":
            host = location.host.encode("ascii")
            creator = self.policy.creatorForNetloc(host, location.port)
            endpoint = wrapClientTLS(creator, endpoint)
        return Guarded(self, endpoint)

    @property
    def not_found(self) -> SourceError:
        """
        Why its host has no address: none at all, or none that may be connected to.
        """
        refused = None if self._names is None else self._names.refused
        return refused or SourceUnavailable(f"{self.location.host} was not found")

    def body_begins(self) -> None:
        """
        The head of the response is over.
        """
        self._in_head = False

    def hold(self, held: bool) -> None:
        """
        While it is C{held}, it is not read from: silence is not the server's then.
        """
        self._held = held
        self._restart_silence()

    def cut(self, why: SourceError | None = None) -> None:
        """
        End the connection at once; with C{why}, that is what failed.
        """
        if self.failed is None:
            self.failed = why
        if self._guard is not None:
            self._guard.abort()

    def made(self, guard: Guard) -> None:
        """
        There is a connection.
        """
        self._guard = guard
        self._restart_silence()

    def received(self, count: int) -> bool:
        """
        Bytes came.

        @return: Whether the client is to have them.
        """
        self._restart_silence()
        if self._in_head:
            self._head += count
            # The first piece of a body may have come with the head: a read is 64 KiB.
            if self._head > self.limits.head_bytes + (64 << 10):
                self.cut(
                    SourceRefused(
                        f"the head of the answer from {self.location.shown} is too large"
                    )
                )
                return False
        return self.failed is None

    def given_up(self) -> None:
        """
        The client ends the connection: if that is in the head, it can't be read.
        """
        if self._in_head and self.failed is None:
            self.failed = SourceRefused(f"{self.location.shown} answered, but not as HTTP does")

    def gone(self) -> None:
        """
        There is no connection any more.
        """
        self._guard = None
        self._restart_silence()

    def _restart_silence(self) -> None:
        if self._silence is not None and self._silence.active():
            self._silence.cancel()
        self._silence = None
        if self._guard is not None and not self._held:
            self._silence = self.reactor.callLater(self.limits.idle_seconds, self._too_silent)

    def _too_silent(self) -> None:
        seconds = f"{self.limits.idle_seconds:g}"
        self.cut(SourceUnavailable(f"{self.location.shown} sent nothing for {seconds} seconds"))


@implementer(IStreamClientEndpoint)
class _Checked:
    """
    An endpoint that looks at addresses, below TLS.
    """

    def __init__(self, connection: Connection, endpoint: IStreamClientEndpoint) -> None:
        self._connection = connection
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, unless the address of the other side is a forbidden one.
        """

        def check(addr: IAddress) -> IProtocol | None:
            assert isinstance(addr, (IPv4Address, IPv6Address))
            connection = self._connection
            connection.location.check(addr.host, private=connection.private)
            return protocolFactory.buildProtocol(addr)

        return self._endpoint.connect(Making(check))
