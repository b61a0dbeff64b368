"""
What somebody may do who was let in: scopes, and the apps that they may see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from smartmob.documents import State
from smartmob.events import Topic
from smartmob.web.routing import Route
from tests.support.httpwire import Wire
from tests.support.signing import ADMIN, READ, SHOP, WRITE, AccessCase, bearer

CREATE = {
    "app": "shop",
    "node": "web.1",
    "process_type": "web",
    "source_url": "http://127.0.0.1/a.tar.gz",
}

OTHERWISE = {
    "GET /ping": "none",
    "POST /sign-in": "none",
    "POST /sign-out": "read",
    "POST /tickets": "read",
    "POST /reload": "admin",
    "GET /plugins": "admin",
    "GET /webhooks": "admin",
}
"""What does not go by the method."""

WORDS = ("none", "read", "write", "admin")


class ScopeTests(AccessCase):
    """
    Scopes, by the table of routes.
    """

    def uses(self) -> Iterator[tuple[Route, str, str]]:
        """
        Each route, a method of it, and what that should need.
        """
        for route in self.site.gate.routes:
            for method in route.methods:
                usual = "read" if method == "GET" else "write"
                yield route, method, OTHERWISE.get(f"{method} {route.path}", usual)

    def test_all(self) -> None:
        """
        Each route is refused to those who may not use it, and to nobody else.
        """
        seen = set()
        for route, method, needed in self.uses():
            seen.add(f"{method} {route.path}")
            self.assertEqual(route.scope(method).word, needed, route)
            path = re.sub(r"<(?:path:)?app>", "shop", route.path)
            path = re.sub(r"<(?:path:)?\w+>", "shop.web.0", path)
            for word, token in zip(WORDS[1:], (READ, WRITE, ADMIN), strict=True):
                wire = Wire(self.site)
                wire.request(method, path, b"{" if method == "POST" else None, bearer(token))
                refused = wire.received().startswith(b"HTTP/1.1 403 ")
                enough = WORDS.index(word) >= WORDS.index(needed)
                self.assertEqual(refused, not enough, (method, path, word))
        self.assertEqual(set(OTHERWISE) - seen, set())

    def test_words(self) -> None:
        """
        Who is refused is told what is needed, and what there is.
        """
        answer = self.ask("POST", "/stop-process/shop.web.0", bearer(READ))
        self.assertRefused(answer, 403, "forbidden-scope")
        self.assertEqual(
            answer.json()["detail"], "POST needs the scope write, and this token has read"
        )

    def test_head(self) -> None:
        """
        HEAD is as GET, OPTIONS is for readers everywhere.
        """
        for path, status in (("/list-processes", 200), ("/plugins", 403)):
            self.assertEqual(self.ask("HEAD", path, bearer(READ)).status, status)
            self.assertEqual(self.ask("OPTIONS", path, bearer(READ)).status, 204)

    def test_input(self) -> None:
        """
        To type at a console is to write.
        """
        for token, query, status in (
            (READ, "", 101),
            (READ, "?stdin=0", 101),
            (READ, "?stdin=1", 403),
            (READ, "?stdin=0&stdin=1", 403),
            (WRITE, "?stdin=1", 101),
        ):
            wire = Wire(self.site)
            wire.request(
                "GET",
                f"/attach-console/shop.web.0{query}",
                None,
                bearer(token),
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            )
            self.assertEqual(wire.received().split()[1], b"%d" % status, (token, query))


class AppTests(AccessCase):
    """
    A token for certain apps.
    """

    def test_list(self) -> None:
        """
        Lists have what is of these apps, whatever else is asked for.
        """
        self.agent.add(app="shop-two")
        for query, slugs in (
            ("", ["shop.web.0", "shop-two.web.0"]),
            ("?app=*", ["shop.web.0", "shop-two.web.0"]),
            ("?app=blog", []),
            ("?app=blog&app=shop", ["shop.web.0"]),
            ("?node=web.*", ["shop.web.0", "shop-two.web.0"]),
        ):
            answer = self.ask("GET", f"/list-processes{query}", bearer(SHOP))
            self.assertEqual([each["slug"] for each in answer.json()["processes"]], slugs)
        answer = self.ask("GET", "/list-processes", bearer(READ))
        self.assertEqual(len(answer.json()["processes"]), 3)

    def test_others(self) -> None:
        """
        Others are answered as what does not exist, word for word.
        """
        for method, path in (
            ("GET", "/process-status/{slug}"),
            ("GET", "/process-stats/{slug}"),
            ("GET", "/process-logs/{slug}"),
            ("GET", "/process-logs/{slug}?follow=1"),
            ("GET", "/attach-console/{slug}"),
            ("GET", "/attach-console/{slug}?stdin=1"),
            ("HEAD", "/process-status/{slug}"),
            ("POST", "/start-process/{slug}"),
            ("POST", "/stop-process/{slug}"),
            ("POST", "/restart-process/{slug}"),
            ("POST", "/delete-process/{slug}"),
            ("POST", "/signal-process/{slug}"),
            ("POST", "/write-stdin/{slug}"),
            ("GET", "/app-logs/{app}"),
            ("GET", "/attach-app/{app}"),
            ("POST", "/delete-app/{app}"),
            ("POST", "/scale-app/{app}"),
        ):
            said = []
            for app in ("blog", "none"):
                target = path.format(slug=f"{app}.web.0", app=app)
                answer = self.ask(method, target, bearer(SHOP))
                self.assertEqual(answer.status, 404, target)
                said.append(answer.body.replace(app.encode(), b"APP"))
            self.assertEqual(said[0], said[1], path)
            if method != "HEAD":
                self.assertRegex(said[0], b'"unknown-(process|app)"')
        self.assertEqual(self.blog.asked, [])
        self.assertEqual(self.agent.scaled, [])

    def test_own(self) -> None:
        """
        Those of its own it may use.
        """
        for method, path, body, status in (
            ("GET", "/process-status/shop.web.0", None, 200),
            ("GET", "/process-logs/shop.web.0", None, 200),
            ("GET", "/app-logs/shop", None, 200),
            ("POST", "/stop-process/shop.web.0", {}, 200),
            ("POST", "/scale-app/shop", {"web": 2}, 200),
            ("POST", "/delete-app/shop", {}, 200),
        ):
            self.assertEqual(
                self.ask(method, path, bearer(SHOP), body=body).status, status, path
            )

    def test_encoded(self) -> None:
        """
        Another way to write a path makes no difference.
        """
        for path in ("/process-status/%62log.web.0", "/process-status/blog%2Eweb.0"):
            answer = self.ask("GET", path, bearer(SHOP))
            self.assertRefused(answer, 404, "unknown-process")

    def test_create(self) -> None:
        """
        One of another app can't be created.
        """
        answer = self.ask(
            "POST", "/create-process", bearer(SHOP), body={**CREATE, "app": "blog"}
        )
        self.assertRefused(answer, 403, "forbidden-scope")
        self.assertEqual(len(self.agent.by_slug), 2)
        answer = self.ask("POST", "/create-process", bearer(SHOP), body=CREATE)
        self.assertEqual(answer.status, 201)

    def test_agent(self) -> None:
        """
        What is about the agent itself is not for it, whatever its scope is.
        """
        for method, path in (("POST", "/reload"), ("GET", "/plugins"), ("GET", "/webhooks")):
            self.assertRefused(self.ask(method, path, bearer(SHOP)), 403, "forbidden-scope")

    def publish(self) -> None:
        """
        Two events, of an app each.
        """
        for process in (self.blog, self.shop):
            self.agent.events.publish(process.definition, Topic.CREATE)

    def test_events(self) -> None:
        """
        Events are those of these apps, kept ones as those to come, by whatever name they
        were asked for.
        """
        for query in (
            "",
            "&topic=create",
            "&topic=**",
            "&topic=.",
            "&topic=proc.**",
            "&topic=proc.blog.web.0.create&topic=proc.shop.web.0.create",
        ):
            self.publish()
            wire = Wire(self.site)
            wire.request("GET", f"/events?after=0{query}", None, bearer(SHOP))
            client = self.socket(f"/events?after=0{query}", bearer(SHOP))
            everybody = self.socket(f"/events?after=0{query}", bearer(READ))
            self.publish()
            apps = [each["app"] for each in client.documents()]
            self.assertEqual(set(apps), {"shop"}, query)
            streamed = re.findall(rb"^data: (.*)$", wire.received(), re.MULTILINE)
            self.assertEqual([json.loads(each)["app"] for each in streamed], apps)
            both = [each["app"] for each in everybody.documents()]
            self.assertEqual(both, ["blog", "shop"] * len(apps))

    def test_lines(self) -> None:
        """
        Lines are those of its own apps.
        """
        for process in (self.blog, self.shop):
            process.console.state(State.RUNNING, None)
            process.console.received("stdout", b"line of " + process.slug.encode() + b"\n", 1)
        answer = self.ask("GET", "/app-logs/shop", bearer(SHOP))
        self.assertIn(b"line of shop", answer.body)
        self.assertNotIn(b"blog", answer.body)
