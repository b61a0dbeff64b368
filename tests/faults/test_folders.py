"""
Agents that want one folder.
"""

from __future__ import annotations

import os
import signal

from tests.support.faulting import FaultTestCase
from tests.support.living import running, stat_of, until


class OneFolderTests(FaultTestCase):
    """
    Two agents on one state folder.
    """

    async def test_second(self) -> None:
        """
        The second one names the first and exits with 1, also while that is stopped; the
        first and its programs notice nothing.
        """
        first, remote = await self.start()
        await remote.create(self.app(), env=self.ledger.env)
        before = await remote.state("app.web.0", "running")
        files = self.files()
        for stopped in False, True:
            if stopped:
                os.kill(first.pid, signal.SIGSTOP)
                await until(lambda: stat_of(first.pid)[0] == "T", "STOP")
            second = self.spawn_agent()
            self.assertEqual(await second.exit(), 1)
            await second.says_no_more()
            [line] = second.err.decode().splitlines()
            self.assertIn(f"another agent (pid {first.pid}) uses {self.state}", line)
            await second.nothing_left()
        os.kill(first.pid, signal.SIGCONT)
        self.assertEqual(await remote.get("/process-status/app.web.0"), before)
        self.assertEqual(running([before["pid"]]), [before["pid"]])
        self.assertEqual(self.files(), files)
        await self.end(first)

    async def test_race(self) -> None:
        """
        Of five that are started at the same moment one has it.
        """
        agents = [self.spawn_agent() for _ in range(5)]
        await until(
            lambda: sum(agent.code is not None for agent in agents) == 4, "the end of four"
        )
        self.assertEqual([agent.code for agent in agents if agent.code is not None], [1] * 4)
        [winner] = [agent for agent in agents if agent.code is None]
        [url] = await winner.listens()
        await self.remote(url).get("/list-processes")
        await self.end(winner)
