"""
What an agent finds in its folder is not what it has written.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.faulting import FaultTestCase
from tests.support.remote import Document

NODES = ("older", "newer", "damaged", "emptied", "stranger", "kept")


class RecordTests(FaultTestCase):
    """
    Records of other releases, damaged ones, and what a crash leaves.
    """

    def record(self, node: str) -> Path:
        """
        The record of a process.
        """
        return self.state / "processes" / f"app.{node}.json"

    async def ended(self) -> dict[str, Document]:
        """
        An agent that had these processes, and has ended.

        @return: What they were.
        """
        agent, remote = await self.start()
        url = self.app()
        before = {}
        for node in NODES:
            await remote.create(url, node, env=self.ledger.env)
            before[node] = await remote.state(f"app.{node}", "running")
        await self.end(agent)
        return before

    async def test_others(self) -> None:
        """
        A record of an older schema is read; one of a newer is kept as it is, said, and nothing
        takes its place; a damaged one costs one process and is kept under another name.
        """
        before = await self.ended()
        older = json.loads(self.record("older").read_text())
        for name in "last_exits", "exits", "restarts", "release":
            older.pop(name, None)
        self.record("older").write_text(json.dumps({**older, "schema": 0}))
        newer = json.dumps({"schema": 99, "unheard": "of"})
        self.record("newer").write_text(newer)
        torn = self.record("damaged").read_bytes()[:100]
        self.record("damaged").write_bytes(torn)
        self.record("emptied").write_bytes(b"")
        self.record("stranger").write_text(json.dumps({**older, "schema": 0}))
        agent, remote = await self.start()
        for node in "older", "kept":
            document = await remote.state(f"app.{node}", "running")
            for key in "created_at", "port":
                self.assertEqual(document[key], before[node][key])
        listing = await remote.get("/list-processes")
        slugs = {document["slug"] for document in listing["processes"]}
        self.assertEqual(slugs, {"app.older", "app.kept"})
        said = agent.err.decode()
        for node in "newer", "damaged", "emptied", "stranger":
            self.assertIn(f"app.{node}", said)
        self.assertIn("schema 99", said)
        for node, data in ("damaged", torn), ("emptied", b""):
            aside = self.record(node).with_name(f"app.{node}.json.bad")
            self.assertEqual(aside.read_bytes(), data)
            self.assertFalse(self.record(node).exists())
        document = {"app": "app", "process_type": "web", "node": "newer"}
        await remote.post("/create-process", {**document, "source_url": self.app()}, 409)
        await remote.create(self.app(), "damaged", env=self.ledger.env)
        await remote.state("app.damaged", "running")
        await self.end(agent)
        self.assertEqual(self.record("newer").read_text(), newer)

    async def test_leftovers(self) -> None:
        """
        What a crash leaves half done is removed, and what no process uses; what is damaged
        of the journal is passed over.
        """
        before = await self.ended()
        for path in ("processes/app.x.json.tmp", "downloads/7", "archives/7.part"):
            self.leave(path)
        for path in ("releases/app/half.tmp/file", "releases/gone/0123/Procfile"):
            self.leave(path)
        with (self.state / "journal").open("ab") as journal:
            journal.write(
                b'{"slug": "app.kept", "of": 1, "restarts": 99}\n\xff\0{]\n{"slug": "a'
            )
        agent, remote = await self.start()
        for node in NODES:
            document = await remote.state(f"app.{node}", "running")
            self.assertEqual(document["created_at"], before[node]["created_at"])
            self.assertEqual(document["restarts"], before[node]["restarts"])
        await remote.post("/delete-app/app")
        self.assertEqual(self.files(), [])
        self.assertEqual(list((self.state / "archives").iterdir()), [])
        await self.end(agent)

    def leave(self, path: str) -> None:
        """
        A file.
        """
        file = self.state / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("half of it")

    async def test_no_resume(self) -> None:
        """
        Where nothing is to be restored nothing of it is touched.
        """
        await self.ended()
        files = {path: path.read_bytes() for path in self.record("x").parent.iterdir()}
        self.assertEqual(len(files), len(NODES))
        agent, remote = await self.start("--no-resume")
        self.assertEqual(await remote.get("/list-processes"), {"processes": []})
        await self.end(agent)
        after = {path: path.read_bytes() for path in self.record("x").parent.iterdir()}
        self.assertEqual(after, files)
        agent, remote = await self.start()
        for node in NODES:
            await remote.state(f"app.{node}", "running")
        await self.end(agent)
