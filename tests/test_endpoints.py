"""
Tests of L{smartmob.endpoints}: what is open, and how it is exchanged.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smartmob.address import Address
from smartmob.config.configuration import Api, Endpoint
from smartmob.endpoints import CantListen
from smartmob.listener import Behind, NotListening, listen
from smartmob.web.connections import Census
from tests.support.listening import ListeningCase, reactor


def tcp(name: str = "web", bind: str = "127.0.0.1:0", **more: object) -> Endpoint:
    """
    An endpoint without TLS.
    """
    return Endpoint(name=name, bind=(bind,), **more)  # type: ignore[arg-type] # tests pass what fits


class OpenTests(ListeningCase):
    """
    Several at once.
    """

    async def test_several(self) -> None:
        """TCP, a unix socket and TLS are open beside each other, in order."""
        path = self.path("a.sock")
        self.open(tcp(), tcp("local", f"unix:{path}"), self.secure())
        first, second, third = (self.host(at) for at in range(3))
        self.assertEqual(
            self.endpoints.urls(),
            [
                f"http://127.0.0.1:{first.port}",
                f"unix:{path}",
                f"https://127.0.0.1:{third.port}",
            ],
        )
        self.assertEqual(second.name, path.encode())
        for way in (self.plain(0), self.plain(1), self.encrypted(2)):
            client = await self.connect(way)
            self.assertEqual((await client.get()).status, 200)

    async def test_v6(self) -> None:
        """IPv6 works as well, with TLS too."""
        if not socket.has_ipv6:
            self.skipTest("THIS PYTHON HAS NO IPv6")
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("THIS MACHINE HAS NO IPv6 LOOPBACK")
        self.open(tcp(bind="[::1]:0"), self.secure("[::1]:0"))
        first, second = (self.host(at).port for at in range(2))
        self.assertEqual(
            self.endpoints.urls(), [f"http://[::1]:{first}", f"https://[::1]:{second}"]
        )
        for way in (self.plain(0), self.encrypted(1)):
            client = await self.connect(way)
            self.assertEqual((await client.get()).status, 200)

    def test_hosts(self) -> None:
        """The names of addresses are known, in lower case."""
        self.open(tcp(bind="LocalHost:0"), tcp("other", "tcp:0:interface=127.0.0.1"))
        self.assertEqual(self.endpoints.hosts(), {"localhost"})

    def test_asksNobody(self) -> None:
        """On TCP whoever is on this machine can come in, by a unix socket its owner."""
        unix = tcp("u", f"unix:{self.path('s')}")
        self.open(unix)
        self.assertFalse(self.endpoints.asks_nobody())
        self.open(unix, tcp())
        self.assertTrue(self.endpoints.asks_nobody())

    def test_manyFree(self) -> None:
        """Port 0 is another port each time it is said."""
        self.open(
            Endpoint(name="a", bind=("127.0.0.1:0", "127.0.0.1:0")), tcp("b", "127.0.0.1:0")
        )
        self.assertEqual(len(set(self.endpoints.urls())), 3)

    def test_nothingLeft(self) -> None:
        """A port that is taken closes again what was open before it."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            path = self.path("a.sock")
            with self.assertRaises(CantListen) as raised:
                self.endpoints.prepare([tcp("local", f"unix:{path}"), tcp(bind=address)])
        self.assertEqual(raised.exception.code, 1)
        self.assertEqual(
            str(raised.exception),
            f"[endpoint:web] can't listen on {address}: Address already in use",
        )
        self.assertFalse(os.path.exists(path), "it was begun last")
        self.assertEqual(self.endpoints.urls(), [])

    def test_senseless(self) -> None:
        """What makes no sense is told with its section."""
        Path(self.path("text")).write_text("no certificate")
        certfile, keyfile = self.keep("server", self.server)
        address = "127.0.0.1:0"
        for why, endpoint in {
            "is no address": tcp(bind="8080"),
            "needs a certfile": tcp(keyfile=keyfile),
            "cafile needs": tcp(cafile=certfile),
            "no certificate in PEM": tcp(certfile=self.path("text"), keyfile=keyfile),
            "no such file": tcp(certfile=certfile, keyfile=self.path("missing")),
            "certificate of its own": tcp(
                bind=f"ssl:0:privateKey={keyfile}:certKey={certfile}", certfile=certfile
            ),
            "can be reached from other": tcp(bind="0.0.0.0:0"),
            "can be reached": self.secure("0.0.0.0:0"),
            f"{address} is": Endpoint(name="web", bind=("127.0.0.1:9", "127.0.0.1:9")),
        }.items():
            with self.assertRaises(CantListen, msg=why) as raised:
                self.endpoints.prepare([endpoint])
            self.assertEqual(raised.exception.code, 2)
            self.assertIn(f"[endpoint:{endpoint.name}] ", str(raised.exception))
            self.assertIn(
                why.replace(address, "127.0.0.1:9").lower(), str(raised.exception).lower()
            )

    def test_twice(self) -> None:
        """One address that two endpoints have, in other words perhaps, is named."""
        with self.assertRaises(CantListen) as raised:
            self.endpoints.check([tcp("a", "127.0.0.1:9"), tcp("b", "localhost:9")])
        self.assertEqual(
            str(raised.exception),
            "[endpoint:b] localhost:9 is listened on already, as 127.0.0.1:9 of a",
        )
        self.assertEqual(raised.exception.code, 2)

    def test_commandLine(self) -> None:
        """Where an endpoint has no section none is named."""
        with self.assertRaises(CantListen) as raised:
            self.endpoints.prepare([Endpoint(name=None, bind=("0.0.0.0:0",))])
        self.assertTrue(str(raised.exception).startswith("0.0.0.0:0 can be"))

    def test_insecure(self) -> None:
        """Other machines may reach it if that is said, or if they need certificates."""
        self.open(self.secure("0.0.0.0:0", cafile=self.keep("ca", self.server)[0]))
        self.endpoints = self.made(insecure=True)
        self.open(tcp(bind="0.0.0.0:0"))

    async def test_close(self) -> None:
        """Closing takes every port, and every file, but no connection."""
        path = self.path("a.sock")
        self.open(tcp(), tcp("local", f"unix:{path}"))
        client = await self.connect(self.plain(0))
        number = self.host().port
        await self.endpoints.close()
        self.assertFalse(os.path.exists(path))
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", number)), 0)
        self.assertEqual((await client.get()).status, 200)


