"""
WebSockets: the lines of a process or an app to a client, and input from one
(U{RFC 6455<https://www.rfc-editor.org/rfc/rfc6455>}).

Autobahn shakes hands and reads frames.  Frames with lines come ready from
L{smartmob.lines} and are written as they are, since no extension is ever agreed
on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.interfaces import IReactorTime, ITransport
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from smartmob.feed import EVENT_FRAMES, Feed
from smartmob.launch.turns import Turns
from smartmob.lines.app import AppConsole
from smartmob.lines.app_encodings import APP_FRAMES
from smartmob.lines.encodings import JSON_FRAMES, PLAIN_FRAMES
from smartmob.lines.readers import IReader, Subscription
from smartmob.refusals import NoInput
from smartmob.web.attachment import Attachable, Attachment, TakesInput
from smartmob.web.handshake import check_handshake
from smartmob.web.incoming import MESSAGE_BYTES, Incoming
from smartmob.web.query import AppQuery, ConsoleQuery, EventQuery
from smartmob.web.site import Request

_log = Logger()


class ConsoleSockets:
    """
    Makes WebSockets of requests.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._turns = Turns(reactor)
        self._factory = WebSocketServerFactory(reactor=reactor, server="")
        self._factory.noisy = False
        self._factory.setProtocolOptions(
            webStatus=False,
            versions=[13],
            # Timers of its own would abort clients that still take what is queued.
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
            failByDrop=False,
            echoCloseCodeReason=True,
            maxFramePayloadSize=MESSAGE_BYTES,
            maxMessagePayloadSize=MESSAGE_BYTES,
            tcpNoDelay=True,
        )

    def resource(self, process: Attachable, request: Request, query: ConsoleQuery) -> IResource:
        """
        What a route answers with to attach a client to the console of C{process}.

        @raise Problem: C{upgrade-required}.
        @raise NoInput: C{stdin} is asked for, but the program takes none.
        @raise TooManyReaders: There are as many as there may be.
        """
        key = check_handshake(request)
        if query.stdin and not process.takes_input:
            raise NoInput(
                f"{process.slug} takes no input; create it with "
                '"redirect_input": true to give it some'
            )
        json = query.format == "json"
        encoding = JSON_FRAMES if json else PLAIN_FRAMES
        return self._upgrade(
            request,
            key,
            lambda reader: process.console.attach(reader, query.wanted, encoding),
            json,
            process if query.stdin else None,
        )

    def app_resource(self, app: AppConsole, request: Request, query: AppQuery) -> IResource:
        """
        What a route answers with to attach a client to the console of an app.

        @raise Problem: C{upgrade-required}.
        @raise TooManyReaders: There are as many as there may be.
        """
        key = check_handshake(request)
        encoding = APP_FRAMES[query.format]
        return self._upgrade(
            request,
            key,
            lambda reader: app.attach(reader, query.wanted, encoding),
            query.format == "json",
        )

    def event_resource(self, feed: Feed, request: Request, query: EventQuery) -> IResource:
        """
        What a route answers with to give a client events.

        @raise Problem: C{upgrade-required}.
        @raise TooManyReaders: There are as many as there may be.
        """
        key = check_handshake(request)
        return self._upgrade(
            request,
            key,
            lambda reader: feed.attach(
                reader, query.topics, query.after, EVENT_FRAMES, query.apps
            ),
            json=True,
        )

    def tap_resource(
        self,
        request: Request,
        attach: Callable[[IReader], Subscription],
        types_to: TakesInput,
    ) -> IResource:
        """
        What a route answers with to give a client frames of the bytes of a program, and
        the program what the client sends.

        @param attach: Gives a reader frames.
        @raise Problem: C{upgrade-required}.
        @raise TooManyReaders: There are as many as there may be.
        """
        key = check_handshake(request)
        return self._upgrade(request, key, attach, json=False, types_to=types_to)

    def _upgrade(
        self,
        request: Request,
        key: bytes,
        attach: Callable[[IReader], Subscription],
        json: bool,
        types_to: TakesInput | None = None,
    ) -> Upgrade:
        protocol = ConsoleProtocol(self._reactor, self._turns, _headers(request))
        protocol.factory = self._factory
        attachment = protocol.attachment = Attachment(
            self._reactor, attach, protocol, json=json, types_to=types_to
        )
        attachment.leave, protocol.closed = request.hand_over(attachment.show_out)
        return Upgrade(protocol, key)


_PASSED_ON = (
    *("X-Request-Id", "Vary"),
    *("Access-Control-Allow-Origin", "Access-Control-Expose-Headers"),
)
"""What the answer to a handshake has in common with every other."""


