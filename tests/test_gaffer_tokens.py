"""
gafferd's interface: what tokens are for there.
"""

from __future__ import annotations

import json
import resource
from typing import Any

from twisted.internet.defer import Deferred, succeed

from smartmob.documents import Limits
from smartmob.place import Place
from smartmob.source.rules import SourceRules
from smartmob.templates import Identity
from smartmob.tokens import parse
from smartmob.web.site import Site
from tests.support.gafferd import DUMMY, ECHO, FeedClient, GafferdTestCase, grouped
from tests.support.httpwire import Answer
from tests.support.websockets import UPGRADE, get
from tests.test_gaffer_watch import told

READ, WRITE, ADMIN, SHOP, SHOPKEEPER, DEFAULT = (
    f"{name}-token-of-good-length"
    for name in ("read", "write", "admin", "shop", "keeper", "default")
)
TOKENS = f"""
{READ} read
{WRITE} write
{ADMIN} admin
{SHOP} write shop
{SHOPKEEPER} admin sh?p
{DEFAULT} read default
"""
NEW = {"name": "shop:new", "cmd": "./new"}


class TokenTestCase(GafferdTestCase):
    """
    An agent with two groups, and a template without one.

    Its programs are those of shop: 1 and 2, of bank: 3, and of none: 4.
    """

    def setUp(self) -> None:
        super().setUp()
        self.load(grouped(DUMMY, "shop"), grouped(ECHO, "shop"), grouped(ECHO, "bank"), ECHO)
        self.site.gate.access.settle(parse(TOKENS), frozenset())

    def measure(self, work: Any) -> Deferred[Any]:
        """
        Measure no programs, for these have no numbers that the system knows.
        """
        [pids] = work.args
        return succeed([{"mem": 1.0, "cpu": 1.0, "pid": pid} for pid in pids])

    def as_(
        self, token: str, method: str, path: str, body: Any = None, site: Site | None = None
    ) -> Answer:
        """
        Ask with a token.
        """
        return self.ask(method, path, body, f"Authorization: Bearer {token}", site=site)

    def told_to(self, token: str, path: str) -> Any:
        """
        The document of a success.
        """
        answer = self.as_(token, "GET", path)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def outcome(self, token: str, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """
        Status and reason of an error.
        """
        answer = self.as_(token, method, path, body)
        self.assertGreaterEqual(answer.status, 400, (method, path, answer.body))
        self.assertEqual(answer.header("content-type"), "application/json")
        return answer.status, answer.json()["error"]

    def follow_with(self, token: str, path: str) -> FeedClient:
        """
        A client of a feed that has a token.
        """
        headers = {b"Host": b"localhost", b"Authorization": f"Bearer {token}".encode()}
        client = FeedClient(self.clock, self.site)
        client.head = client.ask(get(path.encode(), headers))
        self.assertTrue(client.head.startswith(b"HTTP/1.1 200 "), client.head)
        return client


class ScopeTests(TokenTestCase):
    """
    What a scope is for.
    """

    def test_unauthorized(self) -> None:
        """
        Who shows no token is told how to, in gafferd's form, and nothing else.
        """
        for path in ("/processes", "/processes/none", "/nowhere", "/"):
            answer = self.ask("GET", path)
            self.assertEqual((answer.status, answer.json()["error"]), (401, "unauthorized"))
            self.assertEqual(answer.json()["errno"], 401)
            self.assertEqual(answer.header("www-authenticate"), 'Bearer realm="smartmob"')
        self.assertEqual(self.ask("GET", "/ping").body, b"OK")

    def test_read(self) -> None:
        """
        With read one looks at everything, and touches nothing.
        """
        for path in (
            *("/", "/processes", "/processes/shop:echo", "/processes/2", "/status/shop:echo"),
            *("/groups", "/groups/shop", "/stats", "/stats/shop:echo", "/stats/shop:echo/2"),
        ):
            self.told_to(READ, path)
        for method, path in (
            *(("POST", "/processes"), ("PUT", "/processes/shop:echo")),
            *(("DELETE", "/processes/shop:echo"), ("DELETE", "/processes/2")),
            *(("POST", "/processes/2/_stop"), ("POST", "/processes/shop:echo/_add")),
            *(("POST", "/processes/2/_signal/HUP"), ("DELETE", "/groups/shop")),
            *(("POST", "/groups/shop/_restart"), ("POST", "/streams/2/stdin")),
        ):
            self.assertEqual(self.outcome(READ, method, path), (403, "forbidden_scope"))

    def test_typing(self) -> None:
        """
        A WebSocket to a program is for who may type.
        """
        for token, status in ((READ, b"403"), (WRITE, b"101"), (SHOP, b"101")):
            headers = {**UPGRADE, b"Authorization": f"Bearer {token}".encode()}
            client = FeedClient(self.clock, self.site)
            head = client.ask(get(b"/wstreams/2", headers))
            self.assertTrue(head.startswith(b"HTTP/1.1 %b " % status), head)

    def test_write(self) -> None:
        """
        With write one does everything with what there is, but for saying what it runs.
        """
        for method, path in (
            ("POST", "/processes/shop:echo/_add"),
            ("POST", "/processes/shop:echo/_sub"),
            ("POST", "/processes/2/_signal/HUP"),
            ("POST", "/streams/2/stdin"),
            ("POST", "/groups/shop/_restart"),
            ("DELETE", "/processes/shop:dummy"),
        ):
            answer = self.as_(WRITE, method, path)
            self.assertEqual(answer.status, 200, (path, answer.body))
        self.define(WRITE, 200)
        self.define(SHOP, 200)

    def define(self, token: str, status: int, **more: object) -> list[str]:
        """
        Add a template, and define one anew; give why not.
        """
        reasons = []
        for method, path in (
            ("POST", "/processes"),
            ("PUT", "/processes/shop:echo"),
            ("POST", "/processes/shop:echo"),
        ):
            before = self.declarations.all()
            answer = self.as_(token, method, path, {**NEW, **more})
            self.assertEqual(answer.status, status, (path, answer.body))
            if status == 200:
                self.as_(ADMIN, "DELETE", "/processes/shop:new")
            else:
                self.assertEqual(self.declarations.all(), before)
                self.assertEqual(answer.json()["error"], "forbidden_scope")
                reasons.append(answer.json()["reason"])
        return reasons

    def test_beyond(self) -> None:
        """
        What no created process can be, a template is for admins only, and not by a token
        for certain apps.
        """
        for token, why in ((WRITE, "admin"), (SHOP, "admin"), (SHOPKEEPER, "whose apps are")):
            for name, value in {"uid": 1000, "gid": 1000, "detach": True, "nice": -1}.items():
                for reason in self.define(token, 403, **{name: value}):
                    self.assertIn(why, reason)
        self.define(ADMIN, 200, uid=1000, detach=True, nice=-1)
        self.define(SHOPKEEPER, 200, nice=1)

    def test_bounded(self) -> None:
        """
        What an operator says of created processes holds for no template, so who has to keep
        to it defines none.
        """
        who, limits, rules = self.agent.identity, self.agent.limits, self.agent.sources.rules
        place = Place.parse("http://127.0.0.1/")
        for key, change in {
            "uid": lambda: setattr(self.agent, "identity", Identity(uid=99, gid=99)),
            "limits": lambda: setattr(self.agent, "limits", Limits(open_files=99)),
            "allowed_sources": lambda: setattr(
                self.agent.sources, "rules", SourceRules(places=(place,))
            ),
        }.items():
            change()
            for token in (WRITE, SHOP, SHOPKEEPER):
                self.define(token, 403)
            self.assertIn(f"don't keep to {key},", self.define(WRITE, 403)[0])
            self.define(ADMIN, 200)
            self.agent.identity, self.agent.limits = who, limits
            self.agent.sources.rules = rules
        self.define(SHOPKEEPER, 200)

    def test_limits(self) -> None:
        """
        Limits above those that the agent runs under are for admins: root could go beyond.
        """
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.define(WRITE, 200, limits={"open_files": hard})
        for token in (WRITE, SHOP):
            [reason, *_] = self.define(token, 403, limits={"open_files": hard + 1})
            self.assertIn(f"limits.open_files must be {hard} at most", reason)
        self.define(ADMIN, 200, limits={"open_files": hard + 1})

    def test_signIn(self) -> None:
        """
        Browsers sign in and out on this interface, too, and have tickets.
        """
        body = json.dumps({"token": READ})
        answer = self.ask("POST", "/sign-in", body, "Content-Type: application/json")
        self.assertEqual(answer.status, 204)
        cookie = f"Cookie: {(answer.header('set-cookie') or '').partition(';')[0]}"
        self.assertEqual(self.ask("GET", "/processes", None, cookie).status, 200)
        answer = self.ask("POST", "/tickets", '{"path": "/watch"}', cookie)
        self.assertEqual(answer.status, 201)
        self.assertEqual(self.ask("POST", "/sign-out", None, cookie).status, 204)
        self.assertEqual(self.ask("GET", "/processes", None, cookie).status, 401)


class AppTests(TokenTestCase):
    """
    Tokens for certain apps.
    """

    def test_lists(self) -> None:
        """
        Lists have nothing of others.
        """
        self.assertEqual(self.told_to(SHOP, "/processes"), ["shop:dummy", "shop:echo"])
        self.assertEqual(self.told_to(SHOP, "/processes?running=true"), [1, 2])
        self.assertEqual(self.told_to(SHOP, "/groups"), ["shop"])
        stats = self.told_to(SHOP, "/stats")
        self.assertEqual([each["name"] for each in stats], ["shop:dummy", "shop:echo"])
        self.assertEqual(self.told_to(DEFAULT, "/processes"), ["echo"])
        self.assertEqual(self.told_to(DEFAULT, "/processes?running=true"), [4])
        self.assertEqual(self.told_to(DEFAULT, "/groups"), [])

    def test_others(self) -> None:
        """
        Names, numbers and groups of others are answered as those that do not exist.
        """
        for there, nowhere in (("bank:echo", "none:echo"), ("echo", "none"), ("3", "33")):
            for method, path in (
                *(("GET", "/processes/{}"), ("DELETE", "/processes/{}")),
                *(("POST", "/processes/{}/_stop"), ("POST", "/processes/{}/_signal/KILL")),
                *(("PUT", "/processes/{}"), ("POST", "/processes/{}")),
                ("GET", "/processes/{}/_pids"),
                *(("POST", "/processes/{}/_add"), ("POST", "/processes/{}/_sub/1")),
                *(("GET", "/status/{}"), ("GET", "/stats/{}"), ("GET", "/stats/shop:echo/{}")),
                *(("GET", "/streams/{}/stdout"), ("POST", "/streams/{}/stdin")),
                *(("GET", "/wstreams/{}"), ("GET", "/groups/{}"), ("DELETE", "/groups/{}")),
                ("POST", "/groups/{}/_restart"),
            ):
                found = [
                    self.as_(SHOPKEEPER, method, path.format(name)) for name in (there, nowhere)
                ]
                self.assertEqual([answer.status for answer in found], [404, 404], path)
                bodies = [answer.body.replace(b"none", b"bank") for answer in found]
                same = [body.replace(b"33", b"3").replace(b"bank", b"") for body in bodies]
                same = [body.replace(b":echo", b"").replace(b"echo", b"") for body in same]
                self.assertEqual(same[0], same[1], path)
        self.assertEqual(self.outcome(SHOP, "GET", "/groups/bank"), (404, "not_found"))
        for name in ("bank:echo", "bank:none", "echo", "none"):
            answer = self.as_(SHOP, "POST", "/processes", {"name": name, "cmd": "x"})
            self.assertEqual(answer.status, 403)
            group = name.partition(":")[0] if ":" in name else "default"
            self.assertIn(f"group {group} is not for this token", answer.json()["reason"])
        self.assertEqual(len(self.programs), 4)
        self.assertEqual([program.signals for program in self.programs], [[]] * 4)

    def test_both(self) -> None:
        """
        It is the same where there are both interfaces, for the paths of either.
        """
        for path in ("/processes/bank:echo", "/process-status/bank.echo.0", "/app-logs/bank"):
            self.assertEqual(self.as_(SHOP, "GET", path, site=self.both).status, 404, path)
        for path in ("/processes/shop:echo", "/process-status/shop.echo.0", "/app-logs/shop"):
            self.assertEqual(self.as_(SHOP, "GET", path, site=self.both).status, 200, path)

    def test_watch(self) -> None:
        """
        Who watches is told nothing of others, whatever is asked for.
        """
        everything = self.follow_with(SHOP, "/watch?feed=eventsource")
        mine = self.follow_with(SHOP, "/watch/proc/shop:echo?feed=eventsource")
        others = self.follow_with(SHOP, "/watch/proc/bank:echo?feed=eventsource")
        self.as_(ADMIN, "POST", "/processes/bank:echo/_restart")
        self.as_(ADMIN, "POST", "/processes/echo/_restart")
        for client in (everything, mine, others):
            self.assertEqual(told(client), [])
        self.as_(ADMIN, "POST", "/processes/shop:echo/_restart")
        self.assertEqual({about["name"] for _, about in told(everything)}, {"shop:echo"})
        self.assertIn("proc.shop:echo.spawn", [name for name, _ in told(mine)])
        self.assertEqual(told(others), [])

    def test_statistics(self) -> None:
        """
        A feed of statistics measures nothing of others, those that come later included.
        """
        client = self.follow_with(SHOP, "/stats?feed=eventsource")
        self.clock.advance(0)
        self.as_(ADMIN, "POST", "/processes/bank:echo/_add")
        self.as_(ADMIN, "POST", "/processes/shop:echo/_add")
        self.clock.advance(1)
        self.assertEqual({about["id"] for _, about in told(client)}, {1, 2, 6})

    def test_full(self) -> None:
        """
        How many programs others have is not told, where there is no room for more.
        """
        self.agent.most_processes = 7
        for path, body in (
            ("/processes/shop:echo/_add/9", None),
            ("/scale-app/shop", {"echo": 9}),
            ("/processes", {**NEW, "numprocesses": 9}),
        ):
            answer = self.as_(SHOP, "POST", path, body, site=self.both)
            self.assertEqual(answer.status, 429)
            said = answer.json()
            self.assertEqual(
                said.get("reason", said.get("detail")),
                "the agent has no room for so many processes",
            )
            answer = self.as_(WRITE, "POST", path, body, site=self.both)
            self.assertIn(b"has 4", answer.body)

    def test_gone(self) -> None:
        """
        A feed ends when its token is taken away.
        """
        client = self.follow_with(SHOP, "/watch?feed=continuous")
        self.site.gate.access.settle(parse(f"{READ} read"), frozenset())
        self.assertTrue(client.connection.aborted)
