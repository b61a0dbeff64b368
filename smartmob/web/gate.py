"""
Who and what may come in: decided at the end of a request's head, before a byte
of its body is kept, for every path and method.

The order of refusals is part of the contract: Host and Origin, then who it is from, then
the path and the method, and what the path names, then what they may do, then the type of the
body, then its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address

from attrs import define, field
from twisted.web.http_headers import Headers

from smartmob.permit import Permit, Scope
from smartmob.web.access import Access
from smartmob.web.bodies import ARCHIVE_BYTES, BODY_BYTES, STRANGER_BYTES, Body
from smartmob.web.caller import NOBODY, Caller
from smartmob.web.head import Head
from smartmob.web.problems import FieldError, Problem
from smartmob.web.routing import Match, Routes
from smartmob.web.trust import Trust

_HOST = re.compile(
    rb"(?P<name>\[[0-9A-Fa-f:.%a-z]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::[0-9]{0,5})?"
)
_LENIENT_TYPES = (b"", b"text/plain", b"application/octet-stream")
_ARCHIVE_TYPES = (
    b"application/octet-stream",
    b"application/tar",
    b"application/x-tar",
    b"application/gzip",
    b"application/x-gzip",
    b"application/x-gtar",
    b"application/x-tgz",
    b"application/x-compressed-tar",
    b"application/x-bzip2",
    b"application/x-xz",
    b"application/zstd",
    b"application/zip",
    b"application/x-zip-compressed",
)
"""As browsers call the files that they send."""

_UTF8 = (b"utf-8", b"utf8")

PREFLIGHT_SECONDS = 600
"""How long a browser may remember what a foreign page may ask."""

_ASKABLE = (b"Authorization", b"Content-Type", b"Last-Event-ID", b"X-Request-Id")
"""Headers that a foreign page may send, besides those that every page may."""

_READABLE = (b"Location", b"Retry-After", b"X-Request-Id")
"""Headers of an answer that it may read, besides those that every page may."""

_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?]*)(.*)")


Find = Callable[[Mapping[str, str], Permit], None]
"""See L{Gate}."""


@define(eq=False, repr=False)
class Gate:
    """
    The checks that every request has to pass.

    @ivar trust: Whose word counts.  Another may take its place at any time: it is for
        requests that come from then on.
    @ivar access: Says who a request is from.
    @ivar find: Takes what the path names (C{slug}, C{app}), and what somebody may see of
        it, and raises a L{Refusal<smartmob.refusals.Refusal>} where there is no such thing.
    @ivar archive_bytes: The size that an archive may have.
    """

    routes: Routes
    access: Access
    trust: Trust = field(factory=Trust)
    find: Find = lambda arguments, permit: None
    archive_bytes: int = ARCHIVE_BYTES

    def admit(self, head: Head) -> tuple[Match, Caller]:
        """
        Where an admitted request leads, and who it is from.

        @raise Problem: It is not admitted.
        @raise Refusal: Its path names what does not exist, or what they may not see.
        """
        self._check_host(head)
        self._check_origin(head)
        match = self.routes.find(head.method, head.path)
        if isinstance(match, Match) and match.route is not None:
            head.route = match.route.path
        caller = self._caller(head, match)
        if isinstance(match, Problem):
            raise match
        if caller is not NOBODY:
            self._check_permit(head, match, caller)
        if match.body is Body.DOCUMENT or (match.body is Body.LOOSE and head.from_browser):
            check_type(head)
        elif match.body is Body.ARCHIVE:
            check_archive_type(head)
            check_whole(head)
        most = self.most_bytes(match.body, caller)
        if head.length is not None and head.length > most:
            raise too_large(most)
        if match.body is Body.ARCHIVE and head.length == 0:
            raise no_archive()
        return match, caller

    def _caller(self, head: Head, match: Match | Problem) -> Caller:
        """
        Who is asking.  What does not exist is nothing that strangers are told of.
        """
        if isinstance(match, Match) and match.scope is Scope.NONE:
            return NOBODY
        if is_preflight(head) and self._is_allowed(head.all(b"origin")):
            return NOBODY  # which browsers never say there, nor have their pages say
        return self.access.caller(head)

    def _check_permit(self, head: Head, match: Match, caller: Caller) -> None:
        """
        What somebody may do, and see.
        """
        permit = caller.permit
        enough = permit.may(match.scope)
        # Where nothing else is refused, the route will say it as well.
        if head.length != 0 or permit.limited or not enough:
            self.find(match.arguments, permit)
        if not enough:
            caller.check(match.scope, head.method.decode("ascii"))
        if match.scope is Scope.ADMIN:
            caller.check_every_app("what is about the agent itself")

    def most_bytes(self, body: Body, caller: Caller) -> int:
        """
        How large a body of a kind may be.
        """
        if caller is NOBODY:
            return STRANGER_BYTES
        return self.archive_bytes if body is Body.ARCHIVE else BODY_BYTES

    def cross_origin(self, head: Head) -> dict[bytes, bytes]:
        """
        What an answer says to browsers about foreign pages; nothing, unless there are
        some that may use the agent.
        """
        if not self.trust.origins:
            return {}
        headers = {b"Vary": b"Origin"}  # of every answer, for one that was kept serves others
        origins = head.all(b"origin")
        if len(origins) == 1 and origins[0] in self.trust.origins:
            headers[b"Access-Control-Allow-Origin"] = origins[0]
            headers[b"Access-Control-Expose-Headers"] = b", ".join(_READABLE)
        return headers

    def _check_host(self, head: Head) -> None:
        """
        The Host has to be right also where a proxy names another: for a page that was
        given the proxy's address by way of its own name can send all headers but that.
        """
        hosts = head.all(b"host")
        if len(hosts) != 1:
            said = "no Host" if not hosts else f"{len(hosts)} Host headers"
            raise Problem("bad-request", f"the request has {said}; it needs exactly one")
        self._check_name(hosts[0], "Host", head.local)
        if head.way.forwarded:
            self._check_name(head.way.host, "X-Forwarded-Host", head.local)

    def _check_name(self, host: bytes, header: str, any_name: bool) -> None:
        parsed = _HOST.fullmatch(host)
        if parsed is None:
            raise Problem("bad-request", f"the {header} is not of the form NAME or NAME:PORT")
        name = parsed["name"].decode("ascii").lower()
        known = name == "localhost" or name in self.trust.hosts or _is_address(name)
        if not (any_name or known):
            raise Problem(
                "forbidden-host",
                f"the agent does not answer to the name {name!r}; use its IP address, a "
                "name it is bound to, or have allowed_hosts name it",
            )

    def _check_origin(self, head: Head) -> None:
        origins, sites = head.all(b"origin"), head.all(b"sec-fetch-site")
        if not origins and not sites:
            return  # from what is no browser, or no page of one
        if any(
            origin != head.way.origin and origin not in self.trust.origins for origin in origins
        ):
            raise Problem("forbidden-origin", "pages of other origins may not use this agent")
        if self._is_allowed(origins):
            return  # from another site, as its page is
        if _visits_plugin(head):
            return
        if any(site not in (b"same-origin", b"none") for site in sites):
            raise Problem("forbidden-origin", "pages of other sites may not use this agent")

    def _is_allowed(self, origins: Sequence[bytes]) -> bool:
        """
        Whether they are foreign ones that may use the agent.
        """
        return bool(origins) and all(origin in self.trust.origins for origin in origins)


def _visits_plugin(head: Head) -> bool:
    """
    Whether a browser goes to a page of a plugin: a link to it may stand anywhere, and the
    page that it stands on sees nothing of what comes.
    """
    return (
        head.method in (b"GET", b"HEAD")
        and head.path.startswith(b"/_plugin/")
        and head.all(b"sec-fetch-mode") == [b"navigate"]
    )


def is_preflight(head: Head) -> bool:
    """
    Whether a browser asks first.
    """
    return head.method == b"OPTIONS" and bool(head.all(b"access-control-request-method"))


def preflight(head: Head, match: Match) -> dict[bytes, bytes]:
    """
    What a browser wants to know before it has a foreign page ask
    (U{Fetch<https://fetch.spec.whatwg.org/#cors-preflight-fetch>}).

    @return: Nothing, where it does not ask that.
    """
    if not is_preflight(head):
        return {}
    return {
        b"Access-Control-Allow-Methods": ", ".join(match.allow).encode(),
        b"Access-Control-Allow-Headers": b", ".join(_ASKABLE),
        b"Access-Control-Max-Age": b"%d" % PREFLIGHT_SECONDS,
    }


def check_type(head: Head) -> None:
    """
    Whether the type of a JSON body is one that can be taken.

    What is no browser may also leave it out, or say text or bytes: no page of a
    foreign site can make such a request look like it (it has an Origin, or
    Sec-Fetch headers).

    @raise Problem: It is another.
    """
    types = head.all(b"content-type")
    if not types and head.length == 0:
        return
    kind, *parameters = _type(head)
    charsets = [
        value.strip(b' "')
        for name, _, value in (parameter.strip().partition(b"=") for parameter in parameters)
        if name == b"charset"
    ]
    lenient = not head.from_browser and kind in _LENIENT_TYPES
    if kind != b"application/json" and not lenient:
        raise Problem(
            "unsupported-media-type",
            "the body must be JSON, with the header Content-Type: application/json",
            headers={b"Accept": b"application/json"},
        )
    if any(charset not in _UTF8 for charset in charsets if kind == b"application/json"):
        raise Problem("unsupported-media-type", "JSON is encoded in UTF-8, say so or nothing")


def check_archive_type(head: Head) -> None:
    """
    Whether the type of an archive is one that can be taken: from what is no browser
    any, since what it really is shows when it is unpacked.

    @raise Problem: It is another.
    """
    if head.from_browser and _type(head)[0] not in _ARCHIVE_TYPES:
        raise Problem(
            "unsupported-media-type",
            "the body must be an archive, with the header "
            "Content-Type: application/octet-stream",
            headers={b"Accept": b", ".join(_ARCHIVE_TYPES)},
        )


def check_whole(head: Head) -> None:
    """
    Whether an archive is sent whole: a part of one, kept as if it were all of it,
    would do harm (RFC 9110, 14.5).

    @raise Problem: It is not.
    """
    if head.all(b"content-range"):
        raise Problem("bad-request", "an archive is sent as a whole, without Content-Range")


def no_archive() -> Problem:
    """
    There is no body where an archive should be.
    """
    why = "is empty; it must be the bytes of an archive, as curl -T FILE sends them"
    return Problem("invalid-document", f"the body {why}", (FieldError("", why),))


def origin_form(target: bytes, headers: Headers) -> bytes:
    """
    The path and query of a request's target, which may be a whole URL (RFC 9112,
    section 3.2.2: a server has to accept that form).

    @raise Problem: The URL's host is not the Host; to prefer one of them, as the RFC
        would, is what smuggled requests count on.
    """
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return target
    authority, rest = absolute.groups()
    if any(host.lower() != authority.lower() for host in headers.getRawHeaders(b"host", [])):
        raise Problem("bad-request", "the host of the request's target is not the Host")
    return rest if rest.startswith(b"/") else b"/" + rest


def too_large(most: int) -> Problem:
    """
    A body beyond the bound.
    """
    return Problem("body-too-large", f"the body may have at most {most} bytes")


def _type(head: Head) -> list[bytes]:
    """
    The type of a body, in lower case, and its parameters.
    """
    kind, *parameters = b",".join(head.all(b"content-type")).lower().split(b";")
    return [kind.strip(), *parameters]


@lru_cache(maxsize=64)
def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
