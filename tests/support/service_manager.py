"""
A service manager that only listens: the other end of sd_notify(3).
"""

from __future__ import annotations

import socket


class Listening:
    """
    A datagram socket, and what was sent to it.

    @ivar address: As C{NOTIFY_SOCKET} has it.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: Where it is bound to; with C{@} in front it is no file.
        """
        self.address = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{path[1:]}" if path[0] == "@" else path)
        self._socket.setblocking(False)

    def close(self) -> None:
        """
        Listen no more.
        """
        self._socket.close()

    def one(self) -> dict[str, str]:
        """
        The next message.

        @raise BlockingIOError: There is none.
        """
        lines = self._socket.recv(65536).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def all(self) -> list[dict[str, str]]:
        """
        What was not read yet.
        """
        found = []
        while True:
            try:
                found.append(self.one())
            except BlockingIOError:
                return found
