"""
Tests of L{smartmob.web.browsers} and L{smartmob.web.sign_in_page}: what answers tell browsers,
and who gets a page instead of an error.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from ipaddress import ip_network
from typing import Any

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smartmob.permit import Permit, Scope
from smartmob.tokens import Tokens, parse
from smartmob.web.browsers import SECURE_SECONDS
from smartmob.web.root import make_site
from smartmob.web.sessions import SECONDS
from smartmob.web.sign_in_page import PAGE
from smartmob.web.site import Site
from smartmob.web.trust import Trust
from tests.support.agents import FakeAgent
from tests.support.families import families
from tests.support.gafferd import GafferdTestCase
from tests.support.httpwire import HERE, THERE, Answer, HalfTransport, Wire
from tests.support.papers import TREE

TOKEN = "a-token-for-the-tests"
READER = "a-token-that-only-reads"

NAVIGATE = (
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
)

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"

ELSEWHERE = "agent.example:8080"
"""Where browsers send no Sec-Fetch headers without TLS."""


@implementer(ISSLTransport)
class Secure(HalfTransport):
    """
    One with TLS.
    """

    def getPeerCertificate(self) -> None:
        """Nobody shows one."""


class BrowsersCase(SynchronousTestCase):
    """
    An agent in memory, with tokens.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.site = self.made()
        digest = sha256(TOKEN.encode()).digest()
        reading = sha256(READER.encode()).digest()
        tokens = {
            digest: Permit(scope=Scope.ADMIN, key=digest),
            reading: Permit(scope=Scope.READ, key=reading),
        }
        self.site.gate.access.settle(Tokens(tokens), frozenset())

    def made(self) -> Site:
        """A site where nobody is asked."""
        return make_site(
            self.agent.real, self.clock, hosts=["agent.example"], families=families()
        )

    def ask(self, method: str, path: str, *headers: str, **more: Any) -> Answer:
        """The answer to a request on a connection of its own."""
        site = more.pop("site", self.site)
        body = more.pop("body", None)
        secure = more.pop("secure", False)
        transport = Secure(hostAddress=HERE, peerAddress=THERE) if secure else None
        return Wire(site, transport=transport).ask(method, path, body, *headers, **more)


