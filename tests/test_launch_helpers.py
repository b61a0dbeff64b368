"""
What can be seen of guardians and reapers: of those in Python, and of the compiled ones.
"""

from __future__ import annotations

import os
import resource

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.launch import wire
from smartmob.launch.helper import COMPILED, PYTHON
from tests.support.twins import (
    ENV,
    Guardian,
    children,
    descriptors,
    heard,
    order,
    require_compiled,
    shell,
    soon,
)


class OneCase(SynchronousTestCase):
    """
    What is so for each by itself.
    """

    kind = PYTHON

    def setUp(self) -> None:
        self.guardian = self.another()

    def another(self) -> Guardian:
        """
        One more guardian.
        """
        guardian = Guardian(self.kind)
        self.addCleanup(guardian.end)
        return guardian


class PlaceTests(OneCase):
    """
    What can be seen of the guardian in Python, and of its reapers.
    """

    def test_names(self) -> None:
        """
        They have names, lead sessions, and show nothing of an order.
        """
        secret = b"a secret"
        control, output = self.guardian.give(
            order(b"/bin/sleep", b"1000", env=[*ENV, (b"TOKEN", secret)])
        )
        with control, open(output):
            self.assertEqual(wire.unpack(control.recv(100))[0], wire.EXECUTED)
            helpers = {
                "smartmob-guard": self.guardian.helper.pid,
                "smartmob-reaper": self.guardian.reaper(),
            }
            for name, pid in helpers.items():
                with open(f"/proc/{pid}/comm") as comm:
                    self.assertEqual(comm.read(), f"{name}\n")
                self.assertEqual(os.getsid(pid), pid)
                self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
                for what in "cmdline", "environ":
                    with open(f"/proc/{pid}/{what}", "rb") as file:
                        self.assertNotIn(secret, file.read())

    def test_descriptors(self) -> None:
        """
        A guardian keeps no descriptor of an order, a reaper those that it needs, a program
        three.
        """
        held = []
        for _ in range(30):
            control, output = self.guardian.give(shell("echo up; exec sleep 1000"), count=4)
            held.append((control, output))
            pid = int(wire.unpack(control.recv(100))[1])
            self.assertEqual(os.read(output, 100), b"up\n")
            soon(descriptors, pid, {0, 1, 2})
        self.assertEqual(descriptors(self.guardian.helper.pid), {0, 1, 2, 3})
        for reaper in children(self.guardian.helper.pid):
            soon(descriptors, reaper, {0, 1, 2, 3, 5, 6})
        for control, output in held:
            control.close()
            os.close(output)

    def test_stopped(self) -> None:
        """
        Helpers that were stopped (SIGSTOP) and woken go on.
        """
        control, output = self.guardian.give(shell("echo up; exec sleep 1000"))
        with control, open(output):
            self.assertEqual(wire.unpack(control.recv(100))[0], wire.EXECUTED)
            for pid in self.guardian.helper.pid, self.guardian.reaper():
                for signal in 19, 18:
                    os.kill(pid, signal)
            control.send(wire.KILL)
            self.assertEqual([words[0] for words in heard(control)], [wire.EXITED, wire.GONE])
        self.assertEqual(self.guardian.run(shell("echo up")).output, b"up\n")

    def test_signals(self) -> None:
        """
        Helpers take no notice of signals that are not for them.
        """
        control, output = self.guardian.give(shell("echo up; exec sleep 1000"))
        with control, open(output):
            self.assertEqual(wire.unpack(control.recv(100))[0], wire.EXECUTED)
            pid = self.guardian.helper.pid
            for number in 1, 2, 3, 10, 12, 13, 14, 15, 17, 23, 29, 40:
                os.kill(pid, number)
                if number != 15:  # which is its guardian's end
                    os.kill(self.guardian.reaper(), number)
            control.send(b"signal\0" + b"9")
            self.assertEqual(list(heard(control)), [[wire.EXITED, b"9"], [wire.GONE, b"0"]])
        self.assertEqual(self.guardian.run(shell("echo up")).output, b"up\n")


