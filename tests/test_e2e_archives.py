"""
Archives that are sent to a real agent: run, kept, and of what breaks off, nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
from pathlib import Path
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.support.agent_process import AgentTestCase
from tests.support.applications import PYTHON, application
from tests.support.living import until
from tests.support.remote import Remote

MAIN = """
import os, time
print("up from", os.path.basename(os.getcwd()))
time.sleep(1000)
"""

APP = application(f"web: {PYTHON} main.py", main=MAIN)
SHA256 = hashlib.sha256(APP).hexdigest()
URL = f"smartmob-archive:{SHA256}"


class Half(Protocol):
    """
    A client that sends half an archive.

    @ivar lost: Fires when the connection is over.
    """

    def __init__(self) -> None:
        self.received = b""
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Send it.
        """
        tcp = cast(ITCPTransport, self.transport)
        head = b"PUT /archives HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        tcp.write(head + b"half" * 100_000)

    def dataReceived(self, data: bytes) -> None:
        """
        Remember it.
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.lost.callback(None)

    async def hang_up(self) -> None:
        """
        Go.
        """
        cast(ITCPTransport, self.transport).abortConnection()
        await self.lost


class ArchiveTests(AgentTestCase):
    """
    What is sent with PUT /archives.
    """

    @property
    def kept(self) -> list[str]:
        """
        The names of the files of archives.
        """
        return sorted(path.name for path in (self.state / "archives").glob("*"))

    async def put(self, remote: Remote, data: bytes = APP) -> str:
        """
        Send an archive.

        @return: Its URL.
        """
        answer = await remote.ask("PUT", "/archives", data, {})
        self.assertEqual(answer.status, 201, answer.body)
        url: str = answer.document["source_url"]
        return url

    async def half(self, remote: Remote) -> Half:
        """
        Send half an archive.
        """
        half: Half = await connectProtocol(remote.endpoint, Half())
        await until(lambda: self.sizes() == [400_000], "half an archive")
        return half

    def sizes(self) -> list[int]:
        """
        The sizes of the files of archives.
        """
        return [path.stat().st_size for path in (self.state / "archives").glob("*")]

    async def test_story(self) -> None:
        """
        An archive is sent and run; when its processes are gone it alone is left, and the
        next agent has it still.
        """
        agent, remote = await self.start()
        index = await remote.get("/")
        for path in ("/archives", index["archives"]):
            self.assertEqual(await self.put(remote, APP), URL, path)
        self.assertEqual(self.kept, [SHA256])
        [path] = (self.state / "archives").iterdir()
        self.assertEqual(path.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o7777, 0o700)
        for node, digest in (("web.0", SHA256.upper()), ("web.1", None)):
            document = await remote.create(URL, node, source_sha256=digest)
            self.assertEqual(document["source_url"], URL)
            console = await remote.attach(f"app.{node}", tail=10)
            await console.line(f"up from {SHA256}")
        for node in ("web.0", "web.1"):
            await remote.post(f"/delete-process/app.{node}")
        self.assertEqual(self.files(), [])
        self.assertEqual(self.kept, [SHA256])
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)

        agent, remote = await self.start()
        await remote.create(URL)
        await remote.state("app.web.0", "running")
        self.assertEqual(self.kept, [SHA256])

    async def test_wrong(self) -> None:
        """
        An archive that has another checksum, or is none, is the process's reason.
        """
        _, remote = await self.start()
        await self.put(remote)
        await remote.create(URL, source_sha256="0" * 64)
        document = await remote.state("app.web.0", "failed")
        self.assertEqual(
            document["reason"], f"the archive's sha256 is {SHA256}, not {'0' * 64}"
        )
        await remote.create(await self.put(remote, b"no archive"), "web.1")
        document = await remote.state("app.web.1", "failed")
        self.assertIn("the archive was refused", document["reason"])
        self.assertEqual(self.files(), ["processes/app.web.0.json", "processes/app.web.1.json"])

    async def test_hangUp(self) -> None:
        """
        Of a client that hangs up in the middle nothing is left.
        """
        _, remote = await self.start()
        for _ in range(10):
            half = await self.half(remote)
            await half.hang_up()
            await until(lambda: not self.kept, "nothing left")
        await self.put(remote)
        self.assertEqual(self.kept, [SHA256])

    async def test_end(self) -> None:
        """
        An agent that is asked to end refuses what is under way, and leaves nothing of it.
        """
        agent, remote = await self.start()
        half = await self.half(remote)
        os.kill(agent.pid, signal.SIGTERM)
        await half.lost
        self.assertEqual(await agent.exit(), 0)
        self.assertEqual(self.kept, [])
        self.assertIn(b" 503 Service Unavailable\r\n", half.received)
        self.assertIn(b"urn:smartmob:problem:stopping", half.received)

    async def test_kill(self) -> None:
        """
        What an agent that was killed had by halves is removed when the next one starts.
        """
        agent, remote = await self.start()
        await self.put(remote)
        half = await self.half_beside(remote)
        os.kill(agent.pid, signal.SIGKILL)
        await half.lost
        await agent.nothing_left()
        self.assertEqual(len(self.kept), 2)
        _, remote = await self.start()
        await until(lambda: self.kept == [SHA256], "nothing but the whole one")

    async def half_beside(self, remote: Remote) -> Half:
        """
        Send half an archive where there is a whole one.
        """
        half: Half = await connectProtocol(remote.endpoint, Half())
        await until(lambda: 400_000 in self.sizes(), "half an archive")
        return half

    async def test_memory(self) -> None:
        """
        An archive is never in the agent's memory as a whole.
        """
        agent, remote = await self.start()
        await self.put(remote)
        before = peak(agent.pid)
        await self.put(remote, os.urandom(100_000_000))
        self.assertLess(peak(agent.pid) - before, 50_000_000)


def peak(pid: int) -> int:
    """
    The most memory that a process ever had, in bytes.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024
