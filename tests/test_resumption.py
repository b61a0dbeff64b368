"""
Tests of L{smartmob.resumption} and L{smartmob.legacy}: what an earlier agent has left.
"""

from __future__ import annotations

import json
import shutil

from attrs import evolve
from twisted.logger import capturedLogs, formatEvent

from smartmob.documents import Restart
from smartmob.ports import Ports
from smartmob.refusals import NoPort, SlugInUse, TooManyProcesses
from smartmob.resumption import AT_ONCE
from smartmob.scaling import steps
from smartmob.source.layout import name_of
from smartmob.templates import Template
from smartmob.topics import Topics
from tests.support.stage import REQUEST
from tests.support.successors import WEB, LifetimeTestCase, template

RELEASE = name_of("0" * 64, None)


class RestoreTests(LifetimeTestCase):
    """
    Created processes.
    """

    def test_same(self) -> None:
        """It is as it was, and runs again; so it is after an end in order."""
        self.create(env={"A": "\u00e4\n"}, labels={"x": "y"})
        for _ in range(13):
            self.exit()
        before = self.shown()
        self.assertEqual(len(before[4]), 10)
        self.assertEqual(self.process().last_exits[0].lines, ("last words",))
        self.killed()
        self.assertEqual(self.shown(), before)
        self.assertEqual(self.states(), {WEB: "running"})
        self.life.end()
        after = self.life.next()
        self.life = after
        self.assertEqual(self.process().exits, 14)
        self.assertEqual(self.process().restarts, 13)
        self.assertEqual(self.states(), {WEB: "running"})

    def test_stopped(self) -> None:
        """Who was stopped stays so, until somebody starts it, and keeps its release."""
        process = self.create()
        self.done(process.stop())
        self.life.sources.whole.add(("myapp", RELEASE))
        for _ in range(2):
            self.killed(sources=self.life.sources)
            self.assertEqual(self.states(), {WEB: "stopped"})
            self.assertEqual(self.life.sources.keep.releases, {("myapp", RELEASE)})
        self.done(self.process().start())
        self.assertEqual(len(self.life.sources.asked), 1)
        self.killed()
        self.assertEqual(self.states(), {WEB: "running"})

    def test_ranItsCourse(self) -> None:
        """Who ran its course is not started by a later agent, however the former ended."""
        for number, (rule, code, state) in enumerate(
            [
                (Restart.NEVER, 0, "stopped"),
                (Restart.NEVER, 1, "failed"),
                (Restart.ON_FAILURE, 0, "stopped"),
            ]
        ):
            slug = f"myapp.web.{number}"
            self.create(node=f"web.{number}", restart=rule)
            # Nothing but the note of its end is on the disk when the agent is killed.
            self.life.aside.at_once = False
            self.program(slug).end(code)
            self.assertEqual(self.process(slug).state.value, state)
            self.life.aside.works.clear()
            self.killed()
            self.assertEqual(self.states()[slug], "stopped")
            self.done(self.process(slug).start())
            self.life.settle()
            self.killed()
            self.assertEqual(self.states()[slug], "running")

    def test_deleted(self) -> None:
        """Who was deleted is not there again, and nothing of it is."""
        process = self.create()
        self.exit()
        self.done(process.delete())
        self.assertEqual(self.names(), [])
        self.killed()
        self.assertEqual(self.states(), {})
        self.assertIsNone(self.create().last_exit)
        self.killed()
        self.assertIsNone(self.process().last_exit)

    def test_order(self) -> None:
        """The oldest is first, whatever it is called."""
        for node in ("b", "c", "a"):
            self.create(node=node)
            self.life.clock.advance(1)
        self.killed()
        self.assertEqual(list(self.states()), ["myapp.b", "myapp.c", "myapp.a"])

    def test_fewAtATime(self) -> None:
        """A few are set going at a time; an operator need not wait for the others."""
        for number in range(12):
            self.create(node=f"web.{number}")
            self.life.clock.advance(1)
        self.killed_slowly()
        waiting = self.life.sources.waiting
        self.assertEqual(len(waiting), AT_ONCE)
        states = list(self.states().values())
        self.assertEqual(states, ["downloading"] * AT_ONCE + ["pending"] * 8)
        agent = self.life.agent
        self.successResultOf(agent.process("myapp.web.11").start())
        self.assertEqual(len(waiting), AT_ONCE + 1)
        self.successResultOf(agent.process("myapp.web.10").stop())
        self.successResultOf(agent.process("myapp.web.9").delete())
        for number in range(9):
            self.assertEqual(len(waiting), min(9, number + AT_ONCE) + 1)
            waiting[number if number < AT_ONCE else number + 1].callback(
                self.life.sources.made()
            )
            self.life.settle()
        self.assertEqual(self.states()["myapp.web.10"], "stopped")
        self.assertEqual(list(self.states().values()).count("running"), 9)

    def killed_slowly(self) -> None:
        """
        As L{killed}, and sources take their time then.
        """
        sources = self.life.sources
        sources.at_once = False
        self.killed(sources=sources)

    def test_endsMeanwhile(self) -> None:
        """An agent that ends starts no more."""
        for number in range(12):
            self.create(node=f"web.{number}")
        self.killed_slowly()
        self.life.end()
        self.assertEqual(len(self.life.sources.waiting), AT_ONCE)

    def test_events(self) -> None:
        """Numbers of events go on, and that it was created is not told again."""
        self.create()
        self.life.clock.advance(1)
        events = self.life.agent.events
        before = events.since(0, Topics())
        next_id = events.next_id
        self.killed()
        missed, after = self.life.agent.events.since(0, Topics())
        self.assertEqual(missed, before[0])
        self.assertEqual(after[: len(before[1])], before[1])
        new = after[len(before[1]) :]
        self.assertEqual([event.topic.value for event in new], ["start", "spawn"])
        self.assertEqual([event.id for event in new], [next_id, next_id + 1])

    def test_ports(self) -> None:
        """Of two with one port the first keeps it; the other has one for good then."""
        for node in ("a", "b", "c"):
            self.create(node=node)
        first, *_ = [process.port for process in self.life.agent.processes()]
        for slug, port in (("myapp.b", first), ("myapp.c", None)):
            path = self.folder / "processes" / f"{slug}.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "port": port}))
        self.killed()
        ports = [process.port for process in self.life.agent.processes()]
        self.assertEqual(ports[0], first)
        self.assertEqual(len(set(ports)), 3)
        self.life.clock.advance(1)
        others = Ports(lambda low, high: high - 1, 20_000, 29_999, lambda port: True)
        self.killed(ports=others)
        self.assertEqual([process.port for process in self.life.agent.processes()], ports)

    def test_noPorts(self) -> None:
        """Who can't have a port costs no other anything, and stays as it is."""
        for node in ("a", "b"):
            self.create(node=node)
        path = self.folder / "processes" / "myapp.b.json"
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "port": 20_000}))
        before = path.read_bytes()
        few = Ports(lambda low, high: low, 20_000, 20_000, lambda port: True)
        self.killed(ports=few)
        self.assertEqual(self.states(), {"myapp.a": "running"})
        other = self.life.agent.create(evolve(REQUEST, node="b"), "id")
        self.failureResultOf(other, NoPort)
        self.done(self.process("myapp.a").delete())
        other = self.life.agent.create(evolve(REQUEST, node="b"), "id")
        self.assertIn("known from before", self.failureResultOf(other).getErrorMessage())
        self.assertEqual(path.read_bytes(), before)
        self.killed()
        self.assertEqual(self.states(), {"myapp.b": "running"})

    def test_models(self) -> None:
        """What was scaled to 0 can be had again as it was, until the app is gone."""
        self.create(env={"A": "b"})
        self.create(node="clock.0", process_type="clock")
        for _ in range(2):
            scaled = self.life.agent.scale("myapp", steps({"web": 0}), "id")
            self.life.settle()
            self.successResultOf(scaled)
            self.killed()
            self.successResultOf(self.life.agent.scale("myapp", steps({"web": 1}), "id"))
            self.life.settle()
            process = self.process()
            self.assertEqual(process.definition.env, {"A": "b"})
        self.killed()
        for process in self.life.agent.processes():
            self.done(process.delete())
        path = self.folder / "models.json"
        self.assertEqual(json.loads(path.read_bytes()), {"schema": 1, "models": []})

    def test_modelsKept(self) -> None:
        """An agent that does not resume forgets nothing of it; what is damaged is."""
        self.create(env={"A": "b"})
        self.create(node="clock.0", process_type="clock")
        self.done(self.process().delete())
        self.killed(resumes=False)
        for node in ("web.0", "clock.0"):
            self.create(app="other", node=node, process_type=node.partition(".")[0])
        self.done(self.process("other.web.0").delete())
        self.killed(resumes=True)
        self.life.agent.scale("myapp", steps({"web": 1}), "id")
        self.assertEqual(self.process().definition.env, {"A": "b"})
        path = self.folder / "models.json"
        for text in ("", '{"schema": 1, "models": [1]}', '{"schema": 1, "models": [{}]}'):
            path.write_text(text)
            with capturedLogs() as logs:
                self.killed()
            self.assertIn("it is kept as", "".join(str(formatEvent(each)) for each in logs))
        path.write_text('{"schema": 2}')
        self.killed()
        self.done(self.process().delete())
        self.assertEqual(path.read_text(), '{"schema": 2}')

    def test_lowerBound(self) -> None:
        """All are restored where fewer may be created now, and those of the file come."""
        for number in range(3):
            self.create(node=f"web.{number}")
        self.killed(most=2, templates=[template()])
        self.assertEqual(set(self.states().values()), {"running"})
        self.assertEqual(len(self.states()), 4)
        another = self.life.agent.create(evolve(REQUEST, node="x"), "id")
        self.failureResultOf(another, TooManyProcesses)

    def test_unread(self) -> None:
        """What can't be read keeps its slug, its app's releases, and stays as it is."""
        path = self.folder / "processes" / "myapp.web.0.json"
        path.write_text('{"schema": 99}')
        with capturedLogs() as logs:
            self.killed()
        self.assertIn(
            "myapp.web.0 has a record that was written by a later release (schema 99; this "
            "one knows 1); it stays as it is",
            [formatEvent(event) for event in logs],
        )
        self.assertEqual(self.life.sources.keep.apps, {"myapp"})
        error = self.failureResultOf(self.life.agent.create(REQUEST, "id"), SlugInUse)
        self.assertIn("was written by a later release", error.getErrorMessage())
        self.assertEqual(path.read_text(), '{"schema": 99}')

    def test_damaged(self) -> None:
        """What is damaged costs one process, whose slug is free."""
        self.create(node="web.1")
        self.create()
        (self.folder / "processes" / "myapp.web.0.json").write_text("{")
        self.killed()
        self.assertEqual(self.states(), {"myapp.web.1": "running"})
        self.create()
        self.assertIn("myapp.web.0.json.bad", self.names())


