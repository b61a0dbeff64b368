"""
What is known of a request before its body.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import define
from twisted.web.http_headers import Headers

from smartmob.web.answered import NOWHERE
from smartmob.web.trust import Way


@define(kw_only=True, eq=False)
class Head:
    """
    What is known of a request before its body.  Nobody changes it but the gate; a frozen one,
    and there is one for each request, would take twice as long to make.

    @ivar path: As it was sent, without the query.
    @ivar query: As it was sent, without the question mark.
    @ivar length: Announced bytes of the body; C{None}: chunked.
    @ivar way: How it came, as far as that can be believed.
    @ivar local: It came over a unix socket.
    @ivar uid: The user who is at its other end; C{None}: that is not known.
    @ivar route: The path as the table of routes has it, once the gate has looked there.
    """

    method: bytes
    path: bytes
    query: bytes = b""
    headers: Headers
    length: int | None
    way: Way
    local: bool
    uid: int | None = None
    route: str = NOWHERE

    def all(self, name: bytes) -> Sequence[bytes]:
        """
        Every value of a header.
        """
        return self.headers.getRawHeaders(name, ())

    @property
    def from_browser(self) -> bool:
        """
        Whether a browser says that it sent this.
        """
        return any(
            name.lower() == b"origin" or name.lower().startswith(b"sec-fetch-")
            for name, _ in self.headers.getAllRawHeaders()
        )

    @property
    def wants_upgrade(self) -> bool:
        """
        Whether it asks for a WebSocket.
        """
        return b"websocket" in words(self.all(b"upgrade"))


def words(values: Iterable[bytes]) -> set[bytes]:
    """
    The words of a header that is a list of such, in lower case.
    """
    return {word.strip().lower() for word in b",".join(values).split(b",")}
