"""
The agent's end of a socket to a helper.
"""

from __future__ import annotations

import errno
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.launch.pipes import CHUNK, Reactor

LOST = frozenset((errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN))
"""
The errno values that mean that the other end is closed.
"""


@frozen
class QueuedPacket:
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

    @ivar broken: The helper's end is closed, which C{lost} is about to tell.
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
        self._waiting: deque[QueuedPacket] = deque()
        self.broken = False
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
        Receive what is there, up to L{CHUNK} bytes a turn of the reactor, as is read of
        a pipe.
        """
        found = self._receive_all()
        return None if isinstance(found, int) else found

    def _receive_all(self) -> int | Exception:
        """
        Receive what is there, up to L{CHUNK} bytes.

        @return: How many; or why there will be nothing more.
        """
        received = 0
        while self.fileno() >= 0 and received < CHUNK:
            try:
                packet = self._receive()
            except BlockingIOError:
                break
            except OSError:
                return CONNECTION_LOST
            if not packet:
                return CONNECTION_DONE
            received += len(packet)
            self._got(packet)
        return received

    def _receive(self) -> bytes:
        return self._connection.recv(CHUNK)

    def send(
        self,
        packet: bytes,
        descriptors: tuple[int, ...] = (),
        undelivered: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """
        Send it, now or when there is room.  The descriptors are closed here, in any
        case.

        @param undelivered: Called with the reason, where it can't be sent.
        """
        self._waiting.append(QueuedPacket(packet, descriptors, undelivered))
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
            if error is not None:
                self.broken = self.broken or error.errno in LOST
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
