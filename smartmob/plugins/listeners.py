"""
What plugins hear: events and lines, always on a later turn of the reactor than what
they tell of, so that a listener may do anything to a process.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from smartmob.events import Event
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.plugins.calls import told

_log = Logger()

UNFINISHED = 1000
"""
Events that a listener may be busy with at the same time: more than a busy agent's
processes have to tell at once.  Those beyond are dropped until it is done with half.
"""

Document = dict[str, Any]

Listener = Callable[[Document], object]
"""Gets a document, as JSON has it; may return a Deferred or be a coroutine function."""


@define(eq=False, repr=False)
class EventListener:
    """
    Hears events.  None waits for the one before, but where listeners hang, they are not
    called for ever: see L{UNFINISHED}.
    """

    clock: IReactorTime
    listener: Listener
    leave: Callable[[], None] = lambda: None
    _untold: deque[Event] = field(factory=deque)
    _timer: IDelayedCall | None = None
    _unfinished: int = 0
    _dropped: int = 0

    def hear(self, event: Event) -> None:
        """
        Something happens.
        """
        self._untold.append(event)
        if self._timer is None:
            self._timer = self.clock.callLater(0, self._tell)

    def end(self) -> None:
        """
        It hears no more, not even what it has not been told yet.  May be repeated.
        """
        self.leave()
        self._untold.clear()
        self._dropped = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._timer = None
        for _ in range(len(self._untold)):  # of what happens meanwhile it is told later
            if self._untold:  # it may have ended itself
                self._tell_one(self._untold.popleft())

    def _tell_one(self, event: Event) -> None:
        if not self._dropped and self._unfinished < UNFINISHED:
            self._unfinished += 1
            told(self.listener, event.document()).addCallback(self._finished)
            return
        if not self._dropped:
            _log.warn(
                "a plugin's listener is busy with {count} events, and hears no more of them "
                "until it is done with half: {listener}",
                count=self._unfinished,
                listener=self.listener,
            )
        self._dropped += 1

    def _finished(self, _: object) -> None:
        self._unfinished -= 1
        if self._dropped and self._unfinished <= UNFINISHED // 2:
            _log.warn(
                "a plugin's listener hears events again, and missed {missed}: {listener}",
                missed=self._dropped,
                listener=self.listener,
            )
            self._dropped = 0


@implementer(IReader)
@define(eq=False, repr=False)
class LineListener:
    """
    Hears lines, each when it is done with the one before.  What is queued meanwhile has
    the bound of any reader.

    @ivar over: Called when there will be no more lines.
    """

    clock: IReactorTime
    listener: Listener
    over: Callable[[], None] = lambda: None
    subscription: Subscription = field(init=False)
    _untold: deque[bytes] = field(factory=deque)
    _timer: IDelayedCall | None = None

    def write(self, data: bytes) -> None:
        """
        See L{IReader.write}.
        """
        self.subscription.pause()
        self._untold.extend(data.splitlines())
        self._timer = self.clock.callLater(0, self._tell)

    def ending(self, why: Ending) -> None:
        """
        Nothing to do: what is queued is told in any case.
        """

    def ended(self) -> None:
        """
        See L{IReader.ended}.
        """
        self.over()

    def end(self) -> None:
        """
        It hears no more.  May be repeated.
        """
        self.subscription.detach()
        self._untold.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._timer = None
        Deferred.fromCoroutine(self._tell_each())

    async def _tell_each(self) -> None:
        while self._untold:
            await told(self.listener, json.loads(self._untold.popleft()))
        self.subscription.resume()  # which does nothing where it has ended
