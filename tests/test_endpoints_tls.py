"""
What the agent does, done over TLS: on real sockets, where a connection's bytes are not
those that were written to it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from twisted.internet.task import Clock, deferLater

from smartmob.source.upload import HIGH_WATER
from smartmob.web.keepalive import FAREWELL
from tests.support.agents import FakeProcess
from tests.support.certificates import pair
from tests.support.disks import InlineDisk, SlowDisk
from tests.support.httpwire import parse
from tests.support.listening import Client, ListeningCase, reactor
from tests.support.uploading import Store
from tests.support.websockets import UPGRADE, decode, get, masked

MANY = 5 << 20
"""Bytes of an upload."""


async def a_turn() -> None:
    """
    Let the reactor work.
    """
    await deferLater(reactor, 0)


class TlsCase(ListeningCase):
    """
    An endpoint with TLS, and a process.
    """

    def setUp(self) -> None:
        super().setUp()
        self.process: FakeProcess = self.agent.add(redirect_input=True)

    async def secured(self, **more: Any) -> Client:
        """
        A client by TLS.
        """
        return await self.connect(self.encrypted(**more))

    async def attached(self, query: bytes = b"") -> Client:
        """
        A client of the console, past the handshake.
        """
        client = await self.secured()
        client.send(get(b"/attach-console/myapp.web.0" + query, UPGRADE))
        await client.until(b"\r\n\r\n")
        head, _, rest = bytes(client.received).partition(b"\r\n\r\n")
        client.received[:] = rest
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        return client


class RequestTests(TlsCase):
    """
    Requests and answers.
    """

    async def test_documents(self) -> None:
        """URLs in documents are those of a secure connection."""
        self.open(self.secure())
        client = await self.secured()
        answer = await client.get("/process-status/myapp.web.0")
        self.assertEqual(answer.json()["attach"], "wss://localhost/attach-console/myapp.web.0")
        self.assertEqual(
            answer.json()["details"], "https://localhost/process-status/myapp.web.0"
        )

    async def test_origin(self) -> None:
        """A page that came by TLS is another origin than one that did not."""
        self.open(self.secure())
        client = await self.secured()
        answer = await client.get("/", "Origin: https://localhost")
        self.assertEqual(answer.status, 200)
        answer = await client.get("/", "Origin: http://localhost")
        self.assertEqual(answer.status, 403)

    async def test_plain(self) -> None:
        """Who speaks HTTP without TLS gets nothing, and the next is served as ever."""
        self.open(self.secure())
        stranger = await self.connect(self.plain())
        stranger.send(get(b"/"))
        await stranger.lost
        self.assertNotIn(b"HTTP/", stranger.received)
        client = await self.secured(offer=[b"h2", b"http/1.1"])
        self.assertEqual((await client.get()).status, 200)

    async def test_refused(self) -> None:
        """A client that is refused while it sends reads why, each time."""
        self.open(self.secure())
        block = b" " * 0x10000
        for _ in range(10):
            client = await self.secured()
            client.send(
                b"POST /create-process HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n" % (256 * len(block))
            )
            for _ in range(64):
                client.send(block)
            await client.lost
            answer, rest = parse(bytes(client.received))
            self.assertEqual((answer.status, rest), (413, b""))

    async def test_malformed(self) -> None:
        """What is no HTTP is answered, and the connection closed."""
        self.open(self.secure())
        client = await self.secured()
        client.send(b"moin\r\n\r\n")
        await client.lost
        answer, _ = parse(bytes(client.received))
        self.assertEqual(answer.status, 400)

    async def test_upload(self) -> None:
        """An archive of some megabytes arrives whole."""
        self.agent.archives = Store(self.path("store"), InlineDisk()).archives
        self.open(self.secure())
        client = await self.secured()
        data = bytes(range(256)) * (MANY // 256)
        client.send(b"PUT /archives HTTP/1.1\r\nHost: localhost\r\n")
        client.send(b"Content-Length: %d\r\n\r\n" % len(data))
        client.send(data)
        await client.until(b"}\n")
        answer, _ = parse(bytes(client.received))
        self.assertEqual(
            answer.json()["source_url"], "smartmob-archive:" + sha256(data).hexdigest()
        )

    async def test_heldUpload(self) -> None:
        """While the disk does not write, no more is read than may wait."""
        disk = SlowDisk()
        self.agent.archives = Store(self.path("store"), disk).archives
        self.open(self.secure())
        client = await self.secured()
        data = bytes(4 * MANY)
        client.send(b"PUT /archives HTTP/1.1\r\nHost: localhost\r\n")
        client.send(b"Content-Length: %d\r\n\r\n" % len(data))
        client.send(data)
        while not self.agent.uploads or self.agent.uploads[0].size < HIGH_WATER:
            await a_turn()
        for _ in range(200):
            await a_turn()
        [upload] = self.agent.uploads
        self.assertLess(upload.size, HIGH_WATER + 0x40000)
        answered = client.until(b"}\n")
        while not answered.called:
            disk.work_all()
            await a_turn()
        answer, _ = parse(bytes(client.received))
        self.assertEqual(answer.json()["size"], len(data))

    async def test_end(self) -> None:
        """At the agent's end its connections are cut, whatever they are about."""
        self.open(self.secure())
        shaking = await self.connect(self.plain())
        idle = await self.secured()
        await idle.get()
        console = await self.attached()
        while len(self.census._open) < 3:
            await a_turn()
        await self.census.abort()
        for client in (shaking, idle, console):
            await client.lost


