"""
Chance plays operators, programs, the disk, and what kills the agent between any two calls of
the system that change a name.

What was answered is there, nothing is there twice, and nothing deleted is there again.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import Restart, State
from smartmob.process import Process
from smartmob.refusals import Refusal
from smartmob.scaling import steps
from smartmob.state import records as module
from tests.support.fuzzing import tries
from tests.support.launching import FakeProgram
from tests.support.lifetimes import Lifetime, copied, watch
from tests.support.stage import REQUEST

NODES = ("web.0", "web.1", "web.2")
nodes = st.sampled_from(NODES)

Outcome = tuple[float, bool] | None
"""When a process was created, and whether it is to run; C{None}: there is none."""


@define
class Ledger:
    """
    What a later agent may find, by slugs: what was answered, and what was asked since.

    @ivar may: The outcomes with the number of who asked for it, the earliest first.
    @ivar exits: How many runs have ended.
    @ivar next_event: The number of the next event.
    """

    may: dict[str, list[tuple[int, Outcome]]] = field(factory=dict)
    exits: dict[str, int] = field(factory=dict)
    next_event: int = 1

    def copy(self) -> Ledger:
        """
        As it is now.
        """
        return Ledger({k: list(v) for k, v in self.may.items()}, dict(self.exits))


class StateMachine(RuleBasedStateMachine):
    """
    One agent after the other on a folder.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parent = Path(tempfile.mkdtemp(prefix="smartmob-"))
        self.lives = 0
        self.ledger = Ledger()
        self.number = 0
        self.asked = 0
        self.until_killed = 0
        self.left: tuple[Path, Ledger] | None = None
        self.life = Lifetime(self.parent / "0")
        self.look()
        self.life.begin()
        for number, node in enumerate(NODES):
            self.create(node, tuple(Restart)[number])
        self.life.settle()
        self.life.aside.at_once = False

    def teardown(self) -> None:
        """
        All ends as it should, once it can.
        """
        try:
            self.watch.full = False
            self.killed_here()
        finally:
            shutil.rmtree(self.parent)

    def look(self) -> None:
        """
        See what is done in the folder.
        """
        self.watch = watch(self.life.folder)
        self.watch.before = self.before
        self.until_killed = 0
        self.left = None

    def before(self, what: str) -> None:
        """
        A name is about to change: this may be the moment when the agent is killed.
        """
        self.until_killed -= 1
        if self.until_killed == 0:
            self.left = self.copy("killed")

    def copy(self, name: str) -> tuple[Path, Ledger]:
        """
        What is left if the agent is killed now.
        """
        self.lives += 1
        ledger = self.ledger.copy()
        ledger.next_event = self.life.agent.events.next_id
        ledger.exits = {each.slug: each.exits for each in self.life.agent.processes()}
        return copied(self.life.folder, self.parent / f"{self.lives}-{name}"), ledger

    def process(self, node: str) -> Process | None:
        """
        The one of that node, if there is one.
        """
        slug = f"myapp.{node}"
        return self.life.agent.process(slug) if slug in self.life.agent.roster else None

    def ask(self, slug: str, verb: Deferred[Any], outcome: Outcome, otherwise: Outcome) -> None:
        """
        Something was asked for.

        @param otherwise: What it may come to where it is refused.
        """
        self.number += 1
        self.asked += 1
        number = self.number
        may = self.ledger.may.setdefault(slug, [(0, None)])
        may.append((number, outcome))

        def answered(result: object) -> None:
            if isinstance(result, Failure):
                result.trap(Refusal)
                may.append((number, otherwise))
            else:
                may[:] = [each for each in may if each[0] >= number]

        verb.addBoth(answered)

    def outcome(self, process: Process, wanted: bool) -> Outcome:
        """
        It is there, and is to run or not.
        """
        return process.created_at, wanted

    # Operators.

    @rule(node=nodes, restart=st.sampled_from(Restart))
    def create(self, node: str, restart: Restart) -> None:
        """Create one."""
        slug = f"myapp.{node}"
        busy = slug in self.life.agent.roster or slug in self.life.agent.admission
        request = evolve(REQUEST, node=node, restart=restart)
        self.life.clock.advance(0.001)
        now = self.life.clock.seconds()
        if busy:
            created = self.life.agent.create(request, "id")
            created.addErrback(lambda failure: failure.trap(Refusal))
            return
        # It may be on the disk before the call returns.
        may = self.ledger.may.setdefault(slug, [(0, None)])
        may.append((self.number + 1, (now, True)))
        self.ask(slug, self.life.agent.create(request, "id"), (now, True), None)

    @rule(node=nodes)
    def start(self, node: str) -> None:
        """Start it."""
        process = self.process(node)
        if process is not None and not process.doomed:
            self.ask(
                process.slug,
                process.start(),
                self.outcome(process, True),
                self.outcome(process, True),
            )

    @rule(node=nodes)
    def stop(self, node: str) -> None:
        """Stop it."""
        process = self.process(node)
        if process is not None and not process.doomed:
            outcome = self.outcome(process, False)
            self.ask(process.slug, process.stop(), outcome, outcome)

    @rule(node=nodes)
    def delete(self, node: str) -> None:
        """Delete it."""
        process = self.process(node)
        if process is not None and not process.doomed:
            outcome = self.outcome(process, False)
            self.ledger.may[process.slug].append((self.number + 1, outcome))
            self.ask(process.slug, process.delete(), None, outcome)

    # Programs.

    def running(self, node: str) -> FakeProgram | None:
        """
        Its program, if one runs.
        """
        process = self.process(node)
        if process is None or process.state is not State.RUNNING:
            return None
        assert isinstance(process.program, FakeProgram)
        return process.program

    @rule(node=nodes, code=st.integers(0, 1))
    def end(self, node: str, code: int) -> None:
        """A program ends by itself."""
        program, process = self.running(node), self.process(node)
        if program is None or process is None or process.definition.restart_rule is None:
            return
        rule_ = process.definition.restart_rule
        if rule_ is Restart.NEVER or (rule_ is Restart.ON_FAILURE and code == 0):
            self.number += 1
            self.ledger.may[process.slug].append((self.number, self.outcome(process, False)))
            number = self.number
            program.end(code)
            may = self.ledger.may[process.slug]
            may[:] = [each for each in may if each[0] >= number]
        else:
            program.end(code)

    @rule(seconds=st.sampled_from([0, 0.3, 1.1, 61]))
    def advance(self, seconds: float) -> None:
        """Time goes by."""
        self.life.clock.advance(seconds)
        self.life.clock.advance(0)

    # The disk.

    @precondition(lambda self: self.life.aside.works)
    @rule()
    def write(self) -> None:
        """It does what waits."""
        self.life.aside.works.pop(0)()

    @rule()
    def settle(self) -> None:
        """It does all that waits, and what comes of that happens."""
        self.life.settle()

    @rule(full=st.booleans())
    def fill(self, full: bool) -> None:
        """It is full, or not."""
        self.watch.full = full

    @rule()
    def shorten(self) -> None:
        """The journal is long."""
        records = self.life.persistence.records
        records._limit = 0

    # What kills the agent.

    @precondition(lambda self: self.left is None)
    @rule(calls=st.integers(1, 6))
    def arm(self, calls: int) -> None:
        """It will be killed before that call from now."""
        self.until_killed = calls

    @precondition(lambda self: self.left is not None and self.asked > 4)
    @rule()
    def killed_there(self) -> None:
        """It was killed in the midst of something."""
        assert self.left is not None
        self.come_back(*self.left, within=True)

    @precondition(lambda self: self.asked > 4)
    @rule()
    def killed_here(self) -> None:
        """It is killed now."""
        self.come_back(*self.copy("here"), within=False)

    def come_back(self, folder: Path, ledger: Ledger, within: bool) -> None:
        """
        There is another agent on what is left.

        @param within: It was killed in the midst of something.
        """
        for call in self.life.clock.getDelayedCalls():
            call.cancel()
        full = self.watch.full
        self.watch.full = False
        self.life = Lifetime(folder, clock=self.life.clock)
        self.asked = 0
        self.look()
        self.ledger = ledger
        self.life.begin()
        self.check(within)
        self.life.aside.at_once = False
        self.watch.full = full

    def check(self, within: bool) -> None:
        """
        It has what was answered.
        """
        ledger, agent = self.ledger, self.life.agent
        there = {each.slug: each for each in agent.processes()}
        assert agent.events.next_id >= ledger.next_event
        assert set(there) <= set(ledger.may), (set(there), ledger)
        for slug, may in ledger.may.items():
            process = there.get(slug)
            found = None if process is None else (process.created_at, bool(process.wanted))
            assert found in [outcome for _, outcome in may], (slug, found, may)
            may[:] = [(0, found)]
            if process is None:
                continue
            assert process.state is (State.RUNNING if process.wanted else State.STOPPED)
            exits = ledger.exits.get(slug)
            if exits is not None:
                assert exits - within <= process.exits <= exits, (slug, exits, process.exits)
        ports = [process.port for process in there.values()]
        assert len(set(ports)) == len(ports)
        names = {each.name for each in (self.life.folder / "processes").iterdir()}
        assert names == {f"{slug}.json" for slug in there}, names

    @invariant()
    def sane(self) -> None:
        """No two have one port, and nothing is half counted."""
        ports = [each.port for each in self.life.agent.processes()]
        assert len(set(ports)) == len(ports)


