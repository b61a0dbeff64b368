"""
Where programs tell that they are up.
"""

from __future__ import annotations

import socket
from pathlib import Path
from time import monotonic

from attrs import define, field

from bench.ending import TookTooLong


@define
class Collector:
    """
    A datagram socket that L{programs/idle.c} writes to.

    @ivar path: Its name.
    @ivar pids: Of all programs that were heard of.
    """

    path: Path
    pids: set[int] = field(factory=set, init=False)
    _socket: socket.socket = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))

    def wait(self, count: int, seconds: float) -> float:
        """
        Wait for so many programs.

        @return: When the last of them had written its first line, by its own clock:
            seconds, monotonic.
        @raise TookTooLong: They are not all there after C{seconds}.
        """
        deadline = monotonic() + seconds
        up: dict[int, int] = {}
        while len(up) < count:
            self._socket.settimeout(max(0.001, deadline - monotonic()))
            try:
                pid, moment = map(int, self._socket.recv(64).split())
            except TimeoutError:
                raise TookTooLong(f"{len(up)} of {count} programs came up") from None
            up[pid] = moment
            self.pids.add(pid)
        return max(up.values()) * 1e-9

    def close(self) -> None:
        """
        Hear no more.
        """
        self._socket.close()
        self.path.unlink()
