"""
What is served on which endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from smartmob.config.configuration import Api, Endpoint
from smartmob.declarations import Declarations
from smartmob.web.answered import Answered
from smartmob.web.measurements import Measurements
from smartmob.web.routing import Family
from smartmob.web.site import Site
from smartmob.web.sockets import Sockets
from smartmob.web.trust import Trust

if TYPE_CHECKING:
    from smartmob.web.gaffer.gafferd import Gafferd


@define(eq=False, repr=False, slots=False)
class Serving:
    """
    The sites of an agent, one for each interface; gafferd's, which few endpoints offer, is
    imported and made for the first that does.

    @ivar rest: The site of the REST interface.
    @ivar measurements: Those of that site, too ...
    @ivar sockets: ... and these.
    @ivar pages: Routes that every endpoint has.
    @ivar close: Called when the agent ends.
    """

    rest: Site
    declarations: Declarations
    reactor: IReactorTime
    measurements: Measurements
    sockets: Sockets
    pages: Iterable[Family] = ()
    close: Callable[[], None] = lambda: None
    _sites: dict[Api, Site] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._sites = {Api.SMARTMOB: self.rest}

    def on(self, endpoint: Endpoint) -> Site:
        """
        The site of an endpoint: always the same one for what it offers.
        """
        api = endpoint.api
        if api not in self._sites:
            gafferd = self._gafferd
            self._sites[api] = (
                gafferd.both(self.rest)
                if api is Api.BOTH
                else gafferd.site(self.rest, self.pages)
            )
        return self._sites[api]

    def answered(self) -> list[Answered]:
        """
        What requests were answered with, of each site.
        """
        return [site.answered for site in self._sites.values()]

    def settle(self, trust: Trust) -> None:
        """
        From now on this is whose word counts.
        """
        for site in self._sites.values():
            site.gate.trust = trust
        self.rest.gate.access.settle(trust.tokens, trust.users)

    @cached_property
    def _gafferd(self) -> Gafferd:
        from smartmob.web.gaffer.gafferd import Gafferd

        return Gafferd(self.declarations, self.reactor, self.measurements, self.sockets)
