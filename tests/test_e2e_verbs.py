"""
Verbs at any moment and in any order: what was answered is how it is.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import tarfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.support import warden
from tests.support.agent_process import AgentProcess, AgentTestCase
from tests.support.applications import PYTHON, application
from tests.support.living import described, running, until
from tests.support.remote import Answer, Remote

ORDERS = int(os.environ.get("SMARTMOB_ORDERS", "30"))
"""How many random orders of verbs are tried."""

DEAF = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(os.environ["TRACE"], "a").write("x")
print("deaf")
while True:
    signal.pause()
"""

HELPERS = ("smartmob-guard", "smartmob-reaper", "smartmob-unpack")


def programs(agent: AgentProcess) -> list[int]:
    """
    What runs below an agent, its helpers left out.
    """
    found = []
    for pid in running(warden.below(agent.pid)):
        try:
            name = Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
        except OSError:
            continue
        if name not in HELPERS:
            found.append(pid)
    return found


def many_files(number: int) -> bytes:
    """
    An archive that takes its time.
    """
    memory = io.BytesIO()
    procfile = b"web: echo x >> $TRACE; exec sleep 1000\n"
    entry = tarfile.TarInfo("Procfile")
    entry.size = len(procfile)
    memory.write(entry.tobuf())
    memory.write(procfile.ljust(512, b"\0"))
    for each in range(number):
        entry = tarfile.TarInfo(f"files/{each}")
        memory.write(entry.tobuf())
    memory.write(b"\0" * 1024)
    return memory.getvalue()


class DeleteTests(AgentTestCase):
    """
    A delete in every state: 200, nothing is left, and nothing starts later.
    """

    async def set_up_agent(self) -> None:
        """
        Start an agent; the program leaves a trace each time it starts.
        """
        self.trace = self.folder / "trace"
        self.trace.touch()
        self.agent, self.client = await self.start()

    async def create(self, url: str, **more: Any) -> None:
        """
        Create the process.
        """
        env = {"TRACE": str(self.trace)}
        await self.client.create(url, env=env, **more)

    async def delete(self) -> None:
        """
        Delete it: nothing is left, nor comes back for as long as another program runs.
        """
        self.assertEqual(await self.client.post("/delete-process/app.web.0"), {})
        self.assertEqual(self.files(), [])
        self.assertEqual(described(programs(self.agent)), [])
        await self.client.post("/process-status/app.web.0", status=405)
        await self.client.get("/process-status/app.web.0", 404)
        started = self.trace.read_bytes()
        url = self.origin.serve("/later", application("web: sleep 1; echo later; read x"))
        await self.client.create(url, "later", redirect_input=True)
        console = await self.client.attach("app.later", tail=1)
        await console.line("later")
        self.assertEqual(self.trace.read_bytes(), started)
        listing = await self.client.get("/list-processes")
        self.assertEqual([each["slug"] for each in listing["processes"]], ["app.later"])

    async def test_downloading(self) -> None:
        """
        While its source is downloading: the download is abandoned.
        """
        await self.set_up_agent()
        url = self.origin.script(
            "/drips",
            lambda exchange: exchange.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x" * 1000
            ),
        )
        asked = self.origin.next_request()
        await self.create(url)
        exchange = await asked
        downloads = self.state / "downloads"
        await until(lambda: any(each.stat().st_size for each in downloads.iterdir()), "bytes")
        document = await self.client.get("/process-status/app.web.0")
        self.assertEqual(document["state"], "downloading")
        await self.delete()
        await exchange.lost

    async def test_unpacking(self) -> None:
        """
        While its source is being unpacked: the unpacker is killed, and what it made goes.
        """
        await self.set_up_agent()
        url = self.origin.serve("/many", many_files(20_000))
        await self.create(url)
        releases = self.state / "releases"
        await until(lambda: any(releases.rglob("files/1000")), "some files")
        [unpacker] = programs(self.agent)
        os.kill(unpacker, signal.SIGSTOP)  # so that it is at it still when the delete comes
        document = await self.client.get("/process-status/app.web.0")
        self.assertEqual(document["state"], "unpacking")
        await self.delete()
        self.assertEqual(self.trace.read_bytes(), b"")

    async def test_starting(self) -> None:
        """
        While it is starting, or just before or after.
        """
        await self.set_up_agent()
        url = self.origin.serve("/app", application(f"web: {PYTHON} main.py", main=DEAF))
        for number in range(20):
            # Its siblings keep the release, so that nothing comes before the start.
            if not number:
                await self.create(url, node="sibling", graceful_timeout=0)
                await self.client.state("app.sibling", "running")
            await self.create(url, graceful_timeout=0)
            console = await self.client.attach(format="json")
            attached = await console.document()
            if number % 2 and attached["state"] not in ("starting", "running"):
                await console.event("state", state="starting")
            self.assertEqual(await self.client.post("/delete-process/app.web.0"), {})
            self.assertEqual(len(programs(self.agent)), 1)
        await self.client.post("/delete-process/app.sibling")
        await self.create(url, graceful_timeout=0)
        await self.delete()

    async def test_backoff(self) -> None:
        """
        In the pause between two runs: there is no other.
        """
        await self.set_up_agent()
        url = self.origin.serve("/app", application("web: echo x >> $TRACE; exit 1"))
        flapping = {"attempts": 1, "window": 100, "retry_in": 0.5, "max_retry": -1}
        await self.create(url, flapping=flapping)
        await self.client.state("app.web.0", "backoff")
        await self.delete()
        self.assertIn(b"x", self.trace.read_bytes())

    async def test_waiting_for_source(self) -> None:
        """
        While it waits to download once more: it does not.
        """
        await self.set_up_agent()
        url = self.origin.script("/app", lambda exchange: exchange.answer(b"", code=503))
        await self.create(url)
        await self.client.state("app.web.0", "backoff")
        asked = len([each for each in self.origin.requests if each.path == "/app"])
        await self.delete()
        self.assertEqual(
            len([each for each in self.origin.requests if each.path == "/app"]), asked
        )

    async def test_stopping(self) -> None:
        """
        While a program that ignores TERM is being stopped: both answer when it is gone.
        """
        await self.set_up_agent()
        url = self.origin.serve("/app", application(f"web: {PYTHON} main.py", main=DEAF))
        await self.create(url, graceful_timeout=3)
        console = await self.client.attach(tail=1)
        await console.line("deaf")
        stopped = Deferred.fromCoroutine(self.client.post("/stop-process/app.web.0"))
        await self.client.state("app.web.0", "stopping")
        again = Deferred.fromCoroutine(
            self.client.post("/delete-process/app.web.0", status=None)
        )
        await self.delete()
        await stopped
        await again

    async def test_failed(self) -> None:
        """
        After it has failed.
        """
        await self.set_up_agent()
        url = self.origin.serve("/app", application("web: echo x >> $TRACE; exit 3"))
        await self.create(url, restart="never")
        await self.client.state("app.web.0", "failed")
        await self.delete()

    async def test_client_gone(self) -> None:
        """
        A client that hangs up changes nothing of what it asked for.
        """
        await self.set_up_agent()
        url = self.origin.serve("/app", application(f"web: {PYTHON} main.py", main=DEAF))
        await self.create(url, graceful_timeout=0.5)
        console = await self.client.attach(tail=1, format="json")
        await console.logged("deaf")
        gone = self.remote(self.client.url)
        deleting = Deferred.fromCoroutine(gone.post("/delete-process/app.web.0"))
        await console.event("state", state="stopping")
        deleting.addErrback(lambda _: None)
        deleting.cancel()
        await console.event("deleted")
        await self.client.get("/process-status/app.web.0", 404)
        self.assertEqual(self.files(), [])


