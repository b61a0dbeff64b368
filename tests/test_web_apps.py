"""
Tokens for certain apps: whoever has one finds out nothing of others, however they are
spelled, and touches nothing of them.

That paths of others are 404 for every method of every route, L{tests.test_web_matrix} says.
"""

from __future__ import annotations

import json
from typing import Any

from smartmob.config.configuration import Api
from smartmob.tokens import parse
from tests.support.flaws import ADMIN, BANK, KEEPER, NOBODYS, OTHERS, SHOP, bearer
from tests.support.gafferd import ECHO, FeedClient, grouped
from tests.support.httpwire import Answer
from tests.support.matrix import THINGS
from tests.support.trying import MatrixCase
from tests.support.websockets import UPGRADE, get

CREATE = {"process_type": "web", "source_url": "http://127.0.0.1/a.tar.gz"}

SPELLINGS = (
    *("bank%2eecho%2E0", "%62ank.echo.0", "ban%6B.echo.0"),
    *("Bank.echo.0", "BANK.ECHO.0", "bank..echo.0", ".bank.echo.0", "bank.echo.0.", "bank"),
    *("bank.echo.00", "bank.echo", "bank.echo.0%20", "%20bank.echo.0", "bank.echo.0%00"),
    *("bank%00.echo.0", "bank%0a.echo.0", "shop%0abank.echo.0", "bank.echo.0;shop.echo.0"),
    *("shop.bank.echo.0", "shop.echo.0,bank.echo.0", "shop%2Fbank.echo.0", "shop.echo.0%2Fx"),
    *("shop%2F..%2Fbank.echo.0", "shop/../bank.echo.0", "..%2Fprocess-status%2Fbank.echo.0"),
    *("*", "*.echo.0", "b*.echo.0", "[b]ank.echo.0", "?ank.echo.0", "shop*", "{bank,shop}.x"),
    *("%EF%BD%82ank.echo.0", "b%CC%81ank.echo.0", "%D0%B2ank.echo.0", "bank%E2%80%A4echo.0"),
    *("bank%252eecho.0", "bank%c0%aeecho.0", "%ff", "%", "bank%", "shop.echo.0%3f", ""),
)
"""
What is, or looks like, the slug of another's process.
"""


class AppsCase(MatrixCase):
    """
    An agent with a process of shop, and one of bank.
    """

    def ask_with(
        self, token: str, method: str, path: str, body: Any = None, api: Api = Api.BOTH
    ) -> Answer:
        """
        Ask with a token.
        """
        headers = (bearer(token), "X-Request-Id: a")
        return self.ask(method, path, body, *headers, site=self.sites[api])

    def follow_with(self, token: str, path: str, **more: str) -> FeedClient:
        """
        Ask for what goes on, with a token.
        """
        headers = {b"Host": b"127.0.0.1", b"Authorization": f"Bearer {token}".encode()}
        headers.update({name.encode(): value.encode() for name, value in more.items()})
        client = FeedClient(self.clock, self.sites[Api.BOTH])
        client.head = client.ask(get(path.encode(), headers))
        return client

    def slugs(self, token: str, query: str = "") -> list[str]:
        """
        What a listing shows.
        """
        answer = self.ask_with(token, "GET", f"/list-processes{query}")
        return [each["slug"] for each in answer.json()["processes"]]

    def state(self) -> list[object]:
        """
        As much of everything as a client could change.
        """
        return [
            *[(each.slug, each.version, each.restarts) for each in self.agent.processes()],
            *[(program.pid, list(program.signals), program.input) for program in self.programs],
            [template.name for template in self.declarations.all()],
        ]


