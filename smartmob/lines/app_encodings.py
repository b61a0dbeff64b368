"""
Lines of all processes of an app as the bytes that readers get: as in
L{smartmob.lines.encodings}, and each says whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from smartmob.lines.encodings import (
    OWN,
    Format,
    between,
    compact,
    document,
    document_frames,
    filled,
    frame,
    json_lines,
    prefixed_frames,
)
from smartmob.lines.ring import Chunk


class AppEncoding(Format, Protocol):
    """
    One format of the lines of an app.
    """

    def lines(self, chunk: Chunk, node: str) -> bytes:
        """
        All lines of the chunk.

        @param node: Whose they are.
        """


class Prefix(Protocol):
    """
    What stands before each line.
    """

    def __call__(self, chunk: Chunk, node: str) -> bytes: ...


def plain(chunk: Chunk, node: str) -> bytes:
    """
    As foreman says it.
    """
    return f"{node} | ".encode() + (OWN if chunk.own else b"")


def heroku(chunk: Chunk, node: str) -> bytes:
    """
    As C{heroku logs} says it.
    """
    moment = datetime.fromtimestamp(int(chunk.time), UTC).isoformat()
    return f"{moment} app[{node}]: ".encode() + (OWN if chunk.own else b"")


class AppFrames:
    """
    A frame a line, and nothing else.
    """

    told = False
    events = False

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    def lines(self, chunk: Chunk, node: str) -> bytes:
        return prefixed_frames(self._prefix(chunk, node), chunk.lines())

    def event(self, document: Mapping[str, object]) -> bytes:
        raise NotImplementedError("plain frames are lines only")


class AppJsonFrames:
    """
    A frame with a JSON document a line, and one for each event.
    """

    told = True
    events = True

    def lines(self, chunk: Chunk, node: str) -> bytes:
        return document_frames(chunk, node)

    def event(self, document: Mapping[str, object]) -> bytes:
        return frame(compact(document))


class AppText:
    """
    The lines as they are, for C{text/plain}.
    """

    told = False
    events = False

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    def lines(self, chunk: Chunk, node: str) -> bytes:
        return between(self._prefix(chunk, node), chunk.data)

    def event(self, document: Mapping[str, object]) -> bytes:
        raise NotImplementedError("text is lines only")


class AppNdjson:
    """
    The documents of L{AppJsonFrames}, one a line, without what happens to the
    processes.
    """

    told = True
    events = False

    def lines(self, chunk: Chunk, node: str) -> bytes:
        return filled(document(chunk, node) + b"\n", chunk.numbers, json_lines(chunk))

    def event(self, document: Mapping[str, object]) -> bytes:
        return compact(document) + b"\n"


class AppServerSentEvents:
    """
    An event a line.  It has no id, since an app has no number that says where one
    stands: each of its processes has its own.

    A C{\\r} inside a line would end a field there, so it is sent as a new line
    of the data.
    """

    told = True
    events = False

    def __init__(self, prefix: Prefix | None) -> None:
        """
        @param prefix: C{None}: JSON documents.
        """
        self._prefix = prefix

    def lines(self, chunk: Chunk, node: str) -> bytes:
        if self._prefix is None:
            event = b"data: " + document(chunk, node) + b"\n\n"
            return filled(event, chunk.numbers, json_lines(chunk))
        start = b"data: " + self._prefix(chunk, node)
        return between(start, chunk.data, b"\n\n").replace(b"\r", b"\ndata: ")

    def event(self, document: Mapping[str, object]) -> bytes:
        return b"event: %s\ndata: %s\n\n" % (str(document["event"]).encode(), compact(document))


APP_FRAMES: Mapping[str, AppEncoding] = {
    "plain": AppFrames(plain),
    "json": AppJsonFrames(),
    "heroku": AppFrames(heroku),
}
"""For WebSockets, by the name of the format."""

APP_TEXTS: Mapping[str, AppEncoding] = {
    "plain": AppText(plain),
    "json": AppNdjson(),
    "heroku": AppText(heroku),
}
"""For plain HTTP."""

APP_EVENTS: Mapping[str, AppEncoding] = {
    "plain": AppServerSentEvents(plain),
    "json": AppServerSentEvents(None),
    "heroku": AppServerSentEvents(heroku),
}
"""For server-sent events."""
