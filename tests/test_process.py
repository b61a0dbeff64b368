"""
Tests of L{smartmob.process} and its machine.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import Flapping, LastExit, Left, Restart, State
from smartmob.launch.interfaces import Command
from smartmob.process import Process
from smartmob.refusals import (
    NoInput,
    NotRunning,
    StdinFull,
    Stopping,
    TreeLeft,
    UnknownProcess,
)
from smartmob.source.errors import SourceRefused, SourceUnavailable
from tests.support.stage import COMMAND, Stage, staged


class StateTests(SynchronousTestCase):
    """
    A life that goes well, and the first things that may go wrong.
    """

    def test_life(self) -> None:
        """From the source to a running program, each step shows."""
        stage = Stage()
        process = stage.process
        process.start()
        self.assertIs(process.state, State.PENDING)
        stage.recipe.progress(State.DOWNLOADING)
        self.assertIs(process.state, State.DOWNLOADING)
        stage.recipe.progress(State.UNPACKING)
        self.assertIs(process.state, State.UNPACKING)
        stage.source()
        self.assertIs(process.state, State.STARTING)
        self.assertIsNone(process.pid)
        stage.program.execute(4711)
        self.assertIs(process.state, State.RUNNING)
        self.assertEqual(process.pid, 4711)
        self.assertEqual(process.started_at, 0.0)
        self.assertEqual(process.restarts, 0)

    def test_port(self) -> None:
        """The port shown is the one that the program really got."""
        stage = Stage()
        self.assertEqual(stage.process.port, 20001)
        stage.process.start()
        stage.source(Command(argv=("x",), env={"PORT": "8000"}))
        self.assertEqual(stage.process.port, 8000)
        for text in ("none", "", "²"):
            stage = Stage()
            stage.process.start()
            stage.source(Command(argv=("x",), env={"PORT": text}))
            self.assertIsNone(stage.process.port)

    def test_restartAtOnce(self) -> None:
        """The first end is followed by a start without a delay, by the same helper."""
        stage = Stage()
        program = stage.up()
        stage.clock.advance(2)
        program.end(3)
        process = stage.process
        self.assertIs(process.state, State.STARTING)
        self.assertEqual(process.restarts, 1)
        self.assertEqual(process.last_exit, LastExit(code=3, signal=None, at=2, ran_seconds=2))
        self.assertEqual(len(program.runs), 2)
        self.assertFalse(program.dismissed)
        program.execute()
        self.assertIs(process.state, State.RUNNING)

    def test_backoff(self) -> None:
        """The second end in a row is followed by a delay, with a reason."""
        stage = Stage()
        program = stage.up()
        program.end(1)
        program.execute()
        program.end(signal=9)
        process = stage.process
        self.assertIs(process.state, State.BACKOFF)
        self.assertIn("KILL", process.reason or "")
        self.assertIn("0.1 s", process.reason or "")
        stage.clock.advance(0.11)
        self.assertIs(process.state, State.STARTING)
        self.assertIsNone(process.reason)

    def test_notExecuted(self) -> None:
        """A program that can't be executed has ended after 0 s, and says why."""
        stage = Stage()
        stage.process.start()
        stage.source()
        stage.program.fail("there is no ./web")
        stage.program.fail("there is no ./web")
        self.assertIs(stage.process.state, State.BACKOFF)
        self.assertIn("there is no ./web", stage.process.reason or "")
        exit_ = stage.process.last_exit
        assert exit_ is not None
        self.assertEqual((exit_.code, exit_.ran_seconds), (127, 0))

    def test_launcherLost(self) -> None:
        """A program whose helper was killed is started again; how it ended is unknown."""
        stage = Stage()
        stage.up().lose()
        exit_ = stage.process.last_exit
        assert exit_ is not None
        self.assertEqual((exit_.code, exit_.signal), (None, None))
        self.assertIs(stage.process.state, State.STARTING)

    def test_stragglers(self) -> None:
        """While what the leader left behind is being ended, nothing is started."""
        stage = Stage()
        program = stage.up()
        program.exit(0)
        stage.clock.advance(0)
        self.assertIs(stage.process.state, State.STOPPING)
        self.assertIsNone(stage.process.pid)
        self.assertEqual(len(program.runs), 1)
        program.end(killed=("sleep",))
        assert stage.process.last_exit is not None
        self.assertEqual(stage.process.last_exit.killed, ("sleep",))
        self.assertIs(stage.process.state, State.STARTING)

    def test_quickEndShowsNoStopping(self) -> None:
        """A program whose tree goes with it is not shown as stopping in between."""
        stage = Stage()
        program = stage.up()
        program.exit(0)
        self.assertIs(stage.process.state, State.RUNNING)
        program.end()
        self.assertIs(stage.process.state, State.STARTING)
        self.assertEqual(stage.clock.getDelayedCalls(), [])


