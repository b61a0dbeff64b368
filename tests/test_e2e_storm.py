"""
SIGKILL while much is under way.
"""

from __future__ import annotations

import os
import random
import signal

from twisted.internet.defer import Deferred, DeferredList, gatherResults

from tests.support.agent_process import AgentTestCase
from tests.support.applications import application
from tests.support.living import children, name, stat_of, until

GUARDIAN = "smartmob-guard"
REAPER = "smartmob-reaper"

STORMS = int(os.environ.get("SMARTMOB_STORMS", "3"))
"""How often an agent is killed in the middle of starting programs."""


class StormTests(AgentTestCase):
    """
    SIGKILL while much is under way.
    """

    async def test_agent_killed_while_starting(self) -> None:
        """
        An agent is killed in the middle of starting fifty programs, again and again:
        each time nothing is left.
        """
        url = self.origin.serve("/a", application("web: sleep 1000 & exec sleep 1000"))
        for storm in range(STORMS):
            chance = random.Random(storm)  # each storm at another moment
            enough = chance.randrange(2, 150)
            agent, remote = await self.start()
            creates = [
                Deferred.fromCoroutine(remote.create(url, f"web.{number}"))
                for number in range(50)
            ]
            await until(lambda: len(agent.below()) >= enough, "programs")  # noqa: B023 - at once
            os.kill(agent.pid, signal.SIGKILL)
            await agent.nothing_left()
            await DeferredList(creates, consumeErrors=True)
            await remote.close()
            await agent.end()

    async def test_guardian_killed_while_starting(self) -> None:
        """
        A guardian is killed in the middle of starting fifty programs: all of them run
        in the end, once each.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/a", application("web: exec sleep 1000"))
        creates = [
            Deferred.fromCoroutine(remote.create(url, f"web.{number}")) for number in range(50)
        ]
        for storm in range(STORMS):
            enough = random.Random(storm).randrange(2, 60)
            guardian = await self.guardian(agent.pid)
            await until(lambda: len(agent.below()) >= enough, "programs")  # noqa: B023 - at once
            os.kill(guardian, signal.SIGKILL)
            await until(lambda: not stat_of(guardian), "its end")  # noqa: B023 - at once
        await gatherResults(creates)
        pids = set()
        for number in range(50):
            document = await remote.state(f"app.web.{number}", "running")
            pids.add(document["pid"])
        programs = {pid for pid in agent.below() if name(pid) == "sleep"}
        self.assertEqual(programs, pids)
        await remote.post("/delete-app/app")
        self.assertEqual([pid for pid in agent.below() if name(pid) == "sleep"], [])

    async def guardian(self, agent: int) -> int:
        """
        The guardian of an agent, once it has its name.
        """
        found: list[int] = []

        def look() -> list[int]:
            found[:] = [pid for pid in children(agent) if name(pid) == GUARDIAN]
            return found

        await until(look, "a guardian")
        [guardian] = found
        return guardian

    async def test_reapers_killed(self) -> None:
        """
        All reapers are killed at once: their programs run again, once each.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/a", application("web: echo up; exec sleep 1000"))
        consoles = []
        for number in range(20):
            await remote.create(url, f"web.{number}")
            consoles.append(await remote.attach(f"app.web.{number}", tail=1))
        for console in consoles:
            await console.line("up")
        for pid in agent.below():
            if name(pid) == REAPER:
                os.kill(pid, signal.SIGKILL)
        for console in consoles:
            await console.line("up")
        listing = await remote.get("/list-processes")
        pids = {each["pid"] for each in listing["processes"]}
        self.assertEqual({each["restarts"] for each in listing["processes"]}, {1})
        self.assertEqual({pid for pid in agent.below() if name(pid) == "sleep"}, pids)
