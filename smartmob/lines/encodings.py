"""
Lines as the bytes that readers get, made once a chunk for all of them.

The frames are those that a WebSocket server sends (RFC 6455, section 5.2):
final, text, not masked, no extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from json import dumps
from json.encoder import encode_basestring
from typing import Protocol

from smartmob.lines.ring import Chunk

_HEADERS = [bytes([0x81, n]) for n in range(126)]
_HEADERS += [b"\x81\x7e" + n.to_bytes(2, "big") for n in range(126, 4096)]
"""The head of a frame, by its length; a table is twice as fast as a function."""


def header(length: int) -> bytes:
    """
    The head of a text frame of so many bytes.
    """
    if length < len(_HEADERS):
        return _HEADERS[length]
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


def frame(payload: bytes) -> bytes:
    """
    A text frame.
    """
    return header(len(payload)) + payload


def timestamp(seconds: float) -> str:
    """
    Seconds since the epoch as ISO 8601 in UTC, with milliseconds.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Format(Protocol):
    """
    What readers can be told besides lines.

    @ivar told: Its readers can be told what they missed, and so may miss lines.
    @ivar events: Its readers are told what happens to the process.
    """

    @property
    def told(self) -> bool: ...

    @property
    def events(self) -> bool: ...

    def event(self, document: Mapping[str, object]) -> bytes:
        """
        What happened; only where C{told}.
        """


class Encoding(Format, Protocol):
    """
    One format of the lines of a process.
    """

    def lines(self, chunk: Chunk) -> bytes:
        """
        All lines of the chunk.
        """


class PlainFrames:
    """
    A frame a line, and nothing else.
    """

    told = False
    events = False

    def lines(self, chunk: Chunk) -> bytes:
        lines = chunk.lines()
        if chunk.own:
            lines = [b"smartmob: " + line for line in lines]
        return frames(lines)

    def event(self, document: Mapping[str, object]) -> bytes:
        raise NotImplementedError("plain frames are lines only")


class JsonFrames:
    """
    A frame with a JSON document a line, and one for each event.
    """

    told = True
    events = True

    def lines(self, chunk: Chunk) -> bytes:
        return frames([document.encode() for document in documents(chunk)])

    def event(self, document: Mapping[str, object]) -> bytes:
        return frame(compact(document))


class Text:
    """
    The lines as they are, for C{text/plain}.
    """

    told = False
    events = False

    def lines(self, chunk: Chunk) -> bytes:
        if chunk.own:
            return b"".join([b"smartmob: " + line + b"\n" for line in chunk.lines()])
        return chunk.data

    def event(self, document: Mapping[str, object]) -> bytes:
        raise NotImplementedError("text is lines only")


class Ndjson:
    """
    The documents of L{JsonFrames}, one a line, without what happens to the
    process.
    """

    told = True
    events = False

    def lines(self, chunk: Chunk) -> bytes:
        found = documents(chunk)
        found.append("")
        return "\n".join(found).encode()

    def event(self, document: Mapping[str, object]) -> bytes:
        return compact(document) + b"\n"


class ServerSentEvents:
    """
    An event a line, its number as the id (HTML Living Standard, 9.2).

    A C{\\r} inside a line would end a field there, so it is sent as a new line
    of the data.
    """

    told = True
    events = False

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def lines(self, chunk: Chunk) -> bytes:
        found = documents(chunk) if self._json else self._plain(chunk)
        return "".join(
            [f"id: {n}\ndata: {line}\n\n" for n, line in enumerate(found, chunk.first)]
        ).encode()

    @staticmethod
    def _plain(chunk: Chunk) -> list[str]:
        prefix = "smartmob: " if chunk.own else ""
        return [prefix + line.decode().replace("\r", "\ndata: ") for line in chunk.lines()]

    def event(self, document: Mapping[str, object]) -> bytes:
        return b"event: %s\ndata: %s\n\n" % (str(document["event"]).encode(), compact(document))


PLAIN_FRAMES = PlainFrames()
JSON_FRAMES = JsonFrames()
TEXT = Text()
NDJSON = Ndjson()
SSE = ServerSentEvents(json=False)
SSE_JSON = ServerSentEvents(json=True)


def frames(lines: list[bytes]) -> bytes:
    """
    A frame each, one after the other.
    """
    pairs = lines * 2
    pairs[1::2] = lines
    try:
        pairs[::2] = [_HEADERS[len(line)] for line in lines]
    except IndexError:
        pairs[::2] = [header(len(line)) for line in lines]
    return b"".join(pairs)


def documents(chunk: Chunk, node: str = "") -> list[str]:
    """
    Each line of the chunk as a JSON document, which says whose it is where that is
    given.
    """
    middle = f',"node":{encode_basestring(node)}' if node else ""
    middle += f',"time":"{timestamp(chunk.time)}","stream":"{chunk.stream}","line":'
    end = f',"pid":{"null" if chunk.pid is None else chunk.pid}'
    end += ',"partial":true}' if chunk.partial else "}"
    lines = chunk.data.decode().split("\n")
    lines.pop()
    return [
        f'{{"seq":{n}{middle}{encode_basestring(line)}{end}'
        for n, line in enumerate(lines, chunk.first)
    ]


def compact(document: Mapping[str, object]) -> bytes:
    """
    A JSON document without white space.
    """
    return dumps(document, separators=(",", ":")).encode()
