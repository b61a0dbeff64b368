"""
Tests of the unpacker, L{smartmob.source.unpack}, and of how it is run,
L{smartmob.source.unpacking}.
"""

from __future__ import annotations

import io
import json
import os
import signal
import stat
from collections.abc import Callable
from contextlib import redirect_stdout

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob.launch.interfaces import Command, ILauncher
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.limits import SourceLimits
from smartmob.source.removal import remove_tree
from smartmob.source.unpack import __main__ as program
from smartmob.source.unpack.destination import Destination, Refused
from smartmob.source.unpacking import Unpacked, Unpacker
from tests.support.archives import (
    APP,
    BAD,
    GOOD,
    PROCFILE,
    Entry,
    file,
    folder,
    hard_link,
    symlink,
    tar,
    tgz,
    zipped,
)
from tests.support.launching import FakeLauncher
from tests.support.spawning import SpawningLauncher

LIMITS = SourceLimits(
    unpacked_bytes=10_000_000,
    entries=500,
    unpack_memory_bytes=150 << 20,
    unpack_seconds=50,
)


def found(path: str) -> dict[str, str]:
    """
    What is in a folder: by name, what it is.
    """
    things = {}
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            full = os.path.join(parent, name)
            mode = os.lstat(full).st_mode
            kind = "link" if stat.S_ISLNK(mode) else f"{mode:o}"
            things[os.path.relpath(full, path)] = kind
    return things


#: Machines that run tests may be busy.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class ProcessTests(TestCase):
    """
    The unpacker as a process.
    """

    def setUp(self) -> None:
        """
        A folder to unpack in, with nothing beside it.
        """
        self.base = os.path.abspath(self.mktemp())
        os.mkdir(self.base)
        self.folder = os.path.join(self.base, "releases", "app", "X")
        self.launcher = SpawningLauncher(IReactorProcess(reactor))
        self.unpacker = Unpacker(Clock(), ILauncher(self.launcher), LIMITS)

    async def unpacked(self, data: bytes) -> Unpacked:
        """
        Unpack an archive of those bytes.
        """
        archive = os.path.join(self.base, "archive")
        with open(archive, "wb") as written:
            written.write(data)
        try:
            return await self.unpacker.unpack(archive, self.folder)
        finally:
            os.unlink(archive)
            self.assertTrue(self.launcher.programs[-1].dismissed)

    async def test_good(self) -> None:
        """
        Archives of every kind are unpacked, and nothing is beside them.
        """
        for name, build in GOOD.items():
            with self.subTest(name=name):
                unpacked = await self.unpacked(build())
                self.assertEqual(unpacked, Unpacked("", PROCFILE, None))
                self.assertEqual(os.listdir(self.base), ["releases"])
                self.assertEqual(os.listdir(os.path.dirname(self.folder)), ["X"])
                remove_tree(os.path.join(self.base, "releases"))

    async def test_bad(self) -> None:
        """
        Everything else is refused in a sentence that says why, and what was made of it
        lies where it is removed.
        """
        for name, (build, why) in BAD.items():
            with self.subTest(name=name):
                error = await self.refusal(build())
                self.assertIs(type(error), SourceRefused, error)
                self.assertIn("the archive was refused: ", error.reason)
                self.assertIn(why, error.reason)
                self.assertTrue(error.reason.isprintable())
                self.assertEqual(os.listdir(self.base), ["releases"])
                self.assertEqual(os.listdir(os.path.dirname(self.folder)), ["X.tmp"])
                remove_tree(os.path.join(self.base, "releases"))
                self.assertFalse(os.path.exists("/ESC"))

    async def refusal(self, data: bytes) -> SourceError:
        """
        Why an archive of those bytes is refused.
        """
        try:
            await self.unpacked(data)
        except SourceError as error:
            return error
        raise self.failureException("it was unpacked")

    async def test_contents(self) -> None:
        """
        Files, folders and links are as in the archive; of modes only who may execute.
        """
        entries = [
            APP,
            file("run", b"#!/bin/sh\n", 0o700),
            file("su", b"", 0o6755),
            file("none", b"", 0o000),
            folder("d", 0o000),
            file("d/f", b"", 0o666),
            symlink("d/l", "../Procfile"),
            symlink("d/dangling", "nothing"),
            symlink("d/loop", "loop"),
        ]
        expected = {
            "Procfile": "100644",
            "run": "100755",
            "su": "100755",
            "none": "100644",
            "d": "40755",
            "d/f": "100644",
            "d/l": "link",
            "d/dangling": "link",
            "d/loop": "link",
        }
        for build in (tar, tgz, zipped):
            with self.subTest(build=build):
                await self.unpacked(build(*entries))
                self.assertEqual(found(self.folder), expected)
                self.assertEqual(os.readlink(f"{self.folder}/d/l"), "../Procfile")
                remove_tree(self.folder)

    async def test_hardLinks(self) -> None:
        """
        A hard link to a file of the archive is one.
        """
        await self.unpacked(tar(APP, hard_link("d/h", "Procfile"), hard_link("i", "d/h")))
        names = ("Procfile", "d/h", "i")
        self.assertEqual(len({os.stat(f"{self.folder}/{name}").st_ino for name in names}), 1)

    async def test_bytesOfNames(self) -> None:
        """
        A name that is no UTF-8 stays the bytes that it is.
        """
        name = b"caf\xe9.txt"
        text = name.decode("utf-8", "surrogateescape")
        data = zipped(APP, file("cafX.txt")).replace(b"cafX", b"caf\xe9")
        for archive in (tar(APP, file(text)), data):
            await self.unpacked(archive)
            self.assertIn(name, os.listdir(os.fsencode(self.folder)))
            remove_tree(self.folder)

    async def test_home(self) -> None:
        """
        The Procfile is in the root, or in the one top folder, beside which archivers may
        have left their own.
        """
        env = file(".env", b"A=1\n")
        inner: list[Entry] = [file("app-1/Procfile", PROCFILE), file("app-1/.env", b"A=1\n")]
        junk = [
            *(file("__MACOSX/._app-1"), file(".DS_Store"), file("._app-1")),
            *(file("pax_global_header"), file("PaxHeaders.1/x")),
        ]
        for entries, expected in [
            ([APP, env], Unpacked("", PROCFILE, b"A=1\n")),
            ([APP, folder("d")], Unpacked("", PROCFILE, None)),
            (inner, Unpacked("app-1", PROCFILE, b"A=1\n")),
            ([*inner, *junk], Unpacked("app-1", PROCFILE, b"A=1\n")),
            ([*inner, folder("other")], Unpacked("", None, None)),
            ([*inner, file("README")], Unpacked("", None, None)),
            ([*inner, symlink("other", "app-1")], Unpacked("", None, None)),
            ([file("a/b/Procfile")], Unpacked("a", None, None)),
            ([file("x")], Unpacked("", None, None)),
            ([file("p", PROCFILE), symlink("Procfile", "p")], Unpacked("", PROCFILE, None)),
        ]:
            with self.subTest(entries=entries):
                self.assertEqual(await self.unpacked(tar(*entries)), expected)
                remove_tree(self.folder)

    async def test_largeTexts(self) -> None:
        """
        A Procfile and an .env of 1 MiB each are read.
        """
        text = b"x" * (1 << 20)
        unpacked = await self.unpacked(tgz(file("Procfile", text), file(".env", text)))
        self.assertEqual(unpacked, Unpacked("", text, text))

    async def test_cancelled(self) -> None:
        """
        Cancelling kills the unpacker, and is over when it is gone.
        """
        archive = os.path.join(self.base, "fifo")
        os.mkfifo(archive)
        unpacking = Deferred.fromCoroutine(self.unpacker.unpack(archive, self.folder))
        [running] = self.launcher.programs
        pid = running.pid
        assert pid is not None
        unpacking.cancel()
        try:
            await unpacking
        except CancelledError:
            pass
        else:
            self.fail("it was not cancelled")
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)
        self.assertTrue(running.dismissed)


