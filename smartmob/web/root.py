"""
The whole of the web side, put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from smartmob.config.configuration import Settings
from smartmob.documents import app_of
from smartmob.permit import Permit
from smartmob.refusals import UnknownApp, UnknownProcess
from smartmob.web.access import Access
from smartmob.web.api import Index, Ping, Processes, Verbs
from smartmob.web.archives import Uploads
from smartmob.web.bodies import ARCHIVE_BYTES
from smartmob.web.gate import Gate
from smartmob.web.lines import Lines
from smartmob.web.measurements import Measurements, in_thread_of
from smartmob.web.openapi import OpenApi
from smartmob.web.render import Documents
from smartmob.web.routing import Family, Routes
from smartmob.web.sign_in import SignIn, SignOut
from smartmob.web.site import Site
from smartmob.web.sockets import Sockets, sockets_of
from smartmob.web.stats import Stats
from smartmob.web.trust import Trust

if TYPE_CHECKING:
    from smartmob.agent import Agent


def make_routes(
    agent: Agent,
    reactor: IReactorTime,
    measurements: Measurements,
    sockets: Sockets,
    families: Iterable[Family] = (),
    access: Access | None = None,
) -> Routes:
    """
    Every route that there is.

    @param measurements: Shared with whatever else measures.
    @param sockets: Shared with whatever else has WebSockets.
    @param families: Those of what is there beside the agent.
    @param access: Says who requests are from; if there is nothing, nobody is asked.
    """
    access = access or Access(reactor)
    documents = Documents()
    description = OpenApi()
    routes = Routes(
        [
            Index(),
            Ping(),
            SignIn(access),
            SignOut(access),
            Processes(agent, documents),
            Verbs(agent, documents),
            Uploads(),
            Lines(agent, reactor, sockets),
            Stats(agent, measurements),
            *families,
            description,
        ]
    )
    description.describe(routes)
    return routes


def make_site(
    agent: Agent,
    reactor: IReactorTime,
    *,
    hosts: Iterable[str] = (),
    access: Access | None = None,
    measurements: Measurements | None = None,
    sockets: Sockets | None = None,
    archive_bytes: int = ARCHIVE_BYTES,
    families: Iterable[Family] = (),
) -> Site:
    """
    What is served on an endpoint.

    @param hosts: The names that the agent is bound to.
    @param access: Says who requests are from; if there is nothing, nobody is asked.
    @param measurements: Shared with whatever else measures; if there is nothing, made here.
    @param sockets: Shared with whatever else has WebSockets; likewise.
    @param archive_bytes: The size that an archive may have.
    @param families: Routes of what is there beside the agent.
    """
    measurements = measurements or Measurements(in_thread_of(reactor))
    sockets = sockets or sockets_of(reactor)
    access = access or Access(reactor)
    routes = make_routes(agent, reactor, measurements, sockets, families, access)
    trust = Trust.of(Settings(), hosts)
    gate = Gate(routes, access, trust, partial(_find, agent), archive_bytes)
    return Site(gate, reactor, agent.receive)


def _find(agent: Agent, arguments: Mapping[str, str], permit: Permit) -> None:
    if "slug" in arguments:
        slug = arguments["slug"]
        if not permit.sees(app_of(slug)):
            raise UnknownProcess.of(slug)
        agent.process(slug)
    if "app" in arguments:
        app = arguments["app"]
        if not permit.sees(app):
            raise UnknownApp.of(app)
        agent.processes_of(app)
