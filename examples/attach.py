"""
Show the lines of a console: C{python3 attach.py ws://127.0.0.1:8080/attach-console/SLUG}.

Where the agent asks for a token, the name of a file with one comes behind that.

Needs the package autobahn, which smartmob brings.
"""

import sys
from pathlib import Path

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


url, *token_files = sys.argv[1:]
tokens = [Path(file).read_text().split()[0] for file in token_files]
headers = [("Authorization", f"Bearer {token}") for token in tokens]
factory = Attaching(url, headers=dict(headers))
factory.protocol = Console
connectWS(factory)
reactor.run()
