"""
L{smartmob.web.access} and L{smartmob.web.sign_in}: who is let in, by what they show.
"""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_network

from twisted.logger import capturedLogs, formatEvent

from tests.support.httpwire import Wire
from tests.support.signing import (
    ADMIN,
    HERE,
    READ,
    SHOP,
    TOKENS,
    WRITE,
    AccessCase,
    SocketClient,
    bearer,
)

BASIC = "Authorization: Basic " + b64encode(f"ada:{ADMIN}".encode()).decode()
PAGE = "http://console.example"
CLOSE = 8


class BearerTests(AccessCase):
    """
    A token in a header.
    """

    def test_none(self) -> None:
        """
        Who shows nothing is a stranger to every path and method, also to those that there
        are not; only C{/ping} is for all.
        """
        for method, path in (
            ("GET", "/"),
            ("GET", "/list-processes"),
            ("HEAD", "/list-processes"),
            ("OPTIONS", "/list-processes"),
            ("OPTIONS", "*"),
            ("BREW", "/list-processes"),
            ("GET", "/nothing"),
            ("DELETE", "/ping"),
            ("GET", "/process-status/none"),
            ("GET", "/process-status/shop.web.0"),
            ("POST", "/stop-process/shop.web.0"),
            ("POST", "/sign-in/"),
            ("PUT", "/archives"),
            ("GET", "/_plugin/dashboard/"),
            ("GET", "/openapi.json"),
            ("GET", "/events"),
            ("POST", "/tickets"),
            ("POST", "/sign-out"),
        ):
            answer = self.ask(method, path)
            self.assertEqual(answer.status, 401, (method, path))
            if method != "HEAD":
                self.assertRefused(answer, 401, "unauthorized")
        self.assertEqual(self.status(path="/ping"), 200)
        self.assertEqual(self.ask("HEAD", "/ping").status, 200)

    def test_order(self) -> None:
        """
        What is wrong with Host and Origin comes first; what is wrong with all else is
        nothing that strangers are told.
        """
        for headers, host, status in (
            ((), "evil.example", 403),
            (("Origin: http://evil.example",), "127.0.0.1:8080", 403),
            (("Content-Type: text/html", f"Origin: {HERE}"), "127.0.0.1:8080", 401),
            (("Content-Length: 99999999",), "127.0.0.1:8080", 401),
        ):
            wire = Wire(self.site)
            wire.request("POST", "/create-process", None, *headers, host=host)
            self.assertEqual(wire.answer().status, status, headers)

    def test_token(self) -> None:
        """
        A token lets in; the name of the scheme may be written in any way (RFC 9110, 11.1).
        """
        for scheme in ("Bearer", "bearer", "BEARER", "bEARER"):
            for blanks in (" ", "  ", "   "):
                header = f"Authorization: {scheme}{blanks}{READ}"
                self.assertEqual(self.status(header), 200, header)
        self.assertEqual(self.status(f"authorization:Bearer {READ}  "), 200)

    def test_wrong(self) -> None:
        """
        What is no token of this agent, or not only one, is not let in.
        """
        for shown in (
            "Bearer",
            "Bearer ",
            f"Bearer{READ}",
            f"Bearer {READ}x",
            f"Bearer {READ[:-1]}",
            f"Bearer {READ.upper()}",
            f"Bearer {READ} {READ}",
            f"Bearer {READ},Bearer {READ}",
            f'Bearer "{READ}"',
            f"Bearer token={READ}",
            f"Token {READ}",
            READ,
            "Bearer " + "x" * 5000,
            "Bearer \xff\xfe",
        ):
            answer = self.ask("GET", "/list-processes", f"Authorization: {shown}")
            self.assertRefused(answer, 401, "unauthorized")

    def test_challenge(self) -> None:
        """
        Who shows a wrong token is told that (RFC 6750, 3.1); who shows none is only asked.
        """
        for headers, said in (
            ((), 'Bearer realm="smartmob"'),
            ((bearer("x" * 20),), 'Bearer realm="smartmob", error="invalid_token"'),
        ):
            answer = self.ask("GET", "/", *headers)
            self.assertEqual(answer.header("www-authenticate"), said)

    def test_two(self) -> None:
        """
        Two headers are refused, whatever they say: others may have looked at one of them.
        """
        cookie, _ = self.sign_in()
        for second in (bearer(READ), bearer(ADMIN), BASIC, "Authorization: "):
            for headers in ((bearer(READ), second), (second, bearer(READ), cookie)):
                answer = self.ask("GET", "/list-processes", *headers)
                self.assertRefused(answer, 401, "unauthorized")

    def test_others(self) -> None:
        """
        Other ways to authenticate, which a proxy may have asked for, are nothing by
        themselves, and do no harm beside a cookie.
        """
        cookie, _ = self.sign_in()
        self.assertEqual(self.status(BASIC), 401)
        self.assertEqual(self.status(BASIC, cookie), 200)

    def test_cookieBeside(self) -> None:
        """
        A wrong token is wrong, also beside a cookie that is right.
        """
        cookie, _ = self.sign_in()
        self.assertEqual(self.status(cookie, bearer("x" * 20)), 401)
        self.assertEqual(self.status(cookie, "Authorization: Bearer"), 401)

    def test_keptAlive(self) -> None:
        """
        Each request of a connection is asked.
        """
        wire = Wire(self.site)
        self.assertEqual(wire.ask("GET", "/", None, bearer(READ)).status, 200)
        self.assertEqual(wire.ask("GET", "/").status, 401)

    def test_pipelined(self) -> None:
        """
        So is each that was sent together with others.
        """
        wire = Wire(self.site)
        host = "Host: 127.0.0.1:8080\r\n\r\n"
        one = f"GET / HTTP/1.1\r\n{bearer(READ)}\r\n{host}"
        wire.send(f"{one}GET / HTTP/1.1\r\n{host}{one}".encode())
        self.assertEqual([answer.status for answer in wire.answers()], [200, 401])

    def test_url(self) -> None:
        """
        A token in a URL is refused, even a right one, even beside a right header; and it is
        not said again.
        """
        for query in (
            f"token={READ}",
            f"access_token={READ}",
            f"a=b&token={READ}",
            f"a=b;token={READ}",
            f"%74oken={READ}",
            "token=whatever",
        ):
            for headers in ((), (bearer(READ),)):
                answer = self.ask("GET", f"/list-processes?{query}", *headers)
                self.assertRefused(answer, 401, "unauthorized")
                self.assertIn("does not belong in a URL", answer.json()["detail"])
        self.assertEqual(self.status(bearer(READ), path="/list-processes?app=token"), 200)

    def test_targets(self) -> None:
        """
        A whole URL as target, and HTTP/1.0, make no difference; a Host with a user and a
        password is none, nor is a target with them.
        """
        host = "Host: 127.0.0.1:8080"
        for line, headers, status in (
            ("GET http://127.0.0.1:8080/ HTTP/1.1", (host,), 401),
            ("GET http://127.0.0.1:8080/ HTTP/1.1", (host, bearer(READ)), 200),
            (f"GET http://127.0.0.1:8080/?token={READ} HTTP/1.1", (host,), 401),
            (f"GET http://x:{READ}@127.0.0.1:8080/ HTTP/1.1", (host,), 400),
            ("GET / HTTP/1.1", (f"Host: x:{READ}@127.0.0.1", bearer(READ)), 400),
            ("GET / HTTP/1.0", (host,), 401),
            ("GET / HTTP/1.0", (host, bearer(READ)), 200),
            ("GET / HTTP/1.0", (bearer(READ),), 400),
            ("GET * HTTP/1.1", (host,), 401),
        ):
            wire = Wire(self.site)
            wire.send("\r\n".join([line, *headers, "", ""]).encode())
            answer = wire.answer()
            self.assertEqual(answer.status, status, line)
            self.assertNotIn(READ.encode(), answer.body)

    def test_log(self) -> None:
        """
        The log says by whose token somebody signed in or asked for something, and has
        nothing that was shown.
        """
        with capturedLogs() as logs:
            cookie, _ = self.sign_in(READ)
            self.status(bearer(READ))
            self.status(cookie)
            self.status(path="/list-processes" + self.ticket("/list-processes", READ))
            self.status(bearer("wrong-token-of-good-length"))
            self.status(path=f"/list-processes?token={READ}")
        said = "\n".join(f"{formatEvent(event)} {event}" for event in logs)
        self.assertEqual(said.count("127.0.0.1 as reader ("), 5)
        secrets = (READ, "wrong-token", cookie.partition("=")[2], "ticket=")
        self.assertEqual([secret for secret in secrets if secret in said], [])

    def test_noTokens(self) -> None:
        """
        Where nobody is asked, nobody has to say anything, and whatever they say is right.
        """
        self.tokens(None)
        for headers in ((), (bearer("x"),), (bearer("x"), BASIC), ("Cookie: smartmob=x",)):
            self.assertEqual(self.status(*headers), 200)
        self.assertEqual(self.status(path="/list-processes?ticket=x&token=y"), 200)
        answer = self.ask("POST", "/sign-in", body={"token": "x"})
        self.assertEqual((answer.status, answer.header("set-cookie")), (204, None))


