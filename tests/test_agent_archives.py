"""
Archives as a whole agent has them, with downloads and programs in memory.
"""

from __future__ import annotations

import hashlib
import os

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.documents import State
from smartmob.lines.consoles import Consoles
from smartmob.refusals import Stopping
from smartmob.source.archives import url_of
from smartmob.source.limits import SourceLimits
from smartmob.source.upload import Stored
from tests.support.disks import InlineDisk
from tests.support.recording_state import FakeRecords
from tests.support.sourcing import Bench, begin_unpacking, end_unpacking
from tests.support.stage import REQUEST
from tests.support.uploading import FakeSender

A = hashlib.sha256(b"a").hexdigest()


class AgentArchivesTests(SynchronousTestCase):
    """
    Sources that were sent.
    """

    def setUp(self) -> None:
        """
        An agent.
        """
        self.begin(self.mktemp())

    def begin(self, path: str) -> None:
        """
        Start an agent on a folder.
        """
        self.bench = Bench(path, InlineDisk())
        self.bench.sources.startService()
        self.agent = Agent(
            self.bench.clock,
            self.bench.launcher,
            Consoles(epoch="test", now=self.bench.clock.seconds),
            self.bench.sources,
            FakeRecords(),
            inherited={},
        )

    def put(self, data: bytes) -> str:
        """
        Send an archive.

        @return: Its URL.
        """
        upload = self.agent.receive(len(data), FakeSender())
        upload.write(data)
        stored: Stored = self.successResultOf(upload.finish())
        return url_of(stored.sha256)

    def unpack(self) -> None:
        """
        Have the unpacker succeed that runs.
        """
        [program] = self.bench.unpackers
        begin_unpacking(program)
        end_unpacking(program)

    def test_release(self) -> None:
        """
        What was sent is not downloaded; its release comes and goes, and it stays.
        """
        url = self.put(b"a")
        states: list[State] = []
        asked = self.bench.release(url=url, sha256=A, progress=states.append)
        self.unpack()
        release = self.successResultOf(asked)
        self.assertEqual(release.sha256, A)
        self.assertEqual(states, [State.DOWNLOADING, State.UNPACKING])
        self.assertEqual(self.bench.fetcher.fetches, [])
        self.successResultOf(self.bench.sources.drop(release, "x"))
        self.assertEqual(self.bench.found(), [f"archives/{A}"])

    def test_used(self) -> None:
        """
        As long as a process names it, it stays, whatever else is sent.
        """
        self.put(b"a")
        for node in ("web.0", "web.1"):
            request = evolve(REQUEST, node=node, source_url=url_of(A.upper()))
            self.successResultOf(self.agent.create(request, "id"))
        most = SourceLimits().archives
        for number in range(most):
            self.put(b"%d" % number)
        self.assertEqual(len(self.archives()), most)
        self.assertIn(A, self.archives())
        self.assertNotIn(hashlib.sha256(b"0").hexdigest(), self.archives())
        [program] = self.bench.unpackers
        begin_unpacking(program)
        deleted = self.agent.delete_app(REQUEST.app)
        program.end(signal=9)
        self.successResultOf(deleted)
        self.put(b"more")
        self.put(b"and more")
        self.assertNotIn(A, self.archives())

    def test_start(self) -> None:
        """
        An agent that starts has those that were sent whole to the one before.
        """
        self.put(b"a")
        self.agent.receive(None, FakeSender()).write(b"half")
        self.begin(self.bench.path)
        self.assertEqual(self.archives(), [A])

    def test_stop(self) -> None:
        """
        An agent that is about to end takes none; what is under way then ends with it.
        """
        sender = FakeSender()
        self.agent.receive(None, sender).write(b"half")
        self.successResultOf(Deferred.fromCoroutine(self.stop()))
        [why] = sender.refused
        self.assertIsInstance(why, Stopping)
        self.assertEqual(self.bench.found(), [])

    async def stop(self) -> None:
        """
        End the agent.
        """
        await self.agent.stopService()
        self.assertRaises(Stopping, self.agent.receive, None, FakeSender())
        await self.bench.sources.stopService()

    def archives(self) -> list[str]:
        """
        The files of archives.
        """
        return os.listdir(os.path.join(self.bench.path, "archives"))
