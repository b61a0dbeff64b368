"""
Tests of L{smartmob.names}.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import TestCase

from smartmob.names import Names, addresses
from tests.support.threadless import no_threads


class NamesTests(TestCase):
    """
    Look-ups.
    """

    def setUp(self) -> None:
        """
        A system that answers when the test lets it.
        """
        self.asked: list[str] = []
        self.may = Event()
        self.addCleanup(self.may.set)
        self.names = Names(IReactorFromThreads(reactor), self.find)

    def find(self, host: str) -> Sequence[str]:
        """
        Knows one name.
        """
        self.asked.append(host)
        self.may.wait(60)
        if host == "sink":
            return ["10.0.0.1", "::1"]
        raise OSError("no such host")

    async def test_addresses(self) -> None:
        """
        Nothing is asked for an address.
        """
        for address in ("127.0.0.1", "::1"):
            self.assertEqual(self.successResultOf(self.names.look_up(address)), [address])
        self.assertEqual(self.asked, [])

    async def test_shared(self) -> None:
        """
        A name is looked up once for all who ask meanwhile, and anew for those who ask later.
        """
        waiting = [self.names.look_up("sink") for _ in range(3)]
        other = self.names.look_up("other")
        self.may.set()
        for waiter in waiting:
            self.assertEqual(await waiter, ["10.0.0.1", "::1"])
        with self.assertRaises(DNSLookupError):
            await other
        await self.names.look_up("sink")
        self.assertEqual(sorted(self.asked), ["other", "sink", "sink"])

    async def test_cancelled(self) -> None:
        """
        One who does not wait any more takes nothing from the others, nor from who comes later.
        """
        gone, here = self.names.look_up("sink"), self.names.look_up("sink")
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertNoResult(here)
        here.cancel()
        self.failureResultOf(here, CancelledError)
        later: Deferred[Sequence[str]] = self.names.look_up("sink")
        self.may.set()
        self.assertEqual(await later, ["10.0.0.1", "::1"])
        self.assertEqual(self.asked, ["sink"])

    async def test_noThread(self) -> None:
        """
        Where there may be no more threads now, a name is not found; later it may be.
        """
        none = no_threads(self)
        failure = self.failureResultOf(self.names.look_up("sink"), DNSLookupError)
        self.assertIn("can't start new thread", failure.getErrorMessage())
        none.restore()
        self.may.set()
        self.assertEqual(await self.names.look_up("sink"), ["10.0.0.1", "::1"])

    async def test_system(self) -> None:
        """
        The system knows this machine, and says of no name that it is unknown.
        """
        self.assertIn(
            "127.0.0.1", await Names(IReactorFromThreads(reactor)).look_up("localhost")
        )
        self.assertEqual(len(set(addresses("localhost"))), len(addresses("localhost")))
        for bad in ("a" * 64 + ".invalid", "."):
            with self.assertRaises(DNSLookupError):
                await Names(IReactorFromThreads(reactor)).look_up(bad)
