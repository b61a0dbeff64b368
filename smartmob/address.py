"""
The addresses that an operator may name, and the endpoints they are.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
from collections.abc import Collection

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, execute
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    serverFromString,
)
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IReactorSocket,
    IReactorUNIX,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import getPlugins
from zope.interface import implementer

from smartmob.inherited import InheritedEndpoint

FORMS = "HOST:PORT, [V6]:PORT, unix:/path, fd:N, or a Twisted endpoint string"

_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]/\s]+)):(?P<port>[0-9]{1,5})")
_ENDPOINTS = frozenset(["haproxy", "ssl", "systemd", "tcp", "tcp6", "tls"])
"""What begins an endpoint string of Twisted's that looks like C{HOST:PORT}."""

_BARE = frozenset(["systemd", "tcp", "tcp6"])
"""Those that are sockets and nothing else."""

_SECURE = frozenset(["ssl", "tls"])

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
    @ivar mode: Of a unix socket that the agent makes.
    @ivar wraps: The endpoint puts something between its socket and what is served.
    @ivar secure: Which is TLS, with a certificate of its own.
    """

    text: str
    host: str | None
    endpoint: IStreamServerEndpoint
    identity: tuple[object, ...]
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
        return ipaddress.ip_address(bound.host.partition("%")[0]).is_loopback
    return isinstance(bound, UNIXAddress)


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
        return Address(text, None, unix, ("unix", path), mode)
    if match := _INHERITED.fullmatch(text):
        return _inherited(reactor, text, int(match[1]), taken)
    if match := _host_port(text):
        return _tcp(reactor, text, match, backlog)
    try:
        endpoint = serverFromString(reactor, text)
    except Exception as error:  # each kind of endpoint, a plugin's too, has its own
        raise BadAddress(f"{text!r} is no address ({error}); use {FORMS}") from None
    if isinstance(endpoint, AdoptedStreamServerEndpoint):
        return _inherited(reactor, text, endpoint.fileno, taken)
    return Address(
        text,
        None,
        endpoint,
        ("string", text),
        wraps=kind not in _BARE,
        secure=kind in _SECURE,
    )


def check_form(text: str) -> None:
    """
    Read an address as far as that goes without opening, or looking up, anything.

    @raise BadAddress: It is none.
    """
    if _UNIX.fullmatch(text) or _INHERITED.fullmatch(text):
        return
    if match := _host_port(text):
        if int(match["port"]) > 65535:
            raise BadAddress(f"{text!r}: a port is at most 65535; use {FORMS}")
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
    return Address(text, name, kind(reactor, port, backlog, str(ip)), ("tcp", str(ip), port))


def _look_up(text: str, name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadAddress(f"{text!r}: {name!r} can't be looked up: {error}") from None
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
        raise BadAddress(f"{text!r} is no socket that was handed down: {error}") from None
    except ValueError as error:
        raise BadAddress(f"{text!r}: {error}") from None
    return Address(text, None, endpoint, ("fd", number))


@implementer(IStreamServerEndpoint)
@frozen
class UnixEndpoint:
    """
    A unix socket that nobody may connect to before its mode is right, and that
    takes the place of a dead one only.
    """

    reactor: IReactorUNIX
    path: str
    backlog: int
    mode: int

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        See L{IStreamServerEndpoint.listen}.
        """
        return execute(self._listen, factory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        self._remove_dead()
        before = os.umask(0o777 & ~self.mode)
        try:
            listening: IListeningPort = self.reactor.listenUNIX(
                self.path,
                factory,  # type: ignore[arg-type]  # any factory, its documentation says
                self.backlog,
                mode=self.mode,
            )
            return listening
        finally:
            os.umask(before)

    def _remove_dead(self) -> None:
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise OSError(f"{self.path} is there and is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self.path)
            except ConnectionRefusedError:
                os.unlink(self.path)
                return
            except BlockingIOError:
                pass  # its backlog is full: somebody listens
        raise OSError(f"somebody listens on {self.path}")
