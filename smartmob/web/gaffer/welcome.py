"""
Where gafferd's clients begin.
"""

from __future__ import annotations

from attrs import frozen

import smartmob
from smartmob.web.api import index_document, reply
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request

WELCOME = "gaffer"
"""By this word its clients know what they have found."""


@frozen(eq=False, repr=False)
class Welcome:
    """
    What there is.
    """

    app = new_app()

    @app.route("/", methods=["GET"])
    def welcome(self, request: Request) -> bytes:
        """Whom a client has reached."""
        document = {"welcome": WELCOME, "version": smartmob.__version__}
        return reply(request, encode(document))


@frozen(eq=False, repr=False)
class BothIndexes:
    """
    What there is where an endpoint offers both interfaces: documents may have more members
    than their readers know.
    """

    app = new_app()

    @app.route("/", methods=["GET"])
    def index(self, request: Request) -> bytes:
        """Where to begin: the URLs of everything else; and whom a client has reached."""
        return reply(request, encode({**index_document(request), "welcome": WELCOME}))
