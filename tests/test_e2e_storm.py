"""
SIGKILL while much is under way.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable

from twisted.internet.defer import Deferred, DeferredList, gatherResults

from tests.support.agent_process import AgentProcess, AgentTestCase
from tests.support.applications import application, archive
from tests.support.family import GUARDIAN, REAPER, guardian_of
from tests.support.living import children, name, stat_of, until

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
            guardian = await guardian_of(agent.pid)
            await until(lambda: len(agent.below()) >= enough, "programs")  # noqa: B023 - at once
            os.kill(guardian, signal.SIGKILL)
            await until(lambda: not stat_of(guardian), "its end")  # noqa: B023 - at once
        await gatherResults(creates)
        pids = set()
        for number in range(50):
            document = await remote.state(f"app.web.{number}", "running")
            pids.add(document["pid"])
        await self.are_asleep(agent, pids)
        await remote.post("/delete-app/app")
        self.assertEqual([pid for pid in agent.below() if name(pid) == "sleep"], [])

    async def are_asleep(self, agent: AgentProcess, pids: set[int]) -> None:
        """
        These programs run, and no others: a shell that was executed, or has said its word,
        is about to become C{sleep}.
        """

        def asleep() -> bool:
            return {pid for pid in agent.below() if name(pid) == "sleep"} == pids

        await until(asleep, "these programs and no others")

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
        await self.are_asleep(agent, pids)

    async def test_agent_ended_while_starting(self) -> None:
        """
        An agent is told to end in the middle of starting fifty programs: it exits with
        0, and nothing is left.
        """
        url = self.origin.serve("/a", application("web: sleep 1000 & exec sleep 1000"))
        for storm in range(STORMS):
            enough = random.Random(storm).randrange(2, 150)
            agent, remote = await self.start()
            creates = [
                Deferred.fromCoroutine(remote.create(url, f"web.{number}"))
                for number in range(50)
            ]
            await until(lambda: len(agent.below()) >= enough, "programs")  # noqa: B023 - at once
            os.kill(agent.pid, signal.SIGTERM)
            self.assertEqual(await agent.exit(), 0, agent.err)
            self.assertEqual(agent.below(), [])
            await DeferredList(creates, consumeErrors=True)
            await remote.close()
            await agent.end()

    async def test_agent_ended_while_coming_up(self) -> None:
        """
        An agent is told to end before it listens: it ends, and nothing is left.
        """
        moments: list[Callable[[AgentProcess], object]] = [
            lambda agent: agent.pid,
            lambda agent: self.state.exists(),
            lambda agent: (self.state / "lock").exists(),
            lambda agent: len(agent.below()) > 1,
            lambda agent: (self.state / "releases").exists(),
        ]
        rows = [(signal.SIGTERM, moment) for moment in moments]
        rows += [(signal.SIGINT, moment) for moment in moments[1:]]
        for number, moment in rows:
            agent = self.spawn_agent()
            await until(lambda: moment(agent), "its moment")  # noqa: B023 - at once
            os.kill(agent.pid, number)
            self.assertIn(await agent.exit(), (0, -number), agent.err)
            await agent.nothing_left()
            await agent.says_no_more()
            self.assertNotIn(b"Traceback", agent.err)
            shutil.rmtree(self.state, ignore_errors=True)

    async def test_helpers_killed_while_stopping(self) -> None:
        """
        The guardian, or a reaper, is killed while programs use their grace: they are
        gone with it, and who waits for that is answered.
        """
        agent, remote = await self.start()
        script = "trap '' TERM; echo up; while :; do sleep 1000; done"
        url = self.origin.serve("/a", application(f"web: {script}"))
        for victim in (REAPER, GUARDIAN):
            await remote.create(url, graceful_timeout=3000)
            console = await remote.attach(tail=1)
            await console.line("up")
            deleted = Deferred.fromCoroutine(remote.post("/delete-process/app.web.0"))
            await remote.state("app.web.0", "stopping")
            [pid] = [
                pid
                for pid in agent.below()
                if name(pid) == victim
                and (victim == GUARDIAN or any(name(each) == "sh" for each in children(pid)))
            ]
            os.kill(pid, signal.SIGKILL)
            self.assertEqual(await deleted, {})
            await until(lambda: not stat_of(pid), "its end")  # noqa: B023 - at once
            await agent.alone()
            self.assertEqual(self.files(), [])

    async def test_guardian_killed_while_unpacking(self) -> None:
        """
        The guardian is killed while an archive is unpacked: the app runs in the end.
        """
        agent, remote = await self.start()
        many: dict[str, str | bytes] = {f"files/{number}": "" for number in range(10_000)}
        url = self.origin.serve(
            "/many", archive({"Procfile": "web: ls files | wc -l; exec sleep 1000", **many})
        )
        await remote.create(url)
        await until(lambda: len(self.files()) > 100, "some files")
        os.kill(await guardian_of(agent.pid), signal.SIGKILL)
        console = await remote.attach(tail=10, stream="stdout")
        self.assertEqual((await console.next()).strip(), "10000")
