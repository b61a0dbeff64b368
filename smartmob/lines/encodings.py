"""
Lines as the bytes that readers get, made once a chunk for all of them.

The frames are those that a WebSocket server sends (RFC 6455, section 5.2):
final, text, not masked, no extension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json import dumps
from json.encoder import encode_basestring
from typing import Protocol

from smartmob.lines.encoder import loaded
from smartmob.lines.ring import Chunk, split

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
    second, millionth = divmod(round(seconds * 1e6), 1_000_000)
    return f"{_second(second)}.{millionth // 1000:03d}Z"


@lru_cache(maxsize=8)
def _second(number: int) -> str:
    return datetime.fromtimestamp(number, UTC).isoformat().removesuffix("+00:00")


OWN = b"smartmob: "
"""What stands before the agent's own words."""

_ESCAPES = [
    (character.encode(), encode_basestring(character)[1:-1].encode())
    for character in ("\\", '"', *map(chr, range(0x20)))
    if character != "\n"
]
"""What a JSON string must not have in it (RFC 8259, section 7), the backslash first."""

_ESCAPED = re.compile(rb'[\x00-\x09\x0b-\x1f"\\]')

SMALL = 1000
"""For so many bytes it takes less time to look for all of these at once than for each."""


MANY = 8
"""For fewer lines it takes less time to do without the compiled library."""


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
        if chunk.own:
            return prefixed_frames(OWN, chunk.lines())
        if chunk.count >= MANY:
            library = loaded()
            if library is not None:
                return library.frames(chunk.data)
        return frames(chunk.lines())

    def event(self, document: Mapping[str, object]) -> bytes:
        raise NotImplementedError("plain frames are lines only")


class JsonFrames:
    """
    A frame with a JSON document a line, and one for each event.
    """

    told = True
    events = True

    def lines(self, chunk: Chunk) -> bytes:
        return document_frames(chunk)

    def event(self, document: Mapping[str, object]) -> bytes:
        return frame(compact(document))


class Text:
    """
    The lines as they are, for C{text/plain}.
    """

    told = False
    events = False

    def lines(self, chunk: Chunk) -> bytes:
        return between(OWN, chunk.data) if chunk.own else chunk.data

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
        return filled(document(chunk) + b"\n", chunk.numbers, json_lines(chunk))

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
        numbers = chunk.numbers
        if self._json:
            event = b"id: %d\ndata: " + document(chunk) + b"\n\n"
            return filled(event, numbers, numbers, json_lines(chunk))
        lines = chunk.lines()
        if b"\r" in chunk.data:
            lines = [line.replace(b"\r", b"\ndata: ") for line in lines]
        event = b"id: %d\ndata: " + (OWN if chunk.own else b"") + b"%b\n\n"
        return filled(event, numbers, lines)

    def event(self, document: Mapping[str, object]) -> bytes:
        return b"event: %s\ndata: %s\n\n" % (str(document["event"]).encode(), compact(document))


PLAIN_FRAMES = PlainFrames()
JSON_FRAMES = JsonFrames()
TEXT = Text()
NDJSON = Ndjson()
SSE = ServerSentEvents(json=False)
SSE_JSON = ServerSentEvents(json=True)


def heads(lines: list[bytes], more: int = 0) -> list[bytes]:
    """
    The head of each line's frame.

    @param more: Bytes of the frame's payload that are not of the line.
    """
    try:
        if more:
            return [_HEADERS[len(line) + more] for line in lines]
        return [_HEADERS[len(line)] for line in lines]
    except IndexError:
        return [header(len(line) + more) for line in lines]


def frames(lines: list[bytes]) -> bytes:
    """
    A frame each, one after the other.
    """
    if len(lines) == 1:
        return frame(lines[0])
    pairs = lines * 2
    pairs[::2] = heads(lines)
    pairs[1::2] = lines
    return b"".join(pairs)


def prefixed_frames(prefix: bytes, lines: list[bytes]) -> bytes:
    """
    A frame a line, with the prefix before each.
    """
    frame = b"%b" + literal(prefix) + b"%b"
    return filled(frame, heads(lines, len(prefix)), lines)


def between(prefix: bytes, data: bytes, end: bytes = b"\n") -> bytes:
    """
    Lines, the prefix before each, and C{end} instead of its own behind it.
    """
    return prefix + data[:-1].replace(b"\n", end + prefix) + end


def document_frames(chunk: Chunk, node: str = "") -> bytes:
    """
    A frame with a JSON document a line.
    """
    template, lines = document(chunk, node), json_lines(chunk)
    if chunk.count == 1:
        return frame(template % (chunk.first, lines[0]))
    numbers = chunk.numbers
    beside, beside_last = (len(template % (numbers[at], b"")) for at in (0, -1))
    if beside != beside_last:  # the numbers get longer, as they do now and then
        return frames(split(filled(template + b"\n", numbers, lines)))
    return filled(b"%b" + template, heads(lines, beside), numbers, lines)


def document(chunk: Chunk, node: str = "") -> bytes:
    """
    The template for the JSON documents of the chunk's lines, to be filled with a number and
    what L{json_lines} gives.

    @param node: Whose they are, where the document says that.
    """
    whose = f',"node":{encode_basestring(node)}' if node else ""
    start = f'{whose},"time":"{timestamp(chunk.time)}","stream":"{chunk.stream}","line":"'
    end = f'","pid":{"null" if chunk.pid is None else chunk.pid}'
    end += ',"partial":true}' if chunk.partial else "}"
    return b'{"seq":%d' + literal(start.encode()) + b"%b" + end.encode()


def json_lines(chunk: Chunk) -> list[bytes]:
    """
    Each line as the inside of a JSON string.

    Most have nothing that has to be escaped: to see that of all of them at once takes
    less time than of each.
    """
    data = chunk.data
    if len(data) < SMALL and not _ESCAPED.search(data):
        return chunk.lines()
    for character, instead in _ESCAPES:
        if character in data:
            data = data.replace(character, instead)
    return chunk.lines() if data is chunk.data else split(data)


def literal(text: bytes) -> bytes:
    """
    The template that stays what it is.
    """
    return text.replace(b"%", b"%%")


def filled(template: bytes, *columns: Sequence[object]) -> bytes:
    """
    The template once for each row of these columns, one after the other.  All of it is one
    operation, which takes half the time of one a row.
    """
    width, rows = len(columns), len(columns[0])
    values: list[object] = [None] * (width * rows)
    for at, column in enumerate(columns):
        values[at::width] = column
    return template * rows % tuple(values)


def compact(document: Mapping[str, object]) -> bytes:
    """
    A JSON document without white space.
    """
    return dumps(document, separators=(",", ":")).encode()
