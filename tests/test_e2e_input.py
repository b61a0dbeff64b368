"""
What programs are sent, and who may send it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.agent_process import AgentTestCase
from tests.support.applications import application
from tests.support.living import until
from tests.support.remote import Remote


class InputTests(AgentTestCase):
    """
    Standard input, over REST and over a WebSocket.
    """

    async def reads(self, command: str, **more: Any) -> Remote:
        """
        Have a program run.
        """
        _, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", application(f"web: {command}"))
        await remote.create(url, **more)
        return remote

    async def test_not_read(self) -> None:
        """
        While a program does not read, a mebibyte is held for it, more is refused, and
        all that was taken arrives once it reads.
        """
        remote = await self.reads(
            "trap : HUP; sleep 1000 & echo up; wait; exec wc -c", redirect_input=True
        )
        console = await remote.attach(tail=1)
        await console.line("up")
        taken = 0
        block = "x" * 250_000
        while True:
            answer = await remote.ask(
                "POST", "/write-stdin/app.web.0", json.dumps({"data": block}).encode()
            )
            if answer.status != 200:
                break
            taken += len(block)
            self.assertLess(taken, 4 << 20)
        self.assertEqual((answer.status, answer.document["code"]), (503, "stdin-full"))
        self.assertGreaterEqual(taken, 1_000_000)
        await remote.post("/write-stdin/app.web.0", {"eof": True})
        await remote.post("/signal-process/app.web.0", {"signal": "HUP"})
        self.assertEqual((await console.next()).strip(), str(taken))

    async def test_much_over_a_socket(self) -> None:
        """
        Much more than is held passes over a WebSocket, which waits for the program.
        """
        remote = await self.reads("exec wc -c", redirect_input=True, restart="never")
        console = await remote.attach(stdin=1)
        await remote.state("app.web.0", "running")
        for _ in range(100):
            console.send("y" * 100_000)
        console.send("end")
        await remote.state("app.web.0", "running")
        await self.all_arrived(remote, 100 * 100_000 + 3)
        self.assertEqual((await console.next()).strip(), str(100 * 100_000 + 3))

    async def all_arrived(self, remote: Remote, number: int) -> None:
        """
        Wait until the program has read so many bytes, then end its input.
        """
        pid = (await remote.get("/process-status/app.web.0"))["pid"]
        counts = Path(f"/proc/{pid}/io")
        await until(
            lambda: int(counts.read_text().split("rchar: ")[1].split()[0]) >= number, "input"
        )
        await remote.post("/write-stdin/app.web.0", {"eof": True})

    async def test_refused(self) -> None:
        """
        A console of no process is refused, input where none is taken too, and a plain
        request is told to upgrade.
        """
        remote = await self.reads("echo up; exec sleep 1000")
        rows: list[tuple[str, dict[str, Any], str]] = [
            ("app.other", {}, "404"),
            ("app.web.0", {"stdin": 1}, "409"),
            ("app.web.0", {"tail": "x"}, "400"),
            ("app.web.0", {"format": "xml"}, "400"),
        ]
        for slug, query, status in rows:
            with self.assertRaises(ConnectionRefusedError) as raised:
                await remote.attach(slug, **query)
            self.assertIn(status, str(raised.exception))
        answer = await remote.ask("GET", "/attach-console/app.web.0", None, {})
        self.assertEqual((answer.status, answer.document["code"]), (426, "upgrade-required"))

    async def test_not_running(self) -> None:
        """
        What is sent while the program does not run is refused, and never kept.
        """
        remote = await self.reads("echo up; exec cat", redirect_input=True)
        console = await remote.attach(format="json", stdin=1, tail=1)
        await console.logged("up")
        await remote.post("/stop-process/app.web.0")
        await console.event("state", state="stopped")
        console.send("lost\n")
        await console.event("stdin-refused")
        await remote.post("/start-process/app.web.0")
        await console.event("state", state="running")
        console.send("found\n")
        self.assertEqual((await console.logged())["line"], "up")
        self.assertEqual((await console.logged())["line"], "found")
