"""
The addresses that an operator may name, and the endpoints they are.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Collection

from attrs import evolve, frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    serverFromString,
)
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IReactorSocket,
    IReactorUNIX,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import getPlugins

from smartmob.bound import bound
from smartmob.handed_down import NoSuchSocket, handed_down, is_of_systemd, parts
from smartmob.inherited import InheritedEndpoint
from smartmob.plain_files import read
from smartmob.unix_socket import UnixEndpoint

FORMS = "HOST:PORT, [V6]:PORT, unix:/path, fd:N, or a Twisted endpoint string"

_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]/\s]+)):(?P<port>[0-9]{1,5})")
_ENDPOINTS = frozenset(["haproxy", "ssl", "systemd", "tcp", "tcp6", "tls"])
"""What begins an endpoint string of Twisted's that looks like C{HOST:PORT}."""

_BARE = frozenset(["tcp", "tcp6"])
"""Those that are sockets and nothing else."""

_SECURE = frozenset(["ssl", "tls"])

_FILES = re.compile(
    r"(?<=:)(?:privateKey|certKey|extraCertChain|dhParameters)=((?:[^:\\]|\\.)*)"
)
_MOST_BYTES = 4 << 20

_LONGEST_UNIX = 107
"""Bytes of a path: sun_path of unix(7), without the NUL at its end."""

_INHERITED = re.compile(r"fd:([0-9]{1,9})")
"""Any descriptor fits, and whatever this is fits where the system takes a number."""

_KIND = re.compile(r"[a-z0-9]+")
_V4 = re.compile(r"[0-9.]+")
_UNIX = re.compile(r"unix:(?P<path>/[^:]*|[^:/][^:]*)(?::mode=(?P<mode>[0-7]{3,4}))?")


class BadAddress(ValueError):
    """
    What was given is no address; the message shows what one looks like.
    """


@frozen
class Address:
    """
    Where to listen.

    @ivar text: As the operator wrote it.
    @ivar host: What the operator calls the host, where there is one.
    @ivar endpoint: What listens there.
    @ivar identity: Equal where an address is the same, however it was written.
    @ivar backlog: Connections that may wait to be accepted; C{None}: it is for others
        to say.
    @ivar where: The IP address and the port that it is going to be bound to, where
        those are known before.
    @ivar mode: Of a unix socket that the agent makes.
    @ivar wraps: The endpoint puts something between its socket and what is served.
    @ivar secure: Which is TLS, with a certificate of its own.
    """

    text: str
    host: str | None
    endpoint: IStreamServerEndpoint
    identity: tuple[object, ...]
    backlog: int | None = None
    where: tuple[str, int] | None = None
    mode: int | None = None
    wraps: bool = False
    secure: bool = False

    def url(self, port: IListeningPort, *, secure: bool = False) -> str:
        """
        Where clients reach it, once it listens; no slash at the end.

        @param secure: It is listened to with TLS.
        """
        bound: IAddress = port.getHost()
        if isinstance(bound, UNIXAddress):
            return f"unix:{os.fsdecode(bound.name or b'')}"
        if not isinstance(bound, (IPv4Address, IPv6Address)):
            return self.text
        scheme = "https" if secure or self.secure else "http"
        host = self.host or bound.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{bound.port}"


def is_local(port: IListeningPort) -> bool:
    """
    Whether only programs of this machine can reach it.
    """
    bound: IAddress = port.getHost()
    if isinstance(bound, (IPv4Address, IPv6Address)):
        return is_loopback(bound.host)
    return isinstance(bound, UNIXAddress)


def is_loopback(ip: str) -> bool:
    """
    Whether only programs of this machine can reach what is bound to this.
    """
    return ipaddress.ip_address(ip.partition("%")[0]).is_loopback


def parse(
    reactor: IReactorUNIX, text: str, backlog: int, taken: Collection[int] = ()
) -> Address:
    """
    Read an address.  Its host is looked up at once: what is listened on later is
    what was named.

    @param taken: Descriptors that were handed down and are listened on: by their
        numbers something else may be open now.
    @raise BadAddress: It is none.
    """
    check_form(text)
    kind = text.partition(":")[0]
    if match := _UNIX.fullmatch(text):
        path = os.path.abspath(match["path"])
        mode = int(match["mode"] or "600", 8)
        unix = UnixEndpoint(reactor, path, backlog, mode)
        folder, name = os.path.split(path)
        real = os.path.join(os.path.realpath(folder), name)
        return Address(text, None, unix, ("unix", real), backlog, mode=mode)
    if match := _INHERITED.fullmatch(text):
        return _inherited(reactor, text, int(match[1]), taken)
    if is_of_systemd(text):
        try:
            number = handed_down().number(text)
        except NoSuchSocket as error:
            raise BadAddress(f"{text!r}: {error}") from None
        return _inherited(reactor, text, number, taken)
    if match := _host_port(text):
        return _tcp(reactor, text, match, backlog)
    if kind in _ENDPOINTS:
        _check_files(text)
    try:
        endpoint = serverFromString(reactor, text)
    except Exception as error:  # each kind of endpoint, a plugin's too, has its own
        raise BadAddress(f"{text!r} is no address ({error}); use {FORMS}") from None
    if isinstance(endpoint, AdoptedStreamServerEndpoint):
        return _inherited(reactor, text, endpoint.fileno, taken)
    return _string(text, kind, endpoint)