class WhoTests(BrowsersCase):
    """
    Who gets the page.
    """

    def assertPage(self, *headers: str, path: str = "/_plugin/it/", **more: Any) -> None:
        """A browser is shown the page."""
        for method in ("GET", "HEAD"):
            answer = self.ask(method, path, *headers, **more)
            self.assertEqual(answer.status, 401)
            self.assertEqual(answer.header("content-type"), "text/html; charset=utf-8")
            self.assertEqual(answer.header("content-length"), str(len(PAGE)))
            self.assertEqual(answer.header("www-authenticate"), 'Bearer realm="smartmob"')
            self.assertEqual(answer.header("cache-control"), "no-store")
            self.assertEqual(answer.body, PAGE if method == "GET" else b"")

    def assertProblem(
        self, *headers: str, method: str = "GET", path: str = "/_plugin/it/", **more: Any
    ) -> None:
        """A client gets a document."""
        answer = self.ask(method, path, *headers, **more)
        self.assertEqual(answer.status, 401, headers)
        self.assertEqual(answer.header("content-type"), "application/problem+json", headers)
        self.assertIn("Bearer", answer.header("www-authenticate") or "")
        self.assertIsNone(answer.header("content-security-policy"))
        if method != "HEAD":
            self.assertEqual(answer.json()["code"], "unauthorized")

    def test_navigation(self) -> None:
        """Whose browser says that it navigates, wherever to: nobody is told what there is."""
        for path in ("/", "/_plugin/it/", "/_plugin/it/a?b=c", "/list-processes", "/sign-in"):
            self.assertPage(*NAVIGATE, path=path)
        self.assertPage(*NAVIGATE, host=ELSEWHERE)
        self.assertPage(*NAVIGATE, secure=True)
        self.assertPage("Sec-Fetch-Site: cross-site", *NAVIGATE[1:])  # by a link

    def test_types(self) -> None:
        """Where browsers do not say that, whoever accepts what they do."""
        chrome = f"{FIREFOX},image/avif,image/webp,application/signed-exchange;v=b3;q=0.7"
        for accept in (FIREFOX, chrome, FIREFOX.replace(",", ", "), FIREFOX.upper()):
            self.assertPage(f"Accept: {accept}", host=ELSEWHERE)
        self.assertPage(f"Accept: {FIREFOX}", host="192.0.2.1:8080")
        self.assertPage(f"Accept: {FIREFOX}", host="[2001:db8::1]:8080")

    def test_otherTypes(self) -> None:
        """Whoever accepts anything else gets a document, also if it begins with HTML."""
        for accept in (
            *("*/*", "application/json", "text/html", "text/html, */*", JAVA, ""),
            *("application/json, text/html", "text/html;q=0.1,application/xhtml+xml"),
            *("application/xhtml+xml,text/html", "*/*,text/html,application/xhtml+xml"),
        ):
            self.assertProblem(f"Accept: {accept}", host=ELSEWHERE)
        self.assertProblem(host=ELSEWHERE)

    def test_wouldHaveSaid(self) -> None:
        """Types are no reason where a browser would have said what it is about."""
        for host in ("127.0.0.1:8080", "127.8.9.1", "localhost", "localhost:8", "[::1]:8080"):
            self.assertProblem(f"Accept: {FIREFOX}", host=host)
        self.assertProblem(f"Accept: {FIREFOX}", host=ELSEWHERE, secure=True)

    def test_noDocument(self) -> None:
        """What a page asks for is no document of a window: scripts, frames, pictures."""
        for mode, dest in (
            *(("cors", "empty"), ("same-origin", "empty"), ("no-cors", "image")),
            *(("no-cors", "script"), ("navigate", "iframe"), ("navigate", "empty")),
            *(("navigate", "object"), ("websocket", "websocket"), ("document", "navigate")),
        ):
            self.assertProblem(
                f"Accept: {FIREFOX}",
                "Sec-Fetch-Site: same-origin",
                f"Sec-Fetch-Mode: {mode}",
                f"Sec-Fetch-Dest: {dest}",
                host=ELSEWHERE,
            )
        accept = f"Accept: {FIREFOX}"
        for header in NAVIGATE:  # half of what a browser says
            self.assertProblem(accept, header, host="127.0.0.1:8080")
        self.assertProblem(accept, NAVIGATE[0], host=ELSEWHERE)
        self.assertProblem(*NAVIGATE, "Sec-Fetch-Mode: navigate")  # no browser says it twice

    def test_methods(self) -> None:
        """There is nothing to see in the answer to other methods."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "get"):
            self.assertProblem(*NAVIGATE, method=method, path="/list-processes")

    def test_notBelieved(self) -> None:
        """Who showed something that does not count is told what is wrong with it."""
        for header in (
            "Authorization: Bearer a-token-of-somebody-else",
            f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}",
        ):
            self.assertProblem(*NAVIGATE, header)
        for query in (f"token={TOKEN}", f"access_token={TOKEN}", "ticket=gone"):
            self.assertProblem(*NAVIGATE, path=f"/_plugin/it/?{query}")
        self.assertPage(*NAVIGATE, "Authorization: Basic QTpi")  # that is for a proxy
        self.assertPage(*NAVIGATE, "Cookie: smartmob-8080=over; other=1")

    def test_otherErrors(self) -> None:
        """All other errors are documents, to whomever."""
        cookie = self.cookie(READER)
        for path, status in (("/nothing", 404), ("/_plugin/it/", 404), ("/plugins", 403)):
            answer = self.ask("GET", path, *NAVIGATE, cookie)
            self.assertEqual(answer.status, status, path)
            self.assertEqual(answer.header("content-type"), "application/problem+json")
        answer = self.ask("GET", "/", *NAVIGATE, host="evil.example")
        self.assertEqual((answer.status, answer.json()["code"]), (403, "forbidden-host"))
        answer = self.ask("GET", "/", "Sec-Fetch-Site: cross-site", *NAVIGATE[1:])
        self.assertEqual((answer.status, answer.json()["code"]), (403, "forbidden-origin"))

    def test_nobodyIsAsked(self) -> None:
        """Without tokens there is no page."""
        answer = self.ask("GET", "/", *NAVIGATE, site=self.made())
        self.assertEqual(answer.header("content-type"), "application/json")

    def test_noSignIn(self) -> None:
        """Nor is there one where it could not sign anybody in."""
        gate = self.site.gate
        routes = type(gate.routes)(())
        routes._routes = [route for route in gate.routes if route.path != "/sign-in"]
        gate.routes = routes
        self.assertProblem(*NAVIGATE)

    def cookie(self, token: str) -> str:
        """Sign in, as the page does."""
        answer = self.ask("POST", "/sign-in", body={"token": token})
        self.assertEqual(answer.status, 204)
        return f"Cookie: {(answer.header('set-cookie') or '').partition(';')[0]}"

    def test_signedIn(self) -> None:
        """A browser that is signed in has what it asks for, the page too when that is over."""
        cookie = self.cookie(READER)
        self.assertEqual(self.ask("GET", "/version", *NAVIGATE, cookie).status, 200)
        self.assertEqual(self.ask("POST", "/sign-out", cookie).status, 204)
        self.assertPage(*NAVIGATE, cookie, path="/version")


class InterfacesTests(GafferdTestCase):
    """
    The page on every interface that there is.
    """

    def test_everyOne(self) -> None:
        """What it asks for is there, for whoever is signed in, and for nobody else."""
        tokens = parse(f"{READER} read other-*")
        for site in (self.site, self.both):
            site.gate.access.settle(tokens, frozenset())
            page = self.ask("GET", "/", None, *NAVIGATE, site=site)
            self.assertEqual((page.status, page.body), (401, PAGE))
            self.assertEqual(self.ask("GET", "/", site=site).status, 401)
            signed = self.ask("POST", "/sign-in", {"token": READER}, site=site)
            self.assertEqual(signed.status, 204)
            cookie = (signed.header("set-cookie") or "").partition(";")[0]
            answer = self.ask("GET", "/", None, f"Cookie: {cookie}", site=site)
            self.assertEqual(answer.status, 200)


class _Elements(HTMLParser):
    """
    What a browser makes of the page, as far as policies are about it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._now = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self._now = tag
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """It has text."""
        if self._now in self.inside:
            self.inside[self._now].append(data)

    def handle_endtag(self, tag: str) -> None:
        """It ends."""
        self._now = ""


