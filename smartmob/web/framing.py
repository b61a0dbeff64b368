"""
Where one request ends and the next begins: as strictly as U{RFC 9112
<https://www.rfc-editor.org/rfc/rfc9112>} would have it.

Twisted forgives what a proxy in front may read in another way.  What the two take for
different requests is how one client's request comes to be another's.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.web import http

_MOST_DIGITS = 1_000
"""Of a Content-Length: far beyond any bound, and less than Python converts."""

_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r\n]*")
_BLANK = re.compile(rb"[ \t,]+")


class FramedChannel(http.HTTPChannel):
    """
    An HTTP connection whose requests end where everybody sees them end.
    """

    _transferDecoder: Any

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """
        Whether another request may follow; Twisted looks at the first Connection header
        only, and for words with blanks between them (RFC 9110, 7.6.1).
        """
        if version != b"HTTP/1.1":
            return False
        said = request.requestHeaders.getRawHeaders(b"Connection")
        if said and b"close" in _BLANK.split(b",".join(said).lower()):
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return True

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        """
        A header, which may say how a body ends.  There is no coding but C{chunked} (RFC
        9112, 7): Twisted passes over C{identity}, as if it said nothing.
        """
        if header == b"Transfer-Encoding":
            wrong = data.lower() != b"chunked"
        elif header == b"Content-Length":
            wrong = len(data) > _MOST_DIGITS
        else:
            return True
        if wrong:
            return self._failChooseTransferDecoder()
        chosen: bool = super()._maybeChooseTransferDecoder(header, data)
        return chosen

    def _finishRequestBody(self, data: bytes) -> None:
        """
        The end of a body.  What stands behind its last chunk are header fields, of which
        none is of use here; but what has a line end of another kind in it, others may
        take for the end, and for the next request.

        @param data: What follows.
        """
        trailers = getattr(self._transferDecoder, "_trailerHeaders", ())
        if all(_TRAILER.fullmatch(trailer) for trailer in trailers):
            super()._finishRequestBody(data)
        else:
            self._respondToBadRequestAndDisconnect()
