"""
An archive on its way from a client to the disk.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Protocol

from attrs import frozen
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from smartmob.refusals import OutOfDescriptors, Refusal, StateNotWritten
from smartmob.source.disk import NewFile, Worker
from smartmob.source.errors import SourceError
from smartmob.source.reserve import Reserve
from smartmob.source.spool import Spool

#: As for downloads, but less: there may be many at the same time.
HIGH_WATER = 1 << 20
LOW_WATER = 256 << 10


class Sender(Protocol):
    """
    Who sends an archive.
    """

    @property
    def share(self) -> object:
        """
        What is the same for all that one client sends; C{None}: nobody is asked who they are.
        """

    def hold(self, held: bool) -> None:
        """
        Wait, for the disk is behind; or go on.
        """

    def refuse(self, why: Failure) -> None:
        """
        Send no more: nothing of it will be kept.
        """


@frozen
class Stored:
    """
    An archive that is kept.

    @ivar sha256: Of its bytes, in hexadecimal digits.
    @ivar size: Their number.
    """

    sha256: str
    size: int


class Abandoned(Exception):
    """
    The client is gone.
    """


class Upload:
    """
    An archive that a client sends.

    @ivar path: The file that it is written to.
    @ivar size: Bytes that came.
    @ivar share: See L{Sender.share}.
    @ivar settled: Fires once nothing comes any more and no thread writes to the file.
    @ivar done: Once all of it came, fires with the L{Stored} archive, or fails with
        the L{Refusal} that says why there is none.
    """

    def __init__(
        self,
        path: str,
        disk: Worker,
        ready: Deferred[None],
        sender: Sender,
        make_room: Callable[[int], None],
        reserve: Reserve | None = None,
        expected: int | None = None,
    ) -> None:
        """
        @param ready: Fires when the file's folder is there.
        @param make_room: Told how many bytes are to be written, before they are.
            Raises a L{Refusal} where there is no room.
        @param reserve: What of the disk stays free.
        @param expected: The size, where that is known.
        """
        self.path = path
        self.size = 0
        self.share = sender.share
        self.done: Deferred[Stored] = Deferred()
        self._file = NewFile(path, reserve, expected)
        self._disk = disk
        self._sender = sender
        self._make_room = make_room
        self._complete = False
        self._failure: Failure | None = None
        opened: Deferred[None] = Deferred()
        self._spool = Spool(
            disk,
            self._file,
            opened,
            hold=sender.hold,
            failed=self._not_written,
            high_water=HIGH_WATER,
            low_water=LOW_WATER,
        )
        self.settled = self._spool.settled
        ready.addCallback(lambda _: disk.run(self._file.open)).chainDeferred(opened)

    def write(self, data: bytes) -> None:
        """
        Take bytes.
        """
        if self._failure is not None:
            return
        try:
            self._make_room(len(data))
        except Refusal:
            self.fail(Failure())
            return
        self.size += len(data)
        self._spool.write(data)

    def finish(self) -> Deferred[Stored]:
        """
        All of it came.  From now on a client that goes away changes nothing.

        @return: C{done}; cancelling it changes nothing either.  Or why it has failed
            before.
        """
        if self._failure is not None:
            return fail(self._failure)
        self._complete = True
        self._spool.end()
        return self.done

    def abandon(self) -> None:
        """
        The client is gone.
        """
        if self._failure is None and not self._complete:
            self._give_up(Failure(Abandoned()))

    def fail(self, why: Failure) -> None:
        """
        It will not be kept.
        """
        if self._failure is None:
            self._give_up(why)
            if not self._complete:
                self._sender.refuse(why)

    async def close(self) -> Stored:
        """
        Let go of the file, when all is settled.

        @return: What is in it, which is on the disk.
        @raise Exception: Why it is not to be kept.
        """
        try:
            if self._failure is None:
                await self._disk.run(self._file.sync)
        finally:
            sha256 = await self._disk.run(self._file.close)
        if self._failure is not None:
            self._failure.raiseException()
        return Stored(sha256, self.size)

    def tell(self, outcome: Stored | Failure) -> None:
        """
        It is over.
        """
        if self._complete:
            self.done.callback(outcome)

    def _give_up(self, why: Failure) -> None:
        self._failure = why
        self._spool.abandon()
        self._spool.end()

    def _not_written(self, failure: Failure) -> None:
        self.fail(Failure(refusal_of(failure.value)))


def refusal_of(error: BaseException | None) -> BaseException:
    """
    What it means to a client that a file can't be written.
    """
    match error:
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return OutOfDescriptors("the agent may not open one more file; try again later")
        case OSError():
            why = error.strerror or type(error).__name__
            return StateNotWritten(f"the archive could not be written: {why}")
        case SourceError():
            return StateNotWritten(error.reason)
    assert error is not None
    return error
