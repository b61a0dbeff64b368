"""
What of the state folder belongs to sources, and who may go where in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.source.disk import Worker
from smartmob.source.errors import SourceRefused
from smartmob.source.keeping import Keep
from smartmob.source.limits import SourceLimits
from smartmob.source.manifest import path_of, sync_folder
from smartmob.source.removal import remove_tree
from smartmob.source.reserve import Reserve
from smartmob.source.sweeping import Left, Sweep
from smartmob.templates import Identity

_log = Logger()


class Layout:
    """
    The folders.

    The state folder is the agent's alone, and so is what lies in it; but a program that
    runs as another user has to come to its release.  So where such a program is, the
    way there, and nothing else, can be gone by its group, which can't look around on it.
    One way can be only one group's: where there are several, everybody may go it, to
    releases that only their users can enter.

    What is there at the start is from an earlier run of the agent: see L{Sweep}.

    @ivar downloads: Where archives are downloaded to.
    @ivar archives: Where those are that clients sent.
    @ivar releases: Where releases are.
    """

    def __init__(self, disk: Worker, folder: str) -> None:
        """
        @param folder: The agent's state folder.
        """
        self._disk = disk
        self._folder = os.path.abspath(folder)
        self.releases = os.path.join(self._folder, "releases")
        self.downloads = os.path.join(self._folder, "downloads")
        self.archives = os.path.join(self._folder, "archives")
        self._discarded = os.path.join(self._folder, "discarded")
        self._groups: set[int] = set()
        self._turn = DeferredLock()

    def release(self, app: str, name: str) -> str:
        """
        Where a release lies.

        @param name: As L{name_of} has it.
        """
        return os.path.join(self.releases, app, name)

    async def prepare(self, keep: Keep) -> Left:
        """
        Make the folders, and have what is not kept of an earlier run out of the way.

        @raise SourceRefused: That can't be done.
        """
        sweep = Sweep(self.downloads, self.releases, self.archives, self._discarded)
        try:
            left = await self._disk.run(sweep.run, keep)
        except OSError as error:
            raise _unusable(error) from error
        for path, why in left.failures:
            _log.warn("{path} is left from before: {why}", path=path, why=why)
        return left

    async def remove_discarded(self, going: Callable[[], bool]) -> None:
        """
        Remove what is out of the way: that may take its time.

        @param going: Says whether to go on; the rest waits for the next start then.
        """
        try:
            await self._disk.run(remove_tree, self._discarded, going)
        except OSError as error:
            _not_removed(self._discarded, error)

    async def is_short(self, limits: SourceLimits) -> bool:
        """
        Whether there may be no room on the disk for one more source.
        """
        most = limits.download_bytes + limits.unpacked_bytes
        try:
            await self._disk.run(_check, self.downloads, limits.reserve, most)
        except OSError:
            return True
        return False

    async def let_in(self, who: Identity | None) -> None:
        """
        Let the programs of a user come to their releases.

        @raise SourceRefused: That can't be done.
        """
        if who is None or who.uid == os.geteuid():
            return
        async with self._turn:
            if who.gid in self._groups:
                return
            groups = self._groups | {who.gid}
            for path in (self._folder, self.releases):
                try:
                    await self._disk.run(_let_in, path, groups)
                except OSError as error:
                    raise _unusable(error) from error
            self._groups = groups

    async def remove(self, path: str) -> None:
        """
        Remove something; if that can't be done, say so.
        """
        try:
            await self._disk.run(remove_tree, path)
        except Exception as error:
            _not_removed(path, error)

    async def remove_release(self, path: str, *, synced: bool) -> None:
        """
        Remove a release, with what an unpacker may have left beside it, and the folder of
        its app, if nothing else is in that.

        @param synced: Its manifest says that it is on the disk for good.
        """
        for failed, error in await self._disk.run(_remove_release, path, synced):
            _not_removed(failed, error)


def name_of(sha256: str, who: Identity | None) -> str:
    """
    What a release is called among those of its app.

    @param who: Whose it is; C{None}: the agent's.
    """
    return sha256 if who is None else f"{sha256}-{who.uid}-{who.gid}"


def sha256_in(name: str) -> str:
    """
    The sha256 of the archive that a release was made from.

    @param name: As L{name_of} has it.
    """
    return name.partition("-")[0]


def _let_in(path: str, groups: Collection[int]) -> None:
    """
    Let some groups go through a folder, or everybody if there are several.
    """
    if len(groups) == 1:
        os.chown(path, -1, *groups)
    os.chmod(path, 0o710 if len(groups) == 1 else 0o711)


def _remove_release(path: str, synced: bool) -> list[tuple[str, Exception]]:
    """
    Remove a release.

    The manifest goes first, and where it says that it counts after any loss of power, for
    good: without it, what an agent that is killed meanwhile leaves of the rest is taken for
    nothing else.

    @return: What could not be removed, and why.
    """
    failures: list[tuple[str, Exception]] = []
    manifest = path_of(path)
    for each in (manifest, manifest + ".tmp", path + ".tmp", path):
        try:
            remove_tree(each)
            if synced and each == manifest:
                sync_folder(os.path.dirname(path))
        except Exception as error:
            failures.append((each, error))
    with contextlib.suppress(OSError):  # another release of the app is there
        os.rmdir(os.path.dirname(path))
    return failures


def _not_removed(path: str, error: Exception) -> None:
    """
    Say that something stays.  What the system has against it is no defect of the agent's.
    """
    if isinstance(error, OSError):
        _log.warn("{path} can't be removed: {why}", path=path, why=error.strerror)
    else:
        _log.failure("{path} can't be removed", Failure(error), path=path)


def _check(path: str, reserve: Reserve, size: int) -> None:
    """
    See that so much more can be in a folder.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        reserve.check(folder, size)
    finally:
        os.close(folder)


def _unusable(error: OSError) -> SourceRefused:
    return SourceRefused(f"the state folder can't be used: {error.strerror}")
