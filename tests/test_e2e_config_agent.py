"""
The keys of C{[gaffer]} and C{[endpoint:NAME]}, applied to the agent.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import random
import signal
import socket
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor as installed_reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.ssl import optionsForClientTLS
from twisted.trial.unittest import SkipTest

from tests.support.agent_process import AgentProcess, program
from tests.support.applications import archive
from tests.support.certificates import Pair, pair
from tests.support.configured_agent import section
from tests.support.http_origin import Exchange
from tests.support.listening import Client
from tests.support.living import until
from tests.support.telling import TellingTestCase

reactor: Any = installed_reactor


def waiting(path: Path) -> int:
    """
    How many connections may wait at a unix socket from which none is accepted.
    """
    clients: list[socket.socket] = []
    try:
        while True:
            client = socket.socket(socket.AF_UNIX)
            clients.append(client)
            client.setblocking(False)
            client.connect(os.fspath(path))
    except BlockingIOError:
        return len(clients) - 1
    finally:
        for client in clients:
            client.close()


def a_port() -> int:
    """
    One that nobody has, and that the system gives to nobody by itself.
    """
    for port in random.sample(range(10_000, 20_000), 1000):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise SkipTest("there is no port")


def ended(exchange: Exchange) -> bool:
    """
    Whether all of a JSON body has come.
    """
    return exchange.head.endswith(b"}")


class AgentKeysTestCase(TellingTestCase):
    """
    Tests with a file of one's own making.
    """

    async def agent(
        self, *sections: str, number: int = 1, env: Mapping[str, str] | None = None
    ) -> tuple[AgentProcess, list[str]]:
        """
        Start an agent with a file of these sections, from another folder.

        @return: It, and its URLs.
        """
        self.file = self.folder / "etc" / "gaffer.ini"
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text("\n".join(sections))
        state = [] if "state_dir" in sections[0] else ["--state-dir", str(self.state)]
        process = self.spawn(
            *(program("smartmob-agent"), "-v", *state, os.path.relpath(self.file, self.folder)),
            env=env,
        )
        return process, await process.listens(number)


class EndpointsTests(AgentKeysTestCase):
    """
    Where it listens.
    """

    async def test_several(self) -> None:
        """
        Every address of every endpoint that C{http_endpoints} names is listened on, paths
        starting at the file, and no other; the host that is named is the one.
        """
        agent, urls = await self.agent(
            "[gaffer]\nhttp_endpoints=one ,  two\nbacklog = 5",
            "[endpoint:one]\nbind = 127.0.0.1:0, 127.0.0.2:0,unix:run",
            "[endpoint:two]\nbind = unix:few:mode=660\nbacklog = 2",
            "[endpoint:three]\nbind = unix:three",
            number=4,
        )
        hosts = [urlsplit(url).hostname for url in urls[:2]]
        self.assertEqual(hosts, ["127.0.0.1", "127.0.0.2"])
        run, few = self.file.parent / "run", self.file.parent / "few"
        self.assertEqual(urls[2:], [f"unix:{run}", f"unix:{few}"])
        for url in urls:
            await self.remote(url).get("/list-processes")
        for path, mode in ((run, 0o600), (few, 0o660)):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode)
        self.assertFalse((self.file.parent / "three").exists())
        self.assertRegex(agent.err, rb"gaffer\.ini:\d+: \[endpoint:three\] .*not named")
        port = urlsplit(urls[1]).port
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.3", port)).close()
        os.kill(agent.pid, signal.SIGSTOP)
        try:
            # unix(7): one more than the backlog.
            self.assertEqual((waiting(run), waiting(few)), (6, 3))
        finally:
            os.kill(agent.pid, signal.SIGCONT)

    def keep(self, name: str, certificate: Pair) -> str:
        """
        The keys for a certificate in the file's folder.
        """
        folder = self.folder / "etc" / "tls"
        folder.mkdir(parents=True, exist_ok=True)
        certificate.write(folder / f"{name}.pem", folder / f"{name}.key")
        return f"certfile = tls/{name}.pem\nkeyfile = tls/{name}.key\n"

    async def client(self, url: str, trust: Pair, show: Pair | None = None) -> Client:
        """
        A client by TLS.
        """
        self.assertTrue(url.startswith("https://127.0.0.1:"), url)
        options = optionsForClientTLS(
            "localhost",
            trustRoot=trust.loaded,
            clientCertificate=None if show is None else show.loaded,
        )
        way = TCP4ClientEndpoint(reactor, "127.0.0.1", urlsplit(url).port or 0)
        client: Client = await connectProtocol(wrapClientTLS(options, way), Client())
        return client

    async def test_tls(self) -> None:
        """
        With C{certfile} and C{keyfile} it speaks TLS with these; with C{cafile} only to
        those whose certificate is signed by one of that.
        """
        server, authority = pair("localhost"), pair("authority")
        friend, stranger = pair("friend", authority), pair("stranger")
        keys = self.keep("server", server)
        self.keep("clients", authority)
        _, urls = await self.agent(
            "[gaffer]\nhttp_endpoints = tls, own",
            f"[endpoint:tls]\nbind = 127.0.0.1:0\n{keys}",
            f"[endpoint:own]\nbind = 127.0.0.1:0\n{keys}cafile = tls/clients.pem",
            number=2,
        )
        for url, show in ((urls[0], None), (urls[1], friend)):
            client = await self.client(url, server, show)
            document = (await client.get("/")).json()
            self.assertTrue(document["list"].startswith("https://localhost/"), document)
            client.transport.abortConnection()  # type: ignore[union-attr] # it is connected
            await client.lost
        for show in (None, stranger):
            client = await self.client(urls[1], server, show)
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await client.lost
            self.assertEqual(bytes(client.received), b"")

    async def test_api(self) -> None:
        """
        C{api} says whose interface it is: smartmob's, gafferd's, or both.
        """
        _, urls = await self.agent(
            "[gaffer]\nhttp_endpoints = s, g, b",
            "[endpoint:s]\nbind = 127.0.0.1:0",
            "[endpoint:g]\nbind = 127.0.0.1:0\napi = gafferd",
            "[endpoint:b]\nbind = 127.0.0.1:0\napi = both",
            section("dummy"),
            number=3,
        )
        answers = {}
        for name, url in zip(("smartmob", "gafferd", "both"), urls, strict=True):
            remote = self.remote(url)
            for path in ("/list-processes", "/processes"):
                answers[name, path] = (await remote.ask("GET", path)).status
        self.assertEqual(
            answers,
            {
                ("smartmob", "/list-processes"): 200,
                ("smartmob", "/processes"): 404,
                ("gafferd", "/list-processes"): 404,
                ("gafferd", "/processes"): 200,
                ("both", "/list-processes"): 200,
                ("both", "/processes"): 200,
            },
        )
        self.assertEqual((await self.remote(urls[1]).get("/"))["welcome"], "gaffer")
        answer = await self.remote(urls[2]).ask("GET", "/processes")
        self.assertEqual(answer.body.split(), b'["dummy"]'.split())


class SettingsTests(AgentKeysTestCase):
    """
    C{[gaffer]}, or C{[smartmob]}.
    """

    BOUND = "http_endpoints = a\n[endpoint:a]\nbind = 127.0.0.1:0"

    async def test_files(self) -> None:
        """
        State folder, pidfile and plugins are where it says, from the file on; both keys of
        plugins count.
        """
        for place in ("one/first", "two/second"):
            site = self.folder / "etc" / place / "_site"
            site.mkdir(parents=True)
            (site / "index.html").write_text(place)
        agent, [url] = await self.agent(
            "[smartmob]\nstate_dir = kept\npidfile = run.pid\n"
            f"plugins_dir = one\nplugin_dir = two\n{self.BOUND}"
        )
        folder = self.file.parent
        self.assertEqual(int((folder / "run.pid").read_text()), agent.pid)
        self.assertEqual(stat.S_IMODE((folder / "kept").stat().st_mode), 0o700)
        self.assertTrue((folder / "kept" / "lock").exists())
        for place in ("one/first", "two/second"):
            name = place.partition("/")[2]
            answer = await self.remote(url).ask("GET", f"/_plugin/{name}/")
            self.assertEqual((answer.status, answer.body), (200, place.encode()))
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        self.assertFalse((folder / "run.pid").exists())

    async def test_created(self) -> None:
        """
        Created processes have ports of C{port_range}, limits where they ask for none, and
        no variables of C{env_remove}.
        """
        source = archive({"Procfile": "web: ulimit -n; ulimit -f; echo $PORT$A_SECRET.\n"})
        port = a_port()
        _, [url] = await self.agent(
            f"[gaffer]\nport_range = {port}-{port}\nenv_remove = *_SECRET\n"
            f"open_files = 77\nlimit_file_bytes = 51200\n{self.BOUND}",
            env={"A_SECRET": "x"},
        )
        remote = self.remote(url)
        source_url = self.origin.serve("/app", source)
        await remote.create(source_url, restart="never", limits={"open_files": 88})
        said = await self.lines(remote, "app.web.0")
        self.assertEqual(said, ["88", "100", f"{port}."])
        document = await remote.post(
            "/create-process",
            {"app": "b", "node": "b", "process_type": "web", "source_url": source_url},
            503,
        )
        self.assertEqual(document["code"], "no-port")

    async def test_webhooks(self) -> None:
        """
        Every URL of a topic gets its events from the start on, signed where there is a
        secret, which may stand in a file of its own.
        """
        urls = [self.origin.serve(f"/{number}", b"") for number in range(3)]
        secret = self.folder / "etc" / "secret"
        secret.parent.mkdir()
        secret.write_text("hush\n")
        secret.chmod(0o600)
        await self.agent(
            f"[gaffer]\n{self.BOUND}",
            f"[webhooks]\ncreate = {urls[0]} {urls[1]}\n;stop = {urls[0]}",
            f"proc.dummy.spawn = {urls[2]}\nsecret_file = secret",
            section("dummy"),
        )
        await until(lambda: len(self.origin.requests) == 3, "three deliveries")
        for exchange in self.origin.requests:
            await until(partial(ended, exchange), "a body")
            head, _, body = exchange.head.partition(b"\r\n\r\n")
            event = "spawn" if exchange.path == "/2" else "create"
            document = json.loads(body)
            self.assertEqual((document["event"], document["name"]), (event, "dummy"))
            stamp, digest = str(exchange.header("X-Smartmob-Signature")).split(",sha256=")
            signed = stamp.removeprefix("t=").encode() + b"." + body
            self.assertEqual(hmac.new(b"hush", signed, "sha256").hexdigest(), digest, head)
        paths = sorted(exchange.path for exchange in self.origin.requests)
        self.assertEqual(paths, ["/0", "/1", "/2"])
