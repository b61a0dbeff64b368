"""
There is no room on a disk for sources, or for the log.
"""

from __future__ import annotations

import sys

from tests.support.applications import archive
from tests.support.configured_agent import section
from tests.support.faulting import FaultTestCase
from tests.support.http_origin import Exchange
from tests.support.living import until
from tests.support.namespaces import Place, SmallDisk
from tests.support.small_disks import COUNTER, MEBIBYTES, DiskTestCase, noise


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
    The log, and files that lines of programs are forwarded to.
    """

    def setUp(self) -> None:
        """
        Make a disk for them.
        """
        super().setUp()
        place = Place(self, "FULL DISKS ARE")
        self.logs = self.folder / "logs"
        self.disk = SmallDisk(place, self.logs, 1)
        self.within = place.within

    async def test_log(self) -> None:
        """
        No room for the log: what finds none is missed, and nobody waits; with room again it
        goes on.
        """
        log = self.disk.seen / "agent.log"
        agent = self.spawn_agent("-v", "--log-file", str(self.logs / "agent.log"))
        await until(lambda: log.exists() and "Listening on" in log.read_text(), "its URL")
        remote = self.remote(log.read_text().split("Listening on ")[1].split()[0])
        self.disk.fill()
        size = log.stat().st_size
        for number in range(40):
            await remote.create(self.app(), f"web.{number}", env=self.ledger.env)
        await remote.state("app.web.39", "running")
        self.assertLess(log.stat().st_size, size + 4096)  # the rest of a page
        self.disk.make_room()
        await remote.post("/stop-process/app.web.0")
        await until(lambda: "app.web.0 stopped" in log.read_text(), "its going on")
        await self.end(agent)

    async def test_forward(self) -> None:
        """
        No room for what is forwarded: lines wait, and programs and clients don't; with room
        again all of them are there.
        """
        forward = f"[forward:files]\npath = {self.logs}/{{slug}}.log\n"
        (self.folder / "counter.py").write_text(COUNTER.replace("0.01", "0.001"))
        counter = section("counter", f"{sys.executable} -u -S counter.py")
        agent, remote = await self.configured(forward, counter)
        slug = "default.counter.0"
        file = self.disk.seen / f"{slug}.log"
        await until(lambda: file.exists() and file.stat().st_size, "lines")
        self.disk.fill()
        size = file.stat().st_size
        console = await remote.attach(slug)
        for _ in range(1500):  # more than the rest of a page
            last = int(await console.next())
        self.assertLess(file.stat().st_size, size + 4096)
        self.disk.make_room()
        wanted = "".join(f"{number}\n" for number in range(1, last + 1))
        await until(lambda: file.stat().st_size >= len(wanted), "the rest")
        self.assertTrue(file.read_text().startswith(wanted))
        document = await remote.get(f"/process-status/{slug}")
        self.assertEqual((document["state"], document["restarts"]), ("running", 0))
        await self.end(agent)