def _headers(request: Request) -> dict[str, str]:
    said = {name: request.responseHeaders.getRawHeaders(name, []) for name in _PASSED_ON}
    return {name: values[-1] for name, values in said.items() if values}


class Upgrade(Resource):
    """
    Takes the connection from HTTP and gives it to a WebSocket.
    """

    isLeaf = True

    def __init__(self, protocol: ConsoleProtocol, key: bytes) -> None:
        super().__init__()
        self._protocol = protocol
        self._key = key

    def render_GET(self, request: Request) -> int:
        """
        Take over.  From here on nothing of HTTP is left on this connection.
        """
        channel: Any = request.channel
        transport: Any = None if channel is None else channel.transport
        if transport is None or transport.disconnecting:
            self._protocol.attachment.gone()
            self._protocol.closed(None)
            return NOT_DONE_YET
        try:
            self._take(transport)
        except Exception:
            _log.failure("a WebSocket could not take over its connection")
            self._protocol.attachment.gone()
            transport.abortConnection()
        else:
            channel.transport = None
            # What came right behind the handshake is still to be delivered, in this
            # turn of the reactor.
            channel.rawDataReceived = self._protocol.dataReceived
        return NOT_DONE_YET

    def _take(self, transport: Any) -> None:
        """
        From here on Autobahn reads.
        """
        protocol = self._protocol
        transport.unregisterProducer()
        protocol.makeConnection(Carrier(transport))
        if isinstance(transport, ProtocolWrapper):
            transport.wrappedProtocol = protocol
        else:
            transport.protocol = protocol
        transport.resumeProducing()
        protocol.shake_hands(self._key)


@implementer(ITransport)
class Carrier:
    """
    A connection, as Autobahn sees it.  Of a secure one it would want to know things
    that it finds only where nothing is wrapped around TLS, and fail.

    @ivar connection: The real one.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.write = connection.write
        self.loseConnection = connection.loseConnection
        self.abortConnection = connection.abortConnection
        self.unregisterProducer = connection.unregisterProducer
        self.getPeer = connection.getPeer
        self.getHost = connection.getHost

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        See L{ITransport}.
        """
        self.write(b"".join(data))


class _ClientFaults:
    """
    What Autobahn logs: that a client broke the protocol is no warning to an operator.
    """

    def debug(self, *_: object, **__: object) -> None:
        """Each step: of no use here."""

    trace = info = debug

    def warn(self, text: str, **values: object) -> None:
        """A client did something wrong."""
        _log.debug(text, **values)

    error = warn


class ConsoleProtocol(Incoming):
    """
    Autobahn's view of an attached client: translates, and decides nothing.

    @ivar attachment: What decides.
    @ivar closed: Called when it is over, with the code (RFC 6455, section 7.4).
    """

    log = _ClientFaults()
    attachment: Attachment
    closed: Callable[[int | None], None]

    def __init__(self, reactor: IReactorTime, turns: Turns, headers: Mapping[str, str]) -> None:
        """
        @param headers: Of the answer to the handshake.
        """
        super().__init__(reactor, turns)
        self._headers = dict(headers)

    @property
    def takes_frames(self) -> bool:
        """
        Whether frames may be sent: from the handshake to the first close frame.
        """
        return bool(self.state == self.STATE_OPEN)

    def listens(self) -> bool:
        """
        See L{Incoming.listens}.
        """
        return self.attachment.listens

    def onConnect(self, request: object) -> tuple[None, dict[str, str]]:
        """
        The handshake is answered with this.
        """
        return None, self._headers

    def onOpen(self) -> None:
        """
        The handshake is done.  Autobahn would lose an exception.
        """
        carrier = cast(Carrier, self.transport)
        try:
            self.attachment.opened(carrier.connection)
        except Exception:
            _log.failure("a WebSocket could not be attached")
            self.sendCloseFrame(1011, b"the agent failed")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        The client sent something.
        """
        try:
            self.attachment.typed(payload)
        except Exception:
            _log.failure("what a WebSocket sent could not be passed on")
            self.sendCloseFrame(1011, b"the agent failed")

    def onPing(self, payload: bytes) -> None:
        """
        The client wants to know whether the agent lives.
        """
        self.attachment.asked(payload)

    def onPong(self, payload: bytes) -> None:
        """
        The client lives.
        """
        self.attachment.answered()

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """
        The end begins, from either side: no frame may follow.
        """
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self.attachment.closing()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """
        The connection is gone.  Of the codes that both sides sent ours says why.
        """
        self.closed(self.localCloseCode or code)
        self.attachment.gone()
