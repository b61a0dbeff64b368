"""
The console of an app: the lines of all of its processes in one stream.
"""

from __future__ import annotations

import gc
import json
from typing import Any
from weakref import ref

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import LastExit, State
from smartmob.lines.app import AppWanted
from smartmob.lines.app_encodings import (
    APP_EVENTS,
    APP_FRAMES,
    APP_TEXTS,
    AppEncoding,
    AppFrames,
    AppJsonFrames,
    plain,
)
from smartmob.lines.bounds import Bounds
from smartmob.lines.budget import TooManyReaders
from smartmob.lines.console import Console, Wanted
from smartmob.lines.consoles import Consoles
from smartmob.lines.encodings import JSON_FRAMES, PLAIN_FRAMES
from smartmob.lines.readers import Ending
from smartmob.lines.ring import Chunk
from smartmob.refusals import UnknownApp
from tests.support.recording import Recorder

PLAIN, JSON, HEROKU = (APP_FRAMES[name] for name in ("plain", "json", "heroku"))


class AppTestCase(SynchronousTestCase):
    """
    An app of two processes, and one of another app.
    """

    def setUp(self) -> None:
        self.bound()

    def bound(self, **bounds: int) -> None:
        """
        Begin anew, with other bounds.
        """
        self.time = 1.5
        self.consoles = Consoles(epoch="this", now=lambda: self.time, bounds=Bounds(**bounds))
        self.web = self.open("shop.web.0")
        self.worker = self.open("shop.worker.0")
        self.other = self.open("shopping.web.0")

    def open(self, slug: str) -> Console:
        """
        Create a process.
        """
        return self.consoles.open(slug, State.RUNNING)

    def attach(
        self, encoding: AppEncoding = PLAIN, room: int = 1 << 40, **wanted: Any
    ) -> Recorder:
        """
        Attach a recorder, and let it flow.
        """
        reader = Recorder()
        reader.room = room
        app = self.consoles.app("shop")
        reader.subscription = app.attach(reader, AppWanted(**wanted), encoding)
        if room:
            reader.subscription.resume()
        return reader

    def say(self, console: Console, *lines: str, stream: str = "stdout") -> None:
        """
        A second later, have a program say this at once.
        """
        self.time += 1
        console.received(stream, "".join(f"{line}\n" for line in lines).encode(), 7)

    def kept(self, encoding: AppEncoding, **wanted: Any) -> bytes:
        """
        The kept lines, all unless C{tail} says how many.
        """
        wanted = {"tail": 10**9, **wanted}
        return self.consoles.app("shop").kept(AppWanted(**wanted), encoding)

    def assertAccounted(self, documents: list[Any], counts: dict[str, int]) -> None:
        """
        Assert that of each process so many lines came in order or were said to be
        missed, where they are missing.
        """
        expected = dict.fromkeys(counts, 1)
        for document in documents:
            if "seq" in document:
                self.assertEqual(document["seq"], expected[document["node"]])
                expected[document["node"]] += 1
            elif document["event"] == "dropped":
                self.assertGreater(document["missed"], 0)
                expected[document["node"]] += document["missed"]
        self.assertEqual({n: last - 1 for n, last in expected.items()}, counts)