class PreflightTests(AccessCase):
    """
    Browsers that ask first, which never say who they are.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tokens(cors_origins=(PAGE,))

    def preflight(self, path: str, origin: str = PAGE, *more: str) -> int:
        """
        The status of the answer.
        """
        asks = "Access-Control-Request-Method: POST"
        return self.ask("OPTIONS", path, f"Origin: {origin}", asks, *more).status

    def test_allowed(self) -> None:
        """
        Those with a page that may use the agent are answered, whatever it wants to do.
        """
        for path in (
            "/list-processes",
            "/create-process",
            "/process-status/shop.web.0",
            "/scale-app/shop",
            "/reload",
            "/sign-in",
            "*",
        ):
            self.assertEqual(self.preflight(path), 204, path)

    def test_nothingTold(self) -> None:
        """
        They are not told which processes there are.
        """
        for slug in ("shop.web.0", "none.web.0"):
            for length in (0, 5):
                wire = Wire(self.site)
                wire.request(
                    "OPTIONS",
                    f"/process-status/{slug}",
                    None,
                    f"Origin: {PAGE}",
                    "Access-Control-Request-Method: GET",
                    f"Content-Length: {length}",
                )
                wire.send(b"x" * length)
                self.assertEqual(wire.answer().status, 204)

    def test_others(self) -> None:
        """
        Those of other pages are not, nor what is no such question.
        """
        self.assertEqual(self.preflight("/list-processes", "http://evil.example"), 403)
        self.assertEqual(self.preflight("/list-processes", HERE), 401)
        self.assertEqual(self.ask("OPTIONS", "/", f"Origin: {PAGE}").status, 401)
        asks = "Access-Control-Request-Method: GET"
        self.assertEqual(self.ask("OPTIONS", "/", asks).status, 401)
        self.assertEqual(self.ask("GET", "/", f"Origin: {PAGE}", asks).status, 401)

    def test_page(self) -> None:
        """
        What such a page then asks for needs a token; a cookie, which its browser sends along
        where it is of the same site, is none.
        """
        cookie, _ = self.sign_in()
        origin = f"Origin: {PAGE}"
        for headers, status in (
            ((), 401),
            ((cookie,), 401),
            ((bearer(READ),), 200),
            ((bearer(READ), cookie), 200),
        ):
            answer = self.ask("GET", "/list-processes", origin, *headers)
            self.assertEqual(answer.status, status, headers)
            self.assertEqual(answer.header("access-control-allow-origin"), PAGE)
        client = SocketClient(self.clock, self.site)
        self.assertEqual(client.upgrade("/events", origin, cookie), 401)
        self.socket("/events" + self.ticket("/events"), origin)


class SignInTests(AccessCase):
    """
    Browsers that signed in.
    """

    def test_cookie(self) -> None:
        """
        The cookie is for this agent's pages alone, no script sees it, and it says nothing of
        the token.  Nor does it say when it is over: however long it is used, it is not.
        """
        cookie, attributes = self.sign_in(READ)
        self.assertRegex(cookie, r"\ACookie: smartmob-8080=[\w-]{43}\Z")
        self.assertEqual(attributes, "HttpOnly; SameSite=Strict; Path=/")
        self.assertEqual(self.status(cookie), 200)
        self.assertNotEqual(cookie, self.sign_in(READ)[0])

    def test_secure(self) -> None:
        """
        Over TLS, perhaps that of a proxy, it is for TLS alone, and what is served
        without can't set one of that name.
        """
        self.tokens(trusted_proxies=(ip_network("127.0.0.1"),))
        wire = Wire(self.site)
        answer = wire.ask("POST", "/sign-in", {"token": READ}, "X-Forwarded-Proto: https")
        cookie = answer.header("set-cookie") or ""
        self.assertTrue(cookie.startswith("__Host-smartmob"), cookie)
        self.assertTrue(cookie.endswith("; Secure"), cookie)
        shown = f"Cookie: {cookie.partition(';')[0]}"
        for proto, status in (("https", 200), ("http", 401)):
            answer = wire.ask("GET", "/version", None, f"X-Forwarded-Proto: {proto}", shown)
            self.assertEqual(answer.status, status, proto)

    def test_scope(self) -> None:
        """
        It may do what the token may.
        """
        reader, _ = self.sign_in(READ)
        writer, _ = self.sign_in(WRITE)
        shopper, _ = self.sign_in(SHOP)
        stop = "/stop-process/blog.web.0"
        for cookie, status in ((reader, 403), (writer, 200), (shopper, 404)):
            self.assertEqual(self.ask("POST", stop, cookie).status, status)

    def test_wrong(self) -> None:
        """
        Who shows no token is not signed in, and not told why.
        """
        for token in ("", "x", f"{ADMIN} ", "x" * 4096, "\N{SNOWMAN}", "\N{BAT}" * 4096):
            answer = self.ask("POST", "/sign-in", body={"token": token})
            self.assertRefused(answer, 401, "unauthorized")
            self.assertIsNone(answer.header("set-cookie"))
        self.assertEqual(len(self.access.sessions), 0)

    def test_large(self) -> None:
        """
        Of who has shown nothing less is kept than of others.
        """
        kind = "Content-Type: application/json"
        for size, status in ((1 << 16, 400), ((1 << 16) + 1, 413)):
            answer = self.ask("POST", "/sign-in", kind, body=" " * size)
            self.assertEqual(answer.status, status)

    def test_document(self) -> None:
        """
        What is no such document is a mistake, which is told without what it had.
        """
        for body in ({"token": 1}, {}, {"token": ADMIN, "more": 1}, {"token": ADMIN * 300}):
            answer = self.ask("POST", "/sign-in", body=body)
            self.assertRefused(answer, 400, "invalid-document")
        for text in (f'{{"token": "{ADMIN}"', f'["{ADMIN}"]', ADMIN):
            answer = self.ask("POST", "/sign-in", "Content-Type: application/json", body=text)
            self.assertEqual(answer.status, 400)
            self.assertNotIn(ADMIN.encode(), answer.body)

    def test_foreignPage(self) -> None:
        """
        A page of another site can't sign anybody in, or out.
        """
        cookie, _ = self.sign_in()
        for path, body in (("/sign-in", {"token": READ}), ("/sign-out", {})):
            answer = self.ask("POST", path, "Origin: http://evil.example", cookie, body=body)
            self.assertRefused(answer, 403, "forbidden-origin")
        form = "Content-Type: text/plain"
        answer = self.ask(
            "POST", "/sign-in", f"Origin: {HERE}", form, body=f'{{"token":"{READ}"}}'
        )
        self.assertRefused(answer, 415, "unsupported-media-type")

    def test_several(self) -> None:
        """
        Of several cookies of the name one may be ours, wherever it stands; those of agents
        on other ports, and other cookies, are none.
        """
        cookie, _ = self.sign_in()
        name, _, value = cookie.removeprefix("Cookie: ").partition("=")
        for header in (
            f"{name}={value}; {name}=other",
            f"{name}=other; {name}={value}",
            f"a=b; {name}={value};c=d",
            f"{name}={value}; {name}={value}",
            f"smartmob={value}x; smartmob-8081=x; {name}={value}",
        ):
            self.assertEqual(self.status(f"Cookie: {header}"), 200, header)
        self.assertEqual(self.status("Cookie: a=b", cookie), 200)
        for header in (
            f"smartmob-8081={value}",
            f"smartmob={value}",
            f"{name.upper()}={value}",
            f'{name}="{value}"',
            f"{name}",
            f"{name}=",
            f"{name}=; {name}={value}x",
            f"x{name}={value}",
            f"a=b, {name}={value}",
        ):
            self.assertEqual(self.status(f"Cookie: {header}"), 401, header)

    def test_ports(self) -> None:
        """
        The name has the port that the client knows, so that two agents of one machine do
        not sign each other's users out.
        """
        for host, name in (
            ("127.0.0.1:8080", "smartmob-8080"),
            ("localhost:5000", "smartmob-5000"),
            ("[::1]:8443", "smartmob-8443"),
            ("[::1]", "smartmob"),
            ("127.0.0.1", "smartmob"),
        ):
            cookie, _ = self.sign_in(host=host)
            self.assertTrue(cookie.startswith(f"Cookie: {name}="), cookie)
            self.assertEqual(self.status(cookie, host=host), 200)

    def test_time(self) -> None:
        """
        A session that nobody uses for 12 hours is over.
        """
        cookie, _ = self.sign_in()
        self.clock.advance(12 * 3600 - 1)
        self.assertEqual(self.status(cookie), 200)
        self.clock.advance(12 * 3600 - 1)
        self.assertEqual(self.status(cookie), 200)
        self.clock.advance(12 * 3600)
        self.assertEqual(self.status(cookie), 401)

    def test_signOut(self) -> None:
        """
        Signing out ends the session, the cookie and what is open, and nothing of another
        session of the token.
        """
        cookie, _ = self.sign_in(READ)
        other, _ = self.sign_in(READ)
        origin = f"Origin: {HERE}"
        mine, another = (self.socket("/events", shown, origin) for shown in (cookie, other))
        ticket = self.ticket("/list-processes", READ, cookie)
        answer = self.ask("POST", "/sign-out", cookie)
        self.assertEqual(answer.status, 204)
        name = cookie.removeprefix("Cookie: ").partition("=")[0]
        self.assertTrue((answer.header("set-cookie") or "").startswith(f"{name}=; "))
        self.assertIn("Max-Age=0", answer.header("set-cookie") or "")
        [(opcode, payload)] = mine.frames()
        self.assertEqual((opcode, payload[:2]), (CLOSE, (1008).to_bytes(2, "big")))
        self.assertEqual(another.frames(), [])
        self.assertEqual(self.status(cookie), 401)
        self.assertEqual(self.status(path=f"/list-processes{ticket}"), 401)
        self.assertEqual(self.status(other), 200)

    def test_signOutToken(self) -> None:
        """
        With a token there is nothing to sign out of.
        """
        cookie, _ = self.sign_in(READ)
        answer = self.ask("POST", "/sign-out", bearer(READ))
        self.assertEqual((answer.status, answer.header("set-cookie")), (204, None))
        self.assertEqual((self.status(bearer(READ)), self.status(cookie)), (200, 200))

    def test_webSocket(self) -> None:
        """
        A WebSocket that is opened with a cookie needs the origin of the agent's own pages;
        with a token it needs none.
        """
        cookie, _ = self.sign_in()
        for headers, status in (
            ((cookie,), 403),
            ((cookie, f"Origin: {HERE}"), 101),
            ((cookie, "Origin: http://127.0.0.1:3000"), 403),
            ((cookie, "Origin: https://127.0.0.1:8080"), 403),
            ((cookie, "Origin: null"), 403),
            ((bearer(READ),), 101),
            ((bearer(READ), cookie), 101),
            ((), 401),
        ):
            for path in ("/events", "/attach-console/shop.web.0", "/attach-app/shop"):
                client = SocketClient(self.clock, self.site)
                self.assertEqual(client.upgrade(path, *headers), status, headers)

    def test_secondOrigin(self) -> None:
        """
        Two origins are as bad as the worse.
        """
        cookie, _ = self.sign_in()
        for second in (HERE, "http://evil.example"):
            wire = Wire(self.site)
            wire.request("GET", "/", None, cookie, f"Origin: {HERE}", f"Origin: {second}")
            self.assertEqual(wire.answer().status, 200 if second == HERE else 403)


class TicketTests(AccessCase):
    """
    What stands in a URL instead of a token.
    """

    def test_once(self) -> None:
        """
        A ticket lets in once.
        """
        answer = self.ask("POST", "/tickets", bearer(READ), body={"path": "/list-processes"})
        document = answer.json()
        self.assertEqual(set(document), {"ticket", "expires_at"})
        self.assertRegex(document["expires_at"], r"\A\d{4}-\d\d-\d\dT[\d:.]{12}Z\Z")
        path = f"/list-processes?ticket={document['ticket']}"
        self.assertEqual(self.status(path=path), 200)
        self.assertRefused(self.ask("GET", path), 401, "unauthorized")

    def test_query(self) -> None:
        """
        It may stand anywhere in a query, which it is not for.
        """
        for wanted in ("/list-processes", "/list-processes?app=blog"):
            for query in ("app=shop&{}", "{}&app=shop", "&&{}", "app=%20&{}&"):
                ticket = self.ticket(wanted).removeprefix("?")
                path = f"/list-processes?{query.format(ticket)}"
                self.assertEqual(self.status(path=path), 200, path)
        ticket = self.ticket("/list-processes").replace("t", "%74", 1)
        self.assertEqual(self.status(path=f"/list-processes{ticket}"), 200)

    def test_time(self) -> None:
        """
        It is good for 30 seconds.
        """
        for seconds, status in ((29.5, 200), (30, 401)):
            ticket = self.ticket("/list-processes")
            self.clock.advance(seconds)
            self.assertEqual(self.status(path=f"/list-processes{ticket}"), status)

    def test_path(self) -> None:
        """
        It is for one path, also one written in another way, and spent by any other.
        """
        for path, same in (
            ("/process-status/shop.web.0", "/process-status/shop%2Eweb.0"),
            ("/process-status/shop%2eweb.0", "/process-status/shop.web.0"),
        ):
            self.assertEqual(self.status(path=same + self.ticket(path)), 200)
        ticket = self.ticket("/list-processes")
        for path in ("/process-status/shop.web.0", "/list-processes"):
            self.assertEqual(self.status(path=path + ticket), 401)

    def test_method(self) -> None:
        """
        It is for a GET.
        """
        for method in ("HEAD", "POST", "OPTIONS", "BREW"):
            ticket = self.ticket("/list-processes")
            self.assertEqual(self.ask(method, f"/list-processes{ticket}").status, 401)
            self.assertEqual(self.status(path=f"/list-processes{ticket}"), 401)

    def test_several(self) -> None:
        """
        Two of them are refused, and so is one that is none beside a cookie.
        """
        first, second = self.ticket("/list-processes"), self.ticket("/list-processes")
        self.assertEqual(self.status(path=f"/list-processes{first}&{second[1:]}"), 401)
        for ticket in (first, second):
            self.assertEqual(self.status(path=f"/list-processes{ticket}"), 401)
        cookie, _ = self.sign_in()
        self.assertEqual(self.status(cookie, path=f"/list-processes{first}"), 401)
        self.assertEqual(self.status(cookie, path="/list-processes?ticket="), 401)

    def test_header(self) -> None:
        """
        Beside a token in a header it is not looked at, and stays good.
        """
        ticket = self.ticket("/list-processes")
        path = f"/list-processes{ticket}"
        self.assertEqual(self.status(bearer(READ), path=path), 200)
        self.assertEqual(self.status(path=path), 200)

    def test_scope(self) -> None:
        """
        It may do what those may who made it, and is for what they may see.
        """
        ticket = self.ticket("/attach-console/shop.web.0", READ)
        client = SocketClient(self.clock, self.site)
        self.assertEqual(client.upgrade(f"/attach-console/shop.web.0{ticket}&stdin=1"), 403)
        ticket = self.ticket("/process-status/blog.web.0", SHOP)
        self.assertEqual(self.status(path=f"/process-status/blog.web.0{ticket}"), 404)
        ticket = self.ticket("/plugins", WRITE)
        self.assertEqual(self.status(path=f"/plugins{ticket}"), 403)

    def test_webSocket(self) -> None:
        """
        It opens a WebSocket, with an origin or without.
        """
        for headers in ((), (f"Origin: {HERE}",)):
            self.socket("/events" + self.ticket("/events"), *headers)

    def test_gone(self) -> None:
        """
        It is worth nothing once that is gone which it was made with.
        """
        by_token = self.ticket("/list-processes", READ)
        by_other = self.ticket("/list-processes", ADMIN)
        self.tokens(TOKENS.replace(READ, "another-token-of-good-length"))
        self.assertEqual(self.status(path=f"/list-processes{by_token}"), 401)
        self.assertEqual(self.status(path=f"/list-processes{by_other}"), 200)

    def test_wrong(self) -> None:
        """
        What can't be a path is a mistake.
        """
        for body in ({"path": "events"}, {"path": 1}, {}, {"path": "/" + "x" * 9000}):
            answer = self.ask("POST", "/tickets", bearer(READ), body=body)
            self.assertRefused(answer, 400, "invalid-document")

    def test_absolute(self) -> None:
        """
        A whole URL as target is the same path.
        """
        ticket = self.ticket("/list-processes")
        wire = Wire(self.site)
        wire.send(
            f"GET http://127.0.0.1:8080/list-processes{ticket} HTTP/1.0\r\n"
            "Host: 127.0.0.1:8080\r\n\r\n".encode()
        )
        self.assertEqual(wire.answer().status, 200)


class SettleTests(AccessCase):
    """
    Tokens that are taken away, and such that are there from now on.
    """

    def test_taken(self) -> None:
        """
        WebSockets of a token that is gone are closed with 1008, and no line follows; those
        of others stay.
        """
        path = "/attach-console/shop.web.0"
        gone, stays = (self.socket(path, bearer(token)) for token in (READ, WRITE))
        self.shop.console.received("stdout", b"before\n", 1)
        self.tokens(TOKENS.replace(READ, "another-token-of-good-length"))
        self.shop.console.received("stdout", b"after\n", 1)
        frames = gone.frames()
        self.assertEqual(frames[-1][0], CLOSE)
        self.assertEqual(frames[-1][1][:2], (1008).to_bytes(2, "big"))
        self.assertNotIn(b"after", b"".join(payload for _, payload in frames))
        self.assertEqual(stays.texts(), [b"before", b"after"])
        gone.send(frames[-1][1], CLOSE)
        self.assertEqual(len(self.access.visits), 1)

    def test_mute(self) -> None:
        """
        Who does not answer that is cut soon, and has typed nothing since.
        """
        client = self.socket("/attach-console/shop.web.0?stdin=1", bearer(WRITE))
        client.send(b"one\n")
        self.tokens(READ)
        client.send(b"two\n")
        self.assertEqual(self.shop.asked, [("write", b"one\n", False)])
        for _ in range(120):
            self.clock.advance(1)
        self.assertFalse(client.connection.connected)
        self.assertEqual(len(self.access.visits), 0)

    def test_same(self) -> None:
        """
        Where a token stays and may do the same, nothing ends, whatever it is called and
        wherever it stands.
        """
        cookie, _ = self.sign_in(READ)
        client = self.socket("/events", bearer(READ))
        lines = TOKENS.replace("reader", "another").split("\n")
        self.tokens("\n".join(reversed(lines)))
        self.assertEqual(client.frames(), [])
        self.assertEqual(self.status(cookie), 200)

    def test_scope(self) -> None:
        """
        One that may do other things is another one, for more and for less.
        """
        for line in (f"{READ} write", f"{READ} admin", f"{READ} read shop*"):
            self.tokens()
            client = self.socket("/events", bearer(READ))
            cookie, _ = self.sign_in(READ)
            self.tokens(line)
            [(opcode, _)] = client.frames()
            self.assertEqual(opcode, CLOSE)
            self.assertEqual(self.status(cookie), 401)
            self.assertEqual(self.status(bearer(READ)), 200)

    def test_turnedOn(self) -> None:
        """
        Who came when nobody was asked has to go when somebody is.
        """
        self.tokens(None)
        client = self.socket("/events")
        ticket = self.ticket("/list-processes", "whatever")
        follower = Wire(self.site)
        follower.request("GET", "/process-logs/shop.web.0?follow=1", None)
        self.tokens()
        [(opcode, payload)] = client.frames()
        self.assertEqual((opcode, payload[:2]), (CLOSE, (1008).to_bytes(2, "big")))
        self.assertTrue(follower.closed)
        self.assertTrue(follower.transport.aborted)
        self.assertEqual(self.status(path=f"/list-processes{ticket}"), 401)

    def test_turnedOff(self) -> None:
        """
        Who is there stays when nobody is asked any more.
        """
        client = self.socket("/events", bearer(READ))
        self.tokens(None)
        self.assertEqual(client.frames(), [])

    def test_streams(self) -> None:
        """
        Answers that go on are cut; they have no end that could be believed.
        """
        streams = {}
        for token in (READ, ADMIN):
            for path in (
                "/events",
                "/process-logs/shop.web.0?follow=1",
                "/app-logs/shop?follow=1",
            ):
                wire = streams[token, path] = Wire(self.site)
                wire.request("GET", path, None, bearer(token))
        self.tokens(TOKENS.replace(READ, "another-token-of-good-length"))
        for (token, path), wire in streams.items():
            self.assertEqual(wire.transport.aborted, token == READ, path)
            self.assertFalse(wire.received().endswith(b"0\r\n\r\n"), path)
        self.assertEqual(len(self.access.visits), 3)

    def test_keptAlive(self) -> None:
        """
        A connection on which nothing is under way stays; what it asks next is refused.
        """
        wire = Wire(self.site)
        self.assertEqual(wire.ask("GET", "/", None, bearer(READ)).status, 200)
        self.tokens(TOKENS.replace(READ, "another-token-of-good-length"))
        self.assertFalse(wire.closed)
        self.assertEqual(wire.ask("GET", "/", None, bearer(READ)).status, 401)

    def test_underWay(self) -> None:
        """
        What was asked for wholly is answered, and then the connection ends; what was not,
        is not.
        """
        self.blog.waits = True
        asked, half = Wire(self.site), Wire(self.site)
        asked.request("POST", "/stop-process/blog.web.0", None, bearer(WRITE))
        half.request(
            "POST",
            "/write-stdin/blog.web.0",
            None,
            bearer(WRITE),
            "Content-Length: 30",
            "Content-Type: application/json",
        )
        self.tokens(TOKENS.replace(WRITE, "another-token-of-good-length"))
        self.assertTrue(half.transport.aborted)
        self.assertEqual(asked.received(), b"")
        self.blog.done.fire()
        answer = asked.answer()
        self.assertEqual((answer.status, answer.header("connection")), (200, "close"))
        self.assertTrue(asked.closed)
        self.assertEqual(self.blog.asked, ["stop"])

    def test_signingIn(self) -> None:
        """
        Who is about to sign in goes on; there is nothing yet that could be taken away.
        """
        wire = Wire(self.site)
        body = f'{{"token": "{READ}"}}'.encode()
        wire.request(
            "POST",
            "/sign-in",
            None,
            f"Content-Length: {len(body)}",
            "Content-Type: application/json",
        )
        wire.send(body[:5])
        self.tokens()
        wire.send(body[5:])
        self.assertEqual(wire.answer().status, 204)

    def test_nothingKept(self) -> None:
        """
        Of requests that were answered, or given up, nothing is kept.
        """
        for hang_up in (True, False):
            for method, path, length in (
                ("GET", "/", 0),
                ("POST", "/stop-process/blog.web.0", 5),
            ):
                wire = Wire(self.site)
                wire.request(method, path, None, bearer(WRITE), f"Content-Length: {length}")
                if hang_up:
                    wire.hang_up()
                else:
                    wire.send(b"     "[:length])
                    self.assertTrue(wire.answers())
        client = self.socket("/events", bearer(READ))
        self.assertEqual(len(self.access.visits), 1)
        client.connection.lose()
        self.assertEqual(len(self.access.visits), 0)
