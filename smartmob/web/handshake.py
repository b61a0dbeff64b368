"""
The beginning of a WebSocket (U{RFC 6455<https://www.rfc-editor.org/rfc/rfc6455>}),
as a request.
"""

from __future__ import annotations

import re

from twisted.web.http import Request

from smartmob.web.head import words
from smartmob.web.problems import Problem

_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


def wants_upgrade(request: Request) -> bool:
    """
    Whether a client asks for a WebSocket at all.
    """
    return request.method == b"GET" and b"websocket" in _tokens(request, b"Upgrade")


def check_handshake(request: Request) -> bytes:
    """
    The key of a handshake (RFC 6455, section 4.2.1).

    @raise Problem: C{upgrade-required}: it is none, or not one of ours.
    """
    headers = request.requestHeaders
    keys = headers.getRawHeaders(b"Sec-WebSocket-Key") or []
    if not wants_upgrade(request):
        detail = "this path is a WebSocket: ask for an Upgrade"
    elif request.clientproto != b"HTTP/1.1":
        detail = "a WebSocket needs HTTP/1.1"
    elif b"upgrade" not in _tokens(request, b"Connection"):
        detail = "the Connection header has no Upgrade"
    elif headers.getRawHeaders(b"Sec-WebSocket-Version") != [b"13"]:
        detail = "Sec-WebSocket-Version must be 13"
    elif len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        detail = "Sec-WebSocket-Key must be 16 bytes in base64, once"
    else:
        return keys[0]
    raise Problem(
        "upgrade-required",
        detail,
        headers={
            b"Upgrade": b"websocket",
            b"Connection": b"Upgrade",
            b"Sec-WebSocket-Version": b"13",
        },
    )


def _tokens(request: Request, name: bytes) -> set[bytes]:
    return words(request.requestHeaders.getRawHeaders(name) or [])
