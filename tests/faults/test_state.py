"""
There is no room for the state folder, or nothing may be written to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.support.faulting import FaultTestCase
from tests.support.living import until
from tests.support.small_disks import KEPT, DiskTestCase, noise
from tests.support.users import another_user


class StateTests(DiskTestCase):
    """
    The state folder.
    """

    async def test_full(self) -> None:
        """
        No room: creates and archives are refused with 507, and nothing of them is there;
        programs run on, and those that end are started again; stop and delete are obeyed, and
        what is not on the disk is not said to be.  With room again everything works again, and
        what was missing is written by itself.
        """
        agent, remote, before = await self.with_counter()
        url = self.app()
        for node in "stopped", "deleted", "crashed":
            await remote.create(url, node, env=self.ledger.env)
            await remote.state(f"app.{node}", "running")
        events = await remote.events(topic="spawn")
        self.disk.fill()
        for number in range(3):
            await self.refused(remote, url, f"web.{number}")
        sent = await remote.ask("PUT", "/archives", noise(1), {"Content-Type": "x/y"})
        self.assertEqual((sent.status, sent.document["code"]), (507, "state-not-written"))
        await self.unaffected(remote, before)
        await remote.post("/signal-process/app.crashed", {"signal": "KILL"})
        await events.event("spawn", slug="app.crashed")
        await remote.post("/stop-process/app.stopped", status=507)
        document = await remote.get("/process-status/app.stopped")
        self.assertEqual((document["state"], document["pid"]), ("stopped", None))
        deleted = await remote.ask("POST", "/delete-process/app.deleted", b"{}")
        self.assertIn(deleted.status, (200, 507))
        self.disk.make_room()
        await remote.create(url, "web.0", env=self.ledger.env)
        await remote.state("app.web.0", "running")
        sent = await remote.ask("PUT", "/archives", noise(1), {"Content-Type": "x/y"})
        self.assertEqual(sent.status, 201)
        # A journal may have had room in what it has of the disk.
        folder, journal = self.disk.seen / "processes", self.disk.seen / "journal"
        stopped, crashed = (folder / f"app.{node}.json" for node in ("stopped", "crashed"))
        await until(lambda: '"wanted": false' in stopped.read_text(), "what is wanted")
        await until(
            lambda: '"restarts": 1' in crashed.read_text() + journal.read_text(), "restarts"
        )
        await self.kill(agent)
        agent, remote = await self.start()
        listing = await remote.get("/list-processes")
        slugs = {document["slug"] for document in listing["processes"]}
        there = {KEPT, "app.stopped", "app.crashed", "app.web.0"}
        self.assertEqual(slugs - {"app.deleted"}, there)
        self.assertEqual("app.deleted" in slugs, deleted.status != 200)
        for slug in slugs:
            down = slug in ("app.stopped", "app.deleted")
            document = await remote.state(slug, "stopped" if down else "running")
            self.assertEqual(document["restarts"], 1 if slug == "app.crashed" else 0)
        await self.end(agent)

    async def test_full_at_start(self) -> None:
        """
        No room when the agent starts: what there is runs, creates are refused with 507 until
        there is room.
        """
        agent, remote, before = await self.with_counter()
        await remote.create(self.app(), "web.0", env=self.ledger.env)
        await remote.state("app.web.0", "running")
        await remote.post("/stop-process/app.web.0")
        for kill in False, True:
            await (self.kill if kill else self.end)(agent)
            self.disk.fill()
            agent, remote = await self.start()
            document = await remote.state(KEPT, "running")
            self.assertEqual(document["created_at"], before["created_at"])
            self.assertEqual(document["port"], before["port"])
            await remote.state("app.web.0", "stopped")
            await self.refused(remote, self.app(), "web.1")
            self.disk.make_room()
        await remote.create(self.app(), "web.1", env=self.ledger.env)
        await remote.state("app.web.1", "running")
        await self.end(agent)

    async def test_read_only(self) -> None:
        """
        The disk takes no writes any more: as where there is no room.
        """
        agent, remote, before = await self.with_counter()
        self.disk.be_read_only()
        await self.refused(remote, self.app(), "web.0")
        await self.unaffected(remote, before)
        self.disk.be_writable()
        await remote.create(self.app(), "web.0", env=self.ledger.env)
        await remote.state("app.web.0", "running")
        await self.end(agent)

    async def test_read_only_at_start(self) -> None:
        """
        Nothing may be written when the agent starts: it says so in a line and exits with 1.
        """
        agent, _, _ = await self.with_counter()
        await self.end(agent)
        self.disk.be_read_only()
        agent = self.spawn_agent()
        self.assertEqual(await agent.exit(), 1)
        await agent.says_no_more()
        [line] = agent.err.decode().splitlines()
        self.assertIn(str(self.state), line)
        self.assertIn("Read-only file system", line)
        await agent.nothing_left()


class OwnerTests(FaultTestCase):
    """
    Folders of others.
    """

    def setUp(self) -> None:
        """
        Agents run as somebody who is not root.
        """
        super().setUp()
        self.who = (os.geteuid(), os.getegid())
        if os.geteuid():
            return
        nobody = another_user()
        self.who = (nobody.uid, nobody.gid)
        may = ("setpriv", f"--reuid={nobody.uid}", f"--regid={nobody.gid}", "--clear-groups")
        look = [*may, "sh", "-c", f"exec {sys.executable} -c 'import smartmob'"]
        done = subprocess.run(look, capture_output=True, check=False)
        if done.returncode:
            why = done.stderr.decode().strip()
            raise SkipTest(f"FOLDERS OF OTHERS ARE NOT TESTED: nobody may not run us: {why}")
        self.within = may
        for folder in self.folder, self.ledger.folder:
            os.chown(folder, *self.who)

    async def test_state(self) -> None:
        """
        A state folder of somebody else's is refused in one line, and is as it was.
        """
        if os.geteuid():
            self.state = Path("/")
        else:
            self.state.mkdir()
            os.chown(self.state, 1, 1)
        before = sorted(self.state.iterdir())
        agent = self.spawn_agent()
        self.assertEqual(await agent.exit(), 1)
        await agent.says_no_more()
        [line] = agent.err.decode().splitlines()
        self.assertIn(f"{self.state} ", line)
        self.assertEqual(sorted(self.state.iterdir()), before)

    async def test_records(self) -> None:
        """
        Nobody but somebody else may write to the folder of records all at once: creates are
        refused with 507, programs run on; when it is ours again it works again.
        """
        agent, remote = await self.start(env={"HOME": str(self.folder)})
        url = self.app()
        await remote.create(url, "web.0", env=self.ledger.env)
        before = await remote.state("app.web.0", "running")
        records = self.state / "processes"
        if os.geteuid():
            records.chmod(0o500)
        else:
            os.chown(records, 0, 0)
        document = {"app": "app", "process_type": "web", "node": "web.1", "source_url": url}
        answer = await remote.post("/create-process", document, 507)
        self.assertIn("Permission denied", answer["detail"])
        await remote.get("/process-status/app.web.1", 404)
        self.assertEqual(await remote.get("/process-status/app.web.0"), before)
        records.chmod(0o700)
        os.chown(records, *self.who)
        await remote.create(url, "web.1", env=self.ledger.env)
        await remote.state("app.web.1", "running")
        await self.end(agent)
