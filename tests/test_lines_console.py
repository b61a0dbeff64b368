"""
Numbering, keeping, and giving lines to readers.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyClass, verifyObject

from smartmob.documents import LastExit, State
from smartmob.lines.bounds import Bounds
from smartmob.lines.budget import TooManyReaders
from smartmob.lines.console import Console, Wanted
from smartmob.lines.encodings import (
    JSON_FRAMES,
    NDJSON,
    PLAIN_FRAMES,
    SSE,
    SSE_JSON,
    TEXT,
    Encoding,
    JsonFrames,
)
from smartmob.lines.readers import Ending, IReader
from smartmob.lines.ring import Chunk
from smartmob.web.attachment import Attachment
from smartmob.web.logs import Follower
from tests.support.recording import Recorder
from tests.support.websockets import consoles

ALL = Wanted(tail=10**9)


def attach(
    console: Console, encoding: Encoding, wanted: Wanted | None = None, room: int = 1 << 40
) -> Recorder:
    """
    Attach a recorder, and let it flow.
    """
    reader = Recorder()
    reader.room = room
    reader.subscription = console.attach(reader, wanted or Wanted(), encoding)
    if room:
        reader.subscription.resume()
    return reader


def numbers(documents: list[Any]) -> list[int]:
    """
    The numbers of lines.
    """
    return [document["seq"] for document in documents if "seq" in document]


class InterfaceTests(SynchronousTestCase):
    """
    Who says that it is a reader is one.
    """

    def test_readers(self) -> None:
        """
        The fake reader and the real ones provide the interface.
        """
        verifyObject(IReader, Recorder())
        verifyClass(IReader, Attachment)
        verifyClass(IReader, Follower)


class NumberTests(SynchronousTestCase):
    """
    Numbers, streams, and the same lines in every format.
    """

    def setUp(self) -> None:
        self.console = consoles().open("shop.web.0", State.PENDING)

    def test_allStreamsTogether(self) -> None:
        """
        Lines of all streams are numbered together, from 1, without gaps, by the order
        in which they were complete.
        """
        reader = attach(self.console, JSON_FRAMES)
        self.console.received("stdout", b"a\nb", 1)
        self.console.received("stderr", b"c\nd\n", 1)
        self.console.say("e")
        self.console.received("stdout", b"b\n", 1)
        lines = [(d["seq"], d["stream"], d["line"]) for d in reader.documents()[1:]]
        self.assertEqual(
            lines,
            [
                (1, "stdout", "a"),
                (2, "stderr", "c"),
                (3, "stderr", "d"),
                (4, "smartmob", "e"),
                (5, "stdout", "bb"),
            ],
        )

    def test_agentsOwnWords(self) -> None:
        """
        What the agent says is prefixed where there is no field for the stream, and
        belongs to no process; several lines of it stay several.
        """
        self.console.say("no such\r\nprogram\n")
        for encoding, expected in (
            (TEXT, b"smartmob: no such\nsmartmob: program\n"),
            (SSE, b"id: 1\ndata: smartmob: no such\n\nid: 2\ndata: smartmob: program\n\n"),
        ):
            self.assertEqual(self.console.kept(ALL, encoding), expected)
        reader = attach(self.console, PLAIN_FRAMES, ALL)
        self.assertEqual(reader.frames(), [b"smartmob: no such", b"smartmob: program"])
        first = json.loads(self.console.kept(ALL, NDJSON).splitlines()[0])
        self.assertEqual(
            (first["stream"], first["line"], first["pid"]), ("smartmob", "no such", None)
        )

    def test_partial(self) -> None:
        """
        Pieces of a long line say so, all but the last.
        """
        reader = attach(self.console, JSON_FRAMES)
        self.console.received("stdout", b"x" * ((2 << 20) + 1) + b"\nshort\n", 1)
        partial = [(len(d["line"]), d.get("partial")) for d in reader.documents()[1:]]
        mib = 1 << 20
        self.assertEqual(partial, [(mib, True), (mib, True), (1, None), (5, None)])

    def test_lengths(self) -> None:
        """
        Frames of every length, around each change of their header, are what was said.
        """
        reader = attach(self.console, PLAIN_FRAMES)
        sizes = [0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 70000]
        lines = [b"x" * size for size in sizes]
        self.console.received("stdout", b"\n".join(lines) + b"\n", 1)
        self.assertEqual(reader.frames(), lines)

    def test_json(self) -> None:
        """
        What JSON has to escape is escaped, all else is sent as it is.
        """
        reader = attach(self.console, JSON_FRAMES)
        self.console.received("stdout", 'q" \\ \0 \t \x7f ż 😀 \u2028\n'.encode(), 1)
        self.assertEqual(reader.documents()[1]["line"], 'q" \\ \0 \t \x7f ż 😀 \u2028')
        self.assertIn("ż 😀".encode(), reader.data)

    def test_serverSentEvents(self) -> None:
        """
        A line is an event with its number as id; a CR in it can't end the field.
        """
        self.console.received("stdout", b"a\rb\n\n", 1)
        self.assertEqual(
            self.console.kept(ALL, SSE), b"id: 1\ndata: a\ndata: b\n\nid: 2\ndata: \n\n"
        )
        events = self.console.kept(ALL, SSE_JSON).split(b"\n\n")
        self.assertTrue(events[0].startswith(b'id: 1\ndata: {"seq":1,'))
        self.assertEqual(json.loads(events[0].split(b"data: ")[1])["line"], "a\rb")

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["stdout", "stderr"]),
                st.lists(st.sampled_from([b"\n", b"a", b"\xff", b"\xc3", b"\xa9", b"\r"])).map(
                    b"".join
                ),
            ),
            max_size=20,
        )
    )
    def test_anyInterleaving(self, chunks: list[tuple[str, bytes]]) -> None:
        """
        However streams and chunks are mixed, each stream's lines are its own, all
        formats have the same ones, live and kept, and the numbers have no gap.
        """
        console = consoles().open("a.b", State.RUNNING)
        live, frames = attach(console, JSON_FRAMES), attach(console, PLAIN_FRAMES)
        for stream, data in chunks:
            console.received(stream, data, 1)
        console.finish()
        documents = live.documents()[1:]
        self.assertEqual(numbers(documents), list(range(1, console.next)))
        for stream in ("stdout", "stderr"):
            data = b"".join(data for name, data in chunks if name == stream)
            *lines, last = data.split(b"\n")
            lines = [line.removesuffix(b"\r") for line in lines] + ([last] if last else [])
            self.assertEqual(
                [d["line"] for d in documents if d["stream"] == stream],
                [line.decode(errors="replace") for line in lines],
            )
        lines = [d["line"].encode() for d in documents]
        self.assertEqual(frames.frames(), lines)
        self.assertEqual(attach(console, PLAIN_FRAMES, ALL).frames(), lines)
        self.assertEqual(console.kept(ALL, TEXT), b"".join([n + b"\n" for n in lines]))
        kept = [json.loads(line) for line in console.kept(ALL, NDJSON).splitlines()]
        self.assertEqual(kept, documents)

    def test_events(self) -> None:
        """
        What happens to the process is told to JSON readers, in order with its lines;
        an exit comes behind its last line, though that had no end.
        """
        plain, told = attach(self.console, PLAIN_FRAMES), attach(self.console, JSON_FRAMES)
        self.console.state(State.STARTING, None)
        self.console.started(7)
        self.console.received("stdout", b"last", 7)
        self.console.finish()
        self.console.exited(LastExit(code=3, signal=None, at=2.0, ran_seconds=0.12345), 7)
        self.console.deleted()
        said = [(d.get("event"), d.get("line")) for d in told.documents()]
        self.assertEqual(
            said,
            [
                ("attached", None),
                ("state", None),
                ("started", None),
                (None, "last"),
                ("exited", None),
                ("deleted", None),
            ],
        )
        self.assertEqual(told.documents()[4]["ran_seconds"], 0.123)
        self.assertEqual(plain.frames(), [b"last"])
        self.assertEqual(told.endings, [Ending.DELETED, "ended"])

    def test_runs(self) -> None:
        """
        What one run left unfinished does not run into the next one.
        """
        reader = attach(self.console, PLAIN_FRAMES)
        self.console.received("stdout", b"half \xc3", 1)
        self.console.finish()
        self.console.received("stdout", b"\xa9 other\n", 2)
        self.assertEqual(reader.frames(), ["half \ufffd".encode(), "\ufffd other".encode()])


class KeptTests(SynchronousTestCase):
    """
    C{tail}, C{after}, C{epoch}, and how much is kept.
    """

    def setUp(self) -> None:
        self.console = consoles().open("shop.web.0", State.RUNNING)

    def ten(self) -> None:
        """
        Ten lines; every third is of stderr.
        """
        for n in range(1, 11):
            self.console.received("stderr" if n % 3 == 0 else "stdout", b"%d\n" % n, 1)

    def told(self, **wanted: Any) -> list[object]:
        """
        Numbers of lines, and C{("missed", n)}.
        """
        reader = attach(self.console, JSON_FRAMES, Wanted(**wanted))
        return [
            document.get("seq") or ("missed", document["missed"])
            for document in reader.documents()[1:]
        ]

    def test_wanted(self) -> None:
        """
        The table of C{tail}, C{after}, C{epoch} and C{stream}.
        """
        self.ten()
        stderr = frozenset({"stderr"})
        other = frozenset({"other"})
        for wanted, expected in (
            ({}, []),
            ({"tail": 0}, []),
            ({"tail": 3}, [8, 9, 10]),
            ({"tail": 99}, list(range(1, 11))),
            ({"tail": 2, "streams": stderr}, [6, 9]),
            ({"tail": 2, "streams": other}, []),
            ({"after": 7}, [8, 9, 10]),
            ({"after": 0}, list(range(1, 11))),
            ({"after": 10}, []),
            ({"after": 99}, []),
            ({"after": 4, "streams": stderr}, [6, 9]),
            ({"after": 5, "tail": 2}, [("missed", 3), 9, 10]),
            ({"after": 8, "tail": 5}, [9, 10]),
            ({"after": 8, "tail": 0}, [("missed", 2)]),
            ({"after": 8, "epoch": "this"}, [9, 10]),
            ({"after": 8, "epoch": "other"}, list(range(1, 11))),
            ({"tail": 2, "epoch": "other"}, [9, 10]),
        ):
            with self.subTest(wanted=wanted):
                self.assertEqual(self.told(**wanted), expected)

    def test_gone(self) -> None:
        """
        Where lines after C{after} are no longer kept, it is told how many.
        """
        for n in range(1, 1501):
            self.console.received("stdout", b"%d\n" % n, 1)
        self.assertEqual(self.told(after=100)[:2], [("missed", 400), 501])
        self.assertEqual(self.told(after=0, epoch="other")[:2], [("missed", 500), 501])
        self.assertEqual(self.told(after=500)[:1], [501])
        self.assertEqual(self.told(tail=10**6)[:1], [501])

    def test_nextIsWhatFollows(self) -> None:
        """
        C{next} is the number of the first line that is not a kept one.
        """
        self.ten()
        reader = attach(self.console, JSON_FRAMES)
        self.console.received("stdout", b"x\n", 1)
        attached, line = reader.documents()
        self.assertEqual((attached["next"], line["seq"]), (11, 11))

    def test_thousandLines(self) -> None:
        """
        The last 1,000 lines are kept, to the line, in whatever chunks they came.
        """
        for size in (1, 7, 333, 1000, 1001, 5000):
            with self.subTest(size=size):
                self.setUp()
                n = 0
                while n < 3000:
                    self.console.received(
                        "stdout", b"".join([b"%d\n" % i for i in range(n, n + size)]), 1
                    )
                    n += size
                kept = self.console.kept(ALL, TEXT).split()
                self.assertEqual([int(line) for line in kept], list(range(n - 1000, n)))

    def test_mebibyte(self) -> None:
        """
        Fewer are kept where they weigh more than 1 MiB.
        """
        for n in range(20):
            self.console.received("stdout", b"%d" % n + b"x" * 100_000 + b"\n", 1)
        lines = self.console.kept(ALL, TEXT).split()
        self.assertEqual(
            [line.split(b"x")[0] for line in lines], [b"%d" % n for n in range(10, 20)]
        )
        self.console.received("stdout", b"y" * (1 << 20) + b"\n", 1)
        self.assertEqual(self.console.kept(ALL, TEXT), b"y" * (1 << 20) + b"\n")

    def test_inAll(self) -> None:
        """
        All together keep no more than the common bound, of which the largest give
        first.
        """
        several = consoles(bounds=Bounds(kept_in_all=1 << 18))
        small = several.open("a.small", State.RUNNING)
        small.received("stdout", b"".join([b"%d\n" % n for n in range(500)]), 1)
        large = [several.open(f"a.{n}", State.RUNNING) for n in range(10)]
        for n in range(1000):
            for console in large:
                console.received("stdout", b"%d" % n + b"x" * 90 + b"\n", 1)
                self.assertLessEqual(several.kept, 1 << 18)
        self.assertEqual(several.kept, small.cost + sum(console.cost for console in large))
        self.assertEqual(len(small.kept(ALL, TEXT).split()), 500)
        counts = [len(console.kept(ALL, TEXT).split()) for console in large]
        self.assertGreater(min(counts), 30)
        self.assertLess(max(counts) - min(counts), 20)
        for console in [*large, small]:
            console.deleted()
        self.assertEqual(several.kept, 0)

    def test_begun(self) -> None:
        """
        Lines whose ends have not come yet are counted, and take the room of kept ones, those
        of the largest first; a quarter stays for these.
        """
        several = consoles(bounds=Bounds(kept_in_all=1 << 18))
        small = several.open("a.small", State.RUNNING)
        small.received("stdout", b"".join([b"%d\n" % n for n in range(500)]), 1)
        large = [several.open(f"a.{n}", State.RUNNING) for n in range(10)]
        for n in range(200):
            for console in large:
                console.received("stdout", b"%d" % n + b"x" * 90 + b"\n", 1)
        self.assertGreater(several.kept, 1 << 17)
        for n in range(1, 301):
            for stream in ("stdout", "stderr"):
                for console in large:
                    console.received(stream, b"y" * 100, 1)
            self.assertEqual(several.begun, n * 2000)
            room = max((1 << 18) - several.begun, 1 << 16)
            self.assertLessEqual(several.kept, room)
        self.assertGreater(several.kept, (1 << 16) * 7 // 8)
        self.assertEqual(len(small.kept(ALL, TEXT).split()), 500)
        large[0].received("stdout", b"\n", 1)
        self.assertEqual(several.begun, 600_000 - 30_000)
        large[0].finish()
        self.assertEqual(several.begun, 600_000 - 60_000)
        for console in [*large, small]:
            console.deleted()
        self.assertEqual((several.begun, several.kept), (0, 0))
        small = several.open("a.small", State.RUNNING)
        for n in range(1000):
            small.received("stdout", b"%d\n" % n, 1)
        self.assertEqual(len(small.kept(ALL, TEXT).split()), 1000)

    def test_begunInPieces(self) -> None:
        """
        However much a line without an end is written on, no more than a mebibyte of it waits.
        """
        several = consoles()
        console = several.open("a.b", State.RUNNING)
        for _ in range(100):
            console.received("stdout", b"y" * 65536, 1)
            self.assertLessEqual(several.begun, (1 << 20) + 1)
        console.received("stdout", b"\nz", 1)
        self.assertEqual(several.begun, 1)
        console.finish()
        self.assertEqual(several.begun, 0)

    def test_letGoOfStreams(self) -> None:
        """
        Who wants some streams, from the beginning, is told how many lines of these are no
        longer kept; who has seen some, no more than that.
        """
        for n in range(1500):
            self.console.received("stdout", b"x\n" * 3, 1)
            if n % 10 == 0:
                self.console.received("stderr", b"y\n", 1)
        self.console.say("z")
        for streams, of_all in (({"stderr"}, 150), ({"stdout"}, 4500), ({"none"}, 0)):
            wanted = Wanted(after=0, streams=frozenset(streams))
            documents = attach(self.console, JSON_FRAMES, wanted).documents()[1:]
            found = len(numbers(documents))
            missed = [d["missed"] for d in documents if d.get("event") == "dropped"]
            self.assertEqual(missed, [of_all - found] if of_all else [])
            again = attach(self.console, JSON_FRAMES, evolve(wanted, epoch="another"))
            self.assertEqual(again.documents()[1:], documents)
        stderr = frozenset({"stderr"})
        [*missed] = [
            document["missed"]
            for seen in (1000, 3650, 4600)
            for document in attach(
                self.console, JSON_FRAMES, Wanted(after=seen, streams=stderr)
            ).documents()
            if document.get("event") == "dropped"
        ]
        self.assertEqual(missed, [118, 1])


class SlowTests(SynchronousTestCase):
    """
    Bounds of readers.
    """

    def bound(self, **bounds: int) -> None:
        self.consoles = consoles(bounds=Bounds(**bounds))
        self.console = self.consoles.open("shop.web.0", State.RUNNING)

    def lines(self, count: int, size: int = 99) -> None:
        """
        So many lines, each in a chunk of its own.
        """
        for _ in range(count):
            self.console.received("stdout", b"x" * size + b"\n", 1)

    def assertAccounted(self, reader: Recorder, count: int) -> None:
        """
        Assert that each of the first so many lines came, or was said to be missed.
        """
        expected = 1
        for document in reader.documents():
            if "seq" in document:
                self.assertEqual(document["seq"], expected)
                expected += 1
            elif document["event"] == "dropped":
                self.assertGreater(document["missed"], 0)
                expected += document["missed"]
        self.assertEqual(expected, count + 1)

    def test_shared(self) -> None:
        """
        All readers of a format get the very same bytes.
        """
        self.bound()
        first, second = attach(self.console, PLAIN_FRAMES), attach(self.console, PLAIN_FRAMES)
        self.lines(1)
        self.assertIs(first.parts[-1], second.parts[-1])

    def test_missed(self) -> None:
        """
        A JSON reader past its bound misses lines and is told how many as soon as it
        has caught up, though no further line comes.
        """
        self.bound(queue=10_000)
        reader = attach(self.console, JSON_FRAMES, room=1)
        self.lines(500)
        self.assertLessEqual(self.consoles.queued, 10_000)
        reader.take()
        self.assertAccounted(reader, 500)
        self.assertEqual(self.consoles.queued, 0)
        self.lines(2)
        self.assertAccounted(reader, 502)

    def test_missedAreNotEncoded(self) -> None:
        """
        Lines that all readers of a format miss cost nobody the making of it.
        """
        made: list[int] = []

        class Counted(JsonFrames):
            def lines(self, chunk: Chunk) -> bytes:
                made.append(chunk.first)
                return super().lines(chunk)

        self.bound(queue=1_000)
        attach(self.console, Counted(), room=0)
        self.lines(100)
        self.assertLess(len(made), 10)

    def test_missedByStream(self) -> None:
        """
        Of lines of other streams none was missed.
        """
        self.bound(queue=10_000)
        reader = attach(
            self.console, JSON_FRAMES, Wanted(streams=frozenset({"stderr"})), room=1
        )
        for _ in range(500):
            self.lines(1)
            self.console.received("stderr", b"x" * 99 + b"\n", 1)
        reader.take()
        documents = reader.documents()
        missed = sum(d["missed"] for d in documents if d.get("event") == "dropped")
        self.assertEqual(len(numbers(documents)) + missed, 500)

    def test_eventsAreNotMissed(self) -> None:
        """
        A reader that misses lines is told what happens all the same, in its place.
        """
        self.bound(queue=10_000)
        reader = attach(self.console, JSON_FRAMES, room=1)
        self.lines(200)
        self.console.exited(LastExit(code=0, signal=None, at=1.0, ran_seconds=1.0), 1)
        self.lines(300)
        self.console.deleted()
        reader.take()
        self.assertAccounted(reader, 500)
        events = [d["event"] for d in reader.documents() if "event" in d]
        self.assertEqual(events, ["attached", "dropped", "exited", "dropped", "deleted"])
        self.assertEqual(reader.endings, [Ending.DELETED, "ended"])

    def test_eventsHaveABound(self) -> None:
        """
        A reader that takes nothing while no end of things happen is ended.
        """
        self.bound(queue=10_000)
        reader = attach(self.console, JSON_FRAMES, room=1)
        for _ in range(50_000):
            self.console.started(1)
        self.assertEqual(reader.endings, [Ending.TOO_SLOW])
        self.assertLess(self.consoles.queued, 3 << 19)

    def test_plain(self) -> None:
        """
        A plain reader past its bound is ended after what was queued, without a hole.
        """
        self.bound(queue=10_000)
        reader = attach(self.console, PLAIN_FRAMES, room=1)
        self.lines(500)
        self.assertEqual(reader.endings, [Ending.TOO_SLOW])
        self.assertEqual(len(reader.frames()), 1)
        reader.take()
        self.assertEqual(reader.endings, [Ending.TOO_SLOW, "ended"])
        self.assertEqual(len(reader.frames()), 1 + 10_000 // 101)
        self.assertEqual(self.consoles.readers, 0)

    def test_together(self) -> None:
        """
        All together queue no more than the common bound; those with most give, and
        what they gave is told.
        """
        self.bound(queue=100_000, queues_in_all=150_000)
        large = [attach(self.console, JSON_FRAMES, room=1) for _ in range(3)]
        self.lines(200)
        small = attach(self.console, JSON_FRAMES, room=1)
        plain = attach(self.console, PLAIN_FRAMES, room=1)
        for _ in range(300):
            self.lines(1)
            self.console.started(1)
            self.assertLessEqual(self.consoles.queued, 150_000)
        for reader in large:
            reader.take()
            self.assertAccounted(reader, 500)
            events = [d for d in reader.documents() if d.get("event") == "started"]
            self.assertEqual(len(events), 300)
        small.take()
        documents = small.documents()
        missed = sum(d["missed"] for d in documents if d.get("event") == "dropped")
        self.assertEqual(len(numbers(documents)) + missed, 300)
        plain.take()
        self.assertGreater(len(plain.frames()), 10)
        self.assertEqual(self.consoles.queued, 0)

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("lines"), st.integers(1, 60)),
                st.tuples(st.just("event"), st.just(0)),
                st.tuples(st.just("take"), st.integers(1, 4000)),
                st.tuples(st.just("other"), st.integers(1, 4000)),
            ),
            max_size=40,
        )
    )
    def test_anyPace(self, steps: list[tuple[str, int]]) -> None:
        """
        However two JSON readers take, each gets every line or is told of it, every
        event once, and the bounds hold.
        """
        self.bound(queue=4000, queues_in_all=6000)
        readers = [attach(self.console, JSON_FRAMES, room=1) for _ in range(2)]
        lines = events = 0
        for step, count in steps:
            match step:
                case "lines":
                    self.lines(count, 20)
                    lines += count
                case "event":
                    self.console.started(1)
                    events += 1
                case "take":
                    readers[0].take(count)
                case "other":
                    readers[1].take(count)
            self.assertLessEqual(self.consoles.queued, 6000 + 100 * (events + 2) * 2)
        for reader in readers:
            reader.take()
            self.assertAccounted(reader, lines)
            started = [d for d in reader.documents() if d.get("event") == "started"]
            self.assertEqual(len(started), events)
        self.assertEqual(self.consoles.queued, 0)

    def test_allTakenBack(self) -> None:
        """
        A reader from which all was taken back is told as soon as it takes again.
        """
        self.bound(queue=100_000, queues_in_all=10_000)
        reader = attach(self.console, JSON_FRAMES, room=1)
        self.lines(1, 9_000)
        self.lines(1, 9_000)
        self.console.shrink(0)
        others = [attach(self.console, TEXT, room=1) for _ in range(2)]
        for _ in range(100):
            self.lines(1, 5_000)
        reader.take()
        self.assertAccounted(reader, 102)
        self.lines(1)
        self.assertAccounted(reader, 103)
        self.assertEqual([other.endings for other in others], [[Ending.TOO_SLOW]] * 2)

    def test_detach(self) -> None:
        """
        A reader that goes leaves nothing behind, also when it goes twice, or in the
        middle of a chunk.
        """
        self.bound()
        reader, other = attach(self.console, JSON_FRAMES, room=1), attach(self.console, TEXT)
        self.lines(10)
        assert reader.subscription is not None
        assert other.subscription is not None
        self.patch(other, "write", lambda data: other.subscription.detach())
        self.lines(1)
        reader.subscription.detach()
        reader.subscription.detach()
        self.lines(1)
        reader.subscription.resume()
        self.assertEqual((self.consoles.queued, self.consoles.readers), (0, 0))
        self.assertEqual(reader.endings, [])
        self.assertFalse(self.console._readers)

    def test_tooMany(self) -> None:
        """
        So many clients and no more; parts of the agent take no place.
        """
        self.bound(readers=2)
        first = attach(self.console, TEXT)
        attach(self.console, TEXT)
        self.console.attach(Recorder(), Wanted(), TEXT, own=True)
        with self.assertRaises(TooManyReaders):
            attach(self.console, TEXT)
        assert first.subscription is not None
        first.subscription.detach()
        attach(self.console, TEXT)

    def test_shut(self) -> None:
        """
        At the agent's end each reader gets what was queued for it; who comes later is
        ended at once.
        """
        self.bound()
        slow, live = attach(self.console, TEXT, room=1), attach(self.console, TEXT)
        self.lines(2)
        done = self.consoles.shut()
        self.assertEqual(live.endings, [Ending.SHUT, "ended"])
        self.assertNoResult(done)
        slow.take()
        self.assertEqual(len(slow.data), 200)
        self.successResultOf(done)
        late = attach(self.console, TEXT, Wanted(tail=1))
        self.assertEqual(late.endings, [Ending.SHUT, "ended"])
        self.assertEqual(len(late.data), 100)
        self.successResultOf(self.consoles.shut())

    def test_blocked(self) -> None:
        """
        A console whose program may wait says so early, and again when its slowest
        reader has next to nothing left; without a word to say it to it never does.
        """
        self.bound(blocking=1000)
        reader = attach(self.console, TEXT, room=1)
        self.lines(100)
        self.assertFalse(self.console.blocked)
        said: list[bool] = []
        self.console.on_blocked = said.append
        self.lines(1)
        self.assertEqual((said, self.console.blocked), ([True], True))
        reader.take()
        self.assertEqual((said, self.console.blocked), ([True, False], False))
        self.assertEqual(len(reader.data), 101 * 100)

    def test_blockedEnds(self) -> None:
        """
        It does not wait for readers that are gone, or that get no more.
        """
        for end in ("detach", "deleted", "shut"):
            with self.subTest(end=end):
                self.bound(blocking=1000)
                said: list[bool] = []
                self.console.on_blocked = said.append
                reader = attach(self.console, TEXT, room=1)
                self.lines(100)
                assert reader.subscription is not None
                if end == "detach":
                    reader.subscription.detach()
                else:
                    getattr(self.console, end)()
                self.assertEqual((said, self.console.blocked), ([True, False], False))
