"""
The numbers that gafferd's clients know programs by.
"""

from __future__ import annotations

from attrs import define

from smartmob.events import Event, Events, Topic
from smartmob.topics import Topics


@define
class _Run:
    """
    A program, from being set going to the end of all that it started.

    @ivar executed: It has begun.
    @ivar over: Nothing of it is left.
    """

    number: int
    executed: bool = False
    over: bool = False


class Numbers:
    """
    Numbers programs from 1, in the order in which they are set going.

    Each run of a process has a number of its own, which is never given out again: so a
    client that waits for one to end can't take the next for it.
    """

    def __init__(self, events: Events) -> None:
        self._last = 0
        self._seen = events.next_id - 1
        self._runs: dict[str, _Run] = {}
        self._slugs: dict[int, str] = {}
        events.subscribe(Topics(), self._note)

    def of_event(self, event: Event) -> int | None:
        """
        The number of the program that an event is about.  Whoever else is told of the
        event, and before whom, makes no difference.
        """
        self._note(event)
        run = self._runs.get(event.slug)
        return None if run is None else run.number

    def number(self, slug: str) -> int:
        """
        The number of the program of a process that has one going.
        """
        run = self._runs.get(slug)
        if run is None or run.over:
            run = self._give(slug)
        return run.number

    def slug(self, number: int) -> str | None:
        """
        Whose program has a number; C{None}: it is over, or there never was one.
        """
        return self._slugs.get(number)

    def _note(self, event: Event) -> None:
        if event.id <= self._seen:
            return
        self._seen = event.id
        run = self._runs.get(event.slug)
        match event.topic:
            case Topic.START:
                self._give(event.slug)
            case Topic.SPAWN:
                if run is None or run.over or run.executed:
                    run = self._give(event.slug)
                run.executed = True
            case Topic.REAP | Topic.STOP | Topic.FAIL:
                self._end(event.slug)
            case Topic.DELETE:
                self._end(event.slug)
                self._runs.pop(event.slug, None)

    def _give(self, slug: str) -> _Run:
        self._end(slug)
        self._last += 1
        run = self._runs[slug] = _Run(self._last)
        self._slugs[run.number] = slug
        return run

    def _end(self, slug: str) -> None:
        run = self._runs.get(slug)
        if run is not None and not run.over:
            run.over = True
            del self._slugs[run.number]
