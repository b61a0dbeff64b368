"""
Which paths and methods there are: one table, made from the routes of the Klein
applications, for the gate, for the description of the interface, and for tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from attrs import field, frozen
from klein import Klein
from twisted.web.iweb import IRequest
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, RequestRedirect, Rule

from smartmob.permit import Scope
from smartmob.web.bodies import Body
from smartmob.web.problems import Problem

MOST_KNOWN = 4_096
"""Requests whose routes are remembered: what is asked for is mostly the same ..."""

SHORT = 128
"""... unless its path has more bytes."""

_BODIES: Mapping[str, Body] = {"POST": Body.DOCUMENT, "PUT": Body.ARCHIVE}
"""What methods take; a family may have C{bodies} of its own."""

_SAFE = ("GET", "OPTIONS")
"""Those that change nothing (RFC 9110, 9.2.1); a family may have C{scopes} of its own."""


class Family(Protocol):
    """
    Routes that belong together.
    """

    @property
    def app(self) -> Klein:
        """
        Their Klein application, bound to this instance.
        """


def new_app() -> Klein:
    """
    A Klein application that never redirects: a path is one that exists, or not.
    """
    app = Klein()
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    return app


@frozen(eq=False, repr=False)
class Route:
    """
    A path and what may be done with it.

    @ivar path: As werkzeug writes it, C{/process-status/<slug>}.
    @ivar methods: Without HEAD and OPTIONS, which follow from it.
    @ivar endpoint: The name of the function that answers.
    @ivar summary: The first sentence of its docstring.
    @ivar bodies: What kind of body a method takes.
    @ivar scopes: What its methods ask of who uses them, where that is not the usual.
    """

    path: str
    methods: tuple[str, ...]
    endpoint: str
    summary: str
    app: Klein = field(repr=False)
    bodies: Mapping[str, Body] = field(repr=False)
    scopes: Mapping[str, Scope] = field(repr=False)

    def scope(self, method: str) -> Scope:
        """
        What a method asks of who uses it.
        """
        if method == "HEAD":
            method = "GET"
        return self.scopes.get(method, Scope.READ if method in _SAFE else Scope.WRITE)

    def answer(self, request: IRequest, arguments: Mapping[str, str]) -> Any:
        """
        What its function returns; a Deferred, where that is a coroutine.

        Klein's own resource is passed by: it would look for the route once more, and make
        a Deferred of what is there at once.
        """
        return self.app.execute_endpoint(self.endpoint, request, **arguments)

    @property
    def allow(self) -> tuple[str, ...]:
        """
        All methods, as the header Allow says them.
        """
        heads = ("HEAD",) if "GET" in self.methods else ()
        return tuple(sorted({*self.methods, *heads, "OPTIONS"}))


@frozen
class Match:
    """
    Where a request leads.

    @ivar route: C{None} for C{*}, which is the server as a whole.
    @ivar allow: The methods of the path.
    @ivar scope: What it asks of who uses it.
    """

    route: Route | None
    arguments: Mapping[str, str]
    allow: tuple[str, ...]
    body: Body = Body.NONE
    scope: Scope = Scope.READ


class Routes:
    """
    The table.
    """

    def __init__(self, families: Iterable[Family]) -> None:
        """
        @param families: Where the routes come from; no two may share a path.
        """
        self._routes = [route for family in families for route in _routes(family)]
        self._known: dict[tuple[bytes, bytes], Match] = {}

    @cached_property
    def _adapter(self) -> MapAdapter:
        # Made for the first request: it takes longer than all else that is put together
        # before the agent listens, and of most tables nothing is ever asked.
        rules = [Rule(each.path, methods=each.methods, endpoint=each) for each in self._routes]
        return Map(rules, merge_slashes=False).bind("localhost")

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def joined(self, families: Iterable[Family]) -> Routes:
        """
        These and others, where there are both on a path the others.
        """
        others = Routes(families)
        taken = {route.path for route in others}
        joined = Routes(())
        joined._routes = [*(route for route in self if route.path not in taken), *others]
        return joined

    def find(self, method: bytes, path: bytes) -> Match | Problem:
        """
        Where a request leads, or why nowhere: see L{match}.
        """
        try:
            return self.match(method, path)
        except Problem as problem:
            return problem

    def match(self, method: bytes, path: bytes) -> Match:
        """
        Where a request leads.

        @param path: As it was sent.
        @raise Problem: not-found, method-not-allowed.
        """
        known = self._known.get((method, path))
        if known is None:
            known = self._match(method, path)
            if len(path) <= SHORT:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[method, path] = known
        return known

    def _match(self, method: bytes, path: bytes) -> Match:
        if path == b"*" and method == b"OPTIONS":
            return Match(None, {}, ("GET", "HEAD", "OPTIONS", "POST", "PUT"))
        verb = method.decode("ascii")
        try:
            text = unquote_to_bytes(path).decode("utf-8")
            if not path.startswith(b"/") or path.startswith(b"//"):
                raise not_found()  # werkzeug takes any number of slashes for one
            # werkzeug takes "get" for "GET", which is another method (RFC 9110, 9.1).
            known = verb if verb == verb.upper() else "?"
            route, arguments = self._adapter.match(text, method=known)
        except MethodNotAllowed as error:
            allow = tuple(sorted({*(error.valid_methods or ()), "OPTIONS"}))
            if verb == "OPTIONS":
                return Match(None, {}, allow)
            raise Problem(
                "method-not-allowed",
                f"{verb} is not allowed here, only {', '.join(allow)}",
                headers={b"Allow": ", ".join(allow).encode()},
            ) from None
        except (NotFound, RequestRedirect, UnicodeDecodeError):
            raise not_found() from None
        body, scope = route.bodies.get(verb, Body.NONE), route.scope(verb)
        return Match(route, arguments, route.allow, body, scope)


def not_found() -> Problem:
    """
    No route has that path.
    """
    return Problem("not-found", "there is nothing at this path; GET / says what there is")


def _routes(family: Family) -> Iterator[Route]:
    app = family.app
    bodies = getattr(family, "bodies", _BODIES)
    scopes = getattr(family, "scopes", {})
    for rule in app.url_map.iter_rules():
        yield _route(app, rule, bodies, scopes)


def _route(
    app: Klein, rule: Any, bodies: Mapping[str, Body], scopes: Mapping[str, Scope]
) -> Route:
    function = app.endpoints[rule.endpoint]
    summary = " ".join((function.__doc__ or "").split()).split(". ")[0].rstrip(".")
    methods = tuple(sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"}))
    return Route(rule.rule, methods, rule.endpoint, summary, app, bodies, scopes)