class RunTests(SynchronousTestCase):
    """
    What it means how the unpacker ended.
    """

    def setUp(self) -> None:
        """
        A launcher.
        """
        self.clock = Clock()

    def begin(self) -> None:
        """
        Have an unpacker that is about to run.
        """
        self.launcher = FakeLauncher(self.clock)
        unpacker = Unpacker(self.clock, ILauncher(self.launcher), LIMITS)
        self.unpacking = Deferred.fromCoroutine(unpacker.unpack("/a", "/x"))
        [self.program] = self.launcher.programs

    def check(self, kind: type[SourceError], reason: str) -> None:
        """
        Assert that it failed so, and that nothing is left.
        """
        error = self.failureResultOf(self.unpacking, kind).value
        assert isinstance(error, SourceError)
        self.assertEqual(error.reason, reason)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.program.dismissed)

    def test_command(self) -> None:
        """
        It is bounded, and sees nothing of the agent's environment.
        """
        self.begin()
        command: Command = self.program.command
        self.assertEqual(command.env, {})
        self.assertEqual(command.argv[-4:], ("/a", "/x", "10000000", "500"))
        self.assertEqual(command.rlimits["RLIMIT_AS"], (150 << 20, 150 << 20))
        self.assertEqual(command.rlimits["RLIMIT_CPU"], (50, 51))
        self.assertEqual(command.rlimits["RLIMIT_FSIZE"], (10_000_000, 10_000_000))
        self.assertEqual(command.rlimits["RLIMIT_CORE"], (0, 0))

    def test_slow(self) -> None:
        """
        It is killed when its time is over, which begins when it runs.
        """
        self.begin()
        self.clock.advance(1000)
        self.program.execute()
        self.clock.advance(49)
        self.assertFalse(self.program.was_killed)
        self.clock.advance(1)
        self.assertTrue(self.program.was_killed)
        self.program.end(signal=signal.SIGKILL)
        self.check(SourceRefused, "the archive takes longer than 50 s to unpack")

    def test_busy(self) -> None:
        """
        So it is when it used so much time of the processor.
        """
        self.begin()
        self.program.execute()
        self.program.end(signal=signal.SIGXCPU)
        self.check(SourceRefused, "the archive takes longer than 50 s to unpack")

    def test_endings(self) -> None:
        """
        What is not the archive's fault may go better later.
        """
        ends: list[tuple[Callable[[], None], SourceError]] = [
            (
                lambda: self.program.fail("no python"),
                SourceUnavailable("the unpacker could not be started: no python"),
            ),
            (
                self.program_lost,
                SourceUnavailable("the unpacker was lost, with the helper that started it"),
            ),
            (self.program_killed, SourceUnavailable("the unpacker was killed by signal 9")),
        ]
        for end, error in ends:
            with self.subTest(error=error):
                self.begin()
                end()
                self.check(type(error), error.reason)

    def program_lost(self) -> None:
        """
        Its helper is killed.
        """
        self.program.execute()
        self.program.lose()

    def program_killed(self) -> None:
        """
        Someone kills it.
        """
        self.program.execute()
        self.program.end(signal=signal.SIGKILL)

    def test_silent(self) -> None:
        """
        An unpacker that says nothing that can be understood has failed, and what it
        said is in the log.
        """
        self.begin()
        self.program.execute()
        self.program.output(b'{"hom')
        self.program.output(b"Traceback", 2)
        self.program.end(1)
        self.check(SourceRefused, "the archive made the unpacker fail")

    def test_cancelledEarly(self) -> None:
        """
        Cancelling before it was executed waits for its end, too.
        """
        self.begin()
        self.unpacking.cancel()
        self.assertTrue(self.program.was_killed)
        self.assertNoResult(self.unpacking)
        self.program.fail()
        self.failureResultOf(self.unpacking, CancelledError)
        self.assertTrue(self.program.dismissed)


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", ""]), max_size=4).map("/".join)
ENTRIES = st.one_of(
    st.builds(file, NAMES),
    st.builds(folder, NAMES),
    st.builds(symlink, NAMES, NAMES),
    st.builds(hard_link, NAMES, NAMES),
)


