"""
The way out of a connection for answers: a head and its body are one call of the system,
and no copy is made of what a socket takes at once.
"""

from __future__ import annotations

from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection

from smartmob.web.bottom import bottom, is_clear

SMALL = 1 << 14
"""Bytes that are sooner copied than handed over in two parts."""


class WayOut:
    """
    Writes to a transport.

    A socket is written to at once where nothing is waiting to be written: else each answer
    would cost another turn of the reactor, and two changes of what it waits for.  What the
    socket does not take is left to the transport, which has its producer wait as ever.
    Never with TLS, whose bytes are not those of the socket.
    """

    def __init__(self, transport: ITransport) -> None:
        self._transport = transport
        below, direct = bottom(transport)
        self._socket = below if direct and isinstance(below, Connection) else None

    def write(self, head: bytes, body: bytes) -> None:
        """
        Send these bytes, before all that is written later.
        """
        socket = self._socket
        if socket is not None and is_clear(socket):
            try:
                sent = socket.socket.sendmsg((head, body))
            except OSError:  # it takes nothing now, or never will, as write() will find
                sent = 0
            if sent < len(head):
                head = head[sent:]
            else:
                head, body = b"", body[sent - len(head) :] if sent > len(head) else body
        if len(body) <= SMALL:
            body, head = head + body, b""
        if head:
            self._transport.write(head)
        if body:
            self._transport.write(body)
