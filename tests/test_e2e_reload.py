"""
A file that is read again: the difference only, and nothing where it is wrong.
"""

from __future__ import annotations

import json
import os
import signal
import socket

from tests.support.configured_agent import SLEEPER, ConfiguredTestCase, section
from tests.support.living import running, until
from tests.support.remote import Remote


class ReloadTests(ConfiguredTestCase):
    """
    SIGHUP, and POST /reload.
    """

    async def pids(self, remote: Remote) -> dict[str, int | None]:
        """
        Of all processes, by slug.
        """
        listing = await remote.get("/list-processes")
        return {process["slug"]: process["pid"] for process in listing["processes"]}

    async def up(self, remote: Remote, *names: str) -> None:
        """
        Wait until these run.
        """
        for name in names:
            await remote.state(f"default.{name}", "running")

    async def test_difference(self) -> None:
        """What did not change keeps its pid and its consoles; what did is as the file says."""
        agent, remote = await self.configured(section("a"), section("b"), section("c"))
        await self.up(remote, "a.0", "b.0", "c.0")
        before = await self.pids(remote)
        console = await remote.attach("default.a.0", format="json")
        changed = f"{SLEEPER} changed"
        self.write(section("a"), section("b", changed), section("d", numprocesses=2))
        await self.hang_up(agent)
        await self.up(remote, "b.0", "d.0", "d.1")
        after = await self.pids(remote)
        self.assertEqual(
            sorted(after), ["default.a.0", "default.b.0", "default.d.0", "default.d.1"]
        )
        self.assertEqual(after["default.a.0"], before["default.a.0"])
        self.assertNotEqual(after["default.b.0"], before["default.b.0"])
        gone = [before["default.b.0"], before["default.c.0"]]
        self.assertEqual(running([pid for pid in gone if pid]), [])
        self.assertTrue(console.let_in)

    async def test_wrong(self) -> None:
        """A file with mistakes changes nothing, and all of them are told."""
        agent, remote = await self.configured(section("a"), section("b"))
        await self.up(remote, "a.0", "b.0")
        before = await self.pids(remote)
        self.write(section("a", "/other", nice="99"), "[endpoint:a]\nbacklog = many\n")
        os.kill(agent.pid, signal.SIGHUP)
        await agent.hears(lambda: agent.err.count(b"not reloaded: ") >= 2, "mistakes")
        self.assertIn(f"{self.file}:".encode(), agent.err)
        answer = await remote.ask("POST", "/reload", b"{}")
        self.assertEqual(answer.status, 400)
        errors = answer.document["errors"]
        self.assertTrue(any("nice" in error["field"] for error in errors), errors)
        self.assertEqual(await self.pids(remote), before)

    async def test_taken(self) -> None:
        """An endpoint that can't be had refuses all of it."""
        _, remote = await self.configured(section("a"))
        await self.up(remote, "a.0")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.write(section("b"))
            text = self.file.read_text().replace("http_endpoints = a", "http_endpoints = a, b")
            port = taken.getsockname()[1]
            self.file.write_text(f"{text}\n[endpoint:b]\nbind = 127.0.0.1:{port}\n")
            answer = await remote.ask("POST", "/reload", b"{}")
            self.assertEqual(answer.status, 400)
            [error] = answer.document["errors"]
            self.assertRegex(error["field"], rf"\A{self.file}:\d+: \[endpoint:b\] bind\Z")
            self.assertIn(f"127.0.0.1:{port}: Address already in use", error["message"])
        self.assertEqual(list(await self.pids(remote)), ["default.a.0"])
        document = await remote.post("/reload")
        self.assertEqual(document["started"], ["default.b.0"])
        self.assertEqual(document["stopped"], ["default.a.0"])

    async def test_endpoints(self) -> None:
        """Another endpoint is opened and closed while connections to the first one stay."""
        agent, remote = await self.configured(section("a"))
        console = await remote.attach("default.a.0", format="json")
        path = self.folder / "s"
        first = self.file.read_text()
        self.file.write_text(
            first.replace("http_endpoints = a", "http_endpoints = a, b")
            + f"\n[endpoint:b]\nbind = unix:{path}\n"
        )
        await remote.post("/reload")
        self.assertEqual(await agent.listens(2), [remote.url, f"unix:{path}"])
        other = self.remote(f"unix:{path}")
        self.assertEqual(len((await other.get("/list-processes"))["processes"]), 1)
        self.file.write_text(first)
        await other.post("/reload")
        self.assertFalse(path.exists())
        self.assertTrue(console.let_in)
        self.assertEqual(list(await self.pids(self.remote(remote.url))), ["default.a.0"])

    async def test_stopped(self) -> None:
        """Stopped ones stay stopped, and what must not start does not."""
        agent, remote = await self.configured(section("a"), section("b", start="false"))
        await self.up(remote, "a.0")
        await remote.post("/stop-process/default.a.0")
        self.write(section("a", f"{SLEEPER} new"), section("b", f"{SLEEPER} new", start="no"))
        await self.hang_up(agent)
        states = [
            process["state"] for process in (await remote.get("/list-processes"))["processes"]
        ]
        self.assertEqual(states, ["stopped", "stopped"])
        await remote.post("/start-process/default.a.0")
        await self.up(remote, "a.0")

    async def test_webhooks(self) -> None:
        """New hooks get what happens from then on."""
        agent, remote = await self.configured(section("a"))
        await self.up(remote, "a.0")
        url = self.origin.serve("/hook", b"")
        self.write(section("a"), f"[webhooks]\nproc.a.exit = {url}\n")
        await self.hang_up(agent)
        asked = self.origin.next_request()
        await remote.post("/signal-process/default.a.0", {"signal": "KILL"})
        exchange = await asked
        await until(lambda: exchange.head.endswith(b"}"), "the body")
        event = json.loads(exchange.head.partition(b"\r\n\r\n")[2])
        self.assertEqual((event["event"], event["term_signal"]), ("exit", signal.SIGKILL))

    async def test_noFile(self) -> None:
        """Without a file there is nothing to read, and nothing happens."""
        agent, remote = await self.start("-v")
        await self.hang_up(agent)
        document = await remote.post("/reload")
        self.assertEqual(document["started"] + document["stopped"] + document["restarted"], [])

    async def test_whileStarting(self) -> None:
        """Who asks before the agent is up is heard once it is."""
        self.write(section("a"))
        agent = self.spawn_agent("-v", "-c", str(self.file), bind=())
        await until((self.state / "lock").exists, "its folder")
        os.kill(agent.pid, signal.SIGHUP)
        await agent.listens()
        await agent.hears(lambda: b"reloaded: 0 started" in agent.err, "reloaded")

    async def test_needsAStart(self) -> None:
        """What can't be changed now is said."""
        _, remote = await self.configured(section("a"))
        text = self.file.read_text()
        self.file.write_text(text.replace("[gaffer]", "[gaffer]\npidfile = p"))
        document = await remote.post("/reload")
        self.assertEqual(len(document["warnings"]), 1)
        self.assertIn("pidfile", document["warnings"][0])
