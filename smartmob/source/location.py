"""
Where a source lies: the rules for URLs and for the addresses they lead to.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urljoin, urlunsplit

from attrs import frozen

from smartmob.place import BadPlace, Place
from smartmob.source.errors import SourceRefused

# Networks whose addresses end with an IPv4 one.
_ENDING = (
    IPv6Network("64:ff9b::/96"),  # RFC 6052: behind a translator
    IPv6Network("::ffff:0:0:0/96"),  # RFC 2765: of a translator itself
    IPv6Network("::/96"),  # RFC 4291: tunnelled, once
)
# RFC 8215, behind a translator of one's own: where RFC 6052 has the IPv4 address depends on
# the length of the prefix that was chosen.
_OWN_TRANSLATED = IPv6Network("64:ff9b:1::/48")
_OWN_PLACES = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), (12, 13, 14, 15))
# RFC 5214: what stands before the IPv4 address in any network.
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
# Where clouds give a machine its credentials, beside the link-local ones.
_CLOUD = tuple(
    ip_address(address)
    for address in (
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
    )
)
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
    meant = [ip, *(_inner(ip) if isinstance(ip, IPv6Address) else ())]
    for kind_of in (_always,) if private else (_always, _unless_private):
        for each in meant:
            kind = kind_of(each)
            if kind is not None:
                return kind
    return None


def _always(ip: IPv4Address | IPv6Address) -> str | None:
    """
    What kind of address it is, if nothing may ever be read from it.
    """
    if ip in _CLOUD:
        return "where a cloud keeps the machine's credentials"
    if ip.is_link_local:
        return "link-local"
    if ip.is_multicast:
        return "multicast"
    return "unspecified" if ip.is_unspecified else None


def _unless_private(ip: IPv4Address | IPv6Address) -> str | None:
    """
    What kind of address it is, if it is one of this machine, or of its network.
    """
    if ip.is_loopback:
        return "loopback"
    return "private" if any(ip in network for network in _PRIVATE) else None


def _inner(ip: IPv6Address) -> Iterator[IPv4Address]:
    """
    The IPv4 addresses that an IPv6 one may stand for, by whatever mechanism.
    """
    packed = ip.packed
    if int(ip) > 1 and any(ip in network for network in _ENDING):
        yield IPv4Address(packed[-4:])
    if ip in _OWN_TRANSLATED:
        for places in _OWN_PLACES:
            part = bytes(packed[at] for at in places)
            if any(part):  # else it is in another of these places
                yield IPv4Address(part)
    if packed[8:12] in _ISATAP:
        yield IPv4Address(packed[-4:])
    for found in (ip.ipv4_mapped, ip.sixtofour, ip.teredo and ip.teredo[1]):
        if found is not None:
            yield found


def _is_address(host: str) -> bool:
    """
    Whether it is an address, not a name.
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
