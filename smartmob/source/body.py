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

#: Bytes that wait for the disk before the server is made to wait, and for how few
#: it is let go on.
HIGH_WATER = 4 << 20
LOW_WATER = 1 << 20


class BodyToFile(Protocol):
    """
    Writes what it receives to a new file, one batch at a time, in another thread.

    @ivar finished: Fires with the number of bytes when all of them are in the file,
        and fails with a L{SourceError}.  Cancelling it cuts the connection.
    @ivar settled: Fires once no thread writes to the file any more, however it
        ended; after C{finished}.
    """

    def __init__(
        self, disk: Worker, file: NewFile, connection: Connection, limits: SourceLimits
    ) -> None:
        self.finished: Deferred[int] = Deferred(self._cancelled)
        self.settled: Deferred[None] = Deferred()
        self._disk = disk
        self._file = file
        self._connection = connection
        self._limits = limits
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._size = 0
        self._paused = False
        self._open = True
        self._failed: SourceError | None = None
        self._writing = True
        disk.run(file.open).addCallbacks(lambda _: self._written(), self._not_written)

    def dataReceived(self, data: bytes) -> None:
        """
        Take bytes for the file.
        """
        if self._failed is not None:
            return
        self._size += len(data)
        if self._size > self._limits.download_bytes:
            self._fail(too_large(self._connection, self._limits))
            return
        self._chunks.append(data)
        self._waiting += len(data)
        self._write()
        if self._waiting > HIGH_WATER and not self._paused:
            self._pause(True)

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
        self._settle()

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        self._connection.hold(paused)
        if self._open:
            # What twisted.web gives a body for a transport is a push producer.
            transport = cast(IPushProducer, self.transport)
            if paused:
                transport.pauseProducing()
            else:
                transport.resumeProducing()

    def _write(self) -> None:
        if self._writing or not self._chunks or self._failed is not None:
            return
        chunks, self._chunks = self._chunks, []
        self._waiting = 0
        self._writing = True
        done = self._disk.run(self._file.write, chunks)
        done.addCallbacks(lambda _: self._written(), self._not_written)

    def _written(self) -> None:
        self._writing = False
        self._write()
        if self._paused and self._waiting < LOW_WATER:
            self._pause(False)
        self._settle()

    def _not_written(self, failure: Failure) -> None:
        self._writing = False
        self._fail(disk_error(failure))
        self._settle()

    def _fail(self, why: SourceError) -> None:
        self._failed = why
        self._chunks.clear()
        self._connection.cut(why)

    def _cancelled(self, _: Deferred[int]) -> None:
        # What is in a thread's hands is still written; then it is settled.
        self._fail(SourceUnavailable("it was abandoned"))

    def _settle(self) -> None:
        """
        Tell, once nothing comes any more and no thread writes.
        """
        if self._open or self._writing or (self._chunks and self._failed is None):
            return
        if not self.finished.called:
            if self._failed is not None:
                self.finished.errback(self._failed)
            else:
                self.finished.callback(self._size)
        if not self.settled.called:
            self.settled.callback(None)


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
