"""
gafferd's interface, put together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from smartmob.config.identity import Accounts
from smartmob.declarations import Declarations
from smartmob.permit import Permit
from smartmob.web.api import Ping
from smartmob.web.gaffer.definitions import Definitions
from smartmob.web.gaffer.errors import as_gafferd, by_path
from smartmob.web.gaffer.names import parse_path
from smartmob.web.gaffer.numbers import Numbers
from smartmob.web.gaffer.processes import Groups, Templates, TemplateVerbs
from smartmob.web.gaffer.registry import Registry
from smartmob.web.gaffer.stats import Stats
from smartmob.web.gaffer.streams import Streams, Terminals
from smartmob.web.gaffer.verbs import Doing
from smartmob.web.gaffer.watch import Watch
from smartmob.web.gaffer.welcome import BothIndexes, Welcome
from smartmob.web.gate import Gate
from smartmob.web.measurements import Measurements
from smartmob.web.routing import Family, Routes
from smartmob.web.sign_in import SignIn, SignOut
from smartmob.web.site import Site
from smartmob.web.sockets import Sockets


@define(eq=False, repr=False)
class Gafferd:
    """
    gafferd's interface to an agent.  There is one, however many endpoints offer it, since
    it gives programs their numbers; those that ran before get theirs when somebody asks.

    @ivar measurements: Shared with whatever else measures.
    @ivar sockets: Shared with whatever else has WebSockets.
    @ivar folder: Where relative folders of new templates are, and programs without one.
    @ivar accounts: Who there is to run as.
    """

    declarations: Declarations
    reactor: IReactorTime
    measurements: Measurements
    sockets: Sockets
    folder: str = field(factory=os.getcwd)
    accounts: Accounts = field(factory=Accounts)
    _registry: Registry = field(init=False)

    def __attrs_post_init__(self) -> None:
        agent = self.declarations.agent
        self._registry = Registry(agent, self.declarations, Numbers(agent.events))

    def site(self, rest: Site, families: Iterable[Family] = ()) -> Site:
        """
        What is served on endpoints that offer this interface alone, and what says who is
        asking.

        @param rest: What is served on others, whose gate is the same but for the paths.
        @param families: Routes that are here, too.
        """
        gate = rest.gate
        access = gate.access
        common: list[Family] = [Ping(), SignIn(access), SignOut(access)]
        routes = Routes([Welcome(), *common, *self._families(), *families])
        only = Gate(routes, access, gate.trust, self._find, gate.archive_bytes)
        return Site(only, self.reactor, rest.receive, as_gafferd)

    def both(self, rest: Site) -> Site:
        """
        What is served on endpoints that offer this interface beside the REST interface,
        which it shares C{/} and C{/ping} with.
        """
        gate = rest.gate
        routes = gate.routes.joined([BothIndexes(), *self._families()])

        def find(arguments: Mapping[str, str], permit: Permit) -> None:
            gate.find(arguments, permit)
            self._find(arguments, permit)

        both = Gate(routes, gate.access, gate.trust, find, gate.archive_bytes)
        return Site(both, self.reactor, rest.receive, by_path)

    def _families(self) -> list[Family]:
        registry, reactor = self._registry, self.reactor
        doing = Doing(registry, reactor)
        return [
            Templates(registry, Definitions(self.folder, self.accounts), doing),
            TemplateVerbs(registry, doing),
            Groups(registry, doing),
            Stats(registry, reactor, self.measurements),
            Streams(registry, reactor),
            Terminals(registry, self.sockets),
            Watch(registry, reactor),
        ]

    def _find(self, arguments: Mapping[str, str], permit: Permit) -> None:
        """
        See that what a path names exists, before a body is read.

        @raise Refusal: It does not, or is nothing that they may know of.
        """
        registry = self._registry.seen_with(permit)
        if "which" in arguments:
            registry.find(arguments["which"])
        if "template" in arguments:
            registry.entry(parse_path(arguments["template"]))
        if "number" in arguments:
            registry.numbered(arguments["number"])
        if "group" in arguments:
            registry.group(arguments["group"])
