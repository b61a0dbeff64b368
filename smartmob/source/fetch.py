"""
Downloading an archive to a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from attrs import field, frozen
from OpenSSL import SSL
from service_identity.exceptions import VerificationError
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS, IResponse

from smartmob import __version__
from smartmob.retry_after import is_for_now, seconds_of
from smartmob.source.body import BodyToFile, too_large
from smartmob.source.connection import Connection
from smartmob.source.disk import NewFile, Worker
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.limits import SourceLimits
from smartmob.source.location import Location
from smartmob.source.rules import SourceRules

_REDIRECTS = (301, 302, 303, 307, 308)


@frozen(eq=False, repr=False)
class Fetcher:
    """
    Downloads archives.

    @ivar policy: How the certificates of https servers are checked.
    @ivar rules: Says where sources may come from by now.
    @ivar wall: Seconds since the epoch.
    """

    reactor: IReactorTime
    disk: Worker
    limits: SourceLimits = field(factory=SourceLimits)
    policy: IPolicyForHTTPS = field(factory=BrowserLikePolicyForHTTPS)
    rules: Callable[[], SourceRules] = SourceRules
    wall: Callable[[], float] = time.time
    # Who waits for one keeps it.
    _turns: WeakValueDictionary[tuple[str, int], DeferredSemaphore] = field(
        factory=WeakValueDictionary, init=False
    )
    _all: DeferredSemaphore = field(init=False)

    @_all.default
    def _turns_in_all(self) -> DeferredSemaphore:
        return DeferredSemaphore(self.limits.downloads_in_all)

    async def fetch(self, url: str, path: str, request_id: str) -> str:
        """
        Download to a new file C{path}.  Whoever calls removes it, also after a
        failure; when this is over, nothing writes to it any more.

        @return: The sha256 of its bytes, in hexadecimal digits.
        @raise SourceUnavailable: If it may succeed later.
        @raise SourceRefused: If it won't.
        """
        location = Location.parse(url)
        server = (location.host, location.port)
        turns = self._turns.get(server)
        if turns is None:
            turns = self._turns[server] = DeferredSemaphore(self.limits.downloads)
        async with turns, self._all:
            return await self._follow(location, path, request_id)

    async def _follow(self, location: Location, path: str, request_id: str) -> str:
        """
        Download from a location, or from where it redirects to.
        """
        for _ in range(self.limits.redirects + 1):
            private = self.rules().private
            location.check_host(private=private)
            connection = Connection(self.reactor, location, self.limits, self.policy, private)
            try:
                response = await self._ask(connection, request_id)
                if response.code not in _REDIRECTS:
                    return await self._store(connection, response, path)
            finally:
                # Nothing is asked a second time, and no body of an error is read.
                connection.cut()
            to = response.headers.getRawHeaders(b"location")
            if not to:
                raise SourceRefused(f"{location.shown} redirects without saying where to")
            location = self._redirected(location, to[0].decode("utf-8", "replace"))
        raise SourceRefused(f"more than {self.limits.redirects} redirects")

    def _redirected(self, location: Location, to: str) -> Location:
        """
        Where a redirect leads, which has to be where sources may come from.
        """
        there = location.redirected(to)
        if not self.rules().allows(there.place):
            raise SourceRefused(
                f"{location.shown} redirects to {there.shown}, which lies below none of "
                "allowed_sources"
            )
        return there

    async def _ask(self, connection: Connection, request_id: str) -> IResponse:
        """
        Send the request, and wait for the head of the answer.
        """
        agent = Agent.usingEndpointFactory(self.reactor, connection)
        headers = Headers(
            {
                b"User-Agent": [b"smartmob/" + __version__.encode("ascii")],
                # What is sent compressed on the way would have to be inflated, without
                # a bound on it.
                b"Accept-Encoding": [b"identity"],
                b"X-Request-Id": [request_id.encode("ascii", "replace")],
            }
        )
        asked: Deferred[IResponse] = agent.request(b"GET", connection.location.url, headers)
        late = self.reactor.callLater(
            self.limits.answer_seconds, self._too_late, connection, asked
        )
        try:
            response = await asked
        except Exception as error:
            raise _why(error, connection) from error
        finally:
            if late.active():
                late.cancel()
        connection.body_begins()
        return response

    def _too_late(self, connection: Connection, asked: Deferred[IResponse]) -> None:
        seconds = f"{self.limits.answer_seconds:g}"
        shown = connection.location.shown
        connection.failed = SourceUnavailable(
            f"{shown} did not answer within {seconds} seconds"
        )
        asked.cancel()

    async def _store(self, connection: Connection, response: IResponse, path: str) -> str:
        """
        Write the body of an answer to a file.
        """
        self._check(connection, response)
        length = response.length if isinstance(response.length, int) else None
        file = NewFile(path, self.limits.reserve, length)
        body = BodyToFile(self.disk, file, connection, self.limits)
        late = self.reactor.callLater(self.limits.download_seconds, self._too_long, connection)
        try:
            response.deliverBody(body)
            await body.finished
        except Exception:
            await body.settled
            await self.disk.run(file.close)
            raise
        finally:
            if late.active():
                late.cancel()
        await body.settled
        return await self.disk.run(file.close)

    def _too_long(self, connection: Connection) -> None:
        seconds = f"{self.limits.download_seconds:g}"
        shown = connection.location.shown
        connection.cut(SourceUnavailable(f"{shown} was not read within {seconds} seconds"))

    def _check(self, connection: Connection, response: IResponse) -> None:
        """
        Refuse an answer that is no archive.
        """
        shown = connection.location.shown
        code = response.code
        if is_for_now(code):
            raise SourceUnavailable(f"{shown} answered {code}", self._retry_after(response))
        if code != 200:
            raise SourceRefused(f"{shown} answered {code}")
        if isinstance(response.length, int) and response.length > self.limits.download_bytes:
            raise too_large(connection, self.limits)

    def _retry_after(self, response: IResponse) -> float | None:
        values = response.headers.getRawHeaders(b"retry-after")
        return seconds_of(values[0], self.wall()) if values else None


def _why(error: Exception, connection: Connection) -> Exception:
    """
    What a failure to get an answer means: later, never, or nobody wants it any more.
    """
    if connection.failed is not None:
        return connection.failed
    location = connection.location
    if isinstance(error, SourceError):
        return error
    if isinstance(error, DNSLookupError):
        return connection.not_found
    if isinstance(error, ConnectTimeout):
        return SourceUnavailable(f"{location.host} port {location.port} did not answer in time")
    if isinstance(error, ConnectError):
        # Twisted has the number there, and its own words around it.
        number = error.osError
        what = os.strerror(number) if isinstance(number, int) else str(number or error)
        return SourceUnavailable(
            f"no connection to {location.host} port {location.port}: {what}"
        )
    if isinstance(error, (ResponseNeverReceived, ResponseFailed, RequestTransmissionFailed)):
        return _why_broken([reason.value for reason in error.reasons], location)
    if isinstance(error, CancelledError):
        return error
    return SourceRefused(f"{location.shown} can't be read: {type(error).__name__}")


def _why_broken(reasons: list[BaseException], location: Location) -> Exception:
    """
    What it means that a connection was made, and ended without an answer.
    """
    for reason in reasons:
        if isinstance(reason, (ResponseNeverReceived, ResponseFailed)):
            return _why_broken([inner.value for inner in reason.reasons], location)
        if isinstance(reason, CancelledError):
            return reason
        if isinstance(reason, VerificationError):
            return SourceRefused(f"the certificate of {location.host} is for another name")
        if isinstance(reason, SSL.Error) and not isinstance(reason, SSL.SysCallError):
            return SourceRefused(
                f"no trusted TLS connection to {location.host}: {_tls(reason)}"
            )
        if not isinstance(reason, (ConnectionClosed, SSL.Error)):
            # What twisted.web raises where it can't read an answer.
            return SourceRefused(f"{location.shown} answered, but not as HTTP does")
    return SourceUnavailable(f"{location.shown} broke off before it answered")


def _tls(error: SSL.Error) -> str:
    """
    OpenSSL's own words.
    """
    words = [entry[-1] for entry in error.args[0]] if error.args else []
    return ", ".join(word for word in words if word) or "unknown reason"
