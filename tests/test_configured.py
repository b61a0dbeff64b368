"""
Tests of L{smartmob.configured}, on the real agent with programs in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.configured import Changes, Sections
from smartmob.converter import InvalidDocument
from smartmob.documents import Flapping, Left, Restart, State
from smartmob.events import Event
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.process import Process
from smartmob.refusals import NoPort, Stopping, TooManyProcesses, TreeLeft, UnknownApp
from smartmob.scaling import steps
from smartmob.templates import Configured, Template
from smartmob.topics import Topics
from tests.support.launching import FakeLauncher
from tests.support.recording_state import FakeRecords
from tests.support.releasing import FakeSources
from tests.support.stage import REQUEST

DUMMY = Template(
    model=Configured(
        app="default", node="dummy.0", process_type="dummy", cmd="./dummy.py", cwd="/srv"
    )
)


def like(template: Template = DUMMY, **changed: Any) -> Template:
    """
    A section with another model.
    """
    return evolve(template, model=evolve(template.model, **changed))


def named(name: str, **changed: Any) -> Template:
    """
    A section of another type.
    """
    return like(DUMMY, process_type=name, node=f"{name}.0", **changed)


class Walked(list[Process]):
    """
    Processes that know how often they were gone through.
    """

    walks = 0

    def __iter__(self) -> Iterator[Process]:
        """
        Once more.
        """
        self.walks += 1
        return super().__iter__()


class ConfiguredTests(SynchronousTestCase):
    """
    Processes of the configuration file.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.launcher = FakeLauncher(self.clock, obedient=True)
        self.agent = Agent(
            self.clock,
            self.launcher,
            Consoles(epoch="test", now=self.clock.seconds),
            FakeSources(at_once=True).real,
            FakeRecords(),
            ports=Ports(lambda low, high: low, 100, 119, lambda port: True),
            inherited={"PATH": "/bin"},
            wall=self.clock.seconds,
            monotonic=self.clock.seconds,
        )

    def configure(self, *templates: Template) -> Changes:
        """
        Read the file, and have all programs up.
        """
        changes = self.carry_out(*templates)
        self.clock.advance(0)
        self.up()
        return changes

    def carry_out(self, *templates: Template) -> Changes:
        """
        Read the file.
        """
        return self.agent.configuring.carry_out(self.agent.configuring.plan(templates))

    def up(self) -> None:
        """
        What was asked for is executed.
        """
        for program in self.launcher.programs:
            if program.running and program.pid is None:
                program.execute()

    def slugs(self) -> list[str]:
        """
        Of the listing.
        """
        return [process.slug for process in self.agent.processes()]

    def pids(self) -> dict[str, int | None]:
        """
        Of what runs.
        """
        return {process.slug: process.pid for process in self.agent.processes()}

    def test_first(self) -> None:
        """Instances are numbered from 0, and started in their order."""
        changes = self.configure(evolve(DUMMY, numprocesses=2))
        self.assertEqual(changes.started, ("default.dummy.0", "default.dummy.1"))
        self.assertEqual((changes.restarted, changes.stopped), ((), ()))
        self.successResultOf(changes.done)
        process = self.agent.process("default.dummy.1")
        self.assertIs(process.state, State.RUNNING)
        command = self.launcher.programs[1].command
        self.assertEqual(command.argv, ("./dummy.py",))
        self.assertEqual((command.cwd, command.grace), ("/srv", 30.0))
        self.assertEqual(command.env["PS"], "dummy.1")

    def test_order(self) -> None:
        """They are listed by priority, then as in the file, then what was created."""
        self.successResultOf(self.agent.create(REQUEST, "id"))
        self.configure(
            named("b", priority=1), named("a", priority=2), named("z"), named("y", priority=2)
        )
        self.assertEqual(
            self.slugs(),
            ["default.b.0", "default.a.0", "default.y.0", "default.z.0", "myapp.web.0"],
        )

    def test_tenIsAfterNine(self) -> None:
        """Instances are listed by number."""
        self.configure(evolve(DUMMY, numprocesses=11))
        self.assertEqual(self.slugs()[-1], "default.dummy.10")
        self.agent.process("default.dummy.3").delete()
        self.clock.advance(0)
        self.configure(like(evolve(DUMMY, numprocesses=11), graceful_timeout=1.0))
        self.assertEqual(self.slugs()[3], "default.dummy.3")

    def test_notStarted(self) -> None:
        """With C{start = false} it is stopped, and nothing was launched."""
        changes = self.configure(evolve(DUMMY, start=False))
        self.assertEqual(changes.started, ())
        process = self.agent.process("default.dummy.0")
        self.assertIs(process.state, State.STOPPED)
        self.assertEqual(self.launcher.programs, [])
        process.start()
        self.assertIs(process.state, State.STARTING)

    def test_startedLater(self) -> None:
        """A section that allows it now starts what was never started."""
        self.configure(evolve(DUMMY, start=False, numprocesses=2))
        self.agent.process("default.dummy.1").start()
        self.up()
        self.agent.process("default.dummy.1").stop()
        self.clock.advance(0)
        changes = self.configure(evolve(DUMMY, numprocesses=2))
        states = [process.state for process in self.agent.processes()]
        self.assertEqual(states, [State.RUNNING, State.STOPPED])
        self.assertEqual(changes.started, ("default.dummy.0",))

    def test_unchanged(self) -> None:
        """What was not changed keeps its pid, and nothing is told of it."""
        self.configure(DUMMY, named("other"))
        before = self.pids()
        told: list[Event] = []
        self.agent.events.subscribe(Topics(), told.append)
        changes = self.configure(named("other"), DUMMY)
        self.assertEqual((changes.started, changes.restarted, changes.stopped), ((), (), ()))
        self.assertEqual(self.pids(), before)
        self.assertEqual(told, [])

    def test_changed(self) -> None:
        """What runs otherwise is restarted, and only that."""
        self.configure(DUMMY, named("other"))
        before = self.pids()
        changes = self.carry_out(like(cmd="./new"), named("other"))
        self.assertEqual(changes.restarted, ("default.dummy.0",))
        self.assertNoResult(changes.done)
        self.clock.advance(0)
        self.up()
        self.successResultOf(changes.done)
        self.assertNotEqual(self.pids()["default.dummy.0"], before["default.dummy.0"])
        self.assertEqual(self.pids()["default.other.0"], before["default.other.0"])
        self.assertEqual(self.launcher.programs[-1].command.argv, ("./new",))
        self.assertEqual(self.agent.process("default.dummy.0").port, 100)

    def test_room(self) -> None:
        """No more processes than wanted are made; what ends leaves room for others."""
        self.agent.most_processes = 2
        self.launcher.obedient = False
        self.configure(evolve(DUMMY, numprocesses=2))
        self.failureResultOf(self.agent.create(REQUEST, "id"), TooManyProcesses)
        with self.assertRaises(TooManyProcesses):
            self.configure(evolve(DUMMY, numprocesses=2), named("one"))
        self.configure(evolve(named("other"), numprocesses=2))
        self.assertEqual(len(self.agent.processes()), 4)
        self.failureResultOf(self.agent.create(REQUEST, "id"), TooManyProcesses)
        scaled = self.agent.scale("default", steps({"other": 3}), "id")
        self.failureResultOf(scaled, TooManyProcesses)
        for program in list(self.launcher.programs[:2]):
            program.end()
        self.assertEqual(self.slugs(), ["default.other.0", "default.other.1"])

    def test_moreRoom(self) -> None:
        """How many there may be then is what a plan is judged by; fewer end none."""
        self.agent.most_processes = 1
        many = evolve(DUMMY, numprocesses=3)
        self.assertRaises(TooManyProcesses, self.agent.configuring.plan, [many])
        self.agent.configuring.carry_out(self.agent.configuring.plan([many], 3))
        self.assertEqual(len(self.slugs()), 3)
        changes = self.agent.configuring.carry_out(self.agent.configuring.plan([many], 0))
        self.assertEqual((changes.stopped, len(self.slugs())), ((), 3))

    def test_changedEnvironment(self) -> None:
        """What is restarted has what programs may see of the agent's environment by now."""
        self.configure(DUMMY)
        self.agent.inherited = {"LANG": "C"}
        self.configure(like(cmd="./new"))
        env = self.launcher.programs[-1].command.env
        self.assertEqual((env.get("LANG"), env.get("PATH")), ("C", None))
        self.assertEqual(env["PORT"], "100")

    def test_noRestart(self) -> None:
        """What does not concern the program changes while it runs."""
        self.configure(DUMMY)
        before = self.pids()
        rule = Flapping(attempts=1, window=1, retry_in=1, max_retry=0)
        changes = self.configure(like(graceful_timeout=3.0, priority=1, flapping=rule))
        self.assertEqual(changes.restarted, ())
        self.assertEqual(self.pids(), before)
        [program] = self.launcher.programs
        program.exit(1)
        program.end()
        self.assertIs(self.agent.process("default.dummy.0").state, State.FAILED)
        self.agent.process("default.dummy.0").start()
        self.up()
        self.agent.process("default.dummy.0").stop()
        self.assertEqual(self.launcher.programs[-1].stopped, [3.0])
        self.assertEqual(self.launcher.programs[-1].command.grace, 3.0)

    def test_rule(self) -> None:
        """When it is started again, and what is said of it, is nothing to restart it for."""
        self.configure(DUMMY)
        labels = {"team": "a"}
        changes = self.configure(like(restart=Restart.NEVER, labels=labels))
        self.assertEqual(changes.restarted, ())
        process = self.agent.process("default.dummy.0")
        self.assertEqual(process.definition.labels, labels)
        [program] = self.launcher.programs
        program.exit(0)
        program.end()
        self.assertIs(process.state, State.STOPPED)

    def test_newGraceOfTheOldRun(self) -> None:
        """A changed grace is that of the run under way, too."""
        self.configure(DUMMY)
        self.configure(like(graceful_timeout=3.0))
        self.agent.process("default.dummy.0").stop()
        self.assertEqual(self.launcher.programs[0].stopped, [3.0])

    def test_stoppedStaysStopped(self) -> None:
        """A stopped process is changed, and not started."""
        self.configure(DUMMY)
        self.agent.process("default.dummy.0").stop()
        self.clock.advance(0)
        changes = self.configure(like(cmd="./new"))
        self.assertEqual(changes.restarted, ())
        process = self.agent.process("default.dummy.0")
        self.assertIs(process.state, State.STOPPED)
        process.start()
        self.assertEqual(self.launcher.programs[-1].command.argv, ("./new",))

    def test_stoppingStaysStopped(self) -> None:
        """What is being stopped stays stopped, and what is being restarted comes as new."""
        self.launcher.obedient = False
        self.configure(DUMMY, named("other"))
        self.agent.process("default.dummy.0").stop()
        self.agent.process("default.other.0").restart()
        changes = self.configure(like(cmd="./new"), named("other", cmd="./new"))
        self.successResultOf(changes.done)
        for program in list(self.launcher.programs):
            program.end()
        self.up()
        states = [process.state for process in self.agent.processes()]
        self.assertEqual(states, [State.STOPPED, State.RUNNING])
        self.assertEqual(self.launcher.programs[-1].command.argv, ("./new",))

    def test_failedBeginsAnew(self) -> None:
        """A failed process whose section was mended is started."""
        rule = Flapping(attempts=1, window=1, retry_in=1, max_retry=0)
        self.configure(like(flapping=rule))
        self.launcher.programs[0].exit(1)
        self.launcher.programs[0].end()
        changes = self.configure(like(flapping=rule, cmd="./better"))
        self.assertEqual(changes.restarted, ("default.dummy.0",))
        self.assertIs(self.agent.process("default.dummy.0").state, State.RUNNING)

    def test_backoff(self) -> None:
        """One that waits for its restart begins at once as what it is now."""
        self.configure(DUMMY)
        for _ in range(2):
            self.launcher.programs[0].exit(1)
            self.launcher.programs[0].end()
            self.up()
        self.assertIs(self.agent.process("default.dummy.0").state, State.BACKOFF)
        self.configure(like(cmd="./better"))
        self.assertIs(self.agent.process("default.dummy.0").state, State.RUNNING)
        self.assertEqual(self.launcher.programs[-1].command.argv, ("./better",))

    def test_removed(self) -> None:
        """What is in the file no more is stopped and gone."""
        self.configure(evolve(DUMMY, numprocesses=2), named("other"))
        changes = self.carry_out(named("other"))
        self.assertEqual(changes.stopped, ("default.dummy.0", "default.dummy.1"))
        self.assertNoResult(changes.done)
        self.clock.advance(0)
        self.successResultOf(changes.done)
        self.assertEqual(self.slugs(), ["default.other.0"])

    def test_left(self) -> None:
        """What can't be ended is told."""
        self.launcher.obedient = False
        self.configure(DUMMY)
        changes = self.carry_out()
        self.launcher.programs[0].end(left=(Left(1, "init"),))
        self.failureResultOf(changes.done, TreeLeft)

    def test_numprocesses(self) -> None:
        """Another number touches the difference only, from the highest."""
        self.configure(evolve(DUMMY, numprocesses=3))
        before = self.pids()
        changes = self.configure(evolve(DUMMY, numprocesses=1))
        self.assertEqual(changes.stopped, ("default.dummy.2", "default.dummy.1"))
        self.assertEqual(self.pids(), {"default.dummy.0": before["default.dummy.0"]})
        changes = self.configure(evolve(DUMMY, numprocesses=2))
        self.assertEqual(changes.started, ("default.dummy.1",))

    def test_manySections(self) -> None:
        """However many sections change, the processes are gone through once."""
        names = [f"p{number}" for number in range(20)]
        self.configure(*map(named, names))
        processes = Walked(self.agent.processes())
        sections = Sections()
        sections.adopt(map(named, names))
        plan = sections.plan([named(name, cmd="./new") for name in names], processes)
        self.assertEqual((len(plan.redefine), processes.walks), (20, 1))

    def test_scaledStays(self) -> None:
        """What somebody scaled stays so until the file has another number."""
        self.configure(DUMMY)
        self.agent.scale("default", steps({"dummy": 3}), "id")
        self.up()
        self.configure(like(cmd="./new"))
        self.assertEqual(len(self.slugs()), 3)
        argvs = {program.command.argv for program in self.launcher.programs if program.running}
        self.assertEqual(argvs, {("./new",)})
        self.configure(evolve(like(cmd="./new"), numprocesses=2))
        self.assertEqual(len(self.slugs()), 2)

    def test_scaledToNothing(self) -> None:
        """A section without an instance can be scaled, even where it is all of its app."""
        self.configure(evolve(DUMMY, numprocesses=0))
        self.agent.scale("default", steps({"dummy": "+1"}), "id")
        self.agent.scale("default", steps({"dummy": 0}), "id")
        self.up()
        self.agent.scale("default", steps({"dummy": 2}), "id")
        self.clock.advance(0)
        self.assertEqual(len(self.slugs()), 2)
        self.configure()
        self.failureResultOf(self.agent.scale("default", steps({"dummy": 1}), "id"), UnknownApp)

    def test_scaleUnknownType(self) -> None:
        """A type without a section is no other section's program."""
        self.configure(DUMMY)
        scaled = self.agent.scale("default", steps({"web": 1}), "id")
        failure = self.failureResultOf(scaled, InvalidDocument)
        self.assertIn("dummy", failure.value.errors[0][1])

    def test_deleted(self) -> None:
        """What somebody deleted stays away until its section changes."""
        self.configure(evolve(DUMMY, numprocesses=2))
        self.agent.process("default.dummy.0").delete()
        self.clock.advance(0)
        self.configure(evolve(DUMMY, numprocesses=2))
        self.assertEqual(self.slugs(), ["default.dummy.1"])
        changes = self.configure(like(evolve(DUMMY, numprocesses=2), graceful_timeout=1.0))
        self.assertEqual(changes.started, ("default.dummy.0",))
        self.assertEqual(self.slugs(), ["default.dummy.0", "default.dummy.1"])

    def test_slugOfACreatedOne(self) -> None:
        """Where a created process has the slug, the next number is taken."""
        self.agent.create(
            evolve(REQUEST, app="default", node="dummy.0", process_type="dummy"), "id"
        )
        changes = self.configure(DUMMY)
        self.assertEqual(changes.started, ("default.dummy.1",))
        self.configure()
        self.assertEqual(self.slugs(), ["default.dummy.0"])

    def test_noRoom(self) -> None:
        """Where there are not ports enough, nothing is changed."""
        self.configure(DUMMY)
        before = self.pids()
        self.assertRaises(
            NoPort, self.agent.configuring.plan, [like(evolve(DUMMY, numprocesses=30), cmd="x")]
        )
        self.assertEqual(self.pids(), before)
        self.assertEqual(self.configure(DUMMY).restarted, ())

    def test_stopping(self) -> None:
        """An agent that is about to end takes over no other file, also where it says less."""
        self.launcher.obedient = False
        self.configure(DUMMY)
        self.agent.stopService()
        self.assertRaises(Stopping, self.agent.configuring.plan, [])

    def test_portTakenMeanwhile(self) -> None:
        """One for which there is no port all the same is left out, and said."""
        plan = self.agent.configuring.plan([evolve(DUMMY, numprocesses=3)])
        self.agent.ports.usable = lambda port: port < 102
        with capturedLogs() as logs:
            changes = self.agent.configuring.carry_out(plan)
        self.assertEqual(changes.started, ("default.dummy.0", "default.dummy.1"))
        [error] = [event for event in logs if event["log_level"] is LogLevel.error]
        self.assertIn("default.dummy.2", str(formatEvent(error)))
        self.assertEqual(changes.left_out, (formatEvent(error),))

    def test_outlives(self) -> None:
        """A detached program is not stopped with the agent."""
        self.configure(like(detach=True), named("other"))
        ended = self.agent.stopService()
        self.clock.advance(0)
        self.clock.advance(1)
        self.successResultOf(ended)
        self.assertEqual([program.stopped for program in self.launcher.programs], [[], [30.0]])

    def test_outlivesNot(self) -> None:
        """A detached program that somebody stops is gone before the agent is."""
        self.launcher.obedient = False
        self.configure(like(detach=True))
        self.agent.process("default.dummy.0").stop()
        self.assertEqual(self.agent.longest_grace(), 30)
        ended = self.agent.stopService()
        self.clock.advance(1)
        self.assertNoResult(ended)
        self.launcher.programs[0].end()
        self.clock.advance(1)
        self.successResultOf(ended)

    def test_adopted(self) -> None:
        """A detached program that an earlier agent began is as old as it is, and not new."""
        told: list[Event] = []
        self.agent.events.subscribe(Topics(), told.append)
        self.clock.advance(100)
        self.carry_out(like(detach=True))
        [program] = self.launcher.programs
        program.execute(adopted=True, started_at=40.0)
        process = self.agent.process("default.dummy.0")
        self.assertEqual((process.state, process.started_at), (State.RUNNING, 40.0))
        self.assertEqual([event.topic.value for event in told], ["create", "start"])
        program.exit(1)
        program.end()
        assert process.last_exit is not None
        self.assertEqual(process.last_exit.ran_seconds, 60)

    def test_adoptedThoughNotStarted(self) -> None:
        """One that lives is adopted, also where its section does not start it."""
        self.launcher.living.add("default.dummy.1")
        section = evolve(like(detach=True), start=False, numprocesses=2)
        self.assertEqual(self.configure(section).started, ("default.dummy.1",))

    def test_detach(self) -> None:
        """By what it is found again: its name, and what it runs with that is its own."""
        self.agent.detached = "/state/detached"
        self.configure(like(detach=True, env={"MINE": "1", "PORT": "80"}), named("other"))
        detach = self.launcher.programs[0].command.detach
        assert detach is not None
        self.assertEqual((detach.name, detach.folder), ("default.dummy.0", "/state/detached"))
        self.assertEqual(detach.ambient, {"PATH"})
        self.assertIsNone(self.launcher.programs[1].command.detach)
        self.assertEqual(self.agent.outliving(), {"default.dummy.0"})
        self.configure(like(detach=True))
        detach = self.launcher.programs[-1].command.detach
        assert detach is not None
        self.assertEqual(detach.ambient, {"PATH", "PORT"})

    def test_detachedEnds(self) -> None:
        """A detached program that ends is not started again."""
        self.configure(like(detach=True), named("other", detach=True))
        for program, code in zip(self.launcher.programs, (0, 1), strict=True):
            program.exit(code)
            program.end()
        states = [process.state for process in self.agent.processes()]
        self.assertEqual(states, [State.STOPPED, State.FAILED])

    def test_longestGrace(self) -> None:
        """What the agent's end may take is up to the programs that run and end with it."""
        self.assertEqual(self.agent.longest_grace(), 0)
        self.configure(
            named("a", graceful_timeout=3.0),
            named("b", graceful_timeout=5.0, detach=True),
            evolve(named("c", graceful_timeout=7.0), start=False),
        )
        self.assertEqual(self.agent.longest_grace(), 3)

    @given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=4))
    def test_anyFiles(self, files: list[tuple[int, ...]]) -> None:
        """Whatever files follow each other, there is what the last one says."""
        self.setUp()
        for numbers in files:
            self.configure(
                *(
                    evolve(named(name, env={"N": str(number)}), numprocesses=number)
                    for name, number in zip("abc", numbers, strict=True)
                    if number
                )
            )
        wanted = [
            f"default.{name}.{k}"
            for name, number in zip("abc", files[-1], strict=True)
            for k in range(number)
        ]
        self.assertEqual(self.slugs(), wanted)
        running = [program for program in self.launcher.programs if program.running]
        self.assertEqual(
            sorted(program.command.env["SMARTMOB_SLUG"] for program in running), wanted
        )
