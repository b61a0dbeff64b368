"""
gafferd's interface of a whole agent, with real programs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.living import running, until
from tests.support.remote import Remote

ECHO = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    print(line.upper(), end="", flush=True)
"""

FAMILY = """
import os, signal, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.setsid()
    print("child", os.getpid(), flush=True)
    time.sleep(1000)
else:
    time.sleep(1000)
"""

GAFFERD = "api = gafferd\n"


def python(script: str) -> list[str]:
    """
    The arguments of a script.
    """
    return ["-I", "-S", "-c", script]


class GafferdHttpTests(ConfiguredTestCase):
    """
    An agent whose endpoint offers gafferd's interface.
    """

    async def ask(
        self, agent: Remote, method: str, path: str, body: object = None, status: int = 200
    ) -> Any:
        """
        The document of an answer; what is sent is called a form, as gafferd's client does.
        """
        sent = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await agent.ask(method, path, sent, kind)
        self.assertEqual(answer.status, status, answer.body)
        return answer.document

    async def test_story(self) -> None:
        """
        A program is added, listened to, talked to, counted, scaled and removed.
        """
        _, agent = await self.configured(GAFFERD, section("dummy"))
        watch = await agent.follow("/watch?feed=eventsource")
        new = {
            "name": "shop:echo",
            "cmd": sys.executable,
            "args": python(ECHO),
            "redirect_output": ["out", "err"],
            "redirect_input": True,
        }
        self.assertEqual(await self.ask(agent, "POST", "/processes", new), {"ok": True})
        await watch.has(b"event: proc.shop:echo.spawn\r\n")
        self.assertEqual(await self.ask(agent, "GET", "/processes"), ["dummy", "shop:echo"])
        self.assertEqual(await self.ask(agent, "GET", "/processes?running=true"), [1, 2])
        out = await agent.follow("/streams/2/out?feed=continuous")
        poll = await agent.follow("/streams/2/out")
        answer = await agent.ask("POST", "/streams/2/stdin", b"hello\n", {})
        self.assertEqual(answer.document, {"ok": True})
        await out.has(b"HELLO\n")
        await poll.end()
        self.assertIn(b"\n", poll.body)
        [program] = (await self.ask(agent, "GET", "/stats/shop:echo"))["stats"]
        self.assertEqual((program["id"], program["children"]), (2, []))
        self.assertEqual(running([program["pid"]]), [program["pid"]])
        added = await self.ask(agent, "POST", "/processes/shop:echo/_add/2")
        self.assertEqual(added["numprocesses"], 3)
        self.assertEqual(
            (await self.ask(agent, "GET", "/processes/shop:echo/_pids"))["pids"], [2, 3, 4]
        )
        await self.ask(agent, "DELETE", "/groups/shop")
        self.assertEqual(await self.ask(agent, "GET", "/processes"), ["dummy"])
        await out.end()
        self.assertEqual(running([program["pid"]]), [])

    async def test_tree(self) -> None:
        """
        What a program has started ends with it, whatever it does about signals and in
        whatever session it is.
        """
        _, agent = await self.configured(GAFFERD)
        new = {"cmd": sys.executable, "args": python(FAMILY), "graceful_timeout": 0.5}
        new |= {"name": "family", "redirect_output": ["out"], "start": False}
        await self.ask(agent, "POST", "/processes", new)
        watch = await agent.follow("/watch/proc/family/spawn?feed=continuous")
        await self.ask(agent, "POST", "/processes/family/_start")
        await watch.has(b"os_pid")
        pid = json.loads(watch.body)["os_pid"]
        stats: Any = {"children": []}
        while not stats["children"]:
            stats = await self.ask(agent, "GET", "/stats/family/1")
        pids = [pid, *(child["pid"] for child in stats["children"])]
        self.assertEqual(running(pids), pids)
        await self.ask(agent, "POST", "/processes/family/_stop")
        self.assertEqual(running(pids), [])
        await self.ask(agent, "POST", "/processes/family/_start")
        status = await self.ask(agent, "GET", "/status/family")
        self.assertEqual((status["active"], status["running"]), (True, 1))

    async def test_reload(self) -> None:
        """
        What was added and removed so stays so when the file is read again.
        """
        process, agent = await self.configured(GAFFERD, section("a"), section("b"))
        await self.ask(agent, "POST", "/processes", {"name": "c", "cmd": "sleep 1000"})
        await self.ask(agent, "DELETE", "/processes/a")
        [before] = (await self.ask(agent, "GET", "/stats/c"))["stats"]
        self.write(GAFFERD, section("a"), section("b"), section("d"))
        await self.hang_up(process)
        self.assertEqual(sorted(await self.ask(agent, "GET", "/processes")), ["b", "c", "d"])
        [after] = (await self.ask(agent, "GET", "/stats/c"))["stats"]
        self.assertEqual(before["pid"], after["pid"])

    async def test_both(self) -> None:
        """
        With both interfaces, what one does the other shows.
        """
        _, agent = await self.configured("api = both\n", section("dummy"))
        await self.ask(agent, "POST", "/processes", {"name": "c", "cmd": "sleep 1000"})
        listing = await agent.get("/list-processes")
        slugs = [each["slug"] for each in listing["processes"]]
        self.assertEqual(slugs, ["default.dummy.0", "default.c.0"])
        await agent.post("/stop-process/default.c.0")
        status = await self.ask(agent, "GET", "/status/c")
        self.assertEqual((status["active"], status["max_processes"]), (False, 1))
        index = await self.ask(agent, "GET", "/")
        self.assertEqual(index["welcome"], "gaffer")

    async def test_end(self) -> None:
        """
        Clients of feeds hold up no agent that is to end.
        """
        process, agent = await self.configured(GAFFERD, section("dummy"))
        feeds = [
            await agent.follow(path)
            for path in (
                "/watch?feed=eventsource",
                "/watch",
                "/streams/1/stdout?feed=continuous",
                "/streams/1/stderr",
                "/stats?feed=eventsource",
            )
        ]
        os.kill(process.pid, signal.SIGTERM)
        self.assertEqual(await process.exit(), 0)
        for feed in feeds:
            await feed.end()
        await until(lambda: not process.below(), "the end of all")