class MembersTests(AppTestCase):
    """
    Whose lines come.
    """

    def test_all(self) -> None:
        """
        A reader gets the lines of all processes of its app, in the order in which they
        are read, and no other's.
        """
        reader = self.attach()
        self.say(self.web, "a", "b")
        self.say(self.other, "no")
        self.say(self.worker, "c")
        self.say(self.web, "d")
        self.assertEqual(
            reader.frames(), [b"web.0 | a", b"web.0 | b", b"worker.0 | c", b"web.0 | d"]
        )

    def test_createdAndDeleted(self) -> None:
        """
        Processes that are created later are read, those that are deleted no more, and
        the reader stays though all are gone, until one is created again.
        """
        reader, told = self.attach(), self.attach(JSON)
        late = self.open("shop.web.1")
        self.say(late, "late")
        self.web.deleted()
        self.web.received("stdout", b"no\n", 7)
        late.deleted()
        self.worker.deleted()
        with self.assertRaises(UnknownApp):
            self.consoles.app("shop")
        self.say(self.open("shop.web.0"), "again")
        self.assertEqual(reader.frames(), [b"web.1 | late", b"web.0 | again"])
        self.assertEqual((reader.endings, told.endings), ([], []))
        self.assertEqual(
            [(d["node"], d.get("event") or d["line"]) for d in told.documents()],
            [
                ("web.0", "attached"),
                ("worker.0", "attached"),
                ("web.1", "attached"),
                ("web.1", "late"),
                ("web.0", "deleted"),
                ("web.1", "deleted"),
                ("worker.0", "deleted"),
                ("web.0", "attached"),
                ("web.0", "again"),
            ],
        )

    def test_nodes(self) -> None:
        """
        Globs choose among the processes that there are, and that there will be; any
        of them will do.
        """
        web = self.attach(nodes=("web.*",))
        both = self.attach(nodes=("*.1", "worker.?"))
        late = [self.open("shop.web.1"), self.open("shop.worker.1")]
        for console in (self.web, self.worker, *late):
            self.say(console, "x")
        self.assertEqual(web.frames(), [b"web.0 | x", b"web.1 | x"])
        self.assertEqual(both.frames(), [b"worker.0 | x", b"web.1 | x", b"worker.1 | x"])

    def test_streams(self) -> None:
        """
        Only the chosen streams come, kept or not.
        """
        self.say(self.web, "a", stream="stderr")
        self.say(self.web, "b")
        reader = self.attach(streams=frozenset({"stderr"}), tail=9)
        self.say(self.worker, "c")
        self.say(self.worker, "d", stream="stderr")
        self.assertEqual(reader.frames(), [b"web.0 | a", b"worker.0 | d"])

    def test_unknown(self) -> None:
        """
        An app without processes is unknown.
        """
        with self.assertRaises(UnknownApp):
            self.consoles.app("web.0")

    def test_beside(self) -> None:
        """
        Readers of one process get what they always got.
        """
        single, told = Recorder(), Recorder()
        for reader, encoding in ((single, PLAIN_FRAMES), (told, JSON_FRAMES)):
            reader.subscription = self.web.attach(reader, Wanted(), encoding)
            reader.subscription.resume()
        self.attach()
        self.attach(JSON)
        self.say(self.web, "a")
        self.assertEqual(single.frames(), [b"a"])
        self.assertNotIn(b"node", told.data)


