"""
The whole of the web side, put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool

from smartmob.config.configuration import Settings
from smartmob.web.api import Index, Processes, Verbs
from smartmob.web.archives import Uploads
from smartmob.web.bodies import ARCHIVE_BYTES
from smartmob.web.gate import Gate
from smartmob.web.lines import Lines
from smartmob.web.openapi import OpenApi
from smartmob.web.render import Documents
from smartmob.web.routing import Family, Routes
from smartmob.web.site import Site
from smartmob.web.stats import InThread, Stats, Usage
from smartmob.web.trust import Trust

if TYPE_CHECKING:
    from smartmob.agent import Agent


def make_routes(
    agent: Agent,
    reactor: IReactorTime,
    in_thread: InThread,
    families: Iterable[Family] = (),
) -> Routes:
    """
    Every route that there is.

    @param in_thread: Calls what blocks.
    @param families: Those of what is there beside the agent.
    """
    documents = Documents()
    description = OpenApi()
    routes = Routes(
        [
            Index(),
            Processes(agent, documents),
            Verbs(agent, documents),
            Uploads(),
            Lines(agent, reactor),
            Stats(agent, in_thread),
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
    in_thread: InThread | None = None,
    archive_bytes: int = ARCHIVE_BYTES,
    families: Iterable[Family] = (),
) -> Site:
    """
    What is served on an endpoint.

    @param hosts: The names that the agent is bound to.
    @param in_thread: Calls what blocks; in a thread of the reactor's, unless given.
    @param archive_bytes: The size that an archive may have.
    @param families: Routes of what is there beside the agent.
    """
    blocking = in_thread or partial(_in_thread, reactor)
    routes = make_routes(agent, reactor, blocking, families)
    trust = Trust.of(Settings(), hosts)
    gate = Gate(routes, trust, partial(_find, agent), archive_bytes)
    return Site(gate, reactor, agent.receive)


def _in_thread(reactor: IReactorTime, measure: Callable[[], Usage]) -> Deferred[Usage]:
    threads = IReactorThreads(reactor)
    return deferToThreadPool(threads, threads.getThreadPool(), measure)


def _find(agent: Agent, arguments: Mapping[str, str]) -> None:
    if "slug" in arguments:
        agent.process(arguments["slug"])
    if "app" in arguments:
        agent.processes_of(arguments["app"])
