"""
The half of an HTTP connection that writes, and what of all answers was not taken yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http_headers import Headers

from smartmob.web.bottom import bottom
from smartmob.web.browsers import AS_IT_SAYS, NOT_KEPT
from smartmob.web.way_out import WayOut

if TYPE_CHECKING:
    from smartmob.web.site import Site

UNREAD_BYTES = 64 << 20
"""So much of answers may wait for clients that do not take them, in all: some hundred large
ones, or the largest there are, one after the other."""


class Unread:
    """
    Answers that are kept until their clients take them.  Where they are too many, who has had
    the most time for its own is cut.
    """

    def __init__(self, most: int = UNREAD_BYTES) -> None:
        """
        @param most: Bytes of all together; one alone may be larger.
        """
        self._most = most
        self._waiting: dict[Outgoing, int] = {}
        self._bytes = 0

    def wait(self, connection: Outgoing, size: int) -> None:
        """
        So much waits for a client.
        """
        self.over(connection)
        self._waiting[connection] = size
        self._bytes += size
        while self._bytes > self._most and len(self._waiting) > 1:
            longest = next(iter(self._waiting))
            self.over(longest)
            longest.transport.abortConnection()

    def over(self, connection: Outgoing) -> None:
        """
        It was taken, or never will be.
        """
        self._bytes -= self._waiting.pop(connection, 0)


class Outgoing(http.HTTPChannel):
    """
    Writes answers, as parts as few as can be.
    """

    transport: ITCPTransport
    site: Site
    _waitingForTransport: bool
    _requestProducer: IPushProducer | None
    _out: WayOut
    _head = b""

    def connectionMade(self) -> None:
        """
        There is somebody to write to.
        """
        super().connectionMade()
        self._out = WayOut(self.transport)

    def pauseProducing(self) -> None:
        """
        The client does not take what was written.  Who writes more as it does has bounds
        of its own.
        """
        super().pauseProducing()
        descriptor, _ = bottom(self.transport)
        if self._requestProducer is None and descriptor is not None:
            size = len(descriptor.dataBuffer) - descriptor.offset + descriptor._tempDataLen
            self.site.unread.wait(self, size)

    def resumeProducing(self) -> None:
        """
        It has taken all of it.
        """
        self.site.unread.over(self)
        super().resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone.
        """
        self.site.unread.over(self)
        super().connectionLost(reason)

    def writeHeaders(
        self, version: bytes, code: bytes, reason: bytes, headers: Headers
    ) -> None:
        """
        A head, which is sent together with the beginning of its body: see L{flush}.  What
        all of them say is said here, since it would cost more as headers of each request.
        """
        parts = [version, b" ", code, b" ", reason, b"\r\n"]
        for name, values in headers.getAllRawHeaders():
            for value in values:
                parts += (name, b": ", value, b"\r\n")
        if not headers.hasHeader(b"Cache-Control"):
            parts.append(NOT_KEPT)
        parts += (AS_IT_SAYS, b"\r\n")
        self._head = b"".join(parts)

    def write(self, data: bytes) -> None:
        """
        A part of an answer.
        """
        head, self._head = self._head, b""
        self._out.write(head, data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Parts of an answer.
        """
        self.write(b"".join(iovec))

    def flush(self) -> None:
        """
        Send a head that still waits for a body: there is none, or none yet.
        """
        if self._head:
            self.write(b"")
