"""
Detached programs: what ends their agent does not end them, and the next one finds them.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase
from zope.interface import implementer

from smartmob.launch import wire
from smartmob.launch.earlier import end_leftovers, found, lives, opened
from smartmob.launch.interfaces import Command, Detach, LauncherLost, NotExecuted
from smartmob.launch.keeper_link import connect
from smartmob.launch.launcher import Launcher
from smartmob.launch.program import Program
from smartmob.launch.record import Record, give_up, identity, recorded_keeper, remove, started
from smartmob.launch.ring import SIZE
from smartmob.launch.terms import fingerprint
from tests.support import launcher_host, menagerie, warden
from tests.support.detaching import DetachedFolder
from tests.support.living import running, stat_of
from tests.support.processes import PLAIN, Recorder, marked, new_marker, until

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

PATIENCE = 30
"""
Seconds for what is not promised to be fast.
"""

NAME = "app.web.0"

WAIT = "exec 2> /dev/null; echo up; while :; do sleep 0.01; done"

TALK = f"trap 'echo asked' USR1; {WAIT}"
"""
Says something whenever it gets USR1.
"""

MANY = 4_000_000
"""
So many numbers, a line each, are 30 MB ...
"""

WRITTEN = len("up\n") + sum(9 * 10**n * (n + 2) for n in range(6)) + (MANY - 999_999) * 8
"""
... to the byte, with what comes first.
"""


class Next(Recorder):
    """
    Remembers where it was told what.
    """

    def __init__(self, when: Callable[[], object]) -> None:
        super().__init__()
        self.found: object = None
        self._when = when

    def connectionMade(self) -> None:
        self.found = self._when()
        super().connectionMade()


class Counted(Recorder):
    """
    Waits for the last of many numbers, and looks at no more than that.

    @ivar whole: Fires with it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.whole: Deferred[None] = Deferred()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.told.append((childFD, data))
        if data.endswith(b"\n%d\n" % MANY):
            self.whole.callback(None)


class DetachedCase(TestCase):
    """
    A folder, and launchers that use it, one after the other.
    """

    timeout = 120

    def setUp(self) -> None:
        self.folder = DetachedFolder(self)
        self.place = os.path.dirname(self.folder.path)
        self.marker = new_marker()
        self.addCleanup(self.kill_marked)
        self.launcher = self.next_launcher()

    def kill_marked(self) -> None:
        """
        End what no keeper keeps any more.
        """
        for pid in marked(self.marker):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended meanwhile

    def next_launcher(self) -> Launcher:
        """
        That of another agent.
        """
        launcher = Launcher(reactor)
        launcher.startService()
        self.addCleanup(launcher.stopService)
        return launcher

    def command(self, *argv: str, name: str = NAME, **more: Any) -> Command:
        """
        A detached one.
        """
        values = {"env": ENV, "detach": self.folder.detach(name), **more}
        return Command(argv=argv, **values)

    def shell(self, code: str, **more: Any) -> Command:
        """
        A detached shell.
        """
        return self.command("sh", "-c", code, self.marker, **more)

    def zoo(self, *kinds: str, **more: Any) -> Command:
        """
        A detached menagerie.
        """
        argv = (sys.executable, "-I", "-S", menagerie.__file__, self.marker, *kinds)
        return self.command(*argv, **more)

    async def up(
        self, command: Command, says: bytes = b"up\n", launcher: Launcher | None = None
    ) -> tuple[Program, Recorder]:
        """
        A run, up to some words.
        """
        program = (launcher or self.launcher).program(command)
        recorder = Recorder()
        said = recorder.says(says)
        program.run(recorder)
        await said
        return program, recorder

    async def pass_on(self) -> Launcher:
        """
        The agent ends, and another begins.
        """
        await self.launcher.stopService()
        self.launcher = self.next_launcher()
        return self.launcher

    def file(self, name: str) -> str:
        """
        The path of a file of the test's, removed at its end.
        """
        path = os.path.join(self.place, name)
        self.addCleanup(lambda: Path(path).unlink(missing_ok=True))
        return path

    def keeper(self, name: str = NAME) -> int:
        """
        The pid of a keeper.
        """
        keeper = self.folder.record(name)["keeper"]
        assert isinstance(keeper, int)
        return keeper

    def stop_keeper(self) -> tuple[int, int]:
        """
        Stop the keeper, and its parent.
        """
        keeper = self.keeper()
        with open(f"/proc/{keeper}/stat") as file:
            parent = int(file.read().rpartition(") ")[2].split()[1])
        for pid in keeper, parent:
            os.kill(pid, signal.SIGSTOP)
        return keeper, parent

    async def orphaned(self) -> Command:
        """
        A program of two processes whose keeper was killed, and that one's parent.

        @return: The command; it says "up" twice.
        """
        code = (
            "import ctypes, os, time\n"
            "ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n"  # it does not end with its parent
            "os.fork()\n"
            "os.write(1, b'up\\n')\n"
            "time.sleep(1000)\n"
        )
        command = self.command(sys.executable, "-I", "-S", "-c", code, self.marker)
        await self.up(command, b"up\nup\n")
        keeper = self.keeper()
        await self.pass_on()
        os.kill(int(stat_of(keeper)[1]), signal.SIGKILL)
        os.kill(keeper, signal.SIGKILL)
        await until(reactor, lambda: not running([keeper]), PATIENCE)
        return command

    async def gone(self, *pids: int) -> None:
        """
        None of these processes lives, nor one with the marker.
        """
        await until(reactor, lambda: not running(pids) and not marked(self.marker), PATIENCE)

    async def ended_by(self, program: Program, recorder: Recorder) -> None:
        """
        Stop it; nothing is left.
        """
        program.stop()
        await recorder.ended
        self.assertEqual(marked(self.marker), [])
        self.assertEqual(self.folder.names(), [])