class FormatTests(AppTestCase):
    """
    The same lines in every format.
    """

    def test_formats(self) -> None:
        """
        Each line says whose it is, in frames, in text and in server-sent events.
        """
        readers = {name: self.attach(encoding) for name, encoding in APP_FRAMES.items()}
        self.time = 1767225598.9
        self.say(self.web, "a b", "")
        self.worker.say("no such\nprogram")
        moment = "2026-01-01T00:00:{}+00:00"
        self.time += 0.2
        self.say(self.web, "c\rd")
        plain = ["web.0 | a b", "web.0 | "]
        plain += ["worker.0 | smartmob: no such", "worker.0 | smartmob: program"]
        plain += ["web.0 | c\rd"]
        heroku = [f"2025-12-31T23:59:59+00:00 app[web.0]: {line}" for line in ("a b", "")] + [
            f"2025-12-31T23:59:59+00:00 app[worker.0]: smartmob: {line}"
            for line in ("no such", "program")
        ]
        heroku += [moment.format("01") + " app[web.0]: c\rd"]
        for name, lines in (("plain", plain), ("heroku", heroku)):
            with self.subTest(format=name):
                self.assertEqual([f.decode() for f in readers[name].frames()], lines)
                text = "".join(f"{line}\n" for line in lines)
                self.assertEqual(self.kept(APP_TEXTS[name]).decode(), text)
                events = "".join(
                    "data: " + line.replace("\r", "\ndata: ") + "\n\n" for line in lines
                )
                self.assertEqual(self.kept(APP_EVENTS[name]).decode(), events)

    def test_json(self) -> None:
        """
        Documents are those of a single process, with C{node}; so are events.
        """
        reader = self.attach(JSON, nodes=("web.0",))
        self.say(self.web, 'ż"')
        self.web.finish()
        self.web.exited(LastExit(code=3, signal=None, at=2.0, ran_seconds=0.5), 7)
        self.web.state(State.BACKOFF, "it ended")
        line = {
            "seq": 1,
            "node": "web.0",
            "time": "1970-01-01T00:00:02.500Z",
            "stream": "stdout",
            "line": 'ż"',
            "pid": 7,
        }
        self.assertEqual(
            reader.documents(),
            [
                {
                    "event": "attached",
                    "node": "web.0",
                    "slug": "shop.web.0",
                    "state": "running",
                    "epoch": "this",
                    "next": 1,
                },
                line,
                {
                    "event": "exited",
                    "node": "web.0",
                    "time": "1970-01-01T00:00:02.000Z",
                    "pid": 7,
                    "code": 3,
                    "signal": None,
                    "ran_seconds": 0.5,
                },
                {"event": "state", "node": "web.0", "state": "backoff", "reason": "it ended"},
            ],
        )
        self.assertEqual(json.loads(self.kept(APP_TEXTS["json"])), line)
        events = self.kept(APP_EVENTS["json"])
        self.assertEqual(json.loads(events.removeprefix(b"data: ").strip()), line)

    def test_encodedOnce(self) -> None:
        """
        All readers of a format get the very same bytes, whatever processes and streams
        they chose; and it is encoded once a process.
        """
        made: list[str] = []

        class Counted(AppFrames):
            def lines(self, chunk: Chunk, node: str) -> bytes:
                made.append(node)
                return super().lines(chunk, node)

        counted = Counted(plain)
        readers = [
            self.attach(counted),
            self.attach(counted),
            self.attach(counted, nodes=("web.*",)),
            self.attach(counted, streams=frozenset({"stdout"})),
        ]
        self.say(self.web, "a", "b")
        self.assertEqual(made, ["web.0"])
        self.assertEqual([len(reader.parts) for reader in readers], [1] * 4)
        self.assertEqual(len({id(reader.parts[0]) for reader in readers}), 1)
        self.say(self.worker, "c")
        self.assertEqual(made, ["web.0", "worker.0"])


class KeptTests(AppTestCase):
    """
    C{tail}, and how much of what is kept comes.
    """

    def test_tail(self) -> None:
        """
        The last lines over all processes come first, in order of time.
        """
        self.say(self.web, "1", "2")
        self.say(self.worker, "3", "4", "5")
        self.say(self.web, "6")
        lines = [b"web.0 | 1", b"web.0 | 2"]
        lines += [b"worker.0 | %d" % n for n in (3, 4, 5)] + [b"web.0 | 6"]
        for tail in (0, 1, 2, 3, 4, 5, 6, 7):
            with self.subTest(tail=tail):
                expected = lines[-tail:] if tail else []
                self.assertEqual(self.attach(tail=tail).frames(), expected)
                text = self.kept(APP_TEXTS["plain"], tail=tail)
                self.assertEqual(text.splitlines(), expected)
        self.assertEqual(self.attach(tail=3, nodes=("web.*",)).frames(), lines[:2] + lines[5:])

    def test_then(self) -> None:
        """
        Behind the kept lines come the new ones, none twice.
        """
        self.say(self.web, "1")
        reader = self.attach(JSON, tail=5)
        self.say(self.web, "2")
        self.assertAccounted(reader.documents(), {"web.0": 2, "worker.0": 0})

    def test_clockSetBack(self) -> None:
        """
        A process's lines stay in order though the clock was set back.
        """
        self.say(self.web, "1")
        self.time = -100.0
        self.say(self.web, "2")
        self.say(self.worker, "a")
        self.say(self.web, "3")
        found = self.attach(tail=9).frames()
        self.assertEqual(
            [f for f in found if b"web" in f], [b"web.0 | %d" % n for n in (1, 2, 3)]
        )
        self.assertIn(b"worker.0 | a", found)

    def test_notOfTheDeleted(self) -> None:
        """
        What a deleted process said is not kept.
        """
        self.say(self.web, "1")
        self.say(self.worker, "2")
        self.web.deleted()
        self.assertEqual(self.attach(tail=9).frames(), [b"worker.0 | 2"])

    def test_noMoreThanFits(self) -> None:
        """
        Kept lines leave half of the reader's room for those to come, and are the last
        ones.
        """
        self.bound(queue=10_000)
        for n in range(200):
            self.say((self.web, self.worker)[n % 2], f"{n:092}")
        reader = self.attach(tail=10**9, room=0)
        self.assertGreater(self.consoles.queued, 4_700)
        self.assertLessEqual(self.consoles.queued, 5_000)
        reader.take()
        numbers = [int(frame.split()[-1]) for frame in reader.frames()]
        self.assertEqual(numbers, list(range(200 - len(numbers), 200)))
        self.assertEqual(reader.endings, [])
        self.assertLessEqual(len(self.kept(APP_TEXTS["plain"])), 10_000)
        self.assertGreater(len(self.kept(APP_TEXTS["plain"])), 9_700)


