"""
The system has no more descriptors or processes for the agent.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from urllib.parse import urlsplit

from tests.support.agent_process import AgentProcess
from tests.support.family import guardian_of
from tests.support.faulting import FaultTestCase
from tests.support.few_processes import FewProcesses
from tests.support.living import until
from tests.support.remote import Remote

DESCRIPTORS = 128


class DescriptorTests(FaultTestCase):
    """
    RLIMIT_NOFILE.
    """

    async def test_exhausted(self) -> None:
        """
        No more descriptors, for processes or connections: creates are refused with 503 and
        leave nothing, programs run on and are started again; later everything works again.
        """
        agent, remote = await self.start(files=(DESCRIPTORS, DESCRIPTORS))
        url = self.app()
        await remote.create(url, "kept", env=self.ledger.env)
        before = await remote.state("app.kept", "running")
        events = await remote.events(topic="spawn")
        created = await self.fill(remote, url)
        self.assertGreater(len(created), 3)
        for slug in created:
            await remote.state(slug, "running")
        for slug in created:
            await remote.post(f"/delete-process/{slug}")
        there = urlsplit(remote.base)
        address = (there.hostname, there.port)
        callers = [socket.create_connection(address) for _ in range(2 * DESCRIPTORS)]
        folder = f"/proc/{agent.pid}/fd"
        await until(lambda: len(os.listdir(folder)) > DESCRIPTORS - 30, "its taking them")
        self.assertEqual(await self.fill(remote, url), [])
        self.assertEqual(await remote.get("/process-status/app.kept"), before)
        await remote.post("/signal-process/app.kept", {"signal": "KILL"})
        again = await events.event("spawn", slug="app.kept")
        self.assertNotEqual(again["pid"], before["pid"])
        for caller in callers:
            caller.close()
        await until(lambda: len(os.listdir(folder)) < DESCRIPTORS // 2, "their end")
        await remote.create(url, "web.0", env=self.ledger.env)
        await remote.state("app.web.0", "running")
        listing = await remote.get("/list-processes")
        self.assertEqual(
            [(each["slug"], each["state"]) for each in listing["processes"]],
            [("app.kept", "running"), ("app.web.0", "running")],
        )
        await self.end(agent)

    async def fill(self, remote: Remote, url: str) -> list[str]:
        """
        Create processes until that is refused.

        @return: Their slugs.
        """
        created: list[str] = []
        while True:
            document = {
                "app": "app",
                "process_type": "web",
                "node": f"more.{len(created)}",
                "source_url": url,
                "env": self.ledger.env,
            }
            answer = await remote.post("/create-process", document, None)
            if "slug" not in answer:
                self.assertEqual(
                    (answer["status"], answer["code"]), (503, "out-of-descriptors")
                )
                return created
            created.append(answer["slug"])


class ForkTests(FaultTestCase):
    """
    fork(2) fails.
    """

    async def with_bound(self) -> tuple[AgentProcess, Remote, FewProcesses]:
        """
        An agent that can be kept from it.
        """
        few = FewProcesses(self)
        self.within = few.within
        return *await self.start(), few

    async def test_fails(self) -> None:
        """
        What can't be forked waits and says why, what runs runs on, and all comes up by itself
        once it may.
        """
        agent, remote, few = await self.with_bound()
        url = self.app()
        nodes = ["crashed", *(f"web.{number}" for number in range(3))]
        for node in "kept", *nodes:
            await remote.create(url, node, env=self.ledger.env)
            await remote.state(f"app.{node}", "running")
        for node in nodes[1:]:
            await remote.post(f"/stop-process/app.{node}")
        before = await remote.get("/process-status/app.kept")
        few.forbid(agent.pid)
        await remote.post("/signal-process/app.crashed", {"signal": "KILL"})
        for node in nodes[1:]:
            await remote.post(f"/start-process/app.{node}")
        for node in nodes:
            await self.waits(remote, f"app.{node}", "Resource temporarily unavailable")
        self.assertEqual(await remote.get("/process-status/app.kept"), before)
        few.permit(agent.pid)
        for node in nodes:
            await remote.state(f"app.{node}", "running")
        self.assertEqual(await remote.get("/process-status/app.kept"), before)
        await self.end(agent)

    async def waits(self, remote: Remote, slug: str, why: str) -> None:
        """
        See a process wait, for this reason: of those that are found one after the other.
        """
        console = await remote.attach(slug, format="json")
        document = await remote.get(f"/process-status/{slug}")
        while document["state"] != "backoff" or why not in document["reason"]:
            document = await console.event("state")
        await console.leave()

    async def test_at_first(self) -> None:
        """
        The first create of an agent that may start nothing, not even a thread, is refused, or
        waits; the next one is taken when it may.
        """
        agent, remote, few = await self.with_bound()
        few.forbid(agent.pid)
        url = self.app()
        document = {"app": "app", "process_type": "web", "node": "web.0", "source_url": url}
        answer = await remote.ask("POST", "/create-process", json.dumps(document).encode())
        self.assertIn(answer.status, (201, 503, 507), answer.body)
        few.permit(agent.pid)
        if answer.status == 201:
            await remote.state("app.web.0", "running")
        await remote.create(url, "web.1", env=self.ledger.env)
        await remote.state("app.web.1", "running")
        await self.end(agent)

    async def test_guardian(self) -> None:
        """
        The guardian is killed where there can be no other: the agent answers, and all run
        again once there can.
        """
        agent, remote, few = await self.with_bound()
        url = self.app()
        slugs = [f"app.web.{number}" for number in range(5)]
        for slug in slugs:
            await remote.create(url, slug.removeprefix("app."), env=self.ledger.env)
        for slug in slugs:
            await remote.state(slug, "running")
        guardian = await guardian_of(agent.pid)
        few.forbid(agent.pid)
        os.kill(guardian, signal.SIGKILL)
        await agent.hears(lambda: b"no guardian can be started" in agent.err, "complaint")
        for slug in slugs:
            document = await remote.state(slug, "starting", "backoff")
            self.assertIsNone(document["pid"])
        few.permit(agent.pid)
        for slug in slugs:
            await remote.state(slug, "running")
        await self.end(agent)
