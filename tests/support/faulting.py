"""
What tests of faults share: how much is tried, and what must hold after each.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from tests.support.agent_process import AgentProcess
from tests.support.applications import application
from tests.support.configured_agent import ConfiguredTestCase
from tests.support.ledger import PROCFILE, Ledger

FULL = os.environ.get("SMARTMOB_FAULTS") == "full"
"""Whether there are minutes to spend; else it is a few seconds, with all other tests."""


def often(short: int, full: int) -> int:
    """
    How often something is tried.
    """
    return full if FULL else short


class FaultTestCase(ConfiguredTestCase):
    """
    Tests of agents that something happens to.

    @ivar within: Words before an agent's command, which decide where it runs.
    @ivar ledger: Where programs of C{self.app()} write that they were started.
    """

    def setUp(self) -> None:
        """
        Nothing has happened yet.
        """
        super().setUp()
        self.within: Sequence[str] = ()
        self.agents: list[AgentProcess] = []
        self.ledger = Ledger(self.folder / "ledger")

    def tearDown(self) -> None:
        """
        Whatever happened, no agent was surprised by it.
        """
        for agent in self.agents:
            self.assertNotIn("Traceback", agent.err.decode())

    def spawn(self, *command: str, **more: Any) -> AgentProcess:
        """
        Start an agent, in any way, where it is to run.
        """
        agent = super().spawn(*self.within, *command, **more)
        self.agents.append(agent)
        return agent

    def app(self, procfile: str = PROCFILE, path: str = "/app.tar.gz", **files: str) -> str:
        """
        Have an app to create processes of.

        @return: Its URL.
        """
        return self.origin.serve(path, application(procfile, **files))

    async def end(self, agent: AgentProcess) -> None:
        """
        Ask an agent to end: it does so in order, and leaves nothing.
        """
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0, agent.err.decode())
        await agent.nothing_left()
        self.assertEqual(self.ledger.twice(), [])

    async def kill(self, agent: AgentProcess) -> None:
        """
        Kill an agent: nothing is left.
        """
        os.kill(agent.pid, signal.SIGKILL)
        await agent.exit()
        await agent.nothing_left()
