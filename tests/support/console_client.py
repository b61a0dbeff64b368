"""
A WebSocket client of the console, in the words of a test.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

PATIENCE = float(os.environ.get("SMARTMOB_PATIENCE", "60"))
"""Seconds that anything may take before a test gives up on it."""


class Console(WebSocketClientProtocol):
    """
    An attached client.

    @ivar texts: Frames that nobody has asked for yet.
    @ivar opened: Fires when it is attached; fails where it is not let in.
    @ivar closed: Fires with the close code and reason.
    """

    clock: IReactorTime

    def __init__(self) -> None:
        super().__init__()
        self.texts: deque[str] = deque()
        self.seen: deque[str] = deque(maxlen=20)
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[tuple[int, str]] = Deferred()
        self.let_in = False
        self._waiting: Deferred[None] | None = None

    def onOpen(self) -> None:
        """
        Attached.
        """
        self.let_in = True
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        A frame; all of them are text.
        """
        assert not isBinary, payload
        self.texts.append(payload.decode("utf-8"))
        self._tell()

    def onClose(self, wasClean: bool, code: int, reason: str | None) -> None:
        """
        It is over.
        """
        if not self.let_in:
            self.opened.errback(ConnectionRefusedError(reason))
        self.let_in = False
        self.closed.callback((code, reason or ""))
        self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    async def next(self) -> str:
        """
        The next frame.

        @raise AssertionError: There is none any more, or none in time.
        """
        while not self.texts:
            assert not self.closed.called, f"closed after {list(self.seen)}"
            waiting = self._waiting = Deferred()
            waiting.addTimeout(
                PATIENCE,
                self.clock,
                lambda _, __: self.fail(f"nothing came after {list(self.seen)}"),
            )
            await waiting
        text = self.texts.popleft()
        self.seen.append(text)
        return text

    def fail(self, why: str) -> None:
        """
        Give up.
        """
        self._waiting = None
        raise AssertionError(why)

    async def line(self, start: str = "") -> str:
        """
        The next frame that begins so; those before it are passed over.
        """
        while not (text := await self.next()).startswith(start):
            pass
        return text

    async def lines(self, number: int) -> list[str]:
        """
        The next frames.
        """
        return [await self.next() for _ in range(number)]

    async def document(self) -> dict[str, Any]:
        """
        The next frame, where they are JSON.
        """
        document: dict[str, Any] = json.loads(await self.next())
        return document

    async def event(self, name: str, **members: object) -> dict[str, Any]:
        """
        The next event of that name (of those with these members), where frames
        are JSON.
        """
        while True:
            document = await self.document()
            if document.get("event") == name and members.items() <= document.items():
                return document

    async def logged(self, start: str = "") -> dict[str, Any]:
        """
        The next line that begins so, where frames are JSON.
        """
        while True:
            document = await self.document()
            if str(document.get("line", "")).startswith(start) and "line" in document:
                return document

    def send(self, text: str) -> None:
        """
        Send a frame.
        """
        self.sendMessage(text.encode())

    def hold(self) -> None:
        """
        Read no more.
        """
        self.tcp.pauseProducing()

    def go_on(self) -> None:
        """
        Read again.
        """
        self.tcp.resumeProducing()

    @property
    def tcp(self) -> Any:
        """
        The connection.
        """
        return self.transport

    async def leave(self) -> None:
        """
        Hang up.
        """
        if not self.closed.called:
            self.tcp.abortConnection()
            await self.closed


async def attach(
    reactor: Any,
    endpoint: IStreamClientEndpoint,
    url: str,
    headers: Mapping[str, str] | None = None,
) -> Console:
    """
    Attach to a console.

    @param headers: More of the handshake.
    @raise ConnectionRefusedError: The agent said no, with its status.
    """
    factory = WebSocketClientFactory(url, headers=headers, reactor=reactor)
    factory.protocol = Console
    factory.noisy = False
    factory.setProtocolOptions(openHandshakeTimeout=PATIENCE)
    console = cast(Console, await endpoint.connect(factory))
    console.clock = reactor
    await console.opened
    return console
