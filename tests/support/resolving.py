"""
Names of hosts for tests, and a reactor in memory that knows them.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer


@implementer(IHostResolution)
class _Resolution:
    """
    One look-up.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """
        Too late.
        """


@implementer(IHostnameResolver)
class Names:
    """
    Knows what the test wrote down, and no other name.
    """

    def __init__(self, **addresses: Sequence[str]) -> None:
        self.addresses: dict[str, Sequence[str]] = {
            name.replace("_", "."): found for name, found in addresses.items()
        }

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[object]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """
        Look it up.
        """
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for address in self.addresses.get(hostName, ()):
            kind = IPv6Address if ":" in address else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IReactorPluggableNameResolver)
class MemoryReactor(MemoryReactorClock):
    """
    A reactor in memory that resolves names.
    """

    def __init__(self, names: Names) -> None:
        super().__init__()
        self.nameResolver = names

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """
        Resolve by another.
        """
        before = self.nameResolver
        self.nameResolver = resolver
        return before
