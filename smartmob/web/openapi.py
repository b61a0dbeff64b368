"""
The description of the interface, for programs:
U{OpenAPI 3.1<https://spec.openapis.org/oas/v3.1.0>}, made from the table of routes.

That says which paths and methods there are, and what of them follows from that; the rest is
said in L{smartmob.web.operations}, and what documents are like in L{smartmob.web.schemas}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from attrs import define, field

import smartmob
from smartmob.permit import Scope
from smartmob.web.access import cookie_name
from smartmob.web.api import send
from smartmob.web.bodies import Body
from smartmob.web.render import encode
from smartmob.web.routing import Route, Routes, new_app
from smartmob.web.site import Request

_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")

ABOUT = """\
Sends applications to a machine, and keeps them running.

- Every URL that is given out begins with the scheme and the Host of the request.
- HEAD is answered wherever GET is, as GET but without a body.  OPTIONS is answered with 204
  and Allow, and to a browser's preflight for one of cors_origins.  Any other method is 405
  method-not-allowed, with Allow; a path that is not here is 404 not-found.
- Every error is application/problem+json (RFC 9457), and its code says which.
- Unknown parameters of a query are ignored; of one that is repeated the last counts, where
  it is no list.
- An empty body counts as {}.  What is no browser may also call JSON text/plain,
  application/octet-stream or nothing.
- Every answer has X-Request-Id.
- An agent that was given tokens answers 401 to everybody else, but for what needs none here.
  A token has one of the scopes read, write and admin, each of which includes those before it;
  what needs which stands beside the ways to show it.  A token may be for some apps only:
  others are 404 to it, and left out of listings and events.  Where there are no tokens nobody
  is asked, and on a unix socket the user may be enough.
- The interface of gafferd, on endpoints with "api = gafferd" or "api = both", is not a part
  of this description: it is there for programs that were made for gafferd, whose
  documentation describes it, with errors and streams of another form.
"""

_OF_ALL = (
    *("bad-request", "forbidden-host", "forbidden-origin"),
    *("body-too-large", "internal-error"),
)
"""The errors that any request may be answered with."""

_OF_STRANGERS = ("unauthorized", "forbidden-scope")
"""Those where somebody is asked who they are."""

_OF_ARGUMENTS = {
    "slug": ("not-found", "unknown-process"),
    "app": ("not-found", "unknown-app"),
}
"""Those of what is named in a path; of all others C{not-found}."""

_OF_BODIES = {
    Body.DOCUMENT: ("bad-json", "invalid-document", "unsupported-media-type"),
    Body.ARCHIVE: ("invalid-document", "unsupported-media-type"),
}
"""Those of what is sent."""


def codes_of(route: Route, method: str) -> Iterator[str]:
    """
    The errors that follow from what a route is.
    """
    yield from _OF_ALL
    if route.scope(method) is not Scope.NONE:
        yield from _OF_STRANGERS
    for name in _ARGUMENT.findall(route.path):
        yield from _OF_ARGUMENTS.get(name, ("not-found",))
    yield from _OF_BODIES.get(route.bodies.get(method, Body.NONE), ())


def described_path(path: str) -> str:
    """
    A path of the table as OpenAPI writes it.
    """
    return _ARGUMENT.sub(r"{\1}", path)


SECURITY: dict[str, dict[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the agent's: Authorization: Bearer TOKEN.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "smartmob-PORT",
        "description": "What /sign-in gives to a browser, for pages of the agent's own; a "
        "WebSocket needs an Origin with it.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "What /tickets gives: for one GET of one path, within 30 seconds.",
    },
}
"""The ways to show who one is."""

_NAME = SECURITY["cookie"]["name"].encode()
"""Stands for the name of the cookie, which depends on what the client calls the agent."""


def _security(scope: Scope, method: str) -> list[dict[str, list[str]]]:
    """
    What a method asks of who uses it: one of these.
    """
    if scope is Scope.NONE:
        return []
    ways = [name for name in SECURITY if name != "ticket" or method == "GET"]
    return [{name: [scope.word]} for name in ways]


def describe(routes: Routes) -> dict[str, Any]:
    """
    The document.
    """
    # What it takes is imported when the first client asks, and not when the agent starts.
    from smartmob.web.answers import HEADERS, error
    from smartmob.web.parameters import REQUEST_ID
    from smartmob.web.schemas import SCHEMAS

    paths: dict[str, dict[str, Any]] = {}
    told: set[str] = set()
    for route in routes:
        members = paths.setdefault(described_path(route.path), {})
        for method in route.methods:
            members[method.lower()] = _operation(route, method, told)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smartmob",
            "version": smartmob.__version__,
            "summary": "The REST interface of a smartmob agent.",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The agent that was asked for this."}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": SECURITY,
            "schemas": SCHEMAS,
            "parameters": {REQUEST_ID.name: REQUEST_ID.document},
            "headers": HEADERS,
            "responses": {name: error(name) for name in sorted({*told, "method-not-allowed"})},
        },
    }


def _operation(route: Route, method: str, told: set[str]) -> dict[str, Any]:
    """
    What can be done with one method.

    @param told: The names of all responses that tell of errors, to which those are added.
    """
    from smartmob.web.answers import JSON, errors
    from smartmob.web.operations import OPERATIONS
    from smartmob.web.parameters import REQUEST_ID, argument
    from smartmob.web.schemas import SCHEMAS
    from smartmob.web.shapes import ref

    about = OPERATIONS[route.endpoint]
    failures = errors((*codes_of(route, method), *about.codes))
    told.update(failures.values())
    operation: dict[str, Any] = {
        "operationId": route.endpoint,
        "tags": [about.tag],
        "summary": route.summary,
        **({"description": about.about} if about.about else {}),
        "parameters": [
            *(argument(name) for name in _ARGUMENT.findall(route.path)),
            *(asked.document for asked in about.query),
            *(sent.document for sent in about.headers),
            ref(REQUEST_ID.name, "parameters"),
        ],
        "security": _security(route.scope(method), method),
        "responses": {
            **{str(answer.status): answer.document for answer in about.answers},
            **{status: ref(name, "responses") for status, name in failures.items()},
        },
    }
    if about.body is not None:
        operation["requestBody"] = {
            "content": {JSON: {"schema": ref(about.body)}},
            "required": "required" in SCHEMAS[about.body],
        }
    if about.bytes_type is not None:
        some = {"type": "string", "contentMediaType": about.bytes_type, "minLength": 1}
        operation["requestBody"] = {
            "content": {about.bytes_type: {"schema": some}},
            "required": True,
        }
    return operation


@define(eq=False, repr=False)
class OpenApi:
    """
    Shows the description, which is made when somebody asks for it first.
    """

    app = new_app()
    _routes: Routes = field(factory=lambda: Routes(()), init=False)
    _encoded: bytes | None = field(default=None, init=False)

    def describe(self, routes: Routes) -> None:
        """
        From now on show these.
        """
        self._routes, self._encoded = routes, None

    @app.route("/openapi.json", methods=["GET"])
    def openapi(self, request: Request) -> bytes:
        """This description of the interface, as OpenAPI 3.1."""
        if self._encoded is None:
            self._encoded = encode(describe(self._routes)) + b"\n"
        name = cookie_name(request.way)
        return send(request, b"application/json", self._encoded.replace(_NAME, name))
