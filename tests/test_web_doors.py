"""
Tests of L{smartmob.web.doors}.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Api, Endpoint
from smartmob.declarations import Declarations
from smartmob.web.channel import Channel
from smartmob.web.doors import PARTS, Doors
from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.serving import Serving
from smartmob.web.sockets import sockets_of
from smartmob.web.trust import Trust
from tests.support.agents import FakeAgent
from tests.support.httpwire import Wire

CLIENT = IPv4Address("TCP", "192.0.2.1", 1)

LATE = (
    "klein",
    "werkzeug",
    "twisted.web.server",
    "autobahn",
    "treq",
    "psutil",
    "smartmob.web.api",
)
"""What no program needs to be started."""


def endpoint(api: Api = Api.SMARTMOB) -> Endpoint:
    """
    One that offers an interface.
    """
    return Endpoint(name=None, bind=("127.0.0.1:0",), api=api)


class Turns(Clock):
    """
    A clock that counts how often it is asked for a later turn.
    """

    turns = 0

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - as the framework calls it
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        """As ever."""
        self.turns += 1
        return super().callLater(delay, callable, *args, **kw)


class DoorsTests(SynchronousTestCase):
    """
    Ports that are open before there is what is behind them.
    """

    def setUp(self) -> None:
        self.clock = Turns()
        self.made: list[Serving] = []
        self.doors = Doors(self.make, self.clock)

    def make(self) -> Serving:
        """
        The interfaces of an agent.
        """
        agent = FakeAgent().real
        measurements, sockets = Measurements(succeed), sockets_of(self.clock)
        rest = make_site(agent, self.clock, measurements=measurements, sockets=sockets)
        declarations = Declarations(agent)
        self.made.append(Serving(rest, declarations, self.clock, measurements, sockets))
        return self.made[-1]

    def test_late(self) -> None:
        """What is behind a door is made for the first who comes, and once."""
        door = self.doors.on(endpoint())
        self.assertEqual(self.made, [])
        channels = [door.buildProtocol(CLIENT) for _ in range(2)]
        [serving] = self.made
        for channel in channels:
            assert isinstance(channel, Channel)
            self.assertIs(channel.factory, serving.rest)

    def test_same(self) -> None:
        """All endpoints that offer the same have the same door."""
        self.assertIs(self.doors.on(endpoint()), self.doors.on(endpoint()))
        self.assertIsNot(self.doors.on(endpoint()), self.doors.on(endpoint(Api.BOTH)))

    def test_gafferd(self) -> None:
        """gafferd's interface is there before any program is, since it numbers them."""
        self.doors.on(endpoint(Api.GAFFERD))
        self.assertEqual(len(self.made), 1)

    def test_trust(self) -> None:
        """Who is trusted is so behind a door that opens later, and behind one that is open."""
        self.doors.settle(Trust(hosts=frozenset({"one.example"})))
        self.doors.on(endpoint()).buildProtocol(CLIENT)
        [serving] = self.made
        answer = Wire(serving.rest).ask("GET", "/ping", host="one.example")
        self.assertEqual(answer.status, 200)
        self.doors.settle(Trust(hosts=frozenset({"two.example"})))
        answer = Wire(serving.rest).ask("GET", "/ping", host="two.example")
        self.assertEqual(answer.status, 200)

    def test_open(self) -> None:
        """All is made at last, though nobody came; other things have their turn in between."""
        opened = Deferred.fromCoroutine(self.doors.open())
        self.assertNoResult(opened)
        self.clock.pump([0])
        self.successResultOf(opened)
        self.assertEqual(len(self.made), 1)
        self.assertEqual(self.clock.turns, len(PARTS) + 1)

    def test_broken(self) -> None:
        """Who waits for all to be there is told that it can't be."""
        doors = Doors(lambda: 1 // 0, self.clock)  # type: ignore[arg-type, return-value] # as a broken installation
        opened = Deferred.fromCoroutine(doors.open())
        self.clock.pump([0] * (len(PARTS) + 1))
        self.failureResultOf(opened, ZeroDivisionError)


class ImportedTests(SynchronousTestCase):
    """
    What a start brings along.
    """

    def test_late(self) -> None:
        """What takes long to import, and no program needs, is not there when they start."""
        script = (
            "import sys, smartmob.standalone, smartmob.tap;"
            f"print(sorted(set({LATE!r}) & sys.modules.keys()))"
        )
        said = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        self.assertEqual(said.stdout, "[]\n")