class OrderTests(AgentTestCase):
    """
    Many clients want many things of one slug at the same moment.
    """

    async def ask(self, remote: Remote, verb: str, url: str) -> tuple[str, Answer]:
        """
        One of them.
        """
        document: dict[str, object] = {}
        path, method = f"/{verb}-process/app.web.0", "POST"
        if verb == "create":
            path = "/create-process"
            document = {
                "app": "app",
                "node": "web.0",
                "process_type": "web",
                "source_url": url,
                "graceful_timeout": 5,
            }
        elif verb == "status":
            path, method = "/process-status/app.web.0", "GET"
        body = None if method == "GET" else json.dumps(document).encode()
        return verb, await remote.ask(method, path, body)

    async def test_orders(self) -> None:
        """
        Creates, deletes and other verbs of one slug at the same moment end with one
        process or none, as their answers said.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/app", application("web: exec sleep 1000"))
        kinds = ("create", "create", "delete", "start", "stop", "restart", "status")
        for seed in range(ORDERS):
            chance = random.Random(seed)
            verbs = chance.choices(kinds, k=chance.randrange(2, 12))
            if chance.random() < 0.5:
                verbs.insert(0, "create")
            answers = await gatherResults(
                [Deferred.fromCoroutine(self.ask(remote, verb, url)) for verb in verbs]
            )
            said = (seed, [(verb, answer.status) for verb, answer in answers])
            allowed = {"create": {201, 409}}
            for verb, answer in answers:
                self.assertIn(answer.status, allowed.get(verb, {200, 404}), said)
            created = said[1].count(("create", 201))
            deletes = said[1].count(("delete", 200))
            now = await remote.ask("GET", "/process-status/app.web.0")
            there = now.status == 200
            # Each one that was created is gone again by a delete, but the last, perhaps.
            self.assertGreaterEqual(deletes, created - there, said)
            self.assertGreaterEqual(created, int(there or deletes > 0), said)
            if there:
                document = await remote.state("app.web.0", "running", "stopped")
                asked = {verb for verb, answer in answers if answer.status == 200}
                if "stop" not in asked:
                    self.assertEqual(document["state"], "running", said)
                expected = [] if document["pid"] is None else [document["pid"]]
                self.assertEqual(programs(agent), expected, said)
                await remote.post("/delete-process/app.web.0")
            self.assertEqual(described(programs(agent)), [], said)
            self.assertEqual(self.files(), [], said)
        await remote.get("/process-status/app.web.0", 404)

    async def test_last_verb_wins(self) -> None:
        """
        On one connection, where their order is known, the last of stop and start wins,
        and an overtaken request answers 200.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/app", application("web: exec sleep 1000"))
        await remote.create(url)
        await remote.state("app.web.0", "running")
        for seed in range(ORDERS):
            chance = random.Random(seed)
            verbs = chance.choices(("start", "stop", "restart"), k=chance.randrange(1, 8))
            for verb in verbs[:-1]:
                await remote.post(f"/{verb}-process/app.web.0?wait=0", status=None)
            await remote.post(f"/{verbs[-1]}-process/app.web.0")
            wanted = "stopped" if verbs[-1] == "stop" else "running"
            document = await remote.state("app.web.0", wanted)
            expected = [] if document["pid"] is None else [document["pid"]]
            self.assertEqual(programs(agent), expected, (seed, verbs))
