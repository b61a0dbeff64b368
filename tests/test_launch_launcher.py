"""
The launcher with a guardian that the test plays, packet by packet.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from array import array

from attrs import define, field
from twisted.internet.error import ProcessDone
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import Left
from smartmob.launch import wire
from smartmob.launch.helper import Helper, packet_pair
from smartmob.launch.interfaces import Command, LauncherLost, NotExecuted
from smartmob.launch.launcher import LIVED, Launcher
from smartmob.launch.program import LINGER, Program
from smartmob.launch.start_queue import AT_FIRST, OVERDUE, WINDOW
from tests.support.processes import Recorder


class Reactor(MemoryReactorClock):
    """
    Does what is there to do with real descriptors, when it is told to.
    """

    def turn(self) -> None:
        """
        Let all that can be read be read, and all be written, until nothing happens.
        """
        for _ in range(10):
            self.advance(0)
            for reader in self.getReaders():
                if reader in self.getReaders():
                    why = reader.doRead()
                    if why is not None:
                        reader.connectionLost(why)
            for writer in self.getWriters():
                if writer in self.getWriters():
                    why = writer.doWrite()
                    if why is not None:
                        writer.connectionLost(why)


@define
class Reaper:
    """
    One that the test plays.
    """

    order: wire.Order
    control: socket.socket
    stdout: int
    stderr: int
    stdin: int | None

    def say(self, *words: bytes) -> None:
        """
        Tell the agent.
        """
        self.control.send(wire.pack(*words))

    def heard(self) -> list[list[bytes]]:
        """
        What the agent said.
        """
        packets: list[list[bytes]] = []
        while True:
            try:
                packet, ancillary, _, _ = self.control.recvmsg(65536, 64)
            except BlockingIOError:
                return packets
            for _, _, data in ancillary:
                (self.stdin,) = array("i", data)
            packets.append(wire.unpack(packet))
            if not packet:
                return packets

    def die(self) -> None:
        """
        Close all.
        """
        self.control.close()
        os.close(self.stdout)
        os.close(self.stderr)
        if self.stdin is not None:
            os.close(self.stdin)


@define
class Guardian(Helper):
    """
    One that the test plays.
    """

    peer: socket.socket = field(init=False)
    connection: socket.socket = field(init=False)
    pid: int = -1
    killed: bool = False
    reaped: bool = False
    woken: bool = False

    def __attrs_post_init__(self) -> None:
        self.connection, self.peer = packet_pair()
        self.peer.setblocking(False)

    def kill(self) -> None:
        self.killed = True
        self.peer.close()

    def wake(self) -> None:
        self.woken = True

    def reap(self) -> None:
        self.reaped = True

    def orders(self) -> list[Reaper]:
        """
        Those that arrived.
        """
        reapers: list[Reaper] = []
        while True:
            try:
                packet, ancillary, _, _ = self.peer.recvmsg(wire.LARGEST, 64)
            except BlockingIOError:
                return reapers
            if not packet:
                return reapers
            if packet == wire.PING:
                continue
            ((_, _, data),) = ancillary
            control, stdout, stderr, *rest = array("i", data)
            connection = socket.socket(fileno=control)
            connection.setblocking(False)
            reapers.append(
                Reaper(
                    wire.Order.unpack(packet),
                    connection,
                    stdout,
                    stderr,
                    rest[0] if rest else None,
                )
            )


def room_for(spare: int) -> int:
    """
    A bound of open files that lets so many more be opened.
    """
    taken = {int(name) for name in os.listdir("/proc/self/fd")}
    taken.remove(max(taken))  # that by which they were listed
    bound = 0
    while spare or bound in taken:
        spare -= bound not in taken
        bound += 1
    return bound


class LauncherCase(SynchronousTestCase):
    """
    A launcher whose guardians the test plays.

    @cvar answering: Its agent answers requests by now.
    """

    answering = True

    def setUp(self) -> None:
        self.bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, self.bounds)
        self.descriptors = set(os.listdir("/proc/self/fd"))
        self.reactor = Reactor()
        self.guardians: list[Guardian] = []
        self.reapers: list[Reaper] = []
        self.failing: OSError | None = None
        self.launcher = self.make_launcher()
        if self.answering:
            self.launcher.make_way()
        self.launcher.startService()

    def tearDown(self) -> None:
        stopped = self.launcher.stopService()
        for guardian in self.guardians:
            guardian.peer.close()
        for reaper in self.reapers:
            if reaper.control.fileno() >= 0:
                reaper.die()
        self.reactor.turn()
        self.reactor.advance(LINGER)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual((self.reactor.getReaders(), self.reactor.getWriters()), ([], []))
        self.assertLessEqual(
            len(os.listdir("/proc/self/fd")), len(self.descriptors), "descriptors leaked"
        )

    def make_launcher(self) -> Launcher:
        """
        The launcher.
        """
        return Launcher(self.reactor, start=self.start_guardian)

    def start_guardian(self, bounds: tuple[int, int]) -> Helper:
        """
        Another guardian.
        """
        self.assertEqual(bounds, self.bounds)
        if self.failing is not None:
            raise self.failing
        guardian = Guardian()
        self.guardians.append(guardian)
        return guardian

    def program(
        self, *, cwd: str = "/", redirect_input: bool = False
    ) -> tuple[Program, Recorder]:
        """
        One that was asked to run.
        """
        program = self.launcher.program(
            Command(argv=("prog",), env={}, cwd=cwd, redirect_input=redirect_input)
        )
        recorder = Recorder()
        program.run(recorder)
        return program, recorder

    def arrived(self) -> list[Reaper]:
        """
        The reapers that the present guardian is to make.
        """
        reapers = self.guardians[-1].orders()
        self.reapers += reapers
        return reapers

    def running(self, *, redirect_input: bool = False) -> tuple[Program, Recorder, Reaper]:
        """
        One that was executed.
        """
        program, recorder = self.program(redirect_input=redirect_input)
        (reaper,) = self.arrived()
        reaper.say(wire.EXECUTED, b"77")
        self.reactor.turn()
        return program, recorder, reaper


class ProgramTests(LauncherCase):
    """
    Tests of one program and its reaper.
    """

    def test_oneTurn(self) -> None:
        """
        Output, exit and end that are all there at once are told in this order.
        """
        program, recorder, reaper = self.running()
        os.write(reaper.stdout, b"last\n")
        os.write(reaper.stderr, b"words\n")
        reaper.say(wire.EXITED, b"0")
        reaper.say(wire.GONE, b"1", b"straggler", b"5", b"stuck")
        program_link = program._link
        assert program_link is not None
        program_link.control.doRead()
        self.assertEqual(
            [what for what, _ in recorder.told], ["executed", 1, 2, "exited", "ended"]
        )
        self.assertEqual(program.killed, ("straggler",))
        self.assertEqual(program.left, (Left(5, "stuck"),))

    def test_fasterThanItsReaper(self) -> None:
        """
        Output that comes before the word that it was executed is told behind it.
        """
        program, _, reaper = self.running()
        reaper.say(wire.EXITED, b"0")
        reaper.say(wire.GONE, b"0")
        self.reactor.turn()
        again = Recorder()
        program.run(again)
        self.assertEqual(reaper.heard(), [[wire.RUN]])
        os.write(reaper.stdout, b"x" * 60_000)
        self.reactor.turn()
        os.write(reaper.stdout, b"y" * 60_000)
        self.reactor.turn()
        self.assertEqual(again.told, [])
        reaper.say(wire.EXECUTED, b"78")
        self.reactor.turn()
        self.assertEqual(again.order(), ["executed", 1])
        self.assertEqual(again.output(), b"x" * 60_000 + b"y" * 60_000)

    def test_failingProtocol(self) -> None:
        """
        A protocol that raises is logged, and told on.
        """

        class Failing(Recorder):
            def childDataReceived(self, childFD: int, data: bytes) -> None:
                raise RuntimeError("bad protocol")

        program = self.launcher.program(Command(argv=("prog",), env={}))
        recorder = Failing()
        program.run(recorder)
        (reaper,) = self.arrived()
        reaper.say(wire.EXECUTED, b"77")
        os.write(reaper.stdout, b"x")
        reaper.say(wire.EXITED, b"0")
        reaper.say(wire.GONE, b"0")
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["executed", "exited", "ended"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_commands(self) -> None:
        """
        What is asked of a program goes to its reaper.
        """
        program, _, reaper = self.running()
        program.signalProcess("HUP")
        program.stop()
        program.stop(0.5)
        program.kill()
        self.assertEqual(
            reaper.heard(),
            [
                [wire.SIGNAL, b"1"],
                [wire.STOP, b"10.0"],
                [wire.STOP, b"0.5"],
                [wire.KILL],
            ],
        )

    def test_stopWhileAsked(self) -> None:
        """
        A stop before the program was executed goes to its reaper all the same.
        """
        program, recorder = self.program()
        program.stop()
        (reaper,) = self.arrived()
        self.assertEqual(reaper.heard(), [[wire.STOP, b"10.0"]])
        reaper.say(wire.EXECUTED, b"77")
        reaper.say(wire.EXITED, b"15")
        reaper.say(wire.GONE, b"0")
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["executed", "exited", "ended"])

    def test_left(self) -> None:
        """
        What was left can be tried again; a further run gets another reaper, and pipes
        of its own.
        """
        program, recorder, reaper = self.running()
        reaper.say(wire.GONE, b"0", b"5", b"stuck")
        self.reactor.turn()
        self.assertIsInstance(recorder.told[-1][1], LauncherLost)
        trying = program.endLeft()
        self.assertEqual(reaper.heard(), [[wire.KILL]])
        reaper.say(wire.GONE, b"0", b"5", b"stuck")
        self.reactor.turn()
        self.assertEqual(self.successResultOf(trying), (Left(5, "stuck"),))
        trying = program.endLeft()
        again = Recorder()
        program.run(again)
        self.assertEqual(self.successResultOf(trying), ())
        self.assertEqual(reaper.heard()[-1], [b""])
        os.write(self.arrived()[0].stdout, b"x")

    def test_leftWithoutReaper(self) -> None:
        """
        What was left by a reaper that is dead is looked up by pid and name.
        """
        program, _, reaper = self.running()
        own = os.getpid()
        with open("/proc/self/comm") as file:
            name = file.read().rstrip("\n")
        reaper.say(
            wire.GONE,
            b"0",
            b"%d" % own,
            name.encode(),
            b"%d" % own,
            b"nobody",
            b"4999999",
            b"x",
        )
        reaper.die()
        self.reactor.turn()
        self.assertEqual(self.successResultOf(program.endLeft()), (Left(own, name),))

    def test_lost(self) -> None:
        """
        When its reaper dies, output is read to its end, and then the end is told.
        """
        program, recorder, reaper = self.running()
        program.pauseOutput()
        os.write(reaper.stdout, b"last\n")
        reaper.die()
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["executed", 1, "ended"])
        self.assertIsInstance(recorder.told[-1][1], LauncherLost)
        program.run(Recorder())
        self.assertEqual(len(self.arrived()), 1)

    def test_lostAndHeld(self) -> None:
        """
        Where somebody holds the pipes then, the end is told a second later; how the
        leader ended is told if it was learnt.
        """
        _, recorder, reaper = self.running()
        reaper.say(wire.EXITED, b"0")
        reaper.control.close()
        self.reactor.turn()
        self.reactor.advance(LINGER / 2)
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["executed", "exited"])
        self.reactor.advance(LINGER / 2)
        self.assertIsInstance(recorder.told[-1][1], ProcessDone)
        self.assertEqual(recorder.told[-1][0], "ended")
        os.close(reaper.stdout)
        os.close(reaper.stderr)

    def test_inputIsNew(self) -> None:
        """
        Each run has an input of its own; that of the last is gone.
        """
        program, _, reaper = self.running(redirect_input=True)
        assert reaper.stdin is not None
        program.write(b"first")
        program.closeStdin()
        self.assertEqual(os.read(reaper.stdin, 100), b"first")
        self.assertEqual(os.read(reaper.stdin, 100), b"")
        os.close(reaper.stdin)
        reaper.say(wire.EXITED, b"0")
        reaper.say(wire.GONE, b"0")
        self.reactor.turn()
        program.run(Recorder())
        reaper.heard()
        reaper.say(wire.EXECUTED, b"78")
        self.reactor.turn()
        program.write(b"second")
        self.assertEqual(os.read(reaper.stdin, 100), b"second")

    def test_inputWaits(self) -> None:
        """
        What the pipe does not take is counted, and taken later; the end drops it.
        """
        program, _, reaper = self.running(redirect_input=True)
        assert reaper.stdin is not None
        os.set_blocking(reaper.stdin, False)
        program.write(b"x" * 200_000)
        waits = program.stdinBuffered
        self.assertGreater(waits, 0)
        writable = program.whenWritable()
        got = os.read(reaper.stdin, 65536)
        self.reactor.turn()
        self.assertEqual(program.stdinBuffered, waits - len(got))
        self.assertNoResult(writable)
        reaper.say(wire.EXITED, b"0")
        self.reactor.turn()
        self.successResultOf(writable)
        self.assertEqual(program.stdinBuffered, 0)

    def test_broken(self) -> None:
        """
        What a helper says of its own failure is logged.
        """
        _, recorder, reaper = self.running()
        reaper.say(wire.BROKEN, b"it was me")
        reaper.die()
        self.guardians[0].peer.send(wire.pack(wire.BROKEN, b"me too"))
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["executed", "ended"])


class StartTests(LauncherCase):
    """
    Tests of how starts are let go.
    """

    def test_window(self) -> None:
        """
        Only so many starts are under way; each that lands, well or not, lets one go,
        and those that wait hold no descriptors.
        """
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            self.program()
        first = self.arrived()
        self.assertEqual(len(first), WINDOW)
        self.assertLess(len(os.listdir("/proc/self/fd")) - before, WINDOW * 8)
        first[0].say(wire.EXECUTED, b"7")
        first[1].say(wire.REFUSED, b"127", b"no such thing")
        first[2].die()
        self.reactor.turn()
        self.assertEqual(len(self.arrived()), 3)

    def test_allRefusedAtOnce(self) -> None:
        """
        However many wait, all of them may fail in the same moment.
        """
        held = [self.program() for _ in range(WINDOW)]
        queued = [self.program(cwd="/\0")[1] for _ in range(1000)]
        reapers = self.arrived()
        self.assertEqual(len(reapers), len(held))
        reapers[0].die()
        self.reactor.turn()
        for recorder in queued:
            ((_, reason),) = recorder.told
            self.assertIsInstance(reason, NotExecuted)

    def test_overdue(self) -> None:
        """
        A start that hangs keeps the others waiting for some seconds, and no longer.
        """
        for _ in range(WINDOW + 1):
            self.program()
        self.assertEqual(len(self.arrived()), WINDOW)
        self.reactor.advance(OVERDUE - 0.1)
        self.assertEqual(len(self.arrived()), 0)
        self.reactor.advance(0.1)
        self.assertEqual(len(self.arrived()), 1)

    def test_stopWhileQueued(self) -> None:
        """
        What is stopped before its turn came is never executed.
        """
        for _ in range(WINDOW):
            self.program()
        program, recorder = self.program()
        program.stop()
        program.stop()
        program.kill()
        self.assertEqual(recorder.told, [])
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["ended"])
        self.assertIsInstance(recorder.told[0][1], NotExecuted)
        reapers = self.arrived()
        reapers[0].say(wire.EXECUTED, b"7")
        self.reactor.turn()
        self.assertEqual(self.arrived(), [])

    def test_refused(self) -> None:
        """
        What the reaper could not execute is told with code and reason, and may be run
        again by the same.
        """
        program, recorder = self.program()
        (reaper,) = self.arrived()
        reaper.say(wire.REFUSED, b"127", b"there is no program prog")
        self.reactor.turn()
        ((_, reason),) = recorder.told
        assert isinstance(reason, NotExecuted)
        self.assertEqual((reason.exitCode, reason.why), (127, "there is no program prog"))
        program.run(Recorder())
        self.assertEqual(reaper.heard(), [[wire.RUN]])

    def test_lostBeforeItWasAsked(self) -> None:
        """
        A reaper, or a guardian, that is found dead when it is asked is replaced, and
        the program is none the wiser.
        """
        program, _, reaper = self.running(redirect_input=True)
        reaper.say(wire.EXITED, b"0")
        reaper.say(wire.GONE, b"0")
        self.reactor.turn()
        reaper.die()
        recorder = Recorder()
        program.run(recorder)
        (second,) = self.arrived()
        second.die()
        self.reactor.turn()
        self.guardians[0].peer.send(wire.READY)
        self.reactor.turn()
        self.guardians[0].kill()
        program.run(recorder := Recorder())
        self.reactor.turn()
        (third,) = self.arrived()
        third.say(wire.EXECUTED, b"5")
        self.reactor.turn()
        self.assertEqual(recorder.order(), ["executed"])
        self.assertTrue(program.takesInput)

    def test_tooLarge(self) -> None:
        """
        An order that is larger than the kernel takes is refused, and nothing leaks.
        """
        before = len(os.listdir("/proc/self/fd"))
        program = self.launcher.program(
            Command(argv=("prog", "x" * wire.LARGEST), env={}, redirect_input=True)
        )
        recorder = Recorder()
        program.run(recorder)
        self.assertEqual(recorder.told, [])
        self.reactor.turn()
        ((_, reason),) = recorder.told
        assert isinstance(reason, NotExecuted)
        self.assertEqual(reason.exitCode, 126)
        self.assertIn("too large", reason.why)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.assertEqual(self.launcher._start_queue._under_way, {})

    def test_noDescriptors(self) -> None:
        """
        Without descriptors it is refused, however far it came, and nothing leaks.
        """
        before = len(os.listdir("/proc/self/fd"))
        # Those on their way count for all that a plain user runs, other tests, too.
        for spare in range(1, 200):
            resource.setrlimit(resource.RLIMIT_NOFILE, (room_for(spare), self.bounds[1]))
            try:
                _, recorder = self.program(redirect_input=True)
                self.reactor.turn()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, self.bounds)
            if not recorder.told:
                break
            ((_, reason),) = recorder.told
            assert isinstance(reason, NotExecuted)
            self.assertIn("descriptors", reason.why)
            self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        else:
            self.fail("it never worked")
        self.assertGreater(spare, 3)
        self.assertEqual(len(self.arrived()), 1)


class FirstTests(LauncherCase):
    """
    Starts before there are requests to answer meanwhile.
    """

    answering = False

    def test_window(self) -> None:
        """
        More are under way than ever after; the others wait until these have landed.
        """
        for _ in range(AT_FIRST + 2 * WINDOW):
            self.program()
        first = self.arrived()
        self.assertEqual(len(first), AT_FIRST)
        self.launcher.make_way()
        for reaper in first[WINDOW:]:
            reaper.say(wire.EXECUTED, b"7")
        self.reactor.turn()
        self.assertEqual(self.arrived(), [])
        first[0].say(wire.EXECUTED, b"7")
        self.reactor.turn()
        self.assertEqual(len(self.arrived()), 1)


class GuardianTests(LauncherCase):
    """
    Tests of the guardian's life.
    """

    def test_ready(self) -> None:
        """
        It is ready when it says so.
        """
        ready = self.launcher.whenReady()
        self.assertNoResult(ready)
        self.guardians[0].peer.send(wire.READY)
        self.reactor.turn()
        self.successResultOf(ready)
        self.successResultOf(self.launcher.whenReady())

    def test_limit(self) -> None:
        """
        The agent may open as many files as the system lets it, while it launches.
        """
        _, hard = self.bounds
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (hard, hard))

    def test_another(self) -> None:
        """
        When it dies it is reaped, and another takes its place at once; what waited
        goes to that.
        """
        self.guardians[0].peer.send(wire.READY)
        self.reactor.turn()
        recorders = [self.program()[1] for _ in range(WINDOW + 1)]
        for reaper in self.arrived():
            reaper.die()
        self.guardians[0].kill()
        self.reactor.turn()
        self.assertTrue(self.guardians[0].reaped)
        self.assertEqual(len(self.guardians), 2)
        for recorder in recorders[:WINDOW]:
            self.assertEqual(recorder.order(), ["ended"])
            self.assertIsInstance(recorder.told[0][1], LauncherLost)
        self.assertEqual(len(self.arrived()), 1)
        self.assertEqual(recorders[-1].told, [])

    def test_neverReady(self) -> None:
        """
        One that dies before it could work fails those who wait for it; another is
        tried later, and later again.
        """
        ready = self.launcher.whenReady()
        self.guardians[0].kill()
        self.reactor.turn()
        self.failureResultOf(ready, LauncherLost)
        self.assertEqual(len(self.guardians), 1)
        for count in range(2, 5):
            self.reactor.advance(5)
            self.assertEqual(len(self.guardians), count)
            self.guardians[-1].kill()
            self.reactor.turn()
        _, recorder = self.program()
        self.reactor.advance(5)
        self.assertEqual(len(self.arrived()), 1)
        self.assertEqual(recorder.told, [])

    def test_neverForLong(self) -> None:
        """
        Where one after the other dies as soon as it could work, the second is tried at once,
        the others later and later; not so once one has worked for a while.
        """
        for count, pause in (2, 0.0), (3, 0.15), (4, 0.3), (5, 0.6):
            self.guardians[-1].peer.send(wire.READY)
            self.reactor.turn()
            self.guardians[-1].kill()
            self.reactor.turn()
            if pause:
                self.assertEqual(len(self.guardians), count - 1)
                self.reactor.advance(pause)
                self.assertEqual(len(self.guardians), count - 1)
                self.reactor.advance(pause)
            self.assertEqual(len(self.guardians), count)
        self.guardians[-1].peer.send(wire.READY)
        self.reactor.turn()
        self.reactor.advance(LIVED)
        self.guardians[-1].kill()
        self.reactor.turn()
        self.assertEqual(len(self.guardians), 6)

    def test_cannotStart(self) -> None:
        """
        Where another can't be started, that is tried later.
        """
        self.guardians[0].peer.send(wire.READY)
        self.reactor.turn()
        self.failing = OSError(errno.EAGAIN, "no more processes")
        self.guardians[0].kill()
        self.reactor.turn()
        self.reactor.advance(1)
        self.assertEqual(len(self.guardians), 1)
        self.failing = None
        self.reactor.advance(5)
        self.assertEqual(len(self.guardians), 2)

    def test_stop(self) -> None:
        """
        Stopping ends the guardian, refuses what waits, and fires when every run has
        ended; then there is nothing to be stopped.
        """
        program, recorder, _ = self.running()
        for _ in range(WINDOW):
            self.program()
        _, waiting = self.program()
        ready = self.launcher.whenReady()
        stopped = self.launcher.stopService()
        self.failureResultOf(ready, LauncherLost)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), self.bounds)
        self.reapers += self.guardians[0].orders()
        self.assertEqual(self.guardians[0].peer.recv(10), b"")
        self.guardians[0].peer.close()
        self.reactor.turn()
        self.assertTrue(self.guardians[0].reaped)
        self.assertIsInstance(waiting.told[0][1], NotExecuted)
        self.assertNoResult(stopped)
        for each in self.reapers:
            each.die()
        self.reactor.turn()
        self.successResultOf(stopped)
        self.assertEqual(recorder.order(), ["executed", "ended"])
        self.assertEqual(len(self.guardians), 1)
        self.assertRaises(RuntimeError, program.run, Recorder())
        self.successResultOf(self.launcher.stopService())

    def test_impatience(self) -> None:
        """
        A guardian that does not end is killed.
        """
        stopped = self.launcher.stopService()
        self.reactor.advance(60)
        self.assertTrue(self.guardians[0].killed)
        self.reactor.turn()
        self.successResultOf(stopped)

    def test_startAgain(self) -> None:
        """
        It can be started again.
        """
        stopped = self.launcher.stopService()
        self.guardians[0].peer.close()
        self.reactor.turn()
        self.successResultOf(stopped)
        self.launcher.startService()
        self.program()
        self.assertEqual(len(self.arrived()), 1)
