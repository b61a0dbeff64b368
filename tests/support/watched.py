"""
Commands that are started for real, watched, and found again with all that they started.
"""

from __future__ import annotations

import re

import psutil
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

MARK = "TEST_MARK"
"""A variable that whatever a command starts inherits, and is found by."""


class Watched(ProcessProtocol):
    """
    A command whose output can be waited for.

    @ivar ended: Fires with its exit code, or minus the signal that ended it.
    """

    def __init__(self) -> None:
        self.out = ""
        self.err = ""
        self.ended: Deferred[int] = Deferred()
        self._waiting: list[tuple[str, Deferred[None]]] = []

    def outReceived(self, data: bytes) -> None:
        """
        Part of its output.
        """
        self.out += data.decode()
        waiting, self._waiting = self._waiting, []
        for pattern, come in waiting:
            if re.search(pattern, self.out, re.MULTILINE):
                come.callback(None)
            else:
                self._waiting.append((pattern, come))

    def errReceived(self, data: bytes) -> None:
        """
        Part of its complaints.
        """
        self.err += data.decode()

    def has(self, pattern: str) -> Deferred[None]:
        """
        Fires when something of a pattern has been written; fails when it can't be
        any more.
        """
        come: Deferred[None] = Deferred()
        self._waiting.append((pattern, come))
        self.outReceived(b"")
        return come

    def processEnded(self, reason: Failure) -> None:
        """
        It is gone.
        """
        for pattern, come in self._waiting:
            come.errback(AssertionError(f"no {pattern!r} in {self.out!r}, {self.err!r}"))
        code = 0
        if isinstance(reason.value, ProcessTerminated):
            code = -reason.value.signal if reason.value.signal else reason.value.exitCode
        self.ended.callback(code)


def marked(mark: str) -> list[psutil.Process]:
    """
    The processes that have a mark in their environment, and are more than a zombie.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue  # it has ended, or is another user's, and so none of ours
    return found
