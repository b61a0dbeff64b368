"""
Verbs and events in any order: what must hold of a process at any time.
"""

from __future__ import annotations

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
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.refusals import UnknownProcess
from smartmob.source.errors import SourceRefused, SourceUnavailable
from tests.support.lives import Life
from tests.support.stage import Stage


class Told:
    """
    What became of a Deferred.
    """

    def __init__(self, deferred: Deferred[None]) -> None:
        self.times = 0
        deferred.addBoth(self._fired)

    def _fired(self, _: object) -> None:
        self.times += 1


class ProcessMachine(RuleBasedStateMachine):
    """
    An operator who says anything at any time, and a system that does anything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.process = self.stage.process
        self.stops: list[Told] = []
        self.restarts: list[Told] = []
        self.deletes: list[Told] = []
        self.life = Life()
        self.process.start()

    # The operator.

    @rule()
    def start(self) -> None:
        """Start, which is refused only when it is being deleted."""
        try:
            self.process.start()
        except UnknownProcess:
            assert self.deletes

    @rule()
    def stop(self) -> None:
        """Stop."""
        self.stops.append(Told(self.process.stop()))

    @rule()
    def restart(self) -> None:
        """Restart, which is refused only when it is being deleted."""
        try:
            self.restarts.append(Told(self.process.restart()))
        except UnknownProcess:
            assert self.deletes

    @precondition(lambda self: not self.stage.gone)
    @rule()
    def delete(self) -> None:
        """Delete."""
        self.deletes.append(Told(self.process.delete()))

    @precondition(lambda self: not self.deletes)
    @rule(restart=st.booleans())
    def redefine(self, restart: bool) -> None:
        """It is to be another."""
        before = self.process.pid
        self.process.redefine(self.process.definition, self.stage.recipe, None)
        assert self.process.pid == before
        if restart:
            self.restart()

    @rule(seconds=st.sampled_from([0, 0.05, 1, 11, 61]))
    def advance(self, seconds: float) -> None:
        """Time goes by."""
        self.stage.clock.advance(seconds)

    # The system.

    def _sourcing(self) -> bool:
        works = self.stage.recipe.works
        return bool(works) and not works[-1].called

    @precondition(_sourcing)
    @rule()
    def sourced(self) -> None:
        """The source arrives."""
        self.stage.source()

    @precondition(_sourcing)
    @rule(later=st.booleans())
    def unsourced(self, later: bool) -> None:
        """The source can't be had."""
        error = SourceUnavailable("no") if later else SourceRefused("never")
        self.stage.recipe.works[-1].errback(error)

    def _running(self) -> bool:
        return bool(self.stage.launcher.programs) and self.stage.program.running

    def _executed(self) -> bool:
        return self._running() and self.stage.program.pid is not None

    @precondition(lambda self: self._running() and not self._executed())
    @rule()
    def executed(self) -> None:
        """The program is executed."""
        self.stage.program.execute()

    @precondition(lambda self: self._running() and not self._executed())
    @rule()
    def not_executed(self) -> None:
        """The program can't be executed."""
        self.stage.program.fail()

    @precondition(lambda self: self._executed() and self.stage.program._reason is None)
    @rule(code=st.integers(0, 2))
    def exited(self, code: int) -> None:
        """The leader ends."""
        self.stage.program.exit(code)

    @precondition(_executed)
    @rule()
    def ended(self) -> None:
        """The tree is gone."""
        self.stage.program.end()

    @precondition(_running)
    @rule()
    def lost(self) -> None:
        """The helper is killed."""
        self.stage.program.lose()

    @precondition(
        lambda self: (
            self.stage.recipe.discarding is not None and not self.stage.recipe.discarding.called
        )
    )
    @rule()
    def discarded(self) -> None:
        """Its files are gone."""
        self.stage.discard()

    # What holds at any time.

    @invariant()
    def one_of_each(self) -> None:
        """At most one of: a run, a timer, a download, a removal."""
        removal = self.stage.recipe.discarding
        # The turn in which a sweep is noticed is a timer, too, beside its run.
        timers = [
            call for call in self.stage.clock.getDelayedCalls() if call.getTime() > self.now()
        ]
        busy = [
            self._running(),
            bool(timers),
            self._sourcing(),
            removal is not None and not removal.called,
        ]
        assert sum(busy) <= 1, busy
        assert len(self.stage.launcher.programs) <= len(self.stage.recipe.works)

    def now(self) -> float:
        """The time on the clock."""
        now: float = self.stage.clock.seconds()
        return now

    @invariant()
    def state_is_true(self) -> None:
        """The state says what is going on."""
        state, process = self.process.state, self.process
        if state in (State.PENDING, State.DOWNLOADING, State.UNPACKING):
            assert self._sourcing()
        if state in (State.STOPPED, State.FAILED):
            assert not self._running()
            assert not self.stage.clock.getDelayedCalls()
        if state is State.BACKOFF:
            assert self.stage.clock.getDelayedCalls()
        assert (process.reason is not None) == (state in (State.BACKOFF, State.FAILED))
        if process.pid is not None:
            assert process.pid == self.stage.program.pid

    @invariant()
    def life_is_told(self) -> None:
        """Events tell a life that can be, and it is the one that the document shows."""
        for event in self.stage.told:
            self.life.tell(event)
        self.stage.told.clear()
        state, life = self.process.state, self.life
        assert life.over == self.stage.gone
        if state is State.RUNNING:
            assert life.pid == self.stage.program.pid
        if state in (State.STOPPED, State.FAILED, State.BACKOFF):
            assert life.pid is None
        assert state is not State.STOPPED or not life.going

    @invariant()
    def answers(self) -> None:
        """Each verb is answered once at most, and as soon as what it asked for is so."""
        for told in (*self.stops, *self.restarts, *self.deletes):
            assert told.times <= 1
        if self.process.state in (State.STOPPED, State.FAILED, State.RUNNING, State.BACKOFF):
            assert all(told.times for told in self.restarts)
        if self.process.state in (State.STOPPED, State.FAILED):
            assert all(told.times for told in self.stops)
        assert all(bool(told.times) == self.stage.gone for told in self.deletes)
        if self.stage.gone:
            assert all(told.times for told in (*self.stops, *self.restarts))

    def teardown(self) -> None:
        """Whatever happened, a delete gets rid of it."""
        deleted = Told(self.process.delete()) if not self.stage.gone else None
        if self._running():
            self.stage.program.lose()
        if not self.stage.gone:
            self.stage.discard()
        assert self.stage.gone
        assert deleted is None or deleted.times == 1
        self.life_is_told()
        assert self.life.over
        assert not self.stage.clock.getDelayedCalls()
        assert not self._running()
        assert not self._sourcing()


class MachineTests(SynchronousTestCase):
    """
    The machine under every order of things that hypothesis thinks of.
    """

    def test_anyOrder(self) -> None:
        """Whatever is said and happens, in whatever order, the process stays whole."""
        run_state_machine_as_test(
            ProcessMachine,
            settings=settings(max_examples=200, stateful_step_count=40, deadline=None),
        )
