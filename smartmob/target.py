"""
Where events are posted to, and what may be shown of it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Self
from urllib.parse import unquote_to_bytes, urlunsplit

from attrs import field, frozen

from smartmob.place import BadPlace, Place

_AUTHORITY = re.compile(r"(?P<scheme>[^:/?#]*://)(?P<user>[^/?#]*)@")


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
    def parse(cls, text: str) -> Self:
        """
        Read a URL.

        @raise BadPlace: It is none, or nothing can be posted there.  That says nothing
            of the URL that is a secret.
        """
        authority = _AUTHORITY.match(text)
        if authority is not None:
            text = authority["scheme"] + text[authority.end() :]
        place = Place.parse(text)
        if place.scheme == "https":
            _check_certifiable(place.host)
        bare = urlunsplit((place.scheme, place.parts.netloc, place.path, "", ""))
        query = place.parts.query
        return cls(
            scheme=place.scheme,
            host=place.host,
            port=place.port,
            shown=f"{bare}?..." if query else bare,
            url=(f"{bare}?{query}" if query else bare).encode("ascii"),
            authorization=None if authority is None else _basic(authority["user"]),
        )


def _basic(user: str) -> bytes:
    """
    Name and password as a header: what stands behind % in them is meant.
    """
    name, _, password = user.partition(":")
    try:
        pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    except UnicodeEncodeError:
        raise BadPlace("has half of a surrogate pair in it") from None
    return b"Basic " + b64encode(pair)


def _check_certifiable(host: str) -> None:
    """
    See that a host is one that certificates are given to: Twisted would not even connect
    to another.
    """
    if ":" in host:
        return  # an address
    import idna  # it is large, and few need it

    try:
        idna.encode(host)
    except idna.IDNAError:
        raise BadPlace("has a host that no certificate can be for") from None
