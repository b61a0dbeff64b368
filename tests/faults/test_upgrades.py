"""
Another version is installed under a running agent, and then started.
"""

from __future__ import annotations

import os
import signal

from tests.support.exchanging import Installation
from tests.support.family import guardian_of
from tests.support.faulting import FaultTestCase

PATHS = (
    "/",
    "/list-processes",
    "/metrics",
    "/openapi.json",
    "/plugins",
    "/webhooks",
    "/app-logs/app",
    "/process-stats/app.web.0",
    "/process-logs/app.web.0?format=json",
)


class UpgradeTests(FaultTestCase):
    """
    The package is exchanged as an installer does that: files go, others take their place.
    """

    async def test_exchanged(self) -> None:
        """
        The agent goes on as what it is, in all that it does, though it has imported little of
        it yet; programs run on, and the next agent has all of them.
        """
        installed = Installation(self.folder)
        agent, remote = await self.start(env=installed.env)
        await remote.ask("GET", "/ping")
        installed.exchange()
        url = self.app()
        await remote.create(url, env=self.ledger.env)
        before = await remote.state("app.web.0", "running")
        for path in PATHS:
            answer = await remote.ask("GET", path)
            self.assertEqual(answer.status, 200, (path, answer.body))
        events = await remote.events(after=0, topic="spawn")
        await events.event("spawn", slug="app.web.0")
        stream = await remote.follow("/events?after=0", "text/event-stream")
        await stream.has(b"spawn")
        console = await remote.attach_app("app", tail=1)
        await console.line("web.0 | up")
        await remote.post("/scale-app/app", {"web": 2})
        await remote.state("app.web.1", "running")
        os.kill(await guardian_of(agent.pid), signal.SIGKILL)
        await events.event("spawn", slug="app.web.0")
        after = await remote.state("app.web.0", "running")
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertIn("smartmob was installed anew", agent.err.decode())
        await self.end(agent)
        installed.restore()
        agent, remote = await self.start(env=installed.env)
        for number in range(2):
            document = await remote.state(f"app.web.{number}", "running")
            self.assertEqual(self.ledger.starts(f"app.web.{number}")[-1][0], document["pid"])
        document = await remote.get("/process-status/app.web.0")
        self.assertEqual(document["created_at"], before["created_at"])
        self.assertEqual(document["port"], before["port"])
        await self.end(agent)
