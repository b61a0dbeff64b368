"""
Events of real programs.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from tests.support.agent_process import AgentTestCase
from tests.support.applications import application


class EventTests(AgentTestCase):
    """
    An agent, a program, and two who want to know what happens to it.
    """

    async def test_life(self) -> None:
        """
        A life is told from its create to its delete, over a WebSocket and as server-sent
        events alike, with the pids that the programs had.
        """
        agent, remote = await self.start()
        index = await remote.get("/")
        self.assertEqual(index["events"], f"{remote.url}/events")
        socket = await remote.events()
        stream = await remote.follow("/events?topic=proc.app.**")
        url = self.origin.serve("/app.tar.gz", application("web: exec sleep 1000"))
        await remote.create(url)
        told: list[dict[str, Any]] = []

        async def hear(*topics: str) -> None:
            for topic in topics:
                told.append(await socket.document())
                self.assertEqual(told[-1]["event"], topic)

        await hear("create", "start", "spawn")
        first = told[-1]["pid"]
        self.assertEqual(first, (await remote.get("/process-status/app.web.0"))["pid"])
        os.kill(first, signal.SIGKILL)
        await hear("exit", "reap", "spawn")
        second = told[-1]["pid"]
        await remote.post("/delete-process/app.web.0")
        await hear("stop_pid", "exit", "reap", "stop", "delete")
        self.assertEqual([event["id"] for event in told], list(range(1, 12)))
        self.assertEqual(
            [event["os_pid"] for event in told if "os_pid" in event],
            [first] * 3 + [second] * 4,
        )
        ends = [
            (event["exit_status"], event["term_signal"])
            for event in told
            if event["event"] == "exit"
        ]
        self.assertEqual(ends, [(0, signal.SIGKILL), (0, signal.SIGTERM)])
        self.assertEqual({event["slug"] for event in told}, {"app.web.0"})
        self.assertEqual({event["name"] for event in told}, {"app:web"})

        await stream.has(b'"event":"delete"')
        blocks = stream.body.decode().split("\n\n")[: len(told)]
        self.assertEqual(
            [block.split("\n", 1) for block in blocks],
            [
                [f"id: {event['id']}", f"data: {json.dumps(event, separators=(',', ':'))}"]
                for event in told
            ],
        )
        late = await remote.events(after=9, topic="proc.*.*.delete")
        self.assertEqual(await late.document(), told[-1])

        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual((await socket.closed)[0], 1001)
        await stream.end()
        self.assertEqual(await agent.exit(), 0)

    async def test_agent_ends(self) -> None:
        """
        What the agent's end does to programs is told before the connection is closed.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", application("web: exec sleep 1000"))
        await remote.create(url)
        await remote.state("app.web.0", "running")
        socket = await remote.events(after=0)
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual((await socket.closed)[0], 1001)
        topics = [json.loads(text)["event"] for text in socket.texts]
        self.assertEqual(topics, ["create", "start", "spawn", "stop_pid", "exit", "reap"])
        self.assertEqual(await agent.exit(), 0)
