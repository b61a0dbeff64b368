"""
What a supervised process is made of, and what it shows.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from smartmob.documents import (
    LastExit,
    Restart,
    State,
)
from smartmob.events import NOTHING, About, Emit, Topic
from smartmob.kept import Kept
from smartmob.launch.interfaces import Command, ILauncher, IProgram
from smartmob.lines.console import Console
from smartmob.lines.last_words import last_words
from smartmob.ports import environment_of, port_of
from smartmob.refusals import TreeLeft
from smartmob.restart import Again, GiveUp, Policy, spread
from smartmob.run import Ending, signal_name
from smartmob.tally import Tally
from smartmob.waiting import Waiters

_log = Logger()

FIRST_SOURCE_DELAY = 1.0
"""Seconds until a source that could not be had is asked for again, doubling ..."""

LONGEST_SOURCE_DELAY = 60.0
"""... to so many."""


@define(eq=False, repr=False, kw_only=True)
class Supervised(Kept):
    """
    What every state of the machine shares, and what the process's document shows.

    @ivar wall: Seconds since the epoch, for documents.
    @ivar monotonic: Seconds of a clock that never steps, for measuring runs.
    @ivar emit: Told each change, for those who want to know.
    @ivar shown: Called when it stands elsewhere, or for another reason, than before.
    @ivar tally: Counts runs and restarts, those of other processes too.
    @ivar going: It was set going, and no operator has brought it down since.
    @ivar version: Grows whenever a document of the process would differ.
    @ivar untold: How the last run ended, while nobody was told.
    @ivar settled: Fires when a restart was executed, or will not be.
    @ivar gone: Fires when the tree is gone.
    @ivar deleted: Fires when nothing is left.
    """

    launcher: ILauncher
    console: Console
    policy: Policy
    clock: IReactorTime
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    random: Callable[[], float]
    emit: Emit
    forgotten: Callable[[], None]
    port: int | None
    shown: Callable[[], None] = lambda: None
    tally: Tally = field(factory=Tally)

    reason: str | None = None
    pid: int | None = None
    started_at: float | None = None
    going: bool = False
    version: int = 0

    command: Command | None = None
    program: IProgram | None = None
    source_tries: int = 0
    run_pid: int | None = None
    left_pid: int | None = None
    executed_at: float | None = None
    exited: Ending | None = None
    untold: Ending | None = None
    settled: Waiters = field(factory=Waiters)
    gone: Waiters = field(factory=Waiters)
    deleted: Waiters = field(factory=Waiters)

    def show(self, state: State, reason: str | None = None, at_once: bool = False) -> None:
        """
        Tell everybody where the process stands.

        @param at_once: It will not stand there long: no warning is due, and twenty a
            second would be too many.
        """
        self.version += 1
        if (state, reason) == (self.state, self.reason):
            return
        self.state, self.reason = state, reason
        self.console.state(state, reason)
        self.shown()
        if reason is None:
            _log.info("{slug} {state}", slug=self.slug, state=state.value)
        else:
            _log.emit(
                LogLevel.info if at_once else LogLevel.warn,
                "{slug} {state}: {reason}",
                slug=self.slug,
                state=state.value,
                reason=reason,
            )

    def set_going(self) -> None:
        """
        It is to run from now on.
        """
        self.going = True
        self.emit(Topic.START, NOTHING)

    def halted(self) -> None:
        """
        It is down, as an operator wished, if it was up before.
        """
        if self.going:
            self.going = False
            self.emit(Topic.STOP, NOTHING)

    def begins_again(self) -> None:
        """
        It is to be started once more, by itself.
        """
        self.restarts += 1
        self.tally.restarts += 1

    def arrived(self) -> None:
        """
        Nothing of it runs, and nothing will at once: who waited for either is told.
        """
        self.gone.fire()
        self.settled.fire()

    def equip(self, command: Command) -> None:
        """
        What to execute is known.
        """
        self.source_tries = 0
        if self.program is not None:
            self.program.dismiss()  # it is what was executed until now
            self.program = None
        self.command = command
        self.port = port_of(command.env)
        self.version += 1
        self.has_release()

    def dismiss(self) -> None:
        """
        It stays down: keep no helper for it.
        """
        if self.program is not None:
            self.program.dismiss()

    def forget(self) -> None:
        """
        An operator's verb: no earlier failure counts.
        """
        self.policy.forget()
        self.source_tries = 0

    def begun(self) -> None:
        """
        The program was executed.
        """
        program = self.program
        assert program is not None
        self.pid = self.run_pid = program.pid
        self.started_at = self.wall()
        self.executed_at = self.monotonic()
        if program.started_at is not None:
            self.executed_at -= max(0.0, self.started_at - program.started_at)
            self.started_at = program.started_at
        self.version += 1
        self.console.started(self.pid or 0)
        if program.adopted:
            self.port = port_of(environment_of(program.pid))
            _log.info("{slug} runs still, pid {pid}", slug=self.slug, pid=self.pid)
            return
        _log.info("{slug} started, pid {pid}", slug=self.slug, pid=self.pid)
        self.emit(Topic.SPAWN, About(pid=self.pid))

    def asked_to_end(self) -> None:
        """
        The program is sent its stop signal, if there is one.
        """
        if self.pid is not None:
            self.emit(Topic.STOP_PID, About(pid=self.pid))

    def leader_gone(self, ending: Ending) -> None:
        """
        The leader ended; its tree may be there still.
        """
        self.exited = ending
        self.pid = None
        self.version += 1
        self._tell_exit(ending)

    def _tell_exit(self, ending: Ending) -> None:
        self.emit(
            Topic.EXIT,
            About(
                pid=self.run_pid,
                exit_status=ending.code or 0,
                term_signal=ending.signal or 0,
            ),
        )

    def over(self, ending: Ending) -> float:
        """
        The run is over: note how it was.  Returns the seconds it took.  To tell of it is for
        L{tell_over}: where the program is to run again at once, every microsecond before
        that is one without it.
        """
        if self.exited is None and self.run_pid is not None:
            self._tell_exit(ending)
        leader = self.exited or ending
        ran = 0.0 if self.executed_at is None else self.monotonic() - self.executed_at
        last = LastExit(
            code=leader.code,
            signal=None if leader.signal is None else signal_name(leader.signal),
            at=self.wall(),
            ran_seconds=ran,
            killed=ending.killed,
            left=ending.left,
        )
        self.ended(last)
        self.left_pid = self.run_pid
        self.pid = self.run_pid = None
        self.executed_at = self.exited = None
        self.version += 1
        self.untold = leader
        return ran

    def tell_over(self) -> None:
        """
        Tell how the last run was, unless that was done.
        """
        leader, self.untold = self.untold, None
        if leader is None:
            return
        assert self.last_exit is not None
        self.tally.ended(leader, executed=self.left_pid is not None)
        self.console.finish()
        self.keep_exit(self.last_exit, last_words(self.console.newest(), self.left_pid))
        if leader.why is not None:
            self.console.say(leader.why)
        self.console.exited(self.last_exit, self.left_pid)
        _log.info(
            "{slug} {ending} after {ran:.3f} s",
            slug=self.slug,
            ending=str(leader),
            ran=self.last_exit.ran_seconds,
        )
        self._tell_reap()

    def concluded(self, ending: Ending) -> None:
        """
        A planned end: of a run, or of what an earlier one had left.
        """
        if self.executed_at is not None:
            self.over(ending)
            self.tell_over()
        elif self.last_exits:
            past = self.last_exits[0]
            self.keep_exit(evolve(past.exit, left=ending.left), past.lines)
            self._tell_reap()

    def _tell_reap(self) -> None:
        """
        Once nothing of a run is left, which may be later than its end.
        """
        assert self.last_exit is not None
        if self.left_pid is not None and not self.last_exit.left:
            self.emit(Topic.REAP, About(pid=self.left_pid, killed=self.last_exit.killed))
            self.left_pid = None

    def tree_left(self) -> TreeLeft | None:
        """
        What to answer where something of the last run could not be ended.
        """
        left = () if self.last_exit is None else self.last_exit.left
        if not left:
            return None
        names = ", ".join(f"{one.name} (pid {one.pid})" for one in left)
        return TreeLeft(f"the agent has no right to end {names}")

    def next_after(self, ending: Ending, ran: float) -> Again | GiveUp | None:
        """
        What follows an unplanned end, after C{ran} seconds; C{None}: nothing, for
        all is well.
        """
        assert self.last_exit is not None
        wanted = self.definition.restart_rule
        if wanted is not Restart.ALWAYS and self.last_exit.code == 0:
            return None
        if wanted is Restart.NEVER:
            return GiveUp(str(ending))
        return self.policy.ended(self.monotonic(), ran)

    def next_try(self, asked: float | None) -> float:
        """
        Seconds until the source is asked for again.

        @param asked: What its server asked for: it may ask for more, never for less.
        """
        tries, self.source_tries = self.source_tries, min(self.source_tries + 1, 10)
        own = spread(min(LONGEST_SOURCE_DELAY, FIRST_SOURCE_DELAY * 2**tries), self.random)
        return own if asked is None else max(own, min(asked, LONGEST_SOURCE_DELAY))
