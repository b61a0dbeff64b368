"""
What clients may send that is almost HTTP, or was once, or is meant to be taken for two
things: strategies for L{hypothesis}.
"""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

CREATE = json.dumps(
    {"app": "a", "node": "b", "process_type": "web", "source_url": "http://..."}
).encode()

SANE = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"

_methods = st.sampled_from(
    [
        *(b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"CONNECT"),
        *(b"get", b"G\tT", b"", b"\0", b"GET/", b"PRI", b"X" * 20, b"\xc3\xa4"),
    ]
)
_targets = st.sampled_from(
    [
        *(b"/", b"/ping", b"/create-process", b"/list-processes", b"/events", b"/archives"),
        *(b"/process-status/myapp.web.0", b"/stop-process/myapp.web.0", b"/openapi.json"),
        *(b"/process-logs/myapp.web.0", b"/process-logs/myapp.web.0?follow=1&tail=x", b"*"),
        *(b"/attach-console/myapp.web.0", b"/scale-app/myapp", b"/_plugin/x/", b"//ping"),
        *(b"http://localhost/ping", b"http://evil.example/ping", b"HTTP://LOCALHOST", b"a:b"),
        *(b"http://a@localhost/", b"/%00", b"/%ff%fe", b"/\x80", b"/" + b"a" * 200, b"?", b"#"),
        *(b"/ping?" + b"&" * 50, b"/ping?wait=%zz", b"localhost:80", b"/../ping", b"/ping/"),
    ]
)
_versions = st.sampled_from(
    [
        *(b" HTTP/1.1",) * 8,
        *(b" HTTP/1.0", b" HTTP/0.9", b" HTTP/2.0", b" HTTP/1.2", b" HTTP/11.1", b" http/1.1"),
        *(b"", b" HTTP/1.1 ", b"  HTTP/1.1", b"\tHTTP/1.1", b" HTTP/1.1\0", b" HTTP/1,1"),
    ]
)
_ends = st.sampled_from(
    [*(b"\r\n",) * 10, b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\0\r\n", b"\n\r\n"]
)
_separators = st.sampled_from([*(b": ",) * 8, b":", b":\t", b" : ", b":\r\n ", b"", b":\x0b"])

_LENGTHS = (
    *(b"0", b"2", b"2", b"5", b"02", b"+2", b"-2", b"2, 2", b"2 2", b"0x2", b"", b"\xb2"),
    *(b"%d" % len(CREATE), b"%d" % (1 << 20), b"%d" % ((1 << 20) + 1), b"9" * 20, b"1" * 5000),
)
_CODINGS = (
    *(b"chunked", b"chunked", b"Chunked", b"identity", b"gzip, chunked", b"chunked, chunked"),
    *(b"chunked, identity", b"chunked;q=1", b'"chunked"', b"\x0bchunked", b"x", b"", b"cow"),
)
_OTHERS = (
    *(b"localhost", b"127.0.0.1:8080", b"evil.example", b"", b"close", b"keep-alive", b"0"),
    *(b"keep-alive,close", b"Upgrade, HTTP2-Settings", b"h2c", b"websocket", b"100-continue"),
    *(b"application/json", b"text/html", b"null", b"cross-site", b"bytes=0-", b"*/*", b"\x80"),
    *(b"text/event-stream", b"13", b"dGhlIHNhbXBsZSBub25jZQ==", b"AAMAAABkAARAAAAA", b"\x01"),
)
_NAMES = (
    *(b"Content-Length", b"content-length", b"Content_Length", b"Content-Length\0"),
    *(b"Transfer-Encoding", b"transfer-encoding", b"Transfer_Encoding", b"Trans\xc2\xadfer"),
    *(b"Host", b"Connection", b"Upgrade", b"Expect", b"Content-Type", b"Origin", b"Range"),
    *(b"Sec-Fetch-Site", b"Accept", b"X-Request-Id", b"TE", b"Trailer", b"HTTP2-Settings"),
    *(b"Sec-WebSocket-Version", b"Sec-WebSocket-Key", b"Authorization", b"Cookie", b""),
    *(b"X-Forwarded-Host", b"Content-Encoding", b" Host", b"Host ", b"\tX", b"X" * 300),
)

_length = st.sampled_from(_LENGTHS).map(lambda value: (b"Content-Length", value))
_coding = st.sampled_from(_CODINGS).map(lambda value: (b"Transfer-Encoding", value))
_other = st.tuples(st.sampled_from(_NAMES), st.sampled_from((*_LENGTHS, *_CODINGS, *_OTHERS)))
_field = st.one_of(_length, _coding, _other, st.tuples(st.sampled_from(_NAMES), st.binary()))
_fields = st.lists(
    st.builds(
        lambda field, separator, end: field[0] + separator + field[1] + end,
        _field,
        _separators,
        _ends,
    ),
    max_size=4,
)

_chunk_sizes = st.sampled_from(
    [
        *(b"2", b"2", b"02", b"2;a=b", b'2;a="b"', b"2 ;a", b"2; a", b"0x2", b"+2", b"-2"),
        *(
            b"f" * 16,
            b"f" * 500,
            b"g",
            b"",
            b" 2",
            b"2\n",
            b"2;\n",
            b"2;" + b"a" * 1100,
            b"\xb2",
        ),
    ]
)
_chunks = st.builds(
    lambda size, end, data, behind: size + end + data + behind,
    _chunk_sizes,
    _ends,
    st.sampled_from([b"{}", b"{}", b"{", b"{} ", b""]),
    _ends,
)
_last_chunks = st.sampled_from(
    [
        *(b"0\r\n\r\n", b"0\r\n\r\n", b"00\r\n\r\n", b"0;a\r\n\r\n", b"0\r\n", b"0\n\n"),
        *(b"0\r\nX: y\r\n\r\n", b"0\r\nX: y\nZ: w\r\n\r\n", b"0\r\n\n\r\n", b"0\r\nX\r\n\r\n"),
        *(b"0\r\nContent-Length: 9\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX: \0\r\n\r\n"),
        b"0\r\nX: a\r\n\nGET / HTTP/1.1\r\n\r\n",
    ]
)
_chunked = st.builds(
    lambda chunks, last: b"".join(chunks) + last, st.lists(_chunks, max_size=3), _last_chunks
)
_good_chunked = st.lists(st.sampled_from([b"2\r\n{}\r\n", b"1;x=y\r\n \r\n"]), max_size=3).map(
    lambda chunks: b"".join(chunks) + b"0\r\n\r\n"
)

_targets_of_bodies = st.sampled_from(
    [b"/create-process", b"/scale-app/myapp", b"/stop-process/myapp.web.0", b"/archives", b"/"]
)
_good = st.one_of(
    st.builds(
        lambda method, target, fields: (
            method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n"
        ),
        st.sampled_from([b"GET", b"HEAD", b"OPTIONS", b"POST"]),
        _targets,
        st.sampled_from([b"", b"Connection: close\r\n", b"Accept: text/event-stream\r\n"]),
    ),
    st.builds(
        lambda target, body: (
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (target, len(body), body)
        ),
        _targets_of_bodies,
        st.sampled_from([CREATE, b"{}", b"", SANE, b"\r\n\r\n"]),
    ),
    st.builds(
        lambda target, body: (
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%b"
            % (target, body)
        ),
        _targets_of_bodies,
        _good_chunked,
    ),
    st.just(
        b"GET /attach-console/myapp.web.0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
)
_almost = st.builds(
    lambda method, target, version, end, host, fields, last, body: b"".join(
        [method, b" ", target, version, end, host, *fields, last, body]
    ),
    st.sampled_from([b"GET", b"POST", b"POST", b"PUT"]) | _methods,
    st.sampled_from([b"/ping", b"/create-process"]) | _targets,
    _versions,
    _ends,
    st.sampled_from([*(b"Host: localhost\r\n",) * 5, b"Host: evil\r\n", b""]),
    _fields,
    _ends,
    st.one_of(st.sampled_from([b"{}", b"", CREATE, SANE]), _chunked, _good_chunked),
)
_smuggled = st.builds(
    lambda fields, body: b"".join(
        [b"POST /create-process HTTP/1.1\r\nHost: localhost\r\n", *fields, b"\r\n", body, SANE]
    ),
    st.lists(
        st.builds(
            lambda field, separator, end: field[0] + separator + field[1] + end,
            _length | _coding,
            _separators,
            _ends,
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([b"{}", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n", b""]) | _chunked,
)
_foreign = st.sampled_from(
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\0\x50\0\x50",
        b"\x16\3\1\0\xa5\1\0\0\xa1\3\3" + bytes(range(160)),
        b"GET /\r\n",
        b"GET / \r\n\r\n",
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"EHLO example.org\r\n",
        b"\r\n",
        b"\n",
        b"\0" * 50,
        b"A" * 17_000,
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /ping HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % number for number in range(600)),
        b"HTTP/1.1 200 OK\r\n\r\n",
    ]
)


def changed(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """
    Some bytes of it others.
    """
    for at, length, instead in changes:
        at %= len(data) + 1
        data = data[:at] + instead + data[at + length :]
    return data


_mutations = st.builds(
    changed,
    _good,
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 3),
            st.sampled_from(
                [b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"\xff", b"0"]
            )
            | st.binary(max_size=2),
        ),
        min_size=1,
        max_size=3,
    ),
)

streams: SearchStrategy[bytes] = st.lists(
    st.one_of(_good, _good, _almost, _smuggled, _mutations, _foreign, st.binary(max_size=8)),
    min_size=1,
    max_size=4,
).map(b"".join)
"""What a client may send on a connection."""
