"""
Every method of every path, with everything that a request can be refused for: each alone, and
in pairs, which shows what comes first.  The paths are those of the table of routes, of each
interface as an agent has it, so no route escapes this, however new.

What is refused because it takes too long, or because there are too many connections, knows no
paths: L{BoundTests} says that it is so for each interface, over TCP and unix sockets,
L{tests.test_web_gate.TimeTests} and L{tests.test_web_gate.ConnectionTests} say how,
L{tests.test_endpoints} has the bounds of endpoints with and without TLS.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import combinations, product
from typing import ClassVar

from twisted.internet.address import IPv4Address, UNIXAddress

from smartmob.config.configuration import Api
from smartmob.permit import Scope
from smartmob.web.channel import IDLE_SECONDS, REQUEST_SECONDS
from smartmob.web.connections import Census
from tests.support.flaws import (
    ADMIN,
    FLAWS,
    HOST,
    NOBODYS,
    OTHERS,
    OURS,
    OWN_PAGE,
    Check,
    Flaw,
    bearer,
)
from tests.support.httpwire import HERE, THERE, Wire
from tests.support.matrix import FOR_ADMINS, NO_TOKEN, NOWHERE, Place, Takes
from tests.support.trying import MatrixCase, Tried

METHODS = (
    *("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"),
    *("get", "Post", "PROPFIND", "BREW"),
)
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

DEFINE = {
    *(("POST", "/processes"), ("PUT", "/processes/<which>"), ("POST", "/processes/<which>")),
}
"""
What of gafferd's interface takes JSON.
"""


def alone() -> list[tuple[Flaw, ...]]:
    """
    Each of what can be wrong, and nothing.
    """
    return [(), *((flaw,) for flaw in FLAWS)]


def in_pairs() -> list[tuple[Flaw, ...]]:
    """
    Any two that can be together.
    """
    return [pair for pair in combinations(FLAWS, 2) if pair[0].check is not pair[1].check]


class MatrixTests(MatrixCase):
    """
    The whole of it.
    """

    def everything(self, tried: Tried, more: Iterable[str] = ()) -> None:
        """
        Every method of every path, and of some that there are not; and what is others', or
        nobody's, by the methods that it has.
        """
        places = [*tried.model.places(OURS), *map(Place, NOWHERE)]
        for method, place, flaws in product(METHODS, places, alone()):
            tried.attempt(method, place, *flaws, more=more)
        for place in tried.model.places(OTHERS, NOBODYS):
            for method, flaws in product(self.own(tried, place), alone()):
                tried.attempt(method, place, *flaws, more=more)

    def own(self, tried: Tried, place: Place) -> list[str]:
        """
        The methods that a path has.
        """
        return tried.model.allowed(place).split(", ")

    def test_smartmob(self) -> None:
        """
        The REST interface refuses what has to be refused, and nothing else.
        """
        self.everything(self.tried(Api.SMARTMOB))

    def test_gafferd(self) -> None:
        """
        gafferd's interface does so.
        """
        self.everything(self.tried(Api.GAFFERD))

    def test_both(self) -> None:
        """
        Both together do so; their paths have been walked, but not side by side.
        """
        tried = self.tried(Api.BOTH)
        for place in tried.model.places(OURS, OTHERS, NOBODYS):
            for method, flaws in product(self.own(tried, place), alone()):
                tried.attempt(method, place, *flaws)

    def test_order(self) -> None:
        """
        What comes first is told, whatever else is wrong: on paths that are ours, others',
        nobody's, and nowhere.
        """
        tried = self.tried(Api.BOTH)
        for place in (*tried.model.places(OURS), Place("/nowhere"), Place("*")):
            methods = [*tried.model.methods(place), "PATCH"]
            for method, flaws in product(methods, in_pairs()):
                tried.attempt(method, place, *flaws)
        pairs = [pair for pair in in_pairs() if any(one.check is Check.TOKEN for one in pair)]
        for place in tried.model.places(OTHERS, NOBODYS):
            for method, flaws in product(tried.model.methods(place), pairs):
                if place.whose is not None:
                    tried.attempt(method, place, *flaws)

    def test_upgrade(self) -> None:
        """
        A request for a WebSocket is no other.
        """
        tried = self.tried(Api.BOTH)
        for place in (*tried.model.places(OURS, OTHERS, NOBODYS), *map(Place, NOWHERE)):
            for method, flaws in product(("GET", "POST"), alone()):
                tried.attempt(method, place, *flaws, more=UPGRADE)

    def test_cookie(self) -> None:
        """
        Who is signed in may do everything as by the token, but for opening a WebSocket from
        nowhere: that is refused before it is said what there is.
        """
        tried = self.tried(Api.BOTH)
        _, shown = self.sites[Api.BOTH].gate.access.sign_in(ADMIN.encode())
        cookie = f"Cookie: a=b; smartmob-8080={shown}; smartmob=x"
        signed_in = Flaw(Check.TOKEN, "", (cookie,))
        for place in (*tried.model.places(OURS, NOBODYS), *map(Place, NOWHERE)):
            for method in self.own(tried, place):
                tried.attempt(method, place, signed_in)
                tried.attempt(method, place, signed_in, more=(OWN_PAGE, *UPGRADE))
                if (method.replace("HEAD", "GET"), place.path) in NO_TOKEN:
                    continue
                for upgrade in (UPGRADE, UPGRADE[:1]):
                    wire = Wire(tried.site)
                    wire.request(method, place.path, None, cookie, *upgrade)
                    answer = wire.answer(head=method == "HEAD")
                    self.assertEqual(answer.status, 403, (method, place))
                    self.assertTrue(wire.closed)

    def test_noTokens(self) -> None:
        """
        Where there are no tokens all else is refused as ever, and nobody is asked.
        """
        self.settle(tokens=False)
        for api in Api:
            tried = self.tried(api)
            for place in (*tried.model.places(OURS, NOBODYS), Place("/nowhere")):
                for method, flaws in product((*self.own(tried, place), "PATCH"), alone()):
                    tried.attempt(method, place, *flaws)


class ListTests(MatrixCase):
    """
    What stands by hand in the model, and nowhere else.
    """

    def test_scopes(self) -> None:
        """
        These routes need no token, these are for admins, and each of the others asks for
        what its method is: a new one, too, until somebody says otherwise here.
        """
        known = set()
        for api in Api:
            model = self.tried(api).model
            for rule in model.rules:
                known.add((rule.method, rule.pattern))
                match = self.sites[api].gate.routes.match(
                    rule.method.encode(), rule.place(OURS).path.encode()
                )
                self.assertEqual(match.scope, rule.scope, (rule.method, rule.pattern))
        self.assertEqual((NO_TOKEN | FOR_ADMINS) - known, set())
        self.assertEqual(NO_TOKEN, {("GET", "/ping"), ("POST", "/sign-in")})
        self.assertEqual(
            FOR_ADMINS, {("POST", "/reload"), ("GET", "/plugins"), ("GET", "/webhooks")}
        )

    def test_default(self) -> None:
        """
        A method that nobody thought of changes something, unless it is known not to.
        """
        for api in Api:
            for route in self.sites[api].gate.routes:
                for method in ("PATCH", "DELETE", "PROPFIND"):
                    self.assertGreaterEqual(route.scope(method), Scope.WRITE)


class StrangerTests(MatrixCase):
    """
    What somebody learns who has no token.
    """

    def test_nothing(self) -> None:
        """
        Not which paths there are, nor which processes: all are answered with the same bytes.
        """
        for api in (Api.SMARTMOB, Api.GAFFERD):
            model = self.tried(api).model
            places = [*model.places(OURS, NOBODYS), *map(Place, NOWHERE)]
            forms: set[tuple[str, bytes]] = set()
            for method, place in product(("GET", "POST", "OPTIONS", "BREW"), places):
                if (method, place.path) in NO_TOKEN:
                    continue
                answer = Wire(self.sites[api]).ask(method, place.path, None, "X-Request-Id: a")
                answer.headers.pop("date")
                forms.add((json.dumps(answer.headers), answer.body))
            self.assertEqual(len(forms), 1, forms)

    def test_preflight(self) -> None:
        """
        A browser that asks first has no token yet: where a foreign page may come it is told
        the methods of a path, and no other page is told anything.
        """
        page = "http://page.example"
        asks = (f"Origin: {page}", "Access-Control-Request-Method: POST")
        self.settle(page.encode())
        for api in Api:
            tried = self.tried(api)
            for place in tried.model.places(OURS, NOBODYS):
                answer = Wire(tried.site).ask("OPTIONS", place.path, None, *asks)
                self.assertEqual(answer.status, 204, place)
                allowed = tried.model.allowed(place)
                self.assertEqual(answer.header("access-control-allow-methods"), allowed)
                for request in (
                    (*asks, "Origin: http://other.example"),
                    (OWN_PAGE, asks[1]),
                    asks[1:],
                ):
                    answer = Wire(tried.site).ask("OPTIONS", place.path, None, *request)
                    self.assertIn(answer.status, (401, 403))
                    self.assertNotIn("access-control-allow-methods", answer.headers)
                wire = Wire(tried.site)
                wire.request("OPTIONS", place.path, None, *asks, host="other.example")
                self.assertEqual(wire.answer().status, 403)


class BodyTests(MatrixCase):
    """
    What is found out last.
    """

    def test_noJson(self) -> None:
        """
        A body that is no JSON is refused by whatever takes JSON, and nothing happens.
        """
        for api in Api:
            model = self.tried(api).model
            before = [(each.slug, each.version) for each in self.agent.processes()]
            for rule in model.rules:
                if rule.takes is Takes.JSON or (rule.method, rule.pattern) in DEFINE:
                    wire = Wire(self.sites[api])
                    place = rule.place(OURS)
                    wire.request(rule.method, place.path, "{", bearer(ADMIN))
                    self.up()
                    answer = wire.answer()
                    document = answer.json()
                    code = document.get("code", document.get("error"))
                    self.assertIn(code, ("bad-json", "invalid_json"), place.path)
                    self.assertEqual(answer.status, 400)
            after = [(each.slug, each.version) for each in self.agent.processes()]
            self.assertEqual(after, before)
            self.assertEqual([program.signals for program in self.programs], [[], []])


class BoundTests(MatrixCase):
    """
    What knows no paths, for each interface.
    """

    unix: ClassVar = (UNIXAddress("/run/smartmob"), UNIXAddress(None))

    def test_deadline(self) -> None:
        """
        A request has to be there within its time, with or without a token, however far it
        has come; so does one whose path there is not.
        """
        head = f"POST /sign-in HTTP/1.1\r\n{HOST}\r\n{bearer(ADMIN)}\r\n"
        for api, (host, peer) in product(Api, ((HERE, THERE), self.unix)):
            for begun in ("", "G", "GET /no", head, f"{head}Content-Length: 9\r\n\r\n{{"):
                wire = Wire(self.sites[api], host=host, peer=peer)
                if begun:
                    wire.send(begun.encode())
                seconds = REQUEST_SECONDS if begun else IDLE_SECONDS
                self.clock.advance(seconds - 1)
                self.assertFalse(wire.closed, begun)
                self.clock.advance(1)
                self.assertTrue(wire.closed, begun)
                self.assertEqual(wire.received(), b"")

    def test_connections(self) -> None:
        """
        Connections are counted whatever is offered at their other end, but not those of
        unix sockets.
        """
        census = Census(most=3, most_of_a_peer=2)
        guarded = [census.guard(self.sites[api]) for api in Api]
        self.assertFalse(Wire(guarded[0]).refused)
        self.assertFalse(Wire(guarded[1]).refused)
        self.assertTrue(Wire(guarded[2]).refused)
        for number, refused in ((2, False), (3, True)):
            peer = IPv4Address("TCP", f"127.0.0.{number}", 1)
            self.assertEqual(Wire(guarded[2], peer=peer).refused, refused)
        for _ in range(9):
            host, user = self.unix
            self.assertFalse(Wire(guarded[2], host=host, peer=user).refused)
