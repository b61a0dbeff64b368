"""
Endpoints of a whole agent.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

from tests.support.agent_process import AgentProcess, AgentTestCase, program, reactor
from tests.support.certificates import Pair, pair
from tests.support.listening import Client

ACTIVATED = 'LISTEN_PID=$$ exec "$0" "$@"'
"""As systemd starts what it has sockets for (sd_listen_fds(3))."""


class EndpointTests(AgentTestCase):
    """
    An agent that listens on several.
    """

    async def connect(self, way: IStreamClientEndpoint) -> Client:
        """
        A client that hangs up when the test ends.
        """
        client: Client = await connectProtocol(way, Client())

        def hang_up() -> Deferred[None]:
            client.transport.loseConnection()  # type: ignore[union-attr] # it is connected
            return client.lost

        self.addCleanup(hang_up)
        return client

    def to(self, url: str, trust: Pair | None = None) -> IStreamClientEndpoint:
        """
        The way there.
        """
        scheme, _, where = url.partition(":")
        if scheme == "unix":
            return UNIXClientEndpoint(reactor, where)
        way = TCP4ClientEndpoint(reactor, "127.0.0.1", int(where.rpartition(":")[2]))
        if trust is None:
            return way
        options = optionsForClientTLS("localhost", trustRoot=trust.loaded)
        encrypted: IStreamClientEndpoint = wrapClientTLS(options, way)
        return encrypted

    async def test_reload(self) -> None:
        """
        A reload takes new certificates, opens what is new, closes what is gone, and
        leaves what stays, with its connections.
        """
        first, second = pair("localhost"), pair("localhost")
        certfile, keyfile = self.folder / "cert.pem", self.folder / "key.pem"
        first.write(certfile, keyfile)
        path = self.folder / "agent.ini"
        secure = "[endpoint:tls]\nbind = 127.0.0.1:0\ncertfile = cert.pem\nkeyfile = key.pem\n"
        local = "[endpoint:local]\nbind = unix:%s.sock\n"
        head = "[smartmob]\nhttp_endpoints = tls, local\n"
        path.write_text(head + secure + local % "one")
        agent = self.spawn_agent(str(path), bind=())
        [url, one] = await agent.listens(2)
        self.assertEqual(one, f"unix:{self.folder}/one.sock")
        before = await self.connect(self.to(url, first))
        self.assertEqual((await before.get()).status, 200)

        second.write(certfile, keyfile)
        path.write_text(head + secure + local % "two")
        os.kill(agent.pid, signal.SIGHUP)
        two = self.folder / "two.sock"
        while not two.exists():
            self.assertEqual((await before.get()).status, 200)
        local_client = await self.connect(self.to(f"unix:{two}"))
        self.assertEqual((await local_client.get()).status, 200)
        self.assertFalse((self.folder / "one.sock").exists())
        after = await self.connect(self.to(url, second))
        for client in (before, after):
            self.assertEqual((await client.get()).status, 200)

    async def test_activated(self) -> None:
        """
        Sockets of systemd serve one agent after the other, and stay as they are.
        """
        path = str(self.folder / "theirs.sock")
        with socket.socket(socket.AF_UNIX) as local, socket.socket() as tcp:
            local.bind(path)
            os.chmod(path, 0o620)
            local.listen()
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            for _ in range(2):
                agent = self.activated(local, tcp)
                urls = await agent.listens(2)
                self.assertEqual(
                    urls, [f"unix:{path}", f"http://127.0.0.1:{tcp.getsockname()[1]}"]
                )
                for url in urls:
                    client = await self.connect(self.to(url))
                    self.assertEqual((await client.get()).status, 200)
                os.kill(agent.pid, signal.SIGTERM)
                self.assertEqual(await agent.exit(), 0)
                self.assertEqual(stat.S_IMODE(Path(path).stat().st_mode), 0o620)

    async def test_activatedAlone(self) -> None:
        """
        An agent that is told nothing of where to listen does so on all sockets of systemd, and
        nowhere else; one that is told warns of those that it is not told of.
        """
        with socket.socket(socket.AF_UNIX) as local, socket.socket() as tcp:
            local.bind(str(self.folder / "theirs.sock"))
            local.listen()
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            agent = self.activated(local, tcp, bind=())
            urls = await agent.listens(2)
            url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
            self.assertEqual(urls, [f"unix:{self.folder}/theirs.sock", url])
            self.assertEqual((await (await self.connect(self.to(url))).get()).status, 200)
            os.kill(agent.pid, signal.SIGTERM)
            self.assertEqual(await agent.exit(), 0)
            agent = self.activated(local, tcp, bind=("systemd:name=local",))
            await agent.listens()
            self.assertIn(b"nobody listens on its socket systemd:index=1", agent.err)

    def activated(
        self,
        local: socket.socket,
        tcp: socket.socket,
        bind: Sequence[str] = ("systemd:domain=UNIX:name=local", "systemd:domain=INET:index=1"),
    ) -> AgentProcess:
        """
        An agent with these two.
        """
        return self.spawn(
            "/bin/sh",
            "-c",
            ACTIVATED,
            program("smartmob-agent"),
            *("--state-dir", str(self.state)),
            *(word for each in bind for word in ("--bind", each)),
            env={"LISTEN_FDS": "2", "LISTEN_FDNAMES": "local:tcp"},
            descriptors={3: local.fileno(), 4: tcp.fileno()},
        )