class PathTests(AppsCase):
    """
    What stands in paths.
    """

    def test_same(self) -> None:
        """
        What is another's is answered, byte by byte, as what there is not; and nothing is
        done to it.
        """
        before = self.state()
        for api in Api:
            model = self.tried(api).model
            for rule in model.rules:
                theirs, nobodys = rule.place(OTHERS), rule.place(NOBODYS)
                if theirs.whose is None:
                    continue
                for method in (rule.method, "HEAD", "OPTIONS", "PATCH"):
                    answers = [
                        self.ask_with(KEEPER, method, place.path, "{}", api)
                        for place in (theirs, nobodys)
                    ]
                    for answer in answers:
                        answer.headers.pop("date")
                    bodies = [answer.body.decode() for answer in answers]
                    for things in THINGS.values():
                        bodies[1] = bodies[1].replace(things[NOBODYS], things[OTHERS])
                    self.assertEqual(bodies[0], bodies[1], (method, theirs.path))
                    heads = [dict(answer.headers) for answer in answers]
                    for head in heads:
                        head.pop("content-length", None)  # the names differ in length
                    self.assertEqual(heads[0], heads[1], (method, theirs.path))
        self.assertEqual(self.state(), before)

    def test_spellings(self) -> None:
        """
        A name is compared when it was decoded, once, and as it is: there is no other way to
        write it that gets through.
        """
        before = self.state()
        paths = (
            *(("GET", "/process-status/{}"), ("GET", "/process-logs/{}")),
            *(("GET", "/process-stats/{}"), ("GET", "/attach-console/{}")),
            *(("POST", "/stop-process/{}"), ("POST", "/delete-process/{}")),
            *(("POST", "/delete-app/{}"), ("POST", "/scale-app/{}"), ("GET", "/app-logs/{}")),
            *(("DELETE", "/processes/{}"), ("GET", "/stats/{}"), ("DELETE", "/groups/{}")),
        )
        for spelling in SPELLINGS:
            for method, path in paths:
                for prefix in ("", "http://127.0.0.1:8080"):
                    answer = self.ask_with(SHOP, method, prefix + path.format(spelling))
                    known = {404} | ({405} if not spelling else set())
                    self.assertIn(answer.status, known, (method, path, spelling))
        self.assertEqual(self.state(), before)
        for spelling in SPELLINGS[:3]:
            answer = self.ask_with(ADMIN, "GET", f"/process-status/{spelling}")
            self.assertEqual(answer.json()["slug"], "bank.echo.0")

    def test_ticket(self) -> None:
        """
        A ticket for what is another's can be had, as for what there is not, and lets
        nobody in.
        """
        for path in ("/process-status/bank.echo.0", "/processes/bank:echo", "/processes/2"):
            ticket = self.ask_with(SHOP, "POST", "/tickets", {"path": path}).json()["ticket"]
            answer = self.ask("GET", f"{path}?ticket={ticket}", site=self.sites[Api.BOTH])
            self.assertEqual(answer.status, 404, path)

    def test_preflight(self) -> None:
        """
        What a path may be asked does not depend on what it names.
        """
        for slug in ("shop.echo.0", "bank.echo.0", "none.echo.0"):
            answer = self.ask_with(SHOP, "OPTIONS", f"/stop-process/{slug}")
            self.assertEqual((answer.status, answer.header("allow")), (204, "OPTIONS, POST"))


class ListingTests(AppsCase):
    """
    What is listed.
    """

    def test_filters(self) -> None:
        """
        No filter shows more than there is without it.
        """
        for query in (
            *("", "?x=y", "?app=shop", "?app=*", "?app=shop&app=bank", "?app=[!x]*"),
            *("?node=echo.0", "?node=*", "?state=*", "?state=running&node=echo.*"),
        ):
            self.assertEqual(self.slugs(SHOP, query), ["shop.echo.0"], query)
            self.assertEqual(self.slugs(BANK, query.replace("shop", "bank")), ["bank.echo.0"])
        for query in ("?app=bank", "?app=Shop", "?app=b*", "?node=bank.echo.0"):
            self.assertEqual(self.slugs(SHOP, query), [], query)

    def test_globs(self) -> None:
        """
        The glob of a token is one for whole names, as they are.
        """
        self.load(grouped(ECHO, "shop"), grouped(ECHO, "bank"), grouped(ECHO, "Shop"), ECHO)
        for glob, apps in {
            "sh?p": ["shop"],
            "s*": ["shop"],
            "*": ["shop", "bank", "Shop", "default"],
            "**": ["shop", "bank", "Shop", "default"],
            "[!b]*": ["shop", "Shop", "default"],
            "[Ss]hop": ["shop", "Shop"],
            "?": [],
            "sho": [],
            "hop*": [],
        }.items():
            self.sites[Api.BOTH].gate.access.settle(parse(f"{SHOP} read {glob}"), frozenset())
            self.assertEqual(self.slugs(SHOP), [f"{app}.echo.0" for app in apps], glob)
            listed = [app for app in apps if app != "default"]
            self.assertEqual(self.ask_with(SHOP, "GET", "/groups").json(), listed, glob)


