"""
KILL of the agent, or of any one of its helpers: nothing of theirs is left.  With each
guardian.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from twisted.internet import reactor
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

import smartmob
from smartmob.launch import tree
from smartmob.launch.helper import PYTHON, VARIABLE
from smartmob.launch.interfaces import Command, LauncherLost
from smartmob.launch.launcher import Launcher
from smartmob.launch.terms import order
from tests.support import launcher_host, menagerie, small_agent
from tests.support.processes import PLAIN, Recorder, marked, new_marker, setuid_copy, until
from tests.support.twins import STARTERS, WithCompiled

PROMISED = 1.0
"""
Seconds within which nothing is left.
"""

PATIENCE = 30
"""
Seconds for what is not promised to be fast.
"""

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class Agent:
    """
    A process that hosts programs, for a test to kill.
    """

    def __init__(self, argv: list[str], guardian: str, user: int | None = None) -> None:
        """
        @param guardian: The kind of its guardian.
        """
        self._rest = b""
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**ENV, "PYTHONPATH": os.pathsep.join(sys.path), VARIABLE: guardian},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    def tell(self, line: str) -> None:
        """
        Write a line to its stdin.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    def hear(self) -> str:
        """
        The next line of its stdout.
        """
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                raise AssertionError("it says nothing")
            data = self.process.stdout.read(65536)
            if not data:
                raise AssertionError("it has ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def hear_all(self, *expected: str) -> list[str]:
        """
        Lines until each of these was the end of one.
        """
        missing = list(expected)
        lines = []
        while missing:
            lines.append(self.hear())
            for end in missing:
                if lines[-1].endswith(end):
                    missing.remove(end)
                    break
        return lines

    def kill(self) -> None:
        """
        End it.
        """
        self.process.kill()
        self.process.wait()
        for stream in self.process.stdin, self.process.stdout:
            if stream is not None:
                stream.close()


def alive(pids: list[int]) -> list[int]:
    """
    Those of some processes that have not ended.
    """
    return [pid for pid in pids if parent(pid) is not None]


def parent(pid: int) -> int | None:
    """
    The parent of a process, unless it has ended.
    """
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, ppid, *_ = file.read().rpartition(") ")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else int(ppid)


def stop(pid: int) -> None:
    """
    Stop a process, and wait until it is.
    """
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + PATIENCE
    while _state(pid) != "T":
        assert time.monotonic() < end, "it does not stop"
        time.sleep(0.001)


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(") ")[2][0]


def soon(*pids: int, markers: tuple[str, ...] = ()) -> None:
    """
    Within a second none of these lives, nor what has one of these markers.
    """
    end = time.monotonic() + PROMISED
    while True:
        late = time.monotonic() > end  # before looking, which takes its time too
        left = [*alive(list(pids)), *(marked(*markers) if markers else [])]
        if not left:
            return
        if late:
            raise AssertionError(f"left: {[tree.name(pid) for pid in left]}")
        time.sleep(0.005)


def lives(marker: str) -> None:
    """
    Return once there is a process with this marker: one that was executed has its command
    line a moment later.
    """
    end = time.monotonic() + PATIENCE
    while not marked(marker):
        assert time.monotonic() < end, "it does not live"
        time.sleep(0.005)


def waits(pid: int) -> None:
    """
    Return once a process has slept for a tenth of a second: it has no more to do.
    """
    end = time.monotonic() + PATIENCE
    before, now = -1, _switches(pid)
    while before != now:
        assert time.monotonic() < end, "it does not sleep"
        time.sleep(0.1)
        before, now = now, _switches(pid)


def _switches(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":\t") for line in file)
    return int(fields["voluntary_ctxt_switches"])


