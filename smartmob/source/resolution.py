"""
Names of hosts, and only those of their addresses that may be connected to.

What counts is the address of a connection (L{smartmob.source.connection}); but who has made
one to a forbidden address has told somebody that there is something, or that there is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from zope.interface import implementer

from smartmob.source.errors import SourceRefused
from smartmob.source.location import Location


@implementer(IReactorPluggableNameResolver)
class Careful:
    """
    A reactor, as those who connect see it, that keeps some addresses to itself.
    """

    def __init__(self, reactor: Any, location: Location, *, private: bool) -> None:
        """
        @param location: What is connected to.
        @param private: Whether that may be at this machine, or in its network.
        """
        self._reactor = reactor
        self.nameResolver = _Resolver(reactor.nameResolver, location, private)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """
        See L{IReactorPluggableNameResolver}.
        """
        before: IHostnameResolver = self._reactor.installNameResolver(resolver)
        return before

    @property
    def refused(self) -> SourceRefused | None:
        """
        Why an address was kept back, where there was no other.
        """
        return self.nameResolver.refused


@implementer(IHostnameResolver)
class _Resolver:
    """
    A resolver that keeps some addresses to itself.
    """

    def __init__(self, resolver: IHostnameResolver, location: Location, private: bool) -> None:
        self.refused: SourceRefused | None = None
        self._resolver = resolver
        self._location = location
        self._private = private

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """
        Look a name up.
        """
        receiver = _Receiver(self, resolutionReceiver)
        found: IHostResolution = self._resolver.resolveHostName(
            receiver, hostName, portNumber, addressTypes, transportSemantics
        )
        return found

    def lets(self, address: IAddress) -> bool:
        """
        Whether an address may be connected to.
        """
        assert isinstance(address, (IPv4Address, IPv6Address))
        try:
            self._location.check(address.host, private=self._private)
        except SourceRefused as error:
            self.refused = error
            return False
        return True


@implementer(IResolutionReceiver)
class _Receiver:
    """
    Takes the addresses that are found.
    """

    def __init__(self, resolver: _Resolver, receiver: IResolutionReceiver) -> None:
        self._resolver = resolver
        self._receiver = receiver

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """
        See L{IResolutionReceiver}.
        """
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        """
        Hand an address on, unless it is forbidden.
        """
        if self._resolver.lets(address):
            self._receiver.addressResolved(address)

    def resolutionComplete(self) -> None:
        """
        See L{IResolutionReceiver}.
        """
        self._receiver.resolutionComplete()
