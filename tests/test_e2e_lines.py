"""
Lines, from real programs through a real agent to real clients.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.support.agent_process import AgentTestCase
from tests.support.applications import PYTHON, application
from tests.support.remote import Document, Remote

RUNS = int(os.environ.get("SMARTMOB_RUNS", "20"))
"""How often a thousand lines and an exit are looked at."""

BLOCKS = 60
"""Blocks of a mebibyte that a client does not read."""

TALKER = """
import sys
for line in sys.stdin:
    number = int(line)
    for each in range(number * 1024, number * 1024 + 1024):
        sys.stdout.write("%07d%s\\n" % (each, "x" * 1016))
    sys.stdout.flush()
"""

ODD = r"""
import os
def write(data):
    while data:
        data = data[os.write(1, data):]
write(b"\xff\xfe not UTF-8 \xe2\x82\n")
write("in two pi\u20ac".encode()[:-2])
write("in two pi\u20ac".encode()[-2:] + b"ces\n")
write(b"carriage\r\n")
write(b"inner\rcarriage\n")
write(b"a NUL \0 in it\n")
write(b"\n")
write(b"L" * (1 << 20) + b"ONG\n")
write(b"no end")
"""

KEEPER = """
import sys
for number in range(1, 11):
    print("out", number)
    print("err", number, file=sys.stderr)
for line in sys.stdin:
    print("more", line.strip())
