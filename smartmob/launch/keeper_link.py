"""
What the agent holds of one keeper: a connection, while there is an agent.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable

from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.launch import wire
from smartmob.launch.helper import Helper
from smartmob.launch.packets import Packets
from smartmob.launch.pipes import CHUNK, Reactor, Writer
from smartmob.launch.record import Record, door
from smartmob.launch.turns import Turns

_log = Logger()


def connect(folder: int, record: Record) -> socket.socket:
    """
    A connection to the keeper of a program that an earlier agent began.

    @param folder: The descriptor of its folder: with that, the path of the socket is
        short enough, whatever the folder's is.
    @raise OSError: It does not listen: it is about to end.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.setblocking(False)
        connection.connect(f"/proc/self/fd/{folder}/{door(record.keeper)}")
    except OSError:
        connection.close()
        raise
    return connection


class KeeperPackets(Packets):
    """
    The connection to a keeper, which hands over a descriptor now and then.  It is read as the
    pipes of other programs are, and when it is its turn among them.

    @ivar descriptor: The last that came; -1 where there is none.
    """

    descriptor = -1

    def __init__(
        self,
        reactor: Reactor,
        turns: Turns,
        connection: socket.socket,
        got: Callable[[bytes], None],
        lost: Callable[[], None],
    ) -> None:
        """
        @param turns: Shared with all pipes.
        """
        super().__init__(reactor, connection, got, lost)
        self._turns = turns

    def doRead(self) -> Exception | None:
        """
        Receive what is there, now or in the next turn.
        """
        if self._turns.over:
            self._wait()
            return None
        found = self._receive_all()
        if not isinstance(found, int):
            return found
        if self._turns.waiting and self._has_more(found):
            self._wait()
        return None

    def take(self) -> bool:
        """
        See L{Source.take<smartmob.launch.turns.Source.take>}.
        """
        found = self._receive_all()
        if not isinstance(found, int):
            self.connectionLost(Failure(found))
        elif self._has_more(found):
            return True
        elif self.fileno() >= 0:
            self._reactor.addReader(self)
        return False

    def take_descriptor(self) -> int:
        """
        The descriptor, whoever asks for it has to close it; -1 where there is none.
        """
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def close(self) -> None:
        """
        See L{Packets.close}.
        """
        self._turns.forget(self)
        super().close()
        if self.descriptor >= 0:
            os.close(self.take_descriptor())

    def _wait(self) -> None:
        self._reactor.removeReader(self)
        self._turns.wait(self)

    def _has_more(self, found: int) -> bool:
        """
        Whether there is probably more to receive, where so much was found.
        """
        return found * 2 >= CHUNK and self.fileno() >= 0

    def _receive_all(self) -> int | Exception:
        clock = self._turns.clock
        began = clock.seconds()
        found = super()._receive_all()
        self._turns.spend(clock.seconds() - began)
        return found

    def _receive(self) -> bytes:
        packet, ancillary, _, _ = self._connection.recvmsg(
            CHUNK, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
        )
        for _, _, data in ancillary:
            if self.descriptor >= 0:
                os.close(self.descriptor)
            self.descriptor = int.from_bytes(data, sys.byteorder)
        return packet


class KeptInput(Writer):
    """
    A program's stdin, which its keeper has open too.
    """

    def __init__(self, reactor: Reactor, fd: int, control: Packets) -> None:
        super().__init__(reactor, fd)
        self._control = control

    def close(self) -> None:
        """
        Let go of it, and have the keeper do so.
        """
        was_open = self.fd >= 0
        super().close()
        if was_open:
            self._control.send(wire.END)


class KeeperLink:
    """
    Control and output, which are one: what the keeper says comes behind the output that
    came before it.

    @ivar lost: The keeper is gone.
    """

    def __init__(
        self,
        reactor: Reactor,
        turns: Turns,
        name: str,
        connection: socket.socket | Helper,
        said: Callable[[bytes], None],
        output: Callable[[int, bytes], None],
        emptied: Callable[[], None],
    ) -> None:
        """
        @param turns: When output is read.
        @param name: The program's.
        @param connection: To a keeper, or one that was started just now.
        @param said: Called with the keeper's packets, and with C{b""} when it is gone.
        @param output: Called with 1 or 2, and what was written.
        @param emptied: Called after the last of them.
        """
        self.lost = False
        self._reactor = reactor
        self._name = name
        self._said = said
        self._output = output
        self._emptied = emptied
        self._reading = True
        self._helper: Helper | None = None
        if isinstance(connection, Helper):
            self._helper = connection
            connection = connection.connection
        self.control = KeeperPackets(reactor, turns, connection, self._heard, self._lost)

    def read(self, reading: bool) -> None:
        """
        Have output sent, or not.
        """
        if reading != self._reading:
            self._reading = reading
            self.control.send(wire.RESUME if reading else wire.PAUSE)

    def take_input(self) -> KeptInput | None:
        """
        The stdin of the program that was executed just now; C{None} where it has none,
        or its end was told, perhaps by an earlier agent.
        """
        descriptor = self.control.take_descriptor()
        return None if descriptor < 0 else KeptInput(self._reactor, descriptor, self.control)

    def drain(self) -> None:
        """
        All that was written before was delivered before.
        """

    def close(self) -> None:
        """
        Let go of the keeper: it goes on as long as its program runs.
        """
        self._said = self._output = self._emptied = _ignore
        self.lost = True
        self._reap()
        self.control.close()

    def _heard(self, packet: bytes) -> None:
        self._reap()
        if packet[0] in (1, 2):
            self._output(packet[0], packet[1:])
        elif packet.startswith(wire.MISSED):
            _log.warn(
                "{name}: {bytes} bytes of output gave way to later ones before they were read",
                name=self._name,
                bytes=int(wire.unpack(packet)[1]),
            )
        else:
            self._said(packet)

    def _lost(self) -> None:
        self.lost = True
        self._reap()
        self._said(b"")
        self._emptied()

    def _reap(self) -> None:
        """
        What was our child has forked the keeper, and ended, or is about to.
        """
        if self._helper is not None:
            helper, self._helper = self._helper, None
            helper.reap()


def _ignore(*_: object) -> None:
    pass
