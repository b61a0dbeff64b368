"""
Writing small files so that they are there after whatever happens: a thread that does it
for all who ask at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

TEMPORARY = ".tmp"
"""What the names of files end with that are being written."""

MOST_AT_ONCE = 100
"""So many files are written before their folders are: the first waits for the last."""

AT_ONCE = 8
"""So many of them are forced to the disk at a time."""


class Aside(Protocol):
    """
    Where work is done that the reactor does not wait for, one piece after the other.
    """

    def do(self, work: Callable[[], None]) -> None:
        """
        Do this once all is done that was asked for before.
        """

    def end(self) -> None:
        """
        Nothing is under way, and nothing will be for now.
        """


@define(eq=False, repr=False)
class OneThread:
    """
    A thread that is there from when it is first needed.  It is no other's: names of hosts
    that nobody answers for hold up the reactor's own threads.
    """

    _queue: SimpleQueue[Callable[[], None] | None] = field(factory=SimpleQueue)
    _thread: Thread | None = None

    def do(self, work: Callable[[], None]) -> None:
        """
        See L{Aside.do}.
        """
        if self._thread is None:
            # Not earlier: no thread survives the fork of a twistd that daemonises.
            thread = Thread(target=self._run, name="smartmob-state", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there can be no more of them now: then we wait for it
                work()
                return
            self._thread = thread
        self._queue.put(work)

    def end(self) -> None:
        """
        See L{Aside.end}.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            work()


@frozen(eq=False, repr=False)
class Job:
    """
    What is to be done with a file.

    @ivar data: All that it is to have; C{None}: it is to go.
    """

    path: str
    data: bytes | None
    done: Deferred[None] = field(factory=Deferred)


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
    aside: Aside = field(factory=OneThread)
    written: int = 0
    failed: int = 0
    _waiting: list[Job] = field(factory=list)
    _busy: bool = False
    _idle: Deferred[None] | None = None

    def write(self, path: str, data: bytes | None) -> Deferred[None]:
        """
        Have a file with this content, or, with C{None}, none.  What is asked for later of
        the same file counts.

        @return: Fires when that is on the disk; fails with L{OSError}: then either may be
            there, what was or what was to be.  Cancelling it changes nothing.
        """
        # Its Deferred has no canceller: it fires at once when cancelled, and forgets the
        # outcome.
        job = Job(path, data)
        self._waiting.append(job)
        if not self._busy:
            self._begin()
        return job.done

    def close(self) -> Deferred[None]:
        """
        Fires when all that was asked for is done, and the thread is gone.
        """
        if not self._busy:
            self.aside.end()
            return succeed(None)
        self._idle = Deferred()
        return self._idle.addCallback(lambda _: self.aside.end())

    def _begin(self) -> None:
        jobs, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        self._busy = True

        def work() -> None:
            self.threads.callFromThread(self._tell, jobs, do(jobs))

        self.aside.do(work)

    def _tell(self, jobs: Iterable[Job], failures: dict[str, OSError]) -> None:
        # The disk need not wait until all who are told have done what they then do.
        self._busy = False
        if self._waiting:
            self._begin()
        for job in jobs:
            error = failures.get(job.path)
            if error is None:
                self.written += 1
                job.done.callback(None)
            else:
                self.failed += 1
                job.done.errback(Failure(error))
        if not self._busy and self._idle is not None:
            idle, self._idle = self._idle, None
            idle.callback(None)


def do(jobs: Iterable[Job]) -> dict[str, OSError]:
    """
    Do it.

    @return: Why files could not be written, by their paths.
    """
    failures: dict[str, OSError] = {}
    files: dict[str, int] = {}

    def attempt(path: str, work: Callable[..., None], *args: object) -> None:
        if path in failures:
            return
        try:
            work(path, *args)
        except OSError as error:
            failures[path] = error
        except Exception as error:
            # Whatever it is (no memory is left), it is no reason to let all others wait.
            failures[path] = OSError(0, f"{type(error).__name__}: {error}")

    wanted = {job.path: job.data for job in jobs}
    for path, data in wanted.items():
        if data is None:
            attempt(path, _remove)
        else:
            attempt(path, _write, data, files)
    if len(files) > 1:
        from concurrent.futures import ThreadPoolExecutor  # which a start does not need

        # A file system brings to the disk at once what is asked for at the same time.
        with ThreadPoolExecutor(min(AT_ONCE, len(files))) as threads:
            list(threads.map(lambda path: attempt(path, _force, files), files))
    else:
        for path in files:
            attempt(path, _force, files)
    for path, file in files.items():
        os.close(file)
        attempt(path, _take_place)
        if path in failures:
            with suppress(OSError):  # what happened before is what counts
                os.unlink(path + TEMPORARY)
    for folder in {os.path.dirname(path) for path in wanted if path not in failures}:
        try:
            sync(folder)
        except FileNotFoundError:
            continue  # so nothing is in it, which is what removing is for
        except OSError as error:
            inside = (path for path in wanted if os.path.dirname(path) == folder)
            failures.update({path: failures.get(path, error) for path in inside})
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


def make_folder(path: str) -> None:
    """
    Have a folder, on the disk.

    @raise OSError: It can't be had.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    sync(os.path.dirname(path))


def _write(path: str, data: bytes, files: dict[str, int]) -> None:
    file = files[path] = _opened(path + TEMPORARY)
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _force(path: str, files: Mapping[str, int]) -> None:
    os.fsync(files[path])


def _take_place(path: str) -> None:
    os.rename(path + TEMPORARY, path)


def _opened(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        # There was no room for the folder when the agent began, or somebody removed it.
        make_folder(os.path.dirname(path))
        return os.open(path, flags, 0o600)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
