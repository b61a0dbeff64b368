"""
The archives that clients have sent, for processes to be made of.

They are files of the state folder, named by their sha256; the same bytes are one
file.  One has that name only when all of it is on the disk, so it is there for the next
run of the agent, whatever ends this one.

There is room for so many bytes and so many of them, those that are on their way
included.  Where more is needed, those go that no process names as its source, what was
neither sent nor read for the longest time first; those that are named stay.  When one was
used is the time of its file, for the next run.  Nothing happens by itself, so there is no
timer.

Who is to unpack one is given a hard link to it, so that it may go meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable
from itertools import count

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.refusals import StateNotWritten, Stopping
from smartmob.source.disk import Worker
from smartmob.source.errors import SourceRefused
from smartmob.source.limits import SourceLimits
from smartmob.source.manifest import sync_folder
from smartmob.source.shared import Shared
from smartmob.source.upload import Sender, Stored, Upload, refusal_of
from smartmob.waiting import Waiters

_log = Logger()

SCHEME = "smartmob-archive"

Used = Callable[[], Collection[str]]
"""Says the sha256 of the archives that processes name as their sources."""


def url_of(sha256: str) -> str:
    """
    What a create request calls an archive.
    """
    return f"{SCHEME}:{sha256}"


def sha256_of(url: str) -> str | None:
    """
    Which archive a URL names, if any.
    """
    scheme, colon, rest = url.partition(":")
    return rest.lower() if colon and scheme.lower() == SCHEME else None


class Archives:
    """
    The archives of an agent.
    """

    def __init__(
        self,
        disk: Worker,
        folder: str,
        limits: SourceLimits,
        ready: Callable[[], Deferred[None]],
    ) -> None:
        """
        @param folder: Where they are.
        @param ready: Says when that is there, and it is known what is in it.
        """
        self._disk = disk
        self._folder = folder
        self._limits = limits
        self._ready = ready
        self._numbers = count(1)
        self._sizes: dict[str, int] = {}  # the next to go first
        self._sent: set[str] = set()  # those of them that were, in this run
        self._entering: str | None = None
        self._uploads: set[Upload] = set()
        self._stopped = False
        self._one_over = Waiters()
        # Files with their names come and go one at a time.
        self._turn = DeferredLock()

    def found(self, archives: Iterable[tuple[str, int]]) -> None:
        """
        These are there from an earlier run of the agent.  Where they are more than may be,
        some go with the next upload: it is known then which are used.

        @param archives: The sha256 and size of each, what was used longest ago first.
        """
        self._sizes.update(archives)

    def receive(self, length: int | None, sender: Sender, used: Used) -> Upload:
        """
        Begin to take an archive.

        @param length: Its size, where that is known.
        @raise Stopping: The agent is about to end.
        @raise StateNotWritten: There will be no room for it.
        """
        if self._stopped:
            raise Stopping("the agent is about to end")
        self._check_share(sender.share)
        self._check(length or 0, used)
        path = os.path.join(self._folder, f"{next(self._numbers)}.part")

        def make_room(size: int) -> None:
            self._make_room(used, size=size)

        ready, reserve = self._ready(), self._limits.reserve
        upload = Upload(path, self._disk, ready, sender, make_room, reserve, length)
        self._uploads.add(upload)
        Deferred.fromCoroutine(self._take(upload, used))
        return upload

    async def fetch(self, url: str, path: str, request_id: str) -> str:
        """
        Have an archive at C{path}.  Whoever calls removes it, also after a failure;
        when this is over, nothing makes it any more.

        @return: Its sha256.
        @raise SourceRefused: There is none.
        """
        sha256 = sha256_of(url) or ""
        if sha256 not in self._sizes:
            raise SourceRefused(f"there is no archive {sha256} here; send it (PUT /archives)")
        self._touch(sha256)
        linked = Shared(self._disk.run(_link, self._path(sha256), path))
        try:
            await linked.when_ended()
        except CancelledError:
            await linked.when_ended()
            raise
        try:
            await linked.join()
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self._forget(sha256)  # it can be sent again
            reason = f"archive {sha256} can't be read: {error.strerror}"
            raise SourceRefused(reason) from error
        return sha256

    async def stop(self) -> None:
        """
        Abandon what is under way.
        """
        self._stopped = True
        for upload in list(self._uploads):
            upload.fail(Failure(Stopping("the agent is about to end")))
        while self._uploads:
            await self._one_over.wait()
        async with self._turn:
            """What was to be removed is."""

    async def _take(self, upload: Upload, used: Used) -> None:
        """
        See an upload through to its end.
        """
        outcome: Stored | Failure
        try:
            await upload.settled
            outcome = await upload.close()
            await self._enter(upload, outcome, used)
        except Exception as error:
            outcome = Failure(refusal_of(error))
        await self._removed(upload.path)  # it is not there if it was given its name
        self._uploads.discard(upload)
        upload.tell(outcome)
        self._one_over.fire()

    async def _enter(self, upload: Upload, stored: Stored, used: Used) -> None:
        """
        Give the file of an upload its name, unless its bytes are there.
        """
        sha256 = stored.sha256
        async with self._turn:
            if sha256 not in self._sizes:
                self._make_room(used, number=1)
            self._entering = sha256
            try:
                if sha256 in self._sizes and sha256 in self._sent:
                    await self._disk.run(_used_now, self._path(sha256))
                else:
                    # What became of one from an earlier run nobody knows: this is better.
                    await self._disk.run(_enter, upload.path, self._path(sha256))
                    self._uploads.discard(upload)
                    self._sizes[sha256] = stored.size
                    self._sent.add(sha256)
                    _log.info("archive {sha256}: {size} bytes", sha256=sha256, size=stored.size)
            finally:
                self._entering = None
            self._touch(sha256)

    def _check_share(self, share: object) -> None:
        """
        See that one more has a place: who had all of them could keep others from sending
        anything for as long as an archive may take.
        """
        most = self._limits.archives_of_one
        if share is not None and sum(each.share == share for each in self._uploads) >= most:
            raise StateNotWritten(f"with one token at most {most} archives are sent at a time")

    def _check(self, size: int, used: Used) -> None:
        """
        See that one more of a size has room, with all removed that may be.
        """
        in_use = used()
        sizes = [self._sizes[sha256] for sha256 in self._sizes.keys() & set(in_use)]
        sizes += [upload.size for upload in self._uploads]
        limits = self._limits
        if len(sizes) >= limits.archives or sum(sizes) + size > limits.archives_bytes:
            raise self._full()

    def _make_room(self, used: Used, *, size: int = 0, number: int = 0) -> None:
        """
        Have room for more bytes of what is under way, or for one more archive.
        """
        if self._fits(size, number):
            return
        in_use = {*used(), self._entering}
        for sha256 in [one for one in self._sizes if one not in in_use]:
            self._forget(sha256)
            Deferred.fromCoroutine(self._drop(sha256))
            if self._fits(size, number):
                return
        raise self._full()

    def _fits(self, size: int, number: int) -> bool:
        limits = self._limits
        under_way = sum(upload.size for upload in self._uploads)
        total = sum(self._sizes.values()) + under_way + size
        return len(self._sizes) + number <= limits.archives and total <= limits.archives_bytes

    def _full(self) -> StateNotWritten:
        limits = self._limits
        return StateNotWritten(
            f"the agent keeps at most {limits.archives} archives and "
            f"{limits.archives_bytes} bytes of them, and those it has are in use; "
            "delete processes that were made of some"
        )

    async def _drop(self, sha256: str) -> None:
        """
        Remove an archive, unless it has been sent anew by then.
        """
        async with self._turn:
            if sha256 not in self._sizes:
                await self._removed(self._path(sha256))
                _log.info("archive {sha256} made room for others", sha256=sha256)

    async def _removed(self, path: str) -> None:
        """
        Remove a file, if it is there; if that can't be done, say so.
        """
        try:
            await self._disk.run(_unlink, path)
        except OSError as error:
            _log.warn("{path} can't be removed: {why}", path=path, why=error.strerror)

    def _touch(self, sha256: str) -> None:
        """
        C{sha256} goes last.
        """
        self._sizes[sha256] = self._sizes.pop(sha256)

    def _forget(self, sha256: str) -> None:
        """
        It is none of them any more.
        """
        self._sizes.pop(sha256, None)
        self._sent.discard(sha256)

    def _path(self, sha256: str) -> str:
        return os.path.join(self._folder, sha256)


def _enter(path: str, name: str) -> None:
    """
    Give a file that is on the disk a name that is, too.

    @raise OSError: That can't be; then it has none.
    """
    os.rename(path, name)
    try:
        sync_folder(os.path.dirname(name))
    except OSError:
        _unlink(name)
        raise


def _link(path: str, link: str) -> None:
    """
    Give a file that is used another name.
    """
    os.link(path, link)
    _used_now(path)


def _used_now(path: str) -> None:
    """
    Have the time of a file say that it is used now.
    """
    with contextlib.suppress(OSError):  # another may go first by that
        os.utime(path)


def _unlink(path: str) -> None:
    """
    Remove a file, if it is there.
    """
    try:
        os.unlink(path)
    except OSError:
        # Of what is mounted read-only this is said (EROFS) whether it is there or not.
        if os.path.lexists(path):
            raise
