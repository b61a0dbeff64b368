"""
One POST to a sink: everything about it within a bound of time and of bytes.

Each has a connection of its own.  A kept one would be of use only where events come
quickly one after the other, and when it breaks nobody can say whether a POST was taken; and
a sink that serves one connection at a time, as simple ones do, would serve nobody else.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from attrs import define, field
from OpenSSL import SSL
from service_identity.exceptions import VerificationError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from smartmob.names import LookUp
from smartmob.target import Target
from smartmob.webhooks.connection import Connection
from smartmob.webhooks.outcome import Outcome, failed, judge, unreadable

TRY_SECONDS = 10.0
"""From the look-up of the name to the last byte of the answer."""

CLOSE_SECONDS = 1.0
"""How long the connection may be open when the answer is there."""

BODY_BYTES = 16 << 10
"""So much of an answer's body is read, and thrown away."""


@define(eq=False, repr=False)
class HttpPosting:
    """
    A POST under way.  See L{smartmob.webhooks.queue.Posting}.

    @ivar now: Seconds since the epoch.
    """

    reactor: IReactorTime
    target: Target
    policy: IPolicyForHTTPS
    look_up: LookUp
    now: Callable[[], float]
    outcome: Deferred[Outcome] = field(factory=Deferred, init=False)
    _connection: Connection = field(init=False)
    _asked: Deferred[None] = field(init=False)
    _late: IDelayedCall = field(init=False)
    _known: Outcome | None = field(default=None, init=False)
    _over: bool = field(default=False, init=False)

    def begin(self, headers: Headers, body: bytes) -> HttpPosting:
        """
        Connect, and send.
        """
        self._late = self.reactor.callLater(TRY_SECONDS, self._too_late)
        self._connection = Connection(
            self.reactor, self.target, self.policy, self.look_up, self._lost
        )
        agent = Agent.usingEndpointFactory(self.reactor, self._connection)
        asked = agent.request(b"POST", self.target.url, headers, _Body(body))
        self._asked = asked.addCallbacks(self._answered, self._unanswered)
        return self

    def cut(self) -> None:
        """
        End it at once.
        """
        self._end(failed("was not asked to the end"))

    def _too_late(self) -> None:
        self._end(failed(f"did not answer within {TRY_SECONDS:g} s"))

    def _end(self, outcome: Outcome) -> None:
        self._known = self._known or outcome
        self._asked.cancel()  # ends connecting; does nothing when there was an answer
        self._connection.cut()

    def _answered(self, response: IResponse) -> None:
        """
        There is the head of an answer, which says all that matters.
        """
        self._connection.body_begins()
        values = response.headers.getRawHeaders(b"retry-after") or [None]
        self._known = judge(response.code, values[0], self.now())
        response.deliverBody(_Drain(self._connection.cut, self._close))

    def _unanswered(self, failure: Failure) -> None:
        if self._known is None:
            overfull = self._connection.overfull
            reason = unreadable("answered with too large a head") if overfull else None
            self._known = reason or _why(failure, self.target)
        self._connection.cut()
        self._close()

    def _close(self) -> None:
        """
        All that is left is the connection.  The HTTP client has closed its own side: what
        is waited for is the other end of TLS.
        """
        self._over = True
        if not self._connection.open:
            self._finish()
        elif (
            self._late.active()
            and self._late.getTime() > self.reactor.seconds() + CLOSE_SECONDS
        ):
            self._late.reset(CLOSE_SECONDS)

    def _lost(self) -> None:
        # When the client is still about to connect by another address, or the body's
        # end has yet to be told, it is not over.
        if self._over:
            self._finish()

    def _finish(self) -> None:
        if self._late.active():
            self._late.cancel()
        assert self._known is not None
        self.outcome.callback(self._known)


@implementer(IBodyProducer)
class _Body:
    """
    A body that is there already.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """
        Write all of it.
        """
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """
        It is written at once.
        """

    def resumeProducing(self) -> None:
        """
        It is written at once.
        """

    def stopProducing(self) -> None:
        """
        It is written at once.
        """


class _Drain(Protocol):
    """
    Throws away the body of an answer, as far as it is no larger than L{BODY_BYTES}.
    """

    def __init__(self, cut: Callable[[], None], over: Callable[[], None]) -> None:
        self._cut = cut
        self._over = over
        self._count = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Count it.
        """
        self._count += len(data)
        if self._count > BODY_BYTES:
            self._cut()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        That was all, or all that there will be.
        """
        self._over()


def _why(failure: Failure, target: Target) -> Outcome:
    """
    Why there was no answer.
    """
    error = failure.value
    if isinstance(error, DNSLookupError):
        return failed(f"can't be reached: {target.host} was not found")
    if isinstance(error, ConnectTimeout):
        return failed("can't be reached: it did not answer in time")
    if isinstance(error, ConnectError):
        # Twisted has the number there, and its own words around it.
        number = error.osError
        what = os.strerror(number) if isinstance(number, int) else str(number or error)
        return failed(f"can't be reached: {what}")
    if isinstance(error, (ResponseNeverReceived, ResponseFailed, RequestTransmissionFailed)):
        return _why_broken([reason.value for reason in error.reasons], target)
    return failed(f"can't be asked: {type(error).__name__}")


def _why_broken(reasons: list[BaseException], target: Target) -> Outcome:
    """
    Why a connection was made, and ended without an answer.
    """
    for reason in reasons:
        if isinstance(reason, (ResponseNeverReceived, ResponseFailed)):
            return _why_broken([inner.value for inner in reason.reasons], target)
        if isinstance(reason, VerificationError):
            return failed("can't be trusted: its certificate is for another name")
        if isinstance(reason, SSL.Error) and not isinstance(reason, SSL.SysCallError):
            return failed(f"can't be trusted: {_tls(reason)}")
        if not isinstance(reason, (ConnectionClosed, SSL.Error)):
            # What twisted.web raises where it can't read an answer.
            return unreadable("answered, but not as HTTP does")
    return failed("broke off before it answered")


def _tls(error: SSL.Error) -> str:
    """
    OpenSSL's own words.
    """
    words = [entry[-1] for entry in error.args[0]] if error.args else []
    return ", ".join(word for word in words if word) or "unknown reason"
