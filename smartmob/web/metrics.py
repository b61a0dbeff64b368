"""
Numbers for those who watch an agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from smartmob.web.answered import Answered
from smartmob.web.api import send
from smartmob.web.routing import new_app
from smartmob.web.site import Request

if TYPE_CHECKING:
    from smartmob.agent import Agent
    from smartmob.metrics.exposition import Exposition
    from smartmob.metrics.readings import Reading
    from smartmob.process import Process


class Numbers:
    """
    All there is to tell.  Few agents are ever asked: what it takes is imported then.
    """

    def __init__(
        self,
        agent: Agent,
        reactor: IReactorTime,
        answered: Callable[[], Iterable[Answered]],
        others: Callable[[], Iterable[Reading]],
    ) -> None:
        """
        @param answered: Gives what requests were answered with, of each site.
        @param others: Gives what says how things are that are beside the agent.
        """
        self._agent = agent
        self._reactor = reactor
        self._answered = answered
        self._others = others

    @cached_property
    def exposition(self) -> Exposition:
        """
        Tells it.
        """
        from smartmob.metrics.exposition import Exposition
        from smartmob.metrics.loop_delay import LoopDelay
        from smartmob.metrics.readings import of_agent, of_requests

        readings: list[Reading] = [
            lambda: of_agent(self._agent),
            lambda: of_requests(self._answered()),
            *self._others(),
        ]
        return Exposition(LoopDelay(self._reactor), readings)

    def close(self) -> None:
        """
        The agent ends.
        """
        if "exposition" in self.__dict__:
            self.exposition.close()


@frozen(eq=False, repr=False)
class Metrics:
    """
    The numbers, for Prometheus.

    @ivar processes: Gives all there are.
    @ivar exposition: Gives what tells of them, and of all else.
    """

    app = new_app()
    processes: Callable[[], Iterable[Process]]
    exposition: Callable[[], Exposition]

    @app.route("/metrics", methods=["GET"])
    async def metrics(self, request: Request) -> bytes:
        """Numbers about the agent and its processes, as Prometheus reads them."""
        exposition, permit = self.exposition(), request.caller.permit
        if permit.limited:  # what is about all apps together is not for them
            text = exposition.of(
                [each for each in self.processes() if permit.sees(each.definition.app)]
            )
        else:
            text = await exposition.all()
        return send(request, exposition.content_type, text)
