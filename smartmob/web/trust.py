"""
Whose word counts: the names that the agent answers to, the pages that may use it, the
proxies that it is reached through, and those who have a token.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from attrs import frozen
from twisted.internet.address import IPv4Address as TCP4Address
from twisted.internet.address import IPv6Address as TCP6Address
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.web.http_headers import Headers

from smartmob.config.configuration import Settings
from smartmob.tokens import Tokens

_SCHEMES = {b"https": True, b"wss": True, b"http": False, b"ws": False}
"""What X-Forwarded-Proto may say; some proxies call a WebSocket's C{wss}."""

_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([0-9.]+):\d+")
"""Addresses in X-Forwarded-For that are more than an address."""

_PORTS = {"http": ":80", "https": ":443"}

UNIX = "a unix socket"
"""What the log calls a client without an address."""


@frozen(kw_only=True)
class Way:
    """
    How a request came, as far as that can be believed.

    @ivar secure: By TLS, at least on its first stretch.
    @ivar host: What the client takes the agent for, as a Host says it; not checked.
    @ivar forwarded: That is what a proxy says.
    @ivar client: The address that it came from, or L{UNIX}.
    """

    secure: bool
    host: bytes
    forwarded: bool = False
    client: str

    @property
    def origin(self) -> bytes:
        """
        That of pages that the agent serves, as browsers write it.
        """
        return (b"https://" if self.secure else b"http://") + self.host

    @property
    def base_url(self) -> bytes:
        """
        The beginning of every URL that the client is given, without a slash at the end.
        """
        return self.origin if self.host else self.origin + b"localhost"


@frozen(kw_only=True)
class Trust:
    """
    Whose word counts.

    @ivar hosts: Names that a Host may have besides C{localhost} and IP addresses, in
        lower case.
    @ivar origins: Pages of these may use the agent, as browsers write them.
    @ivar proxies: Peers whose C{X-Forwarded-} headers count.
    @ivar unix_proxies: Those of peers on unix sockets count.
    @ivar tokens: Whoever has one of these may do what it says; C{None}: all may do all.
    @ivar users: And whoever is one of these, on a unix socket, everything.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[bytes] = frozenset()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    unix_proxies: bool = False
    tokens: Tokens | None = None
    users: frozenset[int] = frozenset()

    @classmethod
    def of(cls, settings: Settings, hosts: Iterable[str] = ()) -> Trust:
        """
        What is configured.

        @param hosts: The names that the agent is bound to; this machine's own is added.
        """
        names = (*hosts, *settings.allowed_hosts, socket.gethostname())
        return cls(
            hosts=frozenset(name.lower() for name in names if name),
            origins=frozenset(map(_as_sent, settings.cors_origins)),
            proxies=settings.trusted_proxies,
            unix_proxies=settings.unix_proxies,
            tokens=settings.tokens,
            users=settings.unix_users,
        )

    def is_proxy(self, peer: IAddress | None) -> bool:
        """
        Whether a peer is a proxy whose word counts.
        """
        if not (self.proxies or self.unix_proxies):
            return False
        if isinstance(peer, UNIXAddress):
            return self.unix_proxies
        if isinstance(peer, TCP4Address | TCP6Address):
            return self.has_proxy(peer.host)
        return False

    def has_proxy(self, address: str) -> bool:
        """
        Whether an address is that of a proxy whose word counts.
        """
        known = _address(address) if self.proxies else None
        if known is None:
            return False
        ip = ip_address(known)
        return any(ip in network for network in self.proxies)

    def way(self, headers: Headers, peer: IAddress | None, *, secure: bool) -> Way:
        """
        How a request came.

        Each proxy adds to the end of a header what it knows itself, so the last value
        is that of the one which is connected; what stands before it, anybody may have
        written.  Clients are looked for from the end, too: the first address that is
        no proxy of ours.

        @param peer: Who is connected.
        @param secure: That connection is encrypted.
        """
        host = b"".join(headers.getRawHeaders(b"host", [])[-1:])
        client = name_of(peer)
        if not self.is_proxy(peer):
            return Way(secure=secure, host=host, client=client)
        told = _last(headers, b"x-forwarded-host")
        scheme = _last(headers, b"x-forwarded-proto").lower()
        for address in reversed(_all(headers, b"x-forwarded-for")):
            known = _address(address)
            if known is None:
                break
            client = known
            if not self.has_proxy(client):
                break
        return Way(
            secure=_SCHEMES.get(scheme, secure),
            host=told or host,
            forwarded=bool(told),
            client=client,
        )


def _as_sent(origin: str) -> bytes:
    """
    An origin as browsers write it: a port that goes without saying is not said.
    """
    scheme, _, rest = origin.partition("://")
    return f"{scheme}://{rest.removesuffix(_PORTS.get(scheme, ''))}".encode()


def _all(headers: Headers, name: bytes) -> list[str]:
    """
    The values of a header that is a list.
    """
    joined = b",".join(headers.getRawHeaders(name, []))
    return [value.strip().decode("latin-1") for value in joined.split(b",") if value.strip()]


def _last(headers: Headers, name: bytes) -> bytes:
    """
    The last value of a header; none is empty.
    """
    return b"".join(headers.getRawHeaders(name, [])[-1:]).rpartition(b",")[2].strip()


@lru_cache(maxsize=256)
def _address(text: str) -> str | None:
    """
    An address, an IPv4 one in IPv6's clothes without these; C{None} if it is none.
    """
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match[1] or match[2]
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


def name_of(peer: IAddress | None) -> str:
    if isinstance(peer, TCP4Address | TCP6Address):
        return _address(peer.host) or peer.host
    return UNIX if isinstance(peer, UNIXAddress) else "nowhere"
