"""
HTTP/1.1 as strictly as U{RFC 9112<https://www.rfc-editor.org/rfc/rfc9112>} has it, for
both directions: where one message ends and the next begins, to somebody who forgives
nothing.  It has nothing in common with what the agent reads requests by.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from attrs import field, frozen

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\xb0]+) HTTP/1\.([01])" % _TOKEN)
"""Its target may have a little more in it than the RFC would let it."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)")
_FIELD = re.compile(rb"(%b):[ \t]*((?:[^\0\r\n]*[^\0\r\n \t])?)[ \t]*" % _TOKEN)
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[^\0\r\n]*)?")
_SENT = re.compile(rb"(%b): ([\x21-\xff](?:[\t\x20-\xff]*[\x21-\xff])?|)" % _TOKEN)

_ONCE = {
    *("content-length", "content-type", "date", "location", "transfer-encoding", "etag"),
    *("connection", "x-request-id", "allow", "last-modified", "retry-after"),
}
"""Of an answer."""


class Malformed(Exception):
    """
    No HTTP/1.1.
    """


class Unfinished(Exception):
    """
    There is more to come.
    """


@frozen
class Message:
    """
    A request that is all there.

    @ivar last: No other can follow on this connection.
    """

    method: bytes
    target: bytes
    last: bool
    body: bytes = field(repr=False)


@frozen
class Stream:
    """
    What a client sent.

    @ivar rest: What follows the messages, which is none, or not yet.
    @ivar malformed: It never will be one.
    """

    messages: tuple[Message, ...]
    rest: bytes
    malformed: bool

    @property
    def methods(self) -> list[bytes]:
        """
        Of the messages, and of what follows them, as far as it has one.
        """
        begun = _REQUEST_LINE.fullmatch(_begun(self.rest).partition(b"\r\n")[0])
        more = [] if begun is None else [begun[1]]
        return [*(message.method for message in self.messages), *more]


@frozen
class Reply:
    """
    An answer.

    @ivar headers: By their names in lower case; repeated ones joined by commas.
    @ivar whole: It is all there.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    @property
    def closes(self) -> bool:
        """
        It says that it is the last.
        """
        return self.headers.get("connection", "").lower() == "close"

    def json(self) -> Any:
        """
        Its document.
        """
        return json.loads(self.body)


def requests(data: bytes) -> Stream:
    """
    The requests of a client.
    """
    messages: list[Message] = []
    while True:
        try:
            message, rest = _request(_begun(data))
        except (Malformed, Unfinished) as error:
            return Stream(tuple(messages), data, isinstance(error, Malformed))
        data = rest
        messages.append(message)
        if message.last:
            return Stream(tuple(messages), b"", False)


def _begun(data: bytes) -> bytes:
    """
    Without the empty line that may stand before a request (RFC 9112, 2.2).
    """
    return data.removeprefix(b"\r\n")


def _line(data: bytes) -> tuple[bytes, bytes]:
    """
    A line and what follows it; nothing but CRLF ends one, and neither CR nor LF alone
    stands in one.
    """
    line, end, rest = data.partition(b"\r\n")
    if re.search(rb"[\0\n]|\r(?!\Z)", line):
        raise Malformed
    if not end:
        raise Unfinished
    if b"\r" in line:
        raise Malformed
    return line, rest


def _fields(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """
    Header fields to the empty line, and what follows that.  One that is folded is one
    (RFC 9112, 5.2).
    """
    lines: list[bytes] = []
    while True:
        line, data = _line(data)
        if not line:
            break
        if line[:1] in (b" ", b"\t"):
            if not lines:
                raise Malformed
            lines[-1] += b" " + line.strip(b" \t")
        else:
            lines.append(line)
    found = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise Malformed
        found.append((match[1].lower(), match[2]))
    return found, data


def _request(data: bytes) -> tuple[Message, bytes]:
    line, data = _line(data)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Malformed
    fields, data = _fields(data)
    said = {name: [value for key, value in fields if key == name] for name, _ in fields}
    lengths, codings = said.get(b"content-length", []), said.get(b"transfer-encoding", [])
    body = b""
    if codings:
        if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise Malformed
        body, data = _chunked(data)
    elif lengths:
        if len(lengths) > 1 or not re.fullmatch(rb"[0-9]+", lengths[0]):
            raise Malformed
        if len(lengths[0]) > 18 or len(data) < int(lengths[0]):
            raise Unfinished
        body, data = data[: int(lengths[0])], data[int(lengths[0]) :]
    options = {
        option.strip(b" \t").lower()
        for value in said.get(b"connection", [])
        for option in value.split(b",")
    }
    last = match[3] == b"0" or b"close" in options
    return Message(match[1], match[2], last, body), data


def _chunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, data = _line(data)
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise Malformed
        size = int(match[1], 16)
        if not size:
            _, data = _fields(data)
            return body, data
        if len(match[1]) > 16 or len(data) < size + 2:
            raise Unfinished
        if data[size : size + 2] != b"\r\n":
            raise Malformed
        body, data = body + data[:size], data[size + 2 :]


def replies(data: bytes, methods: list[bytes]) -> list[Reply]:
    """
    The answers of a server.

    @param methods: Of the requests, in order, as far as there are.
    @raise AssertionError: It is no HTTP/1.1.
    """
    found: list[Reply] = []
    number = 0
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, head
        status_line, *lines = head.split(b"\r\n")
        match = _STATUS_LINE.fullmatch(status_line)
        assert match, status_line
        status = int(match[1])
        assert HTTPStatus(status).phrase.encode() == match[2], status_line
        headers: dict[str, str] = {}
        for line in lines:
            parted = _SENT.fullmatch(line)
            assert parted, line
            name, value = parted[1].decode().lower(), parted[2].decode("latin-1")
            assert name not in _ONCE or name not in headers, line
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        method = methods[number] if number < len(methods) else b""
        if status == 101:
            found.append(Reply(status, headers, data))
            break
        if status < 200:
            assert not {"content-length", "transfer-encoding"} & headers.keys(), head
            found.append(Reply(status, headers, b""))
            continue
        number += 1
        reply, data = _framed(status, headers, data, method)
        found.append(reply)
    return found


def _framed(
    status: int, headers: dict[str, str], data: bytes, method: bytes
) -> tuple[Reply, bytes]:
    assert not {"content-length", "transfer-encoding"} <= headers.keys(), headers
    if status in (204, 304) or method == b"HEAD":
        assert status != 204 or "content-length" not in headers, headers
        return Reply(status, headers, b""), data
    if "content-length" in headers:
        assert re.fullmatch("0|[1-9][0-9]*", headers["content-length"]), headers
        length = int(headers["content-length"])
        return Reply(status, headers, data[:length], len(data) >= length), data[length:]
    if headers.get("transfer-encoding") == "chunked":
        try:
            body, data = _chunked(data)
        except Unfinished:
            return Reply(status, headers, data, whole=False), b""
        return Reply(status, headers, body), data
    assert "transfer-encoding" not in headers, headers
    return Reply(status, headers, data), b""
