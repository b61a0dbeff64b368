"""
Archives that clients send, for create requests to name as their source.
"""

from __future__ import annotations

from attrs import frozen
from twisted.web import http

from smartmob.source.archives import url_of
from smartmob.web.api import reply
from smartmob.web.gate import no_archive
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request


@frozen(eq=False, repr=False)
class Uploads:
    """
    Where archives are sent to.
    """

    app = new_app()

    @app.route("/archives", methods=["PUT"])
    async def put_archive(self, request: Request) -> bytes:
        """Keep an archive; the answer's source_url is for create requests."""
        upload = request.upload
        assert upload is not None, "the gate has seen to it"
        if not upload.size:
            problem = no_archive()
            upload.abandon()
            raise problem
        stored = await upload.finish()
        document = {
            "source_url": url_of(stored.sha256),
            "sha256": stored.sha256,
            "size": stored.size,
        }
        return reply(request, encode(document), http.CREATED)
