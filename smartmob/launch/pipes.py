"""
The agent's ends of pipes, as descriptors of the reactor.
"""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Callable
from fcntl import ioctl
from termios import FIONREAD
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IReadDescriptor,
    IWriteDescriptor,
)
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.launch.turns import LONG, Portion, Turns

CHUNK = 65536
"""
Bytes that are read at once: what a pipe holds.  Larger reads are not faster.
"""


class Reactor(Protocol):
    """
    What this room needs of one: descriptors, and time.
    """

    def addReader(self, reader: IReadDescriptor) -> object: ...
    def removeReader(self, reader: IReadDescriptor) -> object: ...
    def addWriter(self, writer: IWriteDescriptor) -> object: ...
    def removeWriter(self, writer: IWriteDescriptor) -> object: ...
    def seconds(self) -> float: ...
    def callLater(
        self, delay: float, act: Callable[..., object], /, *args: object
    ) -> IDelayedCall: ...


@implementer(IReadDescriptor)
class Reader:
    """
    The reading end of a pipe.  One read a turn of the reactor, if there is time for it in this
    turn: no pipe starves another, and all pipes together starve nobody.

    @ivar fd: The descriptor; -1 once it is closed.
    """

    __slots__ = ("_got", "_lost", "_paused", "_portion", "_reactor", "_taking", "_turns", "fd")

    def __init__(
        self,
        reactor: Reactor,
        turns: Turns,
        fd: int,
        got: Callable[[bytes], None],
        lost: Callable[[], None],
    ) -> None:
        """
        @param turns: Shared with all other pipes.
        @param got: Called with what was read.  It must not raise.
        @param lost: Called when every writing end is closed, or L{close} was called.
        """
        os.set_blocking(fd, False)
        self.fd = fd
        self._reactor = reactor
        self._turns = turns
        self._portion = Portion(CHUNK)
        self._got = got
        self._lost = lost
        self._paused = True
        self._taking = False

    def fileno(self) -> int:
        """
        The descriptor.
        """
        return self.fd

    def logPrefix(self) -> str:
        """
        For the reactor's complaints.
        """
        return "output"

    def doRead(self) -> Exception | None:  # type: ignore[override] # the reactor wants this
        """
        Read once, now or in the next turn.
        """
        turns = self._turns
        if turns.over:
            self._wait()
            return None
        found = self._read()
        if not isinstance(found, int):
            return found
        if turns.waiting and self._has_more(found):
            self._wait()
        return None

    def take(self) -> bool:
        """
        See L{Source.take<smartmob.launch.turns.Source.take>}.
        """
        self._taking = True
        try:
            found = self._read()
        finally:
            self._taking = False
        if not isinstance(found, int):
            self.close()
        elif self._has_more(found):
            return True
        elif not self._paused:
            self._reactor.addReader(self)
        return False

    def _wait(self) -> None:
        self._reactor.removeReader(self)
        self._turns.wait(self)

    def _has_more(self, found: int) -> bool:
        """
        Whether there is probably more to read, where so much was found.
        """
        return found * 2 >= self._portion.size and not self._paused

    def _read(self) -> int | Exception:
        """
        Read once.

        @return: How much; or why there will be nothing more.
        """
        turns, portion = self._turns, self._portion
        began = turns.clock.seconds()
        size = portion.size
        try:
            data = os.read(self.fd, size)
        except BlockingIOError:
            return 0
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._got(data)
        took = turns.clock.seconds() - began
        turns.spend(took)
        if (took > LONG or size < CHUNK) and len(data) == size:
            portion.took(took)
        return len(data)

    def drain(self) -> None:
        """
        Read what is in the pipe at this moment, and no more, paused or not.
        """
        if self.fd < 0:
            return
        size = array("i", [0])
        ioctl(self.fd, FIONREAD, size)
        waiting = size[0]
        while waiting > 0 and self.fd >= 0:
            data = os.read(self.fd, min(waiting, CHUNK))
            waiting -= len(data)
            self._got(data)

    def pause(self) -> None:
        """
        Do not read.  So it begins.
        """
        if self.fd >= 0 and not self._paused:
            self._paused = True
            if not self._turns.forget(self):
                self._reactor.removeReader(self)

    def resume(self) -> None:
        """
        Read.
        """
        if self.fd >= 0 and self._paused:
            self._paused = False
            if not self._taking:
                self._reactor.addReader(self)

    def close(self) -> None:
        """
        Let go of the pipe.
        """
        if self.fd < 0:
            return
        self.pause()
        fd, self.fd = self.fd, -1
        os.close(fd)
        self._lost()

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor says that it is over.
        """
        self.close()


@implementer(IWriteDescriptor)
class Writer:
    """
    The writing end of a pipe: what it does not take at once waits here.

    The bound is the caller's to keep, by C{buffered}.

    @ivar fd: The descriptor; -1 once it is closed.
    @ivar buffered: Bytes that wait.
    @ivar closing: Nothing more may be written.
    """

    def __init__(self, reactor: Reactor, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.buffered = 0
        self.closing = False
        self._reactor = reactor
        self._waiting: deque[bytes] = deque()
        self._deferreds: list[Deferred[None]] = []

    def fileno(self) -> int:
        """
        The descriptor.
        """
        return self.fd

    def logPrefix(self) -> str:
        """
        For the reactor's complaints.
        """
        return "input"

    def write(self, data: bytes) -> None:
        """
        Write now, or when there is room.  Where nobody reads any more, it is dropped.
        """
        if self.fd < 0 or self.closing or not data:
            return
        self._waiting.append(data)
        self.buffered += len(data)
        if len(self._waiting) == 1:
            self.doWrite()
            if self._waiting:
                self._reactor.addWriter(self)

    def doWrite(self) -> None:
        """
        Write what waits, until there is no room.
        """
        while self._waiting:
            data = self._waiting[0]
            try:
                taken = os.write(self.fd, data[:CHUNK])
            except BlockingIOError:
                return
            except OSError:
                self.close()  # EPIPE: it reads no more
                return
            self.buffered -= taken
            if taken < len(data):
                self._waiting[0] = data[taken:]
            else:
                self._waiting.popleft()
        if self.closing:
            self.close()
            return
        self._reactor.removeWriter(self)
        self._fire()

    def finish(self) -> None:
        """
        Close it, once all that waits was taken.
        """
        self.closing = True
        if not self._waiting:
            self.close()

    def when_empty(self) -> Deferred[None]:
        """
        Fires when nothing waits, or nothing will be taken any more.
        """
        if not self._waiting:
            return succeed(None)
        deferred: Deferred[None] = Deferred(self._deferreds.remove)
        self._deferreds.append(deferred)
        return deferred

    def close(self) -> None:
        """
        Let go of the pipe; what waits is dropped.
        """
        self.closing = True
        self._waiting.clear()
        self.buffered = 0
        if self.fd >= 0:
            self._reactor.removeWriter(self)
            fd, self.fd = self.fd, -1
            os.close(fd)
        self._fire()

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor says that it is over.
        """
        self.close()

    def _fire(self) -> None:
        deferreds, self._deferreds = self._deferreds, []
        for deferred in deferreds:
            deferred.callback(None)