class SlowTests(AppTestCase):
    """
    Bounds of readers.
    """

    def both(self, count: int) -> None:
        """
        So many lines of each process, each in a chunk of its own.
        """
        for _ in range(count):
            self.say(self.web, "x" * 50)
            self.say(self.worker, "x" * 50)

    def test_missed(self) -> None:
        """
        A reader past its bound, which is one for all processes, misses lines and is
        told how many of which process.
        """
        self.bound(queue=10_000)
        slow, live = self.attach(JSON, room=1), self.attach(JSON)
        self.both(100)
        self.assertLessEqual(self.consoles.queued, 10_000)
        slow.take()
        self.both(2)
        counts = {"web.0": 102, "worker.0": 102}
        self.assertAccounted(slow.documents(), counts)
        self.assertAccounted(live.documents(), counts)
        dropped = [d for d in slow.documents() if d.get("event") == "dropped"]
        self.assertEqual({d["node"] for d in dropped}, {"web.0", "worker.0"})
        self.assertEqual(self.consoles.queued, 0)

    def test_missedAreNotEncoded(self) -> None:
        """
        Lines that all readers miss cost nobody the making of it.
        """
        made: list[str] = []

        class Counted(AppJsonFrames):
            def lines(self, chunk: Chunk, node: str) -> bytes:
                made.append(node)
                return super().lines(chunk, node)

        self.bound(queue=1_000)
        self.attach(Counted(), room=0)
        self.both(100)
        self.assertLess(len(made), 20)

    def test_eventsAreNotMissed(self) -> None:
        """
        Behind what was missed of a process comes what happened to it; what was missed
        of others is told once the reader has caught up.
        """
        self.bound(queue=10_000)
        slow = self.attach(JSON, room=1)
        self.both(200)
        self.web.deleted()
        slow.take()
        documents = slow.documents()
        self.assertAccounted(documents, {"web.0": 200, "worker.0": 200})
        events = [(d["event"], d["node"]) for d in documents if "event" in d]
        self.assertEqual(
            events,
            [
                ("attached", "web.0"),
                ("attached", "worker.0"),
                ("dropped", "web.0"),
                ("deleted", "web.0"),
                ("dropped", "worker.0"),
            ],
        )

    def test_plain(self) -> None:
        """
        A reader that can't be told is ended after what was queued, without a hole.
        """
        for encoding in (PLAIN, HEROKU, APP_TEXTS["plain"]):
            with self.subTest(encoding=encoding):
                self.bound(queue=10_000)
                slow, live = self.attach(encoding, room=0), self.attach(encoding)
                self.both(200)
                self.assertEqual(slow.endings, [Ending.TOO_SLOW])
                slow.take()
                self.assertEqual(slow.endings, [Ending.TOO_SLOW, "ended"])
                self.assertTrue(live.data.startswith(slow.data))
                self.assertEqual(live.endings, [])
                self.assertEqual(self.consoles.readers, 1)

    def test_takenBack(self) -> None:
        """
        What was taken back since all readers together had too much is told, by process.
        """
        self.bound(queues_in_all=10_000)
        slow = [self.attach(JSON, room=1) for _ in range(3)]
        for n in range(100):
            self.both(1)
            if n % 10 == 0:
                self.worker.started(n)
            self.assertLessEqual(self.consoles.queued, 10_000)
        for reader in slow:
            reader.take()
            self.assertAccounted(reader.documents(), {"web.0": 100, "worker.0": 100})
            started = [d["pid"] for d in reader.documents() if d.get("event") == "started"]
            self.assertEqual(started, list(range(0, 100, 10)))

    def test_tooMany(self) -> None:
        """
        A reader of an app takes one place of all.
        """
        self.bound(readers=2)
        self.web.attach(Recorder(), Wanted(), PLAIN_FRAMES)
        reader = self.attach()
        for _ in range(2):
            with self.assertRaises(TooManyReaders):
                self.attach(nodes=("x",))
        assert reader.subscription is not None
        reader.subscription.detach()
        self.attach()

    def test_blocked(self) -> None:
        """
        A program whose output blocks waits for a slow reader of its app, whoever filled
        its queue, and goes on when it has caught up, has left, or was never asked to.
        """
        for end in ("take", "detach", "shut", "deleted"):
            with self.subTest(end=end):
                self.bound(blocking=1000)
                said: list[bool] = []
                self.web.on_blocked = said.append
                reader = self.attach(room=1)
                for _ in range(20):
                    self.say(self.worker, "x" * 99)
                self.assertEqual(said, [])
                self.say(self.web, "x")
                self.assertEqual((said, self.web.blocked), ([True], True))
                assert reader.subscription is not None
                if end == "take":
                    reader.take()
                elif end == "detach":
                    reader.subscription.detach()
                elif end == "shut":
                    self.consoles.shut()
                else:
                    self.web.deleted()
                self.assertEqual((said, self.web.blocked), ([True, False], False))


