"""
The consoles of all processes and apps, and what they share: bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time

from twisted.internet.defer import Deferred

from smartmob.documents import State
from smartmob.lines.app import AppConsole
from smartmob.lines.bounds import Bounds
from smartmob.lines.budget import Budget
from smartmob.lines.console import Console
from smartmob.lines.ring import Written
from smartmob.lines.totals import totals
from smartmob.refusals import UnknownApp


class Consoles:
    """
    Opens a console a process.

    @ivar epoch: Tells this run of the agent from others: numbers of lines are
        only of use within one.
    """

    def __init__(
        self, *, epoch: str, now: Callable[[], float] = time, bounds: Bounds | None = None
    ) -> None:
        """
        @param now: Seconds since the epoch.
        """
        self.epoch = epoch
        self._now = now
        self._bounds = Bounds() if bounds is None else bounds
        self._budget = Budget(self._bounds)
        self._consoles: set[Console] = set()
        self._apps: dict[str, AppConsole] = {}
        self._gone = totals()  # of those that are closed
        self._kept = 0
        self._begun = 0
        self._room = self._bounds.kept_in_all

    @property
    def budget(self) -> Budget:
        """
        What all readers share, also those of something else.
        """
        return self._budget

    @property
    def readers(self) -> int:
        """
        How many there are.
        """
        return len(self._budget)

    @property
    def queued(self) -> int:
        """
        Bytes that wait for all of them.
        """
        return self._budget.queued

    @property
    def kept(self) -> int:
        """
        Bytes that the kept lines take in memory.
        """
        return self._kept

    @property
    def begun(self) -> int:
        """
        Bytes of lines whose ends have not come yet.
        """
        return self._begun

    @property
    def written(self) -> Mapping[str, Written]:
        """
        What was written to the streams of all processes, those that are deleted by now too:
        see L{totals}.
        """
        return totals(self._gone, *(console.written for console in self._consoles))

    def open(self, slug: str, state: State) -> Console:
        """
        The console of a new process.
        """
        console = Console(
            slug,
            state,
            epoch=self.epoch,
            now=self._now,
            bounds=self._bounds,
            budget=self._budget,
            kept=self._grown,
            begun=self._has_begun,
            gone=self._closed,
        )
        self._consoles.add(console)
        app = self._apps.get(console.app)
        if app is None:
            app = self._apps[console.app] = AppConsole(
                console.app, self._budget, self._app_gone
            )
        app.join(console)
        return console

    def app(self, name: str) -> AppConsole:
        """
        The console of an app.

        @raise UnknownApp: It has no process.
        """
        app = self._apps.get(name)
        if app is None or not len(app):  # it may have readers still
            raise UnknownApp.of(name)
        return app

    def shut(self) -> Deferred[None]:
        """
        The agent ends, and with it every reader.

        @return: Fires when each has been given what was queued for it: that may
            take as long as slow ones are let live.
        """
        for console in list(self._consoles):
            console.shut()
        for app in list(self._apps.values()):
            app.shut()
        return self._budget.when_empty()

    def _closed(self, console: Console) -> None:
        if console in self._consoles:
            self._consoles.remove(console)
            self._gone = totals(self._gone, console.written)
            self._apps[console.app].part(console)

    def _app_gone(self, app: AppConsole) -> None:
        del self._apps[app.name]

    def _grown(self, size: int) -> None:
        self._kept += size
        if self._kept > self._room:
            self._cut()

    def _has_begun(self, size: int) -> None:
        """
        Lines without an end take the room of those that are kept, but for a quarter: they can't
        be let go of, and are in pieces only where they are long.
        """
        bound = self._bounds.kept_in_all
        self._begun += size
        self._room = max(bound - self._begun, bound // 4)
        self._grown(0)

    def _cut(self) -> None:
        """
        Take from those that keep most, down to one level, until a sixteenth of the
        room is free again: that makes this rare.
        """
        excess = self._kept - self._room * 15 // 16
        largest = sorted(self._consoles, key=_cost, reverse=True)
        level = 0
        above = 0
        for n, console in enumerate(largest, 1):
            above += console.cost
            level = (above - excess) // n
            if n == len(largest) or level >= largest[n].cost:
                break
        for console in largest[:n]:
            console.shrink(max(0, level))


def _cost(console: Console) -> int:
    return console.cost
