"""
From a URL to a folder with a Procfile, and back to nothing.

One call of L{Sources.release} goes this way::

    URL --download--> downloads/N --sha256--> --unpack--> releases/APP/SHA256

Two things on it are shared:

  - a download, by all who ask for the same URL while it is under way: see
    L{smartmob.source.downloads};
  - a folder, by all releases of one app whose archives have the same bytes: see
    L{smartmob.source.folders}.

A URL may also name an archive that was sent to the agent
(L{Archives<smartmob.source.archives.Archives>}), which is not downloaded then.

Releases and archives outlive the agent.  What of the releases is still needed is said
before the next one begins (L{Sources.keep}), and each is there again for who asks
(L{Sources.restored}); the rest goes at the start, and so does what a crash left of downloads.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    DeferredSemaphore,
    succeed,
)
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from smartmob.documents import State
from smartmob.launch.interfaces import ILauncher
from smartmob.refusals import SourceNotAllowed
from smartmob.source.archives import Archives
from smartmob.source.disk import Disk, Worker
from smartmob.source.downloads import Downloads, IFetch
from smartmob.source.errors import SourceRefused
from smartmob.source.folders import Folders
from smartmob.source.keeping import Keep
from smartmob.source.layout import Layout, name_of, sha256_in
from smartmob.source.limits import SourceLimits
from smartmob.source.manifest import this_boot
from smartmob.source.release import Download, Release
from smartmob.source.rules import SourceRules
from smartmob.source.shared import Shared
from smartmob.source.unpacking import Unpacked, Unpacker
from smartmob.templates import Identity

__all__ = ["Release", "Sources"]

R = TypeVar("R", bound=Release | None)

_log = Logger()

#: Unpackers at the same time: they are as busy as a machine lets them be.
_UNPACKERS = 2


class Sources(Service):
    """
    The releases of an agent, and how it comes by them.

    @ivar archives: Those that clients have sent.
    @ivar keep: What of an earlier run is still needed.  For who sets up the agent: it counts
        when the sources begin.
    @ivar rules: Where sources may come from.  Others may take their place at any time:
        they count for what is downloaded from then on.
    """

    name = "sources"

    def __init__(
        self,
        reactor: Any,
        launcher: ILauncher,
        folder: FilePath[str],
        limits: SourceLimits | None = None,
        *,
        disk: Worker | None = None,
        fetcher: IFetch | None = None,
        boot: str | None = None,
    ) -> None:
        """
        @param reactor: Tells the time, connects, and takes calls from threads.
        @param folder: The agent's state folder.
        @param disk: Does what may wait for a disk, if not threads of our own.
        @param fetcher: Downloads, if not by HTTP.
        @param boot: Which start of the machine this is, if not as the system says.
        """
        self._reactor = reactor
        self._limits = limits = limits or SourceLimits()
        self._own_disk = Disk(IReactorFromThreads(reactor)) if disk is None else None
        self._disk: Worker = disk or self._own_disk  # type: ignore[assignment]  # one is set
        self._unpacker = Unpacker(IReactorTime(reactor), launcher, limits)
        self._unpackers = DeferredSemaphore(_UNPACKERS)
        self._layout = Layout(self._disk, folder.path)
        self._folders = Folders(
            self._unpacker.clock,
            self._disk,
            self._layout,
            this_boot() if boot is None else boot,
        )
        self.archives = Archives(self._disk, self._layout.archives, limits, self._ready)
        self._downloads = Downloads(
            reactor,
            self._disk,
            self._layout,
            limits,
            self.archives,
            lambda: self.rules,
            fetcher,
        )
        self.keep = Keep()
        self.rules = SourceRules()
        self._asked: set[Deferred[Any]] = set()
        self._prepared: Shared[None] | None = None
        self._removed: Shared[None] = Shared(succeed(None))

    def startService(self) -> None:
        """
        Begin, by having out of the way what nobody needs any more.
        """
        super().startService()
        if self._own_disk is not None:
            self._own_disk.start()
        prepared = Shared(Deferred.fromCoroutine(self._prepare()), self._reactor)
        self._prepared = prepared
        # Who asks for a release may leave meanwhile: this is not abandoned for that.
        prepared.join().addErrback(lambda _: None)

    def stopService(self) -> Deferred[None]:
        """
        Abandon what is under way.  Releases stay as they are.
        """
        super().stopService()
        for asked in list(self._asked):
            asked.cancel()
        waiting = self._downloads.when_ended()
        waiting.append(Deferred.fromCoroutine(self.archives.stop()))
        waiting.append(Deferred.fromCoroutine(self._folders.stop()))
        if self._prepared is not None:
            waiting.append(self._prepared.when_ended())
            waiting[-1].addCallback(lambda _: self._removed.when_ended())
        return DeferredList(waiting).addCallback(lambda _: self._stop_disk())

    def check(self, url: str) -> None:
        """
        Look at the URL of a source that is not wanted yet.

        @raise SourceNotAllowed: It is not where sources may come from.
        """
        self.rules.check(url)

    def release(
        self,
        app: str,
        slug: str,
        url: str,
        sha256: str | None,
        request_id: str,
        progress: Callable[[State], None],
        identity: Identity | None = None,
    ) -> Deferred[Release]:
        """
        Download and unpack a source, or share what is there.

        Cancelling abandons it: the Deferred fires when no file is left that only this
        call needed.

        @param slug: Whom it is for, for the log.
        @param sha256: What the archive's bytes must have, in hexadecimal digits.
        @param request_id: Sent on with the request, where this call makes one.
        @param progress: Told C{DOWNLOADING} and C{UNPACKING}; it must not cancel what it
            is told about from within.
        @param identity: The user whose programs use it; C{None}: the agent.
        @return: Fails with L{SourceUnavailable<smartmob.source.errors.SourceUnavailable>}
            or L{SourceRefused}.
        """
        return self._follow(
            self._release(app, url, sha256, request_id, progress, identity), slug
        )

    def restored(
        self, app: str, name: str, slug: str, identity: Identity | None = None
    ) -> Deferred[Release | None]:
        """
        Hold a release that an earlier run of the agent left, if it is whole.

        What is not held by anybody goes with the last one who drops it; so who needs it
        should ask before others can be deleted, also where it is not to run yet.
        Cancelling leaves all as it is.

        @param name: L{Release.name}, as it was then.
        @param slug: Whom it is for, for the log.
        @param identity: As for L{release}.
        @return: C{None} where there is none, or not all of it: then nothing is left of it,
            and L{release} can make it anew.  Fails with
            L{SourceUnavailable<smartmob.source.errors.SourceUnavailable>} where that can't
            be said now, and with L{SourceRefused} where the state folder can't be used.
        """
        return self._follow(self._restored(app, name, identity), slug)

    def drop(self, release: Release, slug: str) -> Deferred[None]:
        """
        C{release} is not used any more.

        @return: Fires when no file is left that only it needed.  Never fails; what
            could not be removed is logged.
        """
        _log.debug("{slug} uses release {sha256} no longer", slug=slug, sha256=release.sha256)
        return Deferred.fromCoroutine(self._folders.leave(release.source, release))

    async def _release(
        self,
        app: str,
        url: str,
        sha256: str | None,
        request_id: str,
        progress: Callable[[State], None],
        identity: Identity | None,
    ) -> Release:
        ready = self._ready()
        try:
            self.rules.check(url)  # they may have changed since it was asked for
        except SourceNotAllowed as error:
            raise SourceRefused(str(error)) from None
        progress(State.DOWNLOADING)
        await ready
        if not self._removed.ended and await self._layout.is_short(self._limits):
            await self._removed.when_ended()
        download = self._downloads.of(url, request_id)
        download.holders += 1
        try:
            found = await download.work.join()
            if sha256 is not None and not hmac.compare_digest(found, sha256.lower()):
                raise SourceRefused(f"the archive's sha256 is {found}, not {sha256.lower()}")
            release = await self._unpacked(app, found, download, progress, identity)
        except Exception:
            await self._downloads.let_go(download)
            raise
        try:
            await self._downloads.let_go(download)
        except CancelledError:
            await self._folders.leave(release.source, release)
            raise
        return release

    async def _restored(self, app: str, name: str, identity: Identity | None) -> Release | None:
        await self._ready()
        if name != name_of(sha256_in(name), identity):
            return None  # that of another user
        return await self._folders.hold(app, name, identity)

    async def _prepare(self) -> None:
        """
        Have the folders, and know what is in them.
        """
        left = await self._layout.prepare(self.keep)
        self._folders.keep = self.keep
        self._folders.left.update(left.releases)
        self.archives.found(left.archives)
        if left.discarded:
            removed = self._layout.remove_discarded(lambda: bool(self.running))
            self._removed = Shared(Deferred.fromCoroutine(removed))

    def _ready(self) -> Deferred[None]:
        """
        Fires when the folders are there.
        """
        if self._prepared is None or not self.running:
            raise RuntimeError("the sources are not running")
        return self._prepared.join()

    async def _unpacked(
        self,
        app: str,
        sha256: str,
        download: Download,
        progress: Callable[[State], None],
        identity: Identity | None,
    ) -> Release:
        """
        The release of C{app} made from the bytes of C{download}.
        """

        def unpack(path: str) -> Coroutine[Any, Any, Unpacked]:
            # Held for the unpacker, which may outlive the call that started it.
            download.holders += 1
            return self._unpack(download, path, identity)

        release = await self._folders.hold(
            app,
            name_of(sha256, identity),
            identity,
            unpack,
            lambda: progress(State.UNPACKING),
        )
        assert release is not None, "it can be made"
        return release

    async def _unpack(
        self, download: Download, path: str, identity: Identity | None
    ) -> Unpacked:
        """
        Unpack C{download} to C{path}.
        """
        try:
            await self._layout.let_in(identity)
            async with self._unpackers:
                unpacked = await self._unpacker.unpack(download.path, path, identity)
        except Exception:
            await self._downloads.let_go(download)
            raise
        await self._downloads.let_go(download)
        if unpacked.procfile is None:
            raise SourceRefused("the archive has no Procfile in its root or its one top folder")
        return unpacked

    def _follow(self, work: Coroutine[Any, Any, R], slug: str) -> Deferred[R]:
        """
        Have something done that is abandoned when the agent ends.
        """
        asked = Deferred.fromCoroutine(work)
        self._asked.add(asked)
        return asked.addBoth(self._answered, asked, slug)

    def _answered(self, result: R | Failure, asked: Deferred[R], slug: str) -> R | Failure:
        self._asked.discard(asked)
        if isinstance(result, Release):
            _log.debug("{slug} uses release {sha256}", slug=slug, sha256=result.sha256)
        return result

    def _stop_disk(self) -> Deferred[None] | None:
        return None if self._own_disk is None else self._own_disk.stop()
