"""
The way out of a connection: as few copies as can be, and a look at whether the
client takes anything.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Protocol

from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection

from smartmob.web.bottom import bottom, is_clear


class Written(Protocol):
    """
    What can be written to.
    """

    def write(self, data: bytes) -> None:
        """Send, in order."""


class SocketWriter:
    """
    Writes to a transport.

    A socket is written to at once where nothing is waiting to be written, and the
    rest left to the transport: that saves the copies into and out of its buffer,
    which with ten readers or more are most of the cost.  Never with TLS, whose
    bytes are not those of the socket.
    """

    def __init__(self, transport: Written) -> None:
        self.transport = transport
        self._descriptor, direct = bottom(transport)
        self._direct = self._descriptor if direct else None
        # Twisted's own way there is three calls longer.
        self._send = _send(self._direct)
        self._handed = 0
        self._waited = 0

    def write(self, data: bytes) -> None:
        """
        Send these bytes, before all that is written later.
        """
        self._handed += len(data)
        socket = self._direct
        if socket is not None and is_clear(socket):
            try:
                sent = self._send(data)
            except OSError:  # full, or lost: the transport will find out
                sent = 0
            if sent == len(data):
                return
            if sent:
                data = data[sent:]
        self.transport.write(data)

    def hand(self, size: int) -> None:
        """
        So many bytes were written to the transport by somebody else.
        """
        self._handed += size

    def waiting(self) -> int:
        """
        How many bytes the client's machine has not taken yet: in the transport, and
        in the kernel (ioctl_tty(2), tcp(7), unix(7)).
        """
        descriptor = self._descriptor
        if descriptor is None:
            return 0
        waiting = len(descriptor.dataBuffer) - descriptor.offset + descriptor._tempDataLen
        if isinstance(descriptor, Connection):
            unsent = array("i", [0])
            try:
                ioctl(descriptor.fileno(), TIOCOUTQ, unsent)
            except (OSError, ValueError):  # closed
                return waiting
            waiting += unsent[0]
        return waiting

    def took(self) -> bool:
        """
        Whether the client took a byte of what was handed out since the last time
        this was asked.
        """
        waiting = self.waiting()
        took = self._waited + self._handed > waiting
        self._waited = waiting
        self._handed = 0
        return took


def _send(descriptor: FileDescriptor | None) -> Callable[[bytes], int]:
    """
    What sends as much as is taken at once.
    """
    if isinstance(descriptor, Connection):
        return descriptor.socket.send

    def send(data: bytes) -> int:
        assert descriptor is not None
        sent = descriptor.writeSomeData(data)
        return sent if isinstance(sent, int) else 0

    return send
