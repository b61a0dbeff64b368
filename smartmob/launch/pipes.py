"""
The agent's ends of pipes and sockets, as the reactor likes them.
"""

from __future__ import annotations

import errno
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable
from fcntl import ioctl
from termios import FIONREAD
from typing import Protocol

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IReadDescriptor,
    IReadWriteDescriptor,
    IWriteDescriptor,
)
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.launch.wire import LARGEST

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
    def callLater(
        self, delay: float, act: Callable[..., object], /, *args: object
    ) -> IDelayedCall: ...


@implementer(IReadDescriptor)
class Reader:
    """
    The reading end of a pipe.  One read a turn of the reactor: no pipe starves
    another.

    @ivar fd: The descriptor; -1 once it is closed.
    """

    __slots__ = ("_got", "_lost", "_paused", "_reactor", "fd")

    def __init__(
        self,
        reactor: Reactor,
        fd: int,
        got: Callable[[bytes], None],
        lost: Callable[[], None],
    ) -> None:
        """
        @param got: Called with what was read.  It must not raise.
        @param lost: Called when every writing end is closed, or L{close} was called.
        """
        os.set_blocking(fd, False)
        self.fd = fd
        self._reactor = reactor
        self._got = got
        self._lost = lost
        self._paused = True

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
        Read once.
        """
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._got(data)
        return None

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
            self._reactor.removeReader(self)

    def resume(self) -> None:
        """
        Read.
        """
        if self.fd >= 0 and self._paused:
            self._paused = False
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


@frozen
class Parcel:
    """
    A packet on its way.

    @ivar descriptors: Go with it; closed as soon as they are gone, or can't go.
    @ivar undelivered: Called with the reason, where the kernel refuses it.
    """

    packet: bytes
    descriptors: tuple[int, ...]
    undelivered: Callable[[OSError], None]

    def drop(self) -> None:
        """
        Let go of the descriptors.
        """
        for descriptor in self.descriptors:
            os.close(descriptor)


@implementer(IReadWriteDescriptor)
class Packets:
    """
    A SOCK_SEQPACKET socket to a helper.
    """

    def __init__(
        self,
        reactor: Reactor,
        connection: socket.socket,
        got: Callable[[bytes], None],
        lost: Callable[[], None],
    ) -> None:
        """
        @param got: Called with each packet.  It must not raise.
        @param lost: Called when the helper's end is closed.
        """
        connection.setblocking(False)
        self._connection = connection
        self._reactor = reactor
        self._got = got
        self._lost = lost
        self._waiting: deque[Parcel] = deque()
        reactor.addReader(self)

    def fileno(self) -> int:
        """
        The descriptor; -1 once it is closed.
        """
        return self._connection.fileno()

    def logPrefix(self) -> str:
        """
        For the reactor's complaints.
        """
        return "helper"

    def doRead(self) -> Exception | None:  # type: ignore[override] # the reactor wants this
        """
        Receive all that is there.
        """
        while self.fileno() >= 0:
            try:
                packet = self._connection.recv(CHUNK)
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
            if not packet:
                return CONNECTION_DONE
            self._got(packet)
        return None

    def send(
        self,
        packet: bytes,
        descriptors: tuple[int, ...] = (),
        undelivered: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """
        Send it, now or when there is room.  The descriptors are closed here, in any
        case.  A connection that is lost is not told of here, but by C{lost}.
        """
        self._waiting.append(Parcel(packet, descriptors, undelivered))
        if len(self._waiting) == 1:
            self.doWrite()
            if self._waiting:
                self._reactor.addWriter(self)

    def doWrite(self) -> None:
        """
        Send what waits, until there is no room.
        """
        while self._waiting:
            parcel = self._waiting[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", parcel.descriptors))]
            error = None
            try:
                self._connection.sendmsg([parcel.packet], rights if parcel.descriptors else [])
            except BlockingIOError:
                return
            except OSError as e:
                error = e
            self._waiting.popleft()
            parcel.drop()
            if error is not None and error.errno not in _LOST:
                parcel.undelivered(error)
        if self.fileno() >= 0:
            self._reactor.removeWriter(self)

    def hang_up(self) -> None:
        """
        Send nothing more: the helper reads the end, and answers with its own.
        """
        self._drop()
        if self.fileno() >= 0:
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """
        Let go of the helper, without being told that it is lost.
        """
        self._drop()
        if self.fileno() >= 0:
            self._reactor.removeReader(self)
            self._connection.close()

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor says that it is over.
        """
        if self.fileno() >= 0:
            self.close()
            self._lost()

    def _drop(self) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        if self.fileno() >= 0:
            self._reactor.removeWriter(self)
        for parcel in waiting:
            parcel.drop()


_LOST = frozenset((errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN))


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """
    Two ends of a connection of packets, as large as the kernel grants.

    @raise OSError: There are no descriptors left.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
    return ours, theirs