class StateMachineTests(SynchronousTestCase):
    """
    The machine, as a test.
    """

    def test_machine(self) -> None:
        """Whatever happens, what was answered is there after it."""
        self.patch(module, "JOURNAL_BYTES", 500)
        run_state_machine_as_test(
            StateMachine, settings=settings(tries(80), stateful_step_count=60)
        )


class EveryMomentTests(SynchronousTestCase):
    """
    The agent is killed before each call that changes a name.
    """

    def test_everyMoment(self) -> None:
        """Whenever that is in a life with everything in it, what was answered is there."""
        self.patch(module, "JOURNAL_BYTES", 500)
        moments = 0
        while True:
            moments += 1
            machine = StateMachine()
            try:
                machine.arm(moments)
                self.live(machine)
                if machine.left is None:
                    break
                machine.killed_there()
                self.live(machine)
            finally:
                machine.teardown()
        self.assertGreater(moments, 40)

    def live(self, machine: StateMachine) -> None:
        """
        A life with everything in it.
        """

        def let() -> None:
            machine.life.settle()
            machine.advance(0.3)

        for node in NODES:
            machine.delete(node)
        let()
        machine.create("web.0", Restart.ALWAYS)
        machine.create("web.1", Restart.NEVER)
        let()
        machine.shorten()
        for _ in range(4):
            machine.end("web.0", 1)
            machine.advance(61)
            let()
        machine.stop("web.0")
        machine.end("web.1", 0)
        let()
        machine.start("web.0")
        let()
        machine.fill(True)
        machine.stop("web.0")
        machine.create("web.2", Restart.ALWAYS)
        let()
        machine.fill(False)
        machine.advance(61)
        let()
        machine.delete("web.1")
        machine.advance(0)
        let()
        machine.create("web.1", Restart.ALWAYS)
        let()
        machine.end("web.1", 1)
        machine.delete("web.0")
        let()
        scaled = machine.life.agent.scale("myapp", steps({"web": "+0"}), "id")
        let()
        self.successResultOf(scaled)
