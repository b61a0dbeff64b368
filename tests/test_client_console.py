"""
L{smartmob.client.console}.
"""

from __future__ import annotations

import socket
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor
from twisted.internet.error import ConnectError
from twisted.trial.unittest import TestCase
from twisted.web.resource import NoResource
from twisted.web.server import Site

from smartmob.client.console import Detached, attach


class Speaker(WebSocketServerProtocol):
    """
    Says two lines, and closes the console.
    """

    def onOpen(self) -> None:
        """
        Somebody listens.
        """
        self.sendMessage("h\u00e9llo".encode())
        self.sendMessage(b"")
        self.sendClose(1000, "process deleted")


class AttachTests(TestCase):
    """
    L{attach}, over a real connection.
    """

    timeout = 60

    def listen(self, factory: Any) -> int:
        """
        Serve on loopback until the test is over.

        @return: The port.
        """
        port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    async def test_lines(self) -> None:
        """
        Each frame is a line, empty ones too, and the close says why.
        """
        factory = WebSocketServerFactory()
        factory.protocol = Speaker
        lines: list[str] = []
        url = f"ws://127.0.0.1:{self.listen(factory)}/attach-console/a.b?tail=1"
        detached = await attach(reactor, url, lines.append)
        self.assertEqual(str(await detached), "process deleted")
        self.assertEqual(lines, ["h\u00e9llo", ""])

    async def test_refused(self) -> None:
        """
        What answers with an error in place of a WebSocket is told with its status.
        """
        url = f"ws://127.0.0.1:{self.listen(Site(NoResource()))}/attach-console/a.b"
        with self.assertRaises(Detached) as caught:
            await attach(reactor, url, self.fail)
        self.assertIn("404", str(caught.exception))

    async def test_nobody(self) -> None:
        """
        Where nobody listens, that is the error.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            number = free.getsockname()[1]
        with self.assertRaises(ConnectError):
            await attach(reactor, f"ws://127.0.0.1:{number}/", self.fail)
