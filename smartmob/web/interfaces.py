"""
All that an agent serves, put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IReactorTime

from smartmob.declarations import Declarations
from smartmob.plugins.site import PluginSite
from smartmob.reloading import Outcome
from smartmob.web.answered import Answered
from smartmob.web.measurements import Measurements, in_thread_of
from smartmob.web.metrics import Metrics, Numbers
from smartmob.web.plugins import PluginReports
from smartmob.web.reload import Reloads
from smartmob.web.root import make_site
from smartmob.web.routing import Family
from smartmob.web.serving import Serving
from smartmob.web.sites import Sites
from smartmob.web.sockets import sockets_of
from smartmob.web.webhooks import WebhookReports

if TYPE_CHECKING:
    from smartmob.metrics.readings import Reading


class HasPlugins(Protocol):
    """
    The plugins, as they are needed here.
    """

    def site(self, name: str) -> PluginSite | None:
        """The site of that name, if there is one now."""

    def report(self) -> list[dict[str, Any]]:
        """A document for each; C{site} is the name of its site, or C{None}."""


def interfaces(
    declarations: Declarations,
    reactor: IReactorTime,
    plugins: HasPlugins,
    webhooks: Callable[[], Sequence[Mapping[str, object]]],
    reload: Callable[[], Outcome],
    readings: Callable[[], Iterable[Reading]] = list,
) -> Serving:
    """
    What is served on the endpoints of an agent.

    @param webhooks: What there is to say of each.
    @param reload: Reads the configuration again, and says what came of it.
    @param readings: Gives what says how all else is, in numbers.
    """
    agent = declarations.agent

    def answered() -> list[Answered]:
        return serving.answered()  # which needs what is made below

    numbers = Numbers(agent, reactor, answered, readings)
    pages = Sites(plugins, reactor)
    families: list[Family] = [
        Reloads(reload),
        WebhookReports(webhooks),
        PluginReports(plugins),
        Metrics(agent.processes, lambda: numbers.exposition),
        pages,
    ]
    measurements = Measurements(in_thread_of(reactor))
    sockets = sockets_of(reactor)
    rest = make_site(
        agent,
        reactor,
        measurements=measurements,
        sockets=sockets,
        families=families,
    )
    serving = Serving(
        rest, declarations, reactor, measurements, sockets, [pages], numbers.close
    )
    return serving
