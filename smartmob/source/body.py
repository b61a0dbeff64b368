"""
A response's body on its way to a file, at the pace of the disk.
"""

from __future__ import annotations

import errno
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from smartmob.source.connection import Connection
from smartmob.source.disk import NewFile, Worker
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.limits import SourceLimits
from smartmob.source.spool import Spool


class BodyToFile(Protocol):
    """
    Writes what it receives to a new file.

    @ivar finished: Fires with the number of bytes when all of them are in the file,
        and fails with a L{SourceError}.  Cancelling it cuts the connection.
    @ivar settled: Fires once no thread writes to the file any more, however it
        ended; after C{finished}.
    """

    def __init__(
        self, disk: Worker, file: NewFile, connection: Connection, limits: SourceLimits
    ) -> None:
        self.finished: Deferred[int] = Deferred(self._cancelled)
        self._connection = connection
        self._limits = limits
        self._size = 0
        self._open = True
        self._failed: SourceError | None = None
        self._spool = Spool(
            disk, file, disk.run(file.open), hold=self._hold, failed=self._not_written
        )
        self.settled: Deferred[None] = self._spool.settled.addCallback(self._tell)

    def dataReceived(self, data: bytes) -> None:
        """
        Take bytes for the file.
        """
        if self._failed is not None:
            return
        self._size += len(data)
        if self._size > self._limits.download_bytes:
            self._fail(too_large(self._connection, self._limits))
        else:
            self._spool.write(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        The body is over, or broke off.

        A body without an announced length ends with the connection; where that was
        too early the archive is damaged, which shows later.
        """
        self._open = False
        if self._failed is None:
            assert reason is not None
            if self._connection.failed is not None:
                self._failed = self._connection.failed
            elif not reason.check(ResponseDone, PotentialDataLoss):
                shown = self._connection.location.shown
                self._failed = SourceUnavailable(f"the transfer of {shown} broke off")
            if self._failed is not None:
                self._spool.abandon()
        self._spool.end()

    def _hold(self, held: bool) -> None:
        self._connection.hold(held)
        if self._open:
            # What twisted.web gives a body for a transport is a push producer.
            transport = cast(IPushProducer, self.transport)
            if held:
                transport.pauseProducing()
            else:
                transport.resumeProducing()

    def _not_written(self, failure: Failure) -> None:
        self._failed = disk_error(failure)
        self._connection.cut(self._failed)

    def _fail(self, why: SourceError) -> None:
        self._failed = why
        self._spool.abandon()
        self._connection.cut(why)

    def _cancelled(self, _: Deferred[int]) -> None:
        # What is in a thread's hands is still written; then it is settled.
        self._fail(SourceUnavailable("it was abandoned"))

    def _tell(self, _: None) -> None:
        if self.finished.called:
            return
        if self._failed is not None:
            self.finished.errback(self._failed)
        else:
            self.finished.callback(self._size)


def too_large(connection: Connection, limits: SourceLimits) -> SourceRefused:
    """
    The archive is larger than may be.
    """
    limit = limits.download_bytes
    return SourceRefused(f"{connection.location.shown} is larger than {limit} bytes")


def disk_error(failure: Failure) -> SourceError:
    """
    The archive can't be written: now, or ever.
    """
    error = failure.value
    why = error.strerror if isinstance(error, OSError) else None
    reason = f"the download could not be written: {why or type(error).__name__}"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return SourceUnavailable(reason)
    return SourceRefused(reason)
