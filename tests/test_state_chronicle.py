"""
Tests of L{smartmob.state.chronicle} and L{smartmob.state.persistence}: events go on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.events import KEPT, About, Events, Topic
from smartmob.state.chronicle import MOST_LINES, SOON, Chronicle
from smartmob.state.persistence import Persistence
from smartmob.state.records import Records
from smartmob.topics import Topics
from tests.support.fuzzing import tries
from tests.support.lifetimes import Held, Here, watch
from tests.support.stage import REQUEST
from tests.test_state_files import json_values

ABOUT = About(pid=1, exit_status=0, term_signal=9, killed=("a", "b"), reason="why")


class EventsGoOnTests(SynchronousTestCase):
    """
    Events of one agent after the other.
    """

    def setUp(self) -> None:
        """
        There is none yet.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.watch = watch(self.folder)
        self.clock = Clock()
        self.begin()

    def begin(self) -> None:
        """
        There is another agent.
        """
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.events = Events(now=self.clock.seconds)
        records = Records(self.folder, self.clock, Here(), Held())  # type: ignore[arg-type] # of its interface what is needed
        self.persistence = Persistence(records, self.events, self.clock)
        self.persistence.open()

    def end(self) -> None:
        """
        It ends in order.
        """
        self.successResultOf(self.persistence.close())

    def publish(self, number: int = 1) -> None:
        """
        So much happens.
        """
        for _ in range(number):
            self.events.publish(REQUEST, Topic.EXIT, ABOUT)

    def test_inOrder(self) -> None:
        """After an end in order none is missing, and each is as it was."""
        self.publish(3)
        before = self.events.since(0, Topics())
        self.end()
        self.begin()
        self.assertEqual(self.events.since(0, Topics()), before)
        self.assertEqual([event.about for event in before[1]], [ABOUT] * 3)
        self.publish()
        missed, events = self.events.since(2, Topics())
        self.assertEqual((missed, [event.id for event in events]), (0, [3, 4]))

    def test_killed(self) -> None:
        """What was not written when the agent was killed is told as missed."""
        self.publish(3)
        self.clock.advance(SOON)
        self.publish(2)
        self.begin()
        self.publish()
        missed, events = self.events.since(0, Topics())
        self.assertEqual((missed, [event.id for event in events]), (2, [1, 2, 3, 6]))
        missed, events = self.events.since(4, Topics())
        self.assertEqual((missed, [event.id for event in events]), (1, [6]))

    def test_bounded(self) -> None:
        """The file has so many lines at most, and the last events are in it."""
        path = self.folder / "events"
        for _ in range(12):
            self.publish(KEPT // 2)
            self.clock.advance(SOON)
            self.assertLessEqual(path.read_bytes().count(b"\n"), MOST_LINES)
        self.begin()
        missed, events = self.events.since(0, Topics())
        self.assertEqual((missed, len(events)), (5 * KEPT, KEPT))
        self.assertFalse((self.folder / "events.tmp").exists())

    def test_manyAtOnce(self) -> None:
        """More at once than are kept at all is no more than that."""
        self.publish(3 * KEPT)
        self.end()
        self.begin()
        missed, events = self.events.since(0, Topics())
        self.assertEqual((missed, len(events)), (2 * KEPT, KEPT))

    def test_torn(self) -> None:
        """A line that was torn is missed, and those after it are not."""
        self.publish(3)
        self.end()
        path = self.folder / "events"
        data = path.read_bytes()
        for cut in (len(data) - 1, len(data) - 5, len(data) // 2):
            path.write_bytes(data[:cut])
            self.begin()
            self.publish()
            self.end()
            self.begin()
            missed, events = self.events.since(0, Topics())
            self.assertEqual(missed + len(events), self.events.next_id - 1)
            self.assertEqual(events[-1].id, self.events.next_id - 1)

    def test_numbersLost(self) -> None:
        """Where the number is lost it goes on after the last event that is known."""
        self.publish(3)
        self.end()
        (self.folder / "next-event").unlink()
        self.begin()
        self.assertEqual(self.events.next_id, 4)

    def test_full(self) -> None:
        """On a full disk events have numbers, and it is said once that they are not kept."""
        self.publish(2)
        self.end()
        self.watch.full = True
        with capturedLogs() as logs:
            self.begin()
            self.publish()
            for _ in range(2):
                self.clock.advance(SOON)
                self.publish()
        self.assertEqual(len(logs), 2, logs)
        missed, events = self.events.since(0, Topics())
        self.assertEqual((missed, [event.id for event in events]), (0, [1, 2, 3, 4, 5]))
        self.watch.full = False
        self.clock.advance(SOON)
        self.end()
        self.begin()
        self.assertEqual(len(self.events.since(0, Topics())[1]), 5)

    @tries(200)
    @given(
        st.sampled_from(["id", "time", "topic", "app", "node", "slug", "about", "none"]),
        st.sampled_from(["pid", "killed", "reason", "none"]),
        json_values,
    )
    def test_damaged(self, name: str, inner: str, value: object) -> None:
        """Whatever stands in the file, an agent starts, and can tell its events."""
        document: dict[str, Any] = {
            **dict.fromkeys(["app", "node", "process_type", "slug"], "a"),
            "id": 1,
            "time": 1.0,
            "topic": "exit",
            "about": {inner: value},
        }
        if name != "none":
            document[name] = value
        path = self.folder / "events"
        path.write_text(f"{json.dumps(document)}\n{json.dumps(value)}\n")
        chronicle = Chronicle(str(path), self.clock)
        for event in chronicle.read():
            self.assertTrue(event.names)
            json.dumps(event.document())

    def test_senseless(self) -> None:
        """Lines that make no sense are told of once; the one that was being written is not."""
        self.publish(3)
        self.end()
        path = self.folder / "events"
        first, *others = path.read_bytes().splitlines(keepends=True)
        for data, ids, said in (
            (b"".join([first, *others]), [1, 2, 3], []),
            (b"".join([first, *others])[:-9], [1, 2], []),
            (b"".join([first, b"\xff{\n", b"[]\n", *others]), [1, 2, 3], ["2 of 5 lines"]),
            (b"\x80\n" * 5 * KEPT, [], [f"{KEPT} of {KEPT} lines"]),
        ):
            path.write_bytes(data)
            with capturedLogs() as logs:
                events = Chronicle(str(path), self.clock).read()
            self.assertEqual([event.id for event in events], ids)
            texts = [str(formatEvent(event)) for event in logs]
            self.assertEqual(len(texts), len(said), texts)
            for text, part in zip(texts, said, strict=True):
                self.assertIn(f"{path}: {part} make no sense", text)

    def test_noFile(self) -> None:
        """What is no file is not read."""
        path = self.folder / "events"
        path.mkdir()
        with capturedLogs() as logs:
            self.assertEqual(Chronicle(str(path), self.clock).read(), [])
        self.assertEqual(len(logs), 1)
