"""
The numbers that gafferd's clients know programs by.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.events import Event, Events, Topic
from smartmob.topics import Topics
from smartmob.web.gaffer.numbers import Numbers
from tests.support.stage import REQUEST

SLUG = REQUEST.slug


class NumbersTests(SynchronousTestCase):
    """
    Numbers of the programs of one process.
    """

    def setUp(self) -> None:
        self.events = Events()
        self.told: list[tuple[str, int | None]] = []
        # Somebody hears of each event before the numbers do.
        self.events.subscribe(Topics(), self.hear)
        self.numbers = Numbers(self.events)

    def hear(self, event: Event) -> None:
        """
        Ask at once.
        """
        self.told.append((event.topic.value, self.numbers.of_event(event)))

    def happen(self, *topics: Topic) -> None:
        """
        So many events.
        """
        for topic in topics:
            self.events.publish(REQUEST, topic)

    def test_life(self) -> None:
        """
        A program has its number from being set going to the end of all that it started.
        """
        self.happen(Topic.CREATE, Topic.START, Topic.SPAWN, Topic.EXIT)
        self.assertEqual(self.numbers.slug(1), SLUG)
        self.happen(Topic.REAP)
        self.assertIsNone(self.numbers.slug(1))
        self.happen(Topic.SPAWN, Topic.STOP_PID, Topic.EXIT, Topic.REAP, Topic.STOP)
        self.happen(Topic.START)
        self.assertEqual(self.numbers.slug(3), SLUG)
        self.assertEqual(
            self.told,
            [
                *[("create", None), ("start", 1), ("spawn", 1), ("exit", 1), ("reap", 1)],
                *[("spawn", 2), ("stop_pid", 2), ("exit", 2), ("reap", 2), ("stop", 2)],
                ("start", 3),
            ],
        )

    def test_asked(self) -> None:
        """
        Who asks for a number before there was an event gets the one that follows.
        """
        self.assertEqual(self.numbers.number(SLUG), 1)
        self.happen(Topic.SPAWN)
        self.assertEqual(self.numbers.number(SLUG), 1)

    def test_deleted(self) -> None:
        """
        A process that is gone has left nothing.
        """
        self.happen(Topic.START, Topic.SPAWN, Topic.EXIT, Topic.REAP, Topic.STOP, Topic.DELETE)
        self.assertEqual((self.numbers._runs, self.numbers._slugs), ({}, {}))

    @given(st.lists(st.sampled_from(Topic)))
    def test_never(self, topics: list[Topic]) -> None:
        """
        Whatever happens, a number is never given out again, and is one program's.
        """
        events = Events()
        numbers = Numbers(events)
        last = 0
        for topic in topics:
            events.publish(REQUEST, topic)
            living = list(numbers._slugs)
            self.assertLessEqual(len(living), 1)
            if living:
                self.assertGreaterEqual(living[0], last)
                last = living[0]
