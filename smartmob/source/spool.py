"""
Bytes on their way to a file, at the pace of the disk.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from smartmob.source.disk import NewFile, Worker

#: Bytes that wait for the disk before their sender is made to wait, and for how few
#: it is let go on.
HIGH_WATER = 4 << 20
LOW_WATER = 1 << 20


class Spool:
    """
    Writes what it is given to a new file, one batch at a time, in another thread.

    @ivar settled: Fires once nothing comes any more and no thread writes to the file,
        however that came about.
    """

    def __init__(
        self,
        disk: Worker,
        file: NewFile,
        opened: Deferred[None],
        *,
        hold: Callable[[bool], None],
        failed: Callable[[Failure], None],
        high_water: int = HIGH_WATER,
        low_water: int = LOW_WATER,
    ) -> None:
        """
        @param opened: Fires when the file is open.
        @param hold: Called with True when the sender should wait, and then with False
            when it may go on.
        @param failed: Told why the file can't be written; what still comes is thrown
            away then.
        """
        self.settled: Deferred[None] = Deferred()
        self._disk = disk
        self._file = file
        self._hold = hold
        self._failed = failed
        self._high_water = high_water
        self._low_water = low_water
        # One piece, not a list of many: a client decides how small those are.
        self._batch = bytearray()
        self._held = False
        self._writing = True
        self._ended = False
        self._abandoned = False
        opened.addCallbacks(lambda _: self._written(), self._not_written)

    def write(self, data: bytes) -> None:
        """
        Take bytes for the file.
        """
        if self._abandoned:
            return
        self._batch += data
        self._write()
        if len(self._batch) > self._high_water and not self._held:
            self._held = True
            self._hold(True)

    def end(self) -> None:
        """
        Nothing comes any more.
        """
        self._ended = True
        self._settle()

    def abandon(self) -> None:
        """
        Write no more than what a thread has in its hands.
        """
        self._abandoned = True
        self._batch.clear()
        self._settle()

    def _write(self) -> None:
        if self._writing or not self._batch:
            return
        batch, self._batch = self._batch, bytearray()
        self._writing = True
        done = self._disk.run(self._file.write, batch)
        done.addCallbacks(lambda _: self._written(), self._not_written)

    def _written(self) -> None:
        self._writing = False
        self._write()
        if self._held and not self._abandoned and len(self._batch) < self._low_water:
            self._held = False
            self._hold(False)
        self._settle()

    def _not_written(self, failure: Failure) -> None:
        self._writing = False
        self._abandoned = True
        self._batch.clear()
        self._failed(failure)
        self._settle()

    def _settle(self) -> None:
        over = self._ended and not self._writing and not self._batch
        if over and not self.settled.called:
            self.settled.callback(None)
