"""
There is no room on a disk for sources, or for the log.
"""

from __future__ import annotations

import os

from tests.support.applications import archive
from tests.support.faulting import FaultTestCase
from tests.support.http_origin import Exchange
from tests.support.living import until
from tests.support.namespaces import Place, SmallDisk
from tests.support.small_disks import MEBIBYTES, DiskTestCase, noise


class SourceTests(DiskTestCase):
    """
    What is downloaded and unpacked.
    """

    async def test_too_large(self) -> None:
        """
        A source for which there is no room, packed, unpacked, or as it comes: its process
        fails and says why, nothing of it stays, and others don't notice.
        """
        agent, remote, before = await self.with_counter()
        files = sorted(path.name for path in (self.disk.seen / "releases" / "app").iterdir())
        packed = archive({"Procfile": "web: true\n", "zeros": bytes(MEBIBYTES << 20)})
        large = noise(MEBIBYTES)

        def comes(exchange: Exchange) -> None:
            exchange.send(b"HTTP/1.1 200 OK\r\n\r\n", large)
            exchange.close()

        urls = {
            "unpacked": self.origin.serve("/unpacked", packed),
            "announced": self.origin.serve("/announced", large),
            "comes": self.origin.script("/comes", comes),
        }
        for node, url in urls.items():
            await remote.create(url, node)
            document = await remote.state(f"app.{node}", "failed")
            self.assertIn("no room for", document["reason"])
            await remote.post(f"/delete-process/app.{node}")
        self.assertEqual(list((self.disk.seen / "downloads").iterdir()), [])
        left = sorted(path.name for path in (self.disk.seen / "releases" / "app").iterdir())
        self.assertEqual(left, files)
        await self.unaffected(remote, before)
        await self.end(agent)


class LogTests(FaultTestCase):
    """
    The log.
    """

    async def test_full(self) -> None:
        """
        No room for the log: what finds none is missed, and nobody waits; with room again it
        goes on.
        """
        place = Place(self, "FULL DISKS ARE")
        folder = self.folder / "logs"
        disk = SmallDisk(place, folder, 1)
        self.within = place.within
        log = disk.seen / "agent.log"
        agent = self.spawn_agent("-v", "--log-file", str(folder / "agent.log"))
        await until(lambda: log.exists() and "Listening on" in log.read_text(), "its URL")
        remote = self.remote(log.read_text().split("Listening on ")[1].split()[0])
        disk.fill()
        room = os.statvfs(disk.seen).f_bavail
        self.assertEqual(room, 0)
        for number in range(40):
            await remote.create(self.app(), f"web.{number}", env=self.ledger.env)
        await remote.state("app.web.39", "running")
        disk.make_room()
        size = log.stat().st_size
        await remote.post("/stop-process/app.web.0")
        self.assertGreater(log.stat().st_size, size)
        await self.end(agent)
