"""
An event on its way to a URL, as a request.
"""

from __future__ import annotations

import hmac

from attrs import field, frozen
from twisted.web.http_headers import Headers

from smartmob import __version__
from smartmob.events import Event
from smartmob.lines.encodings import compact
from smartmob.target import Target

_AGENT = f"smartmob/{__version__}".encode("ascii")


@frozen
class Encoded:
    """
    An event as it is posted, shared by all URLs that get it.

    @ivar id: The number of the event.
    """

    id: int
    topic: str
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, event: Event) -> Encoded:
        """
        Encode an event.
        """
        return cls(event.id, event.topic.value, compact(event.document()))


@frozen(kw_only=True)
class Delivery:
    """
    One try to deliver an event.

    @ivar id: The same in all tries of this event at this URL, and in no others.
    @ivar missed: How many events the URL was not sent, as far as it has not been told.
    """

    event: Encoded
    id: str
    missed: int = 0

    def headers(self, target: Target, secret: bytes | None, now: float) -> Headers:
        """
        What goes before the body.

        @param secret: To sign it with.
        @param now: Seconds since the epoch.
        """
        headers = Headers()
        headers.addRawHeader(b"Content-Type", b"application/json")
        headers.addRawHeader(b"User-Agent", _AGENT)
        headers.addRawHeader(b"X-Smartmob-Event", self.event.topic.encode("ascii"))
        headers.addRawHeader(b"X-Smartmob-Delivery", self.id.encode("ascii"))
        if self.missed:
            headers.addRawHeader(b"X-Smartmob-Missed", b"%d" % self.missed)
        if secret is not None:
            signed = signature(secret, int(now), self.event.body)
            headers.addRawHeader(b"X-Smartmob-Signature", signed)
        if target.authorization is not None:
            headers.addRawHeader(b"Authorization", target.authorization)
        return headers


def signature(secret: bytes, moment: int, body: bytes) -> bytes:
    """
    What shows a sink that a body comes from somebody who knows the secret, and when it was
    sent: the time is part of what is signed, so that what was overheard can't be sent again
    later.

    @param moment: Seconds since the epoch.
    """
    code = hmac.digest(secret, b"%d." % moment + body, "sha256").hex()
    return b"t=%d,sha256=%s" % (moment, code.encode("ascii"))
