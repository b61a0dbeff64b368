"""
Whose word counts: names, foreign pages, and proxies.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from smartmob.config.configuration import Settings
from smartmob.web.connections import Census
from smartmob.web.root import make_site
from smartmob.web.trust import UNIX, Trust, Way
from tests.support.agents import FakeAgent
from tests.support.httpwire import HERE, THERE, Answer, Wire

CREATE = {
    "app": "myapp",
    "node": "web.0",
    "process_type": "web",
    "source_url": "http://127.0.0.1/a.tar.gz",
}
PAGE = "https://pages.example"
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SOCKET = UNIXAddress("/run/smartmob")
STRANGER = IPv4Address("TCP", "192.0.2.7", 50_000)


def allowed(answer: Answer) -> dict[str, str]:
    """
    What an answer says to browsers about foreign pages.
    """
    return {
        name.removeprefix("access-control-"): ", ".join(values)
        for name, values in answer.headers.items()
        if name.startswith("access-control-")
    }


class TrustCase(SynchronousTestCase):
    """
    An agent in memory, with settings.
    """

    def setUp(self) -> None:
        self.agent = FakeAgent()
        self.site = make_site(self.agent.real, Clock())
        self.gate = self.site.gate

    def trust(self, **settings: Any) -> None:
        """Have the settings say so, as a reload does."""
        self.gate.trust = Trust.of(Settings(**settings), ["bound.example"])

    def ask(self, *headers: str, host: str = "127.0.0.1:8080", **more: Any) -> Answer:
        """Ask for the index on a new connection."""
        return Wire(self.site, **more).ask("GET", "/", None, *headers, host=host)

    def refusal(self, *headers: str, **more: Any) -> str:
        """Why that is refused."""
        answer = self.ask(*headers, **more)
        self.assertGreaterEqual(answer.status, 400)
        return str(answer.json()["code"])


class HostTests(TrustCase):
    """
    C{allowed_hosts}.
    """

    def test_allowed(self) -> None:
        """Names are answered while the settings have them, whatever their case."""
        self.assertEqual(self.refusal(host="shop.example"), "forbidden-host")
        self.trust(allowed_hosts=("shop.example",))
        for host in ("shop.example", "SHOP.example:8080", "bound.example"):
            self.assertEqual(self.ask(host=host).status, 200)
        self.assertEqual(self.refusal(host="a.shop.example"), "forbidden-host")
        self.trust()
        self.assertEqual(self.refusal(host="shop.example"), "forbidden-host")

    def test_connectionStays(self) -> None:
        """What a reload changes counts for the next request of an open connection."""
        wire = Wire(self.site)
        self.assertEqual(wire.ask("GET", "/").status, 200)
        self.trust(allowed_hosts=("shop.example",))
        self.assertEqual(wire.ask("GET", "/", host="shop.example").status, 200)
        self.assertFalse(wire.closed)


class PagesTests(TrustCase):
    """
    C{cors_origins}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.trust(cors_origins=(PAGE,))

    def test_answer(self) -> None:
        """A page that is allowed to may read the answer, wherever its site is."""
        for site in ("cross-site", "same-site"):
            answer = self.ask(f"Origin: {PAGE}", f"Sec-Fetch-Site: {site}")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.header("vary"), "Origin")
            self.assertEqual(
                allowed(answer),
                {
                    "allow-origin": PAGE,
                    "expose-headers": "Location, Retry-After, X-Request-Id",
                },
            )

    def test_create(self) -> None:
        """It may do what the agent's own pages may."""
        headers = (f"Origin: {PAGE}", "Sec-Fetch-Site: cross-site")
        answer = Wire(self.site).ask("POST", "/create-process", CREATE, *headers)
        self.assertEqual(answer.status, 201)
        self.assertEqual(allowed(answer)["allow-origin"], PAGE)

    def test_errors(self) -> None:
        """It may read why it was refused, by the gate and by a route."""
        for method, path, body, status in (
            ("GET", "/nowhere", None, 404),
            ("PUT", "/list-processes", None, 405),
            ("POST", "/create-process", "{}", 415),
            ("POST", "/create-process", {"app": 1}, 400),
            ("GET", "/process-status/a.b", None, 404),
        ):
            answer = Wire(self.site).ask(method, path, body, f"Origin: {PAGE}")
            self.assertEqual(answer.status, status)
            self.assertEqual(allowed(answer)["allow-origin"], PAGE)
            self.assertEqual(answer.header("vary"), "Origin")

    def test_preflight(self) -> None:
        """A browser that asks first hears what the page may ask, and for how long."""
        answer = Wire(self.site).ask(
            "OPTIONS",
            "/create-process",
            None,
            f"Origin: {PAGE}",
            "Sec-Fetch-Site: cross-site",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: content-type",
        )
        self.assertEqual((answer.status, answer.header("allow")), (204, "OPTIONS, POST"))
        said = allowed(answer)
        self.assertEqual(said["allow-origin"], PAGE)
        self.assertEqual(said["allow-methods"], "OPTIONS, POST")
        self.assertIn("Content-Type", said["allow-headers"])
        self.assertIn("Authorization", said["allow-headers"])
        self.assertEqual(said["max-age"], "600")
        self.assertNotIn("allow-credentials", said)

    def test_others(self) -> None:
        """Origins are compared as they are, and no other is answered or told anything."""
        for origin in (
            "null",
            "*",
            "http://pages.example",
            "https://pages.example:8443",
            "https://a.pages.example",
            "https://pages.example.evil.example",
            "https://pages.example/",
        ):
            for headers in ((), ("Access-Control-Request-Method: POST",)):
                wire = Wire(self.site)
                wire.request("OPTIONS", "/create-process", None, f"Origin: {origin}", *headers)
                answer = wire.answer()
                self.assertEqual(answer.json()["code"], "forbidden-origin", origin)
                self.assertEqual(allowed(answer), {})

    def test_without(self) -> None:
        """Who has no Origin is told nothing, but caches hear that it matters."""
        answer = self.ask()
        self.assertEqual((answer.header("vary"), allowed(answer)), ("Origin", {}))
        self.assertEqual(self.refusal("Sec-Fetch-Site: cross-site"), "forbidden-origin")

    def test_usualPort(self) -> None:
        """A port that browsers don't say may be said in the settings."""
        self.trust(cors_origins=("https://pages.example:443", "http://[::1]:80"))
        for origin in (PAGE, "http://[::1]"):
            self.assertEqual(allowed(self.ask(f"Origin: {origin}"))["allow-origin"], origin)

    def test_own(self) -> None:
        """The agent's own pages are served as before."""
        own = "Origin: http://127.0.0.1:8080"
        answer = self.ask(own, "Sec-Fetch-Site: same-origin")
        self.assertEqual((answer.status, allowed(answer)), (200, {}))
        self.assertEqual(self.refusal(own, "Sec-Fetch-Site: cross-site"), "forbidden-origin")
        self.assertEqual(self.refusal(own, "Origin: https://x.example"), "forbidden-origin")

    def test_host(self) -> None:
        """An allowed page gives no right to other names."""
        self.assertEqual(self.refusal(f"Origin: {PAGE}", host="evil.example"), "forbidden-host")

    def test_taken(self) -> None:
        """Without such pages no answer says anything about them."""
        self.trust()
        for headers in ((), (f"Origin: {PAGE}",)):
            answer = self.ask(*headers)
            self.assertEqual(allowed(answer), {})
            self.assertIsNone(answer.header("vary"))

    def test_webSocket(self) -> None:
        """A WebSocket of an allowed page is accepted, others are refused."""
        self.agent.add()
        headers = (f"Origin: {PAGE}", "Sec-Fetch-Site: cross-site", *UPGRADE)
        wire = Wire(self.site)
        wire.request("GET", "/attach-console/myapp.web.0", None, *headers)
        head = wire.received()
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        self.assertIn(b"\r\nAccess-Control-Allow-Origin: " + PAGE.encode() + b"\r\n", head)
        self.assertIn(b"\r\nVary: Origin\r\n", head)
        wire = Wire(self.site)
        path = "/attach-console/myapp.web.0"
        wire.request("GET", path, None, "Origin: https://evil.example", *UPGRADE)
        self.assertEqual(wire.answer().json()["code"], "forbidden-origin")


