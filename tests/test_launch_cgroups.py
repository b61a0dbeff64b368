"""
Cgroups, with a folder that looks like them; and what the launcher makes of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.converter import InvalidDocument
from smartmob.documents import Limits
from smartmob.launch import cgroup_files as files
from smartmob.launch import wire
from smartmob.launch.cgroups import CONTROLLERS, Cgroups
from smartmob.launch.delegation import NotDelegated, Places, delegated
from smartmob.launch.housing import NO_PROCESSOR
from smartmob.launch.interfaces import Command, Detach, Group, NotExecuted, Usage
from smartmob.launch.launcher import Launcher
from smartmob.launch.terms import fingerprint
from smartmob.rlimits import check_bounds
from tests.support.cgrouping import FakeCgroups
from tests.support.processes import Recorder
from tests.test_launch_launcher import LauncherCase

GROUP = Group(name="app.web.0")
BOUNDED = Group(name="app.web.0", memory_bytes=1 << 20, processes=5, cpu_percent=150)


class FakeCase(SynchronousTestCase):
    """
    A folder that looks like a mounted cgroup file system.
    """

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="smart mob ")
        self.addCleanup(shutil.rmtree, self.folder)
        self.fake = FakeCgroups(os.path.join(self.folder, "fs"))


class DelegationTests(FakeCase):
    """
    Which group is ours, if any is.
    """

    def refused(self, places: Places) -> str:
        """Why none is, without the folder of the test."""
        error = self.assertRaises(NotDelegated, delegated, places)
        return str(error).replace(self.folder + "/", "")

    def mark(self, group: str, value: bytes = b"1") -> None:
        """Do as systemd does."""
        try:
            os.setxattr(os.path.join(self.fake.path, group), "user.delegate", value)
        except OSError as error:
            raise SkipTest(f"no attributes in {self.folder}: {error.strerror}") from None

    def test_namespace(self) -> None:
        """That which our namespace begins with is."""
        self.assertEqual(delegated(self.fake.places()), self.fake.path)

    def test_machine(self) -> None:
        """That of all processes of the machine is not."""
        os.unlink(os.path.join(self.fake.path, "cgroup.events"))
        why = "fs was not delegated to it (systemd: Delegate=yes)"
        self.assertEqual(self.refused(self.fake.places()), why)

    def test_marked(self) -> None:
        """One that systemd marked is, wherever it is mounted; another is not."""
        service = os.path.join(self.fake.path, "a.service")
        self.fake.mkdir(service)
        why = "fs/a.service was not delegated to it (systemd: Delegate=yes)"
        self.assertEqual(self.refused(self.fake.places("/a.service")), why)
        self.mark("a.service", b"0")
        self.assertEqual(self.refused(self.fake.places("/a.service")), why)
        self.mark("a.service")
        self.assertEqual(delegated(self.fake.places("/a.service")), service)
        self.assertEqual(delegated(self.fake.places("/b/a.service", root="/b")), service)

    def test_again(self) -> None:
        """Who has divided it, and is in a part of it, finds it again."""
        self.mark("")
        self.fake.mkdir(os.path.join(self.fake.path, "agent"))
        self.assertEqual(delegated(self.fake.places("/agent")), self.fake.path)

    def test_outside(self) -> None:
        """One that is not mounted, or lies outside of our namespace, is not."""
        why = "no cgroups of version 2 are mounted where its own would be"
        for places in (
            self.fake.places("/.."),
            self.fake.places("/x", root="/y"),
            self.fake.places(kind="cgroup"),
        ):
            self.assertEqual(self.refused(places), why)

    def test_none(self) -> None:
        """A machine with those of version 1 only has none."""
        places = self.fake.places()
        with open(places.own, "w") as file:
            file.write("4:memory:/\n1:name=systemd:/\n")
        self.assertEqual(self.refused(places), "this machine has no cgroups of version 2")
        os.unlink(places.own)
        self.assertEqual(self.refused(places), "fs.own: No such file or directory")

    def test_others(self) -> None:
        """One in which processes of others are can't be divided; they are named."""
        self.fake.write("", "cgroup.procs", f"1\n{os.getpid()}\n7\n")
        self.assertEqual(
            self.refused(self.fake.places()), "there are processes of others in fs: 1, 7"
        )
        self.fake.write("", "cgroup.procs", f"{os.getpid()}\n")
        self.assertEqual(delegated(self.fake.places()), self.fake.path)

    def test_readOnly(self) -> None:
        """Nor can one that we may not write to."""
        os.unlink(os.path.join(self.fake.path, "cgroup.subtree_control"))
        why = "it may not write to fs/cgroup.subtree_control"
        self.assertEqual(self.refused(self.fake.places()), why)


