"""
The guardian in Python and the compiled one are twins: to whatever they are told, they give
the same answers.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import tempfile
from array import array

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.launch import wire
from smartmob.launch.helper import COMPILED, PYTHON
from tests.support.processes import PLAIN
from tests.support.twins import (
    ENV,
    Guardian,
    Said,
    children,
    descriptors,
    heard,
    order,
    require_compiled,
    sent,
    shell,
    soon,
)

SO_SNDBUFFORCE = 32
"""
Of socket(7): as SO_SNDBUF, but root may have any.
"""


class TwinCase(SynchronousTestCase):
    """
    One guardian of each kind.
    """

    def setUp(self) -> None:
        require_compiled()
        self.twins = [self.guardian(kind) for kind in (COMPILED, PYTHON)]

    def guardian(self, kind: str, bounds: tuple[int, int] = (256, 1024)) -> Guardian:
        """
        One more.
        """
        guardian = Guardian(kind, bounds)
        self.addCleanup(guardian.end)
        return guardian

    def same(self, packet: bytes, *then: bytes, count: int = 3) -> Said:
        """
        What both say to an order.
        """
        compiled, python = (twin.run(packet, *then, count=count) for twin in self.twins)
        self.assertEqual(compiled, python)
        return compiled

    def refused(self, packet: bytes) -> str:
        """
        What both say of an order that can't be executed: the code and the reason.
        """
        [[word, code, why]] = self.same(packet).answers
        self.assertEqual(word, wire.REFUSED)
        return f"{code.decode()} {os.fsdecode(why)}"

    def folder(self) -> str:
        """
        One that everybody may enter.
        """
        path = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, path)
        os.chmod(path, 0o755)
        return path


def files_in(folder: str) -> None:
    """
    Fill a folder with what may, and what may not, be executed.
    """
    for name, text, mode in (
        ("good", "#!/bin/sh\necho good $0 $*\n", 0o755),
        ("plain", "#!/bin/sh\necho plain\n", 0o644),
        ("noline", "echo noline $0 $*\n", 0o755),
        ("-dash", "echo dash $0 $*\n", 0o755),
        ("lost", "#!/nowhere/sh\n", 0o755),
        ("through", "#!/etc/passwd/sh\n", 0o755),
        ("b\udcff", "#!/bin/sh\necho bytes\n", 0o755),
    ):
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
    os.mkdir(os.path.join(folder, "folder"))
    os.symlink("loop", os.path.join(folder, "loop"))
    os.symlink("nowhere", os.path.join(folder, "dangling"))
    closed = os.path.join(folder, "closed")
    os.mkdir(closed)
    shutil.copy(os.path.join(folder, "good"), closed)
    os.chmod(closed, 0)


NAMES = ["good", "plain", "noline", "-dash", "lost", "through", "folder", "loop", "dangling"]


class OrderTests(TwinCase):
    """
    Orders of all kinds.
    """

    def setUp(self) -> None:
        super().setUp()
        self.place = self.folder()
        files_in(self.place)
        self.addCleanup(os.chmod, os.path.join(self.place, "closed"), stat.S_IRWXU)

    def places(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """
        Programs, parts of a PATH, and folders.
        """
        place = self.place
        names = [*NAMES, "b\udcff", "missing", "", "x" * 5000, "\u00e9"]
        programs = [
            *names,
            *(f"./{name}" for name in names),
            *(f"{place}/{name}" for name in names),
            "good/",
            "closed/good",
            "/",
            "//bin/true",
            "printf",
        ]
        path = [place, f"{place}/", "", ".", "/nowhere", "/etc/passwd", f"{place}/closed"]
        path += ["/bin", "x" * 4090]
        folders = [place, "/", "/nowhere", f"{place}/good", f"{place}/closed", "x" * 5000]
        folders += [f"{place}/loop", "", ".", f"{place}/b\udcff"]
        return (
            [os.fsencode(word) for word in programs],
            [os.fsencode(word) for word in path],
            [os.fsencode(word) for word in folders],
        )

    def test_programs(self) -> None:
        """
        Programs are found in the same places, and the same is wrong with them.
        """
        programs, path, folders = self.places()

        @settings(max_examples=300, deadline=None, database=None)
        @given(
            st.sampled_from(programs),
            st.lists(st.sampled_from(path), max_size=4).map(b":".join) | st.none(),
            st.lists(st.sampled_from((b"", b"a b", b"\xff", b"x=%s\n")), max_size=3),
            st.just(folders[0]) | st.sampled_from(folders),
        )
        def check(program: bytes, path: bytes | None, words: list[bytes], cwd: bytes) -> None:
            env = [] if path is None else [(b"PATH", path)]
            self.same(order(program, *words, env=env, cwd=cwd))

        check()

    def test_worlds(self) -> None:
        """
        The same world is around a program, whatever is asked for, and what can't be given
        is refused with the same words.
        """
        words = st.binary(max_size=30).map(lambda word: word.replace(b"\0", b""))
        names = words.map(lambda word: word.replace(b"=", b""))
        bounds = st.sampled_from((-2, -1, 0, 1, 20, 100, 5000, 2**31, 2**63 - 1))
        kinds = (
            "CORE",
            "NOFILE",
            "FSIZE",
            "RTPRIO",
            "NONE",
            "SIGPENDING",
            "OFILE",
            "",
            "\u00e9",
        )
        identities = [[], [], [PLAIN, PLAIN], [PLAIN, PLAIN, 1, 2, 2], [0, 0]]
        identities += [
            [2**32 - 1, 5],
            [5, 2**32 - 1],
            [5, 5, 2**32 - 1],
            [os.getuid(), os.getgid()],
        ]
        script = (
            b"umask; nice; ulimit -Sc; ulimit -Hn; ulimit -Sf; pwd;"
            b"grep -E '^(Uid|Gid|Groups|NoNewPrivs|Sig...):' /proc/self/status;"
            b"for fd in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && echo $fd; done;"
            b"env -0 | sort -z"
        )

        @settings(max_examples=150, deadline=None, database=None)
        @given(
            env=st.dictionaries(names, words, max_size=5),
            umask=st.integers(0, 0o777),
            nice=st.sampled_from((0, 0, 3, 40, -3)),
            no_new_privileges=st.booleans(),
            limits=st.lists(
                st.tuples(st.sampled_from(kinds), st.tuples(bounds, bounds)), max_size=2
            ),
            identity=st.sampled_from(identities),
        )
        def check(
            env: dict[bytes, bytes],
            umask: int,
            nice: int,
            no_new_privileges: bool,
            limits: list[tuple[str, tuple[int, int]]],
            identity: list[int],
        ) -> None:
            self.same(
                order(
                    b"/bin/sh",
                    b"-c",
                    script,
                    env=[*ENV, *((name, env[name]) for name in env if name != b"PATH")],
                    umask=umask,
                    nice=nice,
                    no_new_privileges=no_new_privileges,
                    limits=[(f"RLIMIT_{kind}".encode(), *pair) for kind, pair in limits],
                    identity=identity,
                )
            )

        check()

    def test_environment(self) -> None:
        """
        An environment arrives as it was given, in its order.
        """
        env = [(b"B", b""), (b"A", b"\xff=\n"), (b"_ \xe9", b"x" * 1000)]
        said = self.same(order(b"/usr/bin/env", b"-0", env=env))
        self.assertEqual(said.output, b"".join(b"%b=%b\0" % pair for pair in env))

    def test_limits(self) -> None:
        """
        Both know all limits that there are.
        """
        names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
        self.assertIn("RLIMIT_NOFILE", names)
        limits = [
            (name.encode(), *resource.getrlimit(getattr(resource, name)))
            for name in names
            if name not in ("RLIMIT_NOFILE", "RLIMIT_OFILE")
        ]
        limits += [(b"RLIMIT_NOFILE", 30, 40), (b"RLIMIT_OFILE", 30, 40)]
        said = self.same(order(b"/bin/cat", b"/proc/self/limits", limits=limits))
        self.assertRegex(said.output, rb"Max open files +30 +40 ")

    def test_garbage(self) -> None:
        """
        Whatever is no order is refused with the same words, and does no harm.
        """
        whole = wire.unpack(
            order(b"/bin/echo", b"a", b"b", limits=[(b"RLIMIT_CORE", 0, 0)], env=[(b"A", b"b")])
        )
        words = st.text("0123456789-.e =/a\xff", max_size=12).map(
            lambda word: word.encode("latin-1")
        )
        changes = st.lists(
            st.tuples(
                st.integers(0, len(whole)), st.integers(0, 2), st.lists(words, max_size=2)
            ),
            max_size=3,
        )

        @settings(max_examples=300, deadline=None, database=None)
        @given(changes, st.integers(0, 80) | st.none(), st.sampled_from((3, 3, 3, 0, 1, 2, 4)))
        def check(
            changes: list[tuple[int, int, list[bytes]]], length: int | None, count: int
        ) -> None:
            garbled = list(whole)
            for place, dropped, put in changes:
                garbled[place : place + dropped] = put
            packet = b"\0".join(garbled)[:length]
            if packet:  # else it is the end of the connection
                self.same(packet, count=count)

        check()

    def test_ping(self) -> None:
        """
        Who asks whether they are there is told so, each time; what only begins like a
        question is none, nor one with descriptors.
        """
        for twin in self.twins:
            for packet in (wire.PING, b"pong", b"ping\0", b"pin", b"ping ", wire.PING):
                twin.connection.send(packet)
            self.assertEqual([twin.connection.recv(100) for _ in "12"], [wire.ALIVE] * 2)
            twin.connection.setblocking(False)
            self.assertRaises(BlockingIOError, twin.connection.recv, 100)
        self.same(wire.PING)

    def test_noise(self) -> None:
        """
        So does what was never meant to be one.
        """

        @settings(max_examples=100, deadline=None, database=None)
        @given(st.binary(min_size=1, max_size=200), st.integers(0, 4))
        def check(packet: bytes, count: int) -> None:
            self.same(packet, count=count)

        check()


class SentenceTests(TwinCase):
    """
    What can't be executed says why, in the same words.
    """

    def test_sentences(self) -> None:
        """
        These are the words.
        """
        place = self.folder()
        files_in(place)
        self.addCleanup(os.chmod, os.path.join(place, "closed"), stat.S_IRWXU)
        missing = "or what it links to, is missing"
        no_right = "there is no right to it"
        nobody = 2**32 - 1
        for packet, code, why in (
            (order(b""), 127, "there is no program without a name"),
            (order(b"none"), 127, "there is no program none in any folder of PATH"),
            (order(b"/none"), 127, "there is no program /none"),
            (
                order(b"/etc"),
                126,
                f"/etc can't be executed: it is not executable, or {no_right}",
            ),
            (
                order(b"true", b"x" * 200_000),
                126,
                "true can't be executed: its arguments and its environment are too large",
            ),
            (order(b"x" * 300), 126, f"{'x' * 300} can't be executed: File name too long"),
            (
                order(f"{place}/lost".encode()),
                127,
                f"the interpreter of {place}/lost, {missing}",
            ),
            (
                order(f"{place}/loop".encode()),
                127,
                f"the interpreter of {place}/loop, {missing}",
            ),
            (order(b"true", cwd=b"/none"), 126, "its folder /none does not exist"),
            (
                order(b"true", cwd=b"/etc/passwd"),
                126,
                "its folder /etc/passwd is not a folder",
            ),
            (order(b"true", cwd=b"x" * 5000), 126, f"its folder {'x' * 1989}"),
            (
                order(b"true", group=b"/none"),
                126,
                "it can't be put into its cgroup /none: No such file or directory",
            ),
            (
                order(b"true", group=b"/" + b"x" * 4070),
                126,
                "it can't be put into its cgroup /".ljust(2000, "x"),
            ),
            (
                order(b"true", limits=[(b"RLIMIT_X", 1, -1), (b"/none", 0, 0)]),
                126,
                "its limit RLIMIT_X can't be 1 (soft) and -1 (hard): there is no such limit",
            ),
            (
                order(b"true", group=b"/proc/self", limits=[(b"/none", 0, 0)]),
                126,
                "it can't be put into its cgroup /proc/self: No such file or directory",
            ),
            (
                order(b"true", limits=[(b"RLIMIT_X", 1, -1)]),
                126,
                "its limit RLIMIT_X can't be 1 (soft) and -1 (hard): there is no such limit",
            ),
            (
                order(b"true", limits=[(b"RLIMIT_CPU", -1, 1)]),
                126,
                "its limit RLIMIT_CPU can't be -1 (soft) and 1 (hard): the soft one is larger",
            ),
            (
                order(b"true", limits=[(b"RLIMIT_NOFILE", 1, 2**31)]),
                126,
                f"its limit RLIMIT_NOFILE can't be 1 (soft) and {2**31} (hard): {no_right}",
            ),
            (
                order(b"true", identity=[5, nobody]),
                126,
                f"it can't be given the user 5 and the group {nobody}: there is no such number",
            ),
            (
                order(b"true", env=[(b"A=", b"")]),
                126,
                "it can't be executed: a name in its environment is empty, or has = in it",
            ),
            (b"no order", 126, "it can't be executed: the order is garbled"),
        ):
            self.assertEqual(self.refused(packet), f"{code} {why}")

    def test_rights(self) -> None:
        """
        And these, where it is a matter of rights.
        """
        if os.geteuid() == 0:
            raise SkipTest("root has all rights")
        closed = f"{self.folder()}/closed"
        os.mkdir(closed, 0)
        self.addCleanup(os.chmod, closed, stat.S_IRWXU)
        for packet, why in (
            (
                order(b"true", cwd=closed.encode()),
                f"its folder {closed} can't be entered: Permission denied",
            ),
            (
                order(b"true", nice=-1),
                "its niceness can't be changed by -1: Operation not permitted",
            ),
            (
                order(b"true", limits=[(b"RLIMIT_NOFILE", 1, 1025)]),
                (
                    "its limit RLIMIT_NOFILE can't be 1 (soft) and 1025 (hard): "
                    "there is no right to it"
                ),
            ),
            (
                order(b"true", identity=[0, 0]),
                "it can't be given the user 0 and the group 0: Operation not permitted",
            ),
        ):
            self.assertEqual(self.refused(packet), f"126 {why}")

    def test_noProcess(self) -> None:
        """
        Where no process can be made for it, that is why.
        """
        if os.geteuid() == 0:
            raise SkipTest("root may always have one more process")
        for twin in self.twins:
            before = resource.prlimit(twin.helper.pid, resource.RLIMIT_NPROC)
            resource.prlimit(twin.helper.pid, resource.RLIMIT_NPROC, (0, before[1]))
        why = "126 no process can be made for it: Resource temporarily unavailable"
        self.assertEqual(self.refused(order(b"true")), why)

    def test_noDescriptors(self) -> None:
        """
        Where there is no descriptor left for its pipes, that is why; none is kept.
        """
        self.twins = [self.guardian(kind, (6, 1024)) for kind in (COMPILED, PYTHON)]
        packet = order(b"true")
        for count in 3, 4:
            said = self.same(packet, count=count)
            why = b"its helper has no descriptors left"
            self.assertEqual(said.answers, [[wire.REFUSED, b"126", why]])
        for twin in self.twins:
            self.assertEqual(descriptors(twin.helper.pid), {0, 1, 2, 3})


class RunTests(TwinCase):
    """
    What a reaper is told while its program runs.
    """

    def test_verbs(self) -> None:
        """
        Verbs do the same; what is unknown, or comes too late, does nothing.
        """
        fifo = os.path.join(self.folder(), "fifo")
        os.mkfifo(fifo)
        deaf = f"trap '' TERM; echo up; read word < {fifo}"
        for then in (
            ("kill",),
            ("stop 0.05",),
            ("stop 1e-05",),
            ("stop 1e300", "stop 0"),
            ("stop 0", "stop 100.0"),
            ("signal 9",),
            ("signal 0", "signal -9", "signal 65", "kill"),
            ("signal 2147483647", "signal 9 more"),
            ("what", " ", "run", "run again", "STOP 0", "kill"),
        ):
            packets = [packet.replace(" ", "\0").encode() for packet in then]
            said = self.same_once_up(deaf, *packets)
            words = [answer[0] for answer in said.answers]
            self.assertEqual(words, [wire.EXECUTED, wire.EXITED, wire.GONE], then)

    def test_garbled(self) -> None:
        """
        What makes no sense ends the reaper, with the same last words, and the guardian ends
        what it leaves behind.
        """
        script = "trap '' TERM; setsid sleep 1000 & echo up; exec sleep 1000"
        for verb, garbage in (
            ("stop", ("", "x", "-1", "1,5", "nan", "inf", "0x10", "1e", "1_0")),
            ("signal", ("", "x", "-", "1.5", "0x10", "1_0", "1" * 21, "2147483648")),
        ):
            what = "time" if verb == "stop" else "number"
            for word in garbage:
                said = self.same_once_up(script, f"{verb}\0{word}".encode())
                why = f"a {what} was garbled".encode()
                self.assertEqual(said.answers[1:], [[wire.BROKEN, why]])
        for twin in self.twins:
            soon(children, twin.helper.pid, [])

    def test_again(self) -> None:
        """
        A program is run again as often as wanted, also once it could not be, with an input
        or without one.
        """
        place = self.folder()
        path = os.path.join(place, "program")
        packet = order(os.fsencode(path), b"a", env=[(b"A", b"b")])
        for twin in self.twins:
            heard_of: list[list[bytes]] = []
            if os.path.exists(path):
                os.unlink(path)
            control, output = twin.give(packet)
            heard_of += heard(control)
            for text, mode in (
                ("#!/bin/sh\necho one $*; cat\n", 0o755),
                ("echo two $*; env | grep ^A; cat\n", 0o755),
                ("", 0o644),
                ("#!/bin/sh\necho three $*\n", 0o755),
            ):
                with open(path, "w") as file:
                    file.write(text)
                os.chmod(path, mode)
                reading, writing = os.pipe()
                os.write(writing, b"input\n")
                os.close(writing)
                rights = array("i", [reading] * 2)
                control.sendmsg([wire.RUN], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                os.close(reading)
                heard_of += heard(control)
            soon(descriptors, twin.reaper(), {0, 1, 2, 3, 5, 6})
            control.close()
            with open(output, "rb") as file:
                said = file.read()
            self.assertEqual(said, b"one a\ninput\ntwo a\nA=b\ninput\nthree a\n")
            words = [answer[0] for answer in heard_of]
            whole = [wire.EXECUTED, wire.EXITED, wire.GONE]
            self.assertEqual(words, [wire.REFUSED, *whole * 2, wire.REFUSED, *whole])

    def test_many(self) -> None:
        """
        A tree of 500 processes ends, however it is ended; the first of its names are told.
        """
        script = "i=0; while [ $i -lt 500 ]; do sleep 1000 & i=$((i+1)); done; echo up; wait"
        said = self.same_once_up(script, b"kill")
        self.assertEqual(said.answers[-1], [wire.GONE, b"50", *[b"sh"] * 50])
        said = self.same_once_up(script, b"stop\0" + b"20")
        self.assertEqual(said.answers[-1], [wire.GONE, b"0"])
        said = self.same_once_up(f"trap '' TERM; {script}", b"stop\0" + b"0.3")
        self.assertEqual(said.answers[-1], [wire.GONE, b"50", *[b"sh"] * 50])

    def same_once_up(self, script: str, *packets: bytes) -> Said:
        """
        What both say to packets once a shell has said that it is up.
        """
        said = []
        for twin in self.twins:
            control, output = twin.give(shell(script))
            with control, open(output, "rb") as file:
                first = wire.unpack(control.recv(100))
                line = file.readline()
                for packet in packets:
                    sent(control, packet)
                answers = [first[:1], *heard(control)]
            # What is about to be a sleep is still called as the shell that it comes from.
            said.append(
                Said(
                    [[word.replace(b"sleep", b"sh") for word in words] for words in answers],
                    line,
                )
            )
        self.assertEqual(*said)
        return said[0]

    def test_large(self) -> None:
        """
        So is an order of a megabyte, or of as much as this system lets through.
        """
        for twin in self.twins:
            if os.geteuid() == 0:
                twin.connection.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, wire.LARGEST // 2)
        granted = min(
            twin.connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            for twin in self.twins
        )
        count = min(12, granted * 3 // 4 // 100_000)
        env = [(b"V%d" % number, b"x" * 100_000) for number in range(count)]
        said = self.same(
            order(b"/bin/sh", b"-c", b"env | wc -c; env | cksum", env=[*ENV, *env])
        )
        self.assertGreater(int(said.output.split()[0]), count * 100_000)
