"""
The documents that the REST interface shows.

Building and encoding the document of a process costs more than sending it, so
what was encoded is kept until the process changes.  URLs begin with the scheme
and Host that a client used: where they go is marked, and filled in last, so
that nothing of one client's request is kept for another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from attrs import field, frozen

from smartmob.documents import CreateRequest, Definition, LastExit
from smartmob.lines.encodings import timestamp

if TYPE_CHECKING:
    from smartmob.process import Process

_MARK = "\0"
"""Stands for the base URL; C{\\0w} for that of WebSockets.  Encoded JSON has no NUL."""

LINKS = {
    "attach": f"{_MARK}w/attach-console/",
    "details": f"{_MARK}h/process-status/",
    "status": f"{_MARK}h/process-status/",
    "delete": f"{_MARK}h/delete-process/",
    "stop": f"{_MARK}h/stop-process/",
    "start": f"{_MARK}h/start-process/",
    "restart": f"{_MARK}h/restart-process/",
    "signal": f"{_MARK}h/signal-process/",
    "stdin": f"{_MARK}h/write-stdin/",
    "logs": f"{_MARK}h/process-logs/",
    "stats": f"{_MARK}h/process-stats/",
}
"""The links of a process document, to which its slug is added."""


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


@frozen(eq=False)
class Documents:
    """
    Process documents, encoded.
    """

    _kept: WeakKeyDictionary[Process, tuple[int, bytes]] = field(factory=WeakKeyDictionary)

    def one(self, process: Process, base: bytes) -> bytes:
        """
        The document of a process.

        @param base: As L{smartmob.web.site.Request.base_url}.
        """
        return _fill(self._fragment(process), base)

    def listing(self, processes: Iterable[Process], base: bytes) -> bytes:
        """
        The documents of some processes.
        """
        joined = b", ".join([self._fragment(process) for process in processes])
        return _fill(b'{"processes": [' + joined + b"]}", base)

    def _fragment(self, process: Process) -> bytes:
        kept = self._kept.get(process)
        if kept is not None and kept[0] == process.version:
            return kept[1]
        version = process.version
        document = process_document(process)
        links = {name: link + process.slug for name, link in LINKS.items()}
        body = json.dumps(document)[:-1].encode()
        linked = "".join(f', "{name}": "{link}"' for name, link in links.items())
        fragment = body + linked.encode() + b"}"
        self._kept[process] = (version, fragment)
        return fragment


def _fill(body: bytes, base: bytes) -> bytes:
    sockets = b"ws" + base.removeprefix(b"http")
    return body.replace(b"\0h", base).replace(b"\0w", sockets)
