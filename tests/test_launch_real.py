"""
Real programs: what they get, and what is left of them.  With each guardian.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Mapping

from twisted.internet import reactor
from twisted.internet.error import ProcessTerminated
from twisted.trial.unittest import SkipTest, TestCase

from smartmob.launch.helper import PYTHON
from smartmob.launch.interfaces import Command, NotExecuted
from smartmob.launch.launcher import Launcher
from smartmob.launch.program import Program
from tests.support import menagerie
from tests.support.processes import (
    PLAIN,
    Recorder,
    marked,
    new_marker,
    setuid_copy,
    until,
)
from tests.support.twins import STARTERS, WithCompiled

LISTING = (
    "n=0; while [ $n -lt 99 ]; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; n=$((n+1)); done"
)
"""
Lists a shell's descriptors without opening one.
"""

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class RealCase(TestCase):
    """
    A launcher, and programs of it.

    @ivar guardian: The kind of guardian.
    """

    timeout = 60
    guardian = PYTHON

    def setUp(self) -> None:
        self.launcher = self.make_launcher()
        self.launcher.startService()
        self.addCleanup(self.launcher.stopService)

    def make_launcher(self) -> Launcher:
        """
        The launcher.
        """
        return Launcher(reactor, start=STARTERS[self.guardian])

    async def whole_run(self, command: Command) -> Recorder:
        """
        A run from its beginning to its end.
        """
        recorder = Recorder()
        self.launcher.program(command).run(recorder)
        await recorder.ended
        return recorder

    async def said(self, shell: str, **more: object) -> str:
        """
        What a shell says.
        """
        argv = ("/bin/sh", "-c", shell)
        recorder = await self.whole_run(Command(argv=argv, env=ENV, **more))  # type: ignore[arg-type] # any of its keys
        self.assertEqual(recorder.output(2), b"")
        return recorder.output().decode()

    async def refused(self, command: Command, code: int) -> str:
        """
        Why a command could not be executed.
        """
        recorder = await self.whole_run(command)
        self.assertEqual(recorder.order(), ["ended"])
        reason = recorder.told[0][1]
        assert isinstance(reason, NotExecuted)
        self.assertEqual(reason.exitCode, code, reason.why)
        return reason.why


class GivenTests(RealCase):
    """
    What a program gets.
    """

    async def test_descriptors(self) -> None:
        """
        It has descriptors 0, 1 and 2, also beside others and in its second run.
        """
        other = Recorder()
        up = other.says(b"up")
        beside = self.launcher.program(
            Command(argv=("sh", "-c", "echo up; cat"), env=ENV, redirect_input=True)
        )
        beside.run(other)
        await up
        listing = self.launcher.program(
            Command(argv=("sh", "-c", LISTING), env=ENV, redirect_input=True)
        )
        for _ in range(2):
            recorder = Recorder()
            listing.run(recorder)
            await recorder.ended
            self.assertEqual(recorder.output(), b"0 1 2 ")
        beside.kill()
        await other.ended

    async def test_signals(self) -> None:
        """
        No signal is ignored, blocked or caught.
        """
        # No shell, nor Python: those change their own.
        status = await self.whole_run(Command(argv=("cat", "/proc/self/status"), env=ENV))
        fields = dict(line.split(":\t") for line in status.output().decode().splitlines())
        for field in "SigIgn", "SigBlk", "SigCgt":
            self.assertEqual(int(fields[field], 16), 0, field)

    async def test_session(self) -> None:
        """
        It leads its own session and group, and has no terminal.
        """
        said = await self.said(
            "read pid comm state ppid pgrp session tty rest < /proc/$$/stat;"
            "echo $$ $pid $pgrp $session $tty"
        )
        own, *others, terminal = said.split()
        self.assertEqual(others, [own] * 3)
        self.assertEqual(terminal, "0")

    async def test_umask(self) -> None:
        """
        Its umask is 022, or the one asked for.
        """
        before = os.umask(0o077)
        self.addCleanup(os.umask, before)
        self.assertEqual(await self.said("umask"), "0022\n")
        self.assertEqual(await self.said("umask", umask=0o007), "0007\n")

    async def test_openFiles(self) -> None:
        """
        Its bounds of open files are those that the agent was started with, not the
        agent's own, also from a second guardian.
        """
        soft, hard = self.launcher._bounds
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (hard, hard))
        wanted = f"{soft} {hard}\n"
        self.assertEqual(await self.said("echo $(ulimit -Sn) $(ulimit -Hn)"), wanted)
        assert self.launcher._helper is not None
        guardian = self.launcher._helper
        guardian.kill()
        await until(reactor, lambda: self.launcher._helper is not guardian, 5)
        self.assertEqual(await self.said("echo $(ulimit -Sn) $(ulimit -Hn)"), wanted)

    async def test_limits(self) -> None:
        """
        Its limits, its niceness and no-new-privileges are as asked for.
        """
        said = await self.said(
            "ulimit -Sn; ulimit -Hn; ulimit -c; nice; grep NoNewPrivs /proc/self/status",
            rlimits={"RLIMIT_NOFILE": (50, 60), "RLIMIT_CORE": (0, 0)},
            nice=3,
            no_new_privileges=True,
        )
        nice = os.nice(0) + 3
        self.assertEqual(said.split(), ["50", "60", "0", str(nice), "NoNewPrivs:", "1"])

    async def test_standardStreams(self) -> None:
        """
        /dev/stdout, /dev/stderr and /dev/stdin can be opened.
        """
        recorder = Recorder()
        program = self.launcher.program(
            Command(
                argv=(
                    "sh",
                    "-c",
                    "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin",
                ),
                env=ENV,
                redirect_input=True,
            )
        )
        program.run(recorder)
        await recorder.executed
        program.write(b"in\n")
        program.closeStdin()
        await recorder.ended
        self.assertEqual((recorder.output(1), recorder.output(2)), (b"out\nin\n", b"err\n"))

    async def test_noInput(self) -> None:
        """
        Without an input pipe it reads the end of file.
        """
        self.assertEqual(await self.said("readlink /proc/self/fd/0; cat"), "/dev/null\n")

    async def test_words(self) -> None:
        """
        Its arguments, its environment and its folder are as given, byte for byte.
        """
        odd = "a b\n\"'$%\\\u00e9\udcff"
        code = (
            "import os, sys\n"
            "said = sys.argv[1:], dict(os.environ), os.getcwd()\n"
            "os.write(1, os.fsencode(repr(said)))\n"
        )
        folder = os.path.join(self.mktemp(), "f\u00e9 o")
        os.makedirs(folder)
        recorder = await self.whole_run(
            Command(
                argv=(sys.executable, "-I", "-S", "-X", "utf8", "-c", code, odd, ""),
                env={"LC_ALL": "C.UTF-8", "ODD": odd, "EMPTY": ""},
                cwd=os.path.abspath(folder),
            )
        )
        wanted = (
            [odd, ""],
            {"LC_ALL": "C.UTF-8", "ODD": odd, "EMPTY": ""},
            os.path.abspath(folder),
        )
        self.assertEqual(recorder.output(), os.fsencode(repr(wanted)))

    async def test_path(self) -> None:
        """
        Its first word is looked up in the PATH it gets; with a slash, in its folder.
        """
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        path = os.path.join(folder, "greet")
        with open(path, "w") as file:
            file.write("#!/bin/sh\necho hello\n")
        os.chmod(path, 0o755)
        for argv, env, cwd in (
            (("greet",), {"PATH": f"/nowhere:{folder}"}, "/"),
            (("./greet",), {}, folder),
            (("greet",), {"PATH": ":/bin"}, folder),
        ):
            recorder = await self.whole_run(Command(argv=argv, env=env, cwd=cwd))
            self.assertEqual(recorder.output(), b"hello\n", argv)

    async def test_noInterpreterLine(self) -> None:
        """
        A script without a #! line is run by the shell, as by any shell.
        """
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        for name, path in (("-greet", ""), ("greet", ":/bin")):
            with open(os.path.join(folder, name), "w") as file:
                file.write('echo "hello $1"\n')
            os.chmod(os.path.join(folder, name), 0o755)
            for word in (name, f"./{name}"):
                command = Command(argv=(word, "you"), env={"PATH": path}, cwd=folder)
                recorder = await self.whole_run(command)
                self.assertEqual(recorder.output(2), b"")
                self.assertEqual(recorder.output(), b"hello you\n", word)

    async def test_user(self) -> None:
        """
        It runs as the user, group and groups asked for, and can open its streams.
        """
        if os.geteuid() != 0:
            raise SkipTest("only root can start programs as another user")
        recorder = Recorder()
        program = self.launcher.program(
            Command(
                argv=(
                    "sh",
                    "-c",
                    "grep -E '^(Uid|Gid|Groups)' /proc/self/status > /dev/stdout",
                ),
                env=ENV,
                uid=PLAIN,
                gid=PLAIN,
                groups=(1, 2),
            )
        )
        program.run(recorder)
        await recorder.ended
        self.assertEqual(recorder.output(2), b"")
        words = recorder.output().decode().split()
        plain = [str(PLAIN)] * 4
        self.assertEqual(words, ["Uid:", *plain, "Gid:", *plain, "Groups:", "1", "2"])


class RefusedTests(RealCase):
    """
    What can't be executed says why.
    """

    async def test_program(self) -> None:
        """
        A program that is missing, or is none, is named, with the code of a shell.
        """
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)

        def file(name: str, text: str, mode: int) -> str:
            path = os.path.join(folder, name)
            with open(path, "w") as opened:
                opened.write(text)
            os.chmod(path, mode)
            return path

        for path, code, says in (
            ("nowhere", 127, "nowhere in any folder of PATH"),
            ("./nowhere", 127, "./nowhere"),
            (file("plain", "#!/bin/sh\n", 0o644), 126, "not executable"),
            (file("lost", "#!/nowhere/sh\n", 0o755), 127, "interpreter"),
            (folder, 126, "not executable"),
            ("", 127, "no program"),
        ):
            why = await self.refused(Command(argv=(path,), env=ENV), code)
            self.assertIn(says, why)
            self.assertIn(path, why)

    async def test_folder(self) -> None:
        """
        A folder that is missing, or is none, is named.
        """
        for cwd, says in (("/nowhere/at/all", "does not exist"), ("/dev/null", "not a folder")):
            why = await self.refused(Command(argv=("true",), env=ENV, cwd=cwd), 126)
            self.assertIn(cwd, why)
            self.assertIn(says, why)

    async def test_identity(self) -> None:
        """
        A user that can't be is named.
        """
        missing = 2**32 - 1
        command = Command(argv=("true",), env=ENV, uid=missing, gid=missing)
        self.assertIn(f"user {missing}", await self.refused(command, 126))
        if os.geteuid() != 0:
            command = Command(argv=("true",), env=ENV, uid=0, gid=0)
            self.assertIn("user 0", await self.refused(command, 126))

    async def test_limits(self) -> None:
        """
        A limit that can't be set is named.
        """
        for limits in {"RLIMIT_NONE": (1, 1)}, {"RLIMIT_CORE": (2, 1)}:
            command = Command(argv=("true",), env=ENV, rlimits=limits)
            (name,) = limits
            self.assertIn(name, await self.refused(command, 126))

    async def test_words(self) -> None:
        """
        What no program can be given is refused: NULs, odd names, half characters, and
        more than the kernel takes.
        """
        commands: tuple[tuple[tuple[str, ...], Mapping[str, str]], ...] = (
            (("true", "a\0b"), ENV),
            (("true",), {**ENV, "A": "a\0b"}),
            (("true",), {**ENV, "A=B": "c"}),
            (("true",), {**ENV, "": "c"}),
            (("true", "\ud800"), ENV),
            (("true", "x" * 200_000), ENV),
            (("true", *("x" * 100_000 for _ in range(100))), ENV),
        )
        for argv, env in commands:
            self.assertTrue(await self.refused(Command(argv=argv, env=env), 126))
        self.assertEqual(await self.said("echo fine"), "fine\n")

    async def test_secondTime(self) -> None:
        """
        A program that went missing between two runs is refused, and runs once it is
        back.
        """
        path = os.path.abspath(self.mktemp())

        def write() -> None:
            with open(path, "w") as file:
                file.write("#!/bin/sh\necho hello\n")
            os.chmod(path, 0o755)

        program = self.launcher.program(Command(argv=(path,), env=ENV))
        orders = []
        for action in write, lambda: os.unlink(path), write:
            action()
            recorder = Recorder()
            program.run(recorder)
            await recorder.ended
            orders.append(recorder.order())
        whole = ["executed", 1, "exited", "ended"]
        self.assertEqual(orders, [whole, ["ended"], whole])

    room = 3
    """
    Descriptors with which a program can't be started.
    """

    async def test_noDescriptors(self) -> None:
        """
        Without descriptors for its pipes a program is refused, nothing leaks, and
        others run on.
        """
        recorder = Recorder()
        living = self.launcher.program(Command(argv=("sh", "-c", "echo up; cat"), env=ENV))
        await self.launcher.whenReady()
        before = len(os.listdir("/proc/self/fd"))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + self.room, hard))
        try:
            why = await self.refused(Command(argv=("true",), env=ENV, redirect_input=True), 126)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertIn("descriptors", why)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        living.run(recorder)
        self.assertEqual(await self.said("echo fine"), "fine\n")
        living.kill()
        await recorder.ended


class OutputTests(RealCase):
    """
    All output arrives, in order, and before the end is told.
    """

    async def test_lastLine(self) -> None:
        """
        1,000 lines and an exit are 1,000 lines, then the exit, 500 times in a row.
        """
        program = self.launcher.program(Command(argv=("seq", "1000"), env=ENV))
        wanted = "".join(f"{number}\n" for number in range(1, 1001)).encode()
        for _ in range(500):
            recorder = Recorder()
            program.run(recorder)
            await recorder.ended
            self.assertEqual(recorder.order(), ["executed", 1, "exited", "ended"])
            self.assertEqual(recorder.output(), wanted)

    async def test_paused(self) -> None:
        """
        While output is paused the program waits; what it says then all arrives.
        """
        size = 1_000_000
        recorder = Recorder()
        program = self.launcher.program(
            Command(
                argv=("sh", "-c", f"echo up; read x; head -c {size} /dev/zero"),
                env=ENV,
                redirect_input=True,
            )
        )
        up = recorder.says(b"up\n")
        program.run(recorder)
        await up
        program.pauseOutput()
        program.write(b"\n")
        await program.whenWritable()
        pid = program.pid

        def waits() -> bool:
            heads = [child for child in _children(pid) if _waits_in_pipe(child)]
            return bool(heads)

        await until(reactor, waits, 20)
        self.assertEqual(recorder.output(), b"up\n")
        program.resumeOutput()
        await recorder.ended
        self.assertEqual(len(recorder.output()), size + 3)

    async def test_exitWhilePaused(self) -> None:
        """
        What was said before an exit is delivered before it, also while output is
        paused.
        """

        class Pausing(Recorder):
            def connectionMade(self) -> None:
                super().connectionMade()
                program.pauseOutput()

        program = self.launcher.program(Command(argv=("echo", "last"), env=ENV))
        recorder = Pausing()
        program.run(recorder)
        await recorder.ended
        self.assertEqual(recorder.output(), b"last\n")
        self.assertEqual(recorder.order(), ["executed", 1, "exited", "ended"])

    async def test_input(self) -> None:
        """
        A megabyte of input comes back as it went in; the writer is told when it was
        taken.
        """
        data = os.urandom(1 << 20)
        recorder = Recorder()
        program = self.launcher.program(Command(argv=("cat",), env=ENV, redirect_input=True))
        program.run(recorder)
        await recorder.executed
        program.write(data)
        writable = program.whenWritable()  # at once, where it takes as fast as it is given
        program.closeStdin()
        await writable
        await recorder.ended
        self.assertEqual(recorder.output(), data)

    async def test_inputNotRead(self) -> None:
        """
        Input for a program that closed its end, or ends without reading, is dropped.
        """
        for shell in "exec 0<&-; echo up; sleep 0.2", "echo up; sleep 0.1":
            recorder = Recorder()
            up = recorder.says(b"up\n")
            program = self.launcher.program(
                Command(argv=("sh", "-c", shell), env=ENV, redirect_input=True)
            )
            program.run(recorder)
            await up
            program.write(b"x" * 500_000)
            await program.whenWritable()
            self.assertEqual(program.stdinBuffered, 0)
            await recorder.ended


class StopTests(RealCase):
    """
    Nothing is left of a program.
    """

    def started(
        self, *kinds: str, env: Mapping[str, str] = ENV, grace: float = 10
    ) -> tuple[Program, Recorder, str]:
        """
        A program with a menagerie.
        """
        marker = new_marker()
        program = self.launcher.program(
            Command(
                argv=(sys.executable, "-I", "-S", menagerie.__file__, marker, *kinds),
                env=env,
                grace=grace,
            )
        )
        recorder = Recorder()
        program.run(recorder)
        return program, recorder, marker

    async def test_menagerie(self) -> None:
        """
        Stop ends all ten kinds of descendants; only what ignored it needed KILL.
        """
        folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, folder)
        with setuid_copy(menagerie.SLEEP, folder, PLAIN) as sleep:
            os.chmod(folder, 0o755)
            program, recorder, marker = self.started(
                env={**ENV, "MENAGERIE_SETUID": sleep}, grace=0.5
            )
            await recorder.says(b"ready")
            self.assertGreaterEqual(len(marked(marker)), 11)
            program.stop()
            await recorder.ended
            self.assertEqual(marked(marker), [])
            self.assertEqual(program.killed, ("deaf",))
            self.assertEqual(program.left, ())

    async def test_eachKind(self) -> None:
        """
        The same for each kind by itself, in one grace for all of them.
        """
        kinds = [kind for kind in menagerie.KINDS if kind != "setuid"]
        all_started = [self.started(kind, grace=0.5) for kind in kinds]
        for _, recorder, _ in all_started:
            await recorder.says(b"ready")
        for program, _, _ in all_started:
            program.stop()
        for (program, recorder, marker), kind in zip(all_started, kinds, strict=True):
            await recorder.ended
            self.assertEqual(marked(marker), [], kind)
            self.assertEqual(program.killed, ("deaf",) if kind == "deaf" else (), kind)

    async def test_kill(self) -> None:
        """
        So does kill, and says all that it killed.
        """
        program, recorder, marker = self.started("child", "daemon", "refork")
        await recorder.says(b"ready")
        program.kill()
        await recorder.ended
        self.assertEqual(marked(marker), [])
        self.assertLessEqual({"leader", "child", "daemon", "refork"}, set(program.killed))

    async def test_stragglers(self) -> None:
        """
        When a leader ends by itself, that is told at once; its stragglers are stopped,
        and then the end is told.
        """
        marker = new_marker()
        code = (
            "import os, sys, time\n"
            "told, tell = os.pipe()\n"
            "if os.fork():\n"
            "    os.read(told, 1)\n"
            "    os._exit(7)\n"
            "import signal\n"
            # its input ends when the agent knows that the leader has
            "def bye(*_): os.read(0, 1); os.write(1, b'straggler'); os._exit(0)\n"
            "signal.signal(signal.SIGTERM, bye)\n"
            "os.setsid()\n"
            "os.write(tell, b'x')\n"
            "time.sleep(1000)\n"
        )
        program = self.launcher.program(
            Command(
                argv=(sys.executable, "-I", "-S", "-c", code, marker),
                env=ENV,
                redirect_input=True,
            )
        )
        recorder = Recorder()
        program.run(recorder)
        await recorder.ended
        self.assertEqual(recorder.order(), ["executed", "exited", 1, "ended"])
        self.assertEqual(recorder.output(), b"straggler")
        reason = await recorder.exited
        assert isinstance(reason, ProcessTerminated)
        self.assertEqual(reason.exitCode, 7)
        self.assertEqual(program.killed, ())
        self.assertEqual(marked(marker), [])

    async def test_stopped(self) -> None:
        """
        A program that was stopped (SIGSTOP) is woken to end.
        """
        recorder = Recorder()
        program = self.launcher.program(
            Command(
                argv=("sh", "-c", "trap 'echo bye; exit 0' TERM; kill -STOP $$; sleep 9"),
                env=ENV,
            )
        )
        program.run(recorder)
        await recorder.executed
        pid = program.pid
        await until(reactor, lambda: _state(pid) == "T", 10)
        program.stop()
        await recorder.ended
        self.assertEqual(recorder.output(), b"bye\n")

    async def test_cleanUp(self) -> None:
        """
        What a program starts in order to clean up is left to do so.
        """
        recorder = Recorder()
        program = self.launcher.program(
            Command(
                argv=(
                    "sh",
                    "-c",
                    "trap 'sleep 0.1; /bin/echo clean; exit 0' TERM; echo up; sleep 100 & wait",
                ),
                env=ENV,
            )
        )
        up = recorder.says(b"up\n")
        program.run(recorder)
        await up
        program.stop()
        await recorder.ended
        self.assertIn(b"clean\n", recorder.output())

    async def test_shorter(self) -> None:
        """
        A second stop shortens the grace; a longer one does not prolong it.
        """
        program, recorder, marker = self.started("deaf", grace=1000)
        await recorder.says(b"ready")
        program.stop()
        program.stop(0.1)
        program.stop(1000)
        await recorder.ended
        self.assertEqual(marked(marker), [])
        self.assertEqual(program.killed, ("deaf",))

    async def test_stopSignal(self) -> None:
        """
        It is asked to end with the signal of its command.
        """
        recorder = Recorder()
        program = self.launcher.program(
            Command(
                argv=(
                    "sh",
                    "-c",
                    "trap 'echo int; exit 0' INT; echo up; sleep 100 & wait",
                ),
                env=ENV,
                stop_signal=2,
            )
        )
        up = recorder.says(b"up\n")
        program.run(recorder)
        await up
        program.stop()
        await recorder.ended
        self.assertIn(b"int\n", recorder.output())

    async def test_service(self) -> None:
        """
        Stopping the launcher leaves nothing: no program, no helper, no descriptor.
        """
        await self.launcher.whenReady()
        before = len(os.listdir("/proc/self/fd"))
        launcher = Launcher(reactor, start=STARTERS[self.guardian])
        launcher.startService()
        await launcher.whenReady()
        assert launcher._helper is not None
        guardian = launcher._helper.pid
        marker = new_marker()
        recorders = []
        for _ in range(10):
            recorder = Recorder()
            launcher.program(
                Command(argv=(sys.executable, "-I", "-S", menagerie.__file__, marker), env=ENV)
            ).run(recorder)
            recorders.append(recorder)
        await recorders[0].says(b"ready")
        helpers = [guardian, *_children(guardian)]
        self.assertGreater(len(helpers), 1)
        await launcher.stopService()
        for recorder in recorders:
            self.assertEqual(recorder.order()[-1], "ended")
        self.assertEqual(marked(marker), [])
        self.assertEqual([pid for pid in helpers if os.path.exists(f"/proc/{pid}")], [])
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.assertRaises(
            RuntimeError, launcher.program(Command(argv=("true",), env=ENV)).run, Recorder()
        )


class CompiledGivenTests(WithCompiled, GivenTests):
    """
    What a program gets, from the compiled guardian.
    """


class CompiledRefusedTests(WithCompiled, RefusedTests):
    """
    What the compiled guardian says of what can't be executed.
    """


class CompiledOutputTests(WithCompiled, OutputTests):
    """
    Output of what the compiled guardian started.
    """


class CompiledStopTests(WithCompiled, StopTests):
    """
    Nothing is left of what the compiled guardian started.
    """


def _children(pid: int | None) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def _waits_in_pipe(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan") as file:
        return "pipe" in file.read()


def _state(pid: int | None) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(") ")[2][0]