class EndTests(AppTestCase):
    """
    How it ends, and what is left.
    """

    def test_shut(self) -> None:
        """
        At the agent's end each reader gets what was queued for it; who comes later is
        ended at once.
        """
        slow, live = self.attach(room=1), self.attach()
        self.say(self.web, "1")
        self.say(self.worker, "2")
        done = self.consoles.shut()
        self.assertEqual(live.endings, [Ending.SHUT, "ended"])
        self.assertNoResult(done)
        slow.take()
        self.assertEqual(slow.frames(), [b"web.0 | 1", b"worker.0 | 2"])
        self.successResultOf(done)
        late = self.attach(tail=1)
        self.assertEqual(late.endings, [Ending.SHUT, "ended"])
        self.assertEqual(late.frames(), [b"worker.0 | 2"])

    def test_detach(self) -> None:
        """
        A reader that goes, twice or in the middle of a chunk, leaves nothing behind.
        """
        reader, other = self.attach(JSON, room=1), self.attach(nodes=("w*",))
        self.say(self.web, "1")
        assert reader.subscription is not None
        assert other.subscription is not None
        leave = other.subscription.detach
        self.patch(other, "write", lambda data: leave())
        self.say(self.web, "2")
        reader.subscription.detach()
        reader.subscription.detach()
        self.say(self.web, "3")
        self.assertEqual((self.consoles.queued, self.consoles.readers), (0, 0))
        self.assertFalse(self.web._readers or self.worker._readers)
        for console in (self.web, self.worker, self.other):
            console.deleted()
        self.assertEqual(self.consoles._apps, {})

    def test_lastReaderOfNoProcess(self) -> None:
        """
        Nothing is left of an app when its last process is deleted and then its last
        reader goes.
        """
        reader = self.attach()
        for console in (self.web, self.worker, self.other):
            console.deleted()
        self.assertEqual(list(self.consoles._apps), ["shop"])
        assert reader.subscription is not None
        reader.subscription.detach()
        self.assertEqual(self.consoles._apps, {})

    def test_deletedAreForgotten(self) -> None:
        """
        A slow reader that stays while processes come and go holds on to none of them.
        """
        self.bound(queue=10_000)
        reader, flowing = self.attach(JSON, room=1), self.attach()
        gone = []
        for n in range(50):
            console = self.open(f"shop.web.{n + 1}")
            self.say(console, "x" * 99, "y")
            console.deleted()
            gone.append(ref(console))
        del console
        gc.collect()
        self.assertEqual({each() for each in gone}, {None})
        self.assertEqual(len(flowing.frames()), 100)
        reader.take()
        documents = reader.documents()
        counts = {f"web.{n + 1}": 2 for n in range(50)}
        self.assertAccounted(documents, counts)
        deleted = [d["node"] for d in documents if d.get("event") == "deleted"]
        self.assertEqual(deleted, list(counts))


