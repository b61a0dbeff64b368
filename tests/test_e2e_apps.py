"""
The console of an app, with real programs that come and go.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict

from tests.support.agent_process import AgentTestCase
from tests.support.applications import application
from tests.support.console_client import Console
from tests.support.remote import Document, Remote

LINES = 20_000
"""What each of several programs says at the same time."""


class AppTestCase(AgentTestCase):
    """
    An agent with an app whose programs say what they are told.
    """

    async def speaks(self) -> Remote:
        """
        Have two of them run.
        """
        self.agent, self.client = await self.start()
        self.url = self.origin.serve("/app", application("web: cat\nworker: cat"))
        await self.client.create(self.url, redirect_input=True)
        await self.client.create(
            self.url, "worker.0", process_type="worker", redirect_input=True
        )
        for slug in ("app.web.0", "app.worker.0"):
            await self.client.state(slug, "running")
        return self.client

    async def say(self, slug: str, text: str) -> None:
        """
        Have a program that runs say this.
        """
        await self.client.post(f"/write-stdin/{slug}", {"data": f"{text}\n"})

    async def told(self, console: Console, number: int, **members: object) -> list[Document]:
        """
        What comes until so many documents with these members have come.
        """
        found: list[Document] = []
        while number:
            found.append(await console.document())
            number -= members.items() <= found[-1].items()
        return found


class LifeTests(AppTestCase):
    """
    An app's life, as its readers see it.
    """

    async def test_life(self) -> None:
        """
        One stream goes on while processes are scaled, restarted, deployed anew and
        all deleted, and ends with the agent.
        """
        remote = await self.speaks()
        plain = await remote.attach_app()
        heroku = await remote.attach_app(format="heroku", node="worker.*")
        told = await remote.attach_app(format="json")
        logs = await remote.follow("/app-logs/app?follow=1")
        attached = [await told.document() for _ in range(2)]
        self.assertEqual(
            [(d["event"], d["node"], d["state"]) for d in attached],
            [("attached", "web.0", "running"), ("attached", "worker.0", "running")],
        )
        await self.say("app.web.0", "one")
        self.assertEqual(await plain.next(), "web.0 | one")
        await self.say("app.worker.0", "two")
        self.assertEqual(await plain.next(), "worker.0 | two")
        self.assertRegex(
            await heroku.next(),
            r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 app\[worker\.0\]: two$",
        )

        await remote.post("/scale-app/app", {"web": 3})
        await self.told(told, 2, event="started")
        await self.say("app.web.2", "three")
        self.assertEqual(await plain.next(), "web.2 | three")
        await remote.post("/scale-app/app", {"web": 1})
        await self.told(told, 2, event="deleted")
        await remote.post("/restart-process/app.web.0")
        events = await self.told(told, 1, event="started")
        self.assertEqual({d["node"] for d in events}, {"web.0"})
        self.assertIn("exited", [d["event"] for d in events])
        await self.say("app.web.0", "four")
        self.assertEqual(await plain.next(), "web.0 | four")

        for slug in ("app.web.0", "app.worker.0"):
            await remote.post(f"/delete-process/{slug}")
        self.assertEqual((await remote.ask("GET", "/app-logs/app")).status, 404)
        url = self.origin.serve("/new", application("web: echo new; exec cat"))
        await remote.create(url)
        self.assertEqual(await plain.next(), "web.0 | new")
        events = await self.told(told, 1, line="new")
        self.assertEqual(events[-1]["seq"], 1)
        self.assertIn("attached", [d.get("event") for d in events])
        await logs.has(b"web.0 | new\n")
        self.assertEqual(
            logs.body.decode().splitlines(),
            ["web.0 | one", "worker.0 | two", "web.2 | three", "web.0 | four", "web.0 | new"],
        )

        os.kill(self.agent.pid, signal.SIGTERM)
        for console in (plain, heroku, told):
            self.assertEqual(await console.closed, (1001, "the agent ends"))
        await logs.end()
        self.assertEqual(await self.agent.exit(), 0)

    async def test_failure(self) -> None:
        """
        Why a process of the app could not be started is in the stream.
        """
        remote = await self.speaks()
        plain = await remote.attach_app()
        await remote.create(self.origin.serve("/none", b"", code=404), "web.1")
        self.assertTrue((await plain.next()).startswith("web.1 | smartmob: "))


class ManyTests(AppTestCase):
    """
    Several programs that speak at the same time.
    """

    async def test_all_lines(self) -> None:
        """
        Each line of each program comes once, in its program's order, and is kept.
        """
        remote = await self.speaks()
        told = await remote.attach_app(format="json", node="many.*")
        plain = await remote.attach_app(node="many.*")
        url = self.origin.serve("/many", application(f"web: seq {LINES}"))
        nodes = [f"many.{number}" for number in range(4)]
        for node in nodes:
            await remote.create(url, node, restart="never", output="block")
        lines: dict[str, list[str]] = defaultdict(list)
        numbers: dict[str, list[int]] = defaultdict(list)
        for document in await self.told(told, len(nodes), event="exited"):
            self.assertNotEqual(document.get("event"), "dropped")
            if "line" in document:
                lines[document["node"]].append(document["line"])
                numbers[document["node"]].append(document["seq"])
        expected = [str(number) for number in range(1, LINES + 1)]
        for node in nodes:
            self.assertEqual(lines[node], expected)
            self.assertEqual(numbers[node], list(range(1, LINES + 1)))
        again: dict[str, list[str]] = defaultdict(list)
        for _ in range(LINES * len(nodes)):
            node, _, line = (await plain.next()).partition(" | ")
            again[node].append(line)
        self.assertEqual(again, lines)
        kept = await remote.ask("GET", "/app-logs/app?node=many.*&format=heroku")
        self.assertEqual(len(kept.body.splitlines()), 1000 * len(nodes))
        tail = await remote.ask("GET", "/app-logs/app?node=many.*&tail=10")
        self.assertEqual(len(tail.body.splitlines()), 10)