class SmallAgentTests(SynchronousTestCase):
    """
    With the smallest agent there can be, as whoever runs the tests.
    """

    guardian = PYTHON
    user: int | None = None
    python = sys.executable
    setuid_owner = PLAIN

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        package = os.path.dirname(os.path.abspath(smartmob.__file__))
        for part in "__init__.py", "plugins/__init__.py", "plugins/plugin.py", "launch":
            source = os.path.join(package, part)
            target = os.path.join(self.folder, "smartmob", part)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            (shutil.copytree if os.path.isdir(source) else shutil.copyfile)(source, target)
        self.script = shutil.copy(menagerie.__file__, self.folder)
        host = shutil.copy(small_agent.__file__, self.folder)
        self.marker = new_marker()
        self.env = dict(ENV)
        if os.geteuid() == 0:
            sleep = setuid_copy(menagerie.SLEEP, self.folder, self.setuid_owner)
            self.env["MENAGERIE_SETUID"] = sleep.__enter__()
            self.addCleanup(sleep.__exit__, None, None, None)
        argv = [self.python, "-I", "-S", host, self.folder]
        self.agent = Agent(argv, self.guardian, self.user)
        self.addCleanup(self.agent.kill)
        self.guardian_pid = int(self.agent.hear().removeprefix("guardian "))

    def start(self, *words: str, env: dict[str, str] | None = None) -> None:
        """
        One more program.
        """
        command = Command(argv=words, env=self.env if env is None else env, grace=0.2)
        self.agent.tell(order(command).pack().hex())

    def start_menageries(self) -> tuple[str, list[int]]:
        """
        Two of them, up.

        @return: The marker of the second, the reapers of both.
        """
        second = new_marker()
        reapers = []
        for number, marker in enumerate((self.marker, second)):
            self.start(self.python, "-I", "-S", self.script, marker)
            for line in self.agent.hear_all(f"{number} ready"):
                _, word, *more = line.split()
                if word == "executed":
                    reaper = parent(int(more[0]))
                    assert reaper is not None
                    reapers.append(reaper)
            self.assertGreaterEqual(len(marked(marker)), 10)
        return second, reapers

    def test_agent(self) -> None:
        """
        KILL of the agent leaves no program and no helper.
        """
        second, reapers = self.start_menageries()
        self.agent.kill()
        soon(self.guardian_pid, *reapers, markers=(self.marker, second))

    def test_stopped(self) -> None:
        """
        KILL of the agent leaves nothing either where somebody has stopped its guardian and
        a reaper, and another one.
        """
        second, reapers = self.start_menageries()
        for pid in (self.guardian_pid, reapers[0]):
            stop(pid)
        self.agent.kill()
        soon(self.guardian_pid, *reapers, markers=(self.marker, second))

    def test_stoppedReapers(self) -> None:
        """
        KILL of the guardian ends reapers that somebody has stopped, and their programs.
        """
        second, reapers = self.start_menageries()
        for pid in reapers:
            stop(pid)
        os.kill(self.guardian_pid, signal.SIGKILL)
        soon(*reapers, markers=(self.marker, second))

    def test_woken(self) -> None:
        """
        Guardian and reapers that are woken where nobody has ended go on.
        """
        second, reapers = self.start_menageries()
        for pid in self.guardian_pid, *reapers:
            stop(pid)
            os.kill(pid, signal.SIGCONT)
        self.start("echo", "still", "here")
        self.agent.hear_all("2 still here", "2 exited 0", "2 gone 0")
        self.assertEqual(alive(reapers), reapers)
        self.assertGreaterEqual(len(marked(second)), 10)

    def test_guardian(self) -> None:
        """
        KILL of the guardian leaves no program and no reaper.
        """
        second, reapers = self.start_menageries()
        os.kill(self.guardian_pid, signal.SIGKILL)
        soon(*reapers, markers=(self.marker, second))

    def test_reaper(self) -> None:
        """
        KILL of a reaper leaves nothing of its program, and all of the other.
        """
        second, (first_reaper, second_reaper) = self.start_menageries()
        os.kill(first_reaper, signal.SIGKILL)
        soon(first_reaper, markers=(self.marker,))
        self.assertGreaterEqual(len(marked(second)), 10)
        self.assertEqual(
            alive([self.guardian_pid, second_reaper]), [self.guardian_pid, second_reaper]
        )
        self.start("echo", "still", "here")
        self.agent.hear_all("2 still here", "2 exited 0", "2 gone 0")
        self.agent.kill()
        soon(self.guardian_pid, second_reaper, markers=(second,))

    def test_reapersOneByOne(self) -> None:
        """
        KILL of reapers while others are made leaves those alone.
        """
        count = 20
        markers = [new_marker() for _ in range(count)]
        for marker in markers:
            self.start(self.python, "-I", "-S", "-c", "import time; time.sleep(1000)", marker)
        killed = set()
        seen = 0
        while seen < count:
            number, word, *more = self.agent.hear().split()
            if word == "executed":
                seen += 1
                if int(number) % 2:
                    reaper = parent(int(more[0]))
                    assert reaper is not None
                    os.kill(reaper, signal.SIGKILL)
                    killed.add(int(number))
        soon(markers=tuple(markers[number] for number in killed))
        for spared in set(range(count)) - killed:
            lives(markers[spared])
        self.agent.kill()
        soon(self.guardian_pid, markers=tuple(markers))