"""


class LinesTestCase(AgentTestCase):
    """
    An agent, and a program that speaks.
    """

    async def speaks(self, command: str, main: str = "", **more: Any) -> Remote:
        """
        Have a program run.
        """
        self.agent, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", application(f"web: {command}", main=main))
        await remote.create(url, **more)
        return remote


class ExitTests(LinesTestCase):
    """
    The lines of a run, and its end.
    """

    async def test_thousand_lines(self) -> None:
        """
        A thousand lines and an exit are a thousand lines in order, then the exit,
        however often.
        """
        remote = await self.speaks("seq 500; seq 501 1000", restart="never")
        await remote.state("app.web.0", "stopped")
        console = await remote.attach(format="json")
        expected = [str(number) for number in range(1, 1001)]
        last = None
        for _ in range(RUNS):
            await remote.post("/start-process/app.web.0")
            found = []
            while (document := await console.document()).get("event") != "exited":
                if "line" in document:
                    found.append(document)
            self.assertEqual([each["line"] for each in found], expected)
            pid = found[0]["pid"]
            self.assertEqual({each["pid"] for each in found}, {pid})
            self.assertEqual((document["pid"], document["code"]), (pid, 0))
            first = found[0]["seq"]
            self.assertEqual([each["seq"] for each in found], [*range(first, first + 1000)])
            self.assertIn(last, (None, first - 1))
            last = found[-1]["seq"]
            await console.event("state", state="stopped")

    async def test_odd_lines(self) -> None:
        """
        Whatever a program writes arrives as lines of text: bytes that are no UTF-8,
        both line ends, NULs, a line over a mebibyte, and a last one without an end.
        """
        remote = await self.speaks(f"{PYTHON} main.py", ODD, restart="never")
        console = await remote.attach(format="json", tail=1000)
        found: list[Document] = []
        while (document := await console.document()).get("event") != "exited":
            if "line" in document:
                found.append(document)
        pieces = [each["line"] for each in found if each["line"].startswith("L")]
        self.assertGreaterEqual(len(pieces), 1)
        lines = [each["line"] for each in found if not each.get("partial")]
        partial = [each["line"] for each in found if each.get("partial")]
        self.assertTrue(all(set(piece) <= set("LONG") for piece in partial), partial)
        self.assertGreaterEqual(len(partial), 1)
        end = lines.pop(6)
        self.assertEqual("".join([*partial, end]), "L" * (1 << 20) + "ONG")
        self.assertEqual(
            lines,
            [
                "\ufffd\ufffd not UTF-8 \ufffd",
                "in two pi\u20acces",
                "carriage",
                "inner\rcarriage",
                "a NUL \0 in it",
                "",
                "no end",
            ],
        )

    async def test_events(self) -> None:
        """
        A console tells what happens, in order, from attaching to the delete.
        """
        remote = await self.speaks("echo up; exec sleep 1000")
        console = await remote.attach(format="json", tail=10)
        attached = await console.document()
        self.assertEqual(attached["event"], "attached")
        self.assertEqual(attached["slug"], "app.web.0")
        await console.logged("up")
        document = await remote.get("/process-status/app.web.0")
        await remote.post("/stop-process/app.web.0")
        await console.event("state", state="stopping", reason=None)
        exited = await console.event("exited", pid=document["pid"])
        self.assertEqual((exited["code"], exited["signal"]), (None, "TERM"))
        await console.event("state", state="stopped")
        await remote.post("/start-process/app.web.0")
        await console.event("state", state="starting")
        started = await console.event("started")
        self.assertNotEqual(started["pid"], document["pid"])
        await console.event("state", state="running")
        await remote.post("/delete-process/app.web.0")
        await console.event("deleted")
        self.assertEqual(await console.closed, (1000, "process deleted"))


class SlowTests(LinesTestCase):
    """
    Clients that do not read.
    """

    def memory(self) -> int:
        """
        Bytes of memory that the agent has.
        """
        status = Path(f"/proc/{self.agent.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    async def test_never_reads(self) -> None:
        """
        A client that never reads slows neither the program nor another client, nor
        grows the agent, and is told how much it missed when it reads at last.
        """
        remote = await self.speaks(f"{PYTHON} main.py", TALKER, redirect_input=True)
        await remote.state("app.web.0", "running")
        slow = await remote.attach(format="json")
        quick = await remote.attach(stdin=1)
        slow.hold()
        before = self.memory()
        for block in range(BLOCKS):
            quick.send(f"{block}\n")
            lines = await quick.lines(1024)
            numbers = [int(line[:7]) for line in lines]
            self.assertEqual(numbers, [*range(block * 1024, block * 1024 + 1024)])
        self.assertLess(self.memory() - before, 40 << 20)
        slow.go_on()
        seen = missed = 0
        while missed == 0:
            document = await slow.document()
            if "line" in document:
                self.assertEqual(int(document["line"][:7]), seen)
                seen += 1
            elif document["event"] == "dropped":
                missed = document["missed"]
        quick.send(f"{BLOCKS}\n")
        document = await slow.logged()
        self.assertEqual(document["seq"], seen + missed + 1)
        self.assertEqual(int(document["line"][:7]), seen + missed)

    async def test_plain_is_closed(self) -> None:
        """
        A plain client that is too slow gets what was queued, is closed with 1013, and
        can come back for what is kept.
        """
        remote = await self.speaks(f"{PYTHON} main.py", TALKER, redirect_input=True)
        await remote.state("app.web.0", "running")
        slow = await remote.attach()
        quick = await remote.attach(stdin=1)
        slow.hold()
        for block in range(BLOCKS):
            quick.send(f"{block}\n")
            await quick.lines(1024)
        slow.go_on()
        self.assertEqual((await slow.closed)[0], 1013)
        numbers = [int(line[:7]) for line in slow.texts]
        self.assertEqual(numbers, [*range(len(numbers))])
        again = await remote.attach(tail=1)
        self.assertEqual(int((await again.next())[:7]), BLOCKS * 1024 - 1)

    async def test_blocking_output(self) -> None:
        """
        With C{output} C{block} the program waits for its slowest reader, which loses
        nothing.
        """
        remote = await self.speaks(
            f"seq {BLOCKS // 2} | {PYTHON} main.py", TALKER, output="block", restart="never"
        )
        slow = await remote.attach(tail=1000)
        slow.hold()
        while not (await remote.get("/process-status/app.web.0"))["blocked"]:
            continue
        slow.go_on()
        numbers = [int((await slow.next())[:7]) for _ in range(BLOCKS // 2 * 1024)]
        self.assertEqual(numbers, [*range(1024, 1024 + len(numbers))])
        document = await remote.state("app.web.0", "stopped")
        self.assertFalse(document["blocked"])

    async def test_blocked_program(self) -> None:
        """
        A program that waits for a client that never reads can be stopped, deleted, and
        ended with its agent, while that client is there.
        """
        remote = await self.speaks("exec yes", output="block")
        slow = await remote.attach()
        slow.hold()
        for verb in ("stop", "delete"):
            await remote.post("/start-process/app.web.0")
            while not (await remote.get("/process-status/app.web.0"))["blocked"]:
                continue
            await remote.post(f"/{verb}-process/app.web.0")
        await remote.create(self.origin.url("/app.tar.gz"), output="block")
        slow = await remote.attach()
        slow.hold()
        while not (await remote.get("/process-status/app.web.0"))["blocked"]:
            continue
        os.kill(self.agent.pid, signal.SIGTERM)
        self.assertEqual(await self.agent.exit(), 0)
        self.assertEqual(self.agent.below(), [])


class KeptTests(LinesTestCase):
    """
    The lines that are kept, for who comes later.
    """

    async def kept(self) -> Remote:
        """
        Ten lines on each stream.
        """
        remote = await self.speaks(f"{PYTHON} main.py", KEEPER, redirect_input=True)
        console = await remote.attach(tail=100)
        left = {f"{stream} {number}" for stream in ("out", "err") for number in range(1, 11)}
        while left:
            left.remove(await console.next())
        await console.leave()
        return remote

    async def lines(self, remote: Remote, number: int, **query: Any) -> list[Document]:
        """
        The first lines that a client with this query gets.
        """
        console = await remote.attach(format="json", **query)
        found: list[Document] = []
        while len(found) < number:
            document = await console.document()
            if "line" in document:
                found.append(document)
        if query.get("stream") != "stderr":
            # Nothing else comes before the next line.
            await remote.post("/write-stdin/app.web.0", {"data": "line\n"})
            self.assertEqual((await console.logged())["line"], "more line")
        await console.leave()
        return found

    async def test_tail(self) -> None:
        """
        C{tail} is the last lines of the chosen streams.
        """
        remote = await self.kept()
        found = await self.lines(remote, 3, tail=3, stream="stdout")
        self.assertEqual([each["line"] for each in found], ["out 8", "out 9", "out 10"])
        found = await self.lines(remote, 2, tail=2, stream="stderr")
        self.assertEqual([each["line"] for each in found[:2]], ["err 9", "err 10"])

    async def test_after(self) -> None:
        """
        C{after} is what came since a line, if that was of this agent's run.
        """
        remote = await self.kept()
        console = await remote.attach(format="json", tail=100)
        epoch = (await console.document())["epoch"]
        numbers = [(await console.logged())["seq"] for _ in range(20)]
        self.assertEqual(numbers, [*range(1, 21)])
        found = await self.lines(remote, 3, after=17, epoch=epoch)
        self.assertEqual([each["seq"] for each in found], [18, 19, 20])
        found = await self.lines(remote, 21, after=17, epoch="another")
        self.assertEqual([each["seq"] for each in found], [*range(1, 22)])
        found = await self.lines(remote, 2, after=5, tail=2)
        self.assertEqual([each["seq"] for each in found], [21, 22])
        found = await self.lines(remote, 0)
        self.assertEqual(found, [])

    async def test_logs(self) -> None:
        """
        C{/process-logs} is the kept lines as text or JSON, of the streams and as many
        as were asked for.
        """
        remote = await self.kept()
        path = "/process-logs/app.web.0"
        answer = await remote.ask("GET", path)
        self.assertTrue(answer.headers["content-type"].startswith("text/plain"))
        lines = answer.body.decode().splitlines()
        self.assertEqual(len(lines), 20)
        self.assertEqual(
            [line for line in lines if line.startswith("out")],
            [f"out {number}" for number in range(1, 11)],
        )
        answer = await remote.ask("GET", f"{path}?tail=2&stream=stderr")
        self.assertEqual(answer.body, b"err 9\nerr 10\n")
        answer = await remote.ask("GET", f"{path}?format=json&stream=stdout")
        self.assertEqual(answer.headers["content-type"], "application/x-ndjson")
        documents: list[Any] = [json.loads(line) for line in answer.body.splitlines()]
        self.assertEqual({each["stream"] for each in documents}, {"stdout"})
        self.assertEqual(documents[-1]["line"], "out 10")
        answer = await remote.ask("GET", f"{path}?tail=-1")
        self.assertEqual((answer.status, answer.document["code"]), (400, "bad-query"))

    async def test_logs_followed(self) -> None:
        """
        With C{follow=1} the answer goes on until the process is deleted.
        """
        remote = await self.kept()
        followed = await remote.follow("/process-logs/app.web.0?follow=1&tail=1&stream=stdout")
        await followed.has(b"out 10\n")
        await remote.post("/write-stdin/app.web.0", {"data": "line\n"})
        await followed.has(b"more line\n")
        await remote.post("/delete-process/app.web.0")
        await followed.end()
        self.assertEqual(followed.body, b"out 10\nmore line\n")

    async def test_logs_as_events(self) -> None:
        """
        As server-sent events each line has its number, from which a client goes on.
        """
        remote = await self.kept()
        accept = "text/event-stream"
        events = await remote.follow("/process-logs/app.web.0?tail=1", accept)
        await events.has(b"id: 20\ndata: ")
        await remote.post("/write-stdin/app.web.0", {"data": "line\n"})
        await events.has(b"id: 21\ndata: more line\n\n")
        await remote.post("/delete-process/app.web.0")
        await events.end()


class RunTests(LinesTestCase):
    """
    Readers that outlive an agent.
    """

    async def test_epoch(self) -> None:
        """
        Who comes back to another run of the agent gets all that it has, whatever number
        was seen last.
        """
        remote = await self.speaks("seq 100; exec sleep 1000")
        console = await remote.attach(format="json", tail=1000)
        epoch = (await console.document())["epoch"]
        await console.logged("100")
        os.kill(self.agent.pid, signal.SIGKILL)
        await self.agent.nothing_left()
        self.assertNotEqual((await console.closed)[0], 1000)
        self.agent, remote = await self.start()
        console = await remote.attach(format="json", after=100, epoch=epoch)
        self.assertNotEqual((await console.document())["epoch"], epoch)
        self.assertEqual((await console.logged())["line"], "1")