class CgroupsTests(FakeCase):
    """
    What is made of it.
    """

    def begun(self) -> Cgroups:
        """Those of an agent that begins."""
        cgroups = self.fake.cgroups()
        cgroups.begin()
        return cgroups

    def test_begin(self) -> None:
        """The agent goes into a part of its own first, and the others get controllers."""
        cgroups = self.begun()
        self.assertEqual(cgroups.controllers, frozenset(CONTROLLERS))
        self.assertEqual(self.fake.read("agent", "cgroup.procs"), "0")
        for group in "", "programs", "detached":
            self.assertEqual(self.fake.read(group, "cgroup.subtree_control"), "+cpu")
        self.assertEqual(self.fake.read("agent", "cgroup.subtree_control"), "")
        cgroups.begin()

    def test_notDelegated(self) -> None:
        """Where nothing is delegated, no program gets a group, and one line says why."""
        with capturedLogs() as log:
            cgroups = Cgroups(self.fake.places(kind="cgroup"))
            cgroups.begin()
        (event,) = log
        self.assertEqual(event["log_level"], LogLevel.info)
        self.assertIn("no cgroups of version 2 are mounted", formatEvent(event))
        self.assertIsNone(cgroups.enter(GROUP, detached=False))
        self.assertIsNone(cgroups.usage("app.web.0"))
        self.assertEqual(cgroups.controllers, frozenset())

    def test_cannotDivide(self) -> None:
        """The same where it can't be divided after all."""
        os.unlink(os.path.join(self.fake.path, "cgroup.controllers"))
        with capturedLogs() as log:
            cgroups = self.begun()
        (event,) = log
        self.assertIn("cgroup.controllers: No such file or directory", formatEvent(event))
        self.assertIsNone(cgroups.enter(GROUP, detached=False))

    def test_enter(self) -> None:
        """A program's group has its bounds, each time all of them."""
        cgroups = self.begun()
        for group, expected in (
            (BOUNDED, ["1048576", "0", "1", "5", "150000 100000"]),
            (GROUP, ["max", "max", "0", "max", "max 100000"]),
        ):
            place = cgroups.enter(group, detached=False)
            assert place is not None
            self.assertEqual(place.folder, os.path.join(self.fake.path, "programs/_app.web.0"))
            self.assertEqual(place.controllers, frozenset(CONTROLLERS))
            names = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
            found = [self.fake.read("programs/_app.web.0", name) for name in names]
            self.assertEqual(found, expected)

    def test_someControllers(self) -> None:
        """Of controllers that are not there nothing is written."""
        self.fake.controllers = "io pids"
        self.fake.write("", "cgroup.controllers", "io pids")
        cgroups = self.begun()
        self.assertEqual(cgroups.controllers, {"pids"})
        cgroups.enter(BOUNDED, detached=False)
        found = [
            self.fake.read("programs/_app.web.0", name) for name in ("memory.max", "pids.max")
        ]
        self.assertEqual(found, ["max\n", "5"])

    def test_noSwap(self) -> None:
        """A kernel without swap can bound memory all the same."""
        cgroups = self.begun()
        cgroups.enter(GROUP, detached=False)
        os.unlink(os.path.join(self.fake.path, "programs/_app.web.0/memory.swap.max"))
        cgroups.enter(BOUNDED, detached=False)
        self.assertEqual(self.fake.read("programs/_app.web.0", "memory.max"), "1048576")

    def test_names(self) -> None:
        """A program may be called as a file of the kernel's is."""
        cgroups = self.begun()
        place = cgroups.enter(Group(name="memory.max"), detached=False)
        assert place is not None
        self.assertEqual(os.path.basename(place.folder), "_memory.max")
        for wrong in "", "a/b", "a\0b":
            self.assertRaises(ValueError, Group, name=wrong)

    def test_leave(self) -> None:
        """A group is removed once nobody wants it; where something is in it, later."""
        cgroups = self.begun()
        first = cgroups.enter(GROUP, detached=False)
        second = cgroups.enter(GROUP, detached=False)
        assert first is not None
        assert second is not None
        cgroups.leave(first)
        self.assertEqual(self.fake.removed, [])
        self.fake.write("programs/_app.web.0", "cgroup.events", "populated 1\n")
        cgroups.leave(second)
        self.assertEqual(self.fake.removed, [])
        self.fake.write("programs/_app.web.0", "cgroup.events", "populated 0\n")
        cgroups.enter(Group(name="app.web.1"), detached=False)
        self.assertEqual(self.fake.removed, ["programs/_app.web.0"])

    def test_wantedAgain(self) -> None:
        """One that is wanted again before it could be removed stays."""
        cgroups = self.begun()
        place = cgroups.enter(GROUP, detached=False)
        assert place is not None
        self.fake.write("programs/_app.web.0", "cgroup.events", "populated 1\n")
        cgroups.leave(place)
        self.assertIsNotNone(cgroups.enter(GROUP, detached=False))
        self.fake.write("programs/_app.web.0", "cgroup.events", "populated 0\n")
        other = cgroups.enter(Group(name="app.web.1"), detached=False)
        assert other is not None
        cgroups.leave(other)
        self.assertEqual(self.fake.removed, ["programs/_app.web.1"])

    def test_detached(self) -> None:
        """A detached program has two: its keeper is not bounded, nor killed with it."""
        cgroups = self.begun()
        place = cgroups.enter(BOUNDED, detached=True)
        assert place is not None
        above = os.path.join(self.fake.path, "detached/_app.web.0")
        self.assertEqual((place.folder, place.keeper), (f"{above}/program", f"{above}/keeper"))
        self.assertEqual(self.fake.read(place.folder, "pids.max"), "5")
        self.assertEqual(self.fake.read(f"{above}/keeper", "pids.max"), "max\n")
        cgroups.leave(place)
        self.assertEqual(self.fake.removed[-1], "detached/_app.web.0")

    def test_end(self) -> None:
        """At its end nothing is divided any more, and the next agent begins anew."""
        cgroups = self.begun()
        place = cgroups.enter(BOUNDED, detached=True)
        assert place is not None
        cgroups.end()
        for group in "", "programs", "detached", "detached/_app.web.0":
            said = self.fake.read(group, "cgroup.subtree_control")
            self.assertIn(said, [f"-{name}" for name in CONTROLLERS])
        self.assertEqual(cgroups.controllers, frozenset())
        cgroups.leave(place)
        cgroups.end()
        self.assertIsNone(cgroups.enter(GROUP, detached=False))
        cgroups.begin()
        self.assertEqual(cgroups.controllers, frozenset(CONTROLLERS))

    def test_usage(self) -> None:
        """What a program uses is read where one is there."""
        cgroups = self.begun()
        self.assertIsNone(cgroups.usage("app.web.0"))
        for detached, group in (
            (False, "programs/_app.web.0"),
            (True, "detached/_app.web.0/program"),
        ):
            cgroups.enter(GROUP, detached=detached)
            self.assertIsNone(cgroups.usage("app.web.0"))
            self.fake.write(group, "cgroup.events", "populated 1\n")
            self.fake.write(group, "memory.current", "4096\n")
            self.fake.write(group, "cpu.stat", "usage_usec 1500000\nuser_usec 1\n")
            self.fake.write(group, "pids.current", "3\n")
            self.assertEqual(
                cgroups.usage("app.web.0"),
                Usage(memory_bytes=4096, cpu_seconds=1.5, processes=3),
            )
            self.fake.write(group, "cgroup.events", "populated 0\n")

    def test_usageOfLess(self) -> None:
        """What is not counted is not told."""
        cgroups = self.begun()
        cgroups.enter(GROUP, detached=False)
        group = "programs/_app.web.0"
        self.fake.write(group, "cgroup.events", "populated 1\n")
        for name in "memory.current", "pids.current", "cpu.stat":
            os.unlink(os.path.join(self.fake.path, group, name))
        self.assertEqual(cgroups.usage("app.web.0"), Usage())

    def test_emptyLeftovers(self) -> None:
        """What an earlier agent made is removed, but for what a keeper is in."""
        cgroups = self.begun()
        for number, detached in enumerate((False, True, True)):
            cgroups.enter(Group(name=f"app.web.{number}"), detached=detached)
        self.fake.write("detached/_app.web.2/keeper", "cgroup.events", "populated 1\n")
        self.begun()
        self.assertEqual(
            os.listdir(os.path.join(self.fake.path, "detached")).count("_app.web.2"), 1
        )
        self.assertEqual(
            [name for name in self.fake.removed if name.count("/") == 1],
            ["programs/_app.web.0", "detached/_app.web.1"],
        )

    def test_oldKernel(self) -> None:
        """Where a group can't be killed, those in it are; a stranger that has no number is
        left alone."""
        group = os.path.join(self.fake.path, "x")
        self.fake.mkdir(group)
        os.unlink(os.path.join(group, "cgroup.kill"))
        victim = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(victim.wait)
        self.fake.write("x", "cgroup.procs", f"0\n{victim.pid}\n")
        files.kill(group)
        self.assertEqual(victim.wait(), -signal.SIGKILL)


