"""
An agent on a disk with little room.
"""

from __future__ import annotations

import random
import sys

from tests.support.agent_process import AgentProcess
from tests.support.faulting import FaultTestCase
from tests.support.namespaces import Place, SmallDisk
from tests.support.remote import Document, Remote

MEBIBYTES = 16
"""The size of the disk; a twentieth of it stays free of sources."""

COUNTER = """
import itertools, time
for number in itertools.count(1):
    print(number, flush=True)
    time.sleep(0.01)
"""

KEPT = "app.kept"
"""A process that was there before."""


def noise(mebibytes: int) -> bytes:
    """
    What no packing makes smaller, always the same.
    """
    return random.Random(6).randbytes(mebibytes << 20)


class DiskTestCase(FaultTestCase):
    """
    An agent whose state folder is a small disk.
    """

    def setUp(self) -> None:
        """
        Make the disk.
        """
        super().setUp()
        place = Place(self, "FULL DISKS ARE")
        self.disk = SmallDisk(place, self.state, MEBIBYTES)
        self.within = place.within

    async def with_counter(self, *options: str) -> tuple[AgentProcess, Remote, Document]:
        """
        An agent with a program that counts.
        """
        agent, remote = await self.start(*options)
        command = f"web: exec {sys.executable} -u -S main.py"
        await remote.create(self.app(command, "/count", main=COUNTER), "kept")
        document = await remote.state(KEPT, "running")
        return agent, remote, document

    async def unaffected(self, remote: Remote, before: Document) -> None:
        """
        The program counts on, without a gap.
        """
        console = await remote.attach(KEPT, tail=1000)
        self.assertEqual(await console.next(), "1")
        last = int((await remote.ask("GET", f"/process-logs/{KEPT}?tail=1")).body)
        for number in range(2, last + 5):
            self.assertEqual(await console.next(), str(number))
        await console.leave()
        self.assertEqual(await remote.get(f"/process-status/{KEPT}"), before)

    async def refused(self, remote: Remote, url: str, node: str) -> None:
        """
        A create is answered with 507, and nothing of it is there.
        """
        document = {"app": "app", "process_type": "web", "node": node, "source_url": url}
        answer = await remote.post("/create-process", document, 507)
        self.assertEqual(answer["code"], "state-not-written")
        await remote.get(f"/process-status/app.{node}", 404)
