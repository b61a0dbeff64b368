"""
The page that a person sees instead of an error, where all that is missing is a token.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from smartmob.web.browsers import OF_PAGES, navigates
from smartmob.web.problems import Problem, Rendered, Stranger
from smartmob.web.routing import Match

if TYPE_CHECKING:
    from smartmob.web.site import Request

PAGE = Path(__file__).with_name("sign_in_page.html").read_bytes()
"""It needs nothing from elsewhere: there is nothing that it could be given."""


def _hashed(element: bytes) -> bytes:
    """
    The source that allows an element of the page (U{CSP 3
    <https://www.w3.org/TR/CSP3/#grammardef-hash-source>}).
    """
    content = re.findall(b"<%b>(.*?)</%b>" % (element, element), PAGE, re.DOTALL)
    return b" ".join(b"'sha256-%b'" % b64encode(sha256(each).digest()) for each in content)


_HEADERS = {
    **OF_PAGES,
    b"Content-Security-Policy": b"; ".join(
        [
            b"default-src 'none'",
            b"script-src " + _hashed(b"script"),
            b"style-src " + _hashed(b"style"),
            b"connect-src 'self'",  # where the token goes
            b"form-action 'none'",  # the script sends it, or nobody
            b"base-uri 'none'",
            b"frame-ancestors 'none'",
        ]
    ),
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"X-Frame-Options": b"DENY",  # frame-ancestors, for browsers that don't know it
}


def sign_in_page(request: Request, problem: Problem) -> Rendered | None:
    """
    How a refusal looks to a person who is not signed in.

    Errors are documents, and a program is who reads them, unless there is no doubt that it is
    a person (L{navigates}).  Nor is the page for those who showed something that is not
    believed: it would hide from them why.

    @return: C{None}: it is to be a document, as ever.
    """
    if not (isinstance(problem, Stranger) and navigates(request)):
        return None
    routes = request.channel.site.gate.routes
    if not isinstance(routes.find(b"POST", b"/sign-in"), Match):
        return None
    return Rendered(problem.status, b"text/html; charset=utf-8", PAGE, _HEADERS)
