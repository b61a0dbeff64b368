"""
Who is let in: by a token (RFC 6750), by the cookie of a browser that signed in with one,
by a ticket, or as a user of this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http import parse_qs

from smartmob.permit import Permit, Scope
from smartmob.tokens import Tokens
from smartmob.web.caller import ANYBODY, NOBODY, Caller
from smartmob.web.head import Head
from smartmob.web.problems import Problem, Stranger
from smartmob.web.sessions import Sessions
from smartmob.web.tickets import Tickets
from smartmob.web.trust import Way
from smartmob.web.visits import Visits

_log = Logger()

_BEARER = b"bearer"

_CHALLENGE = b'Bearer realm="smartmob"'

_IN_URLS = (b"token", b"access_token")
"""Where RFC 6750, 2.3, would have tokens too, and says why not."""


@define(eq=False, repr=False)
class Access:
    """
    Asks requests who they are from.

    @ivar tokens: C{None}: nobody is asked.
    @ivar users: Clients on unix sockets that are one of these need no token.
    @ivar visits: Who is there.
    """

    clock: IReactorTime
    tokens: Tokens | None = None
    users: frozenset[int] = frozenset()
    sessions: Sessions = field(init=False)
    tickets: Tickets = field(init=False)
    visits: Visits = field(factory=Visits, init=False)

    def __attrs_post_init__(self) -> None:
        self.sessions = Sessions(self.clock)
        self.tickets = Tickets(self.clock)

    def settle(self, tokens: Tokens | None, users: frozenset[int]) -> None:
        """
        From now on these are let in.  Whoever is there and would not be let in any more
        has to go.
        """
        self.tokens, self.users = tokens, users
        ended = self.forget(lambda caller: not self._stands(caller))
        if ended:
            _log.info("{ended} clients had to go: their tokens count no more", ended=ended)

    def forget(self, which: Callable[[Caller], bool]) -> int:
        """
        Sign callers out, and show them out.

        @return: How many requests and WebSockets that ended.
        """
        self.sessions.forget(which)
        self.tickets.forget(which)
        return self.visits.end(which)

    def caller(self, head: Head) -> Caller:
        """
        Who a request is from.

        @raise Problem: C{unauthorized}: it does not say, or it is not true;
            C{forbidden-origin}: what may be another page's WebSocket.
        """
        if self.tokens is None:
            return ANYBODY
        # As routes read it, so that nothing is a token to one of them and none to the other.
        asked = parse_qs(head.query, True) if head.query else {}
        if asked and any(any(asked.get(name, ())) for name in _IN_URLS):
            raise _unauthorized(
                "a token does not belong in a URL, which logs and histories keep: send "
                "Authorization: Bearer TOKEN, or have POST /tickets give a ticket for it"
            )
        shown = _bearer(head)
        if shown is not None:
            return Caller(self._permit(shown, self.tokens))
        tickets = asked.get(b"ticket")
        return self._with_ticket(head, tickets) if tickets else self._without_token(head)

    def sign_in(self, token: bytes) -> tuple[Caller, str | None]:
        """
        Who has a token, and what their browser shows from now on instead of it.

        @return: The latter is C{None} where nobody is asked.
        @raise Problem: C{unauthorized}: it is no token of this agent.
        """
        if self.tokens is None:
            return ANYBODY, None
        permit = self._permit(token, self.tokens)
        return Caller(permit), self.sessions.begin(permit)

    def _with_ticket(self, head: Head, tickets: list[bytes]) -> Caller:
        # Each is worth nothing from now on, whatever it was shown for.
        callers = [self.tickets.redeem(ticket, head.path) for ticket in tickets]
        caller = callers[0]
        if caller is None or len(callers) > 1 or head.method != b"GET":
            raise _unauthorized(
                "the ticket was used, is older than 30 seconds, or is for another path; "
                "one is for one GET"
            )
        return caller

    def _without_token(self, head: Head) -> Caller:
        found = None
        # A page of another origin that may use the agent has to show who it is by itself:
        # where it is of the same site, its browser would send the cookie for it.
        if all(origin == head.way.origin for origin in head.all(b"origin")):
            for shown in _cookies(head):
                found = found or self.sessions.find(shown)
        if found is not None:
            # A browser says which page opens a WebSocket; what does not say has the cookie
            # from somewhere else.
            if head.wants_upgrade and not head.all(b"origin"):
                raise Problem(
                    "forbidden-origin",
                    "a WebSocket that is opened with a cookie needs an Origin",
                )
            return found
        if head.uid is not None and head.uid in self.users:
            name = f"uid {head.uid}"
            return Caller(Permit(scope=Scope.ADMIN, name=name), uid=head.uid)
        raise Stranger(
            "unauthorized",
            "the agent asks for a token: send Authorization: Bearer TOKEN",
            headers={b"WWW-Authenticate": _CHALLENGE},
        )

    def _permit(self, token: bytes, tokens: Tokens) -> Permit:
        permit = tokens.permit(token)
        if permit is None:
            raise _unauthorized("that is no token of this agent", b', error="invalid_token"')
        return permit

    def _stands(self, caller: Caller) -> bool:
        if self.tokens is None or caller is NOBODY:
            return True
        if caller.uid is not None:
            return caller.uid in self.users
        return self.tokens.has(caller.permit)


def cookie_name(way: Way) -> bytes:
    """
    The name of the cookie of those who came that way.

    Browsers send cookies to whatever port of a host, so each has one of its own, or to sign
    in to one agent would be to sign out of another.  Over TLS its prefix (RFC 6265bis,
    4.1.3.2) keeps what is served there without from setting it.
    """
    prefix = b"__Host-" if way.secure else b""
    port = way.host.rpartition(b":")[2]
    return prefix + (b"smartmob-" + port if port.isdigit() else b"smartmob")


def _bearer(head: Head) -> bytes | None:
    """
    The token of a request; other ways to authenticate are left to whoever is in between.
    """
    said = head.all(b"authorization")
    if len(said) > 1:
        raise _unauthorized(f"the request has {len(said)} Authorization headers")
    for value in said:
        scheme, _, token = value.partition(b" ")
        if scheme.lower() == _BEARER:
            return token.strip(b" ")
    return None


def _cookies(head: Head) -> Iterator[bytes]:
    """
    The values of our cookie (RFC 6265, 4.2.1); whoever has set others of that name, ours
    is among them.
    """
    wanted = cookie_name(head.way)
    for header in head.all(b"cookie"):
        for pair in header.split(b";"):
            name, _, value = pair.strip().partition(b"=")
            if name == wanted:
                yield value


def _unauthorized(why: str, more: bytes = b"") -> Problem:
    return Problem("unauthorized", why, headers={b"WWW-Authenticate": _CHALLENGE + more})
