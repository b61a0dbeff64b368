"""
The half of a connection that lines are brought to, whatever it speaks.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.web.keepalive import Keepalive
from smartmob.web.socket_writer import SocketWriter


@implementer(IReader, IPushProducer)
class Recipient:
    """
    Between a subscription, which has lines, and a transport, which takes them.

    It takes its place among the readers at once, so that a client for which there
    is none is refused in HTTP.
    """

    def __init__(self, attach: Callable[[IReader], Subscription]) -> None:
        """
        @param attach: Gives a reader the lines that are wanted.
        @raise TooManyReaders: There is no place.
        """
        self._why: Ending | None = None
        self._writer: SocketWriter | None = None
        self._keepalive: Keepalive | None = None
        self._subscription: Subscription = attach(self)

    def pauseProducing(self) -> None:
        """
        The transport has enough.
        """
        self._subscription.pause()

    def resumeProducing(self) -> None:
        """
        The transport has sent all it had.
        """
        self._subscription.resume()

    def stopProducing(self) -> None:
        """
        The transport is lost.
        """
        self.gone()

    def gone(self) -> None:
        """
        The connection is lost.  May be repeated.
        """
        self._subscription.detach()
        if self._keepalive is not None:
            self._keepalive.stop()

    def ending(self, why: Ending) -> None:
        """
        See L{IReader.ending}.
        """
        self._why = why
        if self._keepalive is not None:
            self._keepalive.linger()

    def write(self, data: bytes) -> None:
        """
        See L{IReader.write}.
        """
        raise NotImplementedError

    def ended(self) -> None:
        """
        See L{IReader.ended}.
        """
        raise NotImplementedError
