"""
All webhooks of an agent.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING

from attrs import asdict, define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger

from smartmob.config.configuration import Hooks
from smartmob.events import Event, Events
from smartmob.lines.encodings import timestamp
from smartmob.names import LookUp, Names
from smartmob.target import Target
from smartmob.topics import Topics, parse
from smartmob.waiting import Waiters
from smartmob.webhooks.counts import Counts

if TYPE_CHECKING:
    from twisted.web.iweb import IPolicyForHTTPS

    from smartmob.webhooks.hook import Hook
    from smartmob.webhooks.queue import Queue

_log = Logger()

END_SECONDS = 2.0
"""How long what waits may still be delivered when the agent ends."""


@define(eq=False, repr=False)
class Webhooks(Service):
    """
    Posts events to the URLs that are configured for them.

    @ivar reactor: Of TCP and time.
    @ivar policy: How certificates of https servers are checked; C{None}: as browsers do.
    @ivar now: Seconds since the epoch.
    @ivar look_up: How addresses of hosts are found; in threads, unless given.
    """

    reactor: IReactorTime
    events: Events
    policy: IPolicyForHTTPS | None = None
    now: Callable[[], float] = time
    look_up: LookUp = field()
    _secret: bytes | None = field(default=None, init=False, repr=False)
    _hooks: dict[str, Hook] = field(factory=dict, init=False, repr=False)
    _leaving: set[Queue] = field(factory=set, init=False)
    _gone: Counts = field(factory=Counts, init=False)
    _unsubscribe: Callable[[], None] | None = field(default=None, init=False)
    _late: IDelayedCall | None = field(default=None, init=False)
    _ending: bool = field(default=False, init=False)
    _stopped: Waiters = field(factory=Waiters, init=False)

    @look_up.default
    def _names(self) -> LookUp:
        return Names(IReactorFromThreads(self.reactor)).look_up

    def configure(self, hooks: Hooks) -> None:
        """
        Post to these URLs from now on.  One that stays keeps what waits for it; its topics
        count for what comes, and the secret for what is sent.  What waits for one that goes is
        dropped.

        @raise smartmob.topics.BadTopic: A topic is none; nothing is changed.
        @raise smartmob.place.BadPlace: So for a URL.
        """
        wanted: dict[str, list[str]] = {}
        for hook in hooks.hooks:
            topics = wanted.setdefault(hook.url, [])
            if hook.topic not in topics:
                topics.append(hook.topic)
        chosen = {url: _any(topics) for url, topics in wanted.items()}
        targets = {url: Target.parse(url) for url in wanted}
        self._secret = hooks.secret
        for url in self._hooks.keys() - wanted.keys():
            self._remove(url)
        kept, self._hooks = self._hooks, {}
        for url, topics in wanted.items():
            here = self._hooks[url] = kept.get(url) or self._new(targets[url])
            here.names, here.topics = tuple(topics), chosen[url]

    def startService(self) -> None:
        """
        Listen to events.
        """
        super().startService()
        if self._unsubscribe is None and not self._ending:
            self._unsubscribe = self.events.subscribe(Topics(), self._give)

    def stopService(self) -> Deferred[None]:
        """
        Deliver what waits, and what comes meanwhile, without long waits between tries.  Fires
        when nothing is left: everything is delivered or dropped, no connection, no timer.  That
        is after L{END_SECONDS} at the latest, or when L{cut} was called.
        """
        super().stopService()
        stopped = self._stopped.wait()
        if not self._ending:
            self._ending = True
            self._late = self.reactor.callLater(END_SECONDS, self.cut)
            for hook in self._hooks.values():
                hook.machine.hurry()
        self._look()
        return stopped

    def cut(self) -> None:
        """
        The agent ends: drop what waits, and break off what is under way.
        """
        self._quiet()
        for url in list(self._hooks):
            self._remove(url, "the agent ends")

    def report(self) -> list[dict[str, object]]:
        """
        Each URL, in the order of the configuration: its queue, and what became of the rest.
        """
        return [_report(hook) for hook in self._hooks.values()]

    def counts(self) -> dict[str, int]:
        """
        How many events, and tries, ended how, at all URLs since the agent started: the
        members of L{Counts}.
        """
        total = Counts()
        total.add(self._gone)
        for hook in self._hooks.values():
            total.add(hook.queue.counts)
        return asdict(total)

    def waiting(self) -> tuple[int, int]:
        """
        How many events wait for all URLs together, and how many bytes they have.
        """
        queues = [hook.queue for hook in self._hooks.values()]
        return sum(len(each.waiting) for each in queues), sum(each.size for each in queues)

    def _give(self, event: Event) -> None:
        encoded = None
        for hook in self._hooks.values():
            encoded = hook.give(event, encoded)

    def _new(self, target: Target) -> Hook:
        # It brings an HTTP client along, which agents without webhooks can do without.
        from smartmob.webhooks.hook import Hook

        def rested(queue: Queue) -> None:
            self._leaving.discard(queue)
            self._look()

        return Hook.of(
            target,
            self.reactor,
            policy=self.policy,
            now=self.now,
            look_up=self.look_up,
            secret=lambda: self._secret,
            rested=rested,
        )

    def _remove(self, url: str, why: str = "it is not configured any more") -> None:
        hook = self._hooks.pop(url)
        self._leaving.add(hook.queue)
        hook.machine.cut(why)
        self._gone.add(hook.queue.counts)

    def _look(self) -> None:
        """
        Whether the end has come.
        """
        queues = [*self._leaving, *(hook.queue for hook in self._hooks.values())]
        if self._ending and all(queue.at_rest for queue in queues):
            self._quiet()
            self._stopped.fire()

    def _quiet(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None


def _any(topics: list[str]) -> Topics:
    """
    The events that any of these wants; they may be more than one client may ask for.
    """
    each = [parse([topic]) for topic in topics]
    if Topics() in each:
        return Topics()
    return Topics(
        frozenset().union(*(one.exact for one in each)),
        frozenset().union(*(one.globs for one in each)),
    )


def _report(hook: Hook) -> dict[str, object]:
    queue = hook.queue
    return {
        "url": queue.shown,
        "topics": list(hook.names),
        "queued": len(queue.waiting),
        "queued_bytes": queue.size,
        "next_try_at": None if queue.due is None else timestamp(queue.due),
        **asdict(queue.counts),
        "last": None if queue.last is None else queue.last.document(),
    }