class PolicyTests(SynchronousTestCase):
    """
    What follows an end that nobody planned.
    """

    def test_never(self) -> None:
        """C{never}: stopped after code 0, failed after any other end."""
        for code, state in ((0, State.STOPPED), (1, State.FAILED)):
            stage = staged(restart=Restart.NEVER)
            stage.up().end(code)
            self.assertIs(stage.process.state, state)
            self.assertTrue(stage.program.dismissed)

    def test_onFailure(self) -> None:
        """C{on-failure}: stopped after code 0, started again after any other end."""
        for code, state in ((0, State.STOPPED), (1, State.STARTING)):
            stage = staged(restart=Restart.ON_FAILURE)
            stage.up().end(code)
            self.assertIs(stage.process.state, state)

    def test_flapping(self) -> None:
        """A program that flaps pauses, then fails, then can be started by an operator."""
        rule = Flapping(attempts=2, window=1, retry_in=5, max_retry=1)
        stage = staged(flapping=rule)
        program = stage.up()
        program.end(1)
        program.execute()
        program.end(1)
        self.assertIs(stage.process.state, State.BACKOFF)
        stage.clock.advance(5)
        for _ in range(2):
            program.execute()
            program.end(1)
        self.assertIs(stage.process.state, State.FAILED)
        self.assertIn("flapping", stage.process.reason or "")
        stage.process.start()
        self.assertIs(stage.process.state, State.STARTING)


class SourceTests(SynchronousTestCase):
    """
    A source that can't be had.
    """

    def test_unavailable(self) -> None:
        """What may be there later is asked for again, ever more slowly, for ever."""
        stage = Stage()
        stage.process.start()
        for delay in (1, 2, 4, 8, 16, 32, 60, 60, 60):
            stage.recipe.works[-1].errback(SourceUnavailable("connection refused"))
            self.assertIs(stage.process.state, State.BACKOFF)
            self.assertIn("connection refused", stage.process.reason or "")
            tries = len(stage.recipe.works)
            stage.clock.advance(delay - 0.01)
            self.assertEqual(len(stage.recipe.works), tries)
            stage.clock.advance(0.02)
            self.assertEqual(len(stage.recipe.works), tries + 1)

    def test_retryAfter(self) -> None:
        """
        A server that asks for more time gets it, up to a minute; one that asks for none
        is not asked again and again without a pause.
        """
        stage = Stage()
        stage.process.start()
        for asked, delay in ((0.0, 1.0), (7.0, 7.0), (0.0, 4.0), (86400.0, 60.0)):
            stage.recipe.works[-1].errback(SourceUnavailable("busy", asked))
            [call] = stage.clock.getDelayedCalls()
            self.assertAlmostEqual(call.getTime() - stage.clock.seconds(), delay)
            stage.clock.advance(delay)

    def test_refused(self) -> None:
        """What never will be there fails, and a start downloads it anew."""
        stage = Stage()
        stage.process.start()
        stage.recipe.works[-1].errback(SourceRefused("not an archive"))
        self.assertIs(stage.process.state, State.FAILED)
        self.assertEqual(stage.process.reason, "not an archive")
        stage.process.start()
        self.assertIs(stage.process.state, State.PENDING)
        self.assertEqual(len(stage.recipe.works), 2)

    def test_bug(self) -> None:
        """An error of the agent's own is logged, and fails the process alone."""
        stage = Stage()
        stage.process.start()
        stage.recipe.works[-1].errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIs(stage.process.state, State.FAILED)


