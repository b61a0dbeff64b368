"""
Where events are posted to, and what may be shown of it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from ipaddress import IPv6Address
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

from attrs import field, frozen
from hyperlink import URL

_PORTS = {"http": 80, "https": 443}
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")


class BadTarget(ValueError):
    """
    Why nothing can be posted to a URL: a sentence without its subject, and without
    anything of the URL that is a secret.
    """


@frozen
class Target:
    """
    A URL that takes events.

    @ivar host: A name, or an address without brackets.
    @ivar url: What is asked for: without user name, password and fragment.
    @ivar authorization: The header that stands for user name and password (RFC 7617).
    @ivar shown: What may be shown: no user name, no password, C{?...} for a query.
    """

    scheme: str
    host: str
    port: int
    shown: str
    url: bytes = field(repr=False)
    authorization: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Target:
        """
        Read a URL.

        @raise BadTarget: It is none, or not one of http or https.
        """
        if _UNWRITABLE.search(text):
            raise BadTarget("has white space or control characters in it")
        try:
            if not text.isascii():
                text = URL.from_text(text).to_uri().to_text(with_password=True)
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:  # URLParseError and UnicodeError are of this kind
            raise BadTarget("is not a valid URL") from None
        if parts.scheme not in _PORTS:
            raise BadTarget("does not begin with http:// or https://")
        if port == 0 or not _is_host(host):
            raise BadTarget(f"has no valid {'port' if port == 0 else 'host'}")
        user, at, netloc = parts.netloc.rpartition("@")
        path = parts.path or "/"
        bare = urlunsplit((parts.scheme, netloc, path, "", ""))
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or _PORTS[parts.scheme],
            shown=f"{bare}?..." if parts.query else bare,
            url=urlunsplit((parts.scheme, netloc, path, parts.query, "")).encode("ascii"),
            authorization=_basic(user) if at else None,
        )


def _basic(user: str) -> bytes:
    """
    Name and password as a header: what stands behind % in them is meant.
    """
    name, _, password = user.partition(":")
    pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return b"Basic " + b64encode(pair)


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return IPv6Address(host).scope_id is None
        except ValueError:
            return False
    return _NAME.fullmatch(host) is not None