class AnyArchiveTests(SynchronousTestCase):
    """
    Archives that nobody thought of.
    """

    def unpack(self, data: bytes) -> str | None:
        """
        Unpack within this process.

        @return: The folder, unless it was refused.
        """
        base = os.path.abspath(self.mktemp())
        os.makedirs(base)
        self.addCleanup(remove_tree, base)
        archive, target = os.path.join(base, "archive"), os.path.join(base, "in", "X")
        with open(archive, "wb") as written:
            written.write(data)
        with redirect_stdout(io.StringIO()) as said:
            code = program.main([archive, target, "100000", "100"])
        self.assertEqual("error" in json.loads(said.getvalue()), bool(code))
        self.assertEqual(sorted(os.listdir(base)), ["archive", "in"])
        self.assertEqual(os.listdir(f"{base}/in"), ["X.tmp" if code else "X"])
        return None if code else target

    @PATIENT
    @given(st.lists(ENTRIES, max_size=8))
    def test_entries(self, entries: list[Entry]) -> None:
        """
        Whatever the entries, nothing leads out of the folder, and no two files are one
        that are not meant to be.
        """
        target = self.unpack(tar(*entries))
        if target is None:
            return
        root = os.path.realpath(target)
        for parent, folders, files in os.walk(target):
            for name in (*folders, *files):
                real = os.path.realpath(os.path.join(parent, name))
                self.assertEqual(os.path.commonpath((root, real)), root)

    @PATIENT
    @given(st.integers(0, 3000), st.integers(0, 255), st.sampled_from([tar, tgz, zipped]))
    def test_changedByte(self, at: int, value: int, build: Callable[..., bytes]) -> None:
        """
        Whatever byte is another, it is unpacked or refused.
        """
        data = bytearray(build(APP, file("a", bytes(600)), symlink("l", "a"), folder("d")))
        data[at % len(data)] = value
        self.unpack(bytes(data))

    @PATIENT
    @given(st.binary(max_size=2000), st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b", b"BZh"]))
    def test_anyBytes(self, data: bytes, magic: bytes) -> None:
        """
        Whatever the bytes, they are unpacked or refused.
        """
        self.unpack(magic + data)


class DestinationTests(SynchronousTestCase):
    """
    Tests of L{Destination}.
    """

    def test_fileExists(self) -> None:
        """
        What is there already is never written to.
        """
        path = self.mktemp()
        os.mkdir(path)
        os.symlink("/etc/passwd", f"{path}/f")
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, root)
        destination = Destination(root, 100, 100)
        with open(os.devnull, "rb") as nothing:
            self.assertRaises(Refused, destination.file, ("f",), nothing, executable=False)
            self.assertRaises(Refused, destination.file, ("f", "g"), nothing, executable=False)