def states() -> dict[State, Stage]:
    """
    A process in each state that it can rest in.
    """
    found = {}
    stage = found[State.PENDING] = Stage()
    stage.process.start()
    stage = found[State.STARTING] = Stage()
    stage.process.start()
    stage.source()
    stage = found[State.RUNNING] = Stage()
    stage.up()
    stage = found[State.BACKOFF] = Stage()
    stage.up().end(1)
    stage.program.fail()
    stage = found[State.STOPPING] = Stage()
    stage.up()
    stage.process.stop()
    stage = found[State.STOPPED] = Stage()
    stage.up()
    stage.process.stop()
    stage.program.end()
    stage = found[State.FAILED] = Stage()
    stage.process.start()
    stage.recipe.works[-1].errback(SourceRefused("no"))
    for state, stage in found.items():
        assert stage.process.state is state, (state, stage.process.state)
    return found


class VerbTests(SynchronousTestCase):
    """
    Each verb in each state.
    """

    def test_start(self) -> None:
        """Start leaves alone what runs or will, and starts all else."""
        after = {
            State.PENDING: State.PENDING,
            State.STARTING: State.STARTING,
            State.RUNNING: State.RUNNING,
            State.BACKOFF: State.STARTING,
            State.STOPPING: State.STOPPING,
            State.STOPPED: State.STARTING,
            State.FAILED: State.PENDING,
        }
        for state, stage in states().items():
            stage.process.start()
            self.assertIs(stage.process.state, after[state], state)
        stage = states()[State.STOPPING]
        stage.process.start()
        stage.program.end()
        self.assertIs(stage.process.state, State.STARTING)

    def test_stop(self) -> None:
        """Stop ends in stopped, wherever it came from, and no timer is left."""
        for state, stage in states().items():
            stopped = stage.process.stop()
            if stage.process.state is State.STOPPING:
                self.assertNoResult(stopped)
                self.assertEqual(len(stage.program.stopped), 1)
                if state is State.STARTING:
                    stage.program.fail("it was stopped before it was executed", 126)
                else:
                    stage.program.end()
            self.successResultOf(stopped)
            self.assertIs(stage.process.state, State.STOPPED, state)
            self.assertEqual(stage.clock.getDelayedCalls(), [], state)
            self.successResultOf(stage.process.stop())

    def test_answersWithNewState(self) -> None:
        """When a verb answers, the state is the one that it asked for."""
        for state, stage in states().items():
            if state in (State.STARTING, State.STOPPING):
                continue
            process = stage.process
            seen: list[State] = []

            def note(_: None, process: Process = process, seen: list[State] = seen) -> None:
                seen.append(process.state)

            process.stop().addCallback(note)
            if state is State.RUNNING:
                stage.program.end()
            self.assertEqual(seen, [State.STOPPED], state)
            process.restart().addCallback(note)
            if process.state is State.PENDING:
                stage.source()
            stage.program.execute()
            self.assertEqual(seen, [State.STOPPED, State.RUNNING], state)

    def test_stopNeverExecuted(self) -> None:
        """A program that was stopped before it was executed has no exit to show."""
        stage = states()[State.STARTING]
        stage.process.stop()
        stage.program.fail("it was stopped before it was executed", 126)
        self.assertIsNone(stage.process.last_exit)

    def test_stopAbandonsSource(self) -> None:
        """A stop while the source is on its way gives it up."""
        stage = states()[State.PENDING]
        self.successResultOf(stage.process.stop())
        self.assertEqual(stage.recipe.cancelled, 1)
        self.assertIs(stage.process.state, State.STOPPED)

    def test_restart(self) -> None:
        """Restart answers when the new program was executed."""
        for state, stage in states().items():
            restarted = stage.process.restart()
            if state in (State.RUNNING, State.STOPPING):
                stage.program.end()
            if state is State.STARTING:
                stage.program.fail("it was stopped before it was executed", 126)
            self.assertNoResult(restarted)
            if stage.process.state is State.PENDING:
                stage.source()
            stage.program.execute()
            self.successResultOf(restarted)
            self.assertIs(stage.process.state, State.RUNNING, state)

    def test_restartCannot(self) -> None:
        """Restart answers, too, when the new program could not be executed."""
        stage = states()[State.RUNNING]
        restarted = stage.process.restart()
        stage.program.end()
        stage.program.fail()
        stage.program.fail()
        self.successResultOf(restarted)
        self.assertIs(stage.process.state, State.BACKOFF)

    def test_restartOvertaken(self) -> None:
        """Restart answers, too, when a stop came in between."""
        stage = states()[State.RUNNING]
        restarted = stage.process.restart()
        stopped = stage.process.stop()
        stage.program.end()
        self.successResultOf(restarted)
        self.successResultOf(stopped)
        self.assertIs(stage.process.state, State.STOPPED)

    def test_delete(self) -> None:
        """Delete answers when nothing is left, from every state."""
        for state, stage in states().items():
            deleted = stage.process.delete()
            second = stage.process.delete()
            self.assertIs(stage.process.state, State.STOPPING, state)
            if stage.recipe.discarding is None:
                if state is State.STARTING:
                    stage.program.fail("it was stopped before it was executed", 126)
                else:
                    stage.program.end()
            self.assertNoResult(deleted)
            self.assertFalse(stage.gone)
            stage.discard()
            self.successResultOf(deleted)
            self.successResultOf(second)
            self.assertTrue(stage.gone)
            self.assertEqual(stage.clock.getDelayedCalls(), [], state)

    def test_deleteIsFinal(self) -> None:
        """What is being deleted is not started again, and says so; a stop waits for it."""
        stage = states()[State.RUNNING]
        stage.process.delete()
        self.assertRaises(UnknownProcess, stage.process.start)
        self.assertRaises(UnknownProcess, stage.process.restart)
        stopped = stage.process.stop()
        self.assertNoResult(stopped)
        stage.program.end()
        self.successResultOf(stopped)
        self.assertRaises(UnknownProcess, stage.process.start)
        self.successResultOf(stage.process.stop())
        stage.discard()
        self.successResultOf(stage.process.stop())
        self.assertRaises(UnknownProcess, stage.process.restart)

    def test_lastVerbWins(self) -> None:
        """Of stop and start while it is being stopped, the last one counts."""
        stage = states()[State.RUNNING]
        first = stage.process.stop()
        stage.process.start()
        second = stage.process.stop()
        stage.process.restart()
        stage.program.end()
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertIs(stage.process.state, State.STARTING)

    def test_lateExecution(self) -> None:
        """A program that was executed although a stop was on its way is stopped."""
        stage = states()[State.STARTING]
        stopped = stage.process.stop()
        stage.program.execute()
        self.assertIs(stage.process.state, State.STOPPING)
        self.assertIsNotNone(stage.process.pid)
        stage.program.end(signal=15)
        self.successResultOf(stopped)
        assert stage.process.last_exit is not None
        self.assertEqual(stage.process.last_exit.signal, "TERM")

    def test_verbForgetsFailures(self) -> None:
        """After an operator's start the first end is again followed by no delay."""
        stage = states()[State.BACKOFF]
        stage.process.start()
        stage.program.execute()
        stage.program.end(1)
        self.assertIs(stage.process.state, State.STARTING)

    def test_stopDuringSweep(self) -> None:
        """A stop while stragglers are being ended keeps it down."""
        stage = Stage()
        stage.up().exit(1)
        stopped = stage.process.stop()
        self.assertIs(stage.process.state, State.STOPPING)
        stage.program.end()
        self.successResultOf(stopped)
        self.assertIs(stage.process.state, State.STOPPED)
        self.assertEqual(stage.clock.getDelayedCalls(), [])

    def test_cancelledWaiter(self) -> None:
        """A client that hangs up changes nothing."""
        stage = states()[State.RUNNING]
        hung_up: Deferred[None] = stage.process.stop()
        other = stage.process.stop()
        failures: list[Failure] = []
        hung_up.addErrback(failures.append)
        hung_up.cancel()
        stage.program.end()
        self.successResultOf(other)
        self.assertEqual(len(failures), 1)

    def test_closing(self) -> None:
        """Once the agent ends, nothing is started."""
        stage = states()[State.RUNNING]
        closed = stage.process.close()
        self.assertRaises(Stopping, stage.process.start)
        self.assertRaises(Stopping, stage.process.restart)
        stage.process.kill()
        self.assertTrue(stage.program.was_killed)
        stage.program.end(signal=9)
        self.successResultOf(closed)


