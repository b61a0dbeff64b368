"""
Which plugins there are, and how they do.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol
from urllib.parse import quote

from attrs import frozen

from smartmob.permit import Scope
from smartmob.web.api import reply
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request


class Reported(Protocol):
    """
    The plugins, as they are needed here.
    """

    def report(self) -> list[dict[str, Any]]:
        """A document for each; C{site} is the name of its site, or C{None}."""


@frozen(eq=False, repr=False)
class PluginReports:
    """
    The plugins, for who looks after them.
    """

    app = new_app()
    scopes: ClassVar = {"GET": Scope.ADMIN}
    plugins: Reported

    @app.route("/plugins", methods=["GET"])
    def list_plugins(self, request: Request) -> bytes:
        """The plugins, those that could not be loaded too, and why."""
        base = request.base_url.decode("latin-1")
        documents = self.plugins.report()
        for document in documents:
            if document["site"] is not None:
                document["site"] = f"{base}/_plugin/{quote(document['site'], safe='')}/"
        return reply(request, encode({"plugins": documents}))