class PlainTests(SmallAgentTests):
    """
    The same as a user without rights, with a set-uid program of root's among it.
    """

    user = PLAIN
    python = "/usr/bin/python3"
    setuid_owner = 0

    def setUp(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can be somebody else; the tests of the base class count")
        if not os.access(self.python, os.X_OK):
            raise SkipTest(f"there is no {self.python} that everybody may execute")
        super().setUp()

    def start_unkillable(self) -> tuple[int, str]:
        """
        One that became root.

        @return: Its pid, and where its program is.
        """
        copy = setuid_copy(os.path.realpath(self.python), self.folder, 0)
        self.addCleanup(copy.__exit__, None, None, None)
        code = "import os, time; os.setresuid(0, 0, 0); os.write(1, b'up'); time.sleep(1000)"
        path = copy.__enter__()
        self.start(path, "-I", "-S", "-c", code, self.marker)
        self.agent.hear_all("0 up")
        (pid,) = marked(self.marker)
        self.addCleanup(self.end_marked)
        return pid, path

    def test_orphan(self) -> None:
        """
        One whose reaper was killed is left alone after 5 s; its guardian goes on, and ends
        with its agent.
        """
        pid, _ = self.start_unkillable()
        reaper = parent(pid)
        assert reaper is not None
        os.kill(reaper, signal.SIGKILL)
        soon(reaper)
        self.assertEqual(parent(pid), self.guardian_pid)
        self.start("echo", "still", "here")
        self.agent.hear_all("1 still here", "1 exited 0", "1 gone 0")
        waits(self.guardian_pid)
        self.start("sh", "-c", "setsid sleep 1000 & echo $$ $! here; exec sleep 1000")
        *_, line = self.agent.hear_all("here")
        _, leader, orphan, _ = line.split()
        other = parent(int(leader))
        assert other is not None
        os.kill(other, signal.SIGKILL)
        soon(other, int(leader), int(orphan))
        self.assertEqual(alive([pid]), [pid])
        self.agent.kill()
        end = time.monotonic() + PATIENCE
        while alive([self.guardian_pid]):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        self.assertEqual(alive([pid]), [pid])

    def test_left(self) -> None:
        """
        What became root beside a plain agent is told after 5 s, with its pid and name,
        and its reaper goes on: it can try again, once there is nothing any more.
        """
        pid, path = self.start_unkillable()
        started = time.monotonic()
        self.agent.tell("0 stop 0.1")
        self.agent.hear_all(f"0 gone 0 {pid} {os.path.basename(path)[:15]}")
        self.assertGreater(time.monotonic() - started, 4)
        self.assertEqual(alive([pid]), [pid])
        os.kill(pid, signal.SIGKILL)
        self.agent.tell("0 kill")
        self.agent.hear_all("0 gone 0")
        self.agent.tell("0 run")
        self.agent.hear_all("0 up")
        self.end_marked()
        self.agent.hear_all("0 gone 0")

    def end_marked(self) -> None:
        """
        Do what only root can.
        """
        for pid in marked(self.marker):
            os.kill(pid, signal.SIGKILL)


class HostTests(SynchronousTestCase):
    """
    With a L{Launcher} in a process of its own.
    """

    guardian = PYTHON

    def host(self, count: int, *words: str) -> tuple[Agent, int]:
        """
        @return: The process, and its guardian.
        """
        said = "\0".join(words).encode().hex()
        argv = [sys.executable, "-P", launcher_host.__file__, str(count), said]
        agent = Agent(argv, self.guardian)
        self.addCleanup(agent.kill)
        return agent, int(agent.hear().removeprefix("guardian "))

    def test_agent(self) -> None:
        """
        KILL of it leaves no program and no helper.
        """
        marker = new_marker()
        agent, guardian = self.host(2, sys.executable, "-I", "-S", menagerie.__file__, marker)
        agent.hear_all("ready", "ready")
        agent.kill()
        soon(guardian, markers=(marker,))

    def test_starting(self) -> None:
        """
        So does KILL in the middle of starting 50 programs, whoever is killed.
        """
        for after in 1, 10, 30:
            for kill_guardian in False, True:
                marker = new_marker()
                agent, guardian = self.host(50, "sh", "-c", "sleep 1000; :", marker)
                agent.hear_all(*["executed"] * after)
                if kill_guardian:
                    agent.process.send_signal(signal.SIGSTOP)  # else it starts another
                    os.kill(guardian, signal.SIGKILL)
                    soon(guardian, markers=(marker,))
                agent.kill()
                soon(guardian, markers=(marker,))


class LauncherTests(TestCase):
    """
    With a L{Launcher} in the tests' own process.
    """

    timeout = 60
    guardian = PYTHON

    def setUp(self) -> None:
        self.launcher = Launcher(reactor, start=STARTERS[self.guardian])
        self.launcher.startService()
        self.addCleanup(self.launcher.stopService)
        self.marker = new_marker()
        self.program = self.launcher.program(
            Command(argv=(sys.executable, "-I", "-S", menagerie.__file__, self.marker), env=ENV)
        )

    async def test_guardian(self) -> None:
        """
        KILL of the guardian ends its programs, told as lost; they can be run again at
        once, by another guardian.
        """
        recorder = Recorder()
        self.program.run(recorder)
        await recorder.says(b"ready")
        assert self.launcher._helper is not None
        self.launcher._helper.kill()
        self.assertIsInstance(await recorder.ended, LauncherLost)
        self.assertEqual(recorder.order(), ["executed", 1, "ended"])
        self.assertEqual(marked(self.marker), [])
        self.flushLoggedErrors()
        again = Recorder()
        self.program.run(again)
        await again.says(b"ready")
        await self.launcher.whenReady()
        self.program.kill()
        await again.ended
        self.assertEqual(marked(self.marker), [])

    async def test_reaper(self) -> None:
        """
        KILL of a reaper ends its program alone, which can be run again.
        """
        other = Recorder()
        neighbour = self.launcher.program(Command(argv=("sleep", "1000"), env=ENV))
        neighbour.run(other)
        for _ in range(2):
            recorder = Recorder()
            self.program.run(recorder)
            await recorder.says(b"ready")
            assert self.program.pid is not None
            reaper = parent(self.program.pid)
            assert reaper is not None
            os.kill(reaper, signal.SIGKILL)
            self.assertIsInstance(await recorder.ended, LauncherLost)
            await until(reactor, lambda: not marked(self.marker), PROMISED)
        self.assertEqual(other.order(), ["executed"])
        neighbour.kill()
        await other.ended

    async def test_idle(self) -> None:
        """
        A guardian, or a reaper, that is killed while its program does not run does no
        harm.
        """
        program = self.launcher.program(Command(argv=("sh", "-c", "echo $PPID"), env=ENV))
        for victim in "reaper", "guardian", "nobody":
            recorder = Recorder()
            program.run(recorder)
            await recorder.ended
            self.assertEqual(recorder.order(), ["executed", 1, "exited", "ended"])
            reaper = int(recorder.output())
            if victim == "reaper":
                os.kill(reaper, signal.SIGKILL)
                await until(reactor, lambda: program._link is None, PATIENCE)
            elif victim == "guardian":
                assert self.launcher._helper is not None
                self.launcher._helper.kill()
                await until(reactor, lambda: program._link is None, PATIENCE)
        program.dismiss()
        await until(reactor, lambda: not alive([reaper]), PATIENCE)


class CompiledSmallAgentTests(WithCompiled, SmallAgentTests):
    """
    With the compiled guardian of the smallest agent.
    """


class CompiledPlainTests(WithCompiled, PlainTests):
    """
    With the compiled guardian of a user without rights.
    """


class CompiledHostTests(WithCompiled, HostTests):
    """
    With the compiled guardian of a L{Launcher} in a process of its own.
    """


class CompiledLauncherTests(WithCompiled, LauncherTests):
    """
    With the compiled guardian of a L{Launcher} in the tests' own process.
    """