class LeftTests(SynchronousTestCase):
    """
    What the agent has no right to end.
    """

    LEFT = (Left(99, "passwd"),)

    def test_stop(self) -> None:
        """Stop fails, the process is failed, and the document names what is left."""
        stage = Stage()
        program = stage.up()
        stopped = stage.process.stop()
        program.end(left=self.LEFT)
        self.assertIn("passwd", str(self.failureResultOf(stopped, TreeLeft).value))
        self.assertIs(stage.process.state, State.FAILED)
        assert stage.process.last_exit is not None
        self.assertEqual(stage.process.last_exit.left, self.LEFT)

    def test_deleteTriesAgain(self) -> None:
        """A delete fails as long as something is left; a later one tries again."""
        stage = Stage()
        program = stage.up()
        deleted = stage.process.delete()
        program.end(left=self.LEFT)
        self.failureResultOf(deleted, TreeLeft)
        program.ends_left = False
        self.failureResultOf(stage.process.delete(), TreeLeft)
        self.failureResultOf(stage.process.stop(), TreeLeft)
        program.ends_left = True
        deleted = stage.process.delete()
        stage.discard()
        self.successResultOf(deleted)

    def test_unplanned(self) -> None:
        """A program that ended by itself and left something is not started again."""
        stage = Stage()
        stage.up().end(0, left=self.LEFT)
        self.assertIs(stage.process.state, State.FAILED)


