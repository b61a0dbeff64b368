"""
L{smartmob.web.peer}: users of this machine, on unix sockets.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.address import UNIXAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.peer import uid_of
from tests.support.httpwire import Transport, Wire
from tests.support.signing import READ, TOKENS, WRITE, AccessCase, bearer
from tests.support.users import another_user

ME = os.geteuid()


class SocketTransport(Transport):
    """
    A transport in memory with a real socket, which is asked who is at its other end.
    """

    def __init__(self, handle: socket.socket) -> None:
        super().__init__(hostAddress=UNIXAddress(b"/agent"), peerAddress=UNIXAddress(b""))
        self._handle = handle

    def getHandle(self) -> socket.socket:
        """
        See L{twisted.internet.interfaces.ISystemHandle}.
        """
        return self._handle


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """
    What is done meanwhile is done by a user.
    """
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


def connection(case: SynchronousTestCase, uid: int = ME) -> SocketTransport:
    """
    The agent's end of a connection that a user made.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b"")  # any name in the kernel, and no file
        listener.listen()
        client = socket.socket(socket.AF_UNIX)
        case.addCleanup(client.close)
        with acting_as(uid):
            client.connect(listener.getsockname())
        ours, _ = listener.accept()
        case.addCleanup(ours.close)
        return SocketTransport(ours)


class PeerTests(SynchronousTestCase):
    """
    L{uid_of}.
    """

    def test_own(self) -> None:
        """
        It is the user of the process that connected.
        """
        self.assertEqual(uid_of(connection(self)), ME)

    def test_another(self) -> None:
        """
        It is who connected, whoever has the connection by now.
        """
        nobody = another_user().uid
        self.assertEqual(uid_of(connection(self, nobody)), nobody)

    def test_wrapped(self) -> None:
        """
        What is around a connection, such as a bound on how many there are, is looked through.
        """
        transport = connection(self)
        seen = []

        class Asking(Protocol):
            def connectionMade(self) -> None:
                seen.append(uid_of(self.transport))

        inner = WrappingFactory(WrappingFactory(Factory.forProtocol(Asking)))
        Wire(inner, transport=transport)
        self.assertEqual(seen, [ME])

    def test_network(self) -> None:
        """
        Of other connections it is not known.
        """
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname()),
        ):
            ours, _ = listener.accept()
            with ours:
                self.assertIsNone(uid_of(SocketTransport(ours)))


class UsersTests(AccessCase):
    """
    C{unix_users}.
    """

    def wire(self, uid: int = ME) -> Wire:
        """
        A connection of a user.
        """
        return Wire(self.site, transport=connection(self, uid))

    def test_none(self) -> None:
        """
        Where none are named a user is a stranger as any other, the agent's own too.
        """
        self.assertEqual(self.wire().ask("GET", "/").status, 401)

    def test_user(self) -> None:
        """
        One that is named may do everything, whatever the Host is.
        """
        self.tokens(TOKENS, ME)
        for method, path, status in (
            ("GET", "/list-processes", 200),
            ("POST", "/stop-process/blog.web.0", 200),
            ("POST", "/reload", 200),
            ("GET", "/webhooks", 200),
            ("GET", "/nothing", 404),
        ):
            answer = self.wire().ask(method, path, host="anything")
            self.assertEqual(answer.status, status, path)

    def test_another(self) -> None:
        """
        Others need a token.
        """
        nobody = another_user().uid
        self.tokens(TOKENS, ME)
        self.assertEqual(self.wire(nobody).ask("GET", "/").status, 401)
        self.assertEqual(self.wire(nobody).ask("GET", "/", None, bearer(READ)).status, 200)
        self.tokens(TOKENS, nobody)
        self.assertEqual(self.wire(nobody).ask("GET", "/").status, 200)
        self.assertEqual(self.wire().ask("GET", "/").status, 401)

    def test_network(self) -> None:
        """
        Over TCP nobody is a user.
        """
        self.tokens(TOKENS, ME)
        self.assertEqual(self.status(), 401)

    def test_token(self) -> None:
        """
        Who shows something as well is who that says.
        """
        self.tokens(TOKENS, ME)
        stop = "/stop-process/blog.web.0"
        self.assertEqual(self.wire().ask("POST", stop, None, bearer(READ)).status, 403)
        self.assertEqual(self.wire().ask("POST", stop, None, bearer(WRITE)).status, 200)
        self.assertEqual(self.wire().ask("POST", stop, None, bearer("x" * 20)).status, 401)
        self.assertEqual(self.wire().ask("GET", "/?ticket=x").status, 401)

    def test_ticket(self) -> None:
        """
        A user can make a ticket, which lets somebody else in.
        """
        self.tokens(TOKENS, ME)
        ticket = self.wire().ask("POST", "/tickets", {"path": "/plugins"}).json()["ticket"]
        self.assertEqual(self.status(path=f"/plugins?ticket={ticket}"), 200)

    def test_taken(self) -> None:
        """
        When a user is not named any more, what is open ends, and tickets count no more.
        """
        self.tokens(TOKENS, ME)
        ticket = self.wire().ask("POST", "/tickets", {"path": "/plugins"}).json()["ticket"]
        follower = self.wire()
        follower.request("GET", "/events", None)
        self.tokens(TOKENS, ME, ME + 1)
        self.assertFalse(follower.closed)
        self.tokens(TOKENS, ME + 1)
        self.assertTrue(follower.closed)
        self.assertEqual(self.status(path=f"/plugins?ticket={ticket}"), 401)
        self.assertEqual(len(self.access.visits), 0)