class CompiledPlaceTests(PlaceTests):
    """
    What can be seen of the compiled guardian, and of its reapers.
    """

    kind = COMPILED

    def setUp(self) -> None:
        require_compiled()
        super().setUp()

    def test_memory(self) -> None:
        """
        A reaper needs little memory of its own, also once it has done all that it can.
        """
        large = [(b"V", b"x" * 60_000)]
        for env, most in (ENV, 100), (large, 180):
            packet = order(b"/bin/sleep", b"1000", env=env)
            control, output = self.guardian.give(packet)
            with control, open(output):
                self.assertEqual(wire.unpack(control.recv(100))[0], wire.EXECUTED)
                for verb in b"stop\0" + b"9", wire.RUN, wire.KILL, wire.RUN:
                    control.send(verb)
                    while wire.unpack(control.recv(10_000))[0] == wire.EXITED:
                        continue
                reaper = self.guardian.reaper()
                self.assertLess(private(reaper), most)
            self.assertLess(private(self.guardian.helper.pid), 400)
            soon(children, self.guardian.helper.pid, [])

    def test_secrets(self) -> None:
        """
        No order stays with the guardian, nor comes to the reaper of another.
        """
        held = []
        secrets = [b"secret-%d-" % number * 3 for number in range(4)]
        for secret, size in zip(secrets, (10, 5000, 120_000, 10), strict=True):
            env = [(b"TOKEN", secret), (b"V", b"x" * size)]
            control, output = self.guardian.give(order(b"/bin/sleep", b"1000", env=env))
            self.assertEqual(wire.unpack(control.recv(100))[0], wire.EXECUTED)
            held.append((control, output))
        reapers = sorted(children(self.guardian.helper.pid))
        known = [[secret for secret in secrets if secret in memory(pid)] for pid in reapers]
        self.assertEqual(sorted(known), [[secret] for secret in secrets])
        self.assertNotIn(b"secret-", memory(self.guardian.helper.pid))
        for control, output in held:
            control.close()
            os.close(output)

    def test_noMemory(self) -> None:
        """
        An order for which there is no memory is refused, and the next one is not.
        """
        pid = self.guardian.helper.pid
        before = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (1, before[1]))
        said = self.guardian.run(order(b"/bin/true", b"x" * 150_000))
        why = b"its helper has no memory left"
        self.assertEqual(said.answers, [[wire.REFUSED, b"126", why]])
        resource.prlimit(pid, resource.RLIMIT_AS, before)
        self.assertEqual(self.guardian.run(order(b"/bin/echo", b"a")).output, b"a\n")

    def test_noMemoryToEnd(self) -> None:
        """
        A tree that there is no memory to look at as a whole ends all the same.
        """
        script = "i=0; while [ $i -lt 200 ]; do setsid sleep 1000 & i=$((i+1)); done; echo up"
        control, output = self.guardian.give(shell(f"{script}; wait"))
        with control, open(output, "rb") as file:
            self.assertEqual(wire.unpack(control.recv(100))[0], wire.EXECUTED)
            self.assertEqual(file.readline(), b"up\n")
            resource.prlimit(self.guardian.reaper(), resource.RLIMIT_AS, (1, 1))
            control.send(wire.KILL)
            exited, gone = heard(control)
            self.assertEqual(exited, [wire.EXITED, b"9"])
            self.assertEqual(gone[:2], [wire.GONE, b"50"])
            self.assertEqual(len(gone), 52, "something was left")


def memory(pid: int) -> bytes:
    """
    All that a process may write to.

    @raise SkipTest: It may not be looked at.
    """
    found = []
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as file:
            for place, rights, *_ in map(str.split, maps):
                if rights.startswith("rw"):
                    start, end = (int(number, 16) for number in place.split("-"))
                    file.seek(start)
                    found.append(file.read(end - start))
    except PermissionError as e:
        raise SkipTest("nobody may look into the memory of another process here") from e
    return b"".join(found)


def private(pid: int) -> int:
    """
    KiB of memory that a process has for itself.
    """
    with open(f"/proc/{pid}/smaps_rollup") as file:
        fields = [line.split() for line in file]
    return sum(int(words[1]) for words in fields if words[0] == "Private_Dirty:")
