"""
Taking over another configuration: all of it or nothing, and the difference only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from time import time

from attrs import define, field
from twisted.logger import Logger

from smartmob.config.configuration import BadConfiguration, Configuration, Settings
from smartmob.declarations import Declarations
from smartmob.endpoints import CantListen, Endpoints
from smartmob.forward.service import Forwards
from smartmob.logs import ALWAYS
from smartmob.plugins.folders import default_folders
from smartmob.plugins.plugins import MissingPlugin, Plugins
from smartmob.refusals import Refusal
from smartmob.reloading import NotReloaded, Outcome
from smartmob.soundness import located
from smartmob.waiting import all_of
from smartmob.webhooks.service import Webhooks

_log = Logger()


@define(eq=False, repr=False)
class Reload:
    """
    Reads the configuration again.

    @ivar read: Gives what it says now.
    @ivar current: What it said before.
    @ivar settle: Makes settings those of all parts that ask for them.
    @ivar wall: Seconds since the epoch.
    @ivar successful: It could be taken over when that was tried last: when the agent
        started, or since.
    @ivar taken_at: When it was taken over last, in seconds since the epoch.
    """

    read: Callable[[], Configuration]
    current: Configuration
    declarations: Declarations
    endpoints: Endpoints
    plugins: Plugins
    webhooks: Webhooks
    forwards: Forwards
    settle: Callable[[Settings], None]
    wall: Callable[[], float] = time
    successful: bool = True
    taken_at: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.taken_at = self.wall()

    def __call__(self) -> Outcome:
        """
        Take over what is different.

        @raise NotReloaded: Nothing was.
        """
        self.successful = False
        outcome = self._take_over()
        self.successful, self.taken_at = True, self.wall()
        return outcome

    def _take_over(self) -> Outcome:
        try:
            new = self.read()
        except BadConfiguration as bad:
            raise NotReloaded(bad.mistakes) from None
        old = self.current
        try:
            plan = self.declarations.plan(new.templates, new.settings.max_processes)
            loading = self.plugins.prepare(plugins_folders(new.settings), new.parser)
        except (MissingPlugin, Refusal) as error:
            raise NotReloaded([str(error)]) from None
        try:
            opening = self.endpoints.prepare(
                new.endpoints, tokens=new.settings.tokens is not None
            )
        except CantListen as error:
            loading.abandon()
            raise NotReloaded([located(new, error)]) from None
        before = self.endpoints.urls()
        told = opening.commit()
        for url in self.endpoints.urls():
            if url not in before:
                _log.info("Listening on {url}", url=url, **{ALWAYS: True})
        self.settle(new.settings)
        self.webhooks.configure(new.hooks)
        self.forwards.configure(new.forwards)
        changes = self.declarations.carry_out(plan)
        done = all_of([changes.done, loading.commit(), self.endpoints.closed()])
        self.current = new
        said = (
            *new.warnings,
            *loading.warnings,
            *told,
            *_needs_a_start(old.settings, new.settings),
        )
        outcome = Outcome(
            started=changes.started,
            restarted=changes.restarted,
            stopped=changes.stopped,
            warnings=(*said, *changes.left_out),  # these are in the log already
            done=done,
        )
        for warning in said:
            _log.warn("{text}", text=warning)
        _log.info(
            "reloaded: {started} started, {restarted} restarted, {stopped} stopped",
            started=len(outcome.started),
            restarted=len(outcome.restarted),
            stopped=len(outcome.stopped),
        )
        return outcome


def plugins_folders(settings: Settings) -> Sequence[str]:
    """
    Where plugins are.
    """
    if settings.plugins_dirs is not None:
        return settings.plugins_dirs
    return default_folders(os.path.expanduser("~"))


def _needs_a_start(old: Settings, new: Settings) -> Iterator[str]:
    for name in ("state_dir", "pidfile"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} was changed; that takes effect when the agent is started again"
