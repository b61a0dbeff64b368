"""
The agent is killed in the middle of creates: what was answered holds.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.web.client import RequestTransmissionFailed, ResponseFailed

from tests.support.agent_process import AgentProcess
from tests.support.applications import archive
from tests.support.faulting import FULL, FaultTestCase, often
from tests.support.ledger import PROCFILE, Ledger
from tests.support.living import name, running, until
from tests.support.remote import Document, Remote

TURNS = often(3, 40)
"""How often an agent is killed."""

CLIENTS = 5

EACH = 20
"""How many processes each of them creates."""

GONE = (ConnectError, ConnectionClosed, RequestTransmissionFailed, ResponseFailed)
"""Nobody knows what became of a request that ended so."""


class Killed(Exception):
    """
    The agent was killed before it answered.
    """


@define(eq=False)
class Promises:
    """
    What an agent has answered.

    @ivar created: The documents of creates answered with 201, by slug.
    @ivar stopped: Answered with 200, and nothing after that was asked for.
    @ivar deleted: The same.
    @ivar open: Something was asked of these that was not answered.
    @ivar last: Killed after so many answers.
    """

    last: int
    agent: int
    created: dict[str, Document] = field(factory=dict)
    stopped: set[str] = field(factory=set)
    deleted: set[str] = field(factory=set)
    open: set[str] = field(factory=set)
    answers: int = 0

    async def asked(self, slug: str, answer: Awaitable[Document]) -> Document:
        """
        Wait for an answer; where it is the last one, kill who gave it.
        """
        self.open.add(slug)
        try:
            document = await answer
        except GONE:
            raise Killed from None
        if self.answers == self.last:
            raise Killed
        self.open.discard(slug)
        self.answers += 1
        if self.answers == self.last:
            os.kill(self.agent, signal.SIGKILL)
        return document


@define(eq=False)
class Client:
    """
    Creates processes, and changes its mind about some.
    """

    remote: Remote
    number: int
    promises: Promises
    ledger: Ledger
    chance: random.Random

    async def work(self, url: str) -> None:
        """
        Until all is done, or the agent is gone.
        """
        try:
            for each in range(EACH):
                await self.one(f"{self.number}.{each}", url)
        except Killed:
            return

    async def one(self, node: str, url: str) -> None:
        """
        One process.
        """
        promises, ask = self.promises, self.remote.post
        slug = f"app.{node}"
        env = self.ledger.env
        document = await promises.asked(slug, self.remote.create(url, node, env=env))
        promises.created[slug] = document
        drawn = self.chance.random()
        if drawn < 0.3:
            await promises.asked(slug, ask(f"/stop-process/{slug}"))
            promises.stopped.add(slug)
        if drawn < 0.1:
            promises.stopped.discard(slug)
            await promises.asked(slug, ask(f"/start-process/{slug}"))
        if drawn > 0.8:
            await promises.asked(slug, ask(f"/delete-process/{slug}"))
            promises.deleted.add(slug)


class CreateTests(FaultTestCase):
    """
    SIGKILL while several clients create a hundred processes, stop some and delete some.
    """

    timeout = 1800

    async def test_killed(self) -> None:
        """
        Every 201 is there afterwards, with its port and its time, and runs once; what was
        answered to be stopped is stopped, and what was answered to be deleted is gone.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/app.tar.gz", archive({"Procfile": PROCFILE}))
        counts = Counter[str]()
        for turn in range(TURNS):
            chance = random.Random(turn)
            promises = Promises(chance.randrange(1, CLIENTS * EACH), agent.pid)
            clients = [
                Client(self.remote(remote.url), number, promises, self.ledger, chance)
                for number in range(CLIENTS)
            ]
            await gatherResults(
                [Deferred.fromCoroutine(client.work(url)) for client in clients]
            )
            self.assertEqual(await agent.exit(), -signal.SIGKILL)
            for client in clients:
                await client.remote.close()
            await remote.close()
            agent, remote = await self.start()
            await self.kept(agent, remote, promises)
            for what in "created", "stopped", "deleted", "open":
                counts[what] += len(getattr(promises, what))
            await remote.post("/delete-app/app", status=None)
            self.assertEqual(self.files(), [])
        await self.end(agent)
        if FULL:
            print(f"\n{self.id()}: {TURNS} times, {dict(counts)}")

    async def kept(self, agent: AgentProcess, remote: Remote, promises: Promises) -> None:
        """
        All that was promised is so.
        """
        listing = await remote.get("/list-processes")
        found = {document["slug"]: document for document in listing["processes"]}
        wanted = promises.created.keys() - promises.deleted
        self.assertEqual(wanted - promises.open - found.keys(), set(), "these are lost")
        self.assertEqual(found.keys() & promises.deleted, set(), "these are back")
        strangers = found.keys() - wanted - promises.open
        self.assertEqual(strangers, set(), "nobody asked for these")
        leaders = set()
        for slug, document in found.items():
            if slug in promises.stopped - promises.open:
                document = await remote.state(slug, "stopped")
            else:
                document = await remote.state(slug, "running", "stopped")
            before = promises.created.get(slug)
            if before is not None:
                for key in "created_at", "port", "source_url":
                    self.assertEqual(document[key], before[key], slug)
            if document["state"] == "stopped":
                self.assertIn(slug, promises.stopped | promises.open)
                continue
            leaders.add(document["pid"])
            entry = (document["pid"], document["port"])
            await until(lambda: entry in self.ledger.starts(slug), slug)  # noqa: B023 - at once
            self.assertEqual(self.ledger.starts(slug)[-1], entry)

        def asleep() -> bool:
            return {pid for pid in running(agent.below()) if name(pid) == "sleep"} == leaders

        await until(asleep, "these programs and no others")
        self.assertEqual(self.ledger.twice(), [])
