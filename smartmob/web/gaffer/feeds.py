"""
Answers that go on: what a client has asked to be told as it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from smartmob.lines.encodings import compact
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.web.gaffer.errors import bad_value
from smartmob.web.gaffer.registry import is_number
from smartmob.web.logs import Beat, Follower
from smartmob.web.site import Request
from smartmob.web.under_way import UnderWay

HEARTBEAT_SECONDS = 60.0
"""What C{heartbeat=true} means."""

LONGEST_HEARTBEAT = 86_400
"""More seconds can't be asked for."""

BLOCK_END = b"\r\n\r\n"
"""
The end of a server-sent event.  gafferd's own client knows no other end of a line, and
takes each chunk of an answer for one whole event.
"""


class Form(StrEnum):
    """
    How a feed is answered.
    """

    LONGPOLL = "longpoll"
    """Ends after the first."""
    CONTINUOUS = "continuous"
    """One after the other, as they are."""
    EVENTSOURCE = "eventsource"
    """Server-sent events."""


@frozen
class FeedQuery:
    """
    How a client wants to be told.

    @ivar heartbeat: Seconds between two signs of life; C{None}: there are none.
    """

    form: Form
    heartbeat: float | None


def parse_feed(args: Mapping[bytes, list[bytes]]) -> FeedQuery:
    """
    Read a query.

    @raise Problem: A value makes no sense.
    """
    said = _last(args, b"feed") or Form.LONGPOLL
    heartbeat = _last(args, b"heartbeat")
    beat = None if heartbeat is None else _heartbeat(heartbeat)
    try:
        form = Form(said)
    except ValueError:
        raise bad_value(f"feed must be one of {', '.join(Form)}") from None
    if heartbeat is None and form is Form.EVENTSOURCE:
        beat = HEARTBEAT_SECONDS  # there it can't be taken for data
    return FeedQuery(form, beat)


def parse_optional_feed(args: Mapping[bytes, list[bytes]]) -> FeedQuery | None:
    """
    The same where an answer can be had without a feed.

    @return: C{None}: no feed is asked for.
    """
    return None if _last(args, b"feed") in (None, "", "normal") else parse_feed(args)


def _heartbeat(text: str) -> float | None:
    match text.lower():
        case "true":
            return HEARTBEAT_SECONDS
        case "false":
            return None
    if is_number(text) and int(text) <= LONGEST_HEARTBEAT:
        return float(text) or None
    raise bad_value(f"heartbeat must be true, false, or seconds up to {LONGEST_HEARTBEAT}")


def _last(args: Mapping[bytes, list[bytes]], name: bytes) -> str | None:
    values = args.get(name)
    return values[-1].decode(errors="replace") if values else None


def server_sent(event: str, lines: list[str]) -> bytes:
    """
    A server-sent event (HTML Living Standard, 9.2).  A C{\\r} would end a line of it, so
    what has one goes on in another.
    """
    parts = [part for line in lines for part in line.split("\r")]
    data = "".join([f"data: {part}\r\n" for part in parts])
    return f"event: {event}\r\n{data}\r\n".encode()


def document_event(event: str, document: Mapping[str, object]) -> bytes:
    """
    A server-sent event with a JSON document.
    """
    return server_sent(event, [compact(document).decode()])


def answer(
    request: Request,
    reactor: IReactorTime,
    query: FeedQuery,
    content_type: bytes,
    attach: Callable[[IReader], Subscription],
) -> IResource | bytes:
    """
    Answer with a feed.

    @param content_type: Unless they are server-sent events.
    @param attach: Gives a reader what is wanted.
    @raise TooManyReaders: There are as many as there may be.
    """
    feeder = None
    if request.method != b"HEAD":
        feeder = Feeder(reactor, request, attach, query)
    events = query.form is Form.EVENTSOURCE
    request.setHeader(b"Content-Type", b"text/event-stream" if events else content_type)
    request.setHeader(b"Cache-Control", b"no-cache")
    if feeder is None:
        return b""
    feeder.begin()
    return UnderWay()


class Feeder(Follower):
    """
    A client of a feed.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        request: Request,
        attach: Callable[[IReader], Subscription],
        query: FeedQuery,
    ) -> None:
        """
        Take a place among the readers.

        @raise TooManyReaders: There is none.
        """
        self._form = query.form
        self._answer = request
        self._answered = False
        beat = None
        if query.heartbeat is not None:
            # An empty line; its comment is for gafferd's own client, which can't read an
            # event without a colon.
            events = query.form is Form.EVENTSOURCE
            beat = Beat(query.heartbeat, b":\r\n\r\n" if events else b"\n")
        super().__init__(reactor, request, attach, beat)

    def write(self, data: bytes) -> None:
        """
        See L{IReader.write}.
        """
        if not data:
            return
        if self._form is not Form.LONGPOLL:
            super().write(data)
        elif not self._answered:
            self._answered = True
            super().write(data)
            self._reactor.callLater(0, self._subscription.end, Ending.OVER)

    def _send(self, data: bytes) -> None:
        if self._form is Form.EVENTSOURCE:
            events = [event + BLOCK_END for event in data.split(BLOCK_END)[:-1]]
            self._answer.write_chunks(events)
        else:
            super()._send(data)
