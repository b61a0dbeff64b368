"""
Lines in files, one a process, say, that are moved away when they have grown.

No file is kept open: a batch opens those that it is for.  So there are never many descriptors,
however many processes there are, and who moves a file away (logrotate) need not tell anybody.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TypeVar

from attrs import define, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from smartmob.forward.destination import Outcome
from smartmob.forward.queue import Entry
from smartmob.forward.thread import NoThread

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
_FLAGS |= os.O_NONBLOCK  # of a pipe without a reader
_FLAGS |= os.O_NOFOLLOW  # a link may lead where its maker can't write

_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""What goes by: what could not be written is kept, and tried again."""

T = TypeVar("T")

Run = Callable[[Callable[[], T]], "Deferred[T]"]
"""Has something done where it holds nobody up."""


@frozen
class _Stopped(Exception):
    """
    Not all was written.

    @ivar done: So many bytes were, whole lines.
    """

    done: int
    error: OSError


@frozen(kw_only=True)
class Files:
    """
    Writes, and blocks.

    @ivar max_bytes: A file that would have more is moved away; 0: it grows.
    @ivar backups: So many that were moved away are kept, C{NAME.1} the newest.
    """

    max_bytes: int
    backups: int

    def write(self, batch: Sequence[Entry]) -> Outcome:
        """
        Write all of it, each entry to the file that is its key.
        """
        of_path: dict[str, list[Entry]] = {}
        for entry in batch:
            of_path.setdefault(entry.key, []).append(entry)
        left: list[Entry] = []
        lost, why = 0, ""
        for path, entries in of_path.items():
            try:
                self.append(path, b"".join(entry.data for entry in entries))
            except _Stopped as stopped:
                rest = _behind(entries, stopped.done)
                why = f"can't be written: {path}: {stopped.error.strerror}"
                if stopped.error.errno in _PASSING:
                    left += rest
                else:
                    lost += sum(entry.lines for entry in rest)
        return Outcome(left=left, lost=lost, why=why)

    def append(self, path: str, data: bytes) -> None:
        """
        Write lines to a file, and to those that take its place.

        @raise _Stopped: Not all could be.
        """
        done = 0
        try:
            while done < len(data):
                with _opened(path) as number:
                    size = os.fstat(number).st_size
                    end = self._fitting(data, done, size)
                    if end > done:
                        _write(number, data[done:end], size)
                        done = end
                    elif not self.backups:
                        os.ftruncate(number, 0)
                if end < len(data) and self.backups:
                    self._move_away(path)
        except OSError as error:
            raise _Stopped(done, error) from None

    def _fitting(self, data: bytes, start: int, size: int) -> int:
        """
        How far the lines from C{start} on go into a file of this size, which has at least one
        where it is empty.
        """
        if not self.max_bytes or len(data) - start <= self.max_bytes - size:
            return len(data)
        room = max(self.max_bytes - size, 0)
        end = data.rfind(b"\n", start, start + room) + 1
        if end > start:
            return end
        return start if size else data.index(b"\n", start) + 1

    def _move_away(self, path: str) -> None:
        last = 1
        while last < self.backups and os.path.lexists(f"{path}.{last}"):
            last += 1
        names = [path, *(f"{path}.{number}" for number in range(1, last + 1))]
        for name, after in reversed([*pairwise(names)]):
            with suppress(FileNotFoundError):  # somebody else was faster
                os.replace(name, after)


@define(eq=False, repr=False)
class FileDestination:
    """
    See L{Destination<smartmob.forward.destination.Destination>}.

    @ivar run: Has it written.
    """

    files: Files
    run: Run[Outcome]
    _waiting: Deferred[Outcome] | None = None
    _batch: Sequence[Entry] = ()

    def deliver(self, batch: Sequence[Entry]) -> Deferred[Outcome]:
        """
        Have it written.
        """
        waiting: Deferred[Outcome] = Deferred()
        self._waiting, self._batch = waiting, batch

        def written(result: Outcome | Failure) -> None:
            if self._waiting is waiting:  # else nobody could wait for it
                self._waiting, self._batch = None, ()
                if isinstance(result, Failure) and result.check(NoThread):
                    why = f"can't be written: {result.getErrorMessage()}"
                    result = Outcome(left=batch, why=why)
                waiting.callback(result)

        self.run(lambda: self.files.write(batch)).addBoth(written)
        return waiting

    def cut(self) -> None:
        """
        Wait for the disk no longer.  What it will still have is not known.
        """
        waiting, self._waiting = self._waiting, None
        batch, self._batch = self._batch, ()
        if waiting is not None:
            waiting.callback(Outcome(left=batch))

    def close(self) -> None:
        """
        Nothing is open.
        """


@contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        number = os.open(path, _FLAGS | os.O_CREAT, 0o600)
    except FileNotFoundError:
        _make(os.path.dirname(path))
        number = os.open(path, _FLAGS | os.O_CREAT, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "is no plain file")
        yield number
    finally:
        os.close(number)


def _make(folder: str) -> None:
    """
    Make a folder, and those above it: unlike C{os.makedirs}, which gives these to others, too.
    """
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return  # or it is something else, as will be seen
    except FileNotFoundError:
        _make(os.path.dirname(folder))
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def _write(number: int, data: bytes, size: int) -> None:
    """
    Write all of it, or, where there is no room for that, nothing: half a line would be in the
    way of what comes when there is room again.
    """
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(number, view) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(number, size)
        raise


def _behind(entries: Sequence[Entry], done: int) -> list[Entry]:
    """
    What follows the first so many bytes, which are whole lines.
    """
    rest = []
    for entry in entries:
        if done >= len(entry.data):
            done -= len(entry.data)
            continue
        data = entry.data[done:]
        count = min(entry.lines, data.count(b"\n")) if done else entry.lines
        rest.append(Entry(entry.key, data, count))
        done = 0
    return rest
