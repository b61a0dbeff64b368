"""
The agent's REST interface, seen from a client.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import treq
from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

_SECONDS = 30.0
"""How long an answer may take to begin and, again, to arrive."""


class Refused(Exception):
    """
    The agent answered with an error.

    @ivar status: The HTTP status.
    @ivar code: The C{code} of the problem document, or the empty string.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


@frozen(eq=False)
class Remote:
    """
    An agent, and what can be asked of it.  Its documents are plain JSON values:
    the agent may add members that this client does not know.

    @ivar url: Where it listens, without a slash at the end.
    """

    url: str
    _http: HTTPClient

    async def get(self, url: str) -> dict[str, Any]:
        """
        The document at C{url}.

        @raise Refused: The agent says no.
        """
        return await self._ask("GET", url, None)

    async def post(self, url: str, document: Mapping[str, object]) -> dict[str, Any]:
        """
        What the agent answers to C{document} sent to C{url}.

        @raise Refused: The agent says no.
        """
        return await self._ask("POST", url, document)

    async def _ask(
        self, method: str, url: str, document: Mapping[str, object] | None
    ) -> dict[str, Any]:
        """
        Send a request and read its answer, whatever it is.
        """
        body = None if document is None else json.dumps(document).encode()
        headers = Headers()
        if document is not None:
            headers.setRawHeaders("Content-Type", ["application/json"])
        response = await self._http.request(
            method, url, data=body, headers=headers, timeout=_SECONDS, allow_redirects=False
        )
        answer = await treq.content(response)
        if response.code >= 400:
            raise _refusal(response.code, answer)
        value: dict[str, Any] = json.loads(answer)
        return value


def _refusal(status: int, body: bytes) -> Refused:
    """
    The error in an answer; one that is no problem document comes from something
    between the client and the agent, and is told by its status alone.
    """
    try:
        problem = json.loads(body)
        sentences = [problem["detail"]]
        wrong = problem.get("errors", ())
        sentences += [f"{each['field']}: {each['message']}" for each in wrong]
        return Refused(status, problem["code"], "; ".join(sentences))
    except (ValueError, LookupError, TypeError):
        return Refused(status, "", f"HTTP status {status}")


@asynccontextmanager
async def connected(reactor: IReactorTime, url: str) -> AsyncIterator[Remote]:
    """
    The agent at C{url}, until the connections to it are closed.
    """
    pool = HTTPConnectionPool(reactor)
    try:
        yield Remote(url, HTTPClient(Agent(reactor, connectTimeout=_SECONDS, pool=pool)))
    finally:
        await pool.closeCachedConnections()
