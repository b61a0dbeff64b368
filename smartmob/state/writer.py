"""
Writing small files so that they are there after whatever happens: a thread that does it
for all who ask at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

TEMPORARY = ".tmp"
"""What the names of files end with that are being written."""

MOST_AT_ONCE = 100
"""So many files are written before their folders are: the first waits for the last."""


@frozen(eq=False, repr=False)
class Job:
    """
    What is to be done with a file.

    @ivar data: All that it is to have; C{None}: it is to go.
    """

    path: str
    data: bytes | None
    done: Deferred[None]


@define(eq=False, repr=False)
class Writer:
    """
    Writes files as rename(2) and fsync(2) have it: what was there before is there, whole,
    until what is to be there is; and that is on the disk when it is said to be written.

    Files that wait at the same time share one fsync(2) of their folder.

    @ivar written: How many files were, or were removed.
    @ivar failed: How many could not be.
    """

    threads: IReactorFromThreads
    written: int = 0
    failed: int = 0
    _queue: SimpleQueue[Job | None] = field(factory=SimpleQueue)
    _thread: Thread | None = None
    _ended: Deferred[None] | None = None

    def write(self, path: str, data: bytes | None) -> Deferred[None]:
        """
        Have a file with this content, or, with C{None}, none.  What is asked for later of
        the same file counts.

        @return: Fires when that is on the disk; fails with L{OSError}.  Cancelling it
            changes nothing.
        """
        # Without a canceller: it fires at once when cancelled, and forgets the outcome.
        done: Deferred[None] = Deferred()
        self._queue.put(Job(path, data, done))
        if self._thread is None:
            # Not earlier: no thread survives the fork of a twistd that daemonises.
            self._thread = Thread(target=self._run, name="smartmob-state", daemon=True)
            self._thread.start()
        return done

    def close(self) -> Deferred[None]:
        """
        Fires when all that was asked for is done, and the thread is gone.
        """
        self._ended = Deferred()
        if self._thread is None:
            self._ended.callback(None)
        else:
            self._queue.put(None)
        return self._ended

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            jobs: list[Job] = []
            job = self._queue.get()
            while job is not None:
                jobs.append(job)
                if len(jobs) == MOST_AT_ONCE or self._queue.empty():
                    break
                job = self._queue.get()
            goes_on = job is not None
            self.threads.callFromThread(self._tell, jobs, do(jobs))
        self.threads.callFromThread(self._end)

    def _tell(self, jobs: Iterable[Job], failures: dict[str, OSError]) -> None:
        for job in jobs:
            error = failures.get(job.path)
            if error is None:
                self.written += 1
                job.done.callback(None)
            else:
                self.failed += 1
                job.done.errback(Failure(error))

    def _end(self) -> None:
        assert self._thread is not None
        assert self._ended is not None
        self._thread.join()
        self._thread = None
        self._ended.callback(None)


def do(jobs: Iterable[Job]) -> dict[str, OSError]:
    """
    Do it.

    @return: Why files could not be written, by their paths.
    """
    failures: dict[str, OSError] = {}
    folders: dict[str, list[str]] = {}
    for path, data in {job.path: job.data for job in jobs}.items():
        try:
            if data is None:
                _remove(path)
            else:
                _write(path, data)
        except OSError as error:
            failures[path] = error
        else:
            folders.setdefault(os.path.dirname(path), []).append(path)
    for folder, paths in folders.items():
        try:
            sync(folder)
        except OSError as error:
            failures.update(dict.fromkeys(paths, error))
    return failures


def sync(folder: str) -> None:
    """
    Have the names in a folder on the disk.

    @raise OSError: They can't be.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: str, data: bytes) -> None:
    temporary = path + TEMPORARY
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(temporary, flags, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        with suppress(OSError):  # what happened before is what counts
            os.unlink(temporary)
        raise


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
