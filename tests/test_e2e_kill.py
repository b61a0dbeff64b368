"""
Whatever is killed, and whatever a program has become, nothing is left.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest

from tests.support import menagerie, warden
from tests.support.agent_process import AgentProcess, AgentTestCase, program
from tests.support.applications import PYTHON, application
from tests.support.console_client import Console
from tests.support.living import children, described, emptied, name, running, stat_of, until
from tests.support.processes import PLAIN, setuid_copy
from tests.support.remote import Document, Remote

GUARDIAN = "smartmob-guard"
REAPER = "smartmob-reaper"


class MenagerieTestCase(AgentTestCase):
    """
    An agent that runs a program with descendants of ten kinds (nine where nobody
    has the right to make one of the set-uid kind).
    """

    def setUp(self) -> None:
        """
        Pack the program.
        """
        super().setUp()
        stack = ExitStack()
        self.addCleanup(stack.close)
        try:
            copy = setuid_copy(menagerie.SLEEP, str(self.folder), PLAIN)
            self.env = {"MENAGERIE_SETUID": stack.enter_context(copy)}
        except SkipTest:
            self.env = {}
        source = Path(menagerie.__file__).read_text(encoding="utf-8")
        packed = application(f"web: {PYTHON} menagerie.py beast", menagerie=source)
        self.url = self.origin.serve("/menagerie.tar.gz", packed)

    async def run_in_foreground(self) -> tuple[AgentProcess, int, str]:
        """
        An agent: what watches over it, its pid, its URL.
        """
        agent = self.spawn_agent()
        [url] = await agent.listens()
        return agent, agent.pid, url

    async def run_as_daemon(self) -> tuple[AgentProcess, int, str]:
        """
        The same with C{--daemon}.
        """
        agent = self.spawn_agent("--daemon", "--pidfile", "agent.pid")
        return await self.daemon(agent, self.state / "agent.log")

    async def run_as_twistd(self) -> tuple[AgentProcess, int, str]:
        """
        The same with a twistd that daemonises.
        """
        agent = self.spawn(
            *(program("twistd"), "--pidfile=agent.pid", "--logfile=agent.log", "smartmob"),
            *("--bind", "127.0.0.1:0", "--state-dir", str(self.state)),
        )
        return await self.daemon(agent, self.folder / "agent.log")

    async def daemon(self, agent: AgentProcess, log: Path) -> tuple[AgentProcess, int, str]:
        """
        An agent in the background.
        """
        self.assertEqual(await agent.exit(), 0, agent.err)
        await until(lambda: log.exists() and "Listening on" in log.read_text(), "its URL")
        url = log.read_text().split("Listening on ")[1].split()[0]
        return agent, int((self.folder / "agent.pid").read_text()), url

    async def beast(self, remote: Remote) -> tuple[Console, Document]:
        """
        Start the program, and wait until it has become all that it is to be.
        """
        await remote.create(self.url, env=self.env, graceful_timeout=0.5)
        console = await remote.attach(tail=10)
        await console.line("ready")
        return console, await remote.get("/process-status/app.web.0")

    def assert_complete(self, found: list[int]) -> None:
        """
        All kinds are there.
        """
        kinds = 10 if self.env else 9
        self.assertGreaterEqual(len(found), kinds + 1, described(found))

    async def none_of(self, guardian: int) -> None:
        """
        No program is left now, and no reaper soon.
        """
        below = running(warden.below(guardian))
        self.assertEqual(described([pid for pid in below if name(pid) != REAPER]), [])
        await until(lambda: not running(warden.below(guardian)), "the end of the reapers")

    def reaper(self, guardian: int, program: int) -> int:
        """
        The reaper of a program.
        """
        [reaper] = [pid for pid in children(guardian) if program in warden.below(pid)]
        self.assertEqual(name(reaper), REAPER)
        return reaper

    def guardian(self, agent: int) -> int:
        """
        The guardian of an agent.
        """
        [guardian] = [pid for pid in children(agent) if name(pid) == GUARDIAN]
        return guardian


class KilledTests(MenagerieTestCase):
    """
    SIGKILL of any one of the agent's own processes.
    """

    async def agent_killed(self, started: tuple[AgentProcess, int, str]) -> None:
        """
        The agent is killed: nothing is left, and another runs the program again.
        """
        agent, pid, url = started
        _, before = await self.beast(self.remote(url))
        self.assert_complete(agent.below())
        os.kill(pid, signal.SIGKILL)
        took = await agent.nothing_left()
        self.note(took)
        _, remote = await self.start()
        after = await remote.state("app.web.0", "running")
        for member in ("created_at", "port", "restarts", "last_exit"):
            self.assertEqual(after[member], before[member])
        await remote.post("/delete-process/app.web.0")
        self.assertEqual(self.files(), [])

    async def guardian_killed(self, started: tuple[AgentProcess, int, str]) -> None:
        """
        The guardian is killed: the agent answers throughout, and runs the program again.
        """
        agent, pid, url = started
        remote = self.remote(url)
        console, before = await self.beast(remote)
        guardian = self.guardian(pid)
        old = running(warden.below(guardian))
        self.assert_complete(old)
        os.kill(guardian, signal.SIGKILL)
        # What it leaves becomes the warden's, beside the agent.
        took = await emptied(
            lambda: [*running([guardian, *old]), *(set(children(agent.warden)) - {pid})]
        )
        self.note(took)
        ready = Deferred.fromCoroutine(console.line("ready"))
        while not ready.called:
            await remote.ask("GET", "/ping")
        await ready
        after = await remote.get("/process-status/app.web.0")
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertNotEqual(self.guardian(pid), guardian)
        self.assertEqual(
            (after["last_exit"]["code"], after["last_exit"]["signal"]), (None, None)
        )
        await remote.post("/delete-process/app.web.0")
        await self.none_of(self.guardian(pid))

    async def reaper_killed(self, started: tuple[AgentProcess, int, str]) -> None:
        """
        A reaper is killed: its program runs again, under another.
        """
        _, pid, url = started
        remote = self.remote(url)
        console, before = await self.beast(remote)
        guardian = self.guardian(pid)
        reaper = self.reaper(guardian, before["pid"])
        old = running(warden.below(reaper))
        self.assert_complete(old)
        os.kill(reaper, signal.SIGKILL)
        # What it leaves becomes the guardian's, beside the other reaper.
        took = await emptied(
            lambda: [
                *running([reaper, *old]),
                *(each for each in children(guardian) if name(each) not in (REAPER, GUARDIAN)),
            ]
        )
        self.note(took)
        await console.line("ready")
        after = await remote.get("/process-status/app.web.0")
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertEqual(self.guardian(pid), guardian)
        self.assertNotEqual(self.reaper(guardian, after["pid"]), reaper)
        await remote.post("/delete-process/app.web.0")
        await self.none_of(guardian)

    def note(self, took: float) -> None:
        """
        Say in the log of the test how long it took.
        """
        with open("e2e-killed.log", "a", encoding="utf-8") as log:
            log.write(f"{self.id()}: nothing left after {took:.3f} s\n")

    async def test_agent(self) -> None:
        """
        An agent in the foreground.
        """
        await self.agent_killed(await self.run_in_foreground())

    async def test_agent_daemon(self) -> None:
        """
        An agent in the background.
        """
        await self.agent_killed(await self.run_as_daemon())

    async def test_agent_twistd(self) -> None:
        """
        A twistd in the background.
        """
        await self.agent_killed(await self.run_as_twistd())

    async def test_guardian(self) -> None:
        """
        The guardian of an agent in the foreground.
        """
        await self.guardian_killed(await self.run_in_foreground())

    async def test_guardian_daemon(self) -> None:
        """
        The guardian of an agent in the background.
        """
        await self.guardian_killed(await self.run_as_daemon())

    async def test_guardian_twistd(self) -> None:
        """
        The guardian of a twistd in the background.
        """
        await self.guardian_killed(await self.run_as_twistd())

    async def test_reaper(self) -> None:
        """
        A reaper of an agent in the foreground.
        """
        await self.reaper_killed(await self.run_in_foreground())

    async def test_reaper_daemon(self) -> None:
        """
        A reaper of an agent in the background.
        """
        await self.reaper_killed(await self.run_as_daemon())

    async def test_reaper_twistd(self) -> None:
        """
        A reaper of a twistd in the background.
        """
        await self.reaper_killed(await self.run_as_twistd())


class StoppedTests(MenagerieTestCase):
    """
    The operator's verbs, and a leader that ends by itself.
    """

    async def test_stop(self) -> None:
        """
        A stop ends all ten kinds, and C{last_exit} names those that had to be killed.
        """
        _, pid, url = await self.run_in_foreground()
        remote = self.remote(url)
        await self.beast(remote)
        guardian = self.guardian(pid)
        self.assert_complete(running(warden.below(guardian)))
        document = await remote.post("/stop-process/app.web.0")
        await self.none_of(guardian)
        self.assertEqual(document["state"], "stopped")
        exited = document["last_exit"]
        self.assertEqual(exited["left"], [])
        self.assertEqual(exited["signal"], "TERM")
        self.assertIn("deaf", exited["killed"])
        self.assertEqual(set(exited["killed"]) - {"deaf", "refork"}, set())

    async def test_delete(self) -> None:
        """
        A delete answers when nothing of the ten kinds is left, and no file.
        """
        _, pid, url = await self.run_in_foreground()
        remote = self.remote(url)
        await self.beast(remote)
        guardian = self.guardian(pid)
        self.assertEqual(await remote.post("/delete-process/app.web.0"), {})
        await self.none_of(guardian)
        self.assertEqual(self.files(), [])

    async def test_restart(self) -> None:
        """
        A restart leaves nothing of the old ten kinds beside the new.
        """
        _, pid, url = await self.run_in_foreground()
        remote = self.remote(url)
        console, _ = await self.beast(remote)
        await remote.post("/restart-process/app.web.0")
        await console.line("ready")
        guardian = self.guardian(pid)
        deaf = [each for each in warden.below(guardian) if name(each) == "deaf"]
        self.assertEqual(len(deaf), 1)

    async def test_leader_killed(self) -> None:
        """
        What a leader leaves behind when it is killed is ended before it starts again.
        """
        _, pid, url = await self.run_in_foreground()
        remote = self.remote(url)
        console, document = await self.beast(remote)
        os.kill(document["pid"], signal.SIGKILL)
        await console.line("ready")
        guardian = self.guardian(pid)
        deaf = [each for each in warden.below(guardian) if name(each) == "deaf"]
        self.assertEqual(len(deaf), 1)
        document = await remote.get("/process-status/app.web.0")
        self.assertEqual(document["last_exit"]["signal"], "KILL")
        self.assertIn("deaf", document["last_exit"]["killed"])

    async def test_stopped_by_signal(self) -> None:
        """
        A program that does not run, for it got STOP, is ended by TERM all the same.
        """
        _, _, url = await self.run_in_foreground()
        remote = self.remote(url)
        source = application("web: echo up; exec sleep 1000")
        await remote.create(self.origin.serve("/sleep", source), graceful_timeout=3000)
        console = await remote.attach(tail=1)
        await console.line("up")
        document = await remote.post("/signal-process/app.web.0", {"signal": "STOP"})
        await until(lambda: stat_of(document["pid"])[0] == "T", "STOP")
        document = await remote.post("/stop-process/app.web.0")
        self.assertEqual(document["last_exit"]["signal"], "TERM")
        self.assertEqual(document["last_exit"]["killed"], [])

    async def test_agent_ends(self) -> None:
        """
        SIGTERM of the agent ends all ten kinds before it exits.
        """
        agent, pid, url = await self.run_in_foreground()
        await self.beast(self.remote(url))
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        self.assertEqual(agent.below(), [])