class InputTests(SynchronousTestCase):
    """
    Signals and standard input.
    """

    def test_signal(self) -> None:
        """A signal goes to a running program, and to no other."""
        for state, stage in states().items():
            if state in (State.RUNNING, State.STOPPING):
                stage.process.signal(1)
                self.assertEqual(stage.program.signals, [1])
            else:
                self.assertRaises(NotRunning, stage.process.signal, 1)

    def running(self) -> Stage:
        """
        A process that takes input.
        """
        stage = staged(redirect_input=True)
        stage.process.start()
        stage.source(evolve(COMMAND, redirect_input=True))
        stage.program.execute()
        return stage

    def test_write(self) -> None:
        """Input goes to a running program that takes some."""
        stage = self.running()
        stage.process.write(b"hello")
        self.assertEqual(stage.program.input, b"hello")
        self.assertRaises(NoInput, states()[State.RUNNING].process.write, b"x")
        self.assertRaises(NotRunning, states()[State.STOPPING].process.write, b"x")

    def test_eof(self) -> None:
        """An end of input holds until the next start."""
        stage = self.running()
        stage.process.write(b"bye", eof=True)
        self.assertTrue(stage.program.input_closed)
        self.assertRaises(NoInput, stage.process.write, b"x")
        stage.process.write(b"", eof=True)
        stage.program.end()
        stage.program.execute()
        stage.process.write(b"again")
        self.assertEqual(stage.program.input, b"again")

    def test_full(self) -> None:
        """A program that does not read has 1 MiB of input waiting, and no more."""
        stage = self.running()
        stage.program.takes_all = False
        stage.process.write(b"x" * (1 << 20))
        self.assertRaises(StdinFull, stage.process.write, b"x")
        waiting = stage.process.whenWritable()
        self.assertNoResult(waiting)
        stage.program.take()
        self.successResultOf(waiting)
        stage.process.write(b"x")
