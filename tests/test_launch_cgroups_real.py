"""
Cgroups of the kernel's, in one that the test makes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import smartmob
from smartmob.launch import cgroup_files as files
from smartmob.launch import wire
from smartmob.launch.helper import PYTHON
from tests.support import launcher_host, menagerie, small_agent
from tests.support.cgrouping import group_of, real_cgroup
from tests.support.detaching import DetachedFolder
from tests.support.processes import PLAIN, marked, new_marker, setuid_copy
from tests.support.twins import WithCompiled, order
from tests.test_launch_kill import Agent, alive, parent, soon
from tests.test_launch_twins import TwinCase

HOST = "SMARTMOB_TEST_CGROUP"


class TwinTests(TwinCase):
    """
    Both guardians put programs into groups.
    """

    def test_join(self) -> None:
        """A program is in its group from its first moment on, and so is what it starts."""
        folder = real_cgroup(self)
        name = os.path.basename(folder)
        script = b"grep ^0:: /proc/$$/cgroup; setsid sh -c 'grep ^0:: /proc/$$/cgroup'"
        packet = order(b"/bin/sh", b"-c", script, group=folder.encode())
        for _ in range(2):
            said = self.same(packet)
            lines = said.output.decode().splitlines()
            self.assertEqual([line.endswith(f"/{name}") for line in lines], [True, True])
        self.assertEqual(files.processes(folder), [])

    def test_refused(self) -> None:
        """What can't be executed in a group says why, as it does without one."""
        folder = real_cgroup(self).encode()
        why = "127 there is no program none in any folder of PATH"
        self.assertEqual(self.refused(order(b"none", group=folder)), why)
        why = "126 its folder /none does not exist"
        self.assertEqual(self.refused(order(b"true", group=folder, cwd=b"/none")), why)

    def test_internal(self) -> None:
        """A group that has controllers below it takes no program, and the kernel says so."""
        folder = real_cgroup(self)
        # Of those that are for threads, such as pids, it is not so.
        if "memory" not in files.words(folder, "cgroup.controllers"):
            raise SkipTest("cgroups of version 2 do not have the controller memory here")
        files.write(folder, "cgroup.subtree_control", "+memory")
        why = f"126 it can't be put into its cgroup {folder}: Device or resource busy"
        self.assertEqual(self.refused(order(b"true", group=folder.encode())), why)

    def test_plainFolder(self) -> None:
        """Where the kernel makes no child within a group, that goes there by itself."""
        folder = self.folder()
        for _ in self.twins:
            with open(os.path.join(folder, "cgroup.procs"), "w"):
                pass
            packet = order(
                b"/bin/cat", f"{folder}/cgroup.procs".encode(), group=folder.encode()
            )
            self.assertEqual(self.same(packet).output, b"0")

    def test_kill(self) -> None:
        """Of what is to be killed nothing is left that is in its group, wherever it hides."""
        folder = real_cgroup(self)
        script = b"(setsid sleep 1000 &) ; trap '' TERM; echo up; sleep 1000"
        for twin in self.twins:
            control, output = twin.give(order(b"/bin/sh", b"-c", script, group=folder.encode()))
            with control, open(output, "rb") as file:
                self.assertTrue(control.recv(100).startswith(wire.EXECUTED))
                file.readline()
                # Which the reaper does not know of: it is not below it.
                stranger = subprocess.Popen(["sleep", "1000"])
                self.addCleanup(stranger.kill)
                files.write(folder, "cgroup.procs", str(stranger.pid))
                control.send(wire.KILL)
                self.assertEqual(stranger.wait(), -signal.SIGKILL)
                self.assertTrue(control.recv(100).startswith(wire.EXITED))
                self.assertTrue(control.recv(200).startswith(wire.GONE))
            self.assertFalse(files.populated(folder))


