"""
An agent in memory that asks who somebody is, and clients that tell.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Settings
from smartmob.tokens import parse
from smartmob.web.access import Access
from smartmob.web.root import make_site
from smartmob.web.trust import Trust
from tests.support.agents import FakeAgent
from tests.support.families import families
from tests.support.httpwire import Answer, Wire
from tests.support.websockets import UPGRADE, Client, MemoryConnection, get

READ, WRITE, ADMIN, SHOP = (
    f"{word}-token-of-good-length" for word in ("read", "write", "admin", "shop")
)
"""The last may do everything, with apps that begin with C{shop}."""

TOKENS = f"""
{READ} read * reader
{WRITE} write
{ADMIN}
{SHOP} admin shop*
"""

HERE = "http://127.0.0.1:8080"
"""The origin of the agent's own pages."""


def bearer(token: str) -> str:
    """
    A header that says who somebody is.
    """
    return f"Authorization: Bearer {token}"


class SocketClient(Client):
    """
    A client of a whole agent's web side, perhaps with a WebSocket.
    """

    def __init__(self, reactor: MemoryReactorClock, site: Any) -> None:
        protocol = site.buildProtocol(None)
        self.connection = MemoryConnection(reactor, protocol)

    def upgrade(self, path: str, *headers: str) -> int:
        """
        Shake hands; returns the status of the answer.
        """
        more = dict(header.encode().split(b": ", 1) for header in headers)
        host = {b"Host": HERE.removeprefix("http://").encode()}
        head = self.ask(get(path.encode(), {**UPGRADE, **host, **more}))
        return int(head.split()[1])

    def documents(self) -> list[dict[str, Any]]:
        """
        The JSON frames that came since this was last asked.
        """
        return [json.loads(text) for text in self.texts()]


class AccessCase(SynchronousTestCase):
    """
    An agent in memory, with a process of the app C{shop}, and one of C{blog}.
    """

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.agent = FakeAgent()
        self.shop = self.agent.add(app="shop", redirect_input=True)
        self.blog = self.agent.add(app="blog")
        self.access = Access(self.clock)
        self.site = make_site(
            self.agent.real, self.clock, access=self.access, families=families()
        )
        self.tokens()

    def tokens(self, text: str | None = TOKENS, *users: int, **settings: Any) -> None:
        """
        Have the configuration say so, as a reload does.
        """
        tokens = None if text is None else parse(text)
        trust = Trust.of(Settings(tokens=tokens, unix_users=frozenset(users), **settings))
        self.site.gate.trust = trust
        self.access.settle(trust.tokens, trust.users)

    def ask(
        self, method: str, path: str, *headers: str, body: Any = None, **more: Any
    ) -> Answer:
        """
        Ask on a connection of its own.
        """
        return Wire(self.site).ask(method, path, body, *headers, **more)

    def status(self, *headers: str, path: str = "/list-processes", **more: Any) -> int:
        """
        The status of an answer.
        """
        return self.ask("GET", path, *headers, **more).status

    def assertRefused(self, answer: Answer, status: int, code: str) -> None:
        """
        It is a problem, and says so to programs.
        """
        document = answer.json()
        self.assertEqual((answer.status, document["code"]), (status, code), document)
        challenge = answer.header("www-authenticate")
        self.assertEqual((challenge or "").startswith('Bearer realm="smartmob"'), status == 401)
        for token in (READ, WRITE, ADMIN, SHOP):
            self.assertNotIn(token.encode(), answer.body)

    def sign_in(self, token: str = ADMIN, **more: Any) -> tuple[str, str]:
        """
        The header of a browser that has signed in, and all that its cookie was set with.
        """
        answer = self.ask("POST", "/sign-in", body={"token": token}, **more)
        self.assertEqual((answer.status, answer.body), (204, b""))
        cookie, _, attributes = (answer.header("set-cookie") or "").partition("; ")
        return f"Cookie: {cookie}", attributes

    def ticket(self, path: str, token: str = ADMIN, *headers: str) -> str:
        """
        A ticket, as it stands in a URL.
        """
        more = headers or (bearer(token),)
        answer = self.ask("POST", "/tickets", *more, body={"path": path})
        self.assertEqual(answer.status, 201, answer.body)
        return f"?ticket={answer.json()['ticket']}"

    def socket(self, path: str, *headers: str) -> SocketClient:
        """
        A client with a WebSocket.
        """
        client = SocketClient(self.clock, self.site)
        self.assertEqual(client.upgrade(path, *headers), 101)
        return client
