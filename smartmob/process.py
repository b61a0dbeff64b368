"""
One supervised process, as the agent and its interfaces see it.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.python.failure import Failure

from smartmob.documents import Definition, Output, State
from smartmob.inputs import Supervision
from smartmob.launch.interfaces import IProgram
from smartmob.recipe import Recipe
from smartmob.refusals import (
    NoInput,
    NotRunning,
    StateNotWritten,
    StdinFull,
    Stopping,
    TreeLeft,
)
from smartmob.restart import Policy
from smartmob.supervised import Supervised
from smartmob.supervision import supervise
from smartmob.templates import Configured
from smartmob.waiting import all_of

STDIN_BOUND = 1 << 20
"""Bytes of input that are held for a program that does not read."""


@define(eq=False, repr=False, kw_only=True)
class Process(Supervised):
    """
    A process: what its document shows, and its verbs.

    A Deferred that a verb returns may be cancelled; what the verb began goes on.

    @ivar doomed: It is being deleted.
    """

    _machine: Supervision = field(init=False)
    doomed: bool = False
    _closing: bool = False

    def __attrs_post_init__(self) -> None:
        self._machine = supervise(self)
        self._bind_readers()

    @property
    def outlives(self) -> bool:
        """
        Whether its program goes on without the agent: not where somebody has it end.
        """
        detached = isinstance(self.definition, Configured) and self.definition.detach
        return detached and self.state is not State.STOPPING

    @property
    def blocked(self) -> bool:
        """
        Whether the program waits for its slowest reader.
        """
        return self.console.blocked

    @property
    def takes_input(self) -> bool:
        """
        Whether its program gets a pipe as standard input.
        """
        return self.definition.redirect_input

    def start(self) -> Deferred[None]:
        """
        See that it runs, or will.  Fires when a later agent would know; fails with
        L{StateNotWritten} where it would not.

        @raise Stopping: The agent is about to end.
        @raise UnknownProcess: It is being deleted.
        """
        self._refuse_when_closing()
        self._machine.start()
        return self._asked_for(True)

    def begin(self) -> None:
        """
        As L{start}, though nobody asked for it: that is no wish that outlives the agent.
        """
        self._machine.start()

    def rest(self) -> None:
        """
        It is not to be started for now, though nobody asked for that.  Only where it never
        was.
        """
        self._machine.stop()

    def stop(self) -> Deferred[None]:
        """
        Bring it down.  Fires when nothing of its tree is left, and a later agent would
        leave it down; fails with L{TreeLeft} where something can't be ended, or with
        L{StateNotWritten}.
        """
        return all_of([self._down(), self._asked_for(False)])

    def restart(self) -> Deferred[None]:
        """
        Bring it down, then up.  Fires when its program was executed, or can't be,
        or another verb came in between; fails as L{start}.

        @raise Stopping: The agent is about to end.
        @raise UnknownProcess: It is being deleted.
        """
        self._refuse_when_closing()
        settled = self.renew()
        return all_of([settled, self._asked_for(True)])

    def renew(self) -> Deferred[None]:
        """
        As L{restart}, for what it is now: that is no wish that outlives the agent.
        """
        self._machine.restart()
        return self.when_settled()

    def when_settled(self) -> Deferred[None]:
        """
        Fires when its program was executed, or will not be at once.
        """
        if self.state in (State.RUNNING, State.STOPPED, State.FAILED, State.BACKOFF):
            return succeed(None)
        return self.settled.wait()

    def delete(self) -> Deferred[None]:
        """
        Bring it down and forget it.  Fires when nothing is left of it, fails with
        L{TreeLeft} where something can't be ended.
        """
        self.doomed = True
        self.deleted.wait().addErrback(self._spared)
        deleted = self.deleted.wait()
        self._machine.delete()
        return deleted

    def redefine(self, definition: Definition, recipe: Recipe, policy: Policy | None) -> None:
        """
        It is to be another from its next start on; how long it may take to stop,
        and how it is listed, at once.

        @param policy: C{None}: restarts go on as they were.
        """
        self.definition = definition
        self.recipe = recipe
        self.command = None
        if policy is not None:
            self.policy = policy
        self.version += 1
        self._bind_readers()

    def close(self) -> Deferred[None]:
        """
        The agent ends: as L{stop}, and it is not started again.
        """
        self._closing = True
        self.going = False  # but that is no operator's wish
        return self._down()

    def kill(self) -> None:
        """
        Give its program no more time to end.  Only where it is being stopped.
        """
        if self.program is not None and self.state is State.STOPPING:
            self.program.kill()

    def signal(self, number: int) -> None:
        """
        Send a signal to the program's process group.

        @raise NotRunning: There is none.
        """
        program = self.program
        if program is None or self.pid is None:
            raise NotRunning(f"{self.slug} is {self.state}: there is nobody to signal")
        try:
            program.signalProcess(number)
        except ProcessExitedAlready:
            raise NotRunning(f"{self.slug} has just ended") from None

    def write(self, data: bytes, eof: bool = False) -> None:
        """
        Write to the program's standard input; with C{eof} end it, until the next start.

        @raise NotRunning: There is no program, or it is being stopped.
        @raise NoInput: It gets no input, or that has been ended.
        @raise StdinFull: It does not read, and L{STDIN_BOUND} is reached.
        """
        program = self._reader_of_input()
        if data:
            if not program.takesInput:
                raise NoInput(f"the input of {self.slug} was ended; a restart opens it again")
            if program.stdinBuffered and program.stdinBuffered + len(data) > STDIN_BOUND:
                raise StdinFull(
                    f"{self.slug} does not read its input: {program.stdinBuffered} bytes wait"
                )
            program.writeToChild(0, data)
        if eof:
            program.closeStdin()

    def whenWritable(self) -> Deferred[None]:
        """
        Fires when the program has taken what was written, or is gone.
        """
        if self.program is None or self.state is not State.RUNNING:
            return succeed(None)
        return self.program.whenWritable()

    def _bind_readers(self) -> None:
        waits = self.definition.output is Output.BLOCK
        self.console.on_blocked = self._wait_for_readers if waits else None

    def begun(self) -> None:
        """
        See L{Supervised.begun}: readers for whom it has to wait are there still.
        """
        Supervised.begun(self)
        if self.console.blocked and self.program is not None:
            self.program.pauseOutput()

    def _down(self) -> Deferred[None]:
        gone = self.gone.wait()
        self._machine.stop()
        return gone

    def _asked_for(self, wanted: bool) -> Deferred[None]:
        """
        An operator wants it up, or down.
        """
        if not self.doomed:
            by_file = wanted and isinstance(self.definition, Configured)
            self.want(None if by_file else wanted)
        return self.when_kept()

    def _spared(self, failure: Failure) -> None:
        failure.trap(TreeLeft, StateNotWritten)
        self.doomed = False

    def _reader_of_input(self) -> IProgram:
        if self.program is None or self.state is not State.RUNNING:
            raise NotRunning(f"{self.slug} is {self.state}: nobody reads its input")
        if not self.takes_input:
            raise NoInput(
                f"{self.slug} takes no input; create it with "
                '"redirect_input": true to give it some'
            )
        return self.program

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise Stopping("the agent is about to end")

    def _wait_for_readers(self, blocked: bool) -> None:
        self.version += 1
        if self.program is None or self.pid is None:
            return
        if blocked and self.state is State.RUNNING:
            self.program.pauseOutput()
        else:
            self.program.resumeOutput()
