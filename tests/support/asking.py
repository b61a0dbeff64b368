"""
One request, from within a place that only a program in it can reach.

C{python -I -S asking.py METHOD URL [TOKEN]}: the body comes from standard input; what is
written is the status on a line of its own, then the answer.  A URL of C{unix:PATH} is followed
by the path of the request behind a second colon.
"""

from __future__ import annotations

import http.client
import socket
import sys
from urllib.parse import urlsplit

PATIENCE = 60


def connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """
    A connection to it, and the path.
    """
    if url.startswith("unix:"):
        _, place, path = url.split(":", 2)
        made = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        made.sock = socket.socket(socket.AF_UNIX)
        made.sock.connect(place)
        return made, path
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.netloc, timeout=PATIENCE), parts.path


def main(method: str, url: str, token: str = "") -> None:
    """
    Ask, and tell.
    """
    body = sys.stdin.buffer.read()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body:
        plain = body[:1] in (b"{", b"[")
        headers["Content-Type"] = "application/json" if plain else "application/octet-stream"
    made, path = connection(url)
    made.request(method, path, body, headers)
    answer = made.getresponse()
    sys.stdout.buffer.write(b"%d\n%s" % (answer.status, answer.read()))


if __name__ == "__main__":
    main(*sys.argv[1:])
