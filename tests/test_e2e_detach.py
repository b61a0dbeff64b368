"""
Programs that outlive the agent, and are found by the next one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from smartmob.launch.record import started
from tests.support.agent_process import AgentProcess
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.living import running, until
from tests.support.remote import Document, Remote

COUNTER = f"{sys.executable} -S counter.py"

PROGRAM = """
import itertools, os, time
if not os.fork():
    os.setsid()
    time.sleep(1000)
for number in itertools.count(1):
    print(number, flush=True)
    time.sleep(0.05)
"""
"""It counts, and has a child that left its session."""

SLUG = "default.counter.0"


class DetachTests(ConfiguredTestCase):
    """
    C{detach = true}.
    """

    def setUp(self) -> None:
        """
        Whatever a test leaves is ended, by its pid and when it began.
        """
        super().setUp()
        (self.folder / "counter.py").write_text(PROGRAM)
        self.begun: dict[int, int | None] = {}
        self.addCleanup(self.end_all)

    def end_all(self) -> None:
        """
        End what is detached, and what it started.
        """
        for pid, start in self.begun.items():
            if start is not None and started(pid) == start:  # and not another of that pid
                os.kill(pid, signal.SIGKILL)

    def tree(self, leader: int) -> list[int]:
        """
        A program and what it has started; its keeper is cleaned up with them.
        """
        keeper = int(self.status(leader, "PPid"))
        parents = {str(leader), str(keeper)}
        pids = map(int, filter(str.isdigit, os.listdir("/proc")))
        found = {pid for pid in pids if self.status(pid, "PPid") in parents}
        self.begun |= {pid: started(pid) for pid in (*found, keeper)}
        return sorted(found)

    @staticmethod
    def status(pid: int, key: str) -> str:
        """
        A field of its status; empty where it is gone.
        """
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                fields = dict(
                    line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line
                )
        except OSError:
            return ""
        return fields[key].strip()

    async def first(self) -> tuple[AgentProcess, Remote, Document]:
        """
        An agent whose program has counted.
        """
        agent, remote = await self.configured(section("counter", COUNTER, detach="true"))
        console = await remote.attach(SLUG, tail=10)
        await console.line("5")
        document = await remote.state(SLUG, "running")
        self.leader = document["pid"]
        self.all = self.tree(self.leader)
        self.assertEqual(len(self.all), 2)
        return agent, remote, document

    async def next_agent(self) -> tuple[AgentProcess, Remote]:
        """
        Another agent, with the file as it is.
        """
        agent = self.spawn_agent("-v", "-c", str(self.file), bind=())
        [url] = await agent.listens()
        return agent, self.remote(url)

    async def counted(self, remote: Remote) -> list[int]:
        """
        What has come of its lines.
        """
        answer = await remote.ask("GET", f"/process-logs/{SLUG}")
        return [int(line) for line in answer.body.split()]

    async def test_adopted(self) -> None:
        """
        It goes on whatever ends the agent, and nothing that it says meanwhile is lost.
        """
        agent, _, document = await self.first()
        for end in (signal.SIGTERM, signal.SIGKILL):
            os.kill(agent.pid, end)
            await agent.exit()
            self.assertEqual(running(self.all), self.all)
            agent, remote = await self.next_agent()
            adopted = await remote.state(SLUG, "running")
            self.assertEqual(adopted["pid"], self.leader)
            self.assertEqual(adopted["port"], document["port"])
            console = await remote.attach(SLUG)
            await console.next()
            lines = await self.counted(remote)
            self.assertEqual(lines, list(range(1, len(lines) + 1)))
        await remote.post(f"/stop-process/{SLUG}")
        self.assertEqual(running(self.all), [])

    async def test_verbs(self) -> None:
        """
        Stop and delete end all of it, also for an agent that did not start it.
        """
        agent, _, _ = await self.first()
        os.kill(agent.pid, signal.SIGKILL)
        await agent.exit()
        _, remote = await self.next_agent()
        await remote.state(SLUG, "running")
        await remote.post(f"/restart-process/{SLUG}")
        document = await remote.state(SLUG, "running")
        self.assertNotEqual(document["pid"], self.leader)
        self.assertEqual(running(self.all), [])
        other = self.tree(document["pid"])
        await remote.post(f"/delete-process/{SLUG}")
        self.assertEqual(running(other), [])

    async def test_takenOut(self) -> None:
        """
        What is configured no more ends at a reload, and at the next agent's start.
        """
        agent, remote, _ = await self.first()
        both = self.file.read_text()
        self.write(section("other"))
        await remote.post("/reload")
        self.assertEqual(running(self.all), [])
        self.file.write_text(both)
        await remote.post("/reload")
        document = await remote.state(SLUG, "running")
        other = self.tree(document["pid"])
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        self.assertEqual(running(other), other)
        self.write(section("other"))
        await self.next_agent()
        await until(lambda: not running(other), "the end of what nobody wants")

    async def test_otherwise(self) -> None:
        """
        One that is configured otherwise by now is ended, and begun as it is now.
        """
        agent, _, _ = await self.first()
        os.kill(agent.pid, signal.SIGTERM)
        await agent.exit()
        self.write(section("counter", f"{COUNTER} otherwise", detach="true", start="no"))
        _, remote = await self.next_agent()
        document = await remote.state(SLUG, "running")
        self.tree(document["pid"])
        self.assertNotEqual(document["pid"], self.leader)
        self.assertEqual(running(self.all), [])
        await remote.post(f"/stop-process/{SLUG}")

    async def test_ends(self) -> None:
        """
        When it ends it is not started again while the agent runs.
        """
        _, remote, _ = await self.first()
        await remote.post(f"/signal-process/{SLUG}", {"signal": "KILL"})
        document = await remote.state(SLUG, "failed")
        self.assertEqual(document["last_exit"]["signal"], "KILL")
        self.assertEqual(document["restarts"], 0)
        await until(lambda: not running(self.all), "the end of its tree")

    async def test_recordLost(self) -> None:
        """
        One whose record is damaged or missing never runs twice, and ends when it is not
        configured any more.
        """
        agent, _, _ = await self.first()
        record = self.state / "detached" / f"{SLUG}.json"
        for damage in (lambda: record.write_text("garbage"), record.unlink):
            os.kill(agent.pid, signal.SIGKILL)
            await agent.exit()
            damage()
            agent, remote = await self.next_agent()
            document = await remote.state(SLUG, "running")
            self.assertNotEqual(document["pid"], self.leader)
            self.assertEqual(running(self.all), [])
            self.leader = document["pid"]
            self.all = self.tree(self.leader)
        os.kill(agent.pid, signal.SIGKILL)
        await agent.exit()
        record.unlink()
        self.write(section("other"))
        await self.next_agent()
        await until(lambda: not running(self.all), "the end of what nobody wants")

    async def test_copied(self) -> None:
        """
        An agent with a copy of the state folder has programs of its own, and leaves alone
        what runs for the first one.
        """
        _, remote, _ = await self.first()
        copy = self.folder / "copy"
        subprocess.run(["cp", "-a", self.state, copy], check=True)
        second = self.spawn_agent("-v", "-c", str(self.file), "--state-dir", str(copy), bind=())
        [url] = await second.listens()
        theirs = self.remote(url)
        document = await theirs.state(SLUG, "running")
        other = self.tree(document["pid"])
        self.assertNotEqual(document["pid"], self.leader)
        await theirs.post(f"/stop-process/{SLUG}")
        self.assertEqual(running(other), [])
        self.assertEqual(running(self.all), self.all)
        document = await remote.state(SLUG, "running")
        self.assertEqual((document["pid"], document["restarts"]), (self.leader, 0))
