"""
Show the lines of a console: C{python3 attach.py ws://127.0.0.1:8080/attach-console/SLUG}.

Needs the package autobahn, which smartmob brings.
"""

import sys

from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    connectWS,
)
from twisted.internet import reactor
from twisted.python.failure import Failure


class Console(WebSocketClientProtocol):
    """
    One line a frame.
    """

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        A line.
        """
        print(payload.decode(), flush=True)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """
        The console was closed, could not be attached to, or Ctrl-C was pressed.
        """
        if reactor.running:
            print(f"closed: {reason}", file=sys.stderr)
            reactor.stop()


class Attaching(WebSocketClientFactory):
    """
    One attempt.
    """

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        """
        There is no agent.
        """
        print(f"can't connect: {reason.value}", file=sys.stderr)
        reactor.stop()


factory = Attaching(sys.argv[1])
factory.protocol = Console
connectWS(factory)
reactor.run()