class CreateTests(AppsCase):
    """
    What is made.
    """

    def create(self, app: object, node: str = "web.0", **more: object) -> Answer:
        """
        Create a process.
        """
        document = {**CREATE, "app": app, "node": node, **more}
        return self.ask_with(SHOP, "POST", "/create-process", document)

    def test_ours(self) -> None:
        """
        One of an own app is created, or is there already.
        """
        answer = self.create("shop")
        self.assertEqual(answer.status, 201)
        location = answer.header("location")
        self.assertEqual(location, "http://127.0.0.1:8080/process-status/shop.web.0")
        self.assertEqual(self.create("shop").json()["code"], "slug-in-use")
        self.assertEqual(self.create("shop", "bank.echo.0").status, 201)

    def test_others(self) -> None:
        """
        One of another is not, and nobody is told whether there is one of that slug.
        """
        before = self.state()
        for app in ("bank", "none", "Shop", "shop2", "sho", "xshop", "default"):
            bodies = set()
            for node in ("echo.0", "none.0"):
                answer = self.create(app, node)
                self.assertEqual(
                    (answer.status, answer.json()["code"]), (403, "forbidden-scope")
                )
                self.assertIsNone(answer.header("location"))
                bodies.add(answer.body)
            self.assertEqual(len(bodies), 1)
        for name in (
            "shop.bank",
            "shop/../bank",
            "shop\n",
            "*",
            "",
            "\u0455hop",
            None,
            ["shop"],
        ):
            self.assertEqual(self.create(name).status, 400)
        twice = '{"app": "shop", "app": "bank", "node": "x.0", "process_type": "x"}'
        answer = self.ask_with(SHOP, "POST", "/create-process", twice)
        self.assertEqual(answer.status, 400)
        self.assertEqual(self.state(), before)

    def test_scaled(self) -> None:
        """
        The answer to a scale request has the app's own processes.
        """
        answer = self.ask_with(SHOP, "POST", "/scale-app/shop", {"echo": "+1"})
        slugs = [each["slug"] for each in answer.json()["processes"]]
        self.assertEqual(slugs, ["shop.echo.0", "shop.echo.1"])
        answer = self.ask_with(SHOP, "POST", "/scale-app/shop", {"bank": 1, "bank.echo": 2})
        self.assertEqual(answer.status, 400)
        self.assertEqual(self.slugs(BANK), ["bank.echo.0"])

    def test_full(self) -> None:
        """
        That there is no room is told, and not how much of it others have.
        """
        self.agent.most_processes = 3
        full = self.ask_with(SHOP, "POST", "/scale-app/shop", {"echo": 9})
        self.assertEqual((full.status, full.json()["code"]), (429, "too-many-processes"))
        said = "the agent has no room for so many processes"
        self.assertEqual(full.json()["detail"], said)
        self.create("shop")
        self.assertEqual(self.create("shop", "web.1").json()["detail"], said)
        whole = self.ask_with(ADMIN, "POST", "/scale-app/shop", {"echo": 9})
        self.assertIn("has 3", whole.json()["detail"])
        self.agent.most_processes = 1000
        ports = self.ask_with(SHOP, "POST", "/scale-app/shop", {"echo": 200})
        self.assertEqual((ports.json()["code"], ports.json()["detail"]), ("no-port", said))


class EventTests(AppsCase):
    """
    What happens.
    """

    def events(self, client: FeedClient) -> list[dict[str, Any]]:
        """
        What server-sent events told.
        """
        blocks = client.body().decode().split("\n\n")
        lines = [line for block in blocks for line in block.split("\n")]
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    def test_stream(self) -> None:
        """
        Neither events that were, nor those to come, nor topics tell of others.
        """
        for query in (
            *("?after=0", "?after=0&topic=*", "?after=0&topic=**", "?after=0&topic=proc.**"),
            *("?after=0&topic=proc.bank.echo.*", "?after=0&topic=proc.*.echo.0.spawn"),
            *("?topic=proc.bank.echo.0.start", "", "?app=bank", "?apps=*"),
        ):
            client = self.follow_with(SHOP, f"/events{query}", Accept="text/event-stream")
            self.assertTrue(client.head.startswith(b"HTTP/1.1 200 "), client.head)
            self.ask_with(ADMIN, "POST", "/restart-process/bank.echo.0", {})
            self.ask_with(ADMIN, "POST", "/restart-process/shop.echo.0", {})
            told = self.events(client)
            self.assertEqual({event.get("app") for event in told} - {"shop"}, set(), query)
            if "bank" not in query or "app=" in query:
                self.assertTrue(told, query)
            self.assertNotIn(b"bank", client.body())

    def test_socket(self) -> None:
        """
        A WebSocket tells no more.
        """
        client = FeedClient(self.clock, self.sites[Api.BOTH])
        token = {b"Authorization": f"Bearer {SHOP}".encode()}
        head = client.ask(get(b"/events?after=0", {**UPGRADE, **token}))
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        self.ask_with(ADMIN, "POST", "/restart-process/bank.echo.0", {})
        self.ask_with(ADMIN, "POST", "/restart-process/shop.echo.0", {})
        client.connection.flush()
        taken = bytes(client.connection.taken)
        self.assertNotIn(b"bank", taken)
        self.assertIn(b'"app":"shop"', taken.replace(b" ", b""))
