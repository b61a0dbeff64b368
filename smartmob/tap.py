"""
How an agent is put together.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet import reactor as installed_reactor
from twisted.python.filepath import FilePath

from smartmob.agent import Agent
from smartmob.config.configuration import Configuration, Settings
from smartmob.declarations import Declarations
from smartmob.echo import Echo
from smartmob.endpoints import Endpoints
from smartmob.environment import inheritable
from smartmob.forward.service import Forwards
from smartmob.launch.cgroups import Cgroups
from smartmob.launch.guardians import Guardians
from smartmob.launch.launcher import Launcher
from smartmob.leaving import leave_soon
from smartmob.lifecycle import Lifecycle
from smartmob.lines.consoles import Consoles
from smartmob.options import Options
from smartmob.plugins.plugins import Plugins
from smartmob.process import Process
from smartmob.progress import Progress
from smartmob.reload import Reload
from smartmob.reloading import Outcome
from smartmob.scarce_threads import tell_of_lack
from smartmob.source.rules import SourceRules
from smartmob.source.sources import Sources
from smartmob.state.persistence import Persistence
from smartmob.state.records import Records
from smartmob.statefolder import StateFolder
from smartmob.web.connections import Census
from smartmob.web.doors import Doors
from smartmob.web.trust import Trust
from smartmob.webhooks.service import Webhooks

if TYPE_CHECKING:
    from smartmob.metrics.readings import Reading
    from smartmob.web.serving import Serving

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> Lifecycle:
    """
    The agent, as a service that is not started yet.
    """
    # Its interfaces are known at run time only: it is chosen by --reactor.
    reactor: Any = installed_reactor
    # Its own goes by the wall clock: where that is set back an hour, all timers are as late.
    reactor.seconds = time.monotonic
    tell_of_lack(reactor.getThreadPool())
    configuration: Configuration = options["configuration"]
    folder = StateFolder(options["state-dir"])
    guardians = Guardians(options["guardian"])
    launcher = Launcher(reactor, start=guardians, groups=Cgroups())
    sources = Sources(reactor, launcher, FilePath(str(folder.path)))
    records = Records(folder.path, reactor, reactor)
    agent = Agent(
        reactor,
        launcher,
        Consoles(epoch=uuid.uuid4().hex),
        sources,
        records,
        detached=str(folder.path / "detached"),
    )
    forwards = Forwards(reactor, agent.processes)
    forwards.configure(configuration.forwards)
    echo = Echo(reactor, sys.stdout.buffer) if options["verbosity"] > 1 else None

    def watch(process: Process) -> None:
        forwards.watch(process)
        if echo is not None:
            echo.watch(process)

    agent.watch = watch
    persistence = Persistence(records, agent.events, reactor)
    declarations = Declarations(agent)
    plugins = Plugins(agent, reactor)
    webhooks = Webhooks(reactor, agent.events)
    webhooks.configure(configuration.hooks)

    def make_interfaces() -> Serving:
        from smartmob.web.interfaces import interfaces

        return interfaces(
            declarations, reactor, plugins, webhooks.report, reload_now, make_readings
        )

    def make_readings() -> list[Reading]:
        from smartmob.metrics import readings

        return [
            lambda: readings.of_connections(connections),
            lambda: readings.of_webhooks(webhooks),
            lambda: readings.of_forwards(forwards),
            lambda: readings.of_records(records),
            lambda: readings.of_guardians(guardians),
            lambda: readings.of_reloads(reload),
        ]

    def reload_now() -> Outcome:
        return lifecycle.reload_now()  # which needs what is made below, and that the ports

    doors = Doors(make_interfaces, reactor)
    connections = Census()
    endpoints = Endpoints(
        reactor,
        reactor,
        doors.on,
        connections.guard,
        bool(options["insecure"]),
    )

    def settle(settings: Settings) -> None:
        trust = Trust.of(settings, endpoints.hosts())
        doors.settle(trust)
        connections.is_proxy = trust.has_proxy
        sources.rules = SourceRules.of(settings)
        agent.ports.use(*settings.port_range)
        agent.inherited = inheritable(os.environb, settings.env_remove)
        agent.limits, agent.identity = settings.limits, settings.identity
        agent.most_processes = settings.max_processes

    reload = Reload(
        options.read,
        configuration,
        declarations,
        endpoints,
        plugins,
        webhooks,
        forwards,
        settle,
    )
    progress = Progress()
    if "NOTIFY_SOCKET" in os.environ:
        from smartmob import under_systemd

        progress = under_systemd.progress(os.environ, reactor, agent, launcher.answers)
    lifecycle = Lifecycle(
        reactor=reactor,
        clock=reactor,
        threads=reactor,
        folder=folder,
        launcher=launcher,
        sources=sources,
        persistence=persistence,
        agent=agent,
        declarations=declarations,
        endpoints=endpoints,
        connections=connections,
        doors=doors,
        plugins=plugins,
        webhooks=webhooks,
        forwards=forwards,
        reload=reload,
        resumes=not options["no-resume"],
        observer=options["observer"],
        log_file=options["log"],
        told_by_twistd=options["daemonised"],
        progress=progress,
        leave=partial(leave_soon, reactor),
    )
    return lifecycle
