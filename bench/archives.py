"""
Sources for agents, and where they are fetched from.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


def pack(procfile: Mapping[str, str], *programs: Path) -> bytes:
    """
    A source with these process types, and these programs beside its Procfile.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        text = "".join(f"{name}: {command}\n" for name, command in procfile.items()).encode()
        entry = tarfile.TarInfo("Procfile")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
        for program in programs:
            tar.add(program, program.name)
    return packed.getvalue()


@contextmanager
def served(archive: bytes) -> Iterator[str]:
    """
    An HTTP server on loopback that has nothing but this.

    @return: Its URL.
    """

    class Shelf(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/gzip")
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Who fetches may hang up: a process that is deleted does."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)  # type: ignore[arg-type] # passed on

    with Server(("127.0.0.1", 0), Shelf) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/source.tar.gz"
        finally:
            server.shutdown()
            thread.join()
