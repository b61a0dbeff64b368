"""
What the agent listens on, all of it at once, and how that is exchanged for something
else while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import define, field, frozen
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IProtocolFactory, IReactorTime, IReactorUNIX

from smartmob.address import Address, BadAddress, is_local, is_loopback, parse
from smartmob.certificate import BadCertificate, Certificate, Files
from smartmob.config.configuration import Endpoint
from smartmob.inherited import InheritedEndpoint
from smartmob.listener import Behind, Listener, NotListening, listen
from smartmob.tls import secured
from smartmob.unix_socket import UnixEndpoint

Identity = tuple[object, ...]
"""Which address of all that are listened on one is."""


class CantListen(Exception):
    """
    Nothing was changed, since not all of it could be.

    @ivar why: The reason, without its place.
    @ivar code: The exit code that it is at a start: 2 where what is wanted makes no
        sense, 1 where it does, but not on this machine now.
    @ivar endpoint: Whose C{key} is wrong.
    """

    def __init__(self, why: str, code: int, endpoint: Endpoint, key: str = "bind") -> None:
        section = "" if endpoint.name is None else f"[endpoint:{endpoint.name}] "
        super().__init__(f"{section}{'' if key == 'bind' else f'{key} '}{why}")
        self.why = why
        self.code = code
        self.endpoint = endpoint
        self.key = key


@define(eq=False, repr=False)
class Endpoints:
    """
    The ports that are open.

    @ivar factory_for: Gives what is served on an endpoint.  While that is the same
        object, and so is the certificate, nothing changes for new connections.
    @ivar guard: Puts the bounds on connections around it, outside TLS.
    @ivar insecure: Listen where other machines can reach it, though nobody is asked
        who they are.
    """

    reactor: IReactorUNIX
    clock: IReactorTime
    factory_for: Callable[[Endpoint], IProtocolFactory]
    guard: Callable[[IProtocolFactory], IProtocolFactory]
    insecure: bool = False
    _listeners: dict[Identity, Listener] = field(factory=dict, init=False)
    _inherited: set[int] = field(factory=set, init=False)
    _closing: list[Deferred[None]] = field(factory=list, init=False)

    def check(self, wanted: Sequence[Endpoint], *, tokens: bool = False) -> None:
        """
        See whether these make sense, without listening.

        @param tokens: Everybody is asked who they are.
        @raise CantListen: They do not.
        """
        for endpoint, address in self._read(wanted).values():
            if isinstance(address.endpoint, UnixEndpoint):
                try:
                    address.endpoint.check()
                except OSError as error:
                    raise _cannot(endpoint, address, error.strerror or f"{error}") from None
            local = address.where is None or is_loopback(address.where[0])
            self._check_reach(endpoint, address, local or tokens)
        for endpoint in wanted:
            self._certificate(endpoint)

    def prepare(self, wanted: Sequence[Endpoint], *, tokens: bool = False) -> Opening:
        """
        Listen on what is not listened on yet, but let nobody in.

        @param tokens: Everybody is asked who they are.
        @raise CantListen: One of these can't be listened on; what is open is as it was.
        """
        addresses = self._read(wanted)
        behind = {endpoint: self._behind(endpoint) for endpoint in wanted}
        listeners = self._staying(addresses)
        fresh: list[Listener] = []
        try:
            for identity in sorted(addresses, key=_last):
                endpoint, address = addresses[identity]
                if identity in listeners:
                    old = listeners[identity]
                    listener = old.instead(endpoint, address, behind[endpoint])
                else:
                    listener = self._open(endpoint, address, behind[endpoint], listeners)
                    fresh.append(listener)
                listeners[identity] = listener
                self._check_reach(endpoint, address, tokens or is_local(listener.port))
        except CantListen:
            for listener in fresh:
                self._close(listener)
            raise
        ordered = {identity: listeners[identity] for identity in addresses}
        return Opening(self, ordered)

    def urls(self) -> list[str]:
        """
        Where clients reach it: one an address, in order.
        """
        return [listener.url() for listener in self._listeners.values()]

    def asks_nobody(self) -> bool:
        """
        Whether every user of this machine can come in: by TCP, without a certificate.
        """
        return any(
            listener.endpoint.cafile is None
            and not isinstance(listener.port.getHost(), UNIXAddress)
            for listener in self._listeners.values()
        )

    def hosts(self) -> frozenset[str]:
        """
        The names that addresses have, in lower case.
        """
        hosts = (listener.address.host for listener in self._listeners.values())
        return frozenset(host.lower() for host in hosts if host is not None)

    def refresh(self) -> list[str]:
        """
        Read all certificates again.

        @return: Why some can't be used, so that the ones before still are; and what is
            odd about others.
        """
        found = dict.fromkeys(
            listener.behind.certificate for listener in self._listeners.values()
        )
        return [why for certificate in found if certificate for why in certificate.refresh()]

    def close(self) -> Deferred[None]:
        """
        Stop listening.  Fires when there is no port any more; connections stay.
        """
        for listener in self._listeners.values():
            self._close(listener)
        self._listeners = {}
        return self.closed()

    def closed(self) -> Deferred[None]:
        """
        Fires when those ports are gone that are not listened on any more.
        """
        return DeferredList(list(self._closing)).addCallback(lambda _: None)

    # For an Opening.

    def exchange(self, listeners: dict[Identity, Listener]) -> None:
        """
        Listen on these only.
        """
        before = {listener.port: listener for listener in self._listeners.values()}
        self._listeners = listeners
        for listener in listeners.values():
            if listener.port in before:
                listener.follow(before.pop(listener.port))
            else:
                listener.begin()
                if isinstance(listener.address.endpoint, InheritedEndpoint):
                    self._inherited.add(listener.address.endpoint.number)
        for listener in before.values():
            self._close(listener)

    def undo(self, listeners: Mapping[Identity, Listener]) -> None:
        """
        Close those of these that are not listened on for good.
        """
        open_ = {listener.port for listener in self._listeners.values()}
        for listener in listeners.values():
            if listener.port not in open_:
                self._close(listener)

    # Inside.

    def _read(self, wanted: Sequence[Endpoint]) -> dict[Identity, tuple[Endpoint, Address]]:
        """
        All addresses, in order.
        """
        found: dict[Identity, tuple[Endpoint, Address]] = {}
        for endpoint in wanted:
            for text in endpoint.bind:
                try:
                    address = parse(self.reactor, text, endpoint.backlog, self._inherited)
                except BadAddress as error:
                    raise CantListen(f"{error}", 2, endpoint) from None
                self._check_form(endpoint, address)
                identity = address.identity
                if identity[-1] == 0 and identity[0] == "tcp":  # each gets a port of its own
                    count = sum(key[:4] == (*identity, endpoint.name) for key in found)
                    identity = (*identity, endpoint.name, count)
                if identity in found:
                    other, same = found[identity]
                    raise CantListen(
                        f"{text} is listened on already, as "
                        f"{same.text}{'' if other is endpoint else f' of {other.name}'}",
                        2,
                        endpoint,
                    )
                found[identity] = endpoint, address
        return found

    def _staying(
        self, addresses: Mapping[Identity, tuple[Endpoint, Address]]
    ) -> dict[Identity, Listener]:
        """
        The ports that are open and are to stay.  One that is named by its number now, or
        in other words, is known by what it is bound to.
        """
        bound = {
            listener.where: listener
            for listener in self._listeners.values()
            if listener.address.identity[0] == "tcp"
        }
        found = {
            identity: bound[address.where]
            for identity, (_, address) in addresses.items()
            if identity[0] == "tcp" and address.where in bound
        }
        known = {listener.port for listener in found.values()}
        for identity in addresses:
            old = self._listeners.get(identity)
            if old is not None and old.is_there() and old.port not in known:
                found[identity] = old
        return found

    def _open(
        self,
        endpoint: Endpoint,
        address: Address,
        behind: Behind,
        beside: Mapping[Identity, Listener],
    ) -> Listener:
        try:
            return listen(endpoint, address, behind)
        except NotListening as error:
            why = f"{error}"
            staying = {listener.port for listener in beside.values()}
            for other in (*beside.values(), *self._listeners.values()):
                if error.taken and _overlap(address.where, other.where):
                    why += f": this agent itself listens on {other.url()}"
                    if other.port not in staying:
                        why += ", and to go from the one to the other takes a start"
                    break
            raise _cannot(endpoint, address, why) from None

    def _check_form(self, endpoint: Endpoint, address: Address) -> None:
        inherited = address.endpoint
        if (
            isinstance(inherited, InheritedEndpoint)
            and inherited.number in self._inherited
            and address.identity not in self._listeners
        ):
            raise CantListen(
                f"{address.text} was given up when it was taken out, and can't be had "
                "again without a start",
                1,
                endpoint,
            )
        if address.secure and endpoint.certfile is not None:
            raise CantListen(
                f"{address.text} has a certificate of its own; use HOST:PORT with certfile",
                2,
                endpoint,
            )

    def _certificate(self, endpoint: Endpoint) -> Certificate | None:
        if endpoint.certfile is None:
            for name in ("keyfile", "cafile"):
                if getattr(endpoint, name) is not None:
                    raise CantListen("needs a certfile", 2, endpoint, name)
            return None
        files = Files(endpoint.certfile, endpoint.keyfile, endpoint.cafile)
        for listener in self._listeners.values():
            certificate = listener.behind.certificate
            if certificate is not None and certificate.files == files:
                return certificate
        try:
            return Certificate(files, self.clock.seconds)
        except BadCertificate as error:
            raise CantListen(error.why, 2, endpoint, error.key) from None

    def _behind(self, endpoint: Endpoint) -> Behind:
        certificate = self._certificate(endpoint)
        served = self.factory_for(endpoint)
        for listener in self._listeners.values():
            behind = listener.behind
            if behind.served is served and behind.certificate is certificate:
                return behind
        inner = served
        if certificate is not None:
            inner = secured(served, certificate, self.clock)
        return Behind(served, certificate, self.guard(inner))

    def _check_reach(self, endpoint: Endpoint, address: Address, safe: bool) -> None:
        if self.insecure or endpoint.cafile is not None or safe:
            return
        raise CantListen(
            f"{address.text} can be reached from other machines, and whoever reaches it can "
            "run programs here: ask for tokens with --token-file, use 127.0.0.1 or a unix "
            "socket, or say --insecure",
            2,
            endpoint,
        )

    def _close(self, listener: Listener) -> None:
        closed = listener.close()
        self._closing.append(closed)
        closed.addCallback(lambda _: self._closing.remove(closed))


@frozen
class Opening:
    """
    Ports that are open and let nobody in yet, beside those that are to stay.
    """

    _endpoints: Endpoints
    _listeners: dict[Identity, Listener]

    def commit(self) -> list[str]:
        """
        Let clients in, and close the ports that are not wanted any more.  Connections
        that came by those live on, and so do those that began without TLS, or with
        another certificate, where a port has another now.

        @return: Why certificates can't be read again, so that the ones before still
            are used; and what is odd about others.
        """
        self._endpoints.exchange(self._listeners)
        return self._endpoints.refresh()

    def abandon(self) -> None:
        """
        Close those that were opened for this.
        """
        self._endpoints.undo(self._listeners)


def _overlap(one: tuple[str, int] | None, other: tuple[str, int] | None) -> bool:
    """
    Whether only one of these can be listened on.
    """
    if one is None or other is None or one[1] != other[1]:
        return False
    return one[0] == other[0] or bool({"0.0.0.0", "::"} & {one[0], other[0]})  # noqa: S104 # compared


def _cannot(endpoint: Endpoint, address: Address, why: str) -> CantListen:
    return CantListen(f"can't listen on {address.text}: {why}", 1, endpoint)


def _last(identity: Identity) -> bool:
    """
    What is undone with most effort is begun last: the file of a unix socket would stay
    behind where a start fails.
    """
    return identity[0] in ("unix", "fd")
