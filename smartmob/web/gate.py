"""
Who and what may come in: decided at the end of a request's head, before a byte
of its body is kept, for every path and method.

The order of refusals is part of the contract: Host and Origin, then the path
and the method, then the type of the body, then its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_address

from attrs import field, frozen
from twisted.web.http_headers import Headers

from smartmob.web.bodies import ARCHIVE_BYTES, BODY_BYTES, Body
from smartmob.web.problems import FieldError, Problem
from smartmob.web.routing import Match, Routes

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
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?]*)(.*)")


@frozen(kw_only=True)
class Head:
    """
    What is known of a request before its body.

    @ivar path: As it was sent, without the query.
    @ivar length: Announced bytes of the body; C{None}: chunked.
    @ivar local: It came over a unix socket.
    """

    method: bytes
    path: bytes
    headers: Headers
    length: int | None
    secure: bool
    local: bool

    def all(self, name: bytes) -> list[bytes]:
        """
        Every value of a header.
        """
        return list(self.headers.getRawHeaders(name, []))

    @property
    def from_browser(self) -> bool:
        """
        Whether a browser says that it sent this.
        """
        return any(
            name.lower() == b"origin" or name.lower().startswith(b"sec-fetch-")
            for name, _ in self.headers.getAllRawHeaders()
        )


@frozen
class Gate:
    """
    The checks that every request has to pass.

    @ivar hosts: Names that a Host may have besides C{localhost} and IP addresses,
        in lower case.
    @ivar find: Takes what the path names (C{slug}, C{app}), and raises a
        L{Refusal<smartmob.refusals.Refusal>} where there is no such thing.
    @ivar archive_bytes: The size that an archive may have.
    """

    routes: Routes
    hosts: Collection[str] = field(factory=frozenset)
    find: Callable[[Mapping[str, str]], None] = lambda arguments: None
    archive_bytes: int = ARCHIVE_BYTES

    def admit(self, head: Head) -> Match:
        """
        Where an admitted request leads.

        @raise Problem: It is not admitted.
        @raise Refusal: Its path names what does not exist.
        """
        self._check_host(head)
        self._check_origin(head)
        match = self.routes.match(head.method, head.path)
        if head.length != 0:  # without a body to refuse, the route will say it as well
            self.find(match.arguments)
        if match.body is Body.DOCUMENT:
            check_type(head)
        elif match.body is Body.ARCHIVE:
            check_archive_type(head)
            check_whole(head)
        if head.length is not None and head.length > self.most_bytes(match.body):
            raise too_large(self.most_bytes(match.body))
        if match.body is Body.ARCHIVE and head.length == 0:
            raise no_archive()
        return match

    def most_bytes(self, body: Body) -> int:
        """
        How large a body of a kind may be.
        """
        return self.archive_bytes if body is Body.ARCHIVE else BODY_BYTES

    def _check_host(self, head: Head) -> None:
        hosts = head.all(b"host")
        if len(hosts) != 1:
            said = "no Host" if not hosts else f"{len(hosts)} Host headers"
            raise Problem("bad-request", f"the request has {said}; it needs exactly one")
        parsed = _HOST.fullmatch(hosts[0])
        if parsed is None:
            raise Problem("bad-request", "the Host is not of the form NAME or NAME:PORT")
        name = parsed["name"].decode("ascii").lower()
        if not (head.local or name == "localhost" or name in self.hosts or _is_address(name)):
            raise Problem(
                "forbidden-host",
                f"the agent does not answer to the name {name!r}; use its IP address or a "
                "name it is bound to",
            )

    def _check_origin(self, head: Head) -> None:
        scheme = b"https" if head.secure else b"http"
        own = scheme + b"://" + head.all(b"host")[0]
        if any(origin != own for origin in head.all(b"origin")):
            raise Problem("forbidden-origin", "pages of other origins may not use this agent")
        if any(site not in (b"same-origin", b"none") for site in head.all(b"sec-fetch-site")):
            raise Problem("forbidden-origin", "pages of other sites may not use this agent")


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


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
