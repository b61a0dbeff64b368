"""
Lines over plain HTTP: those that are kept, and those to come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from attrs import evolve, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET

from smartmob.feed import EVENT_STREAM, Feed
from smartmob.lines.app import AppConsole
from smartmob.lines.app_encodings import APP_EVENTS, APP_TEXTS, AppEncoding
from smartmob.lines.console import Console, Wanted
from smartmob.lines.encodings import NDJSON, SSE, SSE_JSON, TEXT, Encoding
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.web.keepalive import Keepalive
from smartmob.web.query import ALL, AppQuery, ConsoleQuery, EventQuery, last_event_id
from smartmob.web.recipient import Recipient
from smartmob.web.socket_writer import SocketWriter


@frozen
class Beat:
    """
    What a follower is sent when nothing else is, so that it knows that there is still
    somebody.

    @ivar seconds: Between two of them.
    """

    seconds: float
    data: bytes


COMMENT = Beat(15.0, b":\n\n")
"""That of server-sent events."""


class HasConsole(Protocol):
    """
    A process, as it is needed here.
    """

    @property
    def console(self) -> Console:
        """Where its lines are."""


def logs_response(
    process: HasConsole, request: Request, query: ConsoleQuery, reactor: IReactorTime
) -> bytes | int:
    """
    Answer with lines: C{text/plain}, one JSON document a line, or server-sent
    events where the client accepts them, which then go on by themselves.

    @return: The body, or C{NOT_DONE_YET} where it has begun and later lines follow.
    @raise TooManyReaders: There are as many followers as there may be.
    """
    console = process.console
    json = query.format == "json"
    events = accepts_events(request)
    encoding: Encoding = TEXT
    if events:
        encoding = SSE_JSON if json else SSE
    elif json:
        encoding = NDJSON
    wanted = _from_the_last(request, console, query.wanted) if events else query.wanted
    if wanted.tail is None and wanted.after is None:
        wanted = evolve(wanted, tail=ALL)
    source = _Source(
        attach=lambda reader: console.attach(reader, wanted, encoding),
        kept=lambda: console.kept(wanted, encoding),
        events=events,
        json=json,
    )
    return source.answer(request, query.follow, reactor)


def app_logs_response(
    app: AppConsole, request: Request, query: AppQuery, reactor: IReactorTime
) -> bytes | int:
    """
    The same with the lines of all processes of an app.
    """
    events = accepts_events(request)
    encoding: AppEncoding = (APP_EVENTS if events else APP_TEXTS)[query.format]
    source = _Source(
        attach=lambda reader: app.attach(reader, query.wanted, encoding),
        kept=lambda: app.kept(query.wanted, encoding),
        events=events,
        json=query.format == "json",
    )
    return source.answer(request, query.follow, reactor)


def event_response(
    feed: Feed, request: Request, query: EventQuery, reactor: IReactorTime
) -> bytes | int:
    """
    The same with events: no end, and nothing that could be told without following.
    """
    source = _Source(
        attach=lambda reader: feed.attach(
            reader, query.topics, query.after, EVENT_STREAM, query.apps
        ),
        kept=bytes,
        events=True,
        json=True,
    )
    return source.answer(request, True, reactor)


@frozen(kw_only=True)
class _Source:
    """
    Where lines are from, and what an answer makes of them.

    @ivar attach: Gives them to a reader, those to come, too.
    @ivar kept: Gives the kept ones.
    @ivar events: They are server-sent events.
    @ivar json: They are JSON documents.
    """

    attach: Callable[[IReader], Subscription]
    kept: Callable[[], bytes]
    events: bool
    json: bool

    def answer(
        self, request: Request, follow: bool | None, reactor: IReactorTime
    ) -> bytes | int:
        """
        See L{logs_response}.
        """
        if follow is None:
            follow = self.events
        follower = None
        if follow and request.method != b"HEAD":
            beat = COMMENT if self.events else None
            follower = Follower(reactor, request, self.attach, beat)
        request.setHeader(b"Content-Type", self._content_type())
        if follower is not None:
            follower.begin()
            return NOT_DONE_YET
        if follow:
            return b""
        body = self.kept()
        request.setHeader(b"Content-Length", b"%d" % len(body))
        return body

    def _content_type(self) -> bytes:
        if self.events:
            return b"text/event-stream"
        return b"application/x-ndjson" if self.json else b"text/plain; charset=utf-8"


def accepts_events(request: Request) -> bool:
    """
    Whether the client asks for server-sent events by name.
    """
    accepted = b",".join(request.requestHeaders.getRawHeaders(b"Accept") or [])
    kinds = [kind.partition(b";")[0].strip().lower() for kind in accepted.split(b",")]
    return b"text/event-stream" in kinds


def _from_the_last(request: Request, console: Console, wanted: Wanted) -> Wanted:
    """
    A browser that lost its connection says which event it saw last.  A number that
    was not given out yet comes from another run of the agent.
    """
    seen = last_event_id(request.requestHeaders)
    if wanted.after is not None or seen is None:
        return wanted
    return evolve(wanted, tail=None, after=seen if seen < console.next else 0, epoch=None)


class Follower(Recipient):
    """
    A client that gets lines as they come, in the body of one answer.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        request: Request,
        attach: Callable[[IReader], Subscription],
        beat: Beat | None = None,
    ) -> None:
        """
        Take a place among the readers.

        @param attach: Gives a reader the lines that are wanted.
        @param beat: What is sent now and then.
        @raise TooManyReaders: There is none.
        """
        self._reactor = reactor
        self._request = request
        self._beat = beat
        self._next_beat: IDelayedCall | None = None
        self._over = False
        super().__init__(attach)

    def begin(self) -> None:
        """
        Send the head of the answer, and what is kept.
        """
        request = self._request
        channel: Any = request.channel
        if channel is None:
            self.gone()
            return
        request.notifyFinish().addErrback(lambda _: self.gone())
        request.write(b"")
        transport = channel.transport
        self._writer = SocketWriter(transport)
        self._keepalive = Keepalive(
            self._reactor, self._writer, ask=None, cut=transport.abortConnection
        )
        self._beat_later()
        request.registerProducer(self, True)
        self._subscription.resume()

    def gone(self) -> None:
        """
        See L{Recipient.gone}.
        """
        self._over = True
        self._stop_beats()
        super().gone()

    # What the console says.

    def write(self, data: bytes) -> None:
        """
        See L{IReader.write}.
        """
        if self._writer is not None and not self._over:
            self._writer.hand(len(data))
            self._send(data)

    def ended(self) -> None:
        """
        See L{IReader.ended}.  An answer that lacks lines is not finished, so that its
        client can see that it was cut.
        """
        self._over = True
        self._stop_beats()
        self._request.unregisterProducer()
        if self._why is Ending.TOO_SLOW:
            self._request.loseConnection()
        else:
            self._request.finish()
            if self._keepalive is not None:
                self._keepalive.stop()

    # Inside.

    def _send(self, data: bytes) -> None:
        self._request.write(data)

    def _beat_later(self) -> None:
        if self._beat is not None:
            later = self._reactor.callLater(self._beat.seconds, self._give_beat, self._beat)
            self._next_beat = later

    def _give_beat(self, beat: Beat) -> None:
        """
        Where something waits, that is sign enough.
        """
        self._beat_later()
        if not self._subscription.queued:
            self._request.write(beat.data)

    def _stop_beats(self) -> None:
        if self._next_beat is not None:
            self._next_beat.cancel()
            self._next_beat = None
