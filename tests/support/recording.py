"""
A reader of lines that keeps what it gets.
"""

from __future__ import annotations

import json
from typing import Any

from zope.interface import implementer

from smartmob.lines.readers import Ending, IReader, Subscription
from tests.support.websockets import decode


@implementer(IReader)
class Recorder:
    """
    A reader that keeps what it gets, and that has room for as much as it is told.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.endings: list[object] = []
        self.room = 1 << 40
        self.subscription: Subscription | None = None

    def write(self, data: bytes) -> None:
        self.parts.append(data)
        self.room -= len(data)
        if self.room <= 0 and self.subscription is not None:
            self.subscription.pause()

    def ending(self, why: Ending) -> None:
        self.endings.append(why)

    def ended(self) -> None:
        self.endings.append("ended")

    def take(self, room: int = 1 << 40) -> None:
        """
        Have room again.
        """
        assert self.subscription is not None
        self.room = room
        self.subscription.resume()

    @property
    def data(self) -> bytes:
        """All it got."""
        return b"".join(self.parts)

    def frames(self) -> list[bytes]:
        """The payloads of frames."""
        return [payload for _, payload in decode(self.data)]

    def documents(self) -> list[Any]:
        """The frames of a JSON reader."""
        return [json.loads(frame) for frame in self.frames()]
