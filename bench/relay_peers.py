"""
Peers that relay lines in frames, a WebSocket message each, as their documentation has it.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from attrs import frozen

from bench import peers
from bench.building import SOURCES
from bench.emitting import Emission
from bench.ending import end, wait_for
from bench.figures import Failed
from bench.relaying import Measure, Run, delivered

GRACE = 5.0
"""Seconds to end; their programs are over by then."""


@frozen
class Serving:
    """
    Somebody who relays.

    @ivar port: Where, on loopback, at C{/}.
    @ivar pid: Of who does it.
    """

    port: int
    pid: int


Serve = Callable[[Sequence[str]], AbstractContextManager[Serving]]
"""Relay what the program of this command line writes."""


def websocketd() -> Serve:
    """
    U{websocketd<http://websocketd.com>}.
    """
    path = peers.websocketd()

    @contextmanager
    def serve(words: Sequence[str]) -> Iterator[Serving]:
        port = _free_port()
        own = (f"--port={port}", "--address=127.0.0.1", "--loglevel=fatal")
        process = subprocess.Popen(
            [path, *own, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for("websocketd to listen", lambda: _listens(port), 10)
            yield Serving(port, process.pid)
        finally:
            end(process, GRACE)

    return serve


def aiohttp() -> Serve:
    """
    U{aiohttp<https://docs.aiohttp.org>}: C{programs/relay_aiohttp.py}.
    """
    return _script(peers.aiohttp(), "relay_aiohttp.py")


def websockets() -> Serve:
    """
    U{websockets<https://websockets.readthedocs.io>}: C{programs/relay_websockets.py}.
    """
    return _script(peers.websockets(), "relay_websockets.py")


FRAMED: dict[str, Callable[[], Serve]] = {
    "websocketd": websocketd,
    "aiohttp": aiohttp,
    "websockets": websockets,
}


def relaying(serve: Serve, receiver: Path) -> Measure:
    """
    What such a one relays.
    """

    def measure(emission: Emission, clients: int) -> Run:
        with serve(emission.words) as serving:
            return delivered(receiver, serving.port, "/", clients, emission, serving.pid)

    return measure


def _script(python: Path, name: str) -> Serve:
    @contextmanager
    def serve(words: Sequence[str]) -> Iterator[Serving]:
        process = subprocess.Popen(
            [python, SOURCES / name, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            if not port:
                raise Failed(f"{name} does not begin")
            yield Serving(int(port), process.pid)
        finally:
            end(process, GRACE)
            if process.stdout is not None:
                process.stdout.close()

    return serve


def _free_port() -> int:
    """
    For programs that can't be asked which one they got.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        assert isinstance(port, int)
        return port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
