"""
What servers may answer that is almost HTTP: strategies for L{hypothesis}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.http_grammar import changed

_status_lines = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK",) * 6,
        *(b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/2 200 OK", b"ICY 200"),
        *(b"HTTP/1.1 302 Found", b"HTTP/1.1 503 Busy", b"HTTP/1.1 429 Busy", b"HTTP/1.1 204 X"),
        *(b"HTTP/1.1 304 X", b"HTTP/1.1 404 X", b"HTTP/1.1 0 X", b"HTTP/1.1 99999 X", b""),
        *(b"HTTP/1.1 -200 X", b"HTTP/1.1 2\xb20 X", b"HTTP/1.1 101 X", b"HTTP/1.1 100 Go"),
        *(b"HTTP/1.1 206 Part", b"HTTP/1.1 " + b"2" * 5000 + b" X", b"HTTP/9.9 200 OK", b"\0"),
    ]
)
_headers = st.sampled_from(
    [
        *(b"Content-Length: 5",) * 4,
        *(b"Content-Length: 0", b"Content-Length: 6", b"Content-Length: x", b"Content-Length:"),
        *(b"Content-Length: " + b"9" * 20, b"Content-Length: " + b"1" * 5000),
        *(b"Content-Length: -5", b"Content-Length: 5, 5", b"Content-Length: +5"),
        *(b"Transfer-Encoding: chunked",) * 2,
        *(
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding: gzip, chunked",
            b"Connection: x",
        ),
        *(b"Connection: close", b"Location: /ok", b"Location: ", b"Location: http://[/"),
        *(b"Location: \xff\xfe", b"Location: //0.0.0.0/", b"Location: http://\xc3\xa4/", b"X"),
        *(b"Location: file:///etc/passwd", b"Location: ?" + b"%" * 30, b"Retry-After: 5"),
        *(b"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", b"Retry-After: " + b"9" * 500, b": y"),
        *(
            b"Content-Encoding: gzip",
            b"X: \0",
            b" folded",
            b"X: " + b"y" * 20_000,
            b"\xff: \xff",
        ),
    ]
)
_bodies = st.sampled_from(
    [
        *(b"hello",) * 4,
        *(
            b"",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\r\n0\r\n",
            b"5\r\nhell",
            b"-1\r\n",
            b"\r\n",
        ),
        *(
            b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n",
            b"f" * 40 + b"\r\n",
            b"g\r\n",
            b"hello" * 9000,
        ),
        b"0\r\n" + b"X: y\r\n" * 9 + b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    ]
)
_ends = st.sampled_from([*(b"\r\n",) * 9, b"\n", b"\r", b"\r\r\n"])
_answers = st.builds(
    lambda status, headers, end, body: b"".join(
        [status, end, *(header + end for header in headers), end, body]
    ),
    _status_lines,
    st.lists(_headers, max_size=3),
    _ends,
    _bodies,
)
_changes = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 2), st.binary(max_size=2)), max_size=2
)

answers: SearchStrategy[bytes] = st.one_of(
    _answers,
    st.builds(changed, _answers, _changes),
    st.builds(lambda first, second: first + second, _answers, _answers),
    st.binary(max_size=20),
)
"""What a server may send before it closes the connection."""
