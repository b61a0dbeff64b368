"""
Programs that flood, beside those that do not; and programs that wait for their readers.
"""

from __future__ import annotations

import json

from tests.support.agent_process import AgentTestCase
from tests.support.applications import PYTHON, application
from tests.support.console_client import Console
from tests.support.remote import Remote

FLOODS = 20

BLOCKS = 12
"""Blocks of a mebibyte on each stream: more than the kernel keeps for a client."""

BOTH = f"""
import os, sys, threading
def write(descriptor):
    for number in range(0, {BLOCKS} * 1024, 1024):
        data = b"".join(b"%07d%s\\n" % (n, b"x" * 1016) for n in range(number, number + 1024))
        while data:
            data = data[os.write(descriptor, data):]
sys.stdin.readline()
threads = [threading.Thread(target=write, args=(descriptor,)) for descriptor in (1, 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""

SHORT = """
import os, select
def fill():
    for descriptor in (1, 2):
        try:
            while True:
                os.write(descriptor, b"\\n" * 65536)
        except BlockingIOError:
            pass
os.read(0, 9)
os.set_blocking(1, False)
os.set_blocking(2, False)
while not select.select([0], [], [], 0.01)[0]:
    fill()
fill()
"""
"""Lines as short as can be, in pipes that are full when it is told to end."""


async def last(remote: Remote, node: str) -> int:
    """
    The number of the last line that was read of it.
    """
    answer = await remote.ask("GET", f"/process-logs/app.{node}?tail=1&format=json")
    lines = answer.body.splitlines()
    return int(json.loads(lines[-1])["seq"]) if lines else 0


class FloodTests(AgentTestCase):
    """
    Many programs that write as fast as they can.
    """

    async def test_quiet(self) -> None:
        """
        Beside them a quiet program's lines come, requests are answered, and each of the
        floods is read.
        """
        self.agent, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", application("web: exec yes\nquiet: exec cat"))
        await remote.create(url, "quiet.0", process_type="quiet", redirect_input=True)
        await remote.state("app.quiet.0", "running")
        console = await remote.attach("app.quiet.0", stdin=1)
        floods = [f"web.{n}" for n in range(FLOODS)]
        for node in floods:
            await remote.create(url, node)
        before = {node: await last(remote, node) for node in floods}
        for n in range(50):
            console.send(f"{n}\n")
            self.assertEqual(await console.next(), str(n))
            listing = await remote.get("/list-processes")
            self.assertEqual(len(listing["processes"]), FLOODS + 1)
        for node in floods:
            while await last(remote, node) <= before[node]:
                continue
        for node in floods:
            await remote.post(f"/delete-process/app.{node}")
        console.send("end\n")
        self.assertEqual(await console.next(), "end")


class BlockTests(AgentTestCase):
    """
    C{"output": "block"}: the program waits instead.
    """

    async def begin(self, main: str = BOTH) -> Remote:
        """
        A program that writes on both streams, once it is told to.
        """
        self.agent, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", application(f"web: {PYTHON} main.py", main=main))
        await remote.create(url, output="block", restart="never", redirect_input=True)
        await remote.state("app.web.0", "running")
        return remote

    async def blocked(self, remote: Remote, wanted: bool) -> None:
        """
        Wait until its document says so.
        """
        while (await remote.get("/process-status/app.web.0"))["blocked"] != wanted:
            continue

    async def go(self, remote: Remote) -> None:
        """
        Have it write, and wait until it waits itself.
        """
        await remote.post("/write-stdin/app.web.0", {"data": "go\n"})
        await self.blocked(remote, True)

    async def numbers(self, console: Console) -> dict[str, list[int]]:
        """
        All it wrote, by stream.
        """
        found: dict[str, list[int]] = {"stdout": [], "stderr": []}
        while min(map(len, found.values())) < BLOCKS * 1024:
            document = await console.document()
            self.assertNotEqual(document.get("event"), "dropped")
            if "line" in document:
                found[document["stream"]].append(int(document["line"][:7]))
        return found

    async def test_both_streams(self) -> None:
        """
        It waits for the slowest of its readers, be that one of its app, which lose nothing
        of either stream.
        """
        remote = await self.begin()
        single = await remote.attach(format="json")
        of_app = await remote.attach_app(format="json")
        single.hold()
        of_app.hold()
        await self.go(remote)
        single.go_on()
        expected = [*range(BLOCKS * 1024)]
        await single.event("attached")
        self.assertTrue((await remote.get("/process-status/app.web.0"))["blocked"])
        of_app.go_on()
        for console in (single, of_app):
            found = await self.numbers(console)
            self.assertEqual(found, {"stdout": expected, "stderr": expected})
        document = await remote.state("app.web.0", "stopped")
        self.assertFalse(document["blocked"])

    async def test_reader_leaves(self) -> None:
        """
        It goes on as soon as the reader that it waited for is gone, be that one of its
        app; and when it is the last, to its end.
        """
        remote = await self.begin()
        single = await remote.attach(format="json")
        of_app = await remote.attach_app()
        single.hold()
        of_app.hold()
        await self.go(remote)
        await single.leave()
        await self.blocked(remote, True)
        await of_app.leave()
        document = await remote.state("app.web.0", "stopped")
        self.assertFalse(document["blocked"])

    async def test_deleted(self) -> None:
        """
        It can be deleted while it waits for a reader of its app, who stays.
        """
        remote = await self.begin()
        of_app = await remote.attach_app(format="json")
        of_app.hold()
        await self.go(remote)
        await remote.post("/delete-process/app.web.0")
        of_app.go_on()
        await of_app.event("deleted")
        self.assertFalse(of_app.closed.called)

    async def test_ends(self) -> None:
        """
        What is in its pipes when it ends is not lost, though as JSON it is more than may wait
        for a reader otherwise.
        """
        remote = await self.begin(SHORT)
        reader = await remote.attach(format="json")
        reader.hold()
        await self.go(remote)
        await remote.post("/write-stdin/app.web.0", {"data": "end\n"})
        await remote.state("app.web.0", "stopped")
        reader.go_on()
        seen = 0
        document = await reader.document()
        while document.get("event") != "exited":
            self.assertNotEqual(document.get("event"), "dropped")
            if "seq" in document:
                seen += 1
                self.assertEqual(document["seq"], seen)
            document = await reader.document()
        self.assertEqual(seen, await last(remote, "web.0"))
