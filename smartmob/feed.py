"""
Those who read events over a connection, each with a bound of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Protocol

from smartmob.events import Event, Events
from smartmob.lines.budget import Budget
from smartmob.lines.encodings import Format, compact, frame
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.permit import ALL_APPS, covers
from smartmob.topics import Topics


class EventEncoding(Format, Protocol):
    """
    One format of events.
    """

    def numbered(self, event: Event) -> bytes:
        """
        An event that has a number.
        """


class EventFrames:
    """
    A frame of a WebSocket an event.
    """

    told = True
    events = True

    def numbered(self, event: Event) -> bytes:
        """
        See L{EventEncoding.numbered}.
        """
        return self.event(event.document())

    def event(self, document: Mapping[str, object]) -> bytes:
        """
        See L{Format.event}.
        """
        return frame(compact(document))


class EventStream:
    """
    Server-sent events (HTML Living Standard, 9.2).  None has a type, so that a browser
    gives all of them to the same listener.
    """

    told = True
    events = True

    def numbered(self, event: Event) -> bytes:
        """
        See L{EventEncoding.numbered}.
        """
        return b"id: %d\n" % event.id + self.event(event.document())

    def event(self, document: Mapping[str, object]) -> bytes:
        """
        See L{Format.event}.
        """
        return b"data: %s\n\n" % compact(document)


EVENT_FRAMES = EventFrames()
EVENT_STREAM = EventStream()

Key = tuple[EventEncoding, Topics, str]
"""What readers have in common that get the same bytes."""


class Feed:
    """
    Gives events to readers, as consoles give lines to theirs: what is queued for one is
    bounded, and who is too slow misses some and is told how many.
    """

    def __init__(self, events: Events, budget: Budget) -> None:
        """
        @param budget: Shared with the readers of lines.
        """
        self._events = events
        self._budget = budget
        self._readers: dict[Key, tuple[Subscription, ...]] = {}
        self._shut = False
        events.subscribe(Topics(), self._give)

    def attach(
        self,
        reader: IReader,
        topics: Topics,
        after: int | None,
        encoding: EventEncoding,
        apps: str = ALL_APPS,
    ) -> Subscription:
        """
        Give C{reader} the events it wants, as they come.

        @param after: First the kept ones with a higher number; C{None}: none of them.
        @param apps: A glob: those of other apps are none of its business.
        @return: What it gets, paused: call C{resume} when it may come.
        @raise TooManyReaders: The agent has as many as it may have.
        """
        key = (encoding, topics, apps)
        subscription = Subscription(
            reader, encoding, self._budget, _nothing, partial(self._left, key)
        )
        self._budget.add(subscription, own=False, lines=False)
        if after is not None:
            missed, events = self._events.since(after, topics)
            if missed:
                subscription.note(missed)
            for event in events:
                if covers(apps, event.app):
                    subscription.lines(encoding.numbered(event), 1)
        if self._shut:
            subscription.end(Ending.SHUT)
        else:
            self._readers[key] = (*self._readers.get(key, ()), subscription)
        return subscription

    def shut(self) -> None:
        """
        The agent ends: the end for all readers, after what is queued for them.
        """
        self._shut = True
        for readers in list(self._readers.values()):
            for reader in readers:
                reader.end(Ending.SHUT)

    def _give(self, event: Event) -> None:
        encoded: dict[EventEncoding, bytes] = {}
        for (encoding, topics, apps), readers in list(self._readers.items()):
            if not (covers(apps, event.app) and topics.want(event.names)):
                continue
            for reader in readers:
                if reader.misses(1):
                    continue
                data = encoded.get(encoding)
                if data is None:
                    data = encoded[encoding] = encoding.numbered(event)
                reader.lines(data, 1)

    def _left(self, key: Key, subscription: Subscription) -> None:
        others = tuple(each for each in self._readers.get(key, ()) if each is not subscription)
        if others:
            self._readers[key] = others
        else:
            self._readers.pop(key, None)


def _nothing() -> None:
    """
    Nobody waits for a reader of events.
    """
