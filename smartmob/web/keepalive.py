"""
How long a client may do nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from smartmob.web.socket_writer import SocketWriter

INTERVAL = 15.0
"""Seconds between two looks at a client, so that a dead one is found not long after ..."""

PATIENCE = 60.0
"""... so many in which it has neither taken a byte nor answered."""

FAREWELL = 30.0
"""So many where nothing more will come for it, and it has to take what there is."""


class Keepalive:
    """
    Looks at a client now and then, and cuts it when it shows no sign of life.

    A client that is behind is not sent pings, since it would find them only behind
    what it has not read yet: that it takes bytes is sign enough.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        writer: SocketWriter,
        *,
        ask: Callable[[], None] | None,
        cut: Callable[[], None],
    ) -> None:
        """
        @param ask: Sends a ping.  Where there is none, a client for which nothing
            waits can't be told from a dead one, and is left alone.
        @param cut: Called when it is given up.
        """
        self._reactor = reactor
        self._writer = writer
        self._ask = ask
        self._cut = cut
        self._answered = False
        self._silent_since: float | None = None
        self._timer: IDelayedCall | None = reactor.callLater(INTERVAL, self._look)

    def answered(self) -> None:
        """
        The client gave a sign of life.
        """
        self._answered = True

    def linger(self) -> None:
        """
        Nothing more will come for the client; from now on only taking bytes counts.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._writer.took()
            self._timer = self._reactor.callLater(FAREWELL, self._look_again)

    def stop(self) -> None:
        """
        The client is gone.  May be repeated.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._reactor.callLater(INTERVAL, self._look)
        alive = self._writer.took() or self._answered
        self._answered = False
        now = self._reactor.seconds()
        if alive or (self._ask is None and not self._writer.waiting()):
            self._silent_since = None
        elif self._silent_since is not None and now - self._silent_since >= PATIENCE:
            self._give_up()
            return
        if self._silent_since is None:
            self._silent_since = now
        if self._ask is not None and not self._writer.waiting():
            self._ask()

    def _look_again(self) -> None:
        if self._writer.took():
            self._timer = self._reactor.callLater(FAREWELL, self._look_again)
        else:
            self._give_up()

    def _give_up(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self._cut()
