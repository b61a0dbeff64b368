"""
The routes of what is there beside the agent, with nothing behind them.
"""

from __future__ import annotations

from twisted.internet.defer import succeed

from smartmob.reloading import Outcome
from smartmob.web.reload import Reloads
from smartmob.web.routing import Family


def families() -> list[Family]:
    """
    All of them, as an agent has them.
    """
    return [Reloads(nothing_new)]


def nothing_new() -> Outcome:
    """
    What comes of a file that did not change.
    """
    return Outcome(started=(), restarted=(), stopped=(), warnings=(), done=succeed(None))
