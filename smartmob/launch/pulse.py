"""
Whether the guardian answers, and what is done about one that does not.

Whoever runs as its user can stop it (SIGSTOP).  Nothing would be started then, and nobody would
notice: so it is asked, a moment after something was to be started, and whenever somebody wants
to know.  While neither is so, there is no timer.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from smartmob.launch.pipes import Reactor

_log = Logger()

NOTICE = 3.0
"""
Seconds from a start until the guardian is asked: a crowd of starts costs one question.
"""

WAKE = 2
"""
Seconds that it has to answer before it is woken.
"""

REPLACE = 12
"""
Seconds that it has in all before it is killed, and its programs with it.
"""


class Pulse:
    """
    Asks the present guardian.
    """

    def __init__(
        self,
        reactor: Reactor,
        *,
        ask: Callable[[], bool],
        wake: Callable[[], None],
        kill: Callable[[], None],
    ) -> None:
        """
        @param ask: Sends the question; says whether there is a guardian that it went to.
        @param wake: Has it go on, should somebody have stopped it.
        @param kill: Ends it: there will be another one.
        """
        self._reactor = reactor
        self._ask = ask
        self._wake = wake
        self._kill = kill
        self._call: IDelayedCall | None = None
        self._asked = False
        self._seconds = 0
        self._waiting: dict[Deferred[bool], IDelayedCall] = {}

    def answers(self, within: float) -> Deferred[bool]:
        """
        Ask it, or the next one, where there is none at the moment.

        @param within: Seconds.
        @return: Fires with whether it answered by then.
        """
        waiting: Deferred[bool] = Deferred(lambda each: self._waiting.pop(each).cancel())
        self._waiting[waiting] = self._reactor.callLater(within, self._late, waiting)
        self.ask()
        return waiting

    def notice(self) -> None:
        """
        It was told to do something: ask it in a moment whether it lives.
        """
        if self._call is None:
            self._call = self._reactor.callLater(NOTICE, self._noticed)

    def ask(self) -> None:
        """
        Ask it, unless it was asked and has not answered yet.
        """
        if self._asked or not self._ask():
            return
        self._rest()
        self._asked = True
        self._call = self._reactor.callLater(1, self._wait)

    def ready(self) -> None:
        """
        It says that it is ready, which is an answer to whoever wants to know.
        """
        self._tell(True)

    def heard(self) -> None:
        """
        It has answered.
        """
        self._rest()
        self._tell(True)

    def lost(self) -> None:
        """
        It has ended: the next one will say that it is ready.
        """
        self._rest()

    def close(self) -> None:
        """
        There will not be another one.
        """
        self._rest()
        self._tell(False)

    def _noticed(self) -> None:
        self._call = None
        self.ask()

    def _wait(self) -> None:
        """
        Wait for one second more.  The seconds are counted one by one: of those in which we did
        not run ourselves, since we were stopped or the machine was, the answer may be there.
        """
        self._seconds += 1
        if self._seconds == REPLACE:
            _log.error(
                "the guardian has not answered for {seconds} s, also when it was woken: it is "
                "killed, and with it all programs",
                seconds=REPLACE,
            )
            self._call = None
            self._kill()
            return
        if self._seconds == WAKE:
            _log.warn(
                "the guardian has not answered for {seconds} s; in case that somebody stopped "
                "it, it is told to go on",
                seconds=WAKE,
            )
            self._wake()
        self._call = self._reactor.callLater(1, self._wait)

    def _late(self, waiting: Deferred[bool]) -> None:
        # After one more look at what there is to be read: see above.
        self._waiting[waiting] = self._reactor.callLater(0, self._answer, waiting, False)

    def _answer(self, waiting: Deferred[bool], answered: bool) -> None:
        call = self._waiting.pop(waiting)
        if call.active():
            call.cancel()
        waiting.callback(answered)

    def _tell(self, answered: bool) -> None:
        for waiting in list(self._waiting):
            self._answer(waiting, answered)

    def _rest(self) -> None:
        self._asked = False
        self._seconds = 0
        if self._call is not None:
            self._call.cancel()
            self._call = None
