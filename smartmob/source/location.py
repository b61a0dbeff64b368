"""
Where a source lies: the rules for URLs and for the addresses they lead to.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from attrs import frozen
from hyperlink import URL

from smartmob.source.errors import SourceRefused

_PORTS = {"http": 80, "https": 443}
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f\\]")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
# RFC 6052: IPv4 addresses behind a translator.
_TRANSLATED = IPv6Network("64:ff9b::/96")


@frozen
class Location:
    """
    A URL that may be asked.

    @ivar url: All of it, without its fragment, as it is sent.
    @ivar host: A name, or an address without brackets.
    @ivar shown: What may be shown of it: its query may be a secret.
    """

    scheme: str
    host: str
    port: int
    url: bytes
    shown: str

    @classmethod
    def parse(cls, text: str) -> Location:
        """
        Read a URL.

        @raise SourceRefused: If it is none, not of http or https, or names a user.
        """
        parts = _split(text)
        scheme = parts.scheme
        if scheme not in _PORTS:
            what = f"is of scheme {scheme}" if scheme else "has no scheme"
            raise SourceRefused(f"the source URL {what}; only http and https are read")
        if "@" in parts.netloc:
            raise SourceRefused("the source URL has a user name in it")
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise SourceRefused("the source URL has no valid port") from None
        if port == 0 or not _is_host(host):
            what = "port" if port == 0 else "host"
            raise SourceRefused(f"the source URL has no valid {what}")
        path = parts.path or "/"
        location = cls(
            scheme=scheme,
            host=host,
            port=port or _PORTS[scheme],
            url=urlunsplit((scheme, parts.netloc, path, parts.query, "")).encode("ascii"),
            shown=urlunsplit((scheme, parts.netloc, path, "", "")),
        )
        if _is_address(host):
            location.check(host)
        return location

    def check(self, address: str) -> None:
        """
        Look at an address that it leads to.

        @raise SourceRefused: If nothing may be read from it.
        """
        kind = forbidden(address)
        if kind is not None:
            raise SourceRefused(f"{self.shown} leads to {address}, which is {kind}")

    def redirected(self, to: str) -> Location:
        """
        Where a redirect leads.

        @raise SourceRefused: If it may not be followed.
        """
        try:
            joined = urljoin(self.url.decode("ascii"), to)
        except ValueError:
            raise SourceRefused(f"{self.shown} redirects to no valid URL") from None
        try:
            location = Location.parse(joined)
        except SourceRefused as error:
            raise SourceRefused(f"{self.shown} redirects elsewhere: {error.reason}") from None
        if self.scheme == "https" and location.scheme == "http":
            raise SourceRefused(f"{self.shown} redirects from https to http")
        return location


def forbidden(address: str) -> str | None:
    """
    What kind of address it is, if nothing may be read from it.

    Link-local ones are where clouds keep a machine's credentials.
    """
    ip = ip_address(address.split("%", 1)[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return forbidden(str(ip.ipv4_mapped))
        if ip in _TRANSLATED:
            return forbidden(str(ip_address(ip.packed[-4:])))
    if ip.is_link_local:
        return "link-local"
    if ip.is_multicast:
        return "multicast"
    if ip.is_unspecified:
        return "unspecified"
    return None


def _split(text: str) -> SplitResult:
    """
    The parts of a URL, in ASCII.
    """
    if _UNWRITABLE.search(text):
        raise SourceRefused("the source URL has white space or control characters in it")
    try:
        if not text.isascii():
            text = URL.from_text(text).to_uri().to_text()
        return urlsplit(text)
    except ValueError:
        # URLParseError and UnicodeError are of this kind.
        raise SourceRefused("the source URL is not a valid URL") from None


def _is_address(host: str) -> bool:
    """
    Whether it is an address, not a name.
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
