"""
A WebSocket client that reads when it is told to, and not before.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

PATIENCE = 60.0

TEXT = 0x1
CLOSE = 0x8
PING = 0x9


class SlowClient:
    """
    Attached, and not reading.
    """

    def __init__(
        self, port: int, path: str, address: str = "127.0.0.1", buffer: int = 0
    ) -> None:
        """
        @param address: Of loopback, where it comes from.
        @param buffer: Bytes that its system takes before it is asked for them; 0: as usual.
        """
        self._known = bytearray()
        self._socket = socket.socket()
        self._socket.settimeout(PATIENCE)
        if buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.bind((address, 0))
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self._socket.recv(1)
            if not byte:
                raise ConnectionError(f"no WebSocket: {head!r}")
            head += byte
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"no WebSocket: {head!r}")

    def read(self, idle: float) -> Iterator[tuple[int, bytes]]:
        """
        All frames: their opcode and their payload, until the connection's end or until
        nothing has come for so many seconds.  What comes of a frame is kept until the rest
        does, for the next time.
        """
        self._socket.settimeout(idle)
        known = self._known
        while True:
            at = 0
            try:
                while (found := _frame(known, at)) is not None:
                    opcode, start, at = found
                    yield opcode, bytes(known[start:at])
            finally:
                del known[:at]
            try:
                data = self._socket.recv(1 << 18)
            except (TimeoutError, ConnectionResetError):
                return
            if not data:
                return
            known += data

    def answer(self, payload: bytes) -> None:
        """
        A ping, so as not to be taken for gone: at most 125 bytes (RFC 6455, section 5.5.3).
        """
        self._socket.sendall(b"\x8a" + bytes([0x80 | len(payload), 0, 0, 0, 0]) + payload)

    def leave(self) -> None:
        """
        Say so, and wait for the answer.
        """
        self._socket.sendall(b"\x88\x82\0\0\0\0\x03\xe8")  # masked with nothing: 1000
        for opcode, _ in self.read(PATIENCE):
            if opcode == CLOSE:
                break
        self._socket.close()

    def close(self) -> None:
        """
        Gone, without a word.
        """
        self._socket.close()


def _frame(data: bytearray, at: int) -> tuple[int, int, int] | None:
    """
    The opcode of the frame that begins there, and where its payload starts and ends;
    C{None} where it is not whole (RFC 6455, section 5.2).
    """
    if len(data) < at + 2:
        return None
    opcode, length = data[at] & 15, data[at + 1]
    start = at + {126: 4, 127: 10}.get(length, 2)
    if length > 125:
        if len(data) < start:
            return None
        length = int.from_bytes(data[at + 2 : start], "big")
    end = start + length
    return None if len(data) < end else (opcode, start, end)
