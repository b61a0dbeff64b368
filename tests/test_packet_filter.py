"""
Addresses that a listening socket does not hear.
"""

from __future__ import annotations

import errno
import select
import socket

from twisted.trial.unittest import SynchronousTestCase

from smartmob.packet_filter import MOST, hear_all, ignore


def is_allowed() -> bool:
    """
    Whether this user may have packets dropped.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        try:
            ignore(listening, ["127.0.0.5"])
        except PermissionError:
            return False
        return True


class FilterTests(SynchronousTestCase):
    """
    Sockets of loopback, where a connection is there at once or not at all.
    """

    if not is_allowed():
        skip = "this system lets nobody drop packets but who has CAP_NET_ADMIN"

    def listening(self, family: socket.AddressFamily, interface: str) -> socket.socket:
        """
        One more.
        """
        found = socket.socket(family)
        self.addCleanup(found.close)
        if family is socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        found.bind((interface, 0))
        found.listen(5)
        found.setblocking(False)
        return found

    def is_heard(self, where: tuple[str, int], source: str) -> bool:
        """
        Whether a client from there is.
        """
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        client = socket.socket(family)
        self.addCleanup(client.close)
        client.bind((source, 0))
        client.setblocking(False)
        self.assertIn(client.connect_ex(where), (0, errno.EINPROGRESS))
        turn = select.poll()
        turn.register(client, select.POLLOUT)
        return bool(turn.poll(0))

    def test_ignored(self) -> None:
        """Nobody from there can connect, others can, and so can all later."""
        listening = self.listening(socket.AF_INET, "127.0.0.1")
        where = listening.getsockname()
        for ignored, other in (("127.0.0.5", "127.0.0.6"), ("127.0.0.6", "127.0.0.5")):
            ignore(listening, [ignored])
            self.assertFalse(self.is_heard(where, ignored))
            self.assertTrue(self.is_heard(where, other))
        hear_all(listening)
        self.assertTrue(self.is_heard(where, "127.0.0.6"))
        self.assertRaises(OSError, hear_all, listening)

    def test_several(self) -> None:
        """There may be a number of them, of both kinds."""
        listening = self.listening(socket.AF_INET, "127.0.0.1")
        where = listening.getsockname()
        some = [f"127.0.0.{number}" for number in range(5, 5 + MOST, 2)]
        more = [f"fd00::{number}" for number in range(MOST - len(some))]
        ignore(listening, [*more, *some])
        for source in (some[0], some[7], some[-1]):
            self.assertFalse(self.is_heard(where, source))
        for source in ("127.0.0.1", "127.0.0.6"):
            self.assertTrue(self.is_heard(where, source))

    def test_there(self) -> None:
        """Connections that are there hear what they are sent."""
        listening = self.listening(socket.AF_INET, "127.0.0.1")
        with socket.create_connection(listening.getsockname(), 60, ("127.0.0.5", 0)) as client:
            ignore(listening, ["127.0.0.5"])
            accepted, _ = listening.accept()
            with accepted:
                accepted.settimeout(60)
                client.sendall(b"hello")
                self.assertEqual(accepted.recv(5), b"hello")

    def test_both(self) -> None:
        """Addresses of IPv6 are known as well, and those of IPv4 on the same socket."""
        try:
            listening = self.listening(socket.AF_INET6, "::")
        except OSError:
            self.skipTest("there is no IPv6 here")
        port = listening.getsockname()[1]
        heard = {"::1": ("::1", port), "127.0.0.5": ("127.0.0.1", port)}
        for ip in ("::1", "::ffff:127.0.0.5", "fe80::1%lo", "::2"):
            ignore(listening, [ip])
            found = {source: self.is_heard(where, source) for source, where in heard.items()}
            expected = {source: not ip.endswith(source) for source in heard}
            self.assertEqual(found, expected, ip)
