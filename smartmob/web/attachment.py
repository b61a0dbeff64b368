"""
A client at the console of a process or an app, whatever it speaks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smartmob.lines.console import Console
from smartmob.lines.encodings import JSON_FRAMES
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.refusals import NoInput, NotRunning, StdinFull
from smartmob.web.keepalive import Keepalive
from smartmob.web.recipient import Recipient
from smartmob.web.socket_writer import SocketWriter

_log = Logger()

CLOSES = {
    Ending.DELETED: (1000, b"process deleted"),
    Ending.SHUT: (1001, b"the agent ends"),
    Ending.TOO_SLOW: (1013, b"too slow, lines were missed"),
    Ending.OVER: (1000, b"program ended"),
}
"""Status codes (RFC 6455, section 7.4.1, and IANA's registry for 1013)."""

SHOWN_OUT = (1008, b"not signed in any more")
"""That of a policy which was violated."""


class TakesInput(Protocol):
    """
    A process, as those who type need it.
    """

    def write(self, data: bytes) -> None:
        """Input; raises L{NotRunning}, L{NoInput}, L{StdinFull}."""

    def whenWritable(self) -> Deferred[None]:
        """Fires when the program has taken what was written, or is gone."""


class Attachable(TakesInput, Protocol):
    """
    A process, as its clients need it.
    """

    @property
    def slug(self) -> str:
        """Its name."""

    @property
    def console(self) -> Console:
        """Where its lines are."""

    @property
    def takes_input(self) -> bool:
        """Whether its program has a standard input."""


class Connection(Protocol):
    """
    What a WebSocket is written to.
    """

    def write(self, data: bytes) -> None:
        """Send, in order."""

    def abortConnection(self) -> None:
        """Close at once."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Tell this one when to pause."""


class FrameTransport(Protocol):
    """
    A WebSocket, as it is needed here.
    """

    @property
    def takes_frames(self) -> bool:
        """Whether frames may be sent."""

    def hold(self, held: bool) -> None:
        """Have the client wait with what it sends, or go on."""

    def sendPing(self) -> None:
        """Ask for a sign of life."""

    def sendPong(self, payload: bytes) -> None:
        """Give one."""

    def sendCloseFrame(self, code: int, reasonUtf8: bytes) -> None:
        """Begin the end."""


class Attachment(Recipient):
    """
    Brings lines to a WebSocket, and what it sends to the program.

    @ivar leave: Called when it is over, perhaps more than once.
    """

    leave: Callable[[], object] = staticmethod(lambda: None)

    def __init__(
        self,
        reactor: IReactorTime,
        attach: Callable[[IReader], Subscription],
        frames: FrameTransport,
        *,
        json: bool,
        types_to: TakesInput | None = None,
    ) -> None:
        """
        @param attach: Gives a reader the lines that are wanted.
        @param json: Frames are JSON documents, so the client can be told things.
        @param types_to: What the client sends is input of this process; C{None}: it
            is ignored.
        @raise TooManyReaders: There is no place.
        """
        self._reactor = reactor
        self._frames = frames
        self._json = json
        self._types_to = types_to
        self._held: deque[bytes] = deque()
        self._behind = False
        self._asked: bytes | None = None
        super().__init__(attach)

    @property
    def listens(self) -> bool:
        """
        Whether anything is done with what the client sends.
        """
        return self._types_to is not None

    # What the connection says.

    def opened(self, transport: Connection) -> None:
        """
        Frames may be sent.
        """
        self._writer = SocketWriter(transport)
        self._keepalive = Keepalive(
            self._reactor, self._writer, ask=self._ask, cut=transport.abortConnection
        )
        if self._why is not None:
            self._keepalive.linger()
        transport.registerProducer(self, True)
        self._subscription.resume()

    def typed(self, data: bytes) -> None:
        """
        The client sent this: input of the program, if that is what it is here for.
        """
        if self._keepalive is not None:
            self._keepalive.answered()
        if self._types_to is not None:
            self._held.append(data)
            if len(self._held) == 1:
                self._pass_on(self._types_to)

    def answered(self) -> None:
        """
        The client answered a ping.
        """
        if self._keepalive is not None:
            self._keepalive.answered()

    def asked(self, payload: bytes) -> None:
        """
        The client wants a sign of life.  One that does not take what there is for it gets an
        answer to the last of its questions, once it has (RFC 6455, section 5.5.3).
        """
        if self._behind:
            self._asked = payload
        elif self._writer is not None:
            self._writer.hand(len(payload) + 2)
            self._frames.sendPong(payload)

    def pauseProducing(self) -> None:
        """
        See L{Recipient.pauseProducing}.
        """
        self._behind = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """
        See L{Recipient.resumeProducing}.
        """
        self._behind = False
        asked, self._asked = self._asked, None
        if asked is not None:
            self.asked(asked)
        super().resumeProducing()

    def closing(self) -> None:
        """
        A close frame was sent, so nothing can follow.  The client may still take
        what was sent before.
        """
        self._subscription.detach()
        if self._keepalive is not None:
            self._keepalive.linger()

    def show_out(self) -> None:
        """
        Who this is may not be here any more: what is queued is not for them, either.
        """
        self._types_to = None
        self._held.clear()
        self._frames.sendCloseFrame(*SHOWN_OUT)

    def gone(self) -> None:
        """
        See L{Recipient.gone}.
        """
        self._types_to = None
        self._held.clear()
        self.leave()
        super().gone()

    # What the console says.

    def write(self, data: bytes) -> None:
        """
        See L{IReader.write}.
        """
        if self._writer is not None and self._frames.takes_frames:
            self._writer.write(data)

    def ended(self) -> None:
        """
        See L{IReader.ended}.
        """
        if self._why is not None:
            self._frames.sendCloseFrame(*CLOSES[self._why])

    # Inside.

    def _ask(self) -> None:
        """
        A client that is not read from can't answer.
        """
        if self._held and self._keepalive is not None:
            self._keepalive.answered()
        self._frames.sendPing()

    def _pass_on(self, process: TakesInput) -> None:
        """
        Give the program what was typed, in order.  While it has no room for it the
        client is not read from.
        """
        while self._held:
            try:
                process.write(self._held[0])
            except StdinFull:
                self._frames.hold(True)
                process.whenWritable().addCallback(self._go_on).addErrback(
                    lambda failure: _log.failure("input could not be passed on", failure)
                )
                return
            except (NotRunning, NoInput):
                if self._json:
                    event = JSON_FRAMES.event({"event": "stdin-refused"})
                    self._subscription.event(event)
            self._held.popleft()

    def _go_on(self, _: None) -> None:
        if self._types_to is not None:
            self._frames.hold(False)
            self._pass_on(self._types_to)