class ForeignTests(SynchronousTestCase):
    """
    An agent of a plain user, and a program that becomes root.
    """

    guardian = PYTHON

    def test_becameRoot(self) -> None:
        """It is ended where it is in a group of the agent's, though signals do not reach it."""
        folder = real_cgroup(self)
        leaf, group = (os.path.join(folder, name) for name in ("agent", "program"))
        for path in leaf, group:
            os.mkdir(path)
        for path in folder, leaf, group:
            os.chown(path, PLAIN, PLAIN)
            for name in "cgroup.procs", "cgroup.kill":
                os.chown(os.path.join(path, name), PLAIN, PLAIN)
        place = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o755)
        if not os.access("/usr/bin/python3", os.X_OK):
            raise SkipTest("there is no /usr/bin/python3 that everybody may execute")
        copy = setuid_copy(os.path.realpath("/usr/bin/python3"), place, 0)
        self.addCleanup(copy.__exit__, None, None, None)
        python = copy.__enter__()
        package = os.path.dirname(os.path.abspath(smartmob.__file__))
        for part in "__init__.py", "plugins/__init__.py", "plugins/plugin.py", "launch":
            target = os.path.join(place, "smartmob", part)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            source = os.path.join(package, part)
            (shutil.copytree if os.path.isdir(source) else shutil.copyfile)(source, target)
        host = shutil.copy(small_agent.__file__, place)
        become = (
            "import os, sys\n"
            f"open({leaf + '/cgroup.procs'!r}, 'w').write('0')\n"
            f"os.setgroups([]); os.setresgid(*[{PLAIN}] * 3); os.setresuid(*[{PLAIN}] * 3)\n"
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        argv = [sys.executable, "-c", become, "/usr/bin/python3", "-I", "-S", host, place]
        agent = Agent(argv, self.guardian)
        self.addCleanup(agent.kill)
        agent.hear()
        marker = new_marker()
        code = "import os, time; os.setresuid(0, 0, 0); os.write(1, b'up'); time.sleep(1000)"
        words = (python, "-I", "-S", "-c", code, marker)
        packet = order(*(word.encode() for word in words), group=group.encode())
        agent.tell(packet.hex())
        agent.hear_all("0 up")
        (pid,) = marked(marker)
        agent.tell("0 kill")
        agent.hear_all("0 exited 9", "0 gone 0")
        self.assertEqual(alive([pid]), [])


class LeftoverTests(SynchronousTestCase):
    """
    Agent, guardian, and all reapers are killed at once.
    """

    guardian = PYTHON

    def setUp(self) -> None:
        self.cgroup = real_cgroup(self)
        self.marker = new_marker()

    def host(self, count: int, *more: str) -> Agent:
        """
        An agent, with programs.
        """
        words = (sys.executable, "-I", "-S", menagerie.__file__, self.marker)
        said = "\0".join(words).encode().hex()
        argv = [
            *("/usr/bin/env", f"{HOST}={self.cgroup}"),
            *(sys.executable, "-P", launcher_host.__file__, str(count), said, *more),
        ]
        agent = Agent(argv, self.guardian)
        self.addCleanup(agent.kill)
        agent.hear()
        agent.hear_all(*["ready"] * count)
        return agent

    def kill_helpers(self) -> None:
        """
        The agent and all its helpers.
        """
        leaf = os.path.join(self.cgroup, "agent")
        helpers = files.processes(leaf)
        files.write(leaf, "cgroup.kill", "1")
        soon(*helpers)

    def test_allAtOnce(self) -> None:
        """
        Nothing is left of them, nor of any program, once the next agent has begun.
        """
        agent = self.host(3)
        before = marked(self.marker)
        self.assertGreaterEqual(len(before), 27)
        groups = {group_of(pid) for pid in before} - {None}
        self.assertEqual(len(groups), 3)
        self.kill_helpers()
        agent.kill()
        self.assertNotEqual(marked(self.marker), [])
        self.host(0)
        self.assertEqual(marked(self.marker), [])
        self.assertEqual(alive(before), [])
        names = [name for name in os.listdir(f"{self.cgroup}/programs") if name[0] == "_"]
        self.assertEqual(names, [])

    def test_agentAlone(self) -> None:
        """
        Where the agent alone is killed, the rest of it ends as ever.
        """
        agent = self.host(1)
        agent.kill()
        soon(markers=(self.marker,))

    def test_detached(self) -> None:
        """
        A detached program is left alone, as long as its keeper lives, and no longer.
        """
        folder = DetachedFolder(self)
        agent = self.host(1, folder.path)
        record = folder.record()
        keeper, pid = record["keeper"], record["pid"]
        assert isinstance(keeper, int)
        assert isinstance(pid, int)
        watcher = parent(keeper)
        assert watcher is not None
        groups = [group_of(each) or "" for each in (pid, keeper, watcher)]
        ends = [group.rpartition("/")[2] for group in groups]
        self.assertEqual(ends, ["program", "keeper", "keeper"])
        self.kill_helpers()
        agent.kill()
        again = self.host(0)
        self.assertEqual(alive([keeper, pid]), [keeper, pid])
        before = marked(self.marker)
        for each in watcher, keeper:
            os.kill(each, signal.SIGSTOP)
        for each in watcher, keeper:
            os.kill(each, signal.SIGKILL)
        soon(watcher, keeper)
        self.kill_helpers()
        again.kill()
        left = alive(before)
        self.assertNotEqual(left, [])
        self.host(0)
        self.assertEqual((marked(self.marker), alive(left)), ([], []))


class CompiledForeignTests(WithCompiled, ForeignTests):
    """
    The same with the compiled guardian.
    """


class CompiledLeftoverTests(WithCompiled, LeftoverTests):
    """
    The same with the compiled guardian.
    """
