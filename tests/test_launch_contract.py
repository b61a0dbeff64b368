"""
What every launcher promises: the same tests on the real one, with each guardian, and on
the fake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.internet.error import (
    ConnectionDone,
    ProcessDone,
    ProcessExitedAlready,
    ProcessTerminated,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from smartmob.launch.helper import PYTHON
from smartmob.launch.interfaces import Command, ILauncher, IProgram, NotExecuted
from smartmob.launch.launcher import Launcher
from tests.support.detaching import DetachedFolder, DetachingLauncher
from tests.support.launching import FakeLauncher, FakeProgram
from tests.support.processes import Recorder
from tests.support.twins import STARTERS, WithCompiled

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


if TYPE_CHECKING:
    _Case = TestCase
else:
    _Case = object  # else trial would run the mixin by itself


class Again(Recorder):
    """
    Runs the program again, as soon as it may.
    """

    def __init__(self, program: IProgram, then: Recorder) -> None:
        super().__init__()
        self._program = program
        self._then = then

    def processEnded(self, reason: Failure) -> None:
        self._program.run(self._then)
        super().processEnded(reason)


def runs_on(program: FakeProgram) -> None:
    """
    Until it is stopped.
    """
    program.execute()
    program.output(b"up\n")


class LauncherMixin(_Case):
    """
    The promises.  Each program is said twice: in shell, and as what the fake plays.
    """

    launcher: ILauncher

    def program(
        self,
        shell: str,
        script: Callable[[FakeProgram], None],
        *,
        redirect_input: bool = False,
        merge_output: bool = False,
    ) -> IProgram:
        """
        A program that does so.
        """
        raise NotImplementedError

    def missing(self) -> IProgram:
        """
        A program that is not there.
        """
        raise NotImplementedError

    async def whole_run(self, program: IProgram) -> Recorder:
        """
        A whole run.
        """
        recorder = Recorder()
        program.run(recorder)
        await recorder.ended
        return recorder

    async def up(self, program: IProgram) -> Recorder:
        """
        A run, up to the word C{up}.
        """
        recorder = Recorder()
        up = recorder.says(b"up\n")
        program.run(recorder)
        await up
        return recorder

    def test_interfaces(self) -> None:
        """
        Launcher and program provide what they say.
        """
        self.assertTrue(verifyObject(ILauncher, self.launcher))
        self.assertTrue(verifyObject(IProgram, self.program("true", FakeProgram.end)))

    async def test_life(self) -> None:
        """
        A run is told as: executed, output, exited, ended; the pid is known meanwhile.
        """

        def script(program: FakeProgram) -> None:
            program.execute()
            program.output(b"hello\n")
            program.end(3)

        program = self.program("echo hello; exit 3", script)
        self.assertIsNone(program.pid)
        recorder = Recorder()
        program.run(recorder)
        self.assertEqual(recorder.told, [], "told within the call")
        ended = await recorder.ended
        self.assertEqual(recorder.order(), ["executed", 1, "exited", "ended"])
        self.assertEqual(recorder.output(), b"hello\n")
        self.assertIsInstance(recorder.told[0][1], int)
        self.assertIsNone(program.pid)
        assert isinstance(ended, ProcessTerminated)
        self.assertEqual((ended.exitCode, ended.signal), (3, None))
        self.assertIs(recorder.told[-2][1], ended)
        self.assertEqual((program.killed, program.left), ((), ()))

    async def test_success(self) -> None:
        """
        Code 0 is a C{ProcessDone}.
        """
        recorder = await self.whole_run(self.program("exit 0", _ends))
        self.assertIsInstance(await recorder.exited, ProcessDone)

    async def test_signalled(self) -> None:
        """
        A signal is told by its number.
        """

        def script(program: FakeProgram) -> None:
            program.execute()
            program.end(signal=9)

        recorder = await self.whole_run(self.program("kill -KILL $$", script))
        ended = await recorder.exited
        assert isinstance(ended, ProcessTerminated)
        self.assertEqual((ended.exitCode, ended.signal), (None, 9))

    async def test_notFound(self) -> None:
        """
        What is not there is told once, with a code and a reason, as the run's end.
        """
        recorder = await self.whole_run(self.missing())
        self.assertEqual(recorder.order(), ["ended"])
        reason = recorder.told[0][1]
        assert isinstance(reason, NotExecuted)
        self.assertEqual(reason.exitCode, 127)
        self.assertIn("no program", reason.why)

    async def test_stop(self) -> None:
        """
        A program that was asked ends by TERM, and nothing had to be killed.
        """
        program = self.program("echo up; exec sleep 100", runs_on)
        recorder = await self.up(program)
        program.stop()
        self.assertNotIn("ended", recorder.order())
        ended = await recorder.ended
        assert isinstance(ended, ProcessTerminated)
        self.assertEqual(ended.signal, 15)
        self.assertEqual(program.killed, ())

    async def test_kill(self) -> None:
        """
        A program that was killed says what had to be.
        """
        program = self.program("echo up; exec sleep 100", runs_on)
        recorder = await self.up(program)
        program.kill()
        ended = await recorder.ended
        assert isinstance(ended, ProcessTerminated)
        self.assertEqual(ended.signal, 9)
        self.assertEqual(len(program.killed), 1)

    async def test_stopBeforeExecuted(self) -> None:
        """
        A stop right behind the run ends it, executed or not, and its end comes once.
        """
        program = self.program("exec sleep 100", FakeProgram.execute)
        recorder = Recorder()
        program.run(recorder)
        program.stop()
        self.assertEqual(recorder.told, [])
        await recorder.ended
        self.assertEqual(recorder.order()[-1], "ended")

    async def test_oneRunAtATime(self) -> None:
        """
        A second run under way, and letting go meanwhile, are refused.
        """
        program = self.program("echo up; exec sleep 100", runs_on)
        recorder = await self.up(program)
        self.assertRaises(RuntimeError, program.run, Recorder())
        self.assertRaises(RuntimeError, program.dismiss)
        self.assertRaises(RuntimeError, program.endLeft)
        program.kill()
        await recorder.ended

    async def test_again(self) -> None:
        """
        It can be run again from within the end of its run, and after it was let go.
        """

        def script(program: FakeProgram) -> None:
            program.execute()
            program.output(b"hello\n")
            program.end()

        program = self.program("echo hello", script)
        second = Recorder()
        first = Again(program, second)
        program.run(first)
        await second.ended
        program.dismiss()
        third = await self.whole_run(program)
        for recorder in first, second, third:
            self.assertEqual(recorder.order(), ["executed", 1, "exited", "ended"])
            self.assertEqual(recorder.output(), b"hello\n")

    async def test_signals(self) -> None:
        """
        Signals go by name or number, and only to what runs.
        """

        def script(program: FakeProgram) -> None:
            runs_on(program)

        program = self.program("echo up; exec sleep 100", script)
        self.assertRaises(ProcessExitedAlready, program.signalProcess, "HUP")
        recorder = await self.up(program)
        for wrong in ("NONE", "SIGNONE", 0, 99):
            self.assertRaises(ValueError, program.signalProcess, wrong)
        program.signalProcess("SIGCONT")
        program.signalProcess("CONT")
        program.signalProcess(18)
        program.kill()
        await recorder.ended
        self.assertRaises(ProcessExitedAlready, program.signalProcess, 18)

    async def test_input(self) -> None:
        """
        What is written arrives; end of file comes behind it, and then no more.
        """

        def script(program: FakeProgram) -> None:
            runs_on(program)
            later: Callable[..., object] = reactor.callLater

            def answer() -> None:
                if not program.input_closed:
                    later(0.01, answer)
                    return
                program.output(program.input)
                program.end()

            answer()

        program = self.program("echo up; exec cat", script, redirect_input=True)
        self.assertRaises(ProcessExitedAlready, program.write, b"early")
        self.assertFalse(program.takesInput)
        recorder = await self.up(program)
        self.assertTrue(program.takesInput)
        program.write(b"one ")
        program.writeToChild(0, b"two")
        await program.whenWritable()
        self.assertEqual(program.stdinBuffered, 0)
        program.closeStdin()
        self.assertFalse(program.takesInput)
        self.assertRaises(ConnectionDone, program.write, b"late")
        await recorder.ended
        self.assertEqual(recorder.output(), b"up\none two")
        self.assertRaises(ProcessExitedAlready, program.write, b"later")

    async def test_noInput(self) -> None:
        """
        A program without an input pipe takes none.
        """
        program = self.program("echo up; exec sleep 100", runs_on)
        recorder = await self.up(program)
        self.assertFalse(program.takesInput)
        self.assertRaises(ConnectionDone, program.write, b"x")
        await program.whenWritable()
        program.kill()
        await recorder.ended

    async def test_silenced(self) -> None:
        """
        Output of a closed descriptor is thrown away.
        """

        def script(program: FakeProgram) -> None:
            runs_on(program)
            program.output(b"unheard\n", fd=2)
            program.output(b"heard\n")
            program.end()

        program = self.program(
            "echo up; read x; echo unheard >&2; echo heard", script, redirect_input=True
        )

        class Deaf(Recorder):
            def connectionMade(self) -> None:
                super().connectionMade()
                program.closeChildFD(2)
                program.closeStdin()

        recorder = Deaf()
        program.run(recorder)
        await recorder.ended
        self.assertEqual(recorder.output(2), b"")
        self.assertEqual(recorder.output(1), b"up\nheard\n")

    async def test_merged(self) -> None:
        """
        With one pipe for stdout and stderr everything arrives as descriptor 1, in the
        order in which it was written, run after run.
        """

        def script(program: FakeProgram) -> None:
            program.execute()
            for number in range(100):
                program.output(b"%d\n" % number, fd=1 + number % 2)
            program.end()

        shell = "n=0; while [ $n -lt 100 ]; do echo $n >&$((1 + n % 2)); n=$((n+1)); done"
        program = self.program(shell, script, merge_output=True)
        for _ in range(2):
            recorder = await self.whole_run(program)
            self.assertEqual(recorder.order(), ["executed", 1, "exited", "ended"])
            self.assertEqual(recorder.output(), b"".join(b"%d\n" % n for n in range(100)))

    async def test_mergedIsOneDescriptor(self) -> None:
        """
        Where stdout and stderr are one, throwing stdout away is throwing both away.
        """

        def script(program: FakeProgram) -> None:
            runs_on(program)
            program.output(b"unheard\n", fd=2)
            program.end()

        program = self.program(
            "echo up; read x; echo unheard >&2", script, redirect_input=True, merge_output=True
        )

        class Deaf(Recorder):
            def childDataReceived(self, childFD: int, data: bytes) -> None:
                super().childDataReceived(childFD, data)
                program.closeChildFD(1)
                program.closeStdin()

        recorder = Deaf()
        program.run(recorder)
        await recorder.ended
        self.assertEqual((recorder.output(1), recorder.output(2)), (b"up\n", b""))

    async def test_nothingLeft(self) -> None:
        """
        With nothing left there is nothing to end; stop and kill do nothing then.
        """
        program = self.program("true", _ends)
        program.stop()
        program.kill()
        await self.whole_run(program)
        self.assertEqual(await program.endLeft(), ())


def _ends(program: FakeProgram) -> None:
    program.execute()
    program.end()


class RealTests(LauncherMixin, TestCase):
    """
    The promises, kept by L{Launcher}.
    """

    guardian = PYTHON

    def setUp(self) -> None:
        self.launcher = service = self.make_launcher()
        service.startService()
        self.addCleanup(service.stopService)

    def make_launcher(self) -> Launcher:
        """
        The launcher.
        """
        return Launcher(reactor, start=STARTERS[self.guardian])

    def program(
        self,
        shell: str,
        script: Callable[[FakeProgram], None],
        *,
        redirect_input: bool = False,
        merge_output: bool = False,
    ) -> IProgram:
        return self.launcher.program(
            Command(
                argv=("/bin/sh", "-c", shell),
                env=ENV,
                redirect_input=redirect_input,
                merge_output=merge_output,
            )
        )

    def missing(self) -> IProgram:
        return self.launcher.program(Command(argv=("no-such-program",), env=ENV))


class CompiledTests(WithCompiled, RealTests):
    """
    The promises, kept by L{Launcher} with the compiled guardian.
    """


class DetachedTests(RealTests):
    """
    The promises, kept for programs that are detached.
    """

    def make_launcher(self) -> Launcher:
        launcher = DetachingLauncher(reactor)
        launcher.folder = DetachedFolder(self)
        return launcher


class FakeTests(LauncherMixin, TestCase):
    """
    The promises, kept by L{FakeLauncher}.
    """

    def setUp(self) -> None:
        self.launcher = self.fake = FakeLauncher(reactor, obedient=True)

    def program(
        self,
        shell: str,
        script: Callable[[FakeProgram], None],
        *,
        redirect_input: bool = False,
        merge_output: bool = False,
    ) -> IProgram:
        program = self.fake.program(
            Command(
                argv=("/bin/sh", "-c", shell),
                env=ENV,
                redirect_input=redirect_input,
                merge_output=merge_output,
            )
        )
        program.script = script
        return program

    def missing(self) -> IProgram:
        return self.program("", FakeProgram.fail)
