"""
The main story on a real agent: an app is posted, seen, killed, commanded, deleted.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from datetime import datetime
from operator import le

from tests.support.agent_process import AgentTestCase
from tests.support.applications import PYTHON, application
from tests.support.living import running, until

SERVER = """
import os, signal, socket, sys

signal.signal(signal.SIGHUP, lambda *_: print("hung up"))
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print("up", os.getpid())
for line in sys.stdin:
    print("read", line.strip())
print("end of input")
while True:
    signal.pause()
"""

LINKS = {
    "attach": "attach-console",
    "details": "process-status",
    "status": "process-status",
    "delete": "delete-process",
    "stop": "stop-process",
    "start": "start-process",
    "restart": "restart-process",
    "signal": "signal-process",
    "stdin": "write-stdin",
    "logs": "process-logs",
    "stats": "process-stats",
}

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class StoryTests(AgentTestCase):
    """
    One agent, one app, everything that can be done with it.
    """

    async def test_story(self) -> None:
        """
        A process lives through kill, stop, start, restart, a signal and input, its
        console is never closed, and after its delete nothing is left of it.
        """
        agent, remote = await self.start()
        url = self.origin.serve(
            "/app.tar.gz", application(f"web: {PYTHON} main.py", main=SERVER)
        )
        created = await remote.create(url, redirect_input=True)
        self.assertIn(created["state"], ("pending", "downloading"))
        console = await remote.attach(tail=100, stdin=1)
        pids = [int((await console.line("up ")).split()[1])]

        async def again() -> dict[str, object]:
            document = await remote.state("app.web.0", "running")
            pids.append(int((await console.line("up ")).split()[1]))
            self.assertEqual(document["pid"], pids[-1])
            return document

        # It is killed, and comes back.
        os.kill(pids[-1], signal.SIGKILL)
        pids.append(int((await console.line("up ")).split()[1]))
        document = await remote.get("/process-status/app.web.0")
        self.assertEqual((document["state"], document["restarts"]), ("running", 1))
        exited = document["last_exit"]
        self.assertEqual((exited["code"], exited["signal"]), (None, "KILL"))

        # It is stopped, and stays so until it is started.
        document = await remote.post("/stop-process/app.web.0")
        self.assertEqual((document["state"], document["pid"]), ("stopped", None))
        self.assertEqual(document["last_exit"]["signal"], "TERM")
        self.assertEqual(running(pids), [])
        await remote.post("/signal-process/app.web.0", {"signal": "HUP"}, 409)
        await remote.post("/write-stdin/app.web.0", {"data": "x"}, 409)
        await remote.post("/start-process/app.web.0")
        document = await again()

        # It is restarted.
        document = await remote.post("/restart-process/app.web.0")
        self.assertEqual(document["state"], "running")
        self.assertNotEqual(document["pid"], pids[-1])
        document = await again()
        self.assertEqual(document["restarts"], 1)

        # It is signalled, and written to.
        await remote.post("/signal-process/app.web.0", {"signal": "HUP"})
        await console.line("hung up")
        await remote.post("/write-stdin/app.web.0", {"data": "from REST\n"})
        self.assertEqual(await console.next(), "read from REST")
        console.send("from a socket\n")
        self.assertEqual(await console.next(), "read from a socket")
        await remote.post("/write-stdin/app.web.0", {"eof": True})
        self.assertEqual(await console.next(), "end of input")

        # It is deleted: no process, no file, no name, and its port can be had.
        self.assertNotEqual(self.files(), [])
        self.assertEqual(await remote.post("/delete-process/app.web.0"), {})
        self.assertEqual(running(pids), [])
        self.assertEqual(self.files(), [])
        self.assertEqual(await console.closed, (1000, "process deleted"))
        await remote.post("/delete-process/app.web.0", status=404)
        self.assertEqual(await remote.get("/list-processes"), {"processes": []})
        socket.create_server(("127.0.0.1", created["port"])).close()
        self.assertEqual(len(self.origin.requests), 1)
        self.assertEqual(len(set(pids)), 4)

        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        await agent.nothing_left()

    async def test_document(self) -> None:
        """
        The document of a process is that of the walk-through, to the letter.
        """
        _, remote = await self.start()
        secret = self.origin.serve("/app.tar.gz", application("web: exec sleep 1000"))
        await remote.create(f"{secret}?token=x", node="web.7", labels={"tier": "front"})
        document = await remote.state("app.web.7", "running")
        self.assertEqual(document.pop("last_exits"), [])
        for name in ("created_at", "started_at"):
            self.assertRegex(document[name], ISO)
        self.assertLessEqual(
            datetime.fromisoformat(document["created_at"]),
            datetime.fromisoformat(document["started_at"]),
        )
        sockets = remote.url.replace("http", "ws", 1)
        bases = {"attach": sockets}
        expected = {
            "app": "app",
            "node": "web.7",
            "process_type": "web",
            "slug": "app.web.7",
            "state": "running",
            "reason": None,
            "pid": document["pid"],
            "restarts": 0,
            "created_at": document["created_at"],
            "started_at": document["started_at"],
            "last_exit": None,
            "port": document["port"],
            "source_url": f"{secret}?...",
            "labels": {"tier": "front"},
            "blocked": False,
            **{
                name: f"{bases.get(name, remote.url)}/{route}/app.web.7"
                for name, route in LINKS.items()
            },
        }
        self.assertEqual(document, expected)
        self.assertTrue(20_000 <= document["port"] <= 29_999)
        listing = await remote.get("/list-processes")
        self.assertEqual(listing, {"processes": [expected]})

    async def test_created(self) -> None:
        """
        A create answers 201 with the document, and where that can be had.
        """
        _, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", application("web: exec sleep 1000"))
        body = (
            f'{{"app": "app", "node": "a", "process_type": "web", "source_url": "{url}"}}'
        ).encode()
        answer = await remote.ask("POST", "/create-process", body)
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.headers["location"], answer.document["details"])
        self.assertEqual(answer.headers["content-type"], "application/json")
        there = await remote.get(answer.headers["location"])
        self.assertEqual(there["slug"], "app.a")

    async def test_walk_through(self) -> None:
        """
        A create that is sent as plain text, or without a type, works as in the
        walk-through.
        """
        _, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", application("web: exec sleep 1000"))
        for number, headers in enumerate(
            ({"Content-Type": "text/plain"}, {"Content-Type": "application/octet-stream"}, {})
        ):
            body = (
                f'{{"app": "app", "node": "n{number}", "process_type": "web",'
                f' "source_url": "{url}"}}'
            ).encode()
            answer = await remote.ask("POST", "/create-process", body, headers)
            self.assertEqual(answer.status, 201, answer.body)


class LifeTests(AgentTestCase):
    """
    What becomes of programs that end by themselves, and of many of them.
    """

    async def test_flapping(self) -> None:
        """
        With flapping 3, 1., 0.2, 2 a program that ends at once runs nine times, pauses
        twice, and is C{failed}; an operator's start begins anew.
        """
        _, remote = await self.start()
        url = self.origin.serve("/app", application("web: echo run; exit 1"))
        flapping = {"attempts": 3, "window": 1.0, "retry_in": 0.2, "max_retry": 2}
        await remote.create(url, flapping=flapping)
        document = await remote.state("app.web.0", "failed")
        self.assertEqual(document["restarts"], 8)
        console = await remote.attach(tail=1000, stream="stdout")
        self.assertEqual(await console.lines(9), ["run"] * 9)
        await remote.post("/start-process/app.web.0")
        self.assertEqual(await console.lines(9), ["run"] * 9)

    async def test_policies(self) -> None:
        """
        What is not started again is C{stopped} after code 0, and C{failed} after others.
        """
        _, remote = await self.start()
        url = self.origin.serve("/app", application("web: exit $CODE\ndies: kill -SEGV $$"))
        rows = [
            ("never", "0", "web", "stopped", 0, None),
            ("never", "7", "web", "failed", 7, None),
            ("never", "", "dies", "failed", None, "SEGV"),
            ("on-failure", "0", "web", "stopped", 0, None),
        ]
        for restart, status, kind, state, code, signaled in rows:
            env = {"CODE": status}
            await remote.create(url, restart=restart, env=env, process_type=kind)
            document = await remote.state("app.web.0", "stopped", "failed")
            exited = document["last_exit"]
            self.assertEqual(
                (document["state"], exited["code"], exited["signal"]), (state, code, signaled)
            )
            self.assertEqual(document["restarts"], 0)
            await remote.post("/delete-process/app.web.0")
        await remote.create(url, restart="on-failure", env={"CODE": "1"})
        document = await remote.state("app.web.0", "backoff")
        self.assertIn("code 1", document["reason"])

    async def test_stop_signal(self) -> None:
        """
        A program is asked to end by the signal that was wished for.
        """
        _, remote = await self.start()
        script = "web: trap 'echo asked; exit 5' USR1; echo up; while :; do sleep 0.01; done"
        url = self.origin.serve("/app", application(script))
        await remote.create(url, stop_signal="USR1")
        console = await remote.attach(tail=1)
        await console.line("up")
        document = await remote.post("/stop-process/app.web.0")
        await console.line("asked")
        self.assertEqual(
            (document["last_exit"]["code"], document["last_exit"]["killed"]), (5, [])
        )

    async def test_listing(self) -> None:
        """
        A listing is in the order of creation, and can be filtered; an app is deleted with
        all its processes.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/app", application("web: exec sleep 1000"))
        for app, node in (("b", "web.1"), ("a", "web.0"), ("b", "clock"), ("bb", "web.0")):
            await remote.create(url, node, app=app)
        await remote.post("/stop-process/a.web.0")
        for query, slugs in (
            ("", ["b.web.1", "a.web.0", "b.clock", "bb.web.0"]),
            ("?app=b", ["b.web.1", "b.clock"]),
            ("?app=b*&node=web.*", ["b.web.1", "bb.web.0"]),
            ("?app=a&app=bb", ["a.web.0", "bb.web.0"]),
            ("?state=stopped", ["a.web.0"]),
            ("?state=nothing", []),
        ):
            listing = await remote.get(f"/list-processes{query}")
            self.assertEqual([each["slug"] for each in listing["processes"]], slugs, query)
        self.assertEqual(await remote.post("/delete-app/b"), {})
        await remote.post("/delete-app/b", status=404)
        listing = await remote.get("/list-processes")
        self.assertEqual(
            [each["slug"] for each in listing["processes"]], ["a.web.0", "bb.web.0"]
        )
        await remote.post("/delete-app/a")
        await remote.post("/delete-app/bb")
        await agent.alone()
        self.assertEqual(self.files(), [])

    async def test_nothing_grows(self) -> None:
        """
        After many processes, restarts and consoles the agent and its guardian have no
        more open than before.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/app", application("web: echo up; exec sleep 1000"))

        def opened() -> list[int]:
            return [len(os.listdir(f"/proc/{pid}/fd")) for pid in agent.below()]

        async def cycle() -> None:
            await remote.create(url)
            console = await remote.attach(tail=1, format="json")
            await console.logged("up")
            await remote.post("/restart-process/app.web.0")
            await console.logged("up")
            await remote.post("/delete-process/app.web.0")
            await console.closed

        await cycle()
        await agent.alone()
        before = opened()
        for _ in range(30):
            await cycle()
        await agent.alone()
        await until(lambda: all(map(le, opened(), before)), f"no more open than {before}")
