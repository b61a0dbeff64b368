"""
Tests of L{smartmob.under_systemd}: a whole agent, and a service manager that only listens.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.documents import State
from smartmob.process import Process
from smartmob.progress import Progress
from smartmob.under_systemd import counts, progress
from tests.support.agent_process import AgentProcess, AgentTestCase
from tests.support.living import until
from tests.support.service_manager import Listening


class CountsTests(SynchronousTestCase):
    """
    What a status says.
    """

    def counts(self, *states: State) -> str:
        """
        Of processes that stand there.
        """
        return counts(cast(Process, SimpleNamespace(state=state)) for state in states)

    def test_counts(self) -> None:
        """
        So many run, and of those that do not, where they stand.
        """
        self.assertEqual(self.counts(), "0 running")
        self.assertEqual(self.counts(State.STOPPED), "0 running, 1 stopped")
        self.assertEqual(
            self.counts(State.BACKOFF, State.RUNNING, State.RUNNING, State.FAILED),
            "2 running, 1 in backoff, 1 failed",
        )

    def test_all(self) -> None:
        """
        Every state has a word.
        """
        self.assertEqual(self.counts(*State).count("1 "), len(State))


class NobodyTests(SynchronousTestCase):
    """
    Where nobody wants to know.
    """

    def test_nobody(self) -> None:
        """
        Nothing is counted then.
        """
        agent = cast(Agent, SimpleNamespace())
        told = progress({}, Clock(), agent, lambda within: succeed(True))
        self.assertIs(type(told), Progress)
        self.assertFalse(hasattr(agent, "shown"))


class ToldTests(AgentTestCase):
    """
    What an agent tells in its life.
    """

    def setUp(self) -> None:
        """
        A service manager.
        """
        super().setUp()
        self.theirs = Listening(str(self.folder / "notify"))
        self.addCleanup(self.theirs.close)
        self.heard: list[dict[str, str]] = []
        self.status = ""

    def told(self, *options: str, bind: Sequence[str] = ("127.0.0.1:0",)) -> AgentProcess:
        """
        An agent that is to tell.
        """
        env = {"NOTIFY_SOCKET": self.theirs.address, "WATCHDOG_USEC": "400000"}
        return self.spawn_agent(*options, bind=bind, env=env)

    async def hears(self, **said: str) -> None:
        """
        Wait for a message with these, behind those that were waited for.
        """

        def there() -> bool:
            self.heard += self.theirs.all()
            while self.heard:
                message = self.heard.pop(0)
                self.status = message.get("STATUS", self.status)
                if said.items() <= message.items():
                    return True
            return False

        await until(there, f"{said}")

    async def test_life(self) -> None:
        """
        It comes up, lives, counts, reloads, is refused a reload, and ends.
        """
        path = self.folder / "agent.ini"
        path.write_text("[process:some]\ncmd = sleep 1000\n")
        agent = self.told(str(path))
        await self.hears(STATUS="starting; 0 running")
        await self.hears(READY="1")
        await agent.listens()
        if self.status != "1 running":
            await self.hears(STATUS="1 running")
        for _ in range(3):
            await self.hears(WATCHDOG="1")
        os.kill(agent.pid, signal.SIGHUP)
        await self.hears(RELOADING="1")
        await self.hears(READY="1", STATUS="1 running")
        path.write_text("[process:some]\nnumprocesses = many\n")
        os.kill(agent.pid, signal.SIGHUP)
        await self.hears(RELOADING="1")
        await self.hears(READY="1")
        os.kill(agent.pid, signal.SIGTERM)
        await self.hears(STOPPING="1")
        await self.hears(EXTEND_TIMEOUT_USEC="30000000")
        self.assertEqual(await agent.exit(), 0)

    async def test_failed(self) -> None:
        """
        Why it can't start is told as well as said.
        """
        (self.folder / "state").mkdir()
        (self.folder / "state" / "other").touch()
        agent = self.told()
        self.assertEqual(await agent.exit(), 1)
        why = agent.err.decode().partition(": ")[2].strip()
        await self.hears(STATUS=f"{why}; 0 running")
