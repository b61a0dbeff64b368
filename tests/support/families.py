"""
The routes of what is there beside the agent, with nothing behind them.
"""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from smartmob.reloading import Outcome
from smartmob.web.plugins import PluginReports
from smartmob.web.reload import Reloads
from smartmob.web.routing import Family
from smartmob.web.sites import Sites
from smartmob.web.webhooks import WebhookReports


def families() -> list[Family]:
    """
    All of them, as an agent has them.
    """
    plugins = NoPlugins()
    return [
        PluginReports(plugins),
        Sites(plugins, Clock()),
        Reloads(nothing_new),
        WebhookReports(list),
    ]


@frozen
class NoPlugins:
    """
    No plugins at all.
    """

    def report(self) -> list[dict[str, object]]:
        """
        Of none.
        """
        return []

    def site(self, name: str) -> None:
        """
        None has one.
        """


def nothing_new() -> Outcome:
    """
    What comes of a file that did not change.
    """
    return Outcome(started=(), restarted=(), stopped=(), warnings=(), done=succeed(None))