class PageTests(BrowsersCase):
    """
    The page itself.
    """

    def setUp(self) -> None:
        super().setUp()
        self.answer = self.ask("GET", "/", *NAVIGATE)
        policy = self.answer.header("content-security-policy") or ""
        self.policy = dict(each.partition(" ")[::2] for each in policy.split("; "))
        self.elements = _Elements()
        self.elements.feed(self.answer.body.decode())

    def test_policy(self) -> None:
        """It may do what it has to, and nothing else, and nobody shows it in a frame."""
        hashes = {
            f"{kind}-src": f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
            for kind, [text] in self.elements.inside.items()
        }
        self.assertEqual(
            self.policy,
            {
                "default-src": "'none'",
                "connect-src": "'self'",
                "form-action": "'none'",
                "base-uri": "'none'",
                "frame-ancestors": "'none'",
                **hashes,
            },
        )
        for name, value in (
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ):
            self.assertEqual(self.answer.header(name), value)

    def test_contained(self) -> None:
        """It is all there is: nothing is loaded, and no attribute does what a script does."""
        for tag, attributes in self.elements.tags:
            self.assertNotIn(tag, ("img", "link", "iframe", "object", "base"))
            for name in attributes:
                self.assertNotIn(name, ("src", "href", "style", "action"), tag)
                self.assertFalse(name.startswith("on"), tag)
        self.assertLess(len(PAGE), 8192)

    def test_token(self) -> None:
        """The field is one that browsers fill in, and never send by themselves."""
        [field] = [attributes for tag, attributes in self.elements.tags if tag == "input"]
        self.assertEqual(
            (field["type"], field["autocomplete"]), ("password", "current-password")
        )
        self.assertNotIn("name", field)
        labels = [attributes["for"] for tag, attributes in self.elements.tags if tag == "label"]
        self.assertEqual(labels, [field["id"]])
        alerts = [each["id"] for _, each in self.elements.tags if each.get("role") == "alert"]
        self.assertEqual(alerts, [field["aria-describedby"]])
        [form] = [attributes for tag, attributes in self.elements.tags if tag == "form"]
        self.assertEqual(form, {"method": "post", "hidden": None})

    def test_hours(self) -> None:
        """How long somebody stays signed in is what it says."""
        self.assertIn(f"for {SECONDS / 3600:g} hours".encode(), PAGE)


