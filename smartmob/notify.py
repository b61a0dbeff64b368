"""
What a service manager is told, by the protocol of sd_notify(3).
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from smartmob.progress import Progress

_log = Logger()

ADDRESS = "NOTIFY_SOCKET"
"""The environment variable that says where it listens."""

AGAIN = 0.1
"""Seconds until something is sent once more that it had no room for."""

MOST_WAITING = 64
"""Messages that wait for room; then the oldest goes."""

_NO_ROOM = (errno.EAGAIN, errno.ENOBUFS)

LONGEST_STATUS = 500
"""Characters of a status, which is shown in one line."""

PACE = 1.0
"""Seconds between two statuses, at least."""

GATHER = 0.1
"""Seconds in which what changes together is counted once."""

EXTENSION = 30.0
"""Seconds that are asked for at a time, while something takes long ..."""

EXTEND_EVERY = 10.0
"""... so often, so that one that is late is not too late."""

LONGEST_START = 600.0
"""Seconds for which more is asked for at a start; one that takes longer has failed."""


class Notices:
    """
    Messages to the service manager, each a datagram to its unix socket.  It is sent what it
    has room for, in order, and nobody waits for it.
    """

    def __init__(self, address: str, clock: IReactorTime) -> None:
        """
        @param address: An absolute path, or a name behind C{@}: unix(7), abstract.
        @raise ValueError: It is of another form.
        """
        if len(address) < 2 or address[0] not in "/@":
            raise ValueError(f"{address!r} is neither a path nor @NAME")
        self._address = os.fsencode(address if address[0] == "/" else f"\0{address[1:]}")
        self._clock = clock
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._again: IDelayedCall | None = None
        self._unheard = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def tell(self, **assignments: str | int) -> None:
        """
        Send one message; after L{close}, none.

        @param assignments: As sd_notify(3) lists them, such as C{READY=1}.
        """
        if self._socket.fileno() < 0:
            return
        lines = (f"{name}={_one_line(str(value))}" for name, value in assignments.items())
        self._waiting.append("\n".join(lines).encode("utf-8", "replace"))
        if self._again is None:
            self._send()

    def close(self) -> None:
        """
        Send no more.
        """
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._waiting.clear()
        self._socket.close()

    def _send(self) -> None:
        self._again = None
        while self._waiting:
            try:
                self._socket.sendto(self._waiting[0], self._address)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._again = self._clock.callLater(AGAIN, self._send)
                    return
                self._not_heard(error)
            self._waiting.popleft()

    def _not_heard(self, error: OSError) -> None:
        if not self._unheard:
            self._unheard = True
            why = error.strerror or str(error)  # the former is not there of what is too long
            _log.warn("{name} can't be told anything: {why}", name=ADDRESS, why=why)


def notices(environ: Mapping[str, str], clock: IReactorTime) -> Notices | None:
    """
    The way to the service manager that started the agent, if one did that wants to know.
    """
    address = environ.get(ADDRESS)
    if not address:
        return None
    try:
        return Notices(address, clock)
    except (OSError, ValueError) as error:
        _log.warn("{name} can't be used: {why}", name=ADDRESS, why=str(error))
        return None


class Extension:
    """
    Asks for more time, again and again, while something may take it.
    """

    def __init__(self, clock: IReactorTime, tell: Callable[..., None]) -> None:
        self._clock = clock
        self._tell = tell
        self._next: IDelayedCall | None = None

    def begin(self, most: float) -> None:
        """
        Ask from now on.

        @param most: Seconds after which what is still under way has failed.
        """
        self.end()
        self._ask(self._clock.seconds() + most)

    def end(self) -> None:
        """
        Ask no more.
        """
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _ask(self, until: float) -> None:
        self._next = None
        rest = until - self._clock.seconds()
        if rest <= 0:
            return
        self._tell(EXTEND_TIMEOUT_USEC=round(min(EXTENSION, rest + EXTEND_EVERY) * 1e6))
        self._next = self._clock.callLater(EXTEND_EVERY, lambda: self._ask(until))


class Status:
    """
    One line about the agent: sent when it is another than before, not more often than
    L{PACE}, and never while nothing changes.
    """

    def __init__(
        self, clock: IReactorTime, tell: Callable[..., None], line: Callable[[], str]
    ) -> None:
        """
        @param line: What it says now.
        """
        self._clock = clock
        self._tell = tell
        self._line = line
        self._sent: str | None = None
        self._sent_at = clock.seconds() - PACE
        self._next: IDelayedCall | None = None

    def changed(self) -> None:
        """
        It may be another.
        """
        if self._next is None:
            rest = self._sent_at + PACE - self._clock.seconds()
            self._next = self._clock.callLater(max(rest, GATHER), self._send)

    def now(self) -> str:
        """
        What it says now, which the caller sends.
        """
        self.end()
        self._sent_at = self._clock.seconds()
        self._sent = self._line()
        return self._sent

    def end(self) -> None:
        """
        Send no more that was to be sent later.
        """
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _send(self) -> None:
        self._next = None
        before = self._sent
        line = self.now()
        if line != before:
            self._tell(STATUS=line)


class Fed:
    """
    What is told, beside all else, that the agent is alive.  This one is nobody.
    """

    def start(self) -> None:
        """
        From now on.
        """

    def relax(self) -> None:
        """
        The helpers are about to go, so that they are asked nothing any more.
        """

    def stop(self) -> None:
        """
        No more.
        """


@define(eq=False, repr=False)
class Notifier(Progress):
    """
    Tells a service manager how far the agent is.

    @ivar counts: Says how many processes stand where.
    @ivar watchdog: Made once the agent is in the process that it will stay.
    @ivar microseconds: Of CLOCK_MONOTONIC.
    """

    clock: IReactorTime
    notices: Notices
    counts: Callable[[], str]
    make_watchdog: Callable[[], Fed] = Fed
    microseconds: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    watchdog: Fed = field(factory=Fed, init=False)
    status: Status = field(init=False)
    _extension: Extension = field(init=False)
    _what: str = field(default="starting", init=False)

    def __attrs_post_init__(self) -> None:
        self.status = Status(self.clock, self.notices.tell, self._line)
        self._extension = Extension(self.clock, self.notices.tell)

    def starting(self) -> None:
        """
        See L{Progress.starting}.
        """
        self.notices.tell(STATUS=self.status.now())
        self._extension.begin(LONGEST_START)

    def failed(self, why: str) -> None:
        """
        See L{Progress.failed}.
        """
        self._what = why
        self.notices.tell(STATUS=self.status.now())
        self._end()

    def ready(self) -> None:
        """
        See L{Progress.ready}.
        """
        self._extension.end()
        self._what = ""
        # It is watched from then on.
        self.watchdog = self.make_watchdog()
        self.notices.tell(READY=1, STATUS=self.status.now())
        self.watchdog.start()

    def reloading(self) -> None:
        """
        See L{Progress.reloading}.
        """
        self._what = "reloading"
        self.notices.tell(
            RELOADING=1, MONOTONIC_USEC=self.microseconds(), STATUS=self.status.now()
        )

    def reloaded(self, refused: str | None = None) -> None:
        """
        See L{Progress.reloaded}.  That it was refused is said until one is not.
        """
        self._what = "" if refused is None else f"reload refused: {refused}"
        self.notices.tell(READY=1, STATUS=self.status.now())

    def stopping(self, seconds: float) -> None:
        """
        See L{Progress.stopping}.
        """
        self._what = "stopping"
        self.notices.tell(STOPPING=1, STATUS=self.status.now())
        self._extension.begin(seconds)
        self.watchdog.relax()

    def stopped(self) -> None:
        """
        See L{Progress.stopped}.
        """
        self._end()

    def _end(self) -> None:
        self.watchdog.stop()
        self._extension.end()
        self.status.end()
        self.notices.close()

    def _line(self) -> str:
        return "; ".join(part for part in (self._what, self.counts()) if part)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_STATUS else f"{line[: LONGEST_STATUS - 3]}..."
