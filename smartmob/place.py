"""
Places that sources lie at, or below: URLs, as far as they say where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from attrs import field, frozen

PORTS = {"http": 80, "https": 443}
"""The schemes that are read, and the ports that need not be said."""

_UNWRITABLE = re.compile(r"[\x00-\x20\x7f\\]")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_DOT = re.compile(rb"%2e", re.IGNORECASE)
_PARAMETER = re.compile(rb"/\.\.?;")
"""Some servers take C{..;x} for C{..}."""

_ODD = re.compile(
    rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|%u[0-9a-f]{4}", re.IGNORECASE
)
"""
Characters that are spelled longer than UTF-8 allows (RFC 3629, section 3), or as nobody but
some servers reads them: C{%c0%af} and C{%u002f} may be slashes.
"""

_DECODED = 4
"""So often a path may have been encoded."""


class BadPlace(ValueError):
    """
    Something is no URL that can be read.  The message goes on after C{the URL}.
    """


@frozen
class Place:
    """
    Where something lies.

    @ivar host: A name, or an address without brackets, in lower case.
    @ivar path: As it is sent, and never empty.
    @ivar parts: All of the URL, in ASCII.
    """

    scheme: str
    host: str
    port: int
    path: str
    parts: SplitResult = field(repr=False, eq=False)

    @classmethod
    def parse(cls, text: str) -> Place:
        """
        Read a URL.

        @raise BadPlace: It is none, not of http or https, or names a user.
        """
        parts = _split(text)
        scheme = parts.scheme
        if scheme not in PORTS:
            what = f"is of scheme {scheme}" if scheme else "has no scheme"
            raise BadPlace(f"{what}; only http and https are read")
        if "@" in parts.netloc:
            raise BadPlace("has a user name in it")
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise BadPlace("has no valid port") from None
        if port == 0 or not _is_host(host):
            raise BadPlace(f"has no valid {'port' if port == 0 else 'host'}")
        return cls(scheme, host, port or PORTS[scheme], parts.path or "/", parts)

    def holds(self, other: Place) -> bool:
        """
        Whether C{other} lies at or below this place, by whole segments of its path,
        in whichever of the ways its server may read it.
        """
        ours, theirs = ((p.scheme, _spelled(p.host), p.port) for p in (self, other))
        if ours != theirs:
            return False
        below = _resolved(self.path.encode("ascii"))
        return _is_plain(other.path) and all(
            segments[: len(below)] == below for segments in _readings(other.path)
        )


def _readings(path: str) -> Iterator[list[bytes]]:
    """
    The segments of a path, in all the ways that servers read one: what is encoded may
    be decoded before dots are resolved, or behind that, or twice; a backslash may
    part segments; and an empty one may count.
    """
    for text in _decoded(path):
        for dotted in (text, _DOT.sub(b".", text)):
            for parted in (dotted, dotted.replace(b"\\", b"/")):
                yield _resolved(parted)
                yield _resolved(re.sub(rb"/{2,}", b"/", parted))


def _decoded(path: str) -> list[bytes]:
    """
    A path, decoded again and again.
    """
    texts = [path.encode("ascii")]
    while len(texts) <= _DECODED and (text := unquote_to_bytes(texts[-1])) != texts[-1]:
        texts.append(text)
    return texts


def _is_plain(path: str) -> bool:
    """
    Whether a path is neither encoded more often than anybody would look, nor has dots
    with something behind them, or slashes and dots, that only some servers see.
    """
    texts = _decoded(path)
    return unquote_to_bytes(texts[-1]) == texts[-1] and not any(
        _PARAMETER.search(_DOT.sub(b".", text).replace(b"\\", b"/")) or _ODD.search(text)
        for text in texts
    )


def _resolved(path: bytes) -> list[bytes]:
    """
    The segments of a path, without dots (RFC 3986, 5.2.4), and without the empty one
    behind a last slash.
    """
    segments: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            del segments[-1:]
        elif segment != b".":
            segments.append(unquote_to_bytes(segment))
    while segments and not segments[-1]:
        segments.pop()
    return segments


def _spelled(host: str) -> str:
    """
    A host in the one way that there is to write it.
    """
    return str(IPv6Address(host)) if ":" in host else host


def _split(text: str) -> SplitResult:
    """
    The parts of a URL, in ASCII.
    """
    if _UNWRITABLE.search(text):
        raise BadPlace("has white space or control characters in it")
    try:
        if not text.isascii():
            # Few are, and what reads them takes long to import.
            from hyperlink import URL

            text = URL.from_text(text).to_uri().to_text()
        return urlsplit(text)
    except ValueError:
        # URLParseError and UnicodeError are of this kind.
        raise BadPlace("is not a valid URL") from None


def _is_host(host: str) -> bool:
    """
    Whether it may be a host: a name, or an address.
    """
    if ":" in host:
        try:
            return IPv6Address(host).scope_id is None
        except ValueError:
            return False
    return _HOST_NAME.fullmatch(host) is not None
