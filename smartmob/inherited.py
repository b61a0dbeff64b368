"""
Listening sockets that were handed down to the agent.
"""

from __future__ import annotations

import os
import socket

from attrs import frozen
from twisted.internet import unix
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorSocket,
    IStreamServerEndpoint,
)
from zope.interface import implementer


@implementer(IStreamServerEndpoint)
@frozen
class InheritedEndpoint:
    """
    A listening socket that somebody else made, and may use again.

    @ivar number: The descriptor it came as.  It stays open until L{keep}, so that
        it can be listened on again where that is undone.
    @ivar where: The IP address and the port that it is bound to, where it is to such.
    """

    reactor: IReactorSocket
    number: int
    family: socket.AddressFamily
    where: tuple[str, int] | None = None

    @classmethod
    def of(cls, reactor: IReactorSocket, number: int) -> InheritedEndpoint:
        """
        @raise OSError: It is no socket.
        @raise ValueError: It is one that does not listen.
        """
        with socket.socket(fileno=os.dup(number)) as inherited:
            if not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise ValueError("it is a socket that does not listen")
            internet = inherited.family in (socket.AF_INET, socket.AF_INET6)
            where = inherited.getsockname()[:2] if internet else None
            return cls(reactor, number, inherited.family, where)

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        See L{IStreamServerEndpoint.listen}.
        """
        return execute(self._listen, factory)

    def keep(self) -> None:
        """
        It is listened on for good.
        """
        os.close(self.number)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        os.set_blocking(self.number, False)
        port: IListeningPort
        if self.family == socket.AF_UNIX:
            port = InheritedUnixPort.of(self.reactor, self.number, factory)
        else:
            port = self.reactor.adoptStreamPort(
                self.number,
                self.family,
                factory,  # type: ignore[arg-type] # any factory, its documentation says
            )
        return port


class InheritedUnixPort(unix.Port):
    """
    A unix socket that is another's: Twisted would give its file to everybody (mode
    666) to begin with, and at the end remove it, and shut the socket down for whoever
    else has it, such as systemd.
    """

    _shouldShutdown = False

    @classmethod
    def of(
        cls, reactor: IReactorSocket, number: int, factory: IProtocolFactory
    ) -> InheritedUnixPort:
        """
        Listen.
        """
        port: InheritedUnixPort = cls._fromListeningDescriptor(reactor, number, factory)
        port._bindPath = b"\0"  # as where no file belongs to it
        port.backlog = socket.SOMAXCONN  # it is set anew; the kernel has its own bound
        port.startListening()
        return port