class ProxyTests(TrustCase):
    """
    C{trusted_proxies}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.trust(
            allowed_hosts=("shop.example",),
            trusted_proxies=(ip_network("127.0.0.0/8"), ip_network("fd00::/16")),
        )

    def base(self, *headers: str, **more: Any) -> str:
        """How the links of an answer begin."""
        answer = self.ask(*headers, **more)
        self.assertEqual(answer.status, 200)
        return str(answer.json()["list"]).removesuffix("/list-processes")

    def test_links(self) -> None:
        """Links lead to where the client asked, which is the proxy."""
        self.assertEqual(
            self.base("X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example"),
            "https://shop.example",
        )
        self.assertEqual(
            self.base("X-Forwarded-Proto: https", host="shop.example:444"),
            "https://shop.example:444",
        )
        self.assertEqual(self.base("X-Forwarded-Host: shop.example"), "http://shop.example")
        self.assertEqual(self.base("X-Forwarded-Proto: WSS"), "https://127.0.0.1:8080")
        self.assertEqual(self.base("X-Forwarded-Proto: gopher"), "http://127.0.0.1:8080")
        self.assertEqual(self.base(), "http://127.0.0.1:8080")

    def test_process(self) -> None:
        """So do those of a process, its WebSocket's too, and Location."""
        headers = ("X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example")
        answer = Wire(self.site).ask("POST", "/create-process", CREATE, *headers)
        document = answer.json()
        self.assertEqual(
            (answer.header("location"), document["attach"]),
            (
                "https://shop.example/process-status/myapp.web.0",
                "wss://shop.example/attach-console/myapp.web.0",
            ),
        )

    def test_lastValue(self) -> None:
        """What the proxy itself says is behind what others said before."""
        for headers in (
            ("X-Forwarded-Host: evil.example, shop.example",),
            ("X-Forwarded-Host: evil.example", "X-Forwarded-Host: shop.example"),
        ):
            self.assertEqual(
                self.base("X-Forwarded-Proto: https, http", *headers), "http://shop.example"
            )

    def test_others(self) -> None:
        """Whoever is no proxy of ours may say what he likes."""
        headers = ("X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example, a b")
        for peer in (STRANGER, UNIXAddress(None), IPv6Address("TCP", "fd01::1", 1)):
            self.assertEqual(self.base(*headers, peer=peer), "http://127.0.0.1:8080")

    def test_mapped(self) -> None:
        """An IPv4 proxy is known also on a socket that takes both kinds."""
        peer = IPv6Address("TCP", "::ffff:127.0.0.1", 1)
        self.assertEqual(
            self.base("X-Forwarded-Proto: https", peer=peer), "https://127.0.0.1:8080"
        )

    def test_unix(self) -> None:
        """Proxies on unix sockets are trusted where C{unix} is listed; names are any."""
        more: dict[str, Any] = {"host": "any.example"}
        headers = ("X-Forwarded-Proto: https", "X-Forwarded-Host: other.example")

        def base() -> str:
            wire = Wire(self.site, host=SOCKET, peer=UNIXAddress(None))
            return str(wire.ask("GET", "/", None, *headers, **more).json()["list"])

        self.assertEqual(base(), "http://any.example/list-processes")
        self.trust(unix_proxies=True)
        self.assertEqual(base(), "https://other.example/list-processes")

    def test_names(self) -> None:
        """Both the name that the proxy was asked for and that which it asks are checked."""
        self.assertEqual(self.refusal("X-Forwarded-Host: evil.example"), "forbidden-host")
        self.assertEqual(
            self.refusal("X-Forwarded-Host: shop.example", host="evil.example"),
            "forbidden-host",
        )
        self.assertEqual(self.refusal("X-Forwarded-Host: a b"), "bad-request")

    def test_origin(self) -> None:
        """A page's origin is compared with what its browser sees: that of the proxy."""
        headers = (
            *("X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example"),
            "Sec-Fetch-Site: same-origin",
        )
        answer = self.ask("Origin: https://shop.example", *headers)
        self.assertEqual((answer.status, allowed(answer)), (200, {}))
        for origin in (
            "http://shop.example",
            "http://127.0.0.1:8080",
            "https://shop.example:1",
        ):
            self.assertEqual(self.refusal(f"Origin: {origin}", *headers), "forbidden-origin")

    def test_connections(self) -> None:
        """A proxy's connections are bounded only with all others; a reload changes that."""
        proxy = IPv4Address("TCP", "127.0.0.2", 1)
        census = Census(most=4, most_of_a_peer=2)
        census.is_proxy = self.gate.trust.has_proxy
        site = census.guard(self.site)
        for _ in range(3):
            self.assertFalse(Wire(site, peer=proxy).refused)
        self.assertFalse(Wire(site, peer=STRANGER).refused)
        self.assertTrue(Wire(site, peer=proxy).refused)
        census = Census(most=9, most_of_a_peer=2)
        census.is_proxy = self.gate.trust.has_proxy
        site = census.guard(self.site)
        self.trust()
        census.is_proxy = self.gate.trust.has_proxy
        for refused in (False, False, True):
            self.assertEqual(Wire(site, peer=proxy).refused, refused)

    def test_log(self) -> None:
        """The log shows the client, not the proxy."""
        seen: list[LogEvent] = []
        observer = cast(ILogObserver, seen.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.ask("X-Forwarded-For: 192.0.2.99")
        self.ask("X-Forwarded-For: 192.0.2.99", peer=STRANGER)
        clients = [event["client"] for event in seen if "client" in event]
        self.assertEqual(clients, ["192.0.2.99", STRANGER.host])


class WayTests(SynchronousTestCase):
    """
    Who the client is.
    """

    def client(self, peer: IAddress | None, *values: bytes) -> str:
        """Who that is."""
        trust = Trust.of(
            Settings(
                trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1")),
                unix_proxies=True,
            )
        )
        headers = Headers({b"X-Forwarded-For": values}) if values else Headers()
        return trust.way(headers, peer, secure=False).client

    def test_chain(self) -> None:
        """It is the last address that is no proxy of ours: what is before it is hearsay."""
        proxy = IPv4Address("TCP", "10.0.0.1", 1)
        for values, client in (
            ((b"192.0.2.1",), "192.0.2.1"),
            ((b"198.51.100.1, 192.0.2.1",), "192.0.2.1"),
            ((b"198.51.100.1, 192.0.2.1, 10.0.0.9",), "192.0.2.1"),
            ((b"198.51.100.1", b"192.0.2.1,10.0.0.9 "), "192.0.2.1"),
            ((b"10.0.0.8, 10.0.0.9",), "10.0.0.8"),
            ((b"192.0.2.1:4711",), "192.0.2.1"),
            ((b"[2001:db8::1]:4711",), "2001:db8::1"),
            ((b'"[2001:db8::1]"',), "10.0.0.1"),
            ((b"2001:DB8::1",), "2001:db8::1"),
            ((b"::ffff:192.0.2.1",), "192.0.2.1"),
            ((b"192.0.2.1, unknown",), "10.0.0.1"),
            ((b"192.0.2.1, unknown, 10.0.0.9",), "10.0.0.9"),
            ((b"\xff\r, ,",), "10.0.0.1"),
            ((), "10.0.0.1"),
        ):
            self.assertEqual(self.client(proxy, *values), client, values)

    def test_peers(self) -> None:
        """What is no proxy is the client itself, whatever it says."""
        said = b"192.0.2.1"
        self.assertEqual(self.client(UNIXAddress(None), said), "192.0.2.1")
        self.assertEqual(self.client(UNIXAddress(None)), UNIX)
        self.assertEqual(self.client(IPv6Address("TCP", "::1", 1), said), "192.0.2.1")
        self.assertEqual(self.client(STRANGER, said), STRANGER.host)
        self.assertEqual(self.client(THERE, said), THERE.host)
        self.assertEqual(self.client(None, said), "nowhere")

    def test_scope(self) -> None:
        """An address of a link is one without the name of the link."""
        self.assertEqual(self.client(IPv6Address("TCP", "fe80::1%eth0", 1)), "fe80::1")

    def test_noHost(self) -> None:
        """A client on a unix socket that names no host is given some name."""
        way = Trust().way(Headers({b"Host": [b""]}), SOCKET, secure=False)
        self.assertEqual(
            (way, way.base_url),
            (Way(secure=False, host=b"", client=UNIX), b"http://localhost"),
        )
        self.assertFalse(Trust().is_proxy(HERE))
