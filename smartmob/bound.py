"""
What a Twisted endpoint string is going to listen on, said before it does.
"""

from __future__ import annotations

from attrs import frozen
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure


@frozen
class Bound:
    """
    A TCP socket's.

    @ivar interface: An address, or a name of one; all of them where it is empty.
    @ivar port: As it was asked for, so that it may be none at all.
    @ivar backlog: Connections that may wait to be accepted.
    """

    interface: str
    port: int
    backlog: int


def bound(text: str) -> Bound | None:
    """
    What an endpoint string that Twisted itself knows asks a reactor for.

    @return: C{None}: no TCP socket.
    @raise Exception: It is none; each kind has its own.
    """
    asked = _Asked()
    serverFromString(asked, text).listen(Factory()).addErrback(_trap)
    return asked.bound


class _NotOpened(Exception):
    """
    Only what was asked for is of interest.
    """


def _trap(failure: Failure) -> None:
    failure.trap(_NotOpened)


class _Asked:
    """
    A reactor that opens nothing.
    """

    bound: Bound | None = None

    def listenTCP(
        self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = ""
    ) -> None:
        """
        See L{twisted.internet.interfaces.IReactorTCP.listenTCP}.
        """
        self.bound = Bound(interface, port, backlog)
        raise _NotOpened

    def listenSSL(
        self,
        port: int,
        factory: IProtocolFactory,
        contextFactory: object,
        backlog: int = 50,
        interface: str = "",
    ) -> None:
        """
        See L{twisted.internet.interfaces.IReactorSSL.listenSSL}.
        """
        self.listenTCP(port, factory, backlog, interface)
