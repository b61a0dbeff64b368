"""
The documents that the REST interface shows.

Building and encoding the document of a process costs more than sending it, so
what was encoded is kept until the process changes, and so is the listing of all
of them.  URLs begin with the scheme and Host that a client used: what is kept is
kept for these, and nobody else gets it; those of the last few clients' only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from attrs import define, field

from smartmob.documents import CreateRequest, Definition, LastExit
from smartmob.lines.encodings import timestamp

if TYPE_CHECKING:
    from smartmob.process import Process

MOST_BASES = 2
"""For so many schemes and Hosts documents are kept: those that were used last."""

LINKS = {
    "attach": "/attach-console/",
    "details": "/process-status/",
    "status": "/process-status/",
    "delete": "/delete-process/",
    "stop": "/stop-process/",
    "start": "/start-process/",
    "restart": "/restart-process/",
    "signal": "/signal-process/",
    "stdin": "/write-stdin/",
    "logs": "/process-logs/",
    "stats": "/process-stats/",
}
"""The paths of the links of a process document, to which its slug is added."""

_SLUG = "<slug>"
"""Stands for the slug in links; no Host has such brackets."""

SOCKETS = frozenset({"attach"})
"""Those of WebSockets."""


def shown_url(url: str) -> str:
    """
    The URL of a source without its query, which may be what grants access to it.
    """
    path, question_mark, _ = url.partition("?")
    return f"{path}?..." if question_mark else url


def source_of(definition: Definition) -> str | None:
    """
    Where the source of a process comes from; C{None} where it is on this machine.
    """
    if isinstance(definition, CreateRequest):
        return shown_url(definition.source_url)
    return None


def exit_document(last: LastExit) -> dict[str, object]:
    """
    How a run ended.
    """
    return {
        "code": last.code,
        "signal": last.signal,
        "at": timestamp(last.at),
        "ran_seconds": round(last.ran_seconds, 3),
        "killed": list(last.killed),
        "left": [{"pid": one.pid, "name": one.name} for one in last.left],
    }


def process_document(process: Process) -> dict[str, object]:
    """
    The document of a process, but for its links.
    """
    definition = process.definition
    started = process.started_at
    last = process.last_exit
    return {
        "app": definition.app,
        "node": definition.node,
        "process_type": definition.process_type,
        "slug": process.slug,
        "state": process.state.value,
        "reason": process.reason,
        "pid": process.pid,
        "restarts": process.restarts,
        "created_at": timestamp(process.created_at),
        "started_at": None if started is None else timestamp(started),
        "last_exit": None if last is None else exit_document(last),
        "port": process.port,
        "source_url": source_of(definition),
        "labels": dict(definition.labels),
        "blocked": process.blocked,
    }


def encode(document: object) -> bytes:
    """
    JSON as it is sent.
    """
    return json.dumps(document).encode()


def _links(base: bytes) -> str:
    """
    The links of a document, and its end.
    """
    there = base.decode("latin-1")
    sockets = "ws" + there.removeprefix("http")
    links = {
        name: f"{sockets if name in SOCKETS else there}{path}{_SLUG}"
        for name, path in LINKS.items()
    }
    return ", " + json.dumps(links).removeprefix("{")


def _joined(documents: Iterable[bytes]) -> bytes:
    return b'{"processes": [' + b", ".join(documents) + b"]}\n"


@define(eq=False, repr=False)
class Documents:
    """
    Process documents, encoded.
    """

    _shown: dict[bytes, _Shown] = field(factory=dict, init=False)

    def one(self, process: Process, base: bytes) -> bytes:
        """
        The document of a process.

        @param base: As L{smartmob.web.site.Request.base_url}.
        """
        return self._with(base).one(process)

    def whole(self, process: Process, base: bytes) -> bytes:
        """
        The document of a process, with its last exits.
        """
        exits = [
            {**exit_document(past.exit), "lines": list(past.lines)}
            for past in process.last_exits
        ]
        document = self.one(process, base).removesuffix(b"}")
        return b'%b, "last_exits": %b}' % (document, encode(exits))

    def some(self, processes: Iterable[Process], base: bytes) -> bytes:
        """
        A listing of some processes.
        """
        return _joined(map(self._with(base).one, processes))

    def all(self, processes: list[Process], base: bytes) -> bytes:
        """
        The listing of all processes there are, which is kept, too.
        """
        return self._with(base).all(processes)

    def _with(self, base: bytes) -> _Shown:
        shown = self._shown.pop(base, None) or _Shown(_links(base))
        self._shown[base] = shown
        if len(self._shown) > MOST_BASES:
            del self._shown[next(iter(self._shown))]  # which was asked for longest ago
        return shown


@define(eq=False, repr=False)
class _Shown:
    """
    Documents with the URLs that some clients get.

    Nothing in here keeps a process that was deleted.

    @ivar _links: The end of each document, with L{_SLUG} for the slug.
    @ivar _kept: Each document, and which version of its process it shows.
    @ivar _listed: Whose documents the listing has that was made last ...
    @ivar _versions: ... of which versions ...
    @ivar _parts: ... and the documents; C{_listing} are all of them together.
    """

    _links: str
    _kept: WeakKeyDictionary[Process, tuple[int, bytes]] = field(factory=WeakKeyDictionary)
    _listed: list[ref[Process]] = field(factory=list)
    _versions: list[int] = field(factory=list)
    _parts: list[bytes] = field(factory=list)
    _listing: bytes = field(init=False, factory=lambda: _joined(()))

    def one(self, process: Process) -> bytes:
        """
        The document of a process.
        """
        kept = self._kept.get(process)
        if kept is not None and kept[0] == process.version:
            return kept[1]
        version = process.version
        body = json.dumps(process_document(process)).removesuffix("}")
        document = (body + self._links.replace(_SLUG, process.slug)).encode("latin-1")
        self._kept[process] = (version, document)
        return document

    def all(self, processes: list[Process]) -> bytes:
        """
        The listing of these.  Where no process came or went, only what changed is put in
        anew; and what did not change at all is what was made before.
        """
        versions = [process.version for process in processes]
        if [listed() for listed in self._listed] == processes:
            if versions == self._versions:
                return self._listing
            pairs = zip(versions, self._versions, strict=True)
            for index, (version, before) in enumerate(pairs):
                if version != before:
                    self._parts[index] = self.one(processes[index])
        else:
            self._listed = [ref(process) for process in processes]
            self._parts = [self.one(process) for process in processes]
        self._versions = versions
        self._listing = _joined(self._parts)
        return self._listing
