"""
WebSockets, of which most agents that start need none yet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

if TYPE_CHECKING:
    from smartmob.web.console import ConsoleSockets

Sockets = Callable[[], "ConsoleSockets"]
"""Gives what makes WebSockets of requests, the same each time."""


def sockets_of(reactor: IReactorTime) -> Sockets:
    """
    Makes it when it is first asked: Autobahn, which a start does not need, is imported
    then.  All interfaces of an agent share one.
    """

    @cache
    def made() -> ConsoleSockets:
        from smartmob.web.console import ConsoleSockets

        return ConsoleSockets(reactor)

    return made
