"""
The folders of releases, and who needs them.

A folder's life is a line: B{unpacking} or B{looking}, B{ready}, B{closing}, gone.  It closes
when nobody waits for it or uses it any more, in whichever of the first two it is, and it is
forgotten only when nothing of it is left; a release that needs it while it closes waits, and
begins anew.  Abandoning is closing: the unpacker is killed, and what it made is removed,
before the Deferred that was cancelled fires.

What an earlier run of the agent left is B{looked at} when somebody first needs it.  Where it
is whole it is ready; where it is not it is removed, and unpacked anew for whoever can do
that.  To abandon a look leaves it as it is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smartmob.source.disk import Worker
from smartmob.source.errors import SourceUnavailable
from smartmob.source.keeping import Keep
from smartmob.source.layout import Layout, sha256_in
from smartmob.source.manifest import Manifest, NotWhole, whole, write
from smartmob.source.release import Folder, Release
from smartmob.source.shared import Shared
from smartmob.source.syncing import Syncing
from smartmob.source.unpacking import Unpacked
from smartmob.templates import Identity

Unpack = Callable[[str], Coroutine[Any, Any, Unpacked]]
"""Unpacks to a path."""

_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN)

_log = Logger()


class Folders:
    """
    The folders of releases.

    @ivar keep: What of an earlier run is still needed.
    @ivar left: What of that is there, and nobody here has needed yet.
    """

    def __init__(self, clock: IReactorTime, disk: Worker, layout: Layout, boot: str) -> None:
        """
        @param boot: Which start of the machine this is.
        """
        self.keep = Keep()
        self.left: set[tuple[str, str]] = set()
        self._clock = clock
        self._disk = disk
        self._layout = layout
        self._boot = boot
        self._folders: dict[tuple[str, str], Folder] = {}
        self._syncing = Syncing(clock, disk, layout.releases, boot)

    async def hold(
        self,
        app: str,
        name: str,
        identity: Identity | None,
        unpack: Unpack | None = None,
        unpacking: Callable[[], None] = lambda: None,
    ) -> Release | None:
        """
        Hold a release: the one that is there, or a new one.

        @param unpack: Makes one.
        @param unpacking: Called when one is being made.
        @return: C{None} where none is there and none is to be made.
        """
        key = (app, name)
        while True:
            while (folder := self._folders.get(key)) is not None and folder.closing is not None:
                await folder.closing.when_ended()
            if folder is None:
                if key not in self.left and unpack is None:
                    return None
                folder = self._begin(key, identity, unpack)
            if not folder.work.ended and not folder.found:
                unpacking()
            waiter = object()
            folder.holders.add(waiter)
            try:
                unpacked = await folder.work.join()
            except NotWhole:
                # So it is for all who wait for it: it closes with the first who hears it.
                await self._closed(folder)
                if unpack is None:
                    return None
                continue
            except Exception:
                await self.leave(folder, waiter)
                raise
            release = _release(folder, unpacked)
            folder.holders.add(release)
            folder.holders.discard(waiter)
            return release

    async def leave(self, folder: Folder, holder: object) -> None:
        """
        C{holder} needs a folder no longer; the last one has it removed.
        """
        folder.holders.discard(holder)
        if not folder.holders:
            await self._closed(folder)

    async def stop(self) -> None:
        """
        Wait for what is being made or removed.  Releases stay as they are.
        """
        await self._syncing.stop()
        for folder in list(self._folders.values()):
            closing = folder.closing
            await (folder.work if closing is None else closing).when_ended()

    def _begin(
        self, key: tuple[str, str], identity: Identity | None, unpack: Unpack | None
    ) -> Folder:
        """
        Have a new folder: of what is there, or by unpacking.
        """
        path = self._layout.release(*key)
        found = key in self.left
        folder = Folder(*key, path, found=found, stays=found)
        self.left.discard(key)
        if found:
            work = self._look(folder, identity)
        else:
            assert unpack is not None, "what would be here?"
            work = self._make(folder, unpack)
        folder.work = Shared(Deferred.fromCoroutine(work), self._clock)
        self._folders[key] = folder
        return folder

    async def _look(self, folder: Folder, identity: Identity | None) -> Unpacked:
        """
        See whether what is there of a release is whole.

        @raise NotWhole: It is not.
        """
        await self._layout.let_in(identity)
        owner = os.geteuid() if identity is None else identity.uid
        try:
            manifest = await self._disk.run(whole, folder.path, owner, self._boot)
        except NotWhole as error:
            folder.stays = False
            say = _log.warn if error.damaged else _log.info
            say(
                "Release {name} of {app} {why}", name=folder.name, app=folder.app, why=error.why
            )
            raise
        except OSError as error:
            if error.errno in _PASSING:
                why = f"the release can't be looked at: {error.strerror}"
                raise SourceUnavailable(why) from error
            folder.stays = False
            why = f"can't be read: {error.strerror}"
            _log.warn(
                "Release {name} of {app} {why}", name=folder.name, app=folder.app, why=why
            )
            raise NotWhole(why, damaged=True) from error
        folder.stays = folder.app in self.keep.apps
        folder.synced = manifest.synced
        if not folder.synced:
            self._syncing.add(folder, manifest.unpacked)
        return manifest.unpacked

    async def _make(self, folder: Folder, unpack: Unpack) -> Unpacked:
        """
        Unpack, and write down for the next run what came of it.
        """
        unpacked = await unpack(folder.path)
        manifest = Manifest(unpacked, self._boot)
        writing = Shared(self._disk.run(write, folder.path, manifest))
        try:
            await writing.when_ended()
        except CancelledError:
            await writing.when_ended()
            raise
        try:
            await writing.join()
        except OSError as error:
            _log.warn(
                "Release {name} of {app} is downloaded again by the next agent, for nothing "
                "can be written down about it: {why}",
                name=folder.name,
                app=folder.app,
                why=error.strerror,
            )
        else:
            self._syncing.add(folder, unpacked)
        return unpacked

    async def _closed(self, folder: Folder) -> None:
        """
        Have a folder closed.
        """
        if folder.closing is None:
            folder.closing = Shared(Deferred.fromCoroutine(self._close(folder)))
        await folder.closing.when_ended()

    async def _close(self, folder: Folder) -> None:
        """
        Remove a folder, unless it stays.
        """
        key = (folder.app, folder.name)
        try:
            await folder.work.when_ended()
            await self._syncing.forget(folder)
            if folder.stays:
                self.left.add(key)
            else:
                await self._layout.remove_release(folder.path, synced=folder.synced)
        finally:
            del self._folders[key]


def _release(folder: Folder, unpacked: Unpacked) -> Release:
    assert unpacked.procfile is not None, "neither an unpacker nor a manifest is without"
    return Release(
        app=folder.app,
        sha256=sha256_in(folder.name),
        path=Path(folder.path, unpacked.home),
        procfile=unpacked.procfile,
        dotenv=unpacked.dotenv,
        source=folder,
    )
