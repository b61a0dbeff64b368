"""
How an agent is put together.
"""

from __future__ import annotations

import sys
import uuid
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.python.filepath import FilePath

from smartmob import address
from smartmob.agent import Agent
from smartmob.echo import Echo
from smartmob.launch.launcher import Launcher
from smartmob.lifecycle import Lifecycle
from smartmob.lines.consoles import Consoles
from smartmob.options import Options, wrong
from smartmob.source.sources import Sources
from smartmob.statefolder import StateFolder
from smartmob.web.root import make_site

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> Lifecycle:
    """
    The agent, as a service that is not started yet.

    @raise SystemExit: An address is none; why was said on standard error.
    """
    # Its interfaces are known at run time only: it is chosen by --reactor.
    reactor: Any = installed_reactor
    try:
        addresses = [
            address.parse(reactor, text, endpoint.backlog)
            for endpoint in options["configuration"].endpoints
            for text in endpoint.bind
        ]
    except address.BadAddress as error:
        raise wrong(str(error)) from None
    folder = StateFolder(options["state-dir"])
    launcher = Launcher(reactor)
    sources = Sources(reactor, launcher, FilePath(str(folder.path)))
    consoles = Consoles(epoch=uuid.uuid4().hex)
    agent = Agent(reactor, launcher, consoles, sources)
    if options["verbosity"] > 1:
        agent.watch = Echo(reactor, sys.stdout.buffer).watch
    site = make_site(agent, reactor, hosts=[a.host for a in addresses if a.host is not None])
    return Lifecycle(
        reactor=reactor,
        clock=reactor,
        threads=reactor,
        folder=folder,
        launcher=launcher,
        sources=sources,
        agent=agent,
        site=site,
        addresses=addresses,
        observer=options["observer"],
        log_file=options["log"],
        insecure=bool(options["insecure"]),
        told_by_twistd=options["daemonised"],
    )
