"""
An agent that is killed, and the next one on its folder: all is as it was.
"""

from __future__ import annotations

import os
import shutil
import signal
from typing import Any

from smartmob.resumption import AT_ONCE
from tests.support.agent_process import AgentProcess
from tests.support.applications import PYTHON, application
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.http_origin import Exchange
from tests.support.living import until
from tests.support.remote import Document, Remote

SAYS = """
import sys
print("up", flush=True)
sys.stdin.readline()
print("bye")
sys.exit(3)
"""
"""A program that ends when it is told a line."""

LASTING = (
    *("slug", "created_at", "port", "restarts", "last_exit", "last_exits", "labels"),
    *("app", "node", "process_type", "source_url"),
)
"""What of a document outlives an agent."""


class RestoreTests(ConfiguredTestCase):
    """
    One agent after the other.
    """

    def setUp(self) -> None:
        """
        Pack a program.
        """
        super().setUp()
        self.packed = application(f"web: exec {PYTHON} main.py", main=SAYS)
        self.url = self.origin.serve("/a.tar.gz", self.packed)

    async def kill(self, agent: AgentProcess) -> None:
        """
        Kill the agent, and wait until all that it ran is gone.
        """
        os.kill(agent.pid, signal.SIGKILL)
        self.assertEqual(await agent.exit(), -signal.SIGKILL)
        await agent.nothing_left()

    async def lasting(self, remote: Remote) -> dict[str, Document]:
        """
        What is to be the same, by slugs, in the order of the listing.
        """
        listing = (await remote.get("/list-processes"))["processes"]
        found = {}
        for each in listing:
            document = await remote.get(f"/process-status/{each['slug']}")
            found[each["slug"]] = {name: document.get(name) for name in LASTING}
        return found

    async def again(self, *options: str, **more: Any) -> tuple[AgentProcess, Remote]:
        """
        Another agent, with the file as it is.
        """
        agent = self.spawn_agent("-c", str(self.file), *options, bind=(), **more)
        [url] = await agent.listens()
        return agent, self.remote(url)

    async def test_killed(self) -> None:
        """
        Ages, ports, counts, exits and numbers of events go on; who was stopped stays so; what
        was scaled too; a release needs no server; those of the file come by priority.
        """
        self.write(
            section("late", priority=2),
            section("early", priority=1),
            section("odd", priority=3),
        )
        agent, remote = await self.again()
        for node in ("web.0", "web.1"):
            await remote.create(self.url, node, redirect_input=True, labels={"a": "b"})
            await remote.state(f"app.{node}", "running")
        console = await remote.events(after=0)
        await console.event("spawn", slug="app.web.1")
        for _ in range(2):
            await remote.post("/write-stdin/app.web.0", {"data": "x\n"})
            await console.event("spawn", slug="app.web.0")
        await remote.post("/stop-process/app.web.1")
        await remote.post("/stop-process/default.odd.0")
        await remote.post("/scale-app/default", {"late": 2})
        await remote.state("default.late.1", "running")
        before = await self.lasting(remote)
        self.assertEqual(before["app.web.0"]["last_exits"][0]["lines"], ["up", "bye"])
        self.assertEqual(before["app.web.0"]["restarts"], 2)
        last = (await console.event("spawn", slug="default.late.1"))["id"]
        await console.leave()
        await self.kill(agent)
        await self.origin.stop()

        agent, remote = await self.again()
        console = await remote.events(after=last)
        for slug in ("app.web.0", "default.early.0", "default.late.0", "default.late.1"):
            await remote.state(slug, "running")
        self.assertEqual(list(before), list(await self.lasting(remote)))
        self.assertEqual(await self.lasting(remote), before)
        for slug in ("app.web.1", "default.odd.0"):
            self.assertEqual((await remote.get(f"/process-status/{slug}"))["state"], "stopped")
        ids, order = [last], list[str]()
        while len(order) < 4:
            event = await console.document()
            ids.append(event["id"])
            if event["event"] == "start":
                order.append(event["slug"])
        self.assertEqual(ids, list(range(last, last + len(ids))))
        configured = ["default.early.0", "default.late.0", "default.late.1"]
        self.assertEqual(order, [*configured, "app.web.0"])
        await remote.post("/start-process/app.web.1")
        await remote.state("app.web.1", "running")
        await console.leave()
        await self.kill(agent)

    async def test_fewAtATime(self) -> None:
        """
        Where releases are lost they are downloaded again, a few at a time; the agent answers
        meanwhile.
        """
        self.write()
        agent, remote = await self.again()
        nodes = [f"web.{number}" for number in range(2 * AT_ONCE + 2)]
        for node in nodes:
            await remote.create(self.origin.serve(f"/{node}", self.packed), node)
        for node in nodes:
            await remote.state(f"app.{node}", "running")
        await self.kill(agent)
        shutil.rmtree(self.state / "releases")
        held: list[Exchange] = []
        for node in nodes:
            self.origin.script(f"/{node}", held.append)
        agent, remote = await self.again()
        await until(lambda: len(held) == AT_ONCE, "downloads")
        listing = (await remote.get("/list-processes"))["processes"]
        states = [each["state"] for each in listing]
        self.assertEqual(
            states, ["downloading"] * AT_ONCE + ["pending"] * (len(nodes) - AT_ONCE)
        )
        for number in range(len(nodes)):
            await self.asked(held, number)
            self.assertLessEqual(len(held), number + AT_ONCE)
            held[number].answer(self.packed)
            # They are set going in order, and ask in any.
            await remote.state(f"app.{held[number].path.strip('/')}", "running")
        await self.kill(agent)

    async def asked(self, held: list[Exchange], number: int) -> None:
        """
        Wait until there is another download.
        """
        await until(lambda: len(held) > number, "a download")

    async def test_noResume(self) -> None:
        """
        Without resuming there is what the file says; all else is as it was for the next one.
        """
        self.write(section("one"))
        agent, remote = await self.again()
        await remote.create(self.url, redirect_input=True)
        await remote.state("app.web.0", "running")
        await remote.post("/stop-process/default.one.0")
        before = await self.lasting(remote)
        await self.kill(agent)
        files = self.files()
        agent, remote = await self.again("--no-resume")
        await remote.state("default.one.0", "running")
        self.assertEqual(list(await self.lasting(remote)), ["default.one.0"])
        document = {"app": "app", "node": "web.0", "process_type": "web"}
        answer = await remote.post("/create-process", {**document, "source_url": self.url}, 409)
        self.assertIn("was not restored (--no-resume)", answer["detail"])
        await self.kill(agent)
        self.assertEqual(self.files(), files)
        await self.origin.stop()
        agent, remote = await self.again()
        await remote.state("app.web.0", "running")
        after = await self.lasting(remote)
        self.assertEqual(after["app.web.0"], before["app.web.0"])
        self.assertEqual(
            (await remote.get("/process-status/default.one.0"))["state"], "stopped"
        )
        await self.kill(agent)
