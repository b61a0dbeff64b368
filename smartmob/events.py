"""
What happens to processes: one event a change, numbered, kept for a while, and
given to those who want to know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from time import time

from attrs import frozen
from twisted.logger import Logger

from smartmob.documents import Definition
from smartmob.lines.encodings import timestamp
from smartmob.numbers import FleetingNumbers, Numbers
from smartmob.topics import Topics

_log = Logger()

KEPT = 1000
"""So many of the last events are kept for those who come later."""

DEFAULT_APP = "default"
"""The app of processes that have none; it is left out of names."""


class Topic(StrEnum):
    """
    What happened, in the order of a life.
    """

    CREATE = "create"
    """It exists."""
    START = "start"
    """It was set going."""
    SPAWN = "spawn"
    """Its program was executed."""
    STOP_PID = "stop_pid"
    """Its program was sent the stop signal."""
    EXIT = "exit"
    """Its program ended."""
    REAP = "reap"
    """Nothing is left of what the program started."""
    FLAP = "flap"
    """It ended too often, and pauses."""
    FAIL = "fail"
    """It is down, and will not be started again by itself."""
    STOP = "stop"
    """An operator has brought it down."""
    UPDATE = "update"
    """It was scaled, or defined anew."""
    DELETE = "delete"
    """It is gone."""


@frozen(kw_only=True)
class About:
    """
    What an event says beside whose it is; C{None} is not said.

    @ivar pid: Of the program.
    @ivar exit_status: 0 where a signal ended it, or where that is not known.
    @ivar term_signal: A number; 0 where none ended it.
    @ivar killed: Names of what had to be ended with KILL.
    @ivar reason: A sentence for a person.
    """

    pid: int | None = None
    exit_status: int | None = None
    term_signal: int | None = None
    killed: tuple[str, ...] | None = None
    reason: str | None = None


NOTHING = About()


@frozen(kw_only=True)
class Event:
    """
    One change of one process.

    @ivar id: Its number: 1 more than that of the event before.
    @ivar time: Seconds since the epoch.
    """

    id: int
    time: float
    topic: Topic
    app: str
    node: str
    process_type: str
    slug: str
    about: About

    @cached_property
    def names(self) -> Sequence[str]:
        """
        What it can be asked for by.
        """
        owners = [self.slug, f"{self.app}.{self.process_type}"]
        if self.app == DEFAULT_APP:
            owners.append(self.process_type)
        return (self.topic, *(f"proc.{owner}.{self.topic}" for owner in owners))

    def document(self) -> dict[str, object]:
        """
        As JSON has it.
        """
        about = self.about
        bare = self.app == DEFAULT_APP
        document: dict[str, object] = {
            "id": self.id,
            "time": timestamp(self.time),
            "event": self.topic.value,
            "app": self.app,
            "node": self.node,
            "process_type": self.process_type,
            "slug": self.slug,
            "name": self.process_type if bare else f"{self.app}:{self.process_type}",
        }
        more = {
            "pid": about.pid,
            "os_pid": about.pid,
            "exit_status": about.exit_status,
            "term_signal": about.term_signal,
            "killed": None if about.killed is None else list(about.killed),
            "reason": about.reason,
        }
        document.update((key, value) for key, value in more.items() if value is not None)
        return document


Listener = Callable[[Event], None]
"""
Called in the midst of a change: it may note what happened, and have things done on a
later turn of the reactor, but nothing to a process at once.
"""

Emit = Callable[[Topic, About], None]
"""How a process says what happens to it."""


class Events:
    """
    The events of all processes.

    @ivar note: Told each event, before everybody else.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time,
        numbers: Numbers | None = None,
        kept: int = KEPT,
    ) -> None:
        """
        @param now: Seconds since the epoch.
        @param numbers: Where numbers come from; unless given, they begin with 1.
        @param kept: How many are kept.
        """
        self.note: Listener = _nothing
        self._numbers: Numbers = numbers or FleetingNumbers()
        self._now = now
        self._kept: deque[Event] = deque(maxlen=kept)
        self._untold: deque[Event] = deque()
        # A tuple is never changed, so a listener may come and go while one is walked
        # through.  Those who want the same are asked once.
        self._listeners: dict[Topics, tuple[Listener, ...]] = {}

    @property
    def next_id(self) -> int:
        """
        The number of the next one.
        """
        return self._numbers.next

    def go_on(self, numbers: Numbers, kept: Iterable[Event], note: Listener) -> None:
        """
        Go on where an earlier agent has left off, before anything happens.

        @param kept: The events of its time that are kept still, the oldest first.
        @param note: Told each event, before everybody else.
        """
        self._numbers = numbers
        self._kept.extend(event for event in kept if event.id < numbers.next)
        self.note = note

    def publish(self, whose: Definition, topic: Topic, about: About = NOTHING) -> None:
        """
        Something happened to the process that is defined so.
        """
        event = Event(
            id=self._numbers.take(),
            time=self._now(),
            topic=topic,
            # No more of it, since it knows secrets.
            app=whose.app,
            node=whose.node,
            process_type=whose.process_type,
            slug=whose.slug,
            about=about,
        )
        self._kept.append(event)
        self.note(event)
        self._untold.append(event)
        if len(self._untold) > 1:
            return  # a listener made it happen: each hears of both in their order
        while self._untold:
            self._tell(self._untold[0])
            self._untold.popleft()

    def subscribe(self, topics: Topics, listener: Listener) -> Callable[[], None]:
        """
        Tell C{listener} each event that is wanted, from now on.

        @return: Ends it; may be called again.
        """

        def once(event: Event) -> None:  # what is subscribed twice is told twice
            listener(event)

        self._listeners[topics] = (*self._listeners.get(topics, ()), once)

        def end() -> None:
            others = tuple(each for each in self._listeners.get(topics, ()) if each is not once)
            if others:
                self._listeners[topics] = others
            else:
                self._listeners.pop(topics, None)

        return end

    def since(self, after: int, topics: Topics) -> tuple[int, list[Event]]:
        """
        The kept events with a higher number, and how many, of whatever topic, are kept
        no more.  A number that was not given out yet is of another agent: then none was
        seen.
        """
        if after >= self.next_id:
            after = 0
        later = [event for event in self._kept if event.id > after]
        missed = self.next_id - 1 - after - len(later)
        return missed, [event for event in later if topics.want(event.names)]

    def _tell(self, event: Event) -> None:
        for topics, listeners in list(self._listeners.items()):
            if topics.want(event.names):
                for listener in listeners:
                    try:
                        listener(event)
                    except Exception:
                        _log.failure("a listener failed at event {id}", id=event.id)


def _nothing(event: Event) -> None:
    """
    Nobody notes what happens.
    """
