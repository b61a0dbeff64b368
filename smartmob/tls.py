"""
TLS around a factory: handshakes that come to an end, and nothing before they have.
"""

from __future__ import annotations

from collections.abc import Callable

from OpenSSL import SSL
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import (
    BufferingTLSTransport,
    TLSMemoryBIOFactory,
    TLSMemoryBIOProtocol,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.certificate import Certificate, openssl_says

_log = Logger()

HANDSHAKE_SECONDS = 20.0
"""What a client has to agree on keys."""


def secured(
    factory: IProtocolFactory, certificate: Certificate, clock: IReactorTime
) -> IProtocolFactory:
    """
    A factory whose connections speak TLS to their clients, and then as C{factory}'s.
    """
    made = TLSMemoryBIOFactory(certificate, False, Handshakes(factory, clock), clock)
    made.protocol = Secured
    return made


class Secured(BufferingTLSTransport):
    """
    A connection with TLS, which is let go at its end.  Twisted's has a Failure then that has
    the frames it was made in, and these it: with all that OpenSSL keeps for a connection it
    would stay until somebody looks for such circles.
    """

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        """
        There is no TLS any more.
        """
        super()._tlsShutdownFinished(reason)
        if reason is not None:
            reason.cleanFailure()


class Handshakes(Factory):
    """
    Makes a protocol once its connection is a secure one, and not before.
    """

    noisy = False

    def __init__(self, factory: IProtocolFactory, clock: IReactorTime) -> None:
        """
        @param factory: Makes the protocols.
        """
        self._factory = factory
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> Handshake:
        """
        A client begins.
        """
        return Handshake(
            self._clock,
            lambda: self._factory.buildProtocol(addr),  # type: ignore[arg-type] # Twisted's own passes None on, too
        )

    def doStart(self) -> None:
        """
        A port listens.
        """
        self._factory.doStart()

    def doStop(self) -> None:
        """
        A port does not listen any more.
        """
        self._factory.doStop()


@implementer(IHandshakeListener)
class Handshake(Protocol):
    """
    What stands behind TLS until there are keys.
    """

    transport: TLSMemoryBIOProtocol
    _deadline: IDelayedCall

    def __init__(self, clock: IReactorTime, build: Callable[[], IProtocol | None]) -> None:
        """
        @param build: Makes what takes its place.
        """
        self._clock = clock
        self._build = build

    def connectionMade(self) -> None:
        """
        The client's time begins.
        """
        self._deadline = self._clock.callLater(
            HANDSHAKE_SECONDS, self.transport.abortConnection
        )

    def handshakeCompleted(self) -> None:
        """
        There are keys, and whoever has to show a certificate has shown a good one.
        """
        self._deadline.cancel()
        protocol = self._build()
        if protocol is None:
            self.transport.abortConnection()
        else:
            self.transport.wrappedProtocol = protocol
            protocol.makeConnection(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone, or was sent away.
        """
        if self._deadline.active():
            self._deadline.cancel()
        if isinstance(reason.value, SSL.Error):
            _log.info(
                "no TLS with {peer}: {why}",
                peer=getattr(self.transport.getPeer(), "host", "a unix socket"),
                why=openssl_says(reason.value),
            )
