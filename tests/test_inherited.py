"""
Tests of L{smartmob.inherited}: sockets that were handed down.
"""

from __future__ import annotations

import os
import socket
import stat

from twisted.internet.task import deferLater

from smartmob.config.configuration import Endpoint
from smartmob.endpoints import CantListen
from tests.support.listening import ListeningCase, reactor


class InheritedTests(ListeningCase):
    """
    Descriptors, as systemd hands them down: it has the sockets, too, and may start the
    agent again for them.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tcp = self.made_by_another(socket.AF_INET, ("127.0.0.1", 0))
        self.unix = self.made_by_another(socket.AF_UNIX, self.path("theirs.sock"))

    def made_by_another(self, family: socket.AddressFamily, where: object) -> socket.socket:
        """
        A listening socket.
        """
        made = socket.socket(family)
        self.addCleanup(made.close)
        made.bind(where)  # type: ignore[arg-type] # one of the family
        made.listen()
        return made

    def handed(self, made: socket.socket, name: str = "handed") -> Endpoint:
        """
        An endpoint with a descriptor of its own.
        """
        return Endpoint(name=name, bind=(f"fd:{os.dup(made.fileno())}",))

    def number(self, endpoint: Endpoint) -> int:
        """
        Its descriptor.
        """
        return int(endpoint.bind[0].removeprefix("fd:"))

    async def test_listens(self) -> None:
        """TCP and unix sockets are listened on, and told as what they are."""
        self.open(self.handed(self.tcp, "a"), self.handed(self.unix, "b"))
        self.assertEqual(
            self.endpoints.urls(),
            [
                f"http://127.0.0.1:{self.tcp.getsockname()[1]}",
                f"unix:{self.path('theirs.sock')}",
            ],
        )
        for at in (0, 1):
            client = await self.connect(self.plain(at))
            self.assertEqual((await client.get()).status, 200)

    async def test_leftAsItWas(self) -> None:
        """
        A unix socket keeps its mode and its file, and whoever else has it can go on
        with it.
        """
        path = self.path("theirs.sock")
        os.chmod(path, 0o620)
        self.open(self.handed(self.unix), self.handed(self.tcp, "tcp"))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o620)
        await self.endpoints.close()
        self.assertTrue(os.path.exists(path))
        for made in (self.unix, self.tcp):
            made.setblocking(False)
            with socket.socket(made.family) as client:
                client.connect(made.getsockname())
                made.accept()[0].close()

    async def test_unchanged(self) -> None:
        """What stays the same is not looked at again: it is not there any more."""
        endpoint = self.handed(self.tcp)
        self.open(endpoint)
        self.assertRaises(OSError, os.fstat, self.number(endpoint))
        client = await self.connect(self.plain())
        self.open(endpoint, Endpoint(name="more", bind=("127.0.0.1:0",)))
        self.assertEqual((await client.get()).status, 200)
        self.endpoints.check([endpoint])

    async def test_abandoned(self) -> None:
        """What was prepared in vain can be had another time."""
        endpoint = self.handed(self.unix)
        self.endpoints.prepare([endpoint]).abandon()
        await deferLater(reactor, 0)
        self.open(endpoint)
        client = await self.connect(self.plain())
        self.assertEqual((await client.get()).status, 200)

    async def test_givenUp(self) -> None:
        """What was taken out is closed, and can't be had again."""
        endpoint = self.handed(self.tcp)
        other = Endpoint(name="other", bind=("127.0.0.1:0",))
        self.open(endpoint)
        self.open(other)
        with self.assertRaises(CantListen) as raised:
            self.endpoints.prepare([other, endpoint])
        self.assertIn("was given up", str(raised.exception))
        self.assertEqual(raised.exception.code, 1)

    def test_twice(self) -> None:
        """One descriptor can't be two endpoints."""
        endpoint = self.handed(self.tcp)
        self.addCleanup(os.close, self.number(endpoint))
        with self.assertRaises(CantListen) as raised:
            self.endpoints.prepare([endpoint, Endpoint(name="b", bind=endpoint.bind)])
        self.assertIn("is listened on already", str(raised.exception))

    def test_exposed(self) -> None:
        """Where one can be reached from other machines that has to be said."""
        made = self.made_by_another(socket.AF_INET, ("0.0.0.0", 0))
        endpoint = self.handed(made)
        self.addCleanup(os.close, self.number(endpoint))
        with self.assertRaises(CantListen) as raised:
            self.endpoints.prepare([endpoint])
        self.assertEqual(raised.exception.code, 2)

    async def test_secured(self) -> None:
        """It may have TLS."""
        certfile, keyfile = self.keep("server", self.server)
        bind = self.handed(self.tcp).bind
        self.open(Endpoint(name="tls", bind=bind, certfile=certfile, keyfile=keyfile))
        self.assertTrue(self.endpoints.urls()[0].startswith("https://127.0.0.1:"))
        client = await self.connect(self.encrypted())
        self.assertEqual((await client.get()).status, 200)
