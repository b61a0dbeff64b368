"""
Signing in, for browsers, and tickets, for clients that can't send a token along.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen
from twisted.web import http

from smartmob.documents import SignInRequest, TicketRequest, VerbRequest
from smartmob.lines.encodings import timestamp
from smartmob.permit import Scope
from smartmob.web.access import Access, cookie_name
from smartmob.web.api import read, reply
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request

_COOKIE = b"HttpOnly; SameSite=Strict; Path=/"


@frozen(eq=False, repr=False)
class SignIn:
    """
    Here a token is a part of the body, so nothing else has to say who is asking.
    """

    app = new_app()
    scopes: ClassVar = {"POST": Scope.NONE}
    access: Access

    @app.route("/sign-in", methods=["POST"])
    def sign_in(self, request: Request) -> bytes:
        """Exchange a token for a cookie, which no script sees and no other site has sent."""
        wanted = read(request, SignInRequest)
        request.caller, shown = self.access.sign_in(wanted.token.encode())  # for the log
        if shown is not None:
            _set_cookie(request, shown.encode())
        return _done(request)


@frozen(eq=False, repr=False)
class SignOut:
    """
    What those may do who are signed in, whatever else they may.
    """

    app = new_app()
    scopes: ClassVar = {"POST": Scope.READ}
    access: Access

    @app.route("/sign-out", methods=["POST"])
    def sign_out(self, request: Request) -> bytes:
        """End the session of the cookie, with all that is open in it."""
        read(request, VerbRequest)
        caller = request.caller
        if caller.session is not None:
            self.access.forget(lambda other: other == caller)
            _set_cookie(request, b"", b"Max-Age=0")
        return _done(request)

    @app.route("/tickets", methods=["POST"])
    def make_ticket(self, request: Request) -> bytes:
        """A ticket for one path: for 30 seconds, ?ticket= does there once what a token does."""
        wanted = read(request, TicketRequest)
        path = wanted.path.partition("?")[0].encode()
        ticket, expires_at = self.access.tickets.issue(request.caller, path)
        document = {"ticket": ticket, "expires_at": timestamp(expires_at)}
        return reply(request, encode(document), http.CREATED)


def _set_cookie(request: Request, value: bytes, *more: bytes) -> None:
    """
    Without more it is for as long as the browser is open: until when a session goes on, which
    each request prolongs, is known here alone.
    """
    parts = [cookie_name(request.way) + b"=" + value, _COOKIE, *more]
    if request.way.secure:
        parts.append(b"Secure")
    request.setHeader(b"Set-Cookie", b"; ".join(parts))


def _done(request: Request) -> bytes:
    request.setResponseCode(http.NO_CONTENT)
    return b""
