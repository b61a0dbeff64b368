"""
All that an agent serves, put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from smartmob.declarations import Declarations
from smartmob.metrics.exposition import Exposition
from smartmob.metrics.loop_delay import LoopDelay
from smartmob.metrics.readings import Reading, of_agent, of_requests
from smartmob.plugins.site import PluginSite
from smartmob.reloading import Outcome
from smartmob.web.measurements import Measurements, in_thread_of
from smartmob.web.metrics import Metrics
from smartmob.web.plugins import PluginReports
from smartmob.web.reload import Reloads
from smartmob.web.root import make_site
from smartmob.web.routing import Family
from smartmob.web.serving import Serving
from smartmob.web.sites import Sites
from smartmob.web.sockets import sockets_of
from smartmob.web.webhooks import WebhookReports


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
    readings: Iterable[Reading] = (),
) -> Serving:
    """
    What is served on the endpoints of an agent.

    @param webhooks: What there is to say of each.
    @param reload: Reads the configuration again, and says what came of it.
    @param readings: Numbers of what else there is.
    """
    agent = declarations.agent
    exposition = Exposition(LoopDelay(reactor), [partial(of_agent, agent), *readings])
    pages = Sites(plugins, reactor)
    families: list[Family] = [
        Reloads(reload),
        WebhookReports(webhooks),
        PluginReports(plugins),
        Metrics(agent.processes, exposition),
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
        rest, declarations, reactor, measurements, sockets, [pages], exposition.close
    )
    exposition.readings.append(lambda: of_requests(serving.answered()))
    return serving
