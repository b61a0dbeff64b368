"""
The log of requests: an event for each that was answered, refused or given up, and two for each
WebSocket.

Each says its route as the table has it, and its path, but never a query: that may have a ticket
in it.  What a client chose is cut, and has nothing in it that a terminal would obey.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from twisted.logger import Logger

from smartmob.web.answered import NOWHERE
from smartmob.web.request_id import shown, shown_path

if TYPE_CHECKING:
    from smartmob.web.site import Request

_log = Logger()

_ANSWERED = (
    "{method} {path} {status}, {bytes} bytes in {seconds:.3f} s{smartmob_end}, "
    "from {smartmob_who} ({request_id})"
)
_GIVEN_UP = (
    "{method} {path}: the client hung up after {seconds:.3f} s, "
    "from {smartmob_who} ({request_id})"
)
_OPENED = "{method} {path} opened, a WebSocket, from {smartmob_who} ({request_id})"
_CLOSED = (
    "{method} {path} closed with {code} after {seconds:.3f} s, "
    "from {smartmob_who} ({request_id})"
)
_MALFORMED = "what is no HTTP {status}, from {client} ({request_id})"


def answered(request: Request, end: str = "") -> None:
    """
    All of an answer is there, or all that there will be.

    @param end: Goes on with a sentence about it.
    """
    _say(
        _ANSWERED,
        request,
        status=request.code,
        bytes=request.sentLength,
        smartmob_end=end,
    )


def given_up(request: Request) -> None:
    """
    The client is gone before there was an answer.
    """
    _say(_GIVEN_UP, request, status=None)


def opened(request: Request) -> Callable[[int | None], None]:
    """
    A request has become a WebSocket.

    @return: To be called with the code it was closed with, once it is.
    """
    seconds = request.channel.site.reactor.seconds
    fields = _fields(request, seconds())
    _log.info(_OPENED, status=HTTPStatus.SWITCHING_PROTOCOLS.value, **fields)

    def closed(code: int | None) -> None:
        open_for = _since(request.started_at, seconds())
        _log.info(_CLOSED, **{**fields, "code": code, "seconds": open_for})

    return closed


def malformed(method: bytes, status: int, client: str, request_id: str) -> None:
    """
    What came is no HTTP.

    @param method: As far as there is one.
    """
    _log.info(
        _MALFORMED,
        method=shown(method),
        path=None,
        route=NOWHERE,
        status=status,
        client=client,
        request_id=request_id,
    )


def _say(text: str, request: Request, **fields: object) -> None:
    _log.info(text, **_fields(request, request.channel.site.reactor.seconds()), **fields)


def _fields(request: Request, now: float) -> dict[str, object]:
    client, token = request.way.client, request.caller.permit.name or None
    return {
        "method": shown(request.method),
        "path": shown_path(request),
        "route": request.route,
        "seconds": _since(request.started_at, now),
        "client": client,
        "token": token,
        "request_id": request.request_id,
        "smartmob_who": client if token is None else f"{client} as {token}",
    }


def _since(begin: float, now: float) -> float:
    return round(now - begin, 6)
