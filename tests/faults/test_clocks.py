"""
Somebody sets the clock.
"""

from __future__ import annotations

import calendar
import sys
import time
from typing import Any

from tests.support.agent_process import AgentProcess
from tests.support.console_client import Console
from tests.support.faulting import FaultTestCase, often
from tests.support.remote import Remote
from tests.support.stepped_clock import SteppedClock

HOUR = 3600

ROUNDS = often(1, 5)

DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(1000)"

EVEN = {"attempts": 3, "window": 5, "retry_in": 1, "max_retry": -1}
"""Three ends within five seconds are one pause of a second."""


def seconds_of(text: str) -> float:
    """
    A time as documents have it, in seconds since the epoch.
    """
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


class StepTests(FaultTestCase):
    """
    The wall clock is set back an hour, and forward.
    """

    def setUp(self) -> None:
        """
        Have a clock.
        """
        super().setUp()
        self.clock = SteppedClock(self.folder)
        self.offset = 0

    def step(self, seconds: int) -> None:
        """
        Set it, from what it is now.
        """
        self.offset += seconds
        self.clock.set(self.offset)

    async def started(self) -> tuple[AgentProcess, Remote]:
        """
        An agent that goes by it.
        """
        return await self.start(env=self.clock.env)

    async def spawned(self, events: Console, slug: str) -> dict[str, Any]:
        """
        The next start of a program.
        """
        return await events.event("spawn", slug=slug)

    async def test_timers(self) -> None:
        """
        Back-off and grace take as long as they should, whatever the clock says meanwhile, and
        so does what is told of them.
        """
        agent, remote = await self.started()
        deaf = self.app(f"web: exec {sys.executable} -u -S main.py", "/deaf", main=DEAF)
        crash = self.app("web: exit 1", "/crash")
        for turn in range(2 * ROUNDS):
            seconds = HOUR if turn % 2 else -HOUR
            events = await remote.events(topic="**")
            await remote.create(deaf, "deaf", graceful_timeout=1)
            console = await remote.attach("app.deaf", tail=1)
            await console.line("up")
            await remote.create(crash, "crash")
            for _ in range(4):  # then it waits 0.4 s
                await self.spawned(events, "app.crash")
            await remote.state("app.crash", "backoff")
            self.step(seconds)
            began = time.monotonic()
            await self.spawned(events, "app.crash")
            self.assertLess(time.monotonic() - began, HOUR / 60)
            await remote.state("app.crash", "backoff")  # 0.8 s
            began = time.monotonic()
            self.step(-seconds)
            stopping = remote.post("/stop-process/app.deaf")
            self.step(seconds)
            document = await stopping
            took = time.monotonic() - began
            self.assertGreater(took, 0.9)
            self.assertLess(took, HOUR / 60)
            last = document["last_exit"]
            self.assertEqual(last["signal"], "KILL")
            self.assertGreater(last["ran_seconds"], 0)
            self.assertLess(last["ran_seconds"], HOUR / 2)
            await remote.post("/delete-app/app")
            await events.leave()
        await self.end(agent)

    async def test_told(self) -> None:
        """
        Times are those of the wall clock as it is then; what lasted some time lasted that, and
        numbers of events go on by one.
        """
        agent, remote = await self.started()
        await remote.create(self.app(), "web.0", env=self.ledger.env)
        document = await remote.state("app.web.0", "running")
        stats = await remote.get("/process-stats/app.web.0")
        for seconds in (-HOUR, 2 * HOUR, -HOUR):
            self.step(seconds)
            again = await remote.get("/process-status/app.web.0")
            self.assertEqual(again, document)
            now = await remote.get("/process-stats/app.web.0")
            self.assertEqual(now["started_at"], stats["started_at"])
            self.assertGreaterEqual(now["cpu_percent"], 0)
            self.assertLess(now["cpu_percent"], 200)
            document = await remote.post("/restart-process/app.web.0")
            document = await remote.state("app.web.0", "running")
            stats = await remote.get("/process-stats/app.web.0")
            for said in (document["started_at"], document["last_exit"]["at"]):
                self.assertLess(abs(seconds_of(said) - time.time() - self.offset), HOUR / 2)
            ran = document["last_exit"]["ran_seconds"]
            self.assertGreaterEqual(ran, 0)
            self.assertLess(ran, HOUR / 2)
        events = await remote.events(after=0, topic="**")
        ids: list[int] = []
        while not ids or ids[-1] < 20:
            ids.append((await events.document())["id"])
        self.assertEqual(ids, list(range(1, 21)))
        await self.end(agent)

    async def test_flapping(self) -> None:
        """
        Ends are as far apart as they were, also where the clock is set between them.
        """
        agent, remote = await self.started()
        await remote.create(self.app("web: exec sleep 1000"), "web.0", flapping=EVEN)
        events = await remote.events(topic="**", after=0)
        for seconds in (HOUR, -HOUR, HOUR)[: EVEN["attempts"]]:
            await events.event("spawn", slug="app.web.0")
            await remote.state("app.web.0", "running")
            self.step(seconds)
            await remote.post("/signal-process/app.web.0", {"signal": "KILL"})
        await events.event("flap", slug="app.web.0")
        began = time.monotonic()
        self.step(-HOUR)
        await events.event("spawn", slug="app.web.0")
        self.assertLess(time.monotonic() - began, HOUR / 60)
        await self.end(agent)

    async def test_readers(self) -> None:
        """
        Nobody who is connected is cut off: not who listens, nor who is about to ask more.
        """
        agent, remote = await self.started()
        await remote.create(self.app("web: echo up; cat; echo over"), redirect_input=True)
        console = await remote.attach(tail=1)
        await console.line("up")
        followed = await remote.follow("/events?after=0", "text/event-stream")
        waiting = remote.follow("/process-logs/app.web.0?follow=1")
        lines = await waiting
        for seconds in (HOUR, -2 * HOUR, HOUR):
            self.step(seconds)
            data = {"data": f"{seconds}\n"}
            await remote.post("/write-stdin/app.web.0", data)
            await console.line(str(seconds))
            await lines.has(b"%d\n" % seconds)
        self.assertFalse(console.closed.called)
        self.assertFalse(lines.over)
        self.assertFalse(followed.over)
        await self.end(agent)
