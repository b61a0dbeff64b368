"""
The routes of what is there beside the agent, with nothing behind them.
"""

from __future__ import annotations

from typing import Any

from attrs import define, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from smartmob.metrics.exposition import Exposition
from smartmob.metrics.loop_delay import LoopDelay
from smartmob.plugins.site import PluginSite
from smartmob.reloading import Outcome
from smartmob.web.metrics import Metrics
from smartmob.web.plugins import PluginReports
from smartmob.web.reload import Reloads
from smartmob.web.routing import Family
from smartmob.web.sites import Sites
from smartmob.web.webhooks import WebhookReports


@frozen
class NoPlugins:
    """
    There are none.
    """

    def report(self) -> list[dict[str, Any]]:
        """Of none."""
        return []

    def site(self, name: str) -> PluginSite | None:
        """Of none."""
        return None


@define(eq=False)
class NoDelay(LoopDelay):
    """
    There is none, which is known at once.
    """

    def asked(self) -> Deferred[None]:
        """Nothing is to be measured."""
        return succeed(None)


def families() -> list[Family]:
    """
    All of them, as an agent has them.
    """
    plugins = NoPlugins()
    return [
        Reloads(nothing_new),
        WebhookReports(list),
        PluginReports(plugins),
        Metrics(list, lambda: Exposition(NoDelay(Clock()))),
        Sites(plugins, Clock()),
    ]


def nothing_new() -> Outcome:
    """
    What comes of a file that did not change.
    """
    return Outcome(started=(), restarted=(), stopped=(), warnings=(), done=succeed(None))
