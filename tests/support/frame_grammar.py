"""
What WebSocket clients may send that is almost a frame, and what it means to somebody who
forgives nothing: U{RFC 6455<https://www.rfc-editor.org/rfc/rfc6455>}, section 5.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

from attrs import define, field
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

MOST = 1 << 20
"""Bytes of a message, and of a frame."""

MOST_PARTS = 1024
"""Frames of a message."""

_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
"""That may be sent (RFC 6455, 7.4, and IANA's registry)."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\1\2\3\4",
    length: int | None = None,
    width: int | None = None,
) -> bytes:
    """
    A frame of a client.

    @param mask: C{None}: it has none.
    @param length: What it says that it has.
    @param width: Bytes in which it says so, where that is not 7 bits; the least that are
        enough unless given.
    """
    length = len(payload) if length is None else length
    if width is None:
        width = 0 if length < 126 else 2 if length < 1 << 16 else 8
    least = {0: min(length, 125), 2: 126, 8: 127}[width]
    head = bytes([fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | least])
    if width:
        head += (length & ((1 << 8 * width) - 1)).to_bytes(width, "big")
    if mask is None:
        return head + payload
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return head + mask + masked


@define
class Reading:
    """
    What a strict reader makes of all that a client sent.

    @ivar messages: Whole ones, in order.
    @ivar pings: Payloads, in order.
    @ivar closed: With this code the client said that it is over; C{None} without one.
    @ivar over: The client said so.
    @ivar wrong: The codes that what came last may be answered with; none: it was right.
    """

    messages: list[bytes] = field(factory=list)
    pings: list[bytes] = field(factory=list)
    closed: int | None = None
    over: bool = False
    wrong: set[int] = field(factory=set)


def read(data: bytes) -> Reading:
    """
    Read until nothing more may follow.
    """
    found = Reading()
    begun: int | None = None
    message = b""
    parts = 0
    while len(data) >= 2 and not (found.over or found.wrong):
        first, second = data[0], data[1]
        opcode, fin, length = first & 15, first >> 7, second & 127
        width = {126: 2, 127: 8}.get(length, 0)
        control = opcode >= CLOSE
        if (
            first & 0x70
            or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
            or not second & 0x80
            or (control and (not fin or length > 125))
            or (not control and (opcode == CONTINUATION) == (begun is None))
        ):
            found.wrong = {1002}
            break
        if len(data) < 2 + width:
            break
        if width:
            length = int.from_bytes(data[2 : 2 + width], "big")
            if length < (126 if width == 2 else 1 << 16) or length >> 63:
                found.wrong = {1002}
                break
        if length > MOST or (not control and len(message) + length > MOST):
            found.wrong = {1009}
            break
        key, data = data[2 + width : 6 + width], data[6 + width :]
        part = bytes(byte ^ key[at % 4] for at, byte in enumerate(data[:length]))
        whole = len(key) == 4 and len(data) >= length
        data = data[length:]
        if not control:
            begun = opcode if begun is None else begun
            message += part
            parts += whole
            if parts > MOST_PARTS:
                found.wrong = {1008}
                break
            if begun == TEXT and not _is_text(message, final=bool(fin and whole)):
                found.wrong = {1007}
            elif whole and fin:
                found.messages.append(message)
                begun, message, parts = None, b"", 0
        if not whole:
            break
        if opcode == PING:
            found.pings.append(part)
        elif opcode == CLOSE:
            _read_close(found, part)
    return found


def _is_text(data: bytes, *, final: bool) -> bool:
    try:
        getincrementaldecoder("utf-8")().decode(data, final)
    except UnicodeDecodeError:
        return False
    return True


def _read_close(found: Reading, payload: bytes) -> None:
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or (payload and code not in _CODES):
        found.wrong = {1002}
    elif not _is_text(payload[2:], final=True):
        found.wrong = {1002, 1007}
    else:
        found.over = True
        found.closed = code if payload else None


_texts = st.text("a\u00e4\u20ac\U0001f600\0\n", max_size=6).map(str.encode)
_payloads = st.one_of(
    _texts,
    st.binary(max_size=10),
    st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65_535, b"x" * 65_536, b"\xed\xa0\x80"]),
)
_codes = st.integers(0, 65_535) | st.sampled_from([0, 999, 1000, 1004, 1005, 1006, 1015, 2999])
_closes = st.builds(
    lambda code, reason: frame(CLOSE, code.to_bytes(2, "big") + reason),
    _codes,
    _texts | st.binary(max_size=8),
) | st.sampled_from([frame(CLOSE), frame(CLOSE, b"\3"), frame(CLOSE, b"\3\xe8" + b"r" * 124)])
_masks = st.sampled_from([b"\0\0\0\0", b"\1\2\3\4", b"\xff\0\xff\0"])

_good = st.one_of(
    st.builds(lambda text, mask: frame(TEXT, text, mask=mask), _texts, _masks),
    st.builds(lambda data, mask: frame(BINARY, data, mask=mask), _payloads, _masks),
    st.builds(lambda data: frame(PING, data[:125]), _payloads),
    st.builds(lambda data: frame(PONG, data[:125]), _payloads),
)
_fragmented = st.builds(
    lambda opcode, parts, between: b"".join(
        frame(opcode if not number else 0, part, fin=number == len(parts) - 1) + between
        for number, part in enumerate(parts)
    ),
    st.sampled_from([TEXT, BINARY]),
    st.lists(_payloads | st.sampled_from([b"\xc3", b"\xa4", b"\xe2\x82", b"\xac"]), min_size=1),
    st.sampled_from([b"", b"", frame(PING, b"between")]),
)
_almost = st.builds(
    lambda opcode, payload, fin, rsv, mask, length, width: frame(
        opcode, payload, fin=fin, rsv=rsv, mask=mask, length=length, width=width
    ),
    st.integers(0, 15),
    _payloads,
    st.booleans(),
    st.sampled_from([0, 0, 0, 0, 1, 2, 4, 7]),
    st.sampled_from([b"\1\2\3\4", b"\1\2\3\4", b"\0\0\0\0", None]),
    st.none()
    | st.sampled_from(
        [0, 1, 5, 126, 65_535, 65_536, MOST, MOST + 1, 1 << 62, 1 << 63, 2**64 - 1]
    ),
    st.sampled_from([None, None, None, 0, 2, 8]),
)
FLOODS = {
    "many empty parts": frame(TEXT, fin=False) + frame(0, fin=False) * 3000,
    "some empty parts": frame(TEXT, b"a", fin=False)
    + frame(0, fin=False) * 999
    + frame(0, b"b"),
    "long pings": frame(PING, b"x" * 125) * 500,
    "pongs": frame(PONG) * 1000,
    "empty messages": frame(BINARY) * 1000,
    "a long message": (
        frame(TEXT, b"x" * 300_000, fin=False) + frame(0, b"x" * 300_000, fin=False) * 3
    ),
    "a text": frame(TEXT, b"a text"),
    "no text": frame(TEXT, b"\xff"),
    "closing": frame(CLOSE, b"\3\xe8") * 20,
}
"""Much of something, by what it is."""

streams: SearchStrategy[bytes] = st.lists(
    st.one_of(
        *(_good, _good, _good, _fragmented, _almost, _closes),
        st.binary(max_size=8),
        st.sampled_from(
            [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\0" * 30, b"\xff" * 30]
        ),
    ),
    min_size=1,
    max_size=6,
).map(b"".join)
"""What a client may send once hands were shaken."""
