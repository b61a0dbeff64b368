"""
Tests of the unpacker, L{smartmob.source.unpack}, as a process.
"""

from __future__ import annotations

import os
import stat

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob.launch.interfaces import ILauncher
from smartmob.source.errors import SourceError, SourceRefused
from smartmob.source.limits import SourceLimits
from smartmob.source.removal import remove_tree
from smartmob.source.reserve import Reserve
from smartmob.source.unpack.destination import Destination, Refused
from smartmob.source.unpacking import Unpacked, Unpacker
from tests.support.archives import (
    APP,
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
from tests.support.corpus import BAD, GOOD
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

    async def test_reserve(self) -> None:
        """
        It may not fill the disk.
        """
        limits = evolve(LIMITS, free_bytes=1 << 60, free_percent=100)
        self.unpacker = Unpacker(Clock(), ILauncher(self.launcher), limits)
        for data in (tar(APP), zipped(APP), tgz(folder("d"))):
            error = await self.refusal(data)
            self.assertIs(type(error), SourceRefused)
            self.assertRegex(
                error.reason,
                r"could not be unpacked: no room for more on the disk: \d+ are free, "
                r"and \d+ stay so$",
            )
            remove_tree(os.path.join(self.base, "releases"))

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
        destination = Destination(root, 100, 100, Reserve(0, 0))
        with open(os.devnull, "rb") as nothing:
            self.assertRaises(Refused, destination.file, ("f",), nothing, executable=False)
            self.assertRaises(Refused, destination.file, ("f", "g"), nothing, executable=False)
