"""
Reading the configuration again, for those who ask for it over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from attrs import frozen

from smartmob.documents import VerbRequest
from smartmob.permit import Scope
from smartmob.reloading import Outcome
from smartmob.web.api import done, read, reply, waits
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request


@frozen(eq=False, repr=False)
class Reloads:
    """
    @ivar reload: Reads it again, and says what came of it.
    """

    app = new_app()
    scopes: ClassVar = {"POST": Scope.ADMIN}
    reload: Callable[[], Outcome]

    @app.route("/reload", methods=["POST"])
    async def reload_configuration(self, request: Request) -> bytes:
        """Read the configuration again; only what is different in it is touched."""
        read(request, VerbRequest)
        wait = waits(request)
        outcome = self.reload()
        status = await done(wait, lambda: outcome.done)
        document = {
            "started": list(outcome.started),
            "restarted": list(outcome.restarted),
            "stopped": list(outcome.stopped),
            "warnings": list(outcome.warnings),
        }
        return reply(request, encode(document), status)
