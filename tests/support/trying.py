"""
Sites whose gate is tried with any request, and compared with the model of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from smartmob.config.configuration import Api, Endpoint
from smartmob.tokens import parse
from smartmob.web.interfaces import interfaces
from smartmob.web.site import Site
from smartmob.web.trust import Trust
from tests.support.families import NoPlugins, nothing_new
from tests.support.flaws import ADMIN, HOST, OTHERS, OURS, TOKENS, Check, Flaw, bearer
from tests.support.gafferd import ECHO, GafferdTestCase, grouped
from tests.support.hollow import Noted, hollow
from tests.support.httpwire import Answer, Wire
from tests.support.matrix import ARCHIVE_BYTES, GAFFERD_WORDS, STATUSES, Model, Place, Takes

WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get")
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
