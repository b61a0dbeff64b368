"""
A site with the routes and the gate of another, behind which nothing happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attrs import define, field, frozen
from klein import Klein
from twisted.python.failure import Failure

from smartmob.permit import Scope
from smartmob.source.upload import Sender, Upload
from smartmob.web.bodies import Body
from smartmob.web.gate import Gate
from smartmob.web.routing import Route, Routes, new_app
from smartmob.web.site import Request, Site


@define(eq=False)
class Noted:
    """
    What got through.

    @ivar kept: How many bodies there was made room for.
    @ivar reached: The functions that were called, with what they were sent.
    @ivar uploads: Archives that were begun.
    """

    kept: int = 0
    reached: list[tuple[str, bytes]] = field(factory=list)
    uploads: list[NotedUpload] = field(factory=list)

    def forget(self) -> None:
        """
        Begin anew.
        """
        self.kept = 0
        self.reached.clear()
        self.uploads.clear()


@define(eq=False)
class NotedUpload:
    """
    An archive that nobody keeps.
    """

    sender: Sender
    data: bytes = b""
    abandoned: bool = False

    def write(self, data: bytes) -> None:
        """As the real one's."""
        self.data += data

    def fail(self, why: Failure) -> None:
        """As the real one's."""
        self.abandoned = True
        self.sender.refuse(why)

    def abandon(self) -> None:
        """As the real one's."""
        self.abandoned = True


@frozen(eq=False)
class _Hollow:
    """
    A route that only notes who comes.
    """

    app: Klein
    bodies: Mapping[str, Body]
    scopes: Mapping[str, Scope]

    @classmethod
    def of(cls, route: Route, gate: Gate, noted: Noted) -> _Hollow:
        """
        The same path, with the same methods.
        """
        app = new_app()

        def reached(request: Request, **arguments: str) -> bytes:
            gate.find(arguments, request.caller.permit)  # as they all do
            assert request.content is not None
            sent = request.content.getvalue()
            if request.upload is not None:
                sent += cast(NotedUpload, request.upload).data
            noted.reached.append((route.endpoint, sent))
            request.setHeader(b"Content-Length", b"7")
            return b"reached"

        decorate: Any = app.route(
            route.path, methods=list(route.methods), endpoint=route.endpoint
        )
        decorate(reached)
        return cls(app, route.bodies, route.scopes)


def hollow(site: Site, noted: Noted, archive_bytes: int) -> Site:
    """
    Such a site.

    @param archive_bytes: As of a gate.
    """

    class Noting(Request):
        """
        A request that says when its body is to come.
        """

        def gotLength(self, length: int | None) -> None:
            """
            Room for it is made.
            """
            noted.kept += 1
            super().gotLength(length)

    def receive(length: int | None, sender: Sender) -> Upload:
        upload = NotedUpload(sender)
        noted.uploads.append(upload)
        return cast(Upload, upload)

    real = site.gate
    routes = Routes([_Hollow.of(route, real, noted) for route in real.routes])
    gate = Gate(routes, real.access, real.trust, real.find, archive_bytes)
    made = Site(gate, site.reactor, receive, site.rendered)
    made.requestFactory = Noting
    return made
