"""
The sites of plugins: files, as they lie.
"""

from __future__ import annotations

import os
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import unquote_to_bytes

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web import http
from twisted.web.resource import IResource

from smartmob.plugins.folders import INDEX
from smartmob.plugins.site import PluginSite, SiteFile
from smartmob.web.browsers import OF_PAGES
from smartmob.web.content_types import content_type
from smartmob.web.file_sender import FileSender
from smartmob.web.problems import Problem
from smartmob.web.routing import new_app
from smartmob.web.site import Request
from smartmob.web.under_way import UnderWay

HEADERS = {
    **OF_PAGES,
    b"X-Frame-Options": b"SAMEORIGIN",  # frame-ancestors, for browsers that don't know it
    # Ask each time: a site is worked on, and a 304 costs little.
    b"Cache-Control": b"no-cache",
}
"""Of every file."""

POLICY = b"frame-ancestors 'self'"
"""
What a page may do: all that it could on a site of its own, since sites were written with
scripts in their pages, and with libraries from elsewhere.  But a page of another site may
not show it in a frame, where people would click what they don't see.
"""

POLICY_OF_STRANGERS = (
    b"default-src 'none'; img-src 'self' data:; media-src 'self'; font-src 'self'; "
    b"style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; "
    b"form-action 'none'; base-uri 'none'"
)
"""
The same where others may write to the site: it has no scripts.  They would have the
rights of whoever looks at it, which is to run programs as the agent's user.  Nor has it
forms: one that looks as if somebody should sign in would get the token, which browsers
fill in by themselves wherever the address is right.
"""

THE_YEAR_10000 = 253_402_300_800
"""In seconds since the epoch: the dates of HTTP end there."""


class HasSites(Protocol):
    """
    The plugins, as they are needed here.
    """

    def site(self, name: str) -> PluginSite | None:
        """The site of that name, if there is one now."""


@frozen(eq=False, repr=False)
class Sites:
    """
    What is below C{/_plugin/}.
    """

    app = new_app()
    plugins: HasSites
    reactor: IReactorTime

    @app.route("/_plugin/<name>", methods=["GET"])
    def visit_site(self, request: Request, name: str) -> bytes:
        """The site of a plugin lies behind the slash."""
        [name] = self._names(request, 1)
        if self.plugins.site(name) is None:
            raise _not_found()
        request.setResponseCode(http.MOVED_PERMANENTLY)
        request.setHeader(b"Location", request.base_url + request.path + b"/")
        request.setHeader(b"Cache-Control", b"no-cache")
        request.setHeader(b"Content-Length", b"0")
        return b""

    @app.route("/_plugin/<name>/", methods=["GET"])
    def site_index(self, request: Request, name: str) -> bytes | IResource:
        """The first page of a plugin's site."""
        return self._serve(request, *self._names(request, 2))

    @app.route("/_plugin/<name>/<path:file>", methods=["GET"])
    def site_file(self, request: Request, name: str, file: str) -> bytes | IResource:
        """A file of a plugin's site, or the index.html of a folder of it."""
        return self._serve(request, *self._names(request))

    def _names(self, request: Request, number: int = 0) -> list[str]:
        """
        What the path names, each name decoded for itself: a slash that was encoded is a
        part of a name, and no file has that.
        """
        _, plugin, *names = (_decoded(part) for part in request.path.split(b"/"))
        if plugin != "_plugin" or (number and len(names) != number):
            raise _not_found()
        return names

    def _serve(self, request: Request, name: str, *parts: str) -> bytes | IResource:
        site = self.plugins.site(name)
        if site is None:
            raise _not_found()
        path = [*parts[:-1], parts[-1] or INDEX]
        try:
            file = site.open(path)
        except (OSError, ValueError):
            raise _not_found() from None
        try:
            wanted = _described(request, file, path[-1])
        except BaseException:
            file.close()
            raise
        if not wanted:
            file.close()
            return b""
        FileSender(self.reactor, request, file).begin()
        return UnderWay()


def _described(request: Request, file: SiteFile, name: str) -> bool:
    """
    Say what a file is like.

    @return: Whether its content is to follow.
    """
    policy = POLICY if file.trusted else POLICY_OF_STRANGERS
    headers = {**HEADERS, b"Content-Security-Policy": policy, b"ETag": _tag(file.status)}
    if 0 <= file.status.st_mtime < THE_YEAR_10000:
        headers[b"Last-Modified"] = http.datetimeToString(file.status.st_mtime)
    for header, value in headers.items():
        request.setHeader(header, value)
    if _is_known(request, file.status):
        request.setResponseCode(http.NOT_MODIFIED)
        return False
    request.setHeader(b"Content-Type", content_type(name).encode())
    request.setHeader(b"Content-Length", b"%d" % file.status.st_size)
    return request.method != b"HEAD"


def _tag(status: os.stat_result) -> bytes:
    return b'"%x-%x-%x"' % (status.st_mtime_ns, status.st_size, status.st_ino)


def _is_known(request: Request, status: os.stat_result) -> bool:
    """
    Whether the client has the file as it is (RFC 9110, 13.1).
    """
    tags = request.requestHeaders.getRawHeaders(b"If-None-Match")
    if tags is not None:
        known = [tag.strip().removeprefix(b"W/") for tag in b",".join(tags).split(b",")]
        return _tag(status) in known or known == [b"*"]
    try:
        since = parsedate_to_datetime(request.getHeader("If-Modified-Since") or "").timestamp()
    except (ValueError, OverflowError):  # the latter of numbers that no calendar has
        return False
    return int(status.st_mtime) <= since


def _decoded(part: bytes) -> str:
    return unquote_to_bytes(part).decode("utf-8")  # the table of routes saw that it can be


def _not_found() -> Problem:
    return Problem("not-found", "no site of a plugin has such a file")