def check_form(text: str) -> None:
    """
    Read an address as far as that goes without opening, or looking up, anything.

    @raise BadAddress: It is none.
    """
    if match := _UNIX.fullmatch(text):
        length = len(os.fsencode(os.path.abspath(match["path"])))
        if length > _LONGEST_UNIX:
            raise BadAddress(
                f"{text!r}: the path of a unix socket has at most {_LONGEST_UNIX} bytes, "
                f"and this one has {length}"
            )
        return
    if _INHERITED.fullmatch(text):
        return
    if is_of_systemd(text):
        try:
            parts(text)
        except NoSuchSocket as error:
            raise BadAddress(f"{text!r} is no address; {error}") from None
        return
    if match := _host_port(text):
        _check_port(text, int(match["port"]))
        if _V4.fullmatch(match["v6"] or ""):
            raise BadAddress(f"{text!r}: brackets are for IPv6; use {FORMS}")
        return
    kind, _, rest = text.partition(":")
    if _KIND.fullmatch(kind) is None or kind in ("fd", "unix") or not rest:
        raise BadAddress(f"{text!r} is no address; use {FORMS}")
    if kind not in ("ssl", "tcp"):  # Twisted has these without a plugin
        plugins = getPlugins(IStreamServerEndpointStringParser)
        if kind not in {plugin.prefix.lower() for plugin in plugins}:
            raise BadAddress(f"{text!r} is no address; use {FORMS}")


def _check_files(text: str) -> None:
    """
    Twisted would wait for a FIFO that nobody writes to, and the agent for Twisted.
    """
    for name in _FILES.finditer(text):
        path = re.sub(r"\\(.)", r"\1", name[1])
        try:
            read(path, _MOST_BYTES)
        except OSError as error:
            raise BadAddress(f"{text!r}: {path} can't be read: {error.strerror}") from None
        except ValueError as error:
            raise BadAddress(f"{text!r}: {path} {error}") from None


def _check_port(text: str, port: int) -> None:
    if not 0 <= port <= 65535:
        raise BadAddress(f"{text!r}: a port is at most 65535; use {FORMS}")


def _host_port(text: str) -> re.Match[str] | None:
    kind = text.partition(":")[0]
    return None if kind in _ENDPOINTS else _HOST_PORT.fullmatch(text)


def _tcp(reactor: IReactorUNIX, text: str, match: re.Match[str], backlog: int) -> Address:
    name = match["v6"] or match["host"]
    try:
        ip = ipaddress.ip_address(name)
    except ValueError:
        ip = _look_up(text, name)
    if match["v6"] and ip.version == 4:
        raise BadAddress(f"{text!r}: brackets are for IPv6; use {FORMS}")
    port = int(match["port"])
    kind = TCP6ServerEndpoint if ip.version == 6 else TCP4ServerEndpoint
    endpoint = kind(reactor, port, backlog, str(ip))
    return Address(text, name, endpoint, ("tcp", str(ip), port), backlog, (str(ip), port))


def _string(text: str, kind: str, endpoint: IStreamServerEndpoint) -> Address:
    """
    A string of Twisted's, or of a plugin of it.
    """
    asked = bound(text) if kind in _ENDPOINTS else None
    made = Address(
        text,
        None,
        endpoint,
        ("string", text),
        wraps=kind not in _BARE,
        secure=kind in _SECURE,
    )
    if asked is None:
        return made
    _check_port(text, asked.port)
    ip = asked.interface or "0.0.0.0"  # noqa: S104 # what it is without an interface
    try:
        ip = str(ipaddress.ip_address(ip))
    except ValueError:
        ip = str(_look_up(text, ip))
    where = ip, asked.port
    if made.wraps:
        return evolve(made, where=where)
    return evolve(made, where=where, identity=("tcp", *where), backlog=asked.backlog)


def _look_up(text: str, name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadAddress(f"{text!r}: {name!r} can't be looked up: {why}") from None
    # Where a name has both, programs that know nothing of IPv6 shall find it too.
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    return ipaddress.ip_address(found[0][4][0])


def _inherited(
    reactor: IReactorUNIX, text: str, number: int, taken: Collection[int]
) -> Address:
    sockets = IReactorSocket(reactor)
    try:
        if number in taken:
            endpoint = InheritedEndpoint(sockets, number, socket.AF_UNSPEC)
        else:
            endpoint = InheritedEndpoint.of(sockets, number)
    except OSError as error:
        raise BadAddress(
            f"{text!r} is no socket that was handed down: {error.strerror}"
        ) from None
    except ValueError as error:
        raise BadAddress(f"{text!r}: {error}") from None
    return Address(text, None, endpoint, ("fd", number), where=endpoint.where)
