"""
Many connections at once, from several addresses of loopback, and what becomes of them.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from time import monotonic

from attrs import define, field, frozen

from bench.figures import Failed

ADDRESSES = ("127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14")
"""Of clients; an agent lets in 256 of each."""

PATIENCE = 30.0


@frozen
class Fate:
    """
    What became of connections.

    @ivar seconds: After how many each was closed, in order.
    @ivar left: How many were not.
    @ivar statuses: Of the answers that came.
    """

    seconds: tuple[float, ...]
    left: int
    statuses: Counter[str]

    def __str__(self) -> str:
        said = []
        if self.seconds:
            first, last = self.seconds[0], self.seconds[-1]
            when = f"{first:.1f}" if last - first < 0.15 else f"{first:.1f}-{last:.1f}"
            said.append(f"{len(self.seconds):,} closed after {when} s")
        if self.left:
            said.append(f"{self.left:,} left open")
        said += [f"{count:,} x {status}" for status, count in self.statuses.items()]
        return ", ".join(said)


@define
class Crowd:
    """
    Connections that are open.

    @ivar members: All of them.
    @ivar began: When the first was opened: seconds, monotonic.
    """

    members: list[socket.socket] = field(factory=list)
    began: float = field(factory=monotonic)

    @classmethod
    def gather(
        cls,
        port: int,
        count: int,
        first: bytes = b"",
        *,
        context: ssl.SSLContext | None = None,
        small: bool = False,
    ) -> Crowd:
        """
        Connect so many, in turn from each address.

        @param first: What each says at once.
        @param context: They speak TLS.
        @param small: The system keeps little of what comes for them.
        """
        crowd = cls()
        for index in range(count):
            member = socket.socket()
            if small:
                member.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            member.bind((ADDRESSES[index % len(ADDRESSES)], 0))
            member.settimeout(PATIENCE)
            member.connect(("127.0.0.1", port))
            member.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                member = context.wrap_socket(member, server_hostname="127.0.0.1")
            if first:
                member.sendall(first)
            crowd.members.append(member)
        return crowd

    def outlast(
        self,
        most: float,
        *,
        drip: Sequence[bytes] = (),
        every: float = 0.5,
        read: int | None = None,
    ) -> Fate:
        """
        Wait until all are closed, and close those that are not by then.

        @param most: Seconds.
        @param drip: What each sends, one after the other and over and over ...
        @param every: ... each so many seconds ...
        @param read: ... in which it reads so many bytes; if it is C{None}, it reads all that
            comes.
        """
        ended: list[float] = []
        statuses: Counter[str] = Counter()
        answered: set[int] = set()
        open_ = {member.fileno(): member for member in self.members}
        waiting = select.epoll()
        events = select.EPOLLIN if read is None else select.EPOLLRDHUP
        for number, member in open_.items():
            member.setblocking(False)
            waiting.register(number, events)
        due, turn = self.began + every, 0

        def end(number: int) -> None:
            ended.append(monotonic() - self.began)
            waiting.unregister(number)
            open_.pop(number).close()

        try:
            while open_ and (left := self.began + most - monotonic()) > 0:
                for number, _ in waiting.poll(min(left, max(0.0, due - monotonic()))):
                    data = _received(open_[number], 4096) if read is None else b""
                    if data and number not in answered:
                        answered.add(number)
                        statuses[data[9:12].decode("ascii", "replace")] += 1
                    if data == b"":
                        end(number)
                if monotonic() < due:
                    continue
                due, turn = due + every, turn + 1
                for number, member in list(open_.items()):
                    gone = bool(read) and _received(member, read or 0) == b""
                    if gone or (drip and not _sent(member, drip[(turn - 1) % len(drip)])):
                        end(number)
        finally:
            waiting.close()
            self.leave()
        return Fate(tuple(sorted(ended)), len(open_), statuses)

    def leave(self) -> None:
        """
        All hang up.
        """
        for member in self.members:
            member.close()


def _received(member: socket.socket, most: int) -> bytes | None:
    """
    What came; C{None}: nothing, and C{b""}: the end.
    """
    try:
        return member.recv(most)
    except (BlockingIOError, ssl.SSLWantReadError):
        return None
    except OSError:
        return b""


def _sent(member: socket.socket, data: bytes) -> bool:
    try:
        member.send(data)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return True
    except OSError:
        return False
    return True


class Stream:
    """
    One connection that sends as much as it can, and reads what comes.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.began = monotonic()
        self.sent = 0

    def pour(self, parts: Iterator[bytes], most: float) -> Poured:
        """
        Send these until they are all sent, an answer has come, and the connection is over.

        @param most: Seconds in which that has to happen.
        @raise Failed: It does not.
        """
        connection = self._socket
        connection.setblocking(False)
        waits, answered, received = b"", 0.0, b""
        turn, taken, heard_all = select.poll(), 0, False
        while monotonic() - self.began < most:
            waits = waits or next(parts, b"")
            if heard_all and not waits:
                break
            wanted = select.POLLOUT if waits else 0
            turn.register(connection, wanted if heard_all else wanted | select.POLLIN)
            found = sum(event for _, event in turn.poll(20))
            if not found:
                taken = self._taken()  # nothing is on its way from one to the other
            try:
                if found & select.POLLOUT:
                    number = connection.send(waits)
                    self.sent += number
                    waits = waits[number:]
                if found & ~select.POLLOUT:
                    data = connection.recv(1 << 16)
                    heard_all = not data
                    received += data
                    answered = answered or monotonic() - self.began
            except OSError:
                break
        else:
            raise Failed(f"the agent still reads after {most:g} s: {received[:60]!r}")
        connection.close()
        return Poured(received, answered, monotonic() - self.began, self.sent, taken)

    def _taken(self) -> int:
        """
        How much of what was sent its other end has read: neither system has it any more.
        """
        ours = self._socket.getsockname()[1]
        with open("/proc/net/tcp", encoding="ascii") as table:
            next(table)
            waits = 0
            for line in table:
                _, local, remote, _, queues, *_ = line.split()
                ports = int(local[-4:], 16), int(remote[-4:], 16)
                out, _, into = queues.partition(":")
                if ports == (ours, self._port):
                    waits += int(out, 16)
                elif ports == (self._port, ours):
                    waits += int(into, 16)
        return max(0, self.sent - waits)


@frozen
class Poured:
    """
    What became of a connection that sent as much as it could.

    @ivar answered: After how many seconds the answer began ...
    @ivar ended: ... and it was all over.
    @ivar sent: Bytes that the system took of it ...
    @ivar taken: ... and the agent of that, as far as it was seen.
    """

    received: bytes
    answered: float
    ended: float
    sent: int
    taken: int

    @property
    def status(self) -> str:
        """
        Of the answer.
        """
        return self.received[9:12].decode("ascii", "replace")
