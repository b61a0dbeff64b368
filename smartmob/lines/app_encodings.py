"""
Lines of all processes of an app as the bytes that readers get: as in
L{smartmob.lines.encodings}, and each says whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from smartmob.lines.encodings import Format, compact, documents, frame, frames
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

    def __call__(self, chunk: Chunk, node: str) -> str: ...


def plain(chunk: Chunk, node: str) -> str:
    """
    As foreman says it.
    """
    return f"{node} | smartmob: " if chunk.own else f"{node} | "


def heroku(chunk: Chunk, node: str) -> str:
    """
    As C{heroku logs} says it.
    """
    moment = datetime.fromtimestamp(int(chunk.time), UTC).isoformat()
    return f"{moment} app[{node}]: smartmob: " if chunk.own else f"{moment} app[{node}]: "


def prefixed(chunk: Chunk, prefix: bytes) -> list[bytes]:
    """
    Each line, behind the prefix.
    """
    return [prefix + line for line in chunk.lines()]


class AppFrames:
    """
    A frame a line, and nothing else.
    """

    told = False
    events = False

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    def lines(self, chunk: Chunk, node: str) -> bytes:
        return frames(prefixed(chunk, self._prefix(chunk, node).encode()))

    def event(self, document: Mapping[str, object]) -> bytes:
        raise NotImplementedError("plain frames are lines only")


class AppJsonFrames:
    """
    A frame with a JSON document a line, and one for each event.
    """

    told = True
    events = True

    def lines(self, chunk: Chunk, node: str) -> bytes:
        return frames([document.encode() for document in documents(chunk, node)])

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
        found = prefixed(chunk, self._prefix(chunk, node).encode())
        found.append(b"")
        return b"\n".join(found)

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
        found = documents(chunk, node)
        found.append("")
        return "\n".join(found).encode()

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
            found = documents(chunk, node)
        else:
            prefix = self._prefix(chunk, node)
            found = [prefix + line.decode().replace("\r", "\ndata: ") for line in chunk.lines()]
        return "".join([f"data: {line}\n\n" for line in found]).encode()

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
