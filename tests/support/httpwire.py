"""
A client that writes raw bytes to a server in memory, and reads its answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from attrs import field, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    ITCPTransport,
)
from twisted.internet.testing import StringTransportWithDisconnection
from zope.interface import implementer

HERE = IPv4Address("TCP", "127.0.0.1", 8080)
THERE = IPv4Address("TCP", "127.0.0.1", 50_000)


@frozen
class Answer:
    """
    An HTTP response.

    @ivar headers: By their names in lower case; repeated ones in order.
    """

    status: int
    headers: dict[str, list[str]]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """
        The one value of a header.
        """
        values = self.headers.get(name, [])
        assert len(values) < 2, values
        return values[0] if values else None

    def json(self) -> Any:
        """
        The document.
        """
        return json.loads(self.body)


class Transport(StringTransportWithDisconnection):
    """
    A transport that can say how it was closed.
    """

    aborted = False

    def abortConnection(self) -> None:
        """
        At once.
        """
        self.aborted = True
        if self.connected:
            self.loseConnection()


@implementer(ITCPTransport)
class HalfTransport(Transport):
    """
    A transport whose sending side can be closed alone, as a socket's can.
    """

    half_closed = False

    def loseWriteConnection(self) -> None:
        """
        Remember it.
        """
        self.half_closed = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        There is nothing to delay.
        """

    def getTcpNoDelay(self) -> bool:
        """
        There is nothing to delay.
        """
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        There is nothing to keep alive.
        """

    def getTcpKeepAlive(self) -> bool:
        """
        There is nothing to keep alive.
        """
        return False


class Wire:
    """
    A connection.
    """

    def __init__(
        self,
        factory: IProtocolFactory,
        *,
        host: IAddress = HERE,
        peer: IAddress = THERE,
        transport: Transport | None = None,
    ) -> None:
        self.transport = transport or Transport(hostAddress=host, peerAddress=peer)
        built = factory.buildProtocol(peer)
        self.refused = built is None
        if built is not None:
            protocol: IProtocol = built
            self.protocol = protocol
            self.transport.protocol = protocol
            protocol.makeConnection(self.transport)

    @property
    def closed(self) -> bool:
        """
        Whether the server has closed the connection.
        """
        return not self.transport.connected

    def send(self, data: bytes) -> None:
        """
        Write, as a chunk.
        """
        self.protocol.dataReceived(data)

    def received(self) -> bytes:
        """
        What came since the last look.
        """
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def answers(self, *, head: bool = False) -> list[Answer]:
        """
        The answers that came since the last look.

        @param head: They are to HEAD requests.
        """
        data = self.received()
        answers = []
        while data:
            answer, data = parse(data, head=head)
            answers.append(answer)
        return answers

    def answer(self, *, head: bool = False) -> Answer:
        """
        The one answer that came since the last look.
        """
        [answer] = self.answers(head=head)
        return answer

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | Mapping[str, object] | None = None,
        *headers: str,
        host: str | None = "127.0.0.1:8080",
    ) -> Answer:
        """
        Send a request, and read its answer, which has to be there at once.
        """
        self.request(method, path, body, *headers, host=host)
        return self.answer(head=method == "HEAD")

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | Mapping[str, object] | None = None,
        *headers: str,
        host: str | None = "127.0.0.1:8080",
    ) -> None:
        """
        Send a request.  A document is sent as JSON.
        """
        lines = [f"{method} {path} HTTP/1.1", *headers]
        if host is not None:
            lines.append(f"Host: {host}")
        if isinstance(body, Mapping):
            body = json.dumps(dict(body))
            lines.append("Content-Type: application/json")
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    def hang_up(self) -> None:
        """
        The client closes the connection.
        """
        self.transport.loseConnection()


def parse(data: bytes, *, head: bool = False) -> tuple[Answer, bytes]:
    """
    The first answer of some bytes, and what follows it.
    """
    start, _, rest = data.partition(b"\r\n\r\n")
    status_line, *lines = start.decode("latin-1").split("\r\n")
    version, status, phrase = status_line.split(" ", 2)
    assert phrase == HTTPStatus(int(status)).phrase, status_line
    assert version.startswith("HTTP/1."), version
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    if head or status in ("204", "304") or status.startswith("1"):
        return Answer(int(status), headers, b""), rest
    if "transfer-encoding" in headers:
        body = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size or b"0", 16)  # an answer that goes on has no last chunk yet
            body, rest = body + rest[:length], rest[length + 2 :]
            if not length:
                return Answer(int(status), headers, body), rest
    [announced] = headers["content-length"]
    return Answer(int(status), headers, rest[: int(announced)]), rest[int(announced) :]
