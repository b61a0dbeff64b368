"""
The records of all processes, in the state folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.documents import PastExit
from smartmob.refusals import StateNotWritten
from smartmob.state.folding import folded
from smartmob.state.interfaces import Found
from smartmob.state.journal import Journal
from smartmob.state.record import Damaged, Newer, Record, decoded, encoded, exit_document
from smartmob.state.sections import Scaled, decoded_sections, encoded_sections
from smartmob.state.writer import TEMPORARY, Writer

_log = Logger()

SUFFIX = ".json"

JOURNAL_BYTES = 4 << 20
"""Once the journal has more, what it says is written to the records of processes."""

FIRST_RETRY = 1.0
"""Seconds until what could not be written is tried again, doubling ..."""

LONGEST_RETRY = 60.0
"""... to so many."""


@define(eq=False, repr=False)
class Records:
    """
    Records as files.

    What an operator has asked for is on the disk before it is answered, a file a process.
    What happens by itself, and often, is noted in a journal, which is read on top of them;
    when that is long, what it says is written to the files of those it speaks of.

    @ivar folder: The state folder.
    """

    folder: Path
    clock: IReactorTime
    threads: IReactorFromThreads
    snapshot: Callable[[str], Record | None] = lambda slug: None
    _writer: Writer = field(init=False)
    _journal: Journal = field(init=False)
    _noted: set[str] = field(factory=set)
    _turned: set[str] = field(factory=set)
    _repeat: set[str] = field(factory=set)
    _delay: float = FIRST_RETRY
    _call: IDelayedCall | None = None
    _said: str = ""
    _closed: bool = False

    def __attrs_post_init__(self) -> None:
        self._writer = Writer(self.threads)
        self._journal = Journal(str(self.folder / "journal"))

    @property
    def written(self) -> int:
        """
        How many files were.
        """
        return self._writer.written

    @property
    def failed(self) -> int:
        """
        How many could not be.
        """
        return self._writer.failed

    def open(self) -> Found:
        """
        Read what there is, and remove what an earlier agent had only half written.  A
        record that is damaged is put aside, for whoever wants to know why.

        @raise OSError: The folder can't be read.
        """
        records: dict[str, Record] = {}
        unread: dict[str, str] = {}
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._processes)):
                if name.endswith(SUFFIX):
                    slug = name.removesuffix(SUFFIX)
                    self._read(slug, records, unread)
                elif name.endswith(SUFFIX + TEMPORARY):
                    with suppress(OSError):
                        os.unlink(os.path.join(self._processes, name))
        try:
            entries, bad = self._journal.entries()
        except OSError as error:
            entries, bad = [], 0
            _log.error(
                "{path} can't be read: {why}", path=self._journal.path, why=error.strerror
            )
        if bad:
            _log.warn("{path}: {bad} lines are damaged", path=self._journal.path, bad=bad)
        for entry in entries:
            folded(records, entry, unread)
        self._noted.update(
            entry["slug"] for entry in entries if isinstance(entry.get("slug"), str)
        )
        return Found(records=records, unread=unread, scaled=self._sections())

    def begin(self) -> None:
        """
        From now on things happen.
        """
        try:
            os.makedirs(self._processes, 0o700, exist_ok=True)
            self._journal.open()
        except OSError as error:
            self._complain(error)
        self._shorten()

    def put(self, record: Record) -> Deferred[None]:
        """
        See L{IRecords.put}.
        """
        return self._write(self._path(record.slug), encoded(record))

    def repeat(self, slug: str) -> None:
        """
        See L{IRecords.repeat}.
        """
        self._repeat.add(slug)
        if self._call is None and not self._closed:
            self._call = self.clock.callLater(self._delay, self._again)
            self._delay = min(LONGEST_RETRY, self._delay * 2)

    def remove(self, record: Record) -> Deferred[None]:
        """
        See L{IRecords.remove}.
        """
        self._repeat.discard(record.slug)

        def removed(_: None) -> None:
            if record.slug in self._noted | self._turned:
                self._note(record, gone=True)

        return self._write(self._path(record.slug), None).addCallback(removed)

    def began(self, record: Record) -> None:
        """
        See L{IRecords.began}.
        """
        self._note(record, port=record.port)

    def ended(self, record: Record, exit: PastExit) -> None:  # noqa: A002 - what it is
        """
        See L{IRecords.ended}.
        """
        self._note(
            record,
            restarts=record.restarts,
            exits=record.exits,
            exit=exit_document(exit),
        )

    def released(self, record: Record) -> None:
        """
        See L{IRecords.released}.
        """
        self._note(record, release=record.release)

    def scaled(self, sections: Mapping[str, Scaled]) -> Deferred[None]:
        """
        See L{IRecords.scaled}.
        """
        return self._write(str(self.folder / "sections.json"), encoded_sections(sections))

    def close(self) -> Deferred[None]:
        """
        The agent ends.  Fires when all is written that can be.
        """
        self._closed = True
        if self._call is not None:
            self._call.cancel()
            self._again()
        return self._writer.close().addCallback(lambda _: self._journal.close())

    @property
    def _processes(self) -> str:
        return str(self.folder / "processes")

    def _path(self, slug: str) -> str:
        return os.path.join(self._processes, slug + SUFFIX)

    def _read(self, slug: str, records: dict[str, Record], unread: dict[str, str]) -> None:
        path = self._path(slug)
        try:
            with open(path, "rb") as file:
                records[slug] = decoded(slug, file.read())
        except OSError as error:
            unread[slug] = f"has a record that can't be read: {error.strerror}"
        except Newer as newer:
            unread[slug] = f"has a record that {newer}"
        except Damaged as damaged:
            _log.error(
                "the record of {slug} {why}; it is kept as {aside}, and the process is lost",
                slug=slug,
                why=str(damaged),
                aside=_put_aside(path),
            )

    def _sections(self) -> dict[str, Scaled]:
        path = str(self.folder / "sections.json")
        try:
            with open(path, "rb") as file:
                return decoded_sections(file.read())
        except FileNotFoundError:
            return {}
        except OSError as error:
            _log.error("{path} can't be read: {why}", path=path, why=error.strerror)
        except ValueError as error:
            _log.error(
                "{path} {why}; it is kept as {aside}, and what was scaled is as the file says",
                path=path,
                why=str(error),
                aside=_put_aside(path),
            )
        return {}

    def _write(self, path: str, data: bytes | None) -> Deferred[None]:
        written = self._writer.write(path, data)
        return written.addCallbacks(self._wrote, self._not_written)

    def _wrote(self, _: None) -> None:
        self._said = ""
        self._delay = FIRST_RETRY

    def _not_written(self, failure: Failure) -> None:
        failure.trap(OSError)
        error = failure.value
        assert isinstance(error, OSError)
        self._complain(error)
        raise StateNotWritten(f"it can't be kept on the disk: {error.strerror}") from None

    def _complain(self, error: OSError) -> None:
        if self._said != (why := error.strerror or str(error)):
            self._said = why
            _log.error(
                "the state can't be written to {path}: {why}", path=str(self.folder), why=why
            )

    def _note(self, record: Record, **what: object) -> None:
        try:
            self._journal.append({"slug": record.slug, "of": record.created_at, **what})
        except OSError as error:
            self._complain(error)
            self.repeat(record.slug)
            return
        self._noted.add(record.slug)
        if self._journal.size > JOURNAL_BYTES:
            self._shorten()

    def _again(self) -> None:
        """
        Write what could not be.
        """
        self._call = None
        slugs, self._repeat = self._repeat, set()
        for slug in slugs:
            self._rewrite(slug).addErrback(self._once_more, slug)

    def _once_more(self, _: Failure, slug: str) -> None:
        self.repeat(slug)

    def _rewrite(self, slug: str) -> Deferred[None]:
        record = self.snapshot(slug)
        return succeed(None) if record is None else self.put(record)

    def _shorten(self) -> None:
        """
        Begin a new journal, and have what the old one says elsewhere.
        """
        try:
            too_long = self._journal.size > JOURNAL_BYTES
            if too_long and self._journal.turn():
                self._turned, self._noted = self._noted, set()
            elif not os.path.exists(self._journal.older):
                return
        except OSError as error:
            self._complain(error)
            return
        left = set(self._turned or self._noted)

        def done(result: Failure | None, slug: str) -> None:
            if isinstance(result, Failure):
                return  # the old journal stays, and is tried again when the new one is long
            left.discard(slug)
            if not left:
                self._turned = set()
                with suppress(OSError):  # at the next start it is read once more
                    self._journal.forget_older()

        for slug in sorted(left):
            self._rewrite(slug).addBoth(done, slug)
        if not left:
            done(None, "")


def _put_aside(path: str) -> str:
    """
    Give a file a name under which nobody reads it.  Returns the name.
    """
    for number in range(1, 1000):
        aside = f"{path}.bad" if number == 1 else f"{path}.bad-{number}"
        if not os.path.lexists(aside):
            break
    try:
        os.rename(path, aside)
    except OSError as error:
        return f"{path}, since it can't be renamed: {error.strerror}"
    return aside
