"""
Releases of programs that run as another user: really unpacked, as root alone can.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tempfile

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.filepath import FilePath
from twisted.trial.unittest import TestCase

from smartmob.launch.interfaces import ILauncher
from smartmob.launch.launcher import Launcher
from smartmob.source.errors import SourceError, SourceRefused
from smartmob.source.keeping import Keep
from smartmob.source.limits import SourceLimits
from smartmob.source.release import Release
from smartmob.source.sources import Sources
from smartmob.source.unpacking import Unpacker
from smartmob.templates import Identity
from tests.support.archives import file, folder, of_app, symlink, tar, zipped
from tests.support.http_origin import Origin
from tests.support.users import another_user


class IdentityTests(TestCase):
    """
    Sources whose programs run as another user.
    """

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        """
        Start a server, a launcher and sources.
        """
        self.who = another_user()
        self.path = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, self.path, ignore_errors=True)
        self.origin = Origin(reactor)
        self.launcher = Launcher(reactor)
        self.launcher.startService()
        self.start()

    def start(self, *keep: tuple[str, str]) -> None:
        """
        Start sources, that keep some releases.
        """
        limits = SourceLimits(unpacked_bytes=10_000_000, entries=500)
        self.sources = Sources(reactor, ILauncher(self.launcher), FilePath(self.path), limits)
        self.sources.keep = Keep(releases=frozenset(keep))
        self.sources.startService()

    async def tearDown(self) -> None:  # type: ignore[override]  # as above
        """
        Stop them.
        """
        if hasattr(self, "origin"):  # it was not skipped
            await self.sources.stopService()
            await self.launcher.stopService()
            await self.origin.stop()

    def release(self, archive: bytes, who: Identity | None) -> Deferred[Release]:
        """
        Have a release of an archive.
        """
        url = self.origin.serve("/a", archive)
        return self.sources.release(
            *("app", "slug", url, None, "id-1"), lambda state: None, identity=who
        )

    def mode(self, *names: str) -> tuple[str, int]:
        """
        The mode of a folder below the state folder, and its group.
        """
        found = os.stat(os.path.join(self.path, *names))
        return f"{stat.S_IMODE(found.st_mode):o}", found.st_gid

    def owners(self, path: str) -> set[tuple[int, int]]:
        """
        Whose all of a folder is.
        """
        names = [path]
        for parent, folders, files in os.walk(path):
            names += [os.path.join(parent, name) for name in (*folders, *files)]
        found = [os.lstat(name) for name in names]
        return {(each.st_uid, each.st_gid) for each in found}

    async def test_release(self) -> None:
        """
        All of a release is its user's, who alone has the way to it; it goes as any other,
        whatever a program left in it.
        """
        archive = of_app([file("d/f"), folder("e"), symlink("l", "d/f")], top="top/")
        release = await self.release(archive, self.who)
        where = release.source.path
        self.assertEqual(self.owners(where), {(self.who.uid, self.who.gid)})
        self.assertEqual(release.procfile, b"web: ./run\n")
        self.assertEqual(self.mode(), ("710", self.who.gid))
        self.assertEqual(self.mode("releases"), ("710", self.who.gid))
        self.assertEqual(self.mode(where), ("750", self.who.gid))
        for other in ("downloads", "archives"):
            self.assertEqual(self.mode(other), ("700", 0))
        os.makedirs(release.path / "made/by/it")
        os.chown(release.path / "made/by", self.who.uid, self.who.gid)
        os.chmod(release.path / "made/by", 0)
        await self.sources.drop(release, "slug")
        self.assertEqual(os.listdir(os.path.join(self.path, "releases")), [])

    async def test_restored(self) -> None:
        """
        It is still its user's for the next sources, who let that user in; nobody else gets
        it, nor does the user what is another's by now, and its manifest is the agent's.
        """
        made = await self.release(of_app([file("d/f")]), self.who)
        where = made.source.path
        await self.sources.stopService()
        os.chmod(self.path, 0o700)
        self.start(("app", made.name))
        other = evolve(self.who, uid=self.who.uid - 7)
        for who in (None, other):
            self.assertIsNone(await self.sources.restored("app", made.name, "slug", who))
        self.assertEqual(self.mode("releases"), ("700", self.who.gid))
        release = await self.sources.restored("app", made.name, "slug", self.who)
        assert release is not None
        self.assertEqual(release.source.path, where)
        self.assertEqual(self.owners(where), {(self.who.uid, self.who.gid)})
        self.assertEqual(self.owners(f"{where}.json"), {(0, 0)})
        self.assertEqual([self.mode(), self.mode("releases")], [("710", self.who.gid)] * 2)
        await self.sources.stopService()
        os.chown(where, other.uid, -1)
        self.start(("app", made.name))
        self.assertIsNone(await self.sources.restored("app", made.name, "slug", self.who))
        self.assertEqual(os.listdir(os.path.join(self.path, "releases")), [])

    async def test_agentsOwn(self) -> None:
        """
        Without another user nobody else is let in, and the same bytes are another release.
        """
        archive = of_app()
        mine = await self.release(archive, None)
        self.assertEqual([self.mode(), self.mode("releases")], [("700", 0)] * 2)
        self.assertEqual(self.owners(mine.source.path), {(0, 0)})
        root = await self.release(archive, Identity(uid=0, gid=0))
        self.assertEqual([self.mode(), self.mode("releases")], [("700", 0)] * 2)
        theirs = await self.release(archive, self.who)
        self.assertEqual(len({each.source.path for each in (mine, root, theirs)}), 3)
        self.assertEqual(self.owners(mine.source.path), {(0, 0)})

    async def test_severalUsers(self) -> None:
        """
        Where there are several users, each has the way, but enters no other's release.
        """
        other = evolve(self.who, uid=self.who.uid - 7, gid=self.who.gid - 7)
        archive = of_app()
        releases = await gatherResults(
            [self.release(archive, who) for who in (self.who, other)]
        )
        self.assertEqual([self.mode()[0], self.mode("releases")[0]], ["711", "711"])
        for who, release in zip((self.who, other), releases, strict=True):
            self.assertEqual(self.mode(release.source.path), ("750", who.gid))
            self.assertEqual(self.owners(release.source.path), {(who.uid, who.gid)})

    async def test_kinds(self) -> None:
        """
        Every kind of archive is unpacked, though the user may not read Python's own files.
        """
        plain = tar(file("Procfile", b"web: ./run\n"), file("ä"))
        strange = zipped(file("Procfile", b"web: ./run\n"), file("\u00e4.txt"))
        for archive in (
            plain,
            gzip.compress(plain),
            bz2.compress(plain),
            lzma.compress(plain),
            strange,
        ):
            release = await self.release(archive, self.who)
            self.assertEqual(self.owners(release.source.path), {(self.who.uid, self.who.gid)})
            await self.sources.drop(release, "slug")

    async def test_refused(self) -> None:
        """
        What is no good archive is refused in the same words, and leaves nothing.
        """
        for archive, why in (
            (b"<html>", "not an archive: it looks like an HTML page"),
            (tar(file("../x")), "leads out of the archive"),
            (tar(file("big", bytes(10_000_001))), "10000000 bytes"),
            (of_app()[:-600], "archive"),
        ):
            try:
                await self.release(archive, self.who)
            except SourceError as error:
                self.assertIsInstance(error, SourceRefused)
                self.assertIn(why, error.reason)
            else:
                self.fail(why)
            self.assertEqual(os.listdir(os.path.join(self.path, "releases")), [])

    async def test_slow(self) -> None:
        """
        An unpacker that takes too long is killed, with its child that has become the user.
        """
        unpacker = Unpacker(reactor, ILauncher(self.launcher), SourceLimits(unpack_seconds=1))
        archive = os.path.join(self.path, "endless")
        os.mkfifo(archive)
        writer = os.open(archive, os.O_RDWR)
        self.addCleanup(os.close, writer)
        try:
            await unpacker.unpack(archive, os.path.join(self.path, "x"), self.who)
        except SourceError as error:
            self.assertIn("takes longer than 1 s to unpack", error.reason)
        else:
            self.fail("it was unpacked")
