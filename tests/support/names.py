"""
A server of names that refuses, says nothing, or answers, as a test says.
"""

from __future__ import annotations

import random
import socket
import struct
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.living import until
from tests.support.namespaces import Place

reactor: Any = installed_reactor

_PORT = 53
"""resolv.conf(5) knows no other."""

_SUCCEEDED = 0x8180
_REFUSED = 0x8185
_A = 1


class Names(DatagramProtocol):
    """
    Who runs at a place asks this one for names (RFC 1035).  It says nothing about those that
    begin with C{silent} and refuses all others, until L{answer}.
    """

    def __init__(self, test: SynchronousTestCase, place: Place, folder: Path) -> None:
        """
        @raise SkipTest: We may not listen where servers of names have to.
        """
        self._seen: set[str] = set()
        self._address: bytes | None = None
        host = "127." + ".".join(str(random.randrange(1, 255)) for _ in range(3))
        try:
            port = reactor.listenUDP(_PORT, self, interface=host)
        except CannotListenError as error:
            raise SkipTest(f"NAMES THAT CAN'T BE FOUND ARE NOT TESTED: {error}") from None

        def close() -> Deferred[None] | None:
            closed: Deferred[None] | None = port.stopListening()
            return closed

        test.addCleanup(close)
        mine = folder / "resolv.conf"
        mine.write_text(f"nameserver {host}\noptions timeout:1 attempts:1\n")
        place.run("mount", "--bind", str(mine), "/etc/resolv.conf")

    def answer(self, address: str) -> None:
        """
        From now on every name is that of this address.
        """
        self._address = socket.inet_aton(address)

    async def asked(self, name: str) -> None:
        """
        Wait until somebody has asked for a name.
        """
        await until(lambda: name in self._seen, f"a question for {name}")

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Somebody asks.
        """
        name, kind, question = _read(datagram)
        self._seen.add(name)
        if self._address is None and name.startswith("silent"):
            return
        found = self._address if kind == _A else b""
        flags = _REFUSED if self._address is None else _SUCCEEDED
        head = datagram[:2] + struct.pack(">5H", flags, 1, bool(found), 0, 0)
        record = struct.pack(">3HIH", 0xC00C, _A, 1, 0, 4) + found if found else b""
        assert self.transport is not None
        self.transport.write(head + question + record, addr)


def _read(datagram: bytes) -> tuple[str, int, bytes]:
    """
    @return: The name that is asked for, the kind of record, and the question as it came.
    """
    labels = []
    at = 12
    while size := datagram[at]:
        labels.append(datagram[at + 1 : at + 1 + size].decode())
        at += 1 + size
    kind, _ = struct.unpack_from(">2H", datagram, at + 1)
    return ".".join(labels), kind, datagram[12 : at + 5]