class AdoptionTests(DetachedCase):
    """
    From one agent to the next.
    """

    async def test_agentEnds(self) -> None:
        """
        It lives on when its launcher stops, which waits for nothing and tells nothing;
        the next one adopts it, and gets all it said, and says from then on.
        """
        program, first = await self.up(self.shell(TALK))
        self.assertFalse(program.adopted)
        pid, begun = program.pid, program.started_at
        assert pid is not None
        assert begun is not None
        await self.pass_on()
        self.assertEqual(first.order(), ["executed", 1])
        self.assertIsNone(program.pid)
        self.assertRaises(ProcessExitedAlready, program.signalProcess, "USR1")
        os.kill(pid, signal.SIGUSR1)
        output = os.path.join(self.folder.path, f"{NAME}.out")

        def asked() -> bool:
            with open(output, "rb") as file:
                return b"asked" in file.read()

        await until(reactor, asked, PATIENCE)
        program, second = await self.up(self.shell(TALK), b"up\nasked\n")
        self.assertEqual((program.pid, program.adopted), (pid, True))
        assert program.started_at is not None
        self.assertLess(abs(program.started_at - begun), 1)
        again = second.says(b"up\nasked\nasked\n")
        program.signalProcess("USR1")
        await again
        self.assertEqual(second.order(), ["executed", 1])
        await self.ended_by(program, second)

    async def test_adoptedWhenTold(self) -> None:
        """
        Whether it was adopted, and when it began, is known when its protocol is told.
        """
        await self.up(self.shell(TALK))
        await self.pass_on()
        program = self.launcher.program(self.shell(TALK))
        recorder = Next(lambda: (program.adopted, program.started_at is not None, program.pid))
        program.run(recorder)
        await recorder.executed
        self.assertEqual(recorder.found, (True, True, program.pid))
        await self.ended_by(program, recorder)

    async def test_runAgain(self) -> None:
        """
        One that was adopted and has ended is begun anew by the same program.
        """
        await self.up(self.shell(TALK))
        await self.pass_on()
        program, recorder = await self.up(self.shell(TALK))
        pid = program.pid
        await self.ended_by(program, recorder)
        again = Recorder()
        up = again.says(b"up\n")
        program.run(again)
        await up
        self.assertFalse(program.adopted)
        self.assertNotEqual(program.pid, pid)
        await self.ended_by(program, again)

    async def test_endedMeanwhile(self) -> None:
        """
        What ended while there was no agent left nothing, stragglers included, and is
        begun anew.
        """
        program, _ = await self.up(self.zoo("daemon", "session"), b"ready")
        pid, keeper = program.pid, self.keeper()
        assert pid is not None
        await self.pass_on()
        os.kill(pid, signal.SIGTERM)
        await self.gone(pid, keeper)
        self.assertEqual(self.folder.names(), [])
        program, recorder = await self.up(self.zoo("daemon", "session"), b"ready")
        self.assertFalse(program.adopted)
        await self.ended_by(program, recorder)

    async def test_exitIsTold(self) -> None:
        """
        How an adopted program ends is told as that of any other, behind its last words.
        """
        code = f"trap 'echo last; exit 7' USR1; {WAIT}"
        await self.up(self.shell(code))
        await self.pass_on()
        program, recorder = await self.up(self.shell(code))
        program.signalProcess("USR1")
        ended = await recorder.ended
        assert isinstance(ended, ProcessTerminated)
        self.assertEqual(ended.exitCode, 7)
        self.assertEqual(recorder.order(), ["executed", 1, "exited", "ended"])
        self.assertEqual(recorder.output(), b"up\nlast\n")

    async def test_leaderEndedMeanwhile(self) -> None:
        """
        Where only stragglers are left, which ignore that they are to end, they are
        ended, and a new one begins.
        """
        program, _ = await self.up(self.zoo("deaf", grace=0.5), b"ready")
        pid = program.pid
        assert pid is not None
        await self.pass_on()
        os.kill(pid, signal.SIGKILL)
        await until(reactor, lambda: not running([pid]), PATIENCE)
        program, recorder = await self.up(self.zoo("deaf", grace=0.5), b"ready")
        self.assertFalse(program.adopted)
        self.assertEqual(len(marked(self.marker)), 2)
        await self.ended_by(program, recorder)

    async def test_input(self) -> None:
        """
        Its input outlives the agent that gave it, until one of them ends it.
        """
        command = self.shell("echo up; exec cat", redirect_input=True)
        program, _ = await self.up(command)
        program.write(b"one\n")
        await self.pass_on()
        program, recorder = await self.up(command, b"up\none\n")
        self.assertTrue(program.takesInput)
        said = recorder.says(b"one\ntwo\n")
        program.write(b"two\n")
        await said
        program.closeStdin()
        await recorder.ended
        self.assertEqual(recorder.output(), b"up\none\ntwo\n")

    async def test_inputEnded(self) -> None:
        """
        What one agent ended has ended for the next.
        """
        code = "echo up; cat; echo over; while :; do sleep 0.01; done"
        program, recorder = await self.up(self.shell(code, redirect_input=True))
        over = recorder.says(b"over\n")
        program.closeStdin()
        await over
        await self.pass_on()
        program, recorder = await self.up(self.shell(code, redirect_input=True))
        self.assertFalse(program.takesInput)
        await self.ended_by(program, recorder)

    async def test_streams(self) -> None:
        """
        Standard error is told apart, unless it is one with standard output.
        """
        for merge, wanted in (False, (b"up\n", b"err\n")), (True, (b"err\nup\n", b"")):
            code = f"echo err >&2; {WAIT}"
            await self.up(self.shell(code, merge_output=merge))
            await self.pass_on()
            program, recorder = await self.up(self.shell(code, merge_output=merge))
            self.assertTrue(program.adopted)
            await self.ended_by(program, recorder)
            self.assertEqual((recorder.output(1), recorder.output(2)), wanted)

    async def test_user(self) -> None:
        """
        One that runs as another user is adopted alike.
        """
        if os.geteuid() != 0:
            raise SkipTest("only root can run a program as somebody else")
        code = "id -u; " + TALK
        command = self.shell(code, uid=PLAIN, gid=PLAIN)
        await self.up(command)
        await self.pass_on()
        program, recorder = await self.up(command, b"%d\nup\n" % PLAIN)
        self.assertTrue(program.adopted)
        await self.ended_by(program, recorder)

    async def test_letGoQueued(self) -> None:
        """
        What is let go before its turn has come is not executed, nor told of.
        """
        others = [
            self.launcher.program(self.shell("sleep 100", name=f"o.{n}")) for n in range(8)
        ]
        for other in others:
            other.run(Recorder())
        program = self.launcher.program(self.shell("sleep 100"))
        recorder = Recorder()
        program.run(recorder)
        program.letGo()
        await self.launcher.stopService()
        self.assertEqual(recorder.told, [])
        self.assertNotIn(f"{NAME}.json", self.folder.names())
        await end_leftovers(reactor, self.folder.path, ())
        await until(reactor, lambda: not marked(self.marker), PATIENCE)

    async def test_letGoAtOnce(self) -> None:
        """
        What is let go while it is about to be executed is there for the next agent, or
        isn't, but is never there twice.
        """
        for step in range(20):
            recorder = Recorder()
            self.launcher.program(self.shell(TALK)).run(recorder)
            await deferLater(reactor, step * 0.005)  # any moment of it will do
            await self.pass_on()
            before = recorder.told
            program, recorder = await self.up(self.shell(TALK))
            if before:
                self.assertTrue(program.adopted)
            program.stop()
            await recorder.ended
            # A keeper that was let go may find out only now that it is not wanted.
            await until(reactor, lambda: not self.folder.names(), PATIENCE)
        self.assertEqual(marked(self.marker), [])

    async def test_letGoWhenTold(self) -> None:
        """
        It can be let go of from within what it tells.
        """

        class Brief(Recorder):
            def connectionMade(self) -> None:
                program.letGo()
                super().connectionMade()

        program = self.launcher.program(self.shell(TALK))
        recorder = Brief()
        program.run(recorder)
        await recorder.executed
        await self.pass_on()
        self.assertEqual(recorder.order(), ["executed"])
        program, again = await self.up(self.shell(TALK))
        self.assertTrue(program.adopted)
        await self.ended_by(program, again)

    async def test_notDetached(self) -> None:
        """
        To let go of another program changes nothing.
        """
        program, recorder = await self.up(
            Command(argv=("sh", "-c", "echo up; exec sleep 100"), env=ENV)
        )
        program.letGo()
        self.assertIsNotNone(program.pid)
        self.assertIsNone(program.started_at)
        program.kill()
        await recorder.ended


