"""
What it takes to send archives in a test.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from smartmob.source.archives import Archives
from smartmob.source.disk import Worker
from smartmob.source.limits import SourceLimits
from smartmob.source.upload import Stored, Upload


def digest(data: bytes) -> str:
    """
    The sha256 of some bytes.
    """
    return hashlib.sha256(data).hexdigest()


@define(eq=False)
class FakeSender:
    """
    A client.

    @ivar held: What it was told, in order: to wait, or to go on.
    @ivar refused: Why it was refused.
    @ivar share: Whose part of the room it takes.
    """

    held: list[bool] = field(factory=list)
    refused: list[BaseException | None] = field(factory=list)
    share: object = None

    def hold(self, held: bool) -> None:
        """
        Note it.
        """
        self.held.append(held)

    def refuse(self, why: Failure) -> None:
        """
        Note it.
        """
        self.refused.append(why.value)


class Store:
    """
    A store of archives on a folder.

    @ivar used: What processes name.
    @ivar why_not: Why its folder can't be used.
    """

    def __init__(self, path: str, disk: Worker, **limits: int) -> None:
        self.path = os.path.abspath(path)
        os.mkdir(self.path)
        self.used: set[str] = set()
        self.why_not: Exception | None = None
        self.archives = Archives(disk, self.path, SourceLimits(**limits), self._ready)

    def in_use(self) -> Collection[str]:
        """
        As an agent says it.
        """
        return self.used

    def _ready(self) -> Deferred[None]:
        return succeed(None) if self.why_not is None else fail(self.why_not)

    def upload(
        self, length: int | None = None, share: object = None
    ) -> tuple[Upload, FakeSender]:
        """
        Begin to send one.
        """
        sender = FakeSender(share=share)
        return self.archives.receive(length, sender, self.in_use), sender

    def put(self, data: bytes) -> Deferred[Stored]:
        """
        Send one.
        """
        upload, _ = self.upload()
        upload.write(data)
        return upload.finish()

    def found(self) -> list[str]:
        """
        The files that there are.
        """
        return sorted(os.listdir(self.path))
