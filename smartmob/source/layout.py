"""
What of the state folder belongs to sources, and who may go where in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from smartmob.source.disk import Worker
from smartmob.source.errors import SourceRefused
from smartmob.source.removal import remove_tree
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

    @ivar downloads: Where archives are downloaded to.
    @ivar archives: Where those are that clients sent.
    """

    def __init__(self, disk: Worker, folder: str) -> None:
        """
        @param folder: The agent's state folder.
        """
        self._disk = disk
        self._folder = os.path.abspath(folder)
        self._releases = os.path.join(self._folder, "releases")
        self.downloads = os.path.join(self._folder, "downloads")
        self.archives = os.path.join(self._folder, "archives")
        self._groups: set[int] = set()
        self._turn = DeferredLock()

    def release(self, app: str, name: str) -> str:
        """
        Where a release lies.

        @param name: As L{name_of} has it.
        """
        return os.path.join(self._releases, app, name)

    async def prepare(self) -> None:
        """
        Make the folders, empty.

        @raise SourceRefused: That can't be done.
        """
        for path in (self.downloads, self._releases, self.archives):
            await self.remove(path)
            try:
                await self._disk.run(os.makedirs, path, 0o700, exist_ok=True)
            except OSError as error:
                raise _unusable(error) from error

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
            for path in (self._folder, self._releases):
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
        except Exception:
            _log.failure("What is left of a source can't be removed: {path}", path=path)

    async def remove_release(self, path: str) -> None:
        """
        Remove a release, with what an unpacker may have left beside it.
        """
        await self.remove(path + ".tmp")
        await self.remove(path)

    async def remove_app(self, path: str) -> None:
        """
        Remove the folder of an app's releases, if there is none.

        @param path: That of its last one.
        """
        await self._disk.run(_remove_empty, os.path.dirname(path))


def name_of(sha256: str, who: Identity | None) -> str:
    """
    What a release is called among those of its app.

    @param who: Whose it is; C{None}: the agent's.
    """
    return sha256 if who is None else f"{sha256}-{who.uid}-{who.gid}"


def _let_in(path: str, groups: Collection[int]) -> None:
    """
    Let some groups go through a folder, or everybody if there are several.
    """
    if len(groups) == 1:
        os.chown(path, -1, *groups)
    os.chmod(path, 0o710 if len(groups) == 1 else 0o711)


def _remove_empty(path: str) -> None:
    """
    Remove an app's folder, unless another release of it is there by now.
    """
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _unusable(error: OSError) -> SourceRefused:
    return SourceRefused(f"the state folder can't be used: {error.strerror}")