class LauncherTests(LauncherCase):
    """
    What the launcher makes of it, with a guardian that the test plays.
    """

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.fake = FakeCgroups(os.path.join(self.folder, "fs"))
        super().setUp()

    def make_launcher(self) -> Launcher:
        return Launcher(self.reactor, start=self.start_guardian, groups=self.fake.cgroups())

    def test_order(self) -> None:
        """A program is put into its group, whose bounds take the place of limits."""
        limits = dict.fromkeys(("RLIMIT_AS", "RLIMIT_NPROC", "RLIMIT_CPU"), (7, 7))
        for group, left in (
            (BOUNDED, [b"RLIMIT_CPU"]),
            (GROUP, [b"RLIMIT_AS", b"RLIMIT_NPROC", b"RLIMIT_CPU"]),
        ):
            program = self.launcher.program(
                Command(argv=("prog",), env={}, rlimits=limits, group=group)
            )
            program.run(Recorder())
            (reaper,) = self.arrived()
            folder = os.path.join(self.fake.path, "programs/_app.web.0")
            self.assertEqual(reaper.order.group, os.fsencode(folder))
            self.assertEqual([name for name, _, _ in reaper.order.limits], left)
            reaper.say(wire.EXECUTED, b"77")
            reaper.say(wire.EXITED, b"0")
            reaper.say(wire.GONE, b"0")
            self.reactor.turn()
            program.dismiss()
            self.assertEqual(self.fake.removed.pop(), "programs/_app.web.0")

    def test_without(self) -> None:
        """One that wants none gets none."""
        self.running()
        self.assertEqual(self.reapers[0].order.group, b"")
        self.assertEqual(os.listdir(os.path.join(self.fake.path, "programs")).count("_"), 0)

    def test_cannot(self) -> None:
        """Where its group can't be made, that is why it is not executed."""
        self.fake.rmdir(os.path.join(self.fake.path, "programs"))
        program = self.launcher.program(Command(argv=("prog",), env={}, group=GROUP))
        recorder = Recorder()
        program.run(recorder)
        self.reactor.turn()
        (reason,) = [value for what, value in recorder.told if what == "ended"]
        assert isinstance(reason, NotExecuted)
        path = os.path.join(self.fake.path, "programs/_app.web.0")
        why = f"its cgroup {path} can't be used: No such file or directory"
        self.assertEqual(reason.exitCode, 126)
        self.assertEqual(reason.why, f"it can't be executed: {why}")

    def test_noProcessor(self) -> None:
        """A bound that can't be kept is why it is not executed, with groups or without."""
        for launcher in (
            Launcher(self.reactor, start=self.start_guardian),
            Launcher(
                self.reactor,
                start=self.start_guardian,
                groups=Cgroups(self.fake.places(kind="cgroup")),
            ),
        ):
            launcher.startService()
            self.assertEqual(launcher.bounds, frozenset())
            recorder = Recorder()
            launcher.program(Command(argv=("prog",), env={}, group=BOUNDED)).run(recorder)
            self.reactor.turn()
            (reason,) = [value for what, value in recorder.told if what == "ended"]
            assert isinstance(reason, NotExecuted)
            self.assertIn("its limit cpu_percent needs a cgroup", reason.why)
            stopping = launcher.stopService()
            self.guardians[-1].peer.close()
            self.reactor.turn()
            self.successResultOf(stopping)

    def test_usage(self) -> None:
        """What it uses can be asked for."""
        self.assertIsNone(self.launcher.usage("app.web.0"))
        program = self.launcher.program(Command(argv=("prog",), env={}, group=GROUP))
        program.run(Recorder())
        self.arrived()
        self.fake.write("programs/_app.web.0", "cgroup.events", "populated 1\n")
        self.assertEqual(
            self.launcher.usage("app.web.0"),
            Usage(memory_bytes=0, cpu_seconds=0.0, processes=0),
        )


class RefusedTests(SynchronousTestCase):
    """
    What a client asks for.
    """

    def test_processor(self) -> None:
        """A bound on processor time is refused where it can't be kept."""
        check_bounds(Limits(memory_bytes=1), frozenset())
        check_bounds(Limits(cpu_percent=50), frozenset({"cpu"}))
        error = self.assertRaises(
            InvalidDocument, check_bounds, Limits(cpu_percent=50), frozenset({"memory"})
        )
        self.assertEqual(error.errors, (("limits.cpu_percent", NO_PROCESSOR),))


class FingerprintTests(SynchronousTestCase):
    """
    By what a detached program is known again.
    """

    def test_bounds(self) -> None:
        """That it has a group makes no other of it, but other bounds do."""
        detach = Detach(name="app.web.0", folder="/nowhere")
        prints = [
            fingerprint(Command(argv=("prog",), env={}, detach=detach, group=group))
            for group in (None, GROUP, BOUNDED, Group(name="app.web.0", cpu_percent=10))
        ]
        self.assertEqual(prints[0], prints[1])
        self.assertEqual(len(set(prints)), 3)
