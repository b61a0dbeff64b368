"""
Tickets: what lets a client in that can't send a header, such as the C{WebSocket} and
C{EventSource} of a page of another origin, once, for one path.

They stand in URLs, which others get to see, and so are no tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from secrets import token_urlsafe
from time import time
from urllib.parse import unquote_to_bytes

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

from smartmob.web.caller import Caller
from smartmob.web.room import make_room

SECONDS = 30.0
"""They can be used for so long."""

MOST = 1_000
"""There are so many of one token; then the oldest gives way."""

IN_ALL = 10_000
"""... and of all."""


@frozen
class _Ticket:
    caller: Caller
    path: bytes
    until: float


@define(eq=False, repr=False)
class Tickets:
    """
    Those that were not used yet, the oldest first.

    @ivar wall: Seconds since the epoch.
    """

    _clock: IReactorTime
    wall: Callable[[], float] = time
    _known: dict[bytes, _Ticket] = field(factory=dict, init=False)

    def __len__(self) -> int:
        """
        How many there are.
        """
        return len(self._known)

    def issue(self, caller: Caller, path: bytes) -> tuple[str, float]:
        """
        A ticket for a path, percent-encoded or not.

        @return: The ticket, and until when it can be used, in seconds since the epoch.
        """
        now = self._clock.seconds()
        self._forget_old(now)
        make_room(self._known, caller.permit, MOST, IN_ALL)
        ticket = token_urlsafe(32)
        self._known[_key(ticket.encode())] = _Ticket(
            caller, unquote_to_bytes(path), now + SECONDS
        )
        return ticket, self.wall() + SECONDS

    def redeem(self, ticket: bytes, path: bytes) -> Caller | None:
        """
        Who has come with a ticket, which is worth nothing afterwards; C{None}: it was not
        worth anything, or is for another path.
        """
        found = self._known.pop(_key(ticket), None)
        if found is None or found.until <= self._clock.seconds():
            return None
        return found.caller if found.path == unquote_to_bytes(path) else None

    def forget(self, which: Callable[[Caller], bool]) -> None:
        """
        Take back those of callers.
        """
        self._known = {
            key: ticket for key, ticket in self._known.items() if not which(ticket.caller)
        }

    def _forget_old(self, now: float) -> None:
        while self._known:
            first = next(iter(self._known))
            if self._known[first].until > now:
                break
            del self._known[first]


def _key(ticket: bytes) -> bytes:
    return sha256(ticket).digest()
