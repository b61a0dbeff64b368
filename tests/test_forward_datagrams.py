"""
Tests of L{smartmob.forward.datagrams}, with real sockets.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from smartmob.config.forward import Peer
from smartmob.forward.datagrams import SILENCE, DatagramDestination
from smartmob.forward.destination import Outcome, lines_of
from tests.support.forwarding import entry

reactor: Any = installed_reactor


def look_up(host: str) -> Deferred[Sequence[str]]:
    """
    Every host is this one.
    """
    return succeed(["127.0.0.1"])


async def turn() -> None:
    """
    One of the reactor.
    """
    waiting: Deferred[None] = Deferred()
    reactor.callLater(0, waiting.callback, None)
    await waiting


class DatagramTestCase(TestCase):
    """
    Sends to a socket of the test's.
    """

    def setUp(self) -> None:
        """
        A folder for it.
        """
        self.folder = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = f"{self.folder}/log"

    def receiver(self) -> socket.socket:
        """
        A local receiver that takes nothing by itself.
        """
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.settimeout(10)
        made.bind(self.path)
        self.addCleanup(made.close)
        return made

    def destination(
        self, peer: Peer | None = None, clock: Any = reactor
    ) -> DatagramDestination:
        """
        What sends to it.
        """
        peer = peer or Peer(kind="unix", host=self.path)
        made = DatagramDestination(reactor, clock, peer, look_up)
        self.addCleanup(made.close)
        return made


class UnixTests(DatagramTestCase):
    """
    To a local socket, such as C{/dev/log}.
    """

    async def test_messages(self) -> None:
        """
        Each line is a datagram, in their order.
        """
        receiver = self.receiver()
        destination = self.destination()
        outcome = await destination.deliver([entry("<1>a", "<1>b"), entry("<1>c")])
        self.assertEqual(outcome, Outcome())
        self.assertEqual([receiver.recv(100) for _ in range(3)], [b"<1>a", b"<1>b", b"<1>c"])
        self.assertEqual(await destination.deliver([entry("d")]), Outcome())
        self.assertEqual(receiver.recv(100), b"d")

    async def test_nobody(self) -> None:
        """
        Where nobody is, all is left, and delivered to who comes.
        """
        destination = self.destination()
        outcome = await destination.deliver([entry("a", "b")])
        self.assertEqual(lines_of(outcome.left), 2)
        self.assertEqual(outcome.why, "can't be reached: No such file or directory")
        receiver = self.receiver()
        self.assertEqual(await destination.deliver(outcome.left), Outcome())
        self.assertEqual(receiver.recv(100), b"a")

    async def test_restarted(self) -> None:
        """
        One that is started anew gets what the one before it had not taken.
        """
        first = self.receiver()
        destination = self.destination()
        await destination.deliver([entry("a")])
        first.close()
        os.unlink(self.path)
        second = self.receiver()
        outcome = await destination.deliver([entry("b", "c")])
        self.assertEqual((lines_of(outcome.left), outcome.lost), (2, 0))
        self.assertEqual(await destination.deliver(outcome.left), Outcome())
        self.assertEqual(second.recv(100), b"b")

    async def test_slow(self) -> None:
        """
        One that is slow is waited for, without a turn of the reactor that does nothing else;
        nothing is lost.
        """
        receiver = self.receiver()
        lines = [f"{number}" for number in range(2000)]
        done = self.destination().deliver([entry(*lines)])
        receiver.setblocking(False)
        found: list[str] = []
        while len(found) < len(lines):
            await turn()
            with contextlib.suppress(BlockingIOError):
                found.append(receiver.recv(100).decode())
        self.assertEqual(found, lines)
        self.assertEqual(await done, Outcome())

    async def test_stuck(self) -> None:
        """
        One that takes nothing for a while is given up; what it did not take is left, to the
        message.
        """
        receiver = self.receiver()
        clock = Clock()
        destination = self.destination(clock=clock)
        lines = [f"{number}" for number in range(5000)]
        done = destination.deliver([entry("first"), entry(*lines)])
        clock.advance(0)
        for _ in range(100):
            await turn()
        self.assertNoResult(done)
        clock.advance(SILENCE)
        outcome = self.successResultOf(done)
        self.assertEqual(outcome.why, "takes nothing")
        taken = []
        receiver.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                taken.append(receiver.recv(100).decode())
        left = b"".join(one.data for one in outcome.left).decode().splitlines()
        self.assertEqual(taken + left, ["first", *lines])
        self.assertEqual(lines_of(outcome.left), len(left))
        self.assertEqual(clock.getDelayedCalls(), [])

    async def test_tooLong(self) -> None:
        """
        A message that the system does not take is lost, and counted, and no other.
        """
        receiver = self.receiver()
        outcome = await self.destination().deliver([entry("x" * 1_000_000, "b")])
        self.assertEqual((outcome.left, outcome.lost), ((), 1))
        self.assertEqual(outcome.why, "takes no message that long")
        self.assertEqual(receiver.recv(100), b"b")

    async def test_cut(self) -> None:
        """
        It can be broken off, at once.
        """
        self.receiver()
        destination = self.destination()
        done = destination.deliver([entry("a")])
        destination.cut()
        self.assertEqual(lines_of(self.successResultOf(done).left), 1)
        destination.cut()
        destination.close()


class UdpTests(DatagramTestCase):
    """
    To another host.
    """

    async def test_messages(self) -> None:
        """
        The name of the host is looked up, and each line is a datagram.
        """
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.settimeout(10)
        receiver.bind(("127.0.0.1", 0))
        self.addCleanup(receiver.close)
        port = receiver.getsockname()[1]
        destination = self.destination(Peer(kind="udp", host="log.example", port=port))
        self.assertEqual(await destination.deliver([entry("<1>a", "<1>b")]), Outcome())
        self.assertEqual([receiver.recv(100) for _ in range(2)], [b"<1>a", b"<1>b"])

    async def test_noWay(self) -> None:
        """
        Of several addresses it is the first that there is a way to.
        """
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.settimeout(10)
        receiver.bind(("127.0.0.1", 0))
        self.addCleanup(receiver.close)
        port = receiver.getsockname()[1]
        destination = self.destination(Peer(kind="udp", host="log.example", port=port))
        # Nobody may send to all without having asked for that, whatever network there is.
        destination.look_up = lambda host: succeed(["255.255.255.255", "127.0.0.1"])
        self.assertEqual(await destination.deliver([entry("a")]), Outcome())
        self.assertEqual(receiver.recv(100), b"a")
        destination.close()
        destination.look_up = lambda host: succeed(["255.255.255.255"])
        outcome = await destination.deliver([entry("b")])
        self.assertEqual(lines_of(outcome.left), 1)
        self.assertIn("can't be reached: ", outcome.why)

    async def test_neverFound(self) -> None:
        """
        A name that nobody answers for is waited for so long.
        """
        clock = Clock()
        destination = self.destination(Peer(kind="udp", host="x", port=1), clock)
        destination.look_up = lambda host: Deferred()
        done = destination.deliver([entry("a")])
        clock.advance(SILENCE)
        outcome = self.successResultOf(done)
        self.assertEqual(outcome.why, "can't be reached: nobody answers")
        self.assertEqual(clock.getDelayedCalls(), [])

    async def test_refused(self) -> None:
        """
        Where a machine says that nobody is there, it is tried again later.
        """
        closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        destination = self.destination(Peer(kind="udp", host="x", port=port))
        outcomes: list[Outcome] = []
        for _ in range(100):
            outcomes.append(await destination.deliver([entry("a", "b", "c")]))
            if outcomes[-1].why:
                break
        self.assertEqual(outcomes[-1].why, "can't be reached: Connection refused")

    async def test_unknown(self) -> None:
        """
        So where nobody knows the name.
        """
        destination = self.destination(Peer(kind="udp", host="x", port=1))
        destination.look_up = lambda host: fail(DNSLookupError("x was not found"))
        outcome = await destination.deliver([entry("a")])
        self.assertEqual((lines_of(outcome.left), outcome.lost), (1, 0))
        self.assertIn("x was not found", outcome.why)

    def test_cutEarly(self) -> None:
        """
        It may be broken off while the name is looked up.
        """
        found: Deferred[Sequence[str]] = Deferred()
        destination = self.destination(Peer(kind="udp", host="x", port=1))
        destination.look_up = lambda host: found
        done = destination.deliver([entry("a")])
        destination.cut()
        self.assertEqual(lines_of(self.successResultOf(done).left), 1)
        found.callback(["127.0.0.1"])