NODES = ("web.0", "web.1", "worker.0")

LINES = st.tuples(st.just("lines"), st.tuples(st.sampled_from(NODES), st.integers(1, 30)))

STEPS = st.one_of(
    LINES,
    LINES,
    st.tuples(st.just("create"), st.sampled_from(NODES)),
    st.tuples(st.just("delete"), st.sampled_from(NODES)),
    st.tuples(st.just("attach"), st.tuples(st.booleans(), st.integers(0, 20))),
    st.tuples(st.just("take"), st.tuples(st.integers(0, 3), st.integers(1, 3000))),
    st.tuples(st.just("back"), st.integers(1, 10)),
)


class AnyOrderTests(AppTestCase):
    """
    Whatever happens, in whatever order.
    """

    @settings(max_examples=200, deadline=None)
    @given(st.lists(STEPS, min_size=10, max_size=60))
    def test_anyOrder(self, steps: list[tuple[str, Any]]) -> None:
        """
        Each reader sees each process's lines in order, none twice, and from what it
        saw first on all of them, or it is told how many it missed or is ended; of what
        comes between being attached and being deleted nothing is lost.
        """
        self.bound(queue=4000, queues_in_all=9000)
        live = {"web.0": self.web, "worker.0": self.worker}
        lives = dict.fromkeys(NODES, 0)  # how often it was created
        readers: list[tuple[Recorder, bool]] = [(self.attach(JSON, room=1), True)]
        readers.append((self.attach(room=1), False))
        for step, what in steps:
            match step:
                case "create" if what not in live:
                    lives[what] += 1
                    live[what] = self.open(f"shop.{what}")
                case "delete" if what in live and len(live) > 1:
                    live.pop(what).deleted()
                case "lines" if what[0] in live:
                    node, count = what
                    first = live[node].next
                    names = [f"{lives[node]}:{n}" for n in range(first, first + count)]
                    self.say(live[node], *names)
                case "attach" if len(readers) < 6:
                    told, tail = what
                    reader = self.attach(JSON if told else PLAIN, room=1, tail=tail)
                    readers.append((reader, told))
                case "take":
                    readers[what[0] % len(readers)][0].take(what[1])
                case "back":
                    self.time -= what
            self.assertLessEqual(self.consoles.queued, 9000 + 20_000)
        ends = {f"{n}:{lives[n]}": console.next - 1 for n, console in live.items()}
        for reader, told in readers:
            reader.take()
            if told:
                self.checkTold(reader.documents(), lives, ends)
            else:
                self.checkPlain(reader)
        self.assertEqual(self.consoles.queued, 0)

    def checkTold(
        self, documents: list[Any], lives: dict[str, int], ends: dict[str, int]
    ) -> None:
        """
        Assert that nothing is missing that was not said to be.
        """
        following: dict[str, set[int]] = {}  # numbers that may come next
        incarnation: dict[str, int] = {}
        for document in documents:
            node = document["node"]
            if "seq" in document:
                life, number = document["line"].split(":")
                self.assertEqual(int(number), document["seq"])
                self.assertIn(document["seq"], following[node])
                self.assertEqual(incarnation.setdefault(node, int(life)), int(life))
                following[node] = {document["seq"] + 1}
            elif document["event"] == "attached":
                # Kept ones first, or not.
                following[node] = set(range(1, document["next"] + 1))
                incarnation.pop(node, None)
            elif document["event"] == "dropped":
                following[node] = {number + document["missed"] for number in following[node]}
            elif document["event"] == "deleted":
                del following[node]
        for name, last in ends.items():
            node, _, life = name.partition(":")
            self.assertIn(last + 1, following[node], node)
            self.assertIn(incarnation.get(node), (None, int(life)))

    def checkPlain(self, reader: Recorder) -> None:
        """
        Assert that lines are in order, without a hole.
        """
        last: dict[bytes, tuple[int, int]] = {}
        for frame in reader.frames():
            node, _, line = frame.partition(b" | ")
            life, number = (int(part) for part in line.split(b":"))
            if node in last and last[node][0] == life:
                self.assertEqual(number, last[node][1] + 1)
            elif node in last:
                self.assertGreater(life, last[node][0])
                self.assertEqual(number, 1)
            last[node] = (life, number)
