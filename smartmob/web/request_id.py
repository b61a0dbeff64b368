"""
What a request is called, in the log and in its answer.
"""

from __future__ import annotations

import re
from secrets import token_hex

from twisted.web import http

_LONGEST = 1000
"""Bytes of what a client sent that a line of the log has."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def request_id_of(request: http.Request) -> str:
    """
    The caller's own id of a request, where it may be repeated, else a new one.
    """
    given = request.requestHeaders.getRawHeaders(b"X-Request-Id", [])
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return token_hex(8)


def shown_path(request: http.Request) -> str:
    """
    A path as it can stand in a log; never the query, which may have a secret.
    """
    return shown(request.path or b"")


def shown(data: bytes) -> str:
    """
    What a client sent as it can stand in a log: of a length, and with nothing in it that is no
    letter.
    """
    text = data[:_LONGEST].decode("ascii", "backslashreplace")
    if len(data) > _LONGEST:
        text += "..."
    return text if text.isprintable() else repr(text)[1:-1]
