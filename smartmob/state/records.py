"""
The records of all processes, in the state folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.documents import CreateRequest, PastExit
from smartmob.refusals import StateNotWritten
from smartmob.state import reading
from smartmob.state.folding import folded
from smartmob.state.interfaces import Found
from smartmob.state.journal import Journal
from smartmob.state.models import decoded_models, encoded_models
from smartmob.state.record import Record, encoded, exit_document
from smartmob.state.sections import Scaled, decoded_sections, encoded_sections
from smartmob.state.writer import Aside, OneThread, Writer, make_folder

_log = Logger()

T = TypeVar("T")

SECTIONS = "sections.json"

MODELS = "models.json"

JOURNAL_BYTES = 4 << 20
"""Once the journal has more, what it says is written to the records of processes, ..."""

AT_ONCE = 50
"""... so many at a time: nobody else is to wait for all of them."""

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
    aside: Aside = field(factory=OneThread)
    snapshot: Callable[[str], Record | None] = lambda slug: None
    _writer: Writer = field(init=False)
    _journal: Journal = field(init=False)
    _unread: Mapping[str, str] = field(factory=dict)
    _unread_files: dict[str, str] = field(factory=dict)
    _latest: dict[str, bytes] = field(factory=dict)
    _noted: set[str] = field(factory=set)
    _turned: set[str] = field(factory=set)
    _limit: int = JOURNAL_BYTES
    _shortening: bool = False
    _repeat: set[str] = field(factory=set)
    _repeat_files: set[str] = field(factory=set)
    _delay: float = FIRST_RETRY
    _call: IDelayedCall | None = None
    _said: str = ""
    _closed: bool = False

    def __attrs_post_init__(self) -> None:
        self._writer = Writer(self.threads, self.aside)
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
        reading.remove_unfinished(str(self.folder))
        records, unread = reading.records(self._processes)
        bad = 0
        try:
            for entry in self._journal.entries():
                if entry is None:
                    bad += 1
                    continue
                folded(records, entry, unread)
                if isinstance(slug := entry.get("slug"), str):
                    self._noted.add(slug)
        except (OSError, ValueError) as error:
            path = self._journal.path
            _log.error("{path} {why}", path=path, why=reading.why(error))
        if bad:
            _log.warn(
                "{path}: damaged lines that are passed over: {bad}",
                path=self._journal.path,
                bad=bad,
            )
        self._unread = unread
        return Found(
            records=records,
            unread=unread,
            scaled=self._read(SECTIONS, decoded_sections, {}),
            models=self._read(MODELS, decoded_models, ()),
        )

    def begin(self) -> None:
        """
        From now on things happen.
        """
        try:
            make_folder(self._processes)
            self._journal.open()
        except OSError as error:
            self._complain(error)
        if self._journal.size > JOURNAL_BYTES or os.path.lexists(self._journal.older):
            self._shorten()

    def put(self, record: Record) -> Deferred[None]:
        """
        See L{IRecords.put}.
        """
        if record.slug in self._unread:
            return fail(StateNotWritten(f"{record.slug} {self._unread[record.slug]}"))
        return self._write(self._path(record.slug), encoded(record))

    def repeat(self, slug: str) -> None:
        """
        See L{IRecords.repeat}.
        """
        if slug not in self._unread:
            self._repeat.add(slug)
            self._try_later()

    def remove(self, record: Record) -> Deferred[None]:
        """
        See L{IRecords.remove}.
        """
        self._repeat.discard(record.slug)
        if record.slug in self._unread:
            return succeed(None)  # what is there was not of this one

        def removed(_: None) -> None:
            if record.slug in self._noted or record.slug in self._turned:
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
            over=record.wanted is False,
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
        return self._keep(SECTIONS, encoded_sections(sections))

    def modelled(self, models: Iterable[CreateRequest]) -> Deferred[None]:
        """
        See L{IRecords.modelled}.
        """
        return self._keep(MODELS, encoded_models(models))

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
        return os.path.join(self._processes, slug + reading.SUFFIX)

    def _read(self, name: str, decode: Callable[[bytes], T], nothing: T) -> T:
        path = str(self.folder / name)
        found, why = reading.one(path, decode)
        if why:
            self._unread_files[name] = why
        return nothing if found is None else found

    def _keep(self, name: str, data: bytes) -> Deferred[None]:
        path = str(self.folder / name)
        if name in self._unread_files:
            return fail(StateNotWritten(f"{path} {self._unread_files[name]}"))
        self._latest[name] = data

        def failed(failure: Failure) -> Failure:
            self._repeat_files.add(name)
            self._try_later()
            return failure

        return self._write(path, data).addErrback(failed)

    def _write(self, path: str, data: bytes | None) -> Deferred[None]:
        written = self._writer.write(path, data)
        return written.addCallbacks(self._wrote, self._not_written)

    def _wrote(self, _: None) -> None:
        self._said = ""
        self._delay = FIRST_RETRY

    def _not_written(self, failure: Failure) -> None:
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
        if self._journal.size > self._limit:
            self._shorten()

    def _try_later(self) -> None:
        if self._call is None and not self._closed:
            self._call = self.clock.callLater(self._delay, self._again)
            self._delay = min(LONGEST_RETRY, self._delay * 2)

    def _again(self) -> None:
        """
        Write what could not be.
        """
        self._call = None
        slugs, self._repeat = self._repeat, set()
        for slug in slugs:
            record = self.snapshot(slug)
            again = self._write(self._path(slug), None if record is None else encoded(record))
            again.addErrback(lambda _, slug: self.repeat(slug), slug)
        names, self._repeat_files = self._repeat_files, set()
        for name in names:
            self._keep(name, self._latest[name]).addErrback(lambda _: None)  # tried again

    def _shorten(self) -> None:
        """
        Begin a new journal, and have what the old one says elsewhere.
        """
        # Where that can't be now, it is tried again once the journal is longer still.
        self._limit = self._journal.size + JOURNAL_BYTES
        if self._shortening:
            return
        try:
            if self._journal.size > JOURNAL_BYTES and self._journal.turn():
                self._turned, self._noted = self._noted, set()
                self._limit = JOURNAL_BYTES
        except OSError as error:
            self._complain(error)
            return
        self._shortening = True
        self._rewrite_some(None, iter(sorted(self._turned or self._noted)))

    def _rewrite_some(
        self, results: list[tuple[bool, None]] | None, slugs: Iterator[str]
    ) -> None:
        if not all(written for written, _ in results or ()) or self._closed:
            self._shortening = False  # the old journal stays
            return
        writes = []
        for slug in slugs:  # some may be gone since, and are none of those at once
            record = self.snapshot(slug)
            if record is not None and slug not in self._unread:
                writes.append(self.put(record))
                if len(writes) == AT_ONCE:
                    break
        if writes:
            DeferredList(writes, consumeErrors=True).addCallback(self._rewrite_some, slugs)
            return
        self._shortening = False
        self._turned = set()
        with suppress(OSError):  # at the next start it is read once more
            self._journal.forget_older()
