"""
Browsers that signed in.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from secrets import token_urlsafe

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from smartmob.permit import Permit
from smartmob.web.caller import Caller
from smartmob.web.room import make_room

SECONDS = 12 * 3600.0
"""A session that nobody uses for so long is over."""

MOST = 100
"""There are so many of one token; then the one that was used longest ago gives way."""

IN_ALL = 1_000
"""... and of all."""


@define(eq=False)
class _Session:
    caller: Caller
    until: float = 0.0


@define(eq=False, repr=False)
class Sessions:
    """
    They live as long as the agent does, at most: only digests of what their cookies say
    are known here, and nothing is written.
    """

    _clock: IReactorTime
    _known: dict[bytes, _Session] = field(factory=dict, init=False)

    def __len__(self) -> int:
        """
        How many there are, those that are over perhaps among them.
        """
        return len(self._known)

    def begin(self, permit: Permit) -> str:
        """
        Somebody signs in.

        @return: What shows from then on that it is the same one.
        """
        shown = token_urlsafe(32)
        key = _key(shown.encode())
        make_room(self._known, permit, MOST, IN_ALL)
        self._use(key, _Session(Caller(permit, session=key)))
        return shown

    def find(self, shown: bytes) -> Caller | None:
        """
        Who shows that; C{None}: nobody who is signed in.  They stay so for longer.
        """
        key = _key(shown)
        session = self._known.get(key)
        if session is None:
            return None
        if session.until <= self._clock.seconds():
            del self._known[key]
            return None
        self._use(key, session)
        return session.caller

    def forget(self, which: Callable[[Caller], bool]) -> None:
        """
        Sign callers out.
        """
        self._known = {
            key: session for key, session in self._known.items() if not which(session.caller)
        }

    def _use(self, key: bytes, session: _Session) -> None:
        session.until = self._clock.seconds() + SECONDS
        self._known.pop(key, None)  # to be the last again
        self._known[key] = session


def _key(shown: bytes) -> bytes:
    """
    Looking for a digest takes a time that says nothing of what it is the digest of.
    """
    return sha256(shown).digest()
