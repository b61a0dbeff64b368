"""
Agent, guardian and all reapers are killed at once, so that nobody is left to end anything.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from smartmob.launch.cgroup_files import processes
from tests.support import menagerie, warden
from tests.support.agent_process import AgentProcess
from tests.support.applications import PYTHON
from tests.support.cgrouping import real_cgroup
from tests.support.family import guardian_of, reapers_of, send
from tests.support.faulting import FaultTestCase, often
from tests.support.ledger import PROCFILE
from tests.support.living import described, running, stat_of, until
from tests.support.remote import Remote

PROGRAMS = 5

TIMES = often(1, 20)


class AllAtOnceTests(FaultTestCase):
    """
    With a cgroup that was delegated to the agent, and without.
    """

    async def with_programs(self) -> tuple[AgentProcess, Remote]:
        """
        An agent with programs, and one with descendants of all kinds.
        """
        agent, remote = await self.start()
        url = self.app(PROCFILE.replace("echo up;", "setsid sleep 1000 9>&- & echo up;"))
        for number in range(PROGRAMS):
            await remote.create(url, f"web.{number}", env=self.ledger.env)
        source = Path(menagerie.__file__).read_text(encoding="utf-8")
        beast = f"web: {PYTHON} menagerie.py beast"
        url = self.app(beast, "/beast", menagerie=source)
        await remote.create(url, "beast", graceful_timeout=0.5)
        console = await remote.attach("app.beast", tail=1)
        await console.line("ready")
        return agent, remote

    async def all_run(self, remote: Remote) -> list[int]:
        """
        Wait until all of them run.

        @return: The pids of those that write to the ledger.
        """
        console = await remote.attach("app.beast", tail=1)
        await console.line("ready")
        pids = []
        for number in range(PROGRAMS):
            document = await remote.state(f"app.web.{number}", "running")
            pids.append(document["pid"])
        return pids

    async def kill_all(self, agent: AgentProcess) -> list[int]:
        """
        Kill all helpers; each was stopped before, so that none acts when another ends.  The
        agent goes last: who has a stopped child wakes it by ending (_exit(2)).

        @return: What they had started.
        """
        guardian = await guardian_of(agent.pid)
        helpers = [*reapers_of(guardian), guardian, agent.pid]
        programs = sorted(set(warden.below(agent.pid)) - set(helpers))
        send(signal.SIGSTOP, helpers)
        await until(lambda: all(stat_of(pid)[:1] in ([], ["T"]) for pid in helpers), "STOP")
        send(signal.SIGKILL, helpers)
        await agent.exit()
        await until(lambda: not running(helpers), "their end")
        return programs

    async def test_cgroup(self) -> None:
        """
        With a cgroup nothing of it is left when the next agent starts the same programs.
        """
        group = real_cgroup(self)
        self.within = ("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group)
        agent, remote = await self.with_programs()
        for _ in range(TIMES):
            await self.all_run(remote)
            programs = await self.kill_all(agent)
            left = running(programs)
            self.assertNotEqual(left, [], "somebody hides from a signal of its parent's death")
            agent, remote = await self.start()
            found = [pid for pid in running(left) if pid not in agent.below()]
            self.assertEqual(described(found), [])
            await self.all_run(remote)
            self.assertEqual(self.ledger.twice(), [])
        await self.end(agent)
        await until(lambda: not _within(group), "the end of all")

    async def test_without(self) -> None:
        """
        Without one, leaders end with their reapers, all the same; so nothing is there twice.
        """
        agent, remote = await self.with_programs()
        pids = await self.all_run(remote)
        await self.kill_all(agent)
        await until(lambda: not running(pids), "the end of leaders")
        again, remote = await self.start()
        await self.all_run(remote)
        self.assertEqual(self.ledger.twice(), [])
        await self.end(again)


def _within(group: str) -> list[int]:
    return [pid for folder, _, _ in os.walk(group) for pid in processes(folder)]
