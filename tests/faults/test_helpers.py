"""
The agent's helpers are killed or stopped, and so is the agent.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.task import deferLater

from tests.support import warden
from tests.support.agent_process import AgentProcess
from tests.support.family import guardian_of, reapers_of, send
from tests.support.faulting import FULL, FaultTestCase, often
from tests.support.living import running, stat_of, until
from tests.support.remote import Document, Remote

reactor: Any = installed_reactor

PROGRAMS = 12

SIGNALS = often(4, 40)
"""How often somebody is killed, or stopped, in a row."""

SILENCE = 100
"""Seconds; who is connected is cut after 60 or 75 without a word."""

AT_ONCE = {"attempts": 1000, "window": 0.1, "retry_in": 1, "max_retry": -1}
"""Restarts that wait for nothing."""

COUNTER = """
import itertools, time
for number in itertools.count(1):
    print(number, flush=True)
    time.sleep(0.01)
"""


class HelpersTestCase(FaultTestCase):
    """
    An agent with some programs.
    """

    timeout = 1200

    async def crowd(self) -> tuple[AgentProcess, Remote]:
        """
        Start them.
        """
        agent, remote = await self.start()
        url = self.app()
        for number in range(PROGRAMS):
            await remote.create(
                url,
                f"web.{number}",
                env=self.ledger.env,
                flapping=AT_ONCE,
                graceful_timeout=0.5,
            )
        await self.all_run(remote)
        return agent, remote

    async def all_run(self, remote: Remote) -> list[Document]:
        """
        Wait until all of them run, each as its document says, and it is the only one.
        """
        documents = []
        for number in range(PROGRAMS):
            slug = f"app.web.{number}"
            document = await remote.state(slug, "running")
            pid = document["pid"]
            await until(lambda: pid in [p for p, _ in self.ledger.starts(slug)], slug)  # noqa: B023 - at once
            self.assertEqual(self.ledger.starts(slug)[-1], (pid, document["port"]))
            documents.append(document)
        return documents

    def no_others(self, agent: AgentProcess, documents: list[Document]) -> None:
        """
        Of these processes there is one program each, and there are no others.
        """
        helpers = [agent.pid, *warden.below(agent.pid)]
        leaders = {document["pid"] for document in documents}
        strangers = set(agent.below()) - set(helpers)
        self.assertEqual(strangers, set(), "none lives beside the agent")
        self.assertLessEqual(leaders, set(helpers))
        sleeping = [pid for pid in running(helpers) if stat_of(pid) and _sleeps(pid)]
        self.assertEqual(set(sleeping), leaders)
        self.assertEqual(self.ledger.twice(), [])


def _sleeps(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read() == "sleep\n"
    except OSError:
        return False


class KilledTests(HelpersTestCase):
    """
    SIGKILL, again and again.
    """

    async def test_guardians(self) -> None:
        """
        One guardian after the other is killed, some while programs start: all programs run
        in the end, once each, and the agent answers throughout.
        """
        agent, remote = await self.crowd()
        chance = random.Random(6)
        for _ in range(SIGNALS):
            guardian = await guardian_of(agent.pid)
            enough = chance.randrange(2, 2 * PROGRAMS)
            await until(lambda: len(warden.below(guardian)) >= enough, "programs")  # noqa: B023 - at once
            os.kill(guardian, signal.SIGKILL)
            await until(lambda: not stat_of(guardian), "its end")  # noqa: B023 - at once
            await remote.ask("GET", "/ping")
        documents = await self.all_run(remote)
        self.no_others(agent, documents)
        await self.end(agent)

    async def test_reapers(self) -> None:
        """
        Storms of reapers' ends: all programs run in the end, once each.
        """
        agent, remote = await self.crowd()
        guardian = await guardian_of(agent.pid)
        chance = random.Random(6)
        for _ in range(SIGNALS):
            await until(lambda: len(reapers_of(guardian)) == PROGRAMS, "all reapers")
            reapers = reapers_of(guardian)
            send(signal.SIGKILL, chance.sample(reapers, k=len(reapers) // 2))
            await remote.ask("GET", "/ping")
        documents = await self.all_run(remote)
        self.no_others(agent, documents)
        self.assertEqual(await guardian_of(agent.pid), guardian)
        await self.end(agent)


class StoppedTests(HelpersTestCase):
    """
    SIGSTOP.
    """

    async def test_agent(self) -> None:
        """
        The agent is stopped for a while: programs go on, what they say waits in their pipes,
        and afterwards nobody is counted dead and no timer is lost.
        """
        agent, remote = await self.start()
        counter = self.app(f"web: exec {sys.executable} -u -S main.py", "/count", main=COUNTER)
        await remote.create(counter, "count.0")
        crash = self.app("web: exit 3", "/crash")
        await remote.create(crash, "crash.0")
        console = await remote.attach("app.count.0", tail=1000)
        await console.line("1")
        events = await remote.events(topic="spawn", after=0)
        before = await remote.get("/process-status/app.count.0")
        for _ in range(often(2, 6)):
            os.kill(agent.pid, signal.SIGSTOP)
            await until(lambda: stat_of(agent.pid)[0] == "T", "STOP")
            worked = _used(before["pid"])
            await until(lambda: _used(before["pid"]) > worked, "its going on")  # noqa: B023 - at once
            os.kill(agent.pid, signal.SIGCONT)
            await events.event("spawn", slug="app.crash.0")
        if FULL:  # longer than anybody may be silent for
            os.kill(agent.pid, signal.SIGSTOP)
            await deferLater(reactor, SILENCE)
            os.kill(agent.pid, signal.SIGCONT)
            await events.event("spawn", slug="app.crash.0")
        document = await remote.get("/process-status/app.count.0")
        self.assertEqual(document, before)
        last = int((await remote.ask("GET", "/process-logs/app.count.0?tail=1")).body)
        self.assertGreater(last, 1)
        for number in range(2, last + 1):
            self.assertEqual(await console.next(), str(number))
        await remote.post("/stop-process/app.crash.0")
        await self.end(agent)

    async def test_reapers(self) -> None:
        """
        Reapers are stopped: their programs run on, and those that are told to end do so.
        """
        agent, remote = await self.crowd()
        guardian = await guardian_of(agent.pid)
        send(signal.SIGSTOP, reapers_of(guardian))
        documents = await self.all_run(remote)
        self.assertEqual({each["restarts"] for each in documents}, {0})
        document = await remote.post("/stop-process/app.web.0")
        self.assertEqual(document["state"], "stopped")
        await until(lambda: not running([documents[0]["pid"]]), "its end")
        await self.end(agent)

    async def test_guardian(self) -> None:
        """
        The guardian is stopped: programs run on, and one that is created then runs too.
        """
        agent, remote = await self.crowd()
        guardian = await guardian_of(agent.pid)
        os.kill(guardian, signal.SIGSTOP)
        await remote.create(self.app(), "late", env=self.ledger.env)
        await remote.state("app.late", "running")
        await self.all_run(remote)
        await self.end(agent)


def _used(pid: int) -> int:
    """
    How often a program was switched to (proc(5)): one that goes on gets more.
    """
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("voluntary_ctxt_switches"):
                return int(line.split()[1])
    raise AssertionError("it is gone")
