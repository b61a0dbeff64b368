"""
A connection that speaks HTTP/1.1, with bounds on its time, and answers in the
promised shape to what is no HTTP.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

from twisted.internet.interfaces import (
    IAddress,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web import http

from smartmob.web import request_log
from smartmob.web.answered import NOWHERE
from smartmob.web.browsers import AS_IT_SAYS, NOT_KEPT
from smartmob.web.framing import FramedChannel
from smartmob.web.outgoing import Outgoing
from smartmob.web.patience import Patience
from smartmob.web.problems import Problem
from smartmob.web.socket_writer import SocketWriter
from smartmob.web.trust import name_of

if TYPE_CHECKING:
    from smartmob.web.site import Request, Site

_log = Logger()

REQUEST_SECONDS = 30.0
"""From the first byte of a request to the last of its body."""

UPLOAD_SECONDS = 3600.0
"""What the body of an archive may take instead ..."""

UPLOAD_SILENCE = 30.0
"""... while so long no byte may be missing."""

IDLE_SECONDS = 75.0
"""Without a request."""

LINGER_SECONDS = 5.0
"""What a refused client gets to read its answer, while what it sends is thrown away ..."""

LINGER_BYTES = 512 << 10
"""... up to so many bytes: then nothing more is read ..."""

FLOOD_SECONDS = 0.5
"""... and it has so long, or until its machine has the answer: one that sends and does not
look at what comes would wait for nothing."""


class Channel(Outgoing, FramedChannel):
    """
    An HTTP connection.

    It has one timer at most: none while an answer is being made that takes a while.

    @ivar closing: Nothing more of what the client sends counts.
    """

    transport: ITCPTransport
    site: Site
    closing = False
    _networkProducer: IPushProducer
    _handlingRequest: bool
    _dataBuffer: list[bytes]
    _optimisticEagerReadSize: int
    _patience: Patience
    _peer: IAddress
    _host: IAddress
    _secure: bool
    _held = False
    _idle = True
    _discarded = 0
    _lingers_until = 0.0

    def connectionMade(self) -> None:
        """
        The client may take a while to say something.
        """
        super().connectionMade()
        self._peer, self._host = self.transport.getPeer(), self.transport.getHost()
        self._secure = super().isSecure()
        self._patience = Patience(self.site.reactor, self._expired)
        self._patience.wait(IDLE_SECONDS)

    def dataReceived(self, data: bytes) -> None:
        """
        Something came.  Unlike Twisted's own, a byte gives the client no more time,
        except where an archive is sent.
        """
        self._patience.heard()
        if self.closing:
            self._discard(data)
            return
        if self._idle and not self.paused:
            self._begin()
        LineReceiver.dataReceived(self, data)
        if self._buffer and self._idle and not (self.closing or self.paused):
            self._begin()  # what is left is the beginning of another request

    def lineReceived(self, line: bytes) -> None:
        """
        A line of a head.
        """
        if not self.closing:
            if self._idle:
                self._begin()
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """
        A part of a body, or of a request for later.
        """
        if self.closing:
            self._discard(data)
            return
        super().rawDataReceived(data)
        if (
            self._handlingRequest
            and self._waitingForTransport
            and sum(map(len, self._dataBuffer)) > self._optimisticEagerReadSize
        ):
            self._networkProducer.pauseProducing()  # Twisted's own takes any number then

    def lineLengthExceeded(self, line: bytes) -> None:
        """
        No head has such lines.
        """
        self._respondToBadRequestAndDisconnect()

    def allHeadersReceived(self) -> None:
        """
        The end of a head: the gate decides, and only for what it admits is a body
        asked for.
        """
        request: Request = self.requests[-1]
        version: bytes = self._version
        self.persistent = self.checkPersistence(request, version)
        try:
            request.begin(self._command, self._path, version, self.length)
            self._path = request.uri
        except Exception:
            self.refuse(request, Failure())
            return
        if self.closing:  # what is to keep its body has failed at once
            return
        request.gotLength(self.length)
        expected = request.requestHeaders.getRawHeaders(b"Expect", [])
        waits = any(value.lower() == b"100-continue" for value in expected)
        if waits and self.length != 0 and version == b"HTTP/1.1":
            self._send100Continue()

    def getPeer(self) -> IAddress:
        """
        Who is connected: the same for every request.
        """
        return self._peer

    def getHost(self) -> IAddress:
        """
        What they are connected to, likewise.
        """
        return self._host

    def isSecure(self) -> bool:
        """
        Whether there is TLS, likewise.
        """
        return self._secure

    def expect_upload(self) -> None:
        """
        What comes now is large, and may take its time.
        """
        self._patience.wait(UPLOAD_SECONDS, silence=UPLOAD_SILENCE)

    def hold(self, held: bool) -> None:
        """
        Have the client wait with a body, or go on with it.
        """
        self._held = held
        self._patience.hold(held)
        if held:
            self._networkProducer.pauseProducing()
        elif not (self._waitingForTransport or self._handlingRequest):
            self._networkProducer.resumeProducing()

    def resumeProducing(self) -> None:
        """
        What was written has been sent.  That lets a client go on that is slow to read
        answers, but not one that is held.
        """
        super().resumeProducing()
        if self._held:
            self._networkProducer.pauseProducing()
        if self.paused and self not in self.site.turns.waiting:
            self.paused = False
            if self._buffer:
                self.dataReceived(b"")

    def allContentReceived(self) -> None:
        """
        A request is complete: as long as it is worked on it has all the time.
        """
        if not self.closing:
            self._patience.rest()
            super().allContentReceived()
            if self._handlingRequest:  # its answer takes a while
                self._patience.cancel()

    def requestDone(self, request: http.Request) -> None:
        """
        A request was answered.  The next one has to wait until the client has taken that
        answer, also where it came with this one: else a few bytes of requests would make
        any number of answers, which are kept.  Of many that come at once some are answered,
        then it is everybody else's turn.
        """
        self._idle = True
        others_turn = False
        if not self.closing:
            self._patience.wait(IDLE_SECONDS)
            if self.persistent and self._waitingForTransport:
                self.paused = True
                self._networkProducer.pauseProducing()
            elif self.persistent and (self._buffer or any(self._dataBuffer)):
                turns = self.site.turns
                turns.spend(self.site.reactor.seconds() - self.requests[0].started_at)
                self.paused = others_turn = turns.over
        super().requestDone(request)
        if others_turn:
            self._networkProducer.pauseProducing()
            self.site.turns.wait(self)

    def take(self) -> bool:
        """
        Answer more of the requests that came with another: see
        L{Source.take<smartmob.launch.turns.Source.take>}.
        """
        if not self._waitingForTransport:
            self._networkProducer.resumeProducing()
            if self.paused:
                self.paused = False
                try:
                    self.dataReceived(b"")
                except Exception:
                    _log.failure("what came on a connection could not be read")
                    self.transport.abortConnection()
        return False

    def refuse(self, request: Request, why: Failure) -> None:
        """
        Answer before the body, and close.
        """
        self._stop_reading()
        request.setHeader(b"Connection", b"close")
        request.processingFailed(why)

    def loseConnection(self) -> None:
        """
        Close once all was written.  Where the client may still be sending, it is
        let, for a while: closing a socket with unread bytes resets it, and the
        client would not see why it was refused.
        """
        if not self.closing:
            super().loseConnection()
            return
        self._lingers_until = self.site.reactor.seconds() + LINGER_SECONDS
        self._patience.wait(LINGER_SECONDS)
        transport = self.transport
        transport.resumeProducing()  # type: ignore[attr-defined] # every transport of a socket is a producer
        transport.unregisterProducer()  # type: ignore[attr-defined] # and a consumer
        if ITCPTransport.providedBy(transport) and not ISSLTransport.providedBy(transport):
            transport.loseWriteConnection()
        else:
            transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone.
        """
        self.closing = True
        self._patience.forget()
        self.site.turns.forget(self)
        super().connectionLost(reason)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """
        What came is no HTTP.  Twisted's answer has no body.
        """
        if self.closing:
            return
        self._stop_reading()
        method: bytes = getattr(self, "_command", b"")  # of a request that has begun
        self.site.answered.note(NOWHERE, method, http.BAD_REQUEST)
        request_id = token_hex(8)
        request_log.malformed(method, http.BAD_REQUEST, name_of(self._peer), request_id)
        problem = Problem("bad-request", "its head or its chunks are malformed, or too long")
        error = self.site.rendered(b"", problem)
        headers = {
            b"Date": http.datetimeToString(),
            b"Content-Type": error.content_type,
            b"Content-Length": b"%d" % len(error.body),
            b"X-Request-Id": request_id.encode(),
            b"Connection": b"close",
        }
        lines = [b"HTTP/1.1 400 Bad Request"]
        lines += [name + b": " + value for name, value in headers.items()]
        lines.append((NOT_KEPT + AS_IT_SAYS).removesuffix(b"\r\n"))
        body = b"" if method == b"HEAD" else error.body
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.loseConnection()

    def _stop_reading(self) -> None:
        self.closing = True
        self._held = False
        self.persistent = False
        self.setRawMode()

    def _discard(self, data: bytes) -> None:
        """
        Throw away what a refused client sends, as far as the bodies go that a client hands
        to its system at once: it reads the answer then.  What is longer is not read.
        """
        self._discarded += len(data)
        if self._discarded >= LINGER_BYTES and self._lingers_until:
            self.transport.pauseProducing()  # type: ignore[attr-defined] # as above
            self._patience.wait(FLOOD_SECONDS)

    def _begin(self) -> None:
        """
        A request has begun: from now on its time runs.
        """
        self._idle = False
        self._patience.wait(REQUEST_SECONDS)

    def _expired(self) -> None:
        """
        The client took too long; what is not written yet will not be read either.  Only a
        refusal that is still on its way may need what is left of its time.
        """
        left = self._lingers_until - self.site.reactor.seconds()
        if left > 0 and SocketWriter(self.transport).waiting():
            self._patience.wait(left)
        else:
            self.transport.abortConnection()
