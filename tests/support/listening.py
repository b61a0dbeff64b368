"""
Endpoints that are really listened on, and clients of them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import PrivateCertificate, optionsForClientTLS
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from smartmob.config.configuration import Api, Endpoint
from smartmob.endpoints import Endpoints
from smartmob.listener import Listener
from smartmob.web.connections import Census
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.certificates import Pair, pair
from tests.support.httpwire import Answer, parse

reactor: Any = installed_reactor


class Client(Protocol):
    """
    Sends what it is told, and remembers what came.

    @ivar lost: Fires when the connection is gone, for the reason C{why}.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.over = False
        self.why = connectionDone
        self.lost: Deferred[None] = Deferred()
        self._wanted: list[tuple[bytes, Deferred[None]]] = []

    def send(self, data: bytes) -> None:
        """
        Send it.
        """
        assert self.transport is not None
        self.transport.write(data)

    def until(self, end: bytes) -> Deferred[None]:
        """
        Fires once this came; or nothing more will.
        """
        seen: Deferred[None] = Deferred()
        self._wanted.append((end, seen))
        self._look(0)
        return seen

    def dataReceived(self, data: bytes) -> None:
        """
        Remember it.
        """
        before = len(self.received)
        self.received += data
        self._look(before)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The end.
        """
        self.over = True
        self.why = reason
        self._look(0)
        self.lost.callback(None)

    def _look(self, before: int) -> None:
        wanted, self._wanted = self._wanted, []
        for end, seen in wanted:
            if self.over or self.received.find(end, max(0, before - len(end))) >= 0:
                seen.callback(None)
            else:
                self._wanted.append((end, seen))

    async def get(self, path: str = "/", *headers: str) -> Answer:
        """
        The answer to a request without a body.
        """
        self.received.clear()
        lines = (f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", "")
        self.send("\r\n".join(lines).encode())
        await self.until(b"}\n")
        answer, rest = parse(bytes(self.received))
        assert not rest, rest
        return answer


class ListeningCase(TestCase):
    """
    Endpoints of a fake agent.

    @ivar folder: Where certificates and sockets are; its path is short.
    @ivar server: A certificate for C{localhost}.
    @ivar clock: That of what is served.
    """

    timeout = 120

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.agent = FakeAgent()
        self.clock: Any = reactor
        self.census = Census()
        self.addCleanup(self.census.abort)
        self.sites: dict[Api, IProtocolFactory] = {}
        self.server = pair("localhost")
        self.endpoints = self.made()

    def made(self, *, insecure: bool = False) -> Endpoints:
        """
        Endpoints that are closed when the test ends.
        """
        made = Endpoints(reactor, reactor, self.site_of, self.census.guard, insecure)
        self.addCleanup(made.close)
        return made

    def site_of(self, endpoint: Endpoint) -> IProtocolFactory:
        """
        What is served there: one of the same API is the same.
        """
        if endpoint.api not in self.sites:
            self.sites[endpoint.api] = make_site(self.agent.real, self.clock)
        return self.sites[endpoint.api]

    def path(self, name: str) -> str:
        """
        The path of a file of the test's.
        """
        return str(self.folder / name)

    def keep(self, name: str, certificate: Pair, *chain: Pair) -> tuple[str, str]:
        """
        Write a certificate and its key; returns where they are.
        """
        certfile, keyfile = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write(certfile, keyfile, *chain)
        return str(certfile), str(keyfile)

    def secure(self, *bind: str, **more: Any) -> Endpoint:
        """
        An endpoint with the certificate for C{localhost}.
        """
        certfile, keyfile = self.keep("server", self.server)
        bind = bind or ("127.0.0.1:0",)
        return Endpoint(name="tls", bind=bind, certfile=certfile, keyfile=keyfile, **more)

    def open(self, *wanted: Endpoint) -> None:
        """
        Listen there.
        """
        self.endpoints.prepare(wanted).commit()

    @property
    def listeners(self) -> list[Listener]:
        """
        What is open.
        """
        return list(self.endpoints._listeners.values())

    def host(self, at: int = 0) -> Any:
        """
        The address that a port is bound to.
        """
        return self.listeners[at].port.getHost()

    def plain(self, at: int = 0) -> IStreamClientEndpoint:
        """
        The way to a port, for clients.
        """
        address = self.host(at)
        if isinstance(address, UNIXAddress):
            return UNIXClientEndpoint(reactor, os.fsdecode(address.name or b""))
        kind = TCP6ClientEndpoint if ":" in address.host else TCP4ClientEndpoint
        way: IStreamClientEndpoint = kind(reactor, address.host, address.port)
        return way

    def encrypted(
        self,
        at: int = 0,
        *,
        trust: Pair | None = None,
        show: Pair | None = None,
        offer: Iterable[bytes] = (),
    ) -> IStreamClientEndpoint:
        """
        The same by TLS.

        @param trust: Who has to have signed the server's certificate.
        @param show: The client's certificate.
        @param offer: Protocols for ALPN.
        """
        shown: PrivateCertificate | None = None if show is None else show.loaded
        options = optionsForClientTLS(
            "localhost",
            trustRoot=(trust or self.server).loaded,
            clientCertificate=shown,
            acceptableProtocols=list(offer) or None,
        )
        way: IStreamClientEndpoint = wrapClientTLS(options, self.plain(at))
        return way

    async def connect(self, way: IStreamClientEndpoint) -> Client:
        """
        A client that is cut when the test ends.
        """
        client: Client = await connectProtocol(way, Client())
        self.addCleanup(self._cut, client)
        return client

    def _cut(self, client: Client) -> Deferred[None] | None:
        if client.over:
            return None
        client.transport.abortConnection()  # type: ignore[union-attr] # every one of a socket has it
        return client.lost
