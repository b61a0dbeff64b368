"""
An agent's public interface, as a test drives it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import treq
from attrs import frozen
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Cooperator
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from tests.support.console_client import PATIENCE, Console, attach

reactor: Any = installed_reactor

Document = dict[str, Any]

_cooperator = Cooperator(scheduler=lambda call: reactor.callLater(0, call))


@frozen
class Answer:
    """
    What an agent answered.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Document:
        """
        The body as JSON.
        """
        document: Document = json.loads(self.body)
        return document


@implementer(IAgentEndpointFactory)
@frozen
class _Endpoints:
    """
    Connects to one agent, wherever a URL leads.
    """

    endpoint: IStreamClientEndpoint

    def endpointForURI(self, uri: object) -> IStreamClientEndpoint:
        return self.endpoint


class Followed(Protocol):
    """
    The body of an answer that goes on.

    @ivar body: What has come.
    @ivar over: It has ended.
    """

    def __init__(self) -> None:
        self.body = b""
        self.over = False
        self._heard: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        More of it.
        """
        self.body += data
        self._tell()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Its end.
        """
        self.over = True
        self._tell()

    def _tell(self) -> None:
        heard, self._heard = self._heard, Deferred()
        heard.callback(None)

    async def has(self, text: bytes) -> None:
        """
        Wait until this has come.
        """
        while text not in self.body:
            assert not self.over, self.body
            await self._heard.addTimeout(PATIENCE, reactor)

    async def end(self) -> None:
        """
        Wait for its end.
        """
        while not self.over:
            await self._heard.addTimeout(PATIENCE, reactor)

    def hang_up(self) -> None:
        """
        Want no more.
        """
        if self.transport is not None and not self.over:
            cast(Any, self.transport).loseConnection()


class Remote:
    """
    A URL that an agent listens on.

    @ivar url: As the agent said it.
    @ivar base: What URLs of requests begin with.
    @ivar token: What says who is asking, where that has to be said.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        if url.startswith("unix:"):
            self.base = "http://localhost"
            self.endpoint: IStreamClientEndpoint = UNIXClientEndpoint(
                reactor, url.removeprefix("unix:")
            )
        else:
            self.base = url
            parts = urlsplit(url)
            assert parts.hostname and parts.port
            kind = TCP6ClientEndpoint if ":" in parts.hostname else TCP4ClientEndpoint
            self.endpoint = kind(reactor, parts.hostname, parts.port)
        self.pool = HTTPConnectionPool(reactor)
        self.pool.maxPersistentPerHost = 50
        self.http = Agent.usingEndpointFactory(reactor, _Endpoints(self.endpoint), self.pool)
        self.consoles: list[Console] = []
        self.followed: list[Followed] = []

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Any request.
        """
        said = {"Content-Type": "application/json"} if headers is None else headers
        sent = self._headers(said)
        url = path if path.startswith("http") else self.base + path
        # treq's own client knows no URLs with IPv6 addresses.
        asked: Deferred[Any] = self.http.request(
            method.encode(),
            url.encode(),
            sent,
            None if body is None else FileBodyProducer(io.BytesIO(body), _cooperator),
        )
        response = await asked.addTimeout(PATIENCE, reactor)
        content = await treq.content(response).addTimeout(PATIENCE, reactor)
        got = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, got, content)

    async def follow(self, path: str, accept: str = "*/*") -> Followed:
        """
        A body that goes on.
        """
        asked: Deferred[Any] = self.http.request(
            b"GET", (self.base + path).encode(), self._headers({"Accept": accept})
        )
        response = await asked.addTimeout(PATIENCE, reactor)
        assert response.code == 200, response.code
        followed = Followed()
        self.followed.append(followed)
        response.deliverBody(followed)
        return followed

    async def get(self, path: str, status: int = 200) -> Document:
        """
        A document.
        """
        return self._expected(await self.ask("GET", path), status)

    async def post(
        self, path: str, document: object = None, status: int | None = 200
    ) -> Document:
        """
        Have something done.

        @param status: What is to be answered; C{None}: anything.
        """
        body = json.dumps({} if document is None else document).encode()
        return self._expected(await self.ask("POST", path, body), status)

    async def create(self, source_url: str, node: str = "web.0", **more: object) -> Document:
        """
        Create a process.
        """
        document = {"app": "app", "process_type": "web", **more}
        return await self.post(
            "/create-process", {**document, "node": node, "source_url": source_url}, 201
        )

    async def attach(self, slug: str = "app.web.0", **query: object) -> Console:
        """
        Attach to a console.
        """
        return await self._attach(f"/attach-console/{slug}?{urlencode(query)}")

    async def attach_app(self, app: str = "app", **query: object) -> Console:
        """
        Attach to the console of an app.
        """
        return await self._attach(f"/attach-app/{app}?{urlencode(query)}")

    async def events(self, **query: object) -> Console:
        """
        Read events.
        """
        return await self._attach(f"/events?{urlencode(query)}")

    async def _attach(self, path: str) -> Console:
        url = self.base.replace("http", "ws", 1)
        console = await attach(reactor, self.endpoint, url + path, self._bearer())
        self.consoles.append(console)
        return console

    def _bearer(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def _headers(self, said: Mapping[str, str]) -> Headers:
        both = {**self._bearer(), **said}
        return Headers({name: [value] for name, value in both.items()})

    async def state(self, slug: str = "app.web.0", *wanted: str) -> Document:
        """
        The document of a process, once its state is one of those.
        """
        console = await self.attach(slug, format="json")
        while True:
            document = await self.get(f"/process-status/{slug}")
            if document["state"] in wanted:
                await console.leave()
                return document
            await console.event("state")

    async def close(self) -> None:
        """
        Close all connections.
        """
        for console in self.consoles:
            await console.leave()
        for followed in self.followed:
            followed.hang_up()
            await followed.end()
        await self.pool.closeCachedConnections()

    @staticmethod
    def _expected(answer: Answer, status: int | None) -> Document:
        assert status in (None, answer.status), (answer.status, answer.body)
        return answer.document
