"""
Where a source lies: the rules for URLs and for the addresses they lead to.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urljoin, urlunsplit

from attrs import frozen

from smartmob.place import BadPlace, Place
from smartmob.source.errors import SourceRefused

# RFC 6052: IPv4 addresses behind a translator.
_TRANSLATED = IPv6Network("64:ff9b::/96")
_PRIVATE = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # RFC 1122: this network
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598: behind a carrier's NAT
        "192.0.0.0/24",  # RFC 6890
        "198.18.0.0/15",  # RFC 2544
        "240.0.0.0/4",  # RFC 1112, with the broadcast address
        "::/96",  # RFC 4291: IPv4 addresses, once
        "64:ff9b:1::/48",  # RFC 8215: behind a translator of one's own
        "fc00::/7",  # RFC 4193
        "fec0::/10",  # RFC 3879: of a site, once
    )
)


@frozen
class Location:
    """
    A URL that may be asked.

    @ivar url: All of it, without its fragment, as it is sent.
    @ivar shown: What may be shown of it: its query may be a secret.
    """

    place: Place
    url: bytes
    shown: str

    @property
    def scheme(self) -> str:
        """
        C{http} or C{https}.
        """
        return self.place.scheme

    @property
    def host(self) -> str:
        """
        A name, or an address without brackets.
        """
        return self.place.host

    @property
    def port(self) -> int:
        """
        Where it is, or that of the scheme.
        """
        return self.place.port

    @classmethod
    def parse(cls, text: str) -> Location:
        """
        Read a URL.

        @raise SourceRefused: If it is none, not of http or https, or names a user.
        """
        try:
            place = Place.parse(text)
        except BadPlace as error:
            raise SourceRefused(f"the source URL {error}") from None
        parts, path = place.parts, place.path
        location = cls(
            place=place,
            url=urlunsplit((*parts[:2], path, parts.query, "")).encode("ascii"),
            shown=urlunsplit((*parts[:2], path, "", "")),
        )
        location.check_host()
        return location

    def check_host(self, *, private: bool = True) -> None:
        """
        Look at its host, where that is an address: without a connection, so that nobody
        learns where there is a server.

        @param private: As for L{check}.
        @raise SourceRefused: If nothing may be read from it.
        """
        if _is_address(self.host):
            self.check(self.host, private=private)

    def check(self, address: str, *, private: bool = True) -> None:
        """
        Look at an address that it leads to.

        @param private: Whether that may be one of this machine, or of its network.
        @raise SourceRefused: If nothing may be read from it.
        """
        kind = forbidden(address, private=private)
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


def forbidden(address: str, *, private: bool = True) -> str | None:
    """
    What kind of address it is, if nothing may be read from it.

    Link-local ones are where clouds keep a machine's credentials.

    @param private: Whether loopback and private addresses are none of these.
    """
    ip = ip_address(address.split("%", 1)[0])
    inner = _inner(ip) if isinstance(ip, IPv6Address) else None
    if inner is not None:
        return forbidden(str(inner), private=private)
    if ip.is_link_local:
        return "link-local"
    if ip.is_multicast:
        return "multicast"
    if ip.is_unspecified:
        return "unspecified"
    if private:
        return None
    if ip.is_loopback:
        return "loopback"
    return "private" if any(ip in network for network in _PRIVATE) else None


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """
    The IPv4 address that an IPv6 one stands for, by whatever mechanism.
    """
    if ip in _TRANSLATED:
        return IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def _is_address(host: str) -> bool:
    """
    Whether it is an address, not a name.
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