class NoResumeTests(LifetimeTestCase):
    """
    An agent that begins with the configuration file alone.
    """

    def setUp(self) -> None:
        """
        There is something to leave alone.
        """
        super().setUp()
        self.killed(templates=[template(), template("echo", 2)])
        self.create(source_url="smartmob-archive:" + "0f" * 32)
        self.exit()
        self.exit("default.dummy.0")
        self.done(self.process("default.dummy.0").stop())
        self.successResultOf(self.life.agent.scale("default", steps({"echo": 3}), "id"))
        self.life.settle()
        self.before = {slug: self.shown(slug) for slug in self.states()}
        self.killed(resumes=False)

    def test_untouched(self) -> None:
        """What is not restored stays as it was, whatever happens meanwhile."""
        running = dict.fromkeys(["default.dummy.0", "default.echo.0", "default.echo.1"])
        self.assertEqual(self.states(), dict.fromkeys(running, "running"))
        error = self.failureResultOf(self.life.agent.create(REQUEST, "id"), SlugInUse)
        self.assertIn("was not restored (--no-resume)", error.getErrorMessage())
        self.assertEqual(self.life.sources.keep.apps, {"myapp"})
        self.assertEqual(self.life.agent._archives_in_use(), {"0f" * 32})
        self.create(node="other")
        self.assertNotIn(self.before[WEB][1], [self.process("myapp.other").port])
        # Also where the journal is shortened.
        records = self.life.persistence.records
        for _ in range(3):
            records._journal.size = 5 << 20
            records._limit = 0
            self.exit("default.echo.1")
            self.life.settle()
        self.assertFalse((self.folder / "journal.old").exists())
        self.killed(resumes=True)
        self.assertEqual(self.shown(), self.before[WEB])
        self.assertEqual(self.states()[WEB], "running")
        self.assertEqual(self.states()["default.dummy.0"], "stopped")
        self.assertEqual(self.states()["default.echo.2"], "running")

    def test_otherScaled(self) -> None:
        """What is scaled meanwhile counts, and what was before of others is not forgotten."""
        self.successResultOf(self.life.agent.scale("default", steps({"dummy": 2}), "id"))
        self.killed(resumes=True)
        slugs = ["dummy.0", "dummy.1", "echo.0", "echo.1", "echo.2"]
        self.assertEqual(
            sorted(each for each in self.states() if each != WEB),
            [f"default.{each}" for each in slugs],
        )

    def test_nameTaken(self) -> None:
        """A section does not take the place of who was not restored."""
        self.life = self.life.next(resumes=True)
        self.create(app="default", node="clock.0", process_type="clock")
        before = self.shown("default.clock.0")
        self.killed(resumes=False, templates=[template("clock")])
        self.assertEqual(self.states(), {})
        self.killed(resumes=True, templates=[])
        self.assertEqual(self.shown("default.clock.0"), before)


