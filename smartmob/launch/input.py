"""
A program's standard input, as the agent asks about it.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from smartmob.launch.phase import Phase
from smartmob.launch.pipes import Writer


class Input:
    """
    A part of L{smartmob.launch.program.Program}.
    """

    _phase: Phase
    _stdin: Writer | None

    @property
    def takesInput(self) -> bool:
        """
        C{writeToChild(0, ...)} would not raise.
        """
        stdin = self._stdin
        return self._phase is Phase.RUNNING and stdin is not None and not stdin.closing

    @property
    def stdinBuffered(self) -> int:
        """
        Bytes that wait for room in its pipe.
        """
        return self._stdin.buffered if self._stdin is not None else 0

    def whenWritable(self) -> Deferred[None]:
        """
        Fires when its stdin took everything.
        """
        return self._stdin.when_empty() if self._stdin is not None else succeed(None)