@implementer(IStreamServerEndpoint)
class Slow:
    """
    An endpoint that listens some time later.
    """

    def __init__(self) -> None:
        self.listening: Deferred[IListeningPort] = Deferred()

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Not yet."""
        return self.listening


class ListenTests(SynchronousTestCase):
    """
    L{listen}.
    """

    def test_slow(self) -> None:
        """What does not listen at once does not do."""
        slow = Slow()
        factory = Factory.forProtocol(Protocol)
        with self.assertRaises(NotListening) as raised:
            listen(tcp(), Address("slow:1", None, slow, ()), Behind(factory, None, factory))
        self.assertEqual(str(raised.exception), "it does not listen at once")
        self.assertTrue(slow.listening.called)


class ExchangeTests(ListeningCase):
    """
    Something else, while it is open.
    """

    async def test_unchanged(self) -> None:
        """What stays the same keeps its port, port 0 too, and its connections."""
        endpoint = tcp()
        self.open(endpoint)
        port = self.listeners[0].port
        client = await self.connect(self.plain())
        self.assertEqual((await client.get()).status, 200)
        self.open(endpoint, tcp("more"))
        self.assertIs(self.listeners[0].port, port)
        self.assertEqual((await client.get()).status, 200)

    async def test_removed(self) -> None:
        """A port that is not wanted any more is closed; its connections live on."""
        self.open(tcp(), tcp("more"))
        way = self.plain(1)
        client = await self.connect(way)
        self.open(tcp())
        await self.gone(way)
        self.assertEqual((await client.get()).status, 200)

    async def gone(self, way: IStreamClientEndpoint) -> None:
        """Wait until nobody listens there."""
        while True:
            try:
                client = await self.connect(way)
            except ConnectError:
                return
            await client.lost

    async def test_order(self) -> None:
        """They are told in the order in which they are wanted now."""
        self.open(tcp("a"), tcp("b"))
        urls = self.endpoints.urls()
        self.open(tcp("b"), tcp("a"))
        self.assertEqual(self.endpoints.urls(), urls[::-1])

    async def test_respelt(self) -> None:
        """An address in other words is the same port, also one that the system picked."""
        self.open(tcp(bind="127.0.0.1:0"))
        port = self.listeners[0].port
        number = self.host().port
        client = await self.connect(self.plain())
        for bind in (
            f"127.0.0.1:{number}",
            f"localhost:{number}",
            f"tcp:{number}:interface=127.0.0.1",
            f"tcp:{number}:interface=127.0.0.1:backlog=7",
            f"127.0.0.1:{number}",
        ):
            self.open(tcp(bind=bind), tcp("more"))
            self.assertIs(self.listeners[0].port, port, bind)
            self.assertEqual((await client.get()).status, 200)
        later = await self.connect(self.plain())
        self.assertEqual((await later.get()).status, 200)

    async def test_respeltBeside(self) -> None:
        """Who named it by its number gets it, and who wants any gets another."""
        self.open(tcp(bind="127.0.0.1:0"))
        port = self.listeners[0].port
        number = self.host().port
        self.open(tcp(bind="127.0.0.1:0"), tcp("other", f"127.0.0.1:{number}"))
        self.assertIs(self.listeners[1].port, port)
        self.assertNotEqual(self.host(0).port, number)
        for way in (self.plain(0), self.plain(1)):
            client = await self.connect(way)
            self.assertEqual((await client.get()).status, 200)

    def test_wider(self) -> None:
        """Where the agent itself has what is wanted that is said, and what it needs."""
        self.endpoints = self.made(insecure=True)
        self.open(tcp())
        number = self.host().port
        wide = tcp("wide", f"0.0.0.0:{number}")
        held = (
            f"[endpoint:wide] can't listen on 0.0.0.0:{number}: Address already in use: "
            f"this agent itself listens on http://127.0.0.1:{number}"
        )
        for wanted, why in (
            ([wide], ", and to go from the one to the other takes a start"),
            ([tcp(), wide], ""),
        ):
            with self.assertRaises(CantListen) as raised:
                self.endpoints.prepare(wanted)
            self.assertEqual(str(raised.exception), held + why)
            self.assertEqual(raised.exception.code, 1)
        self.assertEqual(self.endpoints.urls(), [f"http://127.0.0.1:{number}"])

    async def test_prepared(self) -> None:
        """Nobody is let in before all is decided: who comes waits."""
        opening = self.endpoints.prepare([tcp()])
        self.assertEqual(self.endpoints.urls(), [])
        [listener] = opening._listeners.values()
        host: Any = listener.port.getHost()
        with socket.create_connection(("127.0.0.1", host.port)) as probe:
            probe.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(20):
                await deferLater(reactor, 0)
            self.assertEqual(len(self.census._open), 0)
            opening.commit()
            probe.setblocking(False)
            while not self.census._open:
                await deferLater(reactor, 0)

    async def test_abandoned(self) -> None:
        """What was prepared in vain is closed, and what was open is as it was."""
        path = self.path("a.sock")
        self.open(tcp())
        before = self.endpoints.urls()
        opening = self.endpoints.prepare([tcp("other"), tcp("local", f"unix:{path}")])
        opening.abandon()
        self.assertEqual(self.endpoints.urls(), before)
        await self.endpoints.close()
        self.assertFalse(os.path.exists(path))

    async def test_failing(self) -> None:
        """Where one can't be opened nothing is changed."""
        self.open(tcp())
        before = self.endpoints.urls()
        client = await self.connect(self.plain())
        with self.assertRaises(CantListen):
            self.endpoints.prepare([tcp("other"), tcp("bad", "127.0.0.1:http")])
        self.assertEqual(self.endpoints.urls(), before)
        self.assertEqual((await client.get()).status, 200)

    async def test_toTls(self) -> None:
        """A port that has TLS from now on is the same port; who is there stays there."""
        self.open(tcp("tls"))
        number = self.host().port
        before = await self.connect(self.plain())
        self.open(self.secure())
        self.assertEqual(self.endpoints.urls(), [f"https://127.0.0.1:{number}"])
        after = await self.connect(self.encrypted())
        self.assertEqual((await after.get()).status, 200)
        self.assertEqual((await before.get()).status, 200)
        self.open(tcp("tls"))
        self.assertEqual(self.endpoints.urls(), [f"http://127.0.0.1:{number}"])
        last = await self.connect(self.plain())
        for client in (before, after, last):
            self.assertEqual((await client.get()).status, 200)

    async def test_api(self) -> None:
        """Another interface is served by the same port, to those who come."""

        class Greeting(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"moin")

        self.sites[Api.GAFFERD] = Factory.forProtocol(Greeting)
        self.open(tcp())
        port = self.listeners[0].port
        self.open(tcp(api=Api.GAFFERD))
        self.assertIs(self.listeners[0].port, port)
        client = await self.connect(self.plain())
        await client.until(b"moin")
        self.assertEqual(bytes(client.received), b"moin")

    async def test_exposed(self) -> None:
        """A port that may not be open without certificates can't lose them."""
        cafile = self.keep("ca", self.server)[0]
        self.open(self.secure("0.0.0.0:0", cafile=cafile))
        with self.assertRaises(CantListen):
            self.endpoints.prepare([self.secure("0.0.0.0:0")])

    def test_mode(self) -> None:
        """The mode of a unix socket changes where it is."""
        path = self.path("a.sock")
        self.open(tcp(bind=f"unix:{path}"))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        inode = os.stat(path).st_ino
        self.open(tcp(bind=f"unix:{path}:mode=660"))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        self.assertEqual(os.stat(path).st_ino, inode)

    async def test_madeAgain(self) -> None:
        """
        Where somebody has removed its file, a reload makes it again; who is there stays,
        and the end removes that one only.
        """
        path, other = self.path("a.sock"), self.path("b.sock")
        self.open(tcp(bind=f"unix:{path}"))
        before = await self.connect(self.plain())
        self.assertEqual((await before.get()).status, 200)
        os.rename(path, other)
        self.open(tcp(bind=f"unix:{path}:mode=660"), tcp("more"))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        after = await self.connect(self.plain())
        for client in (before, after):
            self.assertEqual((await client.get()).status, 200)
        await self.endpoints.close()
        self.assertEqual(sorted(os.listdir(self.folder)), ["b.sock"])

    async def test_othersFile(self) -> None:
        """What others have put in the place of a unix socket stays there."""
        path = self.path("a.sock")
        endpoint = tcp(bind=f"unix:{path}")
        self.open(endpoint)
        os.unlink(path)
        Path(path).write_text("theirs")
        with self.assertRaises(CantListen) as raised:
            self.endpoints.prepare([endpoint])
        self.assertIn("is there and is no socket", str(raised.exception))
        await self.endpoints.close()
        self.assertEqual(Path(path).read_text(), "theirs")

    async def test_otherAgent(self) -> None:
        """So does the socket of another agent, which goes on."""
        path = self.path("a.sock")
        self.open(tcp(bind=f"unix:{path}"))
        os.unlink(path)
        first, self.endpoints = self.endpoints, self.made()
        self.open(tcp(bind=f"unix:{path}"))
        await first.close()
        client = await self.connect(self.plain())
        self.assertEqual((await client.get()).status, 200)

    async def test_stuck(self) -> None:
        """A file that can't be removed is said, and its port is closed all the same."""
        path = self.path("a.sock")
        self.open(tcp(bind=f"unix:{path}"))

        def unlink(path: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        patched = self.patch(os, "unlink", unlink)
        with capturedLogs() as logs:
            await self.endpoints.close()
        patched.restore()
        warned = [log for log in logs if log["log_namespace"] == "smartmob.unix_socket"]
        self.assertEqual(
            [formatEvent(log) for log in warned],
            [f"can't remove {path}: Operation not permitted"],
        )
        with socket.socket(socket.AF_UNIX) as probe:
            self.assertRaises(ConnectionRefusedError, probe.connect, path)

    async def test_backlog(self) -> None:
        """So does how many connections may wait."""
        self.open(tcp(backlog=1))
        port: Any = self.listeners[0].port
        self.open(tcp(backlog=50))
        self.assertIs(self.listeners[0].port, port)
        port.stopReading()
        address = ("127.0.0.1", port.getHost().port)
        waiting = [socket.create_connection(address, 10) for _ in range(20)]
        for each in waiting:
            each.close()
        port.startReading()

    async def test_capped(self) -> None:
        """All ports together have so many connections, and no more."""
        self.census = Census(most=2)
        self.addCleanup(self.census.abort)
        self.endpoints = self.made()
        self.open(tcp(), self.secure())
        first = await self.connect(self.plain(0))
        second = await self.connect(self.encrypted(1))
        for client in (first, second):
            self.assertEqual((await client.get()).status, 200)
        for at in (0, 1):
            third = await self.connect(self.plain(at))
            await third.lost
            self.assertEqual(bytes(third.received), b"")
        self.assertEqual((await second.get()).status, 200)

    async def test_cappedInside(self) -> None:
        """Where Twisted's TLS is outside, one too many is closed as well."""
        certfile, keyfile = self.keep("server", self.server)
        self.census = Census(most=1)
        self.addCleanup(self.census.abort)
        self.endpoints = self.made()
        self.open(
            tcp(bind=f"ssl:0:privateKey={keyfile}:certKey={certfile}:interface=127.0.0.1")
        )
        [url] = self.endpoints.urls()
        self.assertTrue(url.startswith("https://127.0.0.1:"), url)
        first = await self.connect(self.encrypted())
        self.assertEqual((await first.get()).status, 200)
        second = await self.connect(self.plain())
        await second.lost
        self.assertEqual((await first.get()).status, 200)