class KilledTests(DetachedCase):
    """
    Something is killed.
    """

    def host(self) -> tuple[subprocess.Popen[bytes], int]:
        """
        Another agent, with a menagerie.

        @return: The process, and its guardian's pid.
        """
        argv = (sys.executable, "-I", "-S", menagerie.__file__, self.marker)
        words = "\0".join(argv).encode().hex()
        host = subprocess.Popen(
            [sys.executable, "-P", launcher_host.__file__, "1", words, self.folder.path],
            stdout=subprocess.PIPE,
            env={**ENV, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

        def end() -> None:
            host.kill()
            host.wait()
            assert host.stdout is not None
            host.stdout.close()

        self.addCleanup(end)
        assert host.stdout is not None
        guardian = int(host.stdout.readline().split()[1])
        while host.stdout.readline() != b"ready\n":
            continue
        return host, guardian

    def zoo_as_there(self) -> Command:
        """
        The same as there.
        """
        return self.zoo(env={"PATH": ENV["PATH"]}, grace=10.0)

    async def test_agent(self) -> None:
        """
        KILL of the agent leaves a detached program and all it started alone; its
        guardian goes.  The next agent finds it, and can end it whole.
        """
        host, guardian = self.host()
        before = sorted(marked(self.marker))
        self.assertGreaterEqual(len(before), 9)
        host.kill()
        host.wait()
        await until(reactor, lambda: not running([guardian]), PATIENCE)
        record = self.folder.record()
        program, recorder = await self.up(self.zoo_as_there(), b"ready")
        self.assertEqual((program.pid, program.adopted), (record["pid"], True))
        program.stop(0.5)
        await recorder.ended
        self.assertEqual(marked(self.marker), [])
        self.assertEqual(program.killed, ("deaf",))
        self.assertEqual(self.folder.names(), [])

    async def test_guardian(self) -> None:
        """
        KILL of the guardian does not reach it.
        """
        _, guardian = self.host()
        record = self.folder.record()
        os.kill(guardian, signal.SIGKILL)
        await until(reactor, lambda: not running([guardian]), PATIENCE)
        pids = [record["keeper"], record["pid"]]
        self.assertEqual(running([pid for pid in pids if isinstance(pid, int)]), pids)

    async def test_stoppedKeeper(self) -> None:
        """
        A program is ended where somebody has stopped its keeper and that one's parent.
        """
        program, recorder = await self.up(self.shell("echo up; sleep 1000", grace=0.1))
        self.stop_keeper()
        program.stop()
        await recorder.ended
        await self.gone()

    async def test_stoppedAndAdopted(self) -> None:
        """
        One that was stopped goes on when the next agent finds it, and so does its parent.
        """
        command = self.shell("echo up; sleep 1000")
        await self.up(command)
        await self.pass_on()
        stopped = self.stop_keeper()
        program, recorder = await self.up(command)
        self.assertTrue(program.adopted)
        await self.ended_by(program, recorder)
        program.dismiss()
        await self.gone(*stopped)

    async def test_stoppedAndUnwanted(self) -> None:
        """
        One that was stopped, whose program the next agent does not want, ends.
        """
        await self.up(self.shell("echo up; sleep 1000", grace=0.1))
        await self.pass_on()
        self.stop_keeper()
        await self.launcher.end_leftovers(self.folder.path, ())
        await self.gone()
        self.assertEqual(self.folder.names(), [])

    async def test_keeper(self) -> None:
        """
        KILL of the keeper ends the whole tree, told as lost; it can be run again.
        """
        program, recorder = await self.up(self.zoo(), b"ready")
        os.kill(self.keeper(), signal.SIGKILL)
        self.assertIsInstance(await recorder.ended, LauncherLost)
        await until(reactor, lambda: not marked(self.marker), PATIENCE)
        again = Recorder()
        ready = again.says(b"ready")
        program.run(again)
        await ready
        self.assertFalse(program.adopted)
        program.kill()
        await again.ended
        self.assertEqual(self.folder.names(), [])

    async def test_keeperAlone(self) -> None:
        """
        So does it while there is no agent.
        """
        await self.up(self.zoo(), b"ready")
        keeper = self.keeper()
        await self.pass_on()
        os.kill(keeper, signal.SIGKILL)
        await self.gone(keeper)
        program, recorder = await self.up(self.zoo("child"), b"ready")
        self.assertFalse(program.adopted)
        await self.ended_by(program, recorder)

    async def test_keeperAsked(self) -> None:
        """
        TERM of a keeper stops its program.
        """
        _, recorder = await self.up(self.zoo("daemon"), b"ready")
        os.kill(self.keeper(), signal.SIGTERM)
        ended = await recorder.ended
        assert isinstance(ended, ProcessTerminated)
        self.assertEqual(ended.signal, signal.SIGTERM)
        self.assertEqual(marked(self.marker), [])

    async def test_orphan(self) -> None:
        """
        A program that nobody keeps any more is killed with its session, and begun anew.
        """
        command = await self.orphaned()
        before = marked(self.marker)
        self.assertEqual(len(before), 2)
        program, recorder = await self.up(command, b"up\nup\n")
        self.assertFalse(program.adopted)
        self.assertEqual(running(before), [])
        await self.ended_by(program, recorder)

    async def test_deafKeeper(self) -> None:
        """
        A keeper that can't be reached is killed, with what it keeps, after a while.
        """
        await self.up(self.zoo("daemon"), b"ready")
        keeper = self.keeper()
        await self.pass_on()
        os.unlink(os.path.join(self.folder.path, f"{keeper}.sock"))
        program, recorder = await self.up(self.zoo("daemon"), b"ready")
        self.assertFalse(program.adopted)
        self.assertEqual(running([keeper]), [])
        await self.ended_by(program, recorder)


class RecordTests(DetachedCase):
    """
    What is believed of a record, and what isn't.
    """

    def stranger(self) -> tuple[int, int]:
        """
        A process that is not to be touched.

        @return: Its pid, and when it began.
        """
        process = subprocess.Popen(["sleep", "1000"], start_new_session=True)

        def end() -> None:
            process.kill()
            process.wait()

        self.addCleanup(end)
        start = started(process.pid)
        assert start is not None
        return process.pid, start

    def forged(self, **more: Any) -> dict[str, object]:
        """
        A record of now.
        """
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        pid, start = self.stranger()
        os.makedirs(self.folder.path, exist_ok=True)
        with opened(self.folder.path) as folder:
            here = identity(folder)
        return {
            "schema": 1,
            "boot": boot,
            "folder": here,
            "fingerprint": fingerprint(self.shell(TALK)),
            "grace": 10.0,
            "keeper": pid,
            "keeper_start": start,
            "pid": pid,
            "start": start,
            **more,
        }

    async def begun_anew(self, record: dict[str, object]) -> None:
        """
        A program beside such a record.
        """
        pid = record["pid"]
        assert isinstance(pid, int)
        self.folder.write(record)
        program, recorder = await self.up(self.shell(TALK))
        self.assertFalse(program.adopted)
        self.assertEqual(running([pid]), [pid])
        await self.ended_by(program, recorder)

    async def test_reusedPid(self) -> None:
        """
        A process that has the number of one that ended is left alone.
        """
        await self.begun_anew(self.forged(start=1, keeper_start=1))

    async def test_endsWhenFound(self) -> None:
        """
        One that ends just when it is found is begun anew; unless it was stopped by then.
        """
        me, start = os.getpid(), started(os.getpid())
        for stop in False, True:
            # We are the keeper.
            self.folder.write(self.forged(pid=me, start=start, keeper=me, keeper_start=start))
            program = self.launcher.program(self.shell(TALK))
            recorder = Recorder()
            with opened(self.folder.path) as folder:
                keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                keeper.bind(f"/proc/self/fd/{folder}/{me}.sock")
                keeper.listen()
                program.run(recorder)
                if stop:
                    program.stop()
                remove(folder, NAME, me)
                keeper.close()
            if stop:
                self.assertIsInstance(await recorder.ended, NotExecuted)
            else:
                await recorder.executed
                self.assertFalse(program.adopted)
                await self.ended_by(program, recorder)

    async def test_otherBoot(self) -> None:
        """
        So is one of another boot, whatever else is the same.
        """
        await self.begun_anew(self.forged(boot="00000000-0000-0000-0000-000000000000"))

    async def test_damaged(self) -> None:
        """
        What is no record is not believed.
        """
        for text in "", "{", "[1]", "{}", '{"pid": true}', "[" * 100_000, "\udc80":
            os.makedirs(self.folder.path, exist_ok=True)
            with open(os.path.join(self.folder.path, f"{NAME}.json"), "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
            program, recorder = await self.up(self.shell(TALK))
            self.assertFalse(program.adopted)
            await self.ended_by(program, recorder)

    def odd(self) -> list[Callable[[str], None]]:
        """
        What may be where a record should: each makes something there.
        """
        return [
            os.mkdir,
            os.mkfifo,
            lambda path: os.symlink("/dev/zero", path),
            lambda path: socket.socket(socket.AF_UNIX).bind(path),
        ]

    async def test_noFile(self) -> None:
        """
        What is no plain file is named, whatever it is, and nobody waits for it; nothing is
        executed, since it is not known whether one runs.
        """
        os.makedirs(self.folder.path)
        path = os.path.join(self.folder.path, f"{NAME}.json")
        for make in self.odd():
            make(path)
            recorder = Recorder()
            self.launcher.program(self.shell(TALK)).run(recorder)
            reason = await recorder.ended
            remove_any(path)
            assert isinstance(reason, NotExecuted)
            self.assertTrue(reason.why.startswith(f"{path} can't be used: "), reason.why)

    async def test_noFileOfLeftovers(self) -> None:
        """
        So it is told of what nobody wants any more, and the others are ended.
        """
        told: list[LogEvent] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            told.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        os.makedirs(self.folder.path)
        path = os.path.join(self.folder.path, f"{NAME}.json")
        for make in self.odd():
            make(path)
            await end_leftovers(reactor, self.folder.path, ())
            remove_any(path)
        warnings = [formatEvent(event) for event in told if event.get("path") == path]
        self.assertEqual(len(warnings), len(self.odd()))
        self.assertIn(f"{path} can't be used: is no plain file", warnings[0])

    async def test_keeperReadsNoPipe(self) -> None:
        """
        A pipe in the place of its record holds no keeper up.
        """
        program, recorder = await self.up(self.shell(TALK))
        path = os.path.join(self.folder.path, f"{NAME}.json")
        os.unlink(path)
        os.mkfifo(path)
        await self.ended_by(program, recorder)

    async def test_twoOfAName(self) -> None:
        """
        One whose record was lost, so that there is another now, leaves that one's files
        alone when it ends.
        """
        program, _ = await self.up(self.shell(TALK))
        lost, keeper = program.pid, self.keeper()
        assert lost is not None
        await self.pass_on()
        for name in self.folder.names():
            os.unlink(os.path.join(self.folder.path, name))
        program, _ = await self.up(self.shell(TALK))
        self.assertFalse(program.adopted)
        names = self.folder.names()
        os.kill(lost, signal.SIGKILL)
        await until(reactor, lambda: not running([keeper]), PATIENCE)
        self.assertEqual(self.folder.names(), names)
        await self.pass_on()
        program, recorder = await self.up(self.shell(TALK))
        self.assertTrue(program.adopted)
        await self.ended_by(program, recorder)

    async def test_changed(self) -> None:
        """
        One that is to be another now is ended first, with its grace.
        """
        bye = self.file("bye")
        code = f"trap 'sleep 0.2; echo x > {bye}; exit' TERM; {WAIT}"
        program, _ = await self.up(self.shell(code))
        pid = program.pid
        assert pid is not None
        await self.pass_on()
        program = self.launcher.program(self.shell(TALK))
        recorder = Next(lambda: (os.path.exists(bye), running([pid])))
        program.run(recorder)
        await recorder.executed
        self.assertEqual(recorder.found, (True, []))
        self.assertFalse(program.adopted)
        await self.ended_by(program, recorder)

    async def test_stoppedMeanwhile(self) -> None:
        """
        To stop it while an earlier one ends is to have none; kill hurries that one.
        """
        code = f"trap '' TERM; {WAIT}"
        await self.up(self.shell(code, grace=1000.0))
        await self.pass_on()
        program = self.launcher.program(self.shell(TALK))
        recorder = Recorder()
        program.run(recorder)
        program.stop()
        self.assertEqual(recorder.told, [])
        program.kill()
        reason = await recorder.ended
        assert isinstance(reason, NotExecuted)
        self.assertIn("stopped before", reason.why)
        self.assertEqual(recorder.order(), ["ended"])
        self.assertEqual(marked(self.marker), [])
        self.assertEqual(self.folder.names(), [])

    async def test_letGoMeanwhile(self) -> None:
        """
        An agent that ends while an earlier one does waits for neither.
        """
        code = f"trap '' TERM; {WAIT}"
        await self.up(self.shell(code, grace=2.0))
        await self.pass_on()
        recorder = Recorder()
        self.launcher.program(self.shell(TALK)).run(recorder)
        await self.pass_on()
        self.assertEqual(recorder.told, [])
        program, recorder = await self.up(self.shell(TALK))
        self.assertFalse(program.adopted)
        await self.ended_by(program, recorder)

    async def test_leftovers(self) -> None:
        """
        What nobody wants any more is ended; what is wanted is left alone.
        """
        wanted, _ = await self.up(self.shell(TALK))
        await self.up(self.zoo(name="app.old.0", grace=0.5), b"ready")
        pid = wanted.pid
        assert pid is not None
        await self.pass_on()
        await end_leftovers(reactor, self.folder.path, {NAME})
        self.assertEqual(running([pid]), [pid])
        self.assertEqual([n for n in self.folder.names() if n.startswith("app.old")], [])
        program, recorder = await self.up(self.shell(TALK))
        self.assertTrue(program.adopted)
        await self.ended_by(program, recorder)

    async def test_leftoversAtTheEnd(self) -> None:
        """
        An agent that ends does not wait for leftovers, which end all the same.
        """
        _, recorder = await self.up(self.zoo("deaf", grace=1.0), b"ready")
        await self.pass_on()
        ended = self.launcher.end_leftovers(self.folder.path, ())
        await self.pass_on()
        await ended
        self.assertNotEqual(marked(self.marker), [])
        await until(reactor, lambda: not marked(self.marker), PATIENCE)
        await until(reactor, lambda: not self.folder.names(), PATIENCE)
        self.assertEqual(recorder.order(), ["executed", 1])

    async def test_lastWord(self) -> None:
        """
        What an agent asks for with its last word is done.
        """
        for _ in range(5):
            program, recorder = await self.up(self.shell(TALK))
            keeper = self.keeper()
            with opened(self.folder.path) as folder:
                record = found(folder, NAME)
                assert record is not None
                agent = connect(folder, record)
                self.assertTrue(select.select([agent], [], [], PATIENCE)[0])
                agent.send(wire.pack(wire.STOP, b"10"))
                agent.close()  # with all that the keeper says unread
            self.assertIsInstance(await recorder.ended, LauncherLost)  # it was not the last
            await self.gone(keeper)
            program.dismiss()

    async def test_noLeftovers(self) -> None:
        """
        Where there never was a detached program, nothing is left of one.
        """
        await end_leftovers(reactor, self.folder.path, ())
        self.assertFalse(os.path.exists(self.folder.path))


class LostRecordTests(DetachedCase):
    """
    A program that runs, while its record does not say so: it never runs twice.
    """

    def losses(self) -> list[Callable[[], object]]:
        """
        What may happen to the record: each does it.
        """
        path = Path(self.folder.path, f"{NAME}.json")

        def other(**members: object) -> None:
            self.folder.write({**self.folder.record(), **members})

        def all_but_the_socket() -> None:
            path.unlink()
            path.with_suffix(".out").unlink()

        return [
            path.unlink,
            all_but_the_socket,
            lambda: path.write_text("garbage"),
            lambda: other(pid="x"),
            lambda: other(start=1, keeper_start=1),
            lambda: other(pid=1, keeper=1),
            lambda: other(boot="00000000-0000-0000-0000-000000000000"),
            lambda: other(folder="0:0"),
        ]

    async def test_begunAnew(self) -> None:
        """
        The earlier one is ended first, whatever happened to its record.
        """
        for lose in self.losses():
            program, _ = await self.up(self.shell(TALK))
            before = [*marked(self.marker), self.keeper()]
            await self.pass_on()
            lose()
            program = self.launcher.program(self.shell(TALK))
            recorder = Next(lambda before=before: running(before))  # type: ignore[misc] # it has its default
            up = recorder.says(b"up\n")
            program.run(recorder)
            await up
            self.assertEqual(recorder.found, [])
            self.assertFalse(program.adopted)
            await self.ended_by(program, recorder)

    async def test_unwanted(self) -> None:
        """
        So it is where nobody wants it any more.
        """
        for lose in self.losses():
            await self.up(self.shell(TALK))
            keeper = self.keeper()
            await self.pass_on()
            lose()
            await self.launcher.end_leftovers(self.folder.path, ())
            await self.gone(keeper)
            self.assertEqual(self.folder.names(), [])

    async def test_stopped(self) -> None:
        """
        A keeper that somebody stopped is found alike, and its program has its grace.
        """
        bye = self.file("bye")
        code = f"trap 'echo x > {bye}; exit' TERM; {WAIT}"
        await self.up(self.shell(code))
        await self.pass_on()
        stopped = self.stop_keeper()
        self.losses()[0]()
        program, recorder = await self.up(self.shell(code))
        self.assertFalse(program.adopted)
        self.assertTrue(os.path.exists(bye))
        await self.ended_by(program, recorder)
        program.dismiss()
        await self.gone(*stopped)

    async def test_lives(self) -> None:
        """
        That it runs is known; others of the folder are left alone.
        """
        await self.up(self.shell(TALK))
        other, _ = await self.up(self.shell(TALK, name="app.other.0"))
        pid = other.pid
        assert pid is not None
        await self.pass_on()
        self.losses()[0]()
        self.assertTrue(lives(self.folder.path, NAME))
        self.assertFalse(lives(self.folder.path, "app.none.0"))
        program, recorder = await self.up(self.shell(TALK))
        self.assertEqual(running([pid]), [pid])
        program.stop()
        await recorder.ended
        program, recorder = await self.up(self.shell(TALK, name="app.other.0"))
        self.assertTrue(program.adopted)
        await self.ended_by(program, recorder)


class CopyTests(DetachedCase):
    """
    A state folder that was copied, or moved.
    """

    def copy(self) -> DetachedFolder:
        """
        A copy of the folder, sockets and all.
        """
        copy = DetachedFolder(self)
        subprocess.run(["cp", "-a", self.folder.path, copy.path], check=True)
        return copy

    def leader(self) -> int:
        """
        The pid of what runs.
        """
        leader = self.folder.record()["pid"]
        assert isinstance(leader, int)
        return leader

    async def assert_left_alone(self, command: Command, says: bytes = b"up\n") -> None:
        """
        What an agent with a copy does, does not reach what runs.
        """
        leader = self.leader()
        for wanted in True, False:
            copy = self.copy()
            if wanted:
                theirs = evolve(command, detach=copy.detach())
                program, recorder = await self.up(theirs, says)
                self.assertFalse(program.adopted)
                program.stop()
                await recorder.ended
            else:
                self.assertFalse(lives(copy.path, NAME))
                await self.launcher.end_leftovers(copy.path, ())
            self.assertEqual(copy.names(), [])
            self.assertEqual(running([leader]), [leader])

    async def test_copy(self) -> None:
        """
        The agent of a copy leaves alone what runs for the first one.
        """
        command = self.shell(TALK)
        first, recorder = await self.up(command)
        await self.assert_left_alone(command)
        self.assertEqual(recorder.order(), ["executed", 1])
        await self.ended_by(first, recorder)

    async def test_copyOfStopped(self) -> None:
        """
        So it does where the keeper was stopped.
        """
        command = self.shell(TALK)
        await self.up(command)
        await self.pass_on()
        self.stop_keeper()
        await self.assert_left_alone(command)
        program, recorder = await self.up(command)
        self.assertTrue(program.adopted)
        await self.ended_by(program, recorder)

    async def test_copyOfOrphan(self) -> None:
        """
        So it does where nobody keeps it any more; its own agent ends that.
        """
        command = await self.orphaned()
        await self.assert_left_alone(command, b"up\nup\n")
        await self.launcher.end_leftovers(self.folder.path, ())
        await self.gone()

    async def test_copyOfLost(self) -> None:
        """
        So it does where the record was lost.
        """
        command = self.shell(TALK)
        await self.up(command)
        await self.pass_on()
        leader = self.leader()
        os.unlink(os.path.join(self.folder.path, f"{NAME}.json"))
        copy = self.copy()
        await self.launcher.end_leftovers(copy.path, ())
        self.assertEqual(running([leader]), [leader])
        await self.launcher.end_leftovers(self.folder.path, ())
        await self.gone()

    async def test_earlierRelease(self) -> None:
        """
        A record that does not say where it was written is one of the folder where its
        keeper is.
        """
        command = self.shell(TALK)
        program, _ = await self.up(command)
        pid = program.pid
        await self.pass_on()
        record = self.folder.record()
        del record["folder"]
        self.folder.write(record)
        await self.assert_left_alone(command)
        program, recorder = await self.up(command)
        self.assertEqual((program.pid, program.adopted), (pid, True))
        await self.ended_by(program, recorder)

    async def test_moved(self) -> None:
        """
        A folder that was moved has what it had.
        """
        command = self.shell(TALK)
        program, _ = await self.up(command)
        pid = program.pid
        await self.pass_on()
        moved = DetachedFolder(self)
        os.rename(self.folder.path, moved.path)
        self.folder = moved
        program, recorder = await self.up(evolve(command, detach=moved.detach()))
        self.assertEqual((program.pid, program.adopted), (pid, True))
        await self.pass_on()
        os.unlink(os.path.join(moved.path, f"{NAME}.json"))
        program, recorder = await self.up(evolve(command, detach=moved.detach()))
        assert pid is not None
        self.assertEqual(running([pid]), [])
        await self.ended_by(program, recorder)


class OutputTests(DetachedCase):
    """
    The file is bounded, and so is the patience with agents.
    """

    def counting(self) -> tuple[Command, str]:
        """
        A program that says a lot, and the file that is there when it has.
        """
        done = self.file("done")
        code = f"echo up; read x; seq 1 {MANY}; echo x > {done}; while :; do sleep 0.01; done"
        return self.shell(code, redirect_input=True), done

    def size(self) -> int:
        """
        Bytes of the output file, as long, or as much of the disk, as it is.
        """
        status = os.stat(os.path.join(self.folder.path, f"{NAME}.out"))
        return max(status.st_size, status.st_blocks * 512)

    async def counted(self, command: Command) -> tuple[Program, Recorder]:
        """
        A run of it up to its last number.
        """
        program = self.launcher.program(command)
        recorder = Counted()
        program.run(recorder)
        await recorder.whole
        return program, recorder

    def connection(self) -> socket.socket:
        """
        An agent that takes nothing.
        """
        with opened(self.folder.path) as folder:
            record = found(folder, NAME)
            assert record is not None
            return connect(folder, record)

    def missed(self) -> list[int]:
        """
        The bytes that the log says were lost, from now on.
        """
        found: list[int] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event["log_namespace"] == "smartmob.launch.keeper_link":
                found.append(event["bytes"])

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        return found

    def assert_tail(self, output: bytes) -> None:
        """
        It is the last of what was said, without a gap.
        """
        self.assertLessEqual(len(output), SIZE)
        self.assertGreater(len(output), SIZE * 0.9)
        lines = output.split(b"\n")
        whole = list(map(int, lines[1:-1]))
        self.assertEqual(whole, list(range(whole[0], MANY + 1)))

    async def test_noAgent(self) -> None:
        """
        30 MB without an agent leave at most 8 MiB, the last of it; the next agent gets
        that, and its log says how much it did not.
        """
        command, done = self.counting()
        program, _ = await self.up(command)
        letting_go = program.whenWritable()
        program.write(b"\n")
        await letting_go
        await self.pass_on()
        largest = 0

        def watched() -> bool:
            nonlocal largest
            largest = max(largest, self.size())
            return os.path.exists(done)

        await until(reactor, watched, PATIENCE)
        self.assertLessEqual(max(largest, self.size()), SIZE)
        missed = self.missed()
        program, recorder = await self.counted(command)
        self.assert_tail(recorder.output())
        self.assertGreater(sum(missed), WRITTEN / 2)
        self.assertLessEqual(sum(missed) + len(recorder.output()), WRITTEN)
        await self.ended_by(program, recorder)

    async def test_stalledAgent(self) -> None:
        """
        An agent that takes nothing keeps no program from writing; it gets the last of
        it afterwards, and its log says how much it did not.
        """
        command, done = self.counting()
        program, _ = await self.up(command)
        taken = program.whenWritable()
        program.write(b"\n")
        await taken
        await self.launcher.stopService()
        stalled = self.connection()
        await until(reactor, lambda: os.path.exists(done), PATIENCE)
        self.assertLessEqual(self.size(), SIZE)
        stalled.close()
        self.launcher = self.next_launcher()
        missed = self.missed()
        program, recorder = await self.counted(command)
        self.assert_tail(recorder.output())
        self.assertGreater(sum(missed), 0)
        await self.ended_by(program, recorder)

    async def test_busyAgent(self) -> None:
        """
        An agent that is busy, but takes what there is, gets all of it.
        """
        command, _ = self.counting()
        program = self.launcher.program(command)
        recorder = Counted()
        program.run(recorder)
        await recorder.executed
        program.write(b"\n")
        await recorder.whole
        wanted = b"up\n" + b"".join(b"%d\n" % number for number in range(1, MANY + 1))
        self.assertEqual(len(recorder.output()), len(wanted))
        self.assertTrue(recorder.output() == wanted)
        await self.ended_by(program, recorder)


class GivenTests(DetachedCase):
    """
    What keepers have of their agent: nothing.
    """

    async def test_keeper(self) -> None:
        """
        No folder, terminal, session, environment, signal or descriptor of the agent's is
        the keeper's.
        """
        inherited, other = os.pipe()
        self.addCleanup(os.close, inherited)
        self.addCleanup(os.close, other)
        os.set_inheritable(inherited, True)
        program, recorder = await self.up(self.shell(TALK))
        for keeper in self.keeper(), int(stat_of(self.keeper())[1]):
            self.assertEqual(os.readlink(f"/proc/{keeper}/cwd"), "/")
            with open(f"/proc/{keeper}/environ", "rb") as file:
                names = {word.partition(b"=")[0] for word in file.read().split(b"\0") if word}
            self.assertLessEqual(names, {b"LD_LIBRARY_PATH"})
            fields = stat_of(keeper)
            self.assertNotEqual(int(fields[3]), os.getsid(0))
            self.assertEqual(int(fields[4]), 0, "it has a terminal")
            with open(f"/proc/{keeper}/status") as status:
                signals = dict(line.split(":\t") for line in status.read().splitlines())
            self.assertEqual(int(signals["SigIgn"], 16), 0)
            self.assertEqual(int(signals["SigCgt"], 16), 0)
            pipe = os.readlink(f"/proc/self/fd/{inherited}")
            links = [
                os.readlink(f"/proc/{keeper}/fd/{name}")
                for name in os.listdir(f"/proc/{keeper}/fd")
            ]
            self.assertNotIn(pipe, links)
            self.assertNotIn(os.getpid(), _ancestors(keeper))
        await self.ended_by(program, recorder)

    async def test_files(self) -> None:
        """
        What is in the folder is for the agent's user only.
        """
        mask = os.umask(0)
        self.addCleanup(os.umask, mask)
        program, recorder = await self.up(self.shell(TALK))
        os.umask(mask)
        self.assertEqual(os.stat(self.folder.path).st_mode & 0o777, 0o700)
        names = [f"{self.keeper()}.sock", f"{NAME}.json", f"{NAME}.out"]
        self.assertEqual(self.folder.names(), sorted(names))
        for name in names:
            mode = os.stat(os.path.join(self.folder.path, name)).st_mode
            self.assertEqual(mode & 0o777, 0o600, name)
        await self.ended_by(program, recorder)

    async def test_longPath(self) -> None:
        """
        The path of the folder may be longer than that of a socket.
        """
        deep = os.path.join(self.place, "x" * 200)
        os.mkdir(deep)
        self.addCleanup(os.rmdir, deep)
        os.mkdir(self.folder.path)
        detach = Detach(name="n" * 200, folder=os.path.join(deep, "detached"))
        self.addCleanup(os.rmdir, detach.folder)
        await self.up(self.shell(TALK, detach=detach))
        await self.pass_on()
        program, recorder = await self.up(self.shell(TALK, detach=detach))
        self.assertTrue(program.adopted)
        program.stop()
        await recorder.ended

    async def test_noFolder(self) -> None:
        """
        Without a state folder it can't be executed, and says why.
        """
        detach = Detach(name=NAME, folder=os.path.join(self.place, "gone", "detached"))
        recorder = Recorder()
        self.launcher.program(self.shell(TALK, detach=detach)).run(recorder)
        reason = await recorder.ended
        assert isinstance(reason, NotExecuted)
        self.assertIn("gone/detached can't be used: No such file", reason.why)

    async def test_noRoom(self) -> None:
        """
        Where no record can be kept, nothing is executed, and nothing is left.
        """
        touched = self.file("touched")
        recorder = Recorder()
        program = self.launcher.program(self.shell(f"echo x > {touched}"))
        await self.launcher.whenReady()
        bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, bounds[1]))
        try:
            program.run(recorder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
        reason = await recorder.ended
        assert isinstance(reason, NotExecuted)
        self.assertIn("no record of it can be kept", reason.why)
        self.assertFalse(os.path.exists(touched))
        self.assertEqual(self.folder.names(), [])

    async def test_helpersEnd(self) -> None:
        """
        When the program has ended, and it is let go of, no helper is left, nor a child
        of the agent's.
        """
        before = set(warden.below(os.getpid()))
        program, recorder = await self.up(self.shell(TALK))
        keeper = self.keeper()
        watching = int(stat_of(keeper)[1])
        self.assertEqual(set(warden.below(os.getpid())), before)
        await self.ended_by(program, recorder)
        program.dismiss()
        await until(reactor, lambda: not running([keeper, watching]), PATIENCE)


def remove_any(path: str) -> None:
    """
    Remove it, a folder or not.
    """
    if os.path.isdir(path):
        os.rmdir(path)
    else:
        os.unlink(path)


class TwoKeepersTests(SynchronousTestCase):
    """
    The record of a program, where two keepers have one of the same name.
    """

    def setUp(self) -> None:
        self.place = self.mktemp()
        os.mkdir(self.place)
        self.folder = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, self.folder)

    def record(self, keeper: int) -> Record:
        """
        One of a program of this keeper.
        """
        return Record(
            boot="b", pid=1, start=2, keeper=keeper, keeper_start=3, grace=1.0, fingerprint="f"
        )

    def have(self, *names: str) -> None:
        """
        These files are there.
        """
        for name in names:
            Path(self.place, name).touch()

    def test_unwanted(self) -> None:
        """
        One whose keeper has no agent any more does not take the place of a later one.
        """
        self.record(7).write(self.folder, "n", lambda: False)
        self.record(6).write(self.folder, "n", lambda: True)
        self.assertEqual(recorded_keeper(self.folder, "n"), 7)
        self.assertEqual(os.listdir(self.place), ["n.json"])

    def test_alone(self) -> None:
        """
        While one is written, nobody else writes.
        """
        other = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, other)

        def unwanted() -> bool:
            with self.assertRaises(BlockingIOError):
                flock(other, LOCK_EX | LOCK_NB)
            return False

        self.record(7).write(self.folder, "n", unwanted)
        flock(other, LOCK_EX | LOCK_NB)

    def test_giveUp(self) -> None:
        """
        A keeper removes what is its own.
        """
        self.record(7).write(self.folder, "n", lambda: False)
        self.have("6.sock", "7.sock", "n.out")
        give_up(self.folder, "n", 6)
        self.assertEqual(sorted(os.listdir(self.place)), ["7.sock", "n.json", "n.out"])
        give_up(self.folder, "n", 6)
        give_up(self.folder, "n", 7)
        self.assertEqual(os.listdir(self.place), [])
        flock(self.folder, LOCK_EX | LOCK_NB)