class LinesTests(TlsCase):
    """
    Lines to clients.
    """

    async def test_console(self) -> None:
        """A console gets all lines, in order, whatever their sizes."""
        self.open(self.secure())
        client = await self.attached()
        lines = [b"%d " % n + b"x" * (n * 7 % 5000) for n in range(5000)]
        for at in range(0, len(lines), 50):
            data = b"".join(line + b"\n" for line in lines[at : at + 50])
            self.process.console.received("stdout", data, 1)
            await a_turn()
        self.process.console.deleted()
        await client.until(b"process deleted")
        frames = list(decode(bytes(client.received)))
        self.assertEqual([payload for _, payload in frames[:-1]], lines)
        self.assertEqual(frames[-1], (8, b"\x03\xe8process deleted"))

    async def test_input(self) -> None:
        """What a client types arrives."""
        self.open(self.secure())
        client = await self.attached(b"?stdin=1")
        client.send(masked(b"moin\n"))
        while not self.process.asked:
            await a_turn()
        self.assertEqual(self.process.asked, [("write", b"moin\n", False)])

    async def test_events(self) -> None:
        """Server-sent events come as they happen."""
        self.open(self.secure())
        client = await self.secured()
        client.send(
            get(
                b"/process-logs/myapp.web.0",
                {b"Host": b"localhost", b"Accept": b"text/event-stream"},
            )
        )
        await client.until(b"\r\n\r\n")
        for line in (b"first", b"second"):
            self.process.console.received("stdout", line + b"\n", 1)
            await client.until(b"data: " + line)
        self.assertFalse(client.over)

    async def test_slow(self) -> None:
        """
        A client that does not read is cut once its bound is reached and it had its
        time; nobody else waits for it, and nothing grows.
        """
        self.clock = Clock()
        self.open(self.secure())
        slow, live = await self.attached(), await self.attached()
        slow.transport.pauseProducing()  # type: ignore[union-attr] # every one of a socket has it
        console = self.process.console
        chunk = (b"x" * 99 + b"\n") * 600
        for _ in range(400):
            console.received("stdout", chunk, 1)
            await a_turn()
        self.assertLessEqual(console._budget.queued, 8 << 20)
        for number in range(3):  # whoever takes what comes gives a sign of life
            console.received("stdout", b"sign %d\n" % number, 1)
            await live.until(b"sign %d" % number)
            self.clock.advance(FAREWELL)
        while len(self.census._open) > 1:
            await a_turn()
        console.deleted()
        await live.until(b"process deleted")
        texts = [payload for opcode, payload in decode(bytes(live.received)) if opcode == 1]
        self.assertEqual(len(texts), 400 * 600 + 3)

    async def test_tooSlow(self) -> None:
        """One that reads again in time is told why no more comes."""
        self.open(self.secure())
        slow = await self.attached()
        slow.transport.pauseProducing()  # type: ignore[union-attr] # every one of a socket has it
        chunk = (b"x" * 99 + b"\n") * 600
        for _ in range(400):
            self.process.console.received("stdout", chunk, 1)
            await a_turn()
        slow.transport.resumeProducing()  # type: ignore[union-attr] # every one of a socket has it
        await slow.until(b"too slow")
        *lines, (opcode, why) = decode(bytes(slow.received))
        self.assertEqual((opcode, why[:2]), (8, b"\x03\xf5"))
        self.assertGreater(len(lines), 1000)


class CertificateTests(TlsCase):
    """
    Certificates.
    """

    async def test_renewed(self) -> None:
        """A new pair is used for the next client; who is there stays there."""
        self.open(self.secure())
        before = await self.secured()
        await before.get()
        renewed = pair("localhost")
        self.keep("server", renewed)
        after = await self.secured(trust=renewed)
        self.assertEqual((await after.get()).status, 200)
        self.assertEqual((await before.get()).status, 200)

    async def test_bad(self) -> None:
        """A pair that can't be used leaves the one before, and is told of."""
        endpoint = self.secure()
        self.open(endpoint)
        certfile = endpoint.certfile
        assert certfile is not None
        with open(certfile, "wb") as file:
            file.write(pair("localhost").pem)
        [why] = self.endpoints.prepare([endpoint]).commit()
        self.assertIn("the key is not that of the first certificate", why)
        client = await self.secured()
        self.assertEqual((await client.get()).status, 200)

    async def test_clients(self) -> None:
        """Where clients need certificates others get no HTTP."""
        authority = pair("authority")
        cafile, _ = self.keep("ca", authority)
        self.open(self.secure(cafile=cafile))
        known = await self.secured(show=pair("client", authority, authority=False))
        self.assertEqual((await known.get()).status, 200)
        for show in (None, pair("stranger")):
            stranger = await self.secured(show=show)
            stranger.send(get(b"/"))
            await stranger.lost
            self.assertEqual(bytes(stranger.received), b"")
        self.assertEqual((await known.get()).status, 200)

    async def test_unix(self) -> None:
        """TLS is spoken on a unix socket of such an endpoint, too."""
        path = self.path("a.sock")
        self.open(self.secure(f"unix:{path}"))
        self.assertEqual(self.endpoints.urls(), [f"unix:{path}"])
        client = await self.secured()
        answer = await client.get()
        self.assertEqual(answer.json()["list"], "https://localhost/list-processes")
