"""
Having new releases on the disk for good, some time after they were unpacked.

To wait for that would make each unpacking slower by what the disk needs for all of it.  So
it is done in the background, once for all that came within some seconds: the file system is
told to write what it has, and then the manifest of each says so.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from smartmob.source.disk import Worker
from smartmob.source.manifest import Manifest, sync_file_system, write
from smartmob.source.release import Folder
from smartmob.source.shared import Shared
from smartmob.source.unpacking import Unpacked

SOON = 5.0
"""
Seconds from a release's coming to its being synced, with all that came meanwhile.
"""

_NOT_SYNCED = (
    "What was unpacked may not be on the disk yet, and is downloaded again if the machine "
    "loses its power: {why}"
)

_log = Logger()


class Syncing:
    """
    Has releases on the disk for good.
    """

    def __init__(self, clock: IReactorTime, disk: Worker, path: str, boot: str) -> None:
        """
        @param path: A folder of the file system that they are on.
        @param boot: Which start of the machine this is.
        """
        self._clock = clock
        self._disk = disk
        self._path = path
        self._boot = boot
        self._due: dict[Folder, Unpacked] = {}
        self._under_way: dict[Folder, Unpacked] = {}
        self._timer: IDelayedCall | None = None
        self._turn: Shared[None] | None = None
        self._stopped = False

    def add(self, folder: Folder, unpacked: Unpacked) -> None:
        """
        A release is there that is not synced.
        """
        self._due[folder] = unpacked
        self._schedule()

    async def forget(self, folder: Folder) -> None:
        """
        A release goes.  When this is over its manifest is not written any more.
        """
        self._due.pop(folder, None)
        self._under_way.pop(folder, None)
        self._cancel_unless_due()
        if folder.writing is not None:
            await folder.writing.when_ended()

    def stop(self) -> Deferred[None]:
        """
        Do no more: what is not synced by now may have to be downloaded again, if the
        machine loses its power before the system has written it by itself.
        """
        self._stopped = True
        self._due.clear()
        self._under_way.clear()
        self._cancel_unless_due()
        return succeed(None) if self._turn is None else self._turn.when_ended()

    def _schedule(self) -> None:
        if self._due and self._timer is None and self._turn is None and not self._stopped:
            self._timer = self._clock.callLater(SOON, self._begin)

    def _cancel_unless_due(self) -> None:
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._timer = None
        self._under_way, self._due = self._due, {}
        self._turn = Shared(Deferred.fromCoroutine(self._sync()))
        self._turn.when_ended().addCallback(lambda _: self._ended())

    def _ended(self) -> None:
        self._turn = None
        self._schedule()

    async def _sync(self) -> None:
        try:
            await self._disk.run(sync_file_system, self._path)
        except OSError as error:
            self._under_way.clear()
            _log.warn(_NOT_SYNCED, why=error.strerror or error)
        while self._under_way:
            folder, unpacked = self._under_way.popitem()
            manifest = Manifest(unpacked, self._boot, synced=True)
            work = self._disk.run(write, folder.path, manifest, durable=True)
            folder.writing = writing = Shared(work)
            await writing.when_ended()
            folder.writing = None
            try:
                await writing.join()
            except OSError as error:
                _log.warn(_NOT_SYNCED, why=error.strerror or error)
            else:
                folder.synced = True
