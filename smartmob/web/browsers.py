"""
What answers tell browsers, and which of them a person looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING

from smartmob.web.trust import Way

if TYPE_CHECKING:
    from smartmob.web.site import Request

AS_IT_SAYS = b"X-Content-Type-Options: nosniff\r\n"
"""A line of every head: nothing is taken for what its type does not say."""

NOT_KEPT = b"Cache-Control: no-store\r\n"
"""
A line of the head of every answer that says nothing else of it.  What is asked of an agent
is new each time, and not for the next one at the same browser.
"""

OF_PAGES: Mapping[bytes, bytes] = {
    # A page that is opened by one of another origin is none that it can get hold of.
    b"Cross-Origin-Opener-Policy": b"same-origin-allow-popups",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"Referrer-Policy": b"same-origin",
}
"""Headers of pages, and of what they are made of."""

SECURE_SECONDS = 30 * 86_400
"""
How long a browser that spoke TLS with an agent speaks nothing else with whatever has the same
name.  That is longer than most stay away, and not as long as a mistake would have to be lived
with where it is a year.
"""

_LOCAL = "localhost"


def of_secure(way: Way) -> dict[bytes, bytes]:
    """
    What every answer to a request says that came by TLS, and no other may (U{RFC 6797
    <https://www.rfc-editor.org/rfc/rfc6797#section-7.2>}).

    Nothing to C{localhost}: this name has each machine, and all that is developed on it.
    Addresses need not be left out, since browsers do that (section 8.1.1).
    """
    if not way.secure:
        return {}
    name = _name(way)
    if name == _LOCAL or name.endswith(f".{_LOCAL}"):
        return {}
    return {b"Strict-Transport-Security": b"max-age=%d" % SECURE_SECONDS}


def navigates(request: Request) -> bool:
    """
    Whether the answer to a request is what a person gets to see, in a window of a browser.

    Browsers say so themselves (U{Fetch Metadata<https://www.w3.org/TR/fetch-metadata/>}), but
    only over TLS and to this machine.  Elsewhere the types have to tell that they accept:
    each of them begins with these two when it goes somewhere.  C{text/html} alone would not
    do: it comes first for programs, too, such as those that leave all of it to Java's
    C{HttpURLConnection}.
    """
    if request.method not in (b"GET", b"HEAD"):
        return False
    headers = request.requestHeaders
    fetch = [
        headers.getRawHeaders(b"Sec-Fetch-" + name, []) for name in (b"Mode", b"Dest", b"Site")
    ]
    if any(fetch):
        return fetch[:2] == [[b"navigate"], [b"document"]]
    if request.way.secure or _is_here(_name(request.way)):
        return False
    accepted = b",".join(headers.getRawHeaders(b"Accept", [])).lower().split(b",")
    return [kind.strip() for kind in accepted[:2]] == [b"text/html", b"application/xhtml+xml"]


def _name(way: Way) -> str:
    """
    What the client calls the agent, without a port.
    """
    name, colon, port = way.host.decode("latin-1").lower().rpartition(":")
    return name if colon and not port.endswith("]") else name + colon + port


def _is_here(name: str) -> bool:
    """
    Whether browsers take what has such a name for trustworthy without TLS (U{Secure
    Contexts<https://www.w3.org/TR/secure-contexts/#is-origin-trustworthy>}).
    """
    if name == _LOCAL or name.endswith(f".{_LOCAL}"):
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
