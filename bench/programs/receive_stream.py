"""
C{receive_stream.py WHERE PATH FRAMES COUNT GO [CERTIFICATE]}: one WebSocket over TCP (a port of
loopback), a unix socket (a path), or TLS (a port, and the certificate of who is there).

When it shook hands, opens the FIFO GO for writing, so that the program on the other side
begins, and reads COUNT bytes.  They are compared, all of them, with the file FRAMES, again and
again: what a server has to send is known to the last byte.  That costs a comparison of memory
only, so Python is quick enough, and has TLS.  Prints one JSON document:

  seconds  from the opening of GO to the last byte     right   whether all were equal
  cpu      seconds of this program meanwhile           cipher  of TLS
"""

import json
import os
import socket
import ssl
import sys
import time

READ = 1 << 18
PATIENCE = 60.0


def reached(where: str, certificate: str) -> socket.socket:
    """
    Connected.
    """
    if not where.isdecimal():
        local = socket.socket(socket.AF_UNIX)
        local.connect(where)
        return local
    port = socket.create_connection(("127.0.0.1", int(where)))
    port.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not certificate:
        return port
    context = ssl.create_default_context(cafile=certificate)
    return context.wrap_socket(port, server_hostname="127.0.0.1")


def shake_hands(connection: socket.socket, path: str) -> None:
    """
    Ask for a WebSocket (RFC 6455, section 1.3), and read no byte too many.
    """
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        head += byte
        if not byte or len(head) > READ:
            sys.exit(f"no WebSocket: {head!r}")
    if not head.startswith(b"HTTP/1.1 101 "):
        sys.exit(f"no WebSocket: {head!r}")


def main(
    where: str, path: str, frames: str, count: str, go: str, certificate: str = ""
) -> None:
    """
    Read it all.
    """
    with open(frames, "rb") as file:
        page = file.read()
    text = page + page[:READ]  # no comparison is cut at the page's end
    left, at, right = int(count), 0, True
    connection = reached(where, certificate)
    connection.settimeout(PATIENCE)
    shake_hands(connection, path)
    os.open(go, os.O_WRONLY)
    began, used = time.monotonic(), time.process_time()
    while left > 0:
        data = connection.recv(min(READ, left))
        if not data:
            sys.exit(f"it ended, {left} bytes too early")
        right = right and text.startswith(data, at)
        at = (at + len(data)) % len(page)
        left -= len(data)
    document = {
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - used,
        "right": right,
        "cipher": connection.version() if isinstance(connection, ssl.SSLSocket) else "",
    }
    print(json.dumps(document))


main(*sys.argv[1:])
