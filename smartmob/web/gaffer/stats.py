"""
What programs use, on demand or again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.web.resource import IResource

from smartmob.lines.budget import Budget
from smartmob.lines.encodings import compact
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.lines.taps import RAW
from smartmob.process import Process
from smartmob.refusals import Refusal, UnknownProcess
from smartmob.web.api import reply
from smartmob.web.gaffer.feeds import (
    FeedQuery,
    Form,
    answer,
    document_event,
    parse_optional_feed,
)
from smartmob.web.gaffer.names import name_of, parse_path
from smartmob.web.gaffer.registry import Registry
from smartmob.web.gaffer.usage import Info, measure, summary
from smartmob.web.measurements import Measurements
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request

_log = Logger()

INTERVAL = 1.0
"""Seconds between the end of one measurement of a feed and the next."""


@frozen(eq=False, repr=False)
class Stats:
    """
    Statistics of programs.
    """

    app = new_app()
    registry: Registry
    reactor: IReactorTime
    measurements: Measurements

    @app.route("/stats", methods=["GET"])
    async def stats(self, request: Request) -> IResource | bytes:
        """What the programs of all templates use."""
        registry = self.registry.seen_with(request.caller.permit)
        query = parse_optional_feed(request.args)
        if query is not None:
            return self._feed(request, query, registry.running)
        entries = registry.entries()
        running = [entry.running for entry in entries]
        infos = iter(await self._numbered([one for each in running for one in each]))
        documents = [
            summary(str(entry.name), [info for _ in mine if (info := next(infos)) is not None])
            for entry, mine in zip(entries, running, strict=True)
        ]
        return reply(request, encode(documents))

    @app.route("/stats/<template>", methods=["GET"])
    async def stats_of_template(self, request: Request, template: str) -> IResource | bytes:
        """What the programs of a template use."""
        entry = self.registry.entry(parse_path(template))
        query = parse_optional_feed(request.args)
        if query is not None:
            return self._feed(request, query, lambda: self.registry.entry(entry.name).running)
        infos = await self._numbered(entry.running)
        document = summary(str(entry.name), [info for info in infos if info is not None])
        return reply(request, encode(document))

    @app.route("/stats/<template>/<number>", methods=["GET"])
    async def stats_of_program(
        self, request: Request, template: str, number: str
    ) -> IResource | bytes:
        """What one program uses."""
        process = self.registry.numbered(number)
        if name_of(process.definition) != parse_path(template):
            raise UnknownProcess(
                f"{number} is not the number of a process of {template[:200]!r}"
            )
        query = parse_optional_feed(request.args)
        if query is not None:
            return self._feed(request, query, lambda: [self.registry.numbered(number)])
        [info] = await self._infos([process])
        if info is None:
            raise UnknownProcess(f"there is no process {number}")
        return reply(request, encode(info))

    async def _infos(self, processes: Sequence[Process]) -> list[Info | None]:
        """
        What the programs of processes use; C{None} for those that have none.
        """
        pids = [process.pid for process in processes if process.pid is not None]
        infos = await self.measurements.make(partial(measure, pids)) if pids else []
        found = dict(zip(pids, infos, strict=True))
        return [None if each.pid is None else found.get(each.pid) for each in processes]

    async def _numbered(self, processes: Sequence[Process]) -> list[Info | None]:
        numbers = [self.registry.numbers.number(process.slug) for process in processes]
        infos = await self._infos(processes)
        return [
            None if info is None else {**info, "id": number}
            for number, info in zip(numbers, infos, strict=True)
        ]

    def _feed(
        self, request: Request, query: FeedQuery, whose: Callable[[], Sequence[Process]]
    ) -> IResource | bytes:
        events = query.form is Form.EVENTSOURCE

        async def sample() -> list[bytes]:
            infos = await self._numbered(whose())
            known = [info for info in infos if info is not None]
            if events:
                return [document_event("stat", info) for info in known]
            return [compact(info) + b"\r\n" for info in known]

        budget = self.registry.agent.consoles.budget
        return answer(
            request,
            self.reactor,
            query,
            b"application/json",
            lambda reader: Sampling(self.reactor, sample).attach(reader, budget),
        )


Sample = Callable[[], Coroutine[Any, Any, list[bytes]]]


@define(eq=False, repr=False)
class Sampling:
    """
    Measures again and again, for one client, which takes what was measured before.
    """

    _reactor: IReactorTime
    _sample: Sample
    _subscription: Subscription = field(init=False)
    _timer: IDelayedCall | None = None
    _under_way: Deferred[None] | None = None
    _over: bool = False

    def attach(self, reader: IReader, budget: Budget) -> Subscription:
        """
        Begin.

        @raise TooManyReaders: The agent has as many readers as it may have.
        """
        self._subscription = Subscription(reader, RAW, budget, _nothing, self._left)
        budget.add(self._subscription, own=False, lines=False)
        self._timer = self._reactor.callLater(0, self._begin)
        return self._subscription

    def _begin(self) -> None:
        self._timer = None
        if self._subscription.queued:
            self._later()
        else:
            self._under_way = Deferred.fromCoroutine(self._give())

    async def _give(self) -> None:
        try:
            for data in await self._sample():
                self._subscription.lines(data, 1)
        except Refusal:
            self._subscription.end(Ending.OVER)
        except Exception:
            _log.failure("measuring what programs use")
            self._subscription.end(Ending.OVER)
        if not self._over:
            self._later()

    def _later(self) -> None:
        self._timer = self._reactor.callLater(INTERVAL, self._begin)

    def _left(self, subscription: Subscription) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """
    Nobody waits for a client of statistics.
    """
