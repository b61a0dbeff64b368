"""
What events are posted where, and what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from attrs import frozen

from smartmob.permit import Scope
from smartmob.web.api import reply
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request


@frozen(eq=False, repr=False)
class WebhookReports:
    """
    The webhooks, for those who look after them.

    @ivar report: What there is to say of each.
    """

    app = new_app()
    scopes: ClassVar = {"GET": Scope.ADMIN}
    report: Callable[[], Sequence[Mapping[str, object]]]

    @app.route("/webhooks", methods=["GET"])
    def list_webhooks(self, request: Request) -> bytes:
        """The URLs that events are posted to, with what waits for each and what did not."""
        webhooks = [dict(report) for report in self.report()]
        return reply(request, encode({"webhooks": webhooks}))
