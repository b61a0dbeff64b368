"""
Whatever comes over a socket to a real agent.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import struct
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.threads import deferToThread

from tests.support import frame_grammar, http_grammar
from tests.support.agent_process import AgentProcess, AgentTestCase
from tests.support.certificates import pair
from tests.support.console_client import PATIENCE
from tests.support.frame_grammar import TEXT, frame
from tests.support.fuzzing import tries
from tests.support.http_grammar import SANE
from tests.support.strict_http import replies, requests
from tests.support.websockets import UPGRADE, get

CONFIGURATION = """\
[process:cat]
cmd = cat
redirect_input = true
"""
changes = st.lists(
    st.tuples(st.integers(0, 600), st.integers(0, 2), st.binary(max_size=2)), max_size=3
)
CONSOLE = b"/attach-console/default.cat.0"


class Talk:
    """
    Connections to an agent, of a thread that may wait.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        """
        @param context: For one that speaks TLS.
        """
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.address = (parts.hostname, parts.port)
        self.sane: socket.socket = self.connect()
        if context is not None:
            self.sane = context.wrap_socket(self.sane, server_hostname="localhost")
        self.lines = 0

    def connect(self) -> socket.socket:
        """One more."""
        return socket.create_connection(self.address, PATIENCE)

    def ask(self, request: bytes = SANE) -> bytes:
        """Ask what anybody may, on a connection that is used again and again."""
        self.sane.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.some(self.sane)
        head, _, body = data.partition(b"\r\n\r\n")
        [length] = [
            line[16:] for line in head.split(b"\r\n") if line[:16] == b"Content-Length: "
        ]
        while len(body) < int(length):
            body += self.some(self.sane)
        assert head.startswith(b"HTTP/1.1 200 "), head
        return body

    def some(self, connection: socket.socket) -> bytes:
        """What comes next."""
        data = connection.recv(65536)
        assert data, "the agent hung up"
        return data

    def attach(self, path: bytes) -> socket.socket:
        """A WebSocket."""
        connection = self.connect()
        connection.sendall(get(path, UPGRADE))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            assert byte, head
            head += byte
        assert head.startswith(b"HTTP/1.1 101 "), head
        return connection

    def send(self, connection: socket.socket, data: bytes) -> bytes:
        """
        Send something, and hear what the agent has said when it has answered others twice:
        in between it has read that.
        """
        with contextlib.suppress(ConnectionError):  # it may have heard enough
            connection.sendall(data)
        for _ in range(2):
            assert self.ask() == b"OK"
        said = b""
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while data := connection.recv(1 << 20):
                said += data
        return said

    def type(self) -> bytes:
        """Have the program say a line of its own."""
        self.lines += 1
        line = b"line %d." % self.lines
        body = json.dumps({"data": f"\n{line.decode()}\n"}).encode()
        self.ask(
            b"POST /write-stdin/default.cat.0 HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        return line


def hang_up(connection: socket.socket) -> None:
    """
    As rudely as can be: by a reset.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class AgentTests(AgentTestCase):
    """
    An agent with one program, which says what it is told.
    """

    async def begin(self) -> tuple[AgentProcess, Talk]:
        """Start it."""
        file = self.folder / "agent.ini"
        file.write_text(CONFIGURATION)
        process = self.spawn_agent("-c", str(file), "-v")
        [url] = await process.listens()
        talk = Talk(url)
        self.addCleanup(talk.sane.close)
        return process, talk

    async def finish(self, process: AgentProcess) -> None:
        """End it; it has said nothing of failures."""
        os.kill(process.pid, signal.SIGTERM)
        self.assertEqual(await process.exit(), 0)
        said = process.err.decode()
        for word in ("Traceback", "Unhandled", "internal-error", "Error:", " 500 "):
            self.assertNotIn(word, said)

    async def test_http(self) -> None:
        """
        Whatever comes for HTTP is answered properly or not at all, and others are answered.
        """
        process, talk = await self.begin()

        @tries(60)
        @given(http_grammar.streams, st.booleans())
        def attempt(data: bytes, rude: bool) -> None:
            connection = talk.connect()
            try:
                said = talk.send(connection, data)
                stream = requests(data)
                answers = replies(said, stream.methods)
                final = [answer for answer in answers if answer.status >= 200]
                assert len(final) <= len(stream.messages) + bool(stream.rest), (stream, final)
                for answer in final:
                    assert answer.status != 500, answer
                    assert "html" not in answer.headers.get("content-type", ""), answer
            finally:
                if rude:
                    hang_up(connection)
                connection.close()

        await deferToThread(attempt)
        await self.finish(process)

    async def test_tls(self) -> None:
        """
        Whatever comes where TLS is spoken is no request, and others are answered.
        """
        own = pair("localhost")
        certfile, keyfile = self.folder / "cert.pem", self.folder / "key.pem"
        own.write(certfile, keyfile)
        process = self.spawn_agent("--certfile", str(certfile), "--keyfile", str(keyfile))
        [url] = await process.listens()
        context = ssl.create_default_context(cadata=own.pem.decode())
        talk = await deferToThread(Talk, url, context)
        self.addCleanup(talk.sane.close)
        hello = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()

        @tries(60)
        @given(
            st.builds(http_grammar.changed, st.just(hello.read()), changes)
            | http_grammar.streams,
            st.booleans(),
        )
        def attempt(data: bytes, rude: bool) -> None:
            connection = talk.connect()
            said = talk.send(connection, data)
            assert not said.startswith(b"HTTP"), said
            if rude:
                hang_up(connection)
            connection.close()

        await deferToThread(attempt)
        await self.finish(process)

    async def test_frames(self) -> None:
        """
        Whatever comes for a WebSocket ends that one at most: who reads the same lines gets
        them all.
        """
        process, talk = await self.begin()
        other = await deferToThread(talk.attach, CONSOLE)
        self.addCleanup(other.close)
        paths = [CONSOLE, CONSOLE + b"?stdin=1", b"/attach-app/default", b"/events"]

        @tries(60)
        @given(st.sampled_from(paths), frame_grammar.streams, st.booleans())
        def attempt(path: bytes, data: bytes, rude: bool) -> None:
            with contextlib.closing(talk.attach(path)) as connection:
                talk.send(connection, data)
                if rude:
                    hang_up(connection)
            line = talk.type()
            heard = b""
            while line not in heard:
                heard = heard[-len(line) :] + talk.some(other)
            other.sendall(frame(TEXT, b"nobody reads this"))

        await deferToThread(attempt)
        await self.finish(process)
