"""
Lines on a connection, over TCP or a unix socket.
"""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from contextlib import suppress
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.python.failure import Failure

from smartmob.config.forward import Peer
from smartmob.forward.connection import Connection
from smartmob.forward.destination import Outcome
from smartmob.forward.queue import Entry
from smartmob.guarded import Making
from smartmob.names import LookUp

CONNECT_SECONDS = 10.0
"""What a connection to one address may take to come about."""

PATIENCE = 60.0
"""
Seconds in which another L{PIECE<smartmob.forward.connection.PIECE>} has to be taken, or a
receipt to come, or the other side is taken for stuck.  There is no bound for a batch: it would
be sent for ever again over a line that is too slow for it.
"""

MOST_ANSWERED = 64 << 10
"""Bytes of answers that nothing is found in."""

_LONGEST_RECEIPT = 64
"""What is kept of an answer behind which another may have begun."""


@frozen(eq=False)
class Message:
    """
    What is sent as one.

    @ivar entries: What it is made of.
    @ivar receipt: What the answer to it has in it; empty: there is none.
    """

    data: bytes
    entries: Sequence[Entry]
    receipt: bytes = b""


class Dialect(Protocol):
    """
    What is spoken on a connection.
    """

    def messages(self, batch: Sequence[Entry]) -> list[Message]:
        """
        Some lines as messages: the same ones for the same lines.
        """

    def receipts(self, answer: bytes) -> Container[bytes]:
        """
        All that there are in an answer.
        """

    def objection(self, answer: bytes) -> str:
        """
        Why the other side takes nothing, if an answer says that it does not; the end of a
        sentence.
        """


class Frames:
    """
    Messages of syslog (RFC 6587).  Nobody says whether they came.
    """

    def messages(self, batch: Sequence[Entry]) -> list[Message]:
        return [Message(b"".join(entry.data for entry in batch), batch)]

    def receipts(self, answer: bytes) -> Container[bytes]:
        return ()

    def objection(self, answer: bytes) -> str:
        return ""


@define(eq=False, repr=False)
class StreamDestination:
    """
    See L{Destination<smartmob.forward.destination.Destination>}.

    A message is delivered when its receipt has come, or, without one, when the system has
    taken it.  What was not when the connection ended is sent again on the next.

    @ivar reactor: Of connections and time.
    @ivar look_up: How addresses of hosts are found.
    """

    reactor: Any
    peer: Peer
    dialect: Dialect
    look_up: LookUp
    _connection: Connection | None = field(default=None, init=False)
    _opening: Deferred[None] | None = field(default=None, init=False)
    _waiting: Deferred[Outcome] | None = field(default=None, init=False)
    _owed: list[Message] = field(factory=list, init=False)
    _sent: bool = field(default=False, init=False)
    _answer: bytearray = field(factory=bytearray, init=False)
    _late: IDelayedCall | None = field(default=None, init=False)

    def deliver(self, batch: Sequence[Entry]) -> Deferred[Outcome]:
        """
        Send it.
        """
        waiting: Deferred[Outcome] = Deferred()
        self._waiting = waiting
        self._owed = self.dialect.messages(batch)
        self._late = self.reactor.callLater(PATIENCE, self._silent)
        self._sent = False
        self._opening = Deferred.fromCoroutine(self._send())
        self._opening.addErrback(self._unreachable)
        return waiting

    def cut(self) -> None:
        """
        Send no more of it.  What was sent may arrive, which nobody will know.
        """
        self._fail("")

    def close(self) -> None:
        """
        End the connection, once all was sent.
        """
        gone, self._connection = self._connection, None
        if gone is not None:
            gone.end()

    # What the connection says.

    def drained(self, everything: bool) -> None:
        """
        Some, or the rest, of what was written has left.
        """
        self._got_on()
        if everything:
            self._sent = True
            self._owed = [message for message in self._owed if message.receipt]
            self._look()

    def received(self, data: bytes) -> None:
        """
        The other side says something.
        """
        self._answer += data
        answer = bytes(self._answer)
        if why := self.dialect.objection(answer):
            self._fail(why)
            return
        come = self.dialect.receipts(answer)
        owed = [message for message in self._owed if message.receipt not in come]
        if len(owed) < len(self._owed):
            self._owed = owed
            del self._answer[:-_LONGEST_RECEIPT]
            self._got_on()
            self._look()
        elif len(answer) > MOST_ANSWERED:
            self._fail("says what nobody can make sense of")

    def lost(self, connection: Connection) -> None:
        """
        There is no connection any more.
        """
        if self._connection is connection:
            self._connection = None
            self._answer.clear()
            if self._waiting is not None:
                self._settle("has ended the connection")

    # Inside.

    async def _send(self) -> None:
        if self._connection is None:
            self._answer.clear()
            self._connection = await self._connected()
        self._connection.send(b"".join(message.data for message in self._owed))

    async def _connected(self) -> Connection:
        """
        One to the first address that takes it.
        """
        if self.peer.kind == "unix":
            addresses: Sequence[str] = [self.peer.host]
        else:
            addresses = await self.look_up(self.peer.host)
        for address in addresses[:-1]:
            with suppress(ConnectError):  # of all of them the last one's reason is told
                return await self._connect(address)
        return await self._connect(addresses[-1])

    async def _connect(self, address: str) -> Connection:
        made = Connection(self.drained, self.received, self.lost)
        await self._endpoint(address).connect(Making(lambda _: made))
        return made

    def _endpoint(self, address: str) -> IStreamClientEndpoint:
        if self.peer.kind == "unix":
            return UNIXClientEndpoint(self.reactor, address, timeout=CONNECT_SECONDS)
        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        return kind(self.reactor, address, self.peer.port, timeout=CONNECT_SECONDS)

    def _unreachable(self, failure: Failure) -> None:
        if self._waiting is not None:
            number = getattr(failure.value, "osError", None)
            why = os.strerror(number) if number else failure.getErrorMessage().rstrip(".")
            if type(failure.value) is ConnectError and not number:
                why = "it lets nobody in"  # too many wait at its socket
            self._settle(f"can't be reached: {why}")

    def _got_on(self) -> None:
        if self._late is not None and self._late.active():
            self._late.reset(PATIENCE)

    def _silent(self) -> None:
        why = "does not say what it got" if self._sent else "takes nothing"
        self._fail("can't be reached: nobody answers" if self._connection is None else why)

    def _look(self) -> None:
        if not self._owed and self._waiting is not None:
            self._answer.clear()
            self._settle("")

    def _fail(self, why: str) -> None:
        """
        What is left will not come by this connection.
        """
        waiting, self._waiting = self._waiting, None
        gone, self._connection = self._connection, None
        if self._opening is not None:
            self._opening.cancel()
        if gone is not None:
            gone.abort()
        self._waiting = waiting
        if waiting is not None:
            self._settle(why)

    def _settle(self, why: str) -> None:
        waiting, self._waiting = self._waiting, None
        if self._late is not None and self._late.active():
            self._late.cancel()
        self._late = self._opening = None
        left = [entry for message in self._owed for entry in message.entries]
        self._owed = []
        if waiting is not None:
            waiting.callback(Outcome(left=left, why=why))
