"""
Ports that are open before there is what is behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from smartmob.config.configuration import Api, Endpoint
from smartmob.web.trust import Trust

if TYPE_CHECKING:
    from smartmob.web.serving import Serving
    from smartmob.web.site import Site

PARTS = (
    "werkzeug.routing",
    "twisted.web.server",
    "klein",
    "smartmob.web.api",
    "smartmob.web.interfaces",
)
"""
The interfaces, in parts that take about as long to import as one another, each with what
the ones before it have not brought along.
"""


@implementer(IProtocolFactory)
class Door:
    """
    Lets clients in to a site, which is made when the first comes, if it is not there yet.
    """

    def __init__(self, site: Callable[[], IProtocolFactory]) -> None:
        """
        @param site: Gives it, the same each time.
        """
        self._site = site

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """
        A connection to it.
        """
        return self._site().buildProtocol(addr)

    def doStart(self) -> None:
        """
        A port listens.
        """

    def doStop(self) -> None:
        """
        It does not listen any more.
        """


@define(eq=False, repr=False, slots=False)
class Doors:
    """
    The doors of an agent, one for each interface.

    The interfaces are as much to import as half of all else, and programs need none of it:
    so those of the configuration file are started first, and it is imported while the
    system is busy with them.  Ports are open by then, and who comes early waits.

    @ivar make: Makes the sites.
    """

    make: Callable[[], Serving]
    clock: IReactorTime
    _doors: dict[Api, Door] = field(factory=dict, init=False)
    _trust: Trust | None = field(default=None, init=False)
    _made: bool = field(default=False, init=False)

    def on(self, endpoint: Endpoint) -> Door:
        """
        The door of an endpoint: always the same one for what it offers.
        """
        api = endpoint.api
        if api not in self._doors:
            self._doors[api] = Door(partial(self._site, endpoint))
        if self._made or api is not Api.SMARTMOB:
            # gafferd's interface numbers programs from their first start on.
            self._site(endpoint)
        return self._doors[api]

    def settle(self, trust: Trust) -> None:
        """
        From now on this is whose word counts.
        """
        self._trust = trust
        if self._made:
            self._serving.settle(trust)

    async def open(self) -> None:
        """
        Have all there that is behind them; a part a turn of the reactor, between which
        programs are started.
        """
        for part in PARTS:
            await deferLater(self.clock, 0)
            import_module(part)
        await deferLater(self.clock, 0)
        assert self._serving is not None

    def close(self) -> None:
        """
        The agent ends: nothing is left to do behind them.
        """
        if self._made:
            self._serving.close()

    def _site(self, endpoint: Endpoint) -> Site:
        return self._serving.on(endpoint)

    @cached_property
    def _serving(self) -> Serving:
        made = self.make()
        self._made = True
        if self._trust is not None:
            made.settle(self._trust)
        return made