class FingerprintTests(SynchronousTestCase):
    """
    By what a command is known again.
    """

    def test_same(self) -> None:
        """
        Grace, and variables of the agent's own environment, make no difference; nor
        does the order of variables.
        """
        ambient = Detach(name="n", folder="/f", ambient=frozenset(["TERM"]))
        one = Command(argv=("a",), env={"A": "1", "B": "2", "TERM": "x"}, detach=ambient)
        two = Command(
            argv=("a",), env={"B": "2", "A": "1", "TERM": "y"}, detach=ambient, grace=1.0
        )
        three = Command(argv=("a",), env={"B": "2", "A": "1"}, detach=ambient)
        self.assertEqual(fingerprint(one), fingerprint(two))
        self.assertEqual(fingerprint(one), fingerprint(three))

    def test_different(self) -> None:
        """
        Everything else does.
        """
        base: dict[str, object] = {"argv": ("a",), "env": {"A": "\udc80"}}
        others: list[dict[str, object]] = [
            {},
            {"argv": ("a", "")},
            {"env": {"A": "2"}},
            {"env": {}},
            {"cwd": "/tmp"},
            {"stop_signal": 2},
            {"umask": 0o77},
            {"nice": 1},
            {"no_new_privileges": True},
            {"rlimits": {"RLIMIT_CORE": (0, 0)}},
            {"uid": 1, "gid": 1},
            {"uid": 1, "gid": 2},
            {"uid": 1, "gid": 1, "groups": (2,)},
            {"redirect_input": True},
            {"merge_output": True},
        ]
        prints = {fingerprint(Command(**{**base, **other})) for other in others}  # type: ignore[arg-type] # any of its keys
        self.assertEqual(len(prints), len(others))

    def test_names(self) -> None:
        """
        A name that is no file's is refused.
        """
        for name in "", ".", "..", ".x", "a/b", "a\0":
            self.assertRaises(ValueError, Detach, name=name, folder="/f")


def _ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(stat_of(pid)[1])
        found.append(pid)
    return found
