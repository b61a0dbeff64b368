"""
Lines as the bytes that go to a destination, made once a chunk for all that want the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Protocol

from attrs import evolve, field, frozen

from smartmob.forward.packing import event_time, packed, text_heads, unsigned_alike
from smartmob.lines.encodings import (
    OWN,
    between,
    compact,
    document,
    filled,
    json_lines,
    literal,
    timestamp,
)
from smartmob.lines.ring import Chunk
from smartmob.placeholders import Pattern, Whose

OWN_STREAM = "smartmob"
"""That of what is said of missing lines."""

LONGEST_MESSAGE = 7_000
"""
Bytes of a line that one message of syslog has: receivers cut what is much longer, rsyslog at
8 KiB of all of it unless it is told otherwise, and RFC 5424 (6.1) asks for 2 KiB only.
"""

LONGEST_IN_DOCUMENT = LONGEST_MESSAGE // 2
"""
The same where it is in a document, in which each quotation mark is two bytes: a document that
is cut can't be read at all.
"""

_LONGEST_TAG = 48  # APP-NAME of RFC 5424, 6.2.5; that of RFC 3164 has no bound in practice
_LONGEST_ID = 32  # MSGID, 6.2.7
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Encoding(Protocol):
    """
    One format.  Equal ones make equal bytes.
    """

    def lines(self, chunk: Chunk, whose: Whose) -> bytes:
        """
        All lines of the chunk.
        """

    def missing(self, count: int, whose: Whose, seconds: float) -> bytes:
        """
        That so many lines are missing here.

        @param seconds: When that is said, since the epoch.
        """


def missing(count: int) -> str:
    """
    The same for a person.
    """
    return f"{count} {'line is' if count == 1 else 'lines are'} missing here"


@frozen
class Plain:
    """
    The lines as they are.
    """

    def lines(self, chunk: Chunk, whose: Whose) -> bytes:
        return between(OWN, chunk.data) if chunk.own else chunk.data

    def missing(self, count: int, whose: Whose, seconds: float) -> bytes:
        return b"%b%b\n" % (OWN, missing(count).encode())


@frozen
class Stamped:
    """
    When, whose and of which stream they are stands before each; a C{+} behind the stream says
    that the line goes on in the next.
    """

    def lines(self, chunk: Chunk, whose: Whose) -> bytes:
        stream = _marked(chunk)
        return between(_stamp(chunk.time, whose, stream), chunk.data)

    def missing(self, count: int, whose: Whose, seconds: float) -> bytes:
        return b"%b%b\n" % (_stamp(seconds, whose, OWN_STREAM), missing(count).encode())


@frozen
class Json:
    """
    A document a line.
    """

    def lines(self, chunk: Chunk, whose: Whose) -> bytes:
        return filled(_document(chunk, whose) + b"\n", chunk.numbers, json_lines(chunk))

    def missing(self, count: int, whose: Whose, seconds: float) -> bytes:
        return _missing_document(count, whose, seconds) + b"\n"


@frozen
class Message:
    """
    Messages of syslog, each with a newline behind it, or with its length before it.

    @ivar priority: PRI (RFC 5424, 6.2.1).
    @ivar tag: APP-NAME, or TAG.
    @ivar json: A message is a document.
    @ivar host: The name of this machine; empty: messages have the form of syslog(3), which is
        for a local socket.  It is that of RFC 3164 without a host; journald and rsyslog read
        nothing else there.
    @ivar counted: Its length stands before each (RFC 6587, 3.4.1).
    @ivar local: The time of this machine, with the fields of L{time.localtime}.
    """

    priority: int
    tag: Pattern
    json: bool = False
    host: str = ""
    counted: bool = False
    local: Callable[[float], time.struct_time] = field(default=time.localtime, repr=False)

    def lines(self, chunk: Chunk, whose: Whose) -> bytes:
        longest = LONGEST_IN_DOCUMENT if self.json else LONGEST_MESSAGE
        return b"".join(self._messages(part, whose) for part in _short(chunk, longest))

    def missing(self, count: int, whose: Whose, seconds: float) -> bytes:
        text = _missing_document(count, whose, seconds)
        if not self.json:
            text = missing(count).encode()
        return self._framed(self._head(whose, OWN_STREAM, None, seconds), [text])

    def _messages(self, chunk: Chunk, whose: Whose) -> bytes:
        lines = chunk.lines()
        if self.json:
            documents = filled(
                _document(chunk, whose) + b"\n", chunk.numbers, json_lines(chunk)
            )
            lines = documents.split(b"\n")[:-1]
        return self._framed(self._head(whose, _marked(chunk), chunk.pid, chunk.time), lines)

    def _head(self, whose: Whose, stream: str, pid: int | None, seconds: float) -> bytes:
        tag = self.tag.filled(whose, stream.rstrip("+"))[:_LONGEST_TAG] or "-"
        if self.host:
            # Nothing of what a line has beside is an SD-ELEMENT that IANA knows (section 9.2).
            stream = stream if len(stream) <= _LONGEST_ID else f"{stream[: _LONGEST_ID - 1]}+"
            head = f"<{self.priority}>1 {timestamp(seconds)} {self.host} {tag} "
            head += f"{'-' if pid is None else pid} {stream} - "
        else:
            now = self.local(seconds)
            moment = f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2} "
            moment += f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
            head = f"<{self.priority}>{moment} {tag}{'' if pid is None else f'[{pid}]'}: "
        return head.encode()

    def _framed(self, head: bytes, lines: list[bytes]) -> bytes:
        if not self.counted:
            return filled(literal(head) + b"%b\n", lines)
        size = len(head)
        return filled(b"%d " + literal(head) + b"%b", [size + len(one) for one in lines], lines)


@frozen
class Entries:
    """
    Entries of Fluentd's forward protocol: pairs of a time and a record, in MessagePack.
    """

    def lines(self, chunk: Chunk, whose: Whose) -> bytes:
        lines = chunk.lines()
        fields: dict[str, object] = _fields(whose)
        fields["stream"] = chunk.stream
        if chunk.pid is not None:
            fields["pid"] = chunk.pid
        if chunk.partial:
            fields["partial"] = True
        head = _entry(chunk.time, fields, 2) + packed("seq")
        kind, numbers = unsigned_alike(chunk.numbers)
        template = literal(head + kind) + b"%b" + literal(packed("message")) + b"%b%b"
        return filled(template, numbers, text_heads(lines), lines)

    def missing(self, count: int, whose: Whose, seconds: float) -> bytes:
        fields: dict[str, object] = _fields(whose)
        fields |= {"stream": OWN_STREAM, "missed": count, "message": missing(count)}
        return _entry(seconds, fields, 0)


def _entry(seconds: float, fields: dict[str, object], more: int) -> bytes:
    """
    The beginning of an entry, up to the last of these fields.

    @param more: How many follow, fewer than 16 with these.
    """
    parts = [b"\x92", event_time(seconds), bytes([0x80 | len(fields) + more])]
    for key, value in fields.items():
        parts += (packed(key), packed(value))
    return b"".join(parts)


def _fields(whose: Whose) -> dict[str, object]:
    return {
        "app": whose.app,
        "node": whose.node,
        "process_type": whose.process_type,
        "slug": whose.slug,
    }


def _marked(chunk: Chunk) -> str:
    return f"{chunk.stream}+" if chunk.partial else chunk.stream


def _stamp(seconds: float, whose: Whose, stream: str) -> bytes:
    return f"{timestamp(seconds)} {whose.slug} {stream} | ".encode()


def _document(chunk: Chunk, whose: Whose) -> bytes:
    """
    The template of a document, to be filled with a number and the inside of a string.
    """
    said = "".join(f'"{key}":{encode_basestring(value)},' for key, value in _pairs(whose))
    return b"{" + literal(said.encode()) + document(chunk)[1:]


def _pairs(whose: Whose) -> list[tuple[str, str]]:
    return [(key, str(value)) for key, value in _fields(whose).items()]


def _missing_document(count: int, whose: Whose, seconds: float) -> bytes:
    return compact(
        {**_fields(whose), "event": "dropped", "time": timestamp(seconds), "missed": count}
    )


def _short(chunk: Chunk, longest: int) -> list[Chunk]:
    """
    The same lines in chunks without a line of more bytes than this.
    """
    if len(chunk.data) <= longest or max(map(len, chunk.lines())) <= longest:
        return [chunk]
    parts = []
    for number, line in zip(chunk.numbers, chunk.lines(), strict=True):
        pieces = _pieces(line, longest)
        for at, piece in enumerate(pieces, 1):
            parts.append(
                evolve(
                    chunk,
                    first=number,
                    count=1,
                    data=piece + b"\n",
                    partial=chunk.partial or at < len(pieces),
                    split=None,
                )
            )
    return parts


def _pieces(line: bytes, longest: int) -> list[bytes]:
    pieces = []
    while len(line) > longest:
        end = longest
        while line[end] & 0xC0 == 0x80:  # in the midst of a character
            end -= 1
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]
