"""
Every method of every path, with everything that a request can be refused for: each alone, and
in pairs, which shows what comes first.  The paths are those of the table of routes, of each
interface as an agent has it, so no route escapes this, however new.

What is refused because it takes too long, or because there are too many, knows no paths:
L{tests.test_web_gate.TimeTests} and L{tests.test_web_gate.ConnectionTests} are about that,
L{tests.test_endpoints} says that it is so for each kind of endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import combinations, product

from smartmob.config.configuration import Api, Endpoint
from smartmob.permit import Scope
from smartmob.tokens import parse
from smartmob.web.interfaces import interfaces
from smartmob.web.site import Site
from smartmob.web.trust import Trust
from tests.support.families import NoPlugins, nothing_new
from tests.support.gafferd import ECHO, GafferdTestCase, grouped
from tests.support.hollow import Noted, hollow
from tests.support.httpwire import Answer, Wire
from tests.support.matrix import (
    ADMIN,
    ARCHIVE_BYTES,
    FLAWS,
    FOR_ADMINS,
    GAFFERD_WORDS,
    HOST,
    NO_TOKEN,
    NOBODYS,
    NOWHERE,
    OTHERS,
    OURS,
    OWN_PAGE,
    STATUSES,
    TOKENS,
    Check,
    Flaw,
    Model,
    Place,
    Takes,
    bearer,
)

METHODS = (
    *("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"),
    *("get", "Post", "PROPFIND", "BREW"),
)
WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get")
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
BODY = b'{"some": "thing"}'


class MatrixCase(GafferdTestCase):
    """
    The sites of an agent that has a process of one app, and one of another.
    """

    def setUp(self) -> None:
        super().setUp()
        serving = interfaces(self.declarations, self.clock, NoPlugins(), list, nothing_new)
        self.serving = serving
        self.sites = {
            api: serving.on(Endpoint(name="a", bind=("127.0.0.1:0",), api=api)) for api in Api
        }
        self.settle()
        self.noted = Noted()
        # Not before: gafferd's interface numbers programs from their first start on.
        self.load(grouped(ECHO, OURS), grouped(ECHO, OTHERS))

    def settle(self, *origins: bytes, tokens: bool = True) -> None:
        """
        Say whose word counts.
        """
        self.serving.settle(
            Trust(tokens=parse(TOKENS) if tokens else None, origins=frozenset(origins))
        )

    def tried(self, api: Api) -> Tried:
        """
        A site with nothing behind it, and what is to be expected of it.
        """
        real = self.sites[api]
        model = Model(list(real.gate.routes), api, real.gate.access.tokens is not None)
        return Tried(hollow(real, self.noted, ARCHIVE_BYTES), model, self.noted)


class Tried:
    """
    A site that is tried.
    """

    def __init__(self, site: Site, model: Model, noted: Noted) -> None:
        self.site = site
        self.model = model
        self.noted = noted
        self.requests = 0

    def attempt(
        self, method: str, place: Place, *flaws: Flaw, more: Iterable[str] = ()
    ) -> None:
        """
        Send a request, and compare what becomes of it with what is to.
        """
        self.requests += 1
        self.noted.forget()
        wire = Wire(self.site)
        try:
            code = self.model.code(method, place, {flaw.check: flaw.name for flaw in flaws})
            sent = self._send(wire, method, place, flaws, more, code)
            answer = wire.answer(head=method == "HEAD")
            # No pages of others may come here, so none is told anything.
            assert not [name for name in answer.headers if name.startswith("access-")], answer
            if code is None:
                self._admitted(answer, method, sent)
            else:
                self._refused(answer, method, place, code, wire)
                late = code == "body-too-large" and any(one.name == "chunked" for one in flaws)
                self._untouched(code, late, bool(sent))
        except Exception as error:
            names = ", ".join(flaw.name for flaw in flaws)
            raise AssertionError(f"{method} {place.path} {names} {more}: {error}") from error
        if not wire.closed:
            wire.hang_up()

    def _send(
        self,
        wire: Wire,
        method: str,
        place: Place,
        flaws: Iterable[Flaw],
        more: Iterable[str],
        code: str | None,
    ) -> bytes:
        """
        Send it, and say which body it has.  One that is too large is sent whole only where
        that is what it is to be refused for.
        """
        by_check = {flaw.check: flaw for flaw in flaws}
        usual = {
            Check.HOST: (HOST,),
            Check.TOKEN: (bearer(ADMIN),),
            Check.TYPE: ("Content-Type: application/json",),
        }
        path, body = place.path, b"" if method in WITHOUT_BODY else BODY
        rule = self.model.methods(place).get(method)
        if rule is not None and rule.takes is Takes.ARCHIVE:
            usual[Check.TYPE] = ("Content-Type: application/octet-stream",)
        if any(flaw.name == "token in the URL" for flaw in flaws):
            path += f"?a=b&access_token={ADMIN}"
        lines = [f"{method} {path} HTTP/1.1", *more]
        for check in Check:
            flaw = by_check.get(check)
            lines += usual.get(check, ()) if flaw is None else flaw.headers
        too_much = self.model.most_bytes(method, place) + 1
        match by_check.get(Check.SIZE):
            case None:
                lines += [f"Content-Length: {len(body)}"] if body else []
            case Flaw(name="announced"):
                lines.append(f"Content-Length: {too_much}")
                body = BODY
            case _:
                lines.append("Transfer-Encoding: chunked")
                body = bytes(too_much) if code == "body-too-large" else BODY
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        wire.send("\r\n".join([*lines, "", ""]).encode() + body)
        return body

    def _admitted(self, answer: Answer, method: str, sent: bytes) -> None:
        """
        All of it arrived.
        """
        if method == "OPTIONS":
            assert (answer.status, self.noted.reached) == (204, []), answer
            assert answer.header("allow")
        else:
            [(_, received)] = self.noted.reached
            assert (answer.status, received) == (200, sent), answer

    def _refused(
        self, answer: Answer, method: str, place: Place, code: str, wire: Wire
    ) -> None:
        """
        It was told why, in the promised form.
        """
        assert answer.status == STATUSES[code], (answer, code)
        assert answer.header("x-request-id")
        assert ("www-authenticate" in answer.headers) == (code == "unauthorized")
        if code == "unauthorized":
            assert (answer.header("www-authenticate") or "").startswith("Bearer ")
        allow = self.model.allowed(place) if code == "method-not-allowed" else None
        assert answer.header("allow") == allow, (answer, allow)
        gafferd = self.model.gafferd_form(place)
        kind = "application/json" if gafferd else "application/problem+json"
        assert answer.header("content-type") == kind, answer
        if method != "HEAD":
            document = answer.json()
            if gafferd:
                word = GAFFERD_WORDS.get(code, code.replace("-", "_"))
                assert (document["error"], document["errno"]) == (word, answer.status), document
            else:
                said = (document["code"], document["status"])
                assert said == (code, answer.status), document
        if not code.startswith("unknown-") or self.noted.kept == 0:
            assert wire.closed
            assert answer.header("connection") == "close"

    def _untouched(self, code: str, late: bool, has_body: bool) -> None:
        """
        Nobody has seen it, and nothing of it is kept.
        """
        assert self.noted.reached == []
        if late:  # nobody could know before
            assert all(upload.abandoned for upload in self.noted.uploads)
        elif has_body or not code.startswith("unknown-"):
            assert (self.noted.kept, self.noted.uploads) == (0, [])


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
            FOR_ADMINS & {rule for rule in known if rule[1].split("/")[1] != "processes"},
            {("POST", "/reload"), ("GET", "/plugins"), ("GET", "/webhooks")},
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
                if rule.takes is Takes.JSON or (rule.method, rule.pattern) in FOR_ADMINS:
                    wire = Wire(self.sites[api])
                    place = rule.place(OURS)
                    if rule.method == "GET":
                        continue
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
