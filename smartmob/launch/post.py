"""
What a keeper tells its agent, if there is one.
"""

from __future__ import annotations

import _socket
import os
import sys
from select import POLLHUP
from time import monotonic

from smartmob.launch import wire
from smartmob.launch.reaper import PEER, Mailbox
from smartmob.launch.ring import Ring


class Post(Mailbox):
    """
    The packets of the agent, if there is one.  What it is told waits until it takes
    it, behind the output that came before.

    @ivar connected: There is an agent.
    @ivar paused: It wants no output now.
    @ivar blocked: It takes no more at the moment.
    @ivar input: Where the program's input can be written, which the agent is given; -1
        where there is none, or its end was told.
    @ivar progress: When it took something (monotonic).
    """

    __slots__ = ("_waiting", "blocked", "connected", "input", "paused", "progress", "ring")

    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring()
        self.connected = True
        self.paused = self.blocked = False
        self.input = -1
        self.progress = monotonic()
        self._waiting: list[tuple[int, bytes]] = []

    def waiting(self) -> bool:
        """
        See L{Mailbox.waiting}.
        """
        return self.connected and super().waiting()

    def receive(self) -> tuple[bytes, list[int], bool]:
        """
        See L{Mailbox.receive}.  An agent may have asked for something, and ended: that it
        did not read all we sent (ECONNRESET) is told once, before what it said.
        """
        packet, descriptors, complete = super().receive()
        if not packet:
            packet, descriptors, complete = super().receive()
        return packet, descriptors, complete

    def hung_up(self) -> bool:
        """
        The agent has ended, whatever it said before.
        """
        return any(events & POLLHUP for _, events in self._poll.poll(0))

    def send(self, packet: bytes) -> None:
        """
        Tell the agent, behind all output until now; nobody, where there is none.
        """
        if self.connected:
            self._waiting.append((self.ring.tail, packet))

    def connect(self, connection: int) -> None:
        """
        There is another agent, which gets all output that there is.

        @param connection: Its descriptor; closed here.
        """
        os.dup2(connection, PEER, False)
        os.close(connection)
        os.set_blocking(PEER, False)
        self._waiting.clear()
        self.ring.rewind()
        self.connected = True
        self.paused = False
        self.progress = monotonic()

    def greet(self, packet: bytes) -> None:
        """
        Tell the agent before all output.
        """
        self._waiting.append((self.ring.cursor, packet))

    def disconnect(self) -> None:
        """
        There is no agent any more.
        """
        os.dup2(0, PEER, False)
        self.connected = False
        self._waiting.clear()

    def end_input(self) -> None:
        """
        The program gets an end of file, once the agent lets go too.
        """
        if self.input >= 0:
            os.close(self.input)
            self.input = -1

    def pump(self) -> None:
        """
        Send what there is, until the agent takes no more.
        """
        self.blocked = False
        try:
            while self.connected and self._send_one():
                self.progress = monotonic()
            self.progress = monotonic()  # there was nothing for it to take
        except BlockingIOError:
            self.blocked = True
        except OSError:
            return  # it is gone, as receiving from it will show

    def _send_one(self) -> bool:
        ring = self.ring
        if self._waiting and self._waiting[0][0] <= ring.cursor:
            self._send_word(self._waiting[0][1])
            del self._waiting[0]
        elif self.paused and not self._waiting:
            return False
        elif ring.lost:
            self._connection.send(b"%b\0%d" % (wire.MISSED, ring.lost))
            ring.lost = 0
        elif ring.cursor < ring.tail:
            packet, following = ring.next(self._waiting[0][0] if self._waiting else ring.tail)
            if packet:
                self._connection.send(packet)
                ring.cursor = following
        else:
            return False
        return True

    def _send_word(self, packet: bytes) -> None:
        rights = []
        if self.input >= 0 and packet.startswith(wire.EXECUTED):
            data = self.input.to_bytes(4, sys.byteorder)
            rights.append((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data))
        self._connection.sendmsg([packet], rights)
