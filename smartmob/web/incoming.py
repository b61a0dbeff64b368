"""
What the client of a WebSocket sends, with bounds on its size, its pieces and its time.

Autobahn reads frames, and has a bound on the size of a message.  It keeps each piece of one,
empty ones too, answers each ping whether or not the answers are read, goes on to read what it
has refused, and reads all that came before anybody else has their turn: of the shortest frames
ten thousand come at once.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.launch.turns import Turns
from smartmob.web.patience import Patience

MESSAGE_BYTES = 1 << 20
"""What a client may send at once, ..."""

FRAGMENTS = 1024
"""... in so many frames ..."""

MESSAGE_SECONDS = 30.0
"""... and within so long, from the first byte to the last: as the body of a request."""

PIECE = 2048
"""Bytes that are read before it is looked at the time."""

LINGER_BYTES = 512 << 10
"""Who was told that it is over may go on to send so much ..."""

LINGER_SECONDS = 5.0
"""... and then has so long to read that."""

_log = Logger()

_POLICY = 1008
"""RFC 6455, section 7.4.1."""


class Incoming(WebSocketServerProtocol):
    """
    The half of a WebSocket that reads.  What is not read yet waits here, and its client too.
    """

    def __init__(self, reactor: IReactorTime, turns: Turns) -> None:
        """
        @param turns: Of all WebSockets: who may read now.
        """
        super().__init__()
        self._reactor = reactor
        self._turns = turns
        self._patience = Patience(reactor, self._took_too_long)
        self._unread = bytearray()
        self._message = bytearray()
        self._frames = 0
        self._held = False
        self._paused = False
        self._waits = False
        self._over_bytes = 0

    def listens(self) -> bool:
        """
        Whether anything is done with messages; else they are not kept.
        """
        raise NotImplementedError

    def shake_hands(self, key: bytes) -> None:
        """
        Begin.  Autobahn reads a handshake that says what was checked before, and no more:
        then nothing of it can fail, and no answer is Autobahn's own.
        """
        super().dataReceived(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\n\r\n"
        )

    def hold(self, held: bool) -> None:
        """
        Have the client wait with what it sends, or go on.
        """
        self._held = held
        if not held and self._unread:
            self._turns.wait(self)
        self._look()

    def dataReceived(self, data: bytes) -> None:
        """
        Something came.
        """
        if self.state == self.STATE_CLOSED:
            return
        if self.state == self.STATE_CLOSING:
            self._over_bytes += len(data)
        self._unread += data
        more = True
        while more and not self._turns.over:
            more = self.take()
        if more:
            self._turns.wait(self)
        self._look()

    def take(self) -> bool:
        """
        Read some of it: see L{Source.take<smartmob.launch.turns.Source.take>}.
        """
        if self._held or not self._unread:
            return False
        began = self._reactor.seconds()
        piece = bytes(self._unread[:PIECE])
        del self._unread[:PIECE]
        try:
            super().dataReceived(piece)
        except Exception:
            _log.failure("what a WebSocket sent could not be read")
            self._unread.clear()
            self.dropConnection(abort=True)
        self._turns.spend(self._reactor.seconds() - began)
        if not self._unread:
            self._look()
        return bool(self._unread) and not self._held

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone.
        """
        self._unread.clear()
        self._message.clear()
        self._turns.forget(self)
        self._patience.forget()
        super().connectionLost(reason)

    def onMessageBegin(self, isBinary: bool) -> None:
        """
        The first frame of a message.
        """
        super().onMessageBegin(isBinary)
        self._message.clear()
        self._frames = 0

    def onMessageFrameBegin(self, length: int) -> None:
        """
        One more; whether all of them together are too long is Autobahn's to say.
        """
        super().onMessageFrameBegin(length)
        self._frames += 1
        if self._frames > FRAGMENTS and not self.failedByMe:
            self._fail_connection(_POLICY, f"a message has at most {FRAGMENTS} frames")

    def onMessageFrameData(self, payload: bytes) -> None:
        """
        A piece of it.
        """
        if not self.failedByMe and self.listens():
            self._message += payload

    def onMessageFrameEnd(self) -> None:
        """
        The end of a frame, whose bytes are kept already.
        """
        self.frame_data = []

    def onMessageEnd(self) -> None:
        """
        All of it is there.
        """
        message = bytes(self._message)
        self._message.clear()
        self.message_data = []
        if not self.failedByMe:
            self.onMessage(message, self.message_is_binary)

    def dropConnection(self, abort: bool = False) -> None:
        """
        Close the connection; by a reset only where closing frames were not exchanged.
        """
        self._unread.clear()
        super().dropConnection(abort and not self.wasClean)

    def _look(self) -> None:
        """
        See whether the client has to wait, and whether it is waited for.
        """
        over = self._over_bytes > LINGER_BYTES
        pause = self._held or bool(self._unread) or over
        transport: Any = self.transport
        if transport is not None and pause is not self._paused:
            self._paused = pause
            connection = transport.connection
            (connection.pauseProducing if pause else connection.resumeProducing)()
        unfinished = self.inside_message or self.current_frame is not None or bool(self.data)
        if over:
            self._expect(LINGER_SECONDS)
        elif unfinished and not pause and self.state == self.STATE_OPEN:
            self._expect(MESSAGE_SECONDS)
        elif self._waits:
            self._waits = False
            self._patience.rest()

    def _expect(self, seconds: float) -> None:
        if not self._waits:
            self._waits = True
            self._patience.wait(seconds)

    def _took_too_long(self) -> None:
        self._waits = False
        if self.state == self.STATE_OPEN:
            seconds = f"{MESSAGE_SECONDS:g}"
            self._fail_connection(_POLICY, f"a message has to be whole within {seconds} s")
        else:
            self.dropConnection(abort=True)
