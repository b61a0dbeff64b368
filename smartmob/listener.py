"""
One open port, and what is behind it, which can be exchanged while it is open.
"""

from __future__ import annotations

import errno
import os

from attrs import evolve, frozen
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Port
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.accepting import SHARED, Accepting
from smartmob.address import Address
from smartmob.certificate import Certificate
from smartmob.config.configuration import Endpoint
from smartmob.inherited import InheritedEndpoint
from smartmob.unix_socket import UnixPort

_log = Logger()


class NotListening(Exception):
    """
    A port can't be opened; the message says why, without the address.

    @ivar taken: Somebody else listens there.
    """

    def __init__(self, why: str, *, taken: bool = False) -> None:
        super().__init__(why)
        self.taken = taken


@frozen(eq=False, repr=False)
class Behind:
    """
    What is behind a port.

    @ivar served: Makes what speaks to clients.
    @ivar certificate: What those are shown; C{None}: there is no TLS.
    @ivar factory: Makes their connections: C{served}, and what is around it.
    """

    served: IProtocolFactory
    certificate: Certificate | None
    factory: IProtocolFactory


@implementer(IProtocolFactory)
class Entrance:
    """
    The factory that a port is opened with, and keeps.
    """

    def __init__(self, behind: IProtocolFactory, *, wrapped: bool) -> None:
        """
        @param behind: Makes the protocols.
        @param wrapped: There is something around this that knows of no refusals.
        """
        self._behind = behind
        self._wrapped = wrapped

    def exchange(self, behind: IProtocolFactory) -> None:
        """
        From now on protocols are made by this.
        """
        behind.doStart()
        self._behind.doStop()
        self._behind = behind

    def doStart(self) -> None:
        """
        See L{IProtocolFactory.doStart}.
        """
        self._behind.doStart()

    def doStop(self) -> None:
        """
        See L{IProtocolFactory.doStop}.
        """
        self._behind.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """
        See L{IProtocolFactory.buildProtocol}.
        """
        protocol = self._behind.buildProtocol(addr)
        return Refused() if protocol is None and self._wrapped else protocol


class Refused(Protocol):
    """
    A connection that is one too many, where C{None} in its place would not do.
    """

    transport: ITCPTransport

    def connectionMade(self) -> None:
        """
        Close it, without an answer.
        """
        self.transport.abortConnection()


@frozen(eq=False, repr=False, kw_only=True)
class Listener:
    """
    An open port.

    @ivar endpoint: What it is configured by.
    """

    endpoint: Endpoint
    address: Address
    behind: Behind
    port: IListeningPort
    entrance: Entrance

    def url(self) -> str:
        """
        Where clients reach it.
        """
        return self.address.url(self.port, secure=self.behind.certificate is not None)

    @property
    def where(self) -> tuple[str, int] | None:
        """
        The IP address and the port that it is bound to, where it is to such.
        """
        bound: IAddress = self.port.getHost()
        if isinstance(bound, (IPv4Address, IPv6Address)):
            return bound.host, bound.port
        return None

    def is_there(self) -> bool:
        """
        Whether clients find it: somebody may have removed the file of a unix socket.
        """
        return not isinstance(self.port, UnixPort) or self.port.is_there()

    def instead(self, endpoint: Endpoint, address: Address, behind: Behind) -> Listener:
        """
        The same port as it is to be, once that follows this.
        """
        return evolve(self, endpoint=endpoint, address=address, behind=behind)

    def follow(self, before: Listener) -> None:
        """
        Have the port be as it is said here.  Connections stay as they are.
        """
        if self.behind is not before.behind:
            self.entrance.exchange(self.behind.factory)
        if self.address.mode != before.address.mode and self.address.mode is not None:
            _set_mode(self.address.identity[1], self.address.mode)
        backlog = self.address.backlog
        if backlog is not None and backlog != before.address.backlog:
            assert isinstance(self.port, Port), "it is one of ours"
            self.port.socket.listen(backlog)

    def begin(self) -> None:
        """
        Let clients in.
        """
        if isinstance(self.port, FileDescriptor):
            self.port.startReading()
        if isinstance(self.address.endpoint, InheritedEndpoint):
            self.address.endpoint.keep()

    def close(self) -> Deferred[None]:
        """
        Stop listening.  Fires when the port is gone; connections stay.
        """
        closed = maybeDeferred(self.port.stopListening)
        closed.addErrback(
            lambda why: _log.failure("closing {address}", why, address=self.address.text)
        )
        return closed.addCallback(lambda _: None)


def listen(endpoint: Endpoint, address: Address, behind: Behind) -> Listener:
    """
    Open a port that lets nobody in yet: who comes has to wait, as while the agent is
    busy.

    @raise NotListening: It can't be opened.
    """
    entrance = Entrance(behind.factory, wrapped=address.wraps)
    heard: list[IListeningPort] = []
    failed: list[Failure] = []
    # What an address can be listens at once, or not at all.
    listening = address.endpoint.listen(entrance)
    listening.addCallbacks(heard.append, failed.append)
    if failed:
        cause = _cause(failed[0])
        why = getattr(cause, "strerror", None) or str(cause)
        raise NotListening(why, taken=getattr(cause, "errno", None) == errno.EADDRINUSE)
    if not heard:
        listening.cancel()
        raise NotListening("it does not listen at once")
    [port] = heard
    if isinstance(port, FileDescriptor):
        port.stopReading()
    if isinstance(port, Port):
        inherited = isinstance(address.endpoint, InheritedEndpoint)
        Accepting(port, IReactorTime(port.reactor), SHARED if inherited else None)
    return Listener(
        endpoint=endpoint, address=address, behind=behind, port=port, entrance=entrance
    )


def _set_mode(path: object, mode: int) -> None:
    try:
        os.chmod(str(path), mode)
    except OSError as error:
        _log.error(
            "can't make the mode of {path} {mode:o}: {why}",
            path=path,
            mode=mode,
            why=error.strerror,
        )


def _cause(failure: Failure) -> BaseException | None:
    error = failure.value
    return error.socketError if isinstance(error, CannotListenError) else error
