"""
Fluentd, as much of it as receives lines; it reads with the real MessagePack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol

from smartmob.waiting import Waiters


@define(eq=False)
class Fluentd(Factory):
    """
    Keeps what it is sent.

    @ivar acks: It acknowledges what asks for that.
    @ivar connections: All there ever were.
    @ivar messages: Each as it came: tag, records, option.
    """

    acks: bool = True
    noisy = False
    connections: list[_Input] = field(factory=list)
    messages: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = field(factory=list)
    greeting: bytes = b""
    _came: Waiters = field(factory=Waiters)

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """
        Somebody connects.
        """
        self.connections.append(_Input(self))
        return self.connections[-1]

    def took(self, message: list[Any]) -> dict[str, Any]:
        """
        Something came.
        """
        tag, entries, option = message
        unpacker = msgpack.Unpacker(timestamp=0)
        unpacker.feed(entries)
        records = [record for _, record in unpacker]
        self.messages.append((tag, records, option))
        self._came.fire()
        return dict(option)

    def lines(self) -> list[str]:
        """
        All that came.
        """
        return [record["message"] for _, records, _ in self.messages for record in records]

    async def until(self, enough: Callable[[], bool]) -> None:
        """
        Wait until what came is enough.
        """
        while not enough():
            waiting: Deferred[None] = self._came.wait()
            await waiting


class _Input(Protocol):
    """
    One connection.
    """

    def __init__(self, fluentd: Fluentd) -> None:
        self._fluentd = fluentd
        self._unpacker = msgpack.Unpacker()

    def connectionMade(self) -> None:
        """
        Say what there is to say first.
        """
        assert self.transport is not None
        if self._fluentd.greeting:
            self.transport.write(self._fluentd.greeting)

    def dataReceived(self, data: bytes) -> None:
        """
        A part of a message, or several.
        """
        assert self.transport is not None
        self._unpacker.feed(data)
        for message in self._unpacker:
            option = self._fluentd.took(message)
            if self._fluentd.acks and "chunk" in option:
                self.transport.write(msgpack.packb({"ack": option["chunk"]}))

    def cut(self) -> None:
        """
        End it, without a word.
        """
        transport: Any = self.transport
        transport.abortConnection()
