"""
Tests of L{smartmob.forward.service}, with the lines of processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, cast

from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.forward import Forward, LineFormat, Peer, ToFiles, ToFluentd
from smartmob.documents import CreateRequest, State
from smartmob.forward import making
from smartmob.forward.lane import GATHER
from smartmob.forward.queue import MOST
from smartmob.forward.service import END_SECONDS, Forwards
from smartmob.lines.console import Console, Wanted
from smartmob.lines.consoles import Consoles
from smartmob.lines.encodings import TEXT
from smartmob.lines.readers import Ending
from smartmob.lines.ring import Chunk
from smartmob.placeholders import Pattern, Whose
from smartmob.process import Process


@define(eq=False)
class Running:
    """
    As much of a process as is looked at.
    """

    definition: CreateRequest
    console: Console


@define(eq=False)
class Inline:
    """
    A worker that does all at once, where it is not held.
    """

    clock: Clock
    name: str
    held: bool = False
    ended: bool = False

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        """
        Do it, and say so on a later turn.
        """
        done: Deferred[Any] = Deferred()
        if not self.held:
            self.clock.callLater(0, lambda: done.callback(work()))
        return done

    def end(self) -> None:
        """
        Note it.
        """
        self.ended = True


class Reader:
    """
    A client.
    """

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        """
        Count it.
        """
        self.size += len(data)

    def ending(self, why: Ending) -> None:
        """Nothing."""

    def ended(self) -> None:
        """Nothing."""


class ForwardsTests(SynchronousTestCase):
    """
    Tests of L{Forwards}.
    """

    def setUp(self) -> None:
        """
        Two processes of two apps.
        """
        self.clock = Clock()
        self.folder = Path(self.mktemp()).absolute()
        self.consoles = Consoles(epoch="e")
        self.processes: list[Running] = []
        self.workers: list[Inline] = []
        self.patch(making, "Worker", self.worker)
        self.forwards = Forwards(
            cast(Any, self.clock), lambda: cast("list[Process]", self.processes), lambda: 0.0
        )
        self.web, self.worker_process = self.add("blog", "web"), self.add("mail", "worker")

    def worker(self, reactor: object, name: str) -> Inline:
        """
        What files are written by.
        """
        self.workers.append(Inline(self.clock, name))
        return self.workers[-1]

    def add(self, app: str, kind: str) -> Console:
        """
        A process.
        """
        definition = CreateRequest(
            app=app, node=f"{kind}.0", process_type=kind, source_url="http://host/a"
        )
        console = self.consoles.open(definition.slug, State.RUNNING)
        self.processes.append(Running(definition, console))
        self.forwards.watch(cast(Any, self.processes[-1]))
        return console

    def files(self, name: str = "x", path: str = "{slug}.log", **others: Any) -> Forward:
        """
        A section about files.
        """
        fields = {key: others.pop(key) for key in ("apps", "streams") if key in others}
        pattern = Pattern.of(f"{self.folder}/{path}")
        return Forward(name=name, **fields, to=ToFiles(path=pattern, **others))

    def pass_time(self) -> None:
        """
        What was gathered is written, and that is told.
        """
        for _ in range(50):
            if self.clock.getDelayedCalls():
                self.clock.advance(GATHER)

    def read(self, name: str) -> str:
        """
        What is in a file.
        """
        return (self.folder / name).read_text()

    def test_files(self) -> None:
        """
        Lines of each process go to its file, from then on; also of one that is made later.
        """
        self.web.received("stdout", b"before\n", 1)
        self.forwards.configure([self.files()])
        self.web.received("stdout", b"1\n2\n", 1)
        self.worker_process.received("stderr", b"a\n", 2)
        self.add("blog", "clock").received("stdout", b"tick\n", 3)
        self.pass_time()
        self.assertEqual(self.read("blog.web.0.log"), "1\n2\n")
        self.assertEqual(self.read("mail.worker.0.log"), "a\n")
        self.assertEqual(self.read("blog.clock.0.log"), "tick\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        [report] = self.forwards.report()
        self.assertEqual(report["delivered"], 4)

    def test_filters(self) -> None:
        """
        Only those of the apps and streams that are wanted, by globs.
        """
        self.forwards.configure(
            [
                self.files("a", "a.log", apps=("bl*", "x")),
                self.files("b", "{stream}.txt", streams=("std?rr",)),
                self.files("c", "c.log", apps=("nobody",)),
            ]
        )
        for console in (self.web, self.worker_process):
            for stream in ("stdout", "stderr"):
                console.received(stream, f"{console.slug} {stream}\n".encode(), 1)
        self.pass_time()
        self.assertEqual(self.read("a.log"), "blog.web.0 stdout\nblog.web.0 stderr\n")
        self.assertEqual(self.read("stderr.txt"), "blog.web.0 stderr\nmail.worker.0 stderr\n")
        self.assertEqual(len(list(self.folder.iterdir())), 2)

    def test_once(self) -> None:
        """
        A chunk is encoded once for all that want the same format.
        """
        calls: list[object] = []
        format_of = making._FORMATS[LineFormat.STAMPED]

        class Counting:
            """
            The format, counted.
            """

            def lines(self, *args: Any) -> bytes:
                calls.append(args)
                return format_of.lines(*args)

        self.patch(making, "_FORMATS", {LineFormat.STAMPED: Counting()})
        self.forwards.configure(
            [self.files(name, f"{name}.log", format=LineFormat.STAMPED) for name in "abc"]
        )
        self.web.received("stdout", b"1\n2\n", 1)
        self.pass_time()
        self.assertEqual(len(calls), 1)
        self.assertEqual(self.read("a.log"), self.read("c.log"))

    def test_ends(self) -> None:
        """
        A last line without its end is one too, and a piece of a very long one is marked.
        """
        self.forwards.configure([self.files(format=LineFormat.JSON)])
        self.web.received("stdout", b"x" * (1 << 20) + b"yy", 1)
        self.web.finish()
        self.pass_time()
        documents = [json.loads(line) for line in self.read("blog.web.0.log").splitlines()]
        self.assertEqual([len(each["line"]) for each in documents], [1 << 20, 2])
        self.assertEqual([each.get("partial") for each in documents], [True, None])

    def test_slow(self) -> None:
        """
        A destination that takes nothing costs a bounded amount of memory, no reader anything,
        and no program has to wait; what is missing is counted, and said where it is missing.
        """
        self.forwards.configure([self.files(format=LineFormat.JSON)])
        [worker] = self.workers
        worker.held = True
        blocked: list[bool] = []
        self.web.on_blocked = blocked.append
        reader = Reader()
        self.web.attach(cast(Any, reader), Wanted(), TEXT).resume()
        lines = b"x" * 99 + b"\n"
        for _ in range(2000):
            self.web.received("stdout", lines * 100, 1)
            self.clock.advance(0.01)
        self.assertEqual(reader.size, 2000 * 100 * 100)
        self.assertEqual(blocked, [])
        [report] = self.forwards.report()
        self.assertLessEqual(cast(int, report["queued_bytes"]), MOST)
        self.assertGreater(cast(int, report["dropped"]), 100_000)
        self.assertEqual(cast(int, report["dropped"]) + cast(int, report["queued"]), 200_000)
        self.assertLessEqual(len(self.clock.getDelayedCalls()), 1)

    def test_missing(self) -> None:
        """
        Where lines were dropped, who reads the others is told how many.
        """
        self.forwards.configure([self.files(format=LineFormat.JSON)])
        [forwarding] = self.forwards._running.values()
        forwarding.lane.queue.most = 100_000
        for number in range(2000):
            self.web.received("stdout", f"{number}\n".encode(), 1)
        self.pass_time()
        self.web.received("stdout", b"last\n", 1)
        self.pass_time()
        said = [json.loads(line) for line in self.read("blog.web.0.log").splitlines()]
        numbers = [each["seq"] for each in said if "seq" in each]
        [missed] = [each["missed"] for each in said if each.get("event") == "dropped"]
        self.assertGreater(missed, 100)
        self.assertEqual(len(numbers) + missed, 2001)
        self.assertEqual(numbers[-1], 2001)
        self.assertEqual(numbers[:-1], [*range(1, len(numbers))])
        self.assertIn("event", said[-2])
        [report] = self.forwards.report()
        self.assertEqual((report["delivered"], report["dropped"]), (len(numbers), missed))

    def test_defect(self) -> None:
        """
        A defect in one forward costs it lines, which are counted, and nobody else any; it is
        told once.
        """

        class Broken:
            """
            Can't encode anything, and nothing else.
            """

            def lines(self, chunk: Chunk, whose: Whose) -> bytes:
                raise ZeroDivisionError

            def missing(self, count: int, whose: Whose, seconds: float) -> bytes:
                return b"%d missing\n" % count

        self.forwards.configure([self.files("a", "a.log"), self.files("b", "b.log")])
        broken = self.forwards._running["a"]
        plain, broken.encoding = broken.encoding, Broken()
        self.web.received("stdout", b"1\n2\n", 1)
        self.web.received("stdout", b"3\n", 1)
        broken.encoding = plain
        self.web.received("stdout", b"4\n", 1)
        self.pass_time()
        self.assertEqual(self.read("a.log"), "smartmob: 3 lines are missing here\n4\n")
        self.assertEqual(self.read("b.log"), "1\n2\n3\n4\n")
        self.assertEqual(self.web.next, 5)
        first, second = self.forwards.report()
        self.assertEqual((first["dropped"], second["dropped"]), (3, 0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_floods(self) -> None:
        """
        Very many very short lines are encoded in parts, which have a bound.
        """
        self.forwards.configure([self.files(format=LineFormat.JSON)])
        self.web.received("stdout", b"\n" * 10_000, 1)
        [forwarding] = self.forwards._running.values()
        self.pass_time()
        said = self.read("blog.web.0.log").splitlines()
        self.assertEqual([json.loads(line)["seq"] for line in said], [*range(1, 10_001)])
        self.assertEqual(forwarding.lane.delivered, 10_000)

    def test_reload(self) -> None:
        """
        What stays as it was goes on; what is changed is another, and gets what waited for it
        before; what is gone gets nothing more.
        """
        first, second = self.files("a", "a.log"), self.files("b", "b.log")
        self.forwards.configure([first, second])
        kept = self.forwards._running["a"]
        self.web.received("stdout", b"1\n", 1)
        to = cast(ToFiles, second.to)
        changed = evolve(second, to=evolve(to, format=LineFormat.STAMPED))
        self.forwards.configure([first, changed])
        self.assertIs(self.forwards._running["a"], kept)
        self.web.received("stdout", b"2\n", 1)
        self.pass_time()
        self.assertEqual(self.read("a.log"), "1\n2\n")
        before, after = self.read("b.log").splitlines()
        self.assertEqual((before, after.split(" | ")[1]), ("1", "2"))
        self.forwards.configure([changed])
        self.web.received("stdout", b"3\n", 1)
        self.pass_time()
        self.assertEqual(self.read("a.log"), "1\n2\n")
        ended = {each.name: each.ended for each in self.workers}
        self.assertEqual(ended, {"forward a": True, "forward b": False})
        self.forwards.configure([])
        self.assertIsNone(self.web.follower)
        self.assertEqual(self.forwards.report(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_changedTwice(self) -> None:
        """
        What writes the files of a section goes when nothing waits for any of the places that
        this has led to.
        """
        for path in ("a.log", "b.log"):
            self.forwards.configure([self.files(path=path)])
            [worker] = self.workers
            worker.held = True
            self.web.received("stdout", b"1\n", 1)
            self.clock.advance(GATHER)
        self.forwards.configure([])
        self.clock.advance(END_SECONDS - GATHER / 2)
        self.assertEqual((len(self.forwards._leaving), worker.ended), (1, False))
        self.clock.advance(GATHER)
        self.assertEqual((len(self.forwards._leaving), worker.ended), (0, True))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_same(self) -> None:
        """
        Nothing is done where nothing changed.
        """
        self.forwards.configure([self.files()])
        follower = self.web.follower
        self.forwards.configure([self.files()])
        self.assertIs(self.web.follower, follower)

    def test_stop(self) -> None:
        """
        What waits at the end is delivered, without waiting for more.
        """
        self.forwards.configure([self.files()])
        self.web.received("stdout", b"1\n", 1)
        stopped = self.forwards.stopService()
        self.assertNoResult(stopped)
        self.clock.pump([0, 0, 0])
        self.successResultOf(stopped)
        self.assertEqual(self.read("blog.web.0.log"), "1\n")
        self.assertTrue(self.workers[0].ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopBounded(self) -> None:
        """
        A destination that takes nothing keeps the agent for a moment only, or for none where
        it is in haste.
        """
        for hasty in (False, True):
            self.setUp()
            self.forwards.configure([self.files()])
            self.workers[0].held = True
            self.web.received("stdout", b"1\n", 1)
            stopped = self.forwards.stopService()
            self.clock.advance(0)
            if hasty:
                self.forwards.cut()
            else:
                self.clock.advance(END_SECONDS - 0.1)
                self.assertNoResult(stopped)
                self.clock.advance(0.1)
            self.successResultOf(stopped)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_whyDropped(self) -> None:
        """
        What was not taken in time is told of, with the reason that there is by then.
        """
        for ends, why in (
            (False, "it is not configured so any more, and did not take them in time"),
            (True, "the agent ends"),
        ):
            self.setUp()
            self.forwards.configure([self.files()])
            self.workers[0].held = True
            self.web.received("stdout", b"1\n", 1)
            self.forwards.configure([])
            if ends:
                stopped = self.forwards.stopService()
            with capturedLogs() as logs:
                self.clock.advance(END_SECONDS)
            [said] = [formatEvent(event) for event in logs]
            self.assertTrue(str(said).endswith(f": {why}"), said)
            if ends:
                self.successResultOf(stopped)

    def test_stopNothing(self) -> None:
        """
        Where there is nothing it ends at once.
        """
        self.successResultOf(self.forwards.stopService())
        self.forwards.cut()

    def test_report(self) -> None:
        """
        How each stands is known, by its name.
        """
        peer = Peer(kind="unix", host="/run/f")
        self.forwards.configure([self.files(), Forward(name="y", to=ToFluentd(peer=peer))])
        first, second = self.forwards.report()
        self.assertEqual((first["name"], second["name"]), ("x", "y"))
        self.assertEqual(second["to"], "unix:/run/f")
        zero = ("queued", "queued_bytes", "delivered", "dropped", "failed")
        self.assertEqual({first[name] for name in zero}, {0})
        self.assertIsNone(first["error"])


class ImportTests(SynchronousTestCase):
    """
    What an agent without forwards does not need.
    """

    def test_nothing(self) -> None:
        """
        Where nothing is forwarded nothing of it is imported, nor what its keys mean.
        """
        program = """
            import sys
            import smartmob.tap
            from smartmob.config.load import load
            from smartmob.config.overrides import Overrides
            from smartmob.forward.service import Forwards
            Forwards(None, list).configure(load(sys.argv[1], Overrides()).forwards)
            parts = ("smartmob.forward.", "smartmob.config.forward", "smartmob.placeholders")
            print(*[name for name in sys.modules if name.startswith(parts)])
        """
        file = Path(self.mktemp())
        file.write_text("[process:a]\ncmd = a\n")
        said = subprocess.run(
            [sys.executable, "-c", dedent(program), str(file)],
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(said.stdout.split(), ["smartmob.forward.service"])
