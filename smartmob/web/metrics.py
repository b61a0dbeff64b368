"""
Numbers for those who watch an agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from attrs import frozen

from smartmob.metrics.exposition import CONTENT_TYPE, Exposition
from smartmob.metrics.readings import of_processes
from smartmob.web.api import send
from smartmob.web.routing import new_app
from smartmob.web.site import Request

if TYPE_CHECKING:
    from smartmob.process import Process


@frozen(eq=False, repr=False)
class Metrics:
    """
    The numbers, for Prometheus.

    @ivar processes: Gives all there are.
    """

    app = new_app()
    processes: Callable[[], Iterable[Process]]
    exposition: Exposition

    @app.route("/metrics", methods=["GET"])
    async def metrics(self, request: Request) -> bytes:
        """Numbers about the agent and its processes, as Prometheus reads them."""
        permit = request.caller.permit
        if permit.limited:  # what is about all apps together is not for them
            theirs = [each for each in self.processes() if permit.sees(each.definition.app)]
            return send(
                request, CONTENT_TYPE, self.exposition.some(lambda: of_processes(theirs))
            )
        return send(request, CONTENT_TYPE, await self.exposition.all())