class EveryAnswerTests(BrowsersCase):
    """
    What all answers say.
    """

    def setUp(self) -> None:
        super().setUp()
        self.site.gate.access.settle(None, frozenset())

    def test_neitherKeptNorGuessed(self) -> None:
        """No answer is kept, and none is taken for anything but what its type says."""
        create = {"app": "a", "node": "web.0", "process_type": "web"}
        for method, path, body, status in (
            ("GET", "/", None, 200),
            ("HEAD", "/list-processes", None, 200),
            ("GET", "/ping", None, 200),
            ("GET", "/openapi.json", None, 200),
            ("OPTIONS", "/list-processes", None, 204),
            ("POST", "/sign-out", {}, 204),
            ("POST", "/create-process", create, 400),
            ("POST", "/create-process", b"{", 400),
            ("GET", "/nothing", None, 404),
            ("HEAD", "/nothing", None, 404),
            ("DELETE", "/", None, 405),
        ):
            answer = self.ask(method, path, body=body)
            self.assertEqual(answer.status, status, (method, path))
            self.assertSafe(answer)

    def assertSafe(self, answer: Answer) -> None:
        """It says so, once each."""
        self.assertEqual(answer.header("cache-control"), "no-store")
        self.assertEqual(answer.header("x-content-type-options"), "nosniff")

    def test_noHttp(self) -> None:
        """Nor is the answer to what is no HTTP."""
        wire = Wire(self.site)
        wire.send(b"\0\r\n\r\n")
        answer = wire.answer()
        self.assertEqual((answer.status, answer.json()["code"]), (400, "bad-request"))
        self.assertSafe(answer)

    def test_refused(self) -> None:
        """Nor are refusals of the gate, the earliest included."""
        for headers, more, status in (
            ((), {"host": None}, 400),
            ((), {"host": "evil.example"}, 403),
            (("Origin: http://evil.example",), {}, 403),
        ):
            answer = self.ask("GET", "/", *headers, **more)
            self.assertEqual(answer.status, status)
            self.assertSafe(answer)
        self.site.gate.access.settle(Tokens({}), frozenset())
        self.assertSafe(self.ask("GET", "/"))

    def test_handshake(self) -> None:
        """A WebSocket's beginning has none of that: it is no answer that could be kept."""
        wire = Wire(self.site)
        wire.request(
            *("GET", "/events", None, "Upgrade: websocket", "Connection: Upgrade"),
            *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        )
        head = wire.received().partition(b"\r\n\r\n")[0].lower()
        self.assertTrue(head.startswith(b"http/1.1 101 "))
        self.assertNotIn(b"cache-control", head)
        wire.hang_up()


class SecureTests(BrowsersCase):
    """
    That a name is one for TLS.
    """

    def told(self, path: str = "/ping", **more: Any) -> str | None:
        """What an answer says of it."""
        return self.ask("GET", path, *more.pop("headers", ()), **more).header(
            "strict-transport-security"
        )

    def test_secure(self) -> None:
        """Every answer over TLS says it, errors too, and without its subdomains."""
        said = f"max-age={SECURE_SECONDS}"
        for path in ("/ping", "/nothing", "/_plugin/it/"):
            self.assertEqual(self.told(path, secure=True, host=ELSEWHERE), said)
        self.assertEqual(self.told(headers=NAVIGATE, secure=True, host=ELSEWHERE), said)
        self.assertEqual(self.told(secure=True, host="evil.example"), said)
        self.assertEqual(
            self.told(secure=True), said
        )  # browsers know an address when they see it

    def test_documented(self) -> None:
        """Operators are told for how long, since it is about more than the agent."""
        paper = (TREE / "docs" / "safety.rst").read_text()
        self.assertIn(f"max-age={SECURE_SECONDS}", paper)
        self.assertIn(f"{SECURE_SECONDS // 86_400} days", paper)

    def test_open(self) -> None:
        """No other may say it."""
        self.assertIsNone(self.told(host=ELSEWHERE))
        forwarded = ("X-Forwarded-Proto: https",)
        self.assertIsNone(self.told(headers=forwarded, host=ELSEWHERE))

    def test_proxy(self) -> None:
        """What counts is how it came to the proxy."""
        proxies = (ip_network("127.0.0.1"),)
        trust = Trust(hosts=frozenset({"agent.example"}), proxies=proxies)
        self.site.gate.trust = trust
        for scheme, secure, told in (
            ("https", False, True),
            ("http", True, False),
            ("wss", False, True),
        ):
            headers = (f"X-Forwarded-Proto: {scheme}",)
            said = self.told(headers=headers, secure=secure, host=ELSEWHERE)
            self.assertEqual(said is not None, told, scheme)

    def test_localhost(self) -> None:
        """Not of localhost, which is the name of all else that runs there."""
        for host in ("localhost", "LocalHost:8443", "a.localhost:8443"):
            self.assertIsNone(self.told(secure=True, host=host), host)