class ConfiguredTests(LifetimeTestCase):
    """
    Processes of the configuration file.
    """

    def with_file(self, *templates: Template) -> None:
        """
        The agent is killed; another reads this file.
        """
        self.killed(templates=templates)

    def scale(self, **wanted: int) -> None:
        """
        Have so many instances.
        """
        self.successResultOf(self.life.agent.scale("default", steps(wanted), "id"))
        self.life.settle()

    def test_same(self) -> None:
        """Counters, port, exits and age are as they were; so they are without a journal."""
        self.with_file(template())
        self.exit("default.dummy.0")
        before = self.shown("default.dummy.0")
        for _ in range(3):
            self.with_file(template())
            self.assertEqual(self.shown("default.dummy.0"), before)
            records = self.life.persistence.records
            records._shorten()
            self.life.settle()

    def test_leftJournal(self) -> None:
        """What an agent that was killed had only in an old journal is not lost."""
        self.with_file(template())
        self.exit("default.dummy.0")
        before = self.shown("default.dummy.0")
        (self.folder / "journal").rename(self.folder / "journal.old")
        for _ in range(3):
            self.with_file(template())
            self.assertEqual(self.shown("default.dummy.0"), before)
        self.assertFalse((self.folder / "journal.old").exists())

    def test_stopped(self) -> None:
        """Who was stopped stays so until it is started, which leaves it to the file."""
        self.with_file(template())
        self.done(self.process("default.dummy.0").stop())
        for _ in range(2):
            self.with_file(template())
            self.assertEqual(self.states(), {"default.dummy.0": "stopped"})
        self.done(self.process("default.dummy.0").start())
        self.with_file(template())
        self.assertEqual(self.states(), {"default.dummy.0": "running"})
        self.with_file(template(start=False))
        self.assertEqual(self.states(), {"default.dummy.0": "stopped"})

    def test_scaled(self) -> None:
        """What was scaled stays so, until the file says something else, and for good then."""
        self.with_file(template(numprocesses=2))
        self.scale(dummy=4)
        for _ in range(2):
            self.with_file(template(numprocesses=2))
            self.assertEqual(len(self.states()), 4)
        self.with_file(template(numprocesses=3))
        self.assertEqual(len(self.states()), 3)
        self.with_file(template(numprocesses=2))
        self.assertEqual(len(self.states()), 2)

    def test_removed(self) -> None:
        """What the file does not have any more is forgotten, with all that is known of it."""
        self.with_file(template(), template("echo"))
        self.exit("default.echo.0")
        self.done(self.process("default.echo.0").stop())
        before = self.shown("default.dummy.0")
        self.with_file(template(), template("other"))
        self.assertEqual(self.shown("default.dummy.0"), before)
        self.with_file(template(), template("echo"))
        self.assertEqual(self.states()["default.echo.0"], "running")
        self.assertEqual(self.process("default.echo.0").exits, 0)

    def test_newer(self) -> None:
        """One whose record can't be read runs as the file says; that record stays."""
        self.with_file(template())
        self.done(self.process("default.dummy.0").stop())
        path = self.folder / "processes" / "default.dummy.0.json"
        path.write_text('{"schema": 99}')
        self.with_file(template())
        self.assertEqual(self.states(), {"default.dummy.0": "running"})
        self.refused(self.process("default.dummy.0").stop())
        self.assertEqual(path.read_text(), '{"schema": 99}')

    def test_portsFirst(self) -> None:
        """A new section does not get the port of one that there was."""
        self.with_file(template("b"))
        port = self.process("default.b.0").port
        self.with_file(template("a"), template("b"))
        self.assertEqual(self.process("default.b.0").port, port)
        self.assertNotEqual(self.process("default.a.0").port, port)

    def test_everyPort(self) -> None:
        """Where there is a port for each and no more, all are there again."""

        def few() -> Ports:
            return Ports(lambda low, high: low, 20_000, 20_001, lambda port: True)

        for _ in range(3):
            self.killed(templates=[template(numprocesses=2)], ports=few())
            self.assertEqual(len(self.states()), 2)
        self.killed(templates=[template(numprocesses=1)], ports=few())
        self.assertEqual(self.life.ports._taken, {20_000})

    def test_recordsAreCopied(self) -> None:
        """A folder that is copied elsewhere has all of it."""
        self.with_file(template())
        self.create()
        self.exit()
        before = self.shown()
        there = self.folder.parent / "there"
        shutil.copytree(self.folder, there)
        self.life.folder = there
        self.with_file(template())
        self.assertEqual(self.shown(), before)
