"""
Tests of L{smartmob.lifecycle}: the order in which an agent goes down.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Configuration
from smartmob.config.load import default
from smartmob.config.overrides import Overrides
from smartmob.lifecycle import CantStart, Lifecycle
from smartmob.refusals import Stopping
from smartmob.statefolder import StateFolder

NAMES = (
    "launcher",
    "sources",
    "persistence",
    "agent",
    "declarations",
    "endpoints",
    "connections",
    "doors",
    "plugins",
    "webhooks",
    "forwards",
    "reload",
)
"""Of the parts of an agent."""


@define(eq=False)
class Part:
    """
    A part that remembers when it was started, stopped or hurried.
    """

    name: str
    log: list[str]
    stopping: Callable[[], Deferred[None]] = lambda: succeed(None)
    ready: Deferred[None] = field(factory=Deferred)
    grace: float = 10.0
    cut_off: Deferred[None] | None = None
    current: Configuration = field(factory=lambda: default(Overrides()))

    def startService(self) -> None:
        """It is started."""
        self.log.append(f"start {self.name}")

    def stopService(self) -> Deferred[None]:
        """It is stopped."""
        self.log.append(f"stop {self.name}")
        return self.stopping()

    abort = close = stopService

    def cut(self) -> None:
        """Its time is over."""
        self.log.append(f"cut {self.name}")
        if self.cut_off is not None:
            self.cut_off.callback(None)

    async def open(self) -> None:
        """All is there."""

    def begin(self) -> None:
        """It begins."""
        self.log.append(f"begin {self.name}")

    def load(self, folders: object, parser: object) -> None:
        """There are none."""

    def prepare(self, endpoints: object, *, tokens: bool) -> Part:
        """It can be."""
        return self

    def commit(self) -> None:
        """It is."""
        self.log.append(f"commit {self.name}")

    def settle(self, settings: object) -> None:
        """They are known."""

    @property
    def resumption(self) -> Part:
        """A part of it."""
        return self

    def restore(self, found: object, resume: bool) -> None:
        """It is as it was."""
        self.log.append(f"restore {self.name}")

    def plan(self, templates: object) -> None:
        """Nothing is to be done."""

    def carry_out(self, plan: object) -> None:
        """Nothing is done."""
        self.log.append(f"configure {self.name}")

    def __call__(self) -> Part:
        """It is read again."""
        self.log.append(f"read {self.name}")
        return self

    detached = ""

    def outliving(self) -> set[str]:
        """None."""
        return set()

    def end_leftovers(self, folder: str, known: set[str]) -> None:
        """There are none."""

    def asks_nobody(self) -> bool:
        """It has no ports."""
        return False

    def longest_grace(self) -> float:
        """Seconds."""
        return self.grace

    def whenReady(self) -> Deferred[None]:
        """Fired by the test."""
        return self.ready

    def make_way(self) -> None:
        """It leaves some of the machine to others."""

    def hurry(self) -> None:
        """It is hurried."""
        self.log.append(f"hurry {self.name}")


class Reactor(MemoryReactorClock):
    """
    A reactor that counts its ends.
    """

    ends = 0

    def stop(self) -> None:
        """As the real one, which can't be stopped twice."""
        self.ends += 1

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        """Called at once."""
        call(*args)


class CantStartTests(SynchronousTestCase):
    """
    What the operator is told of an agent that can't come up.
    """

    def told(self, error: OSError) -> str:
        """Why, where the state can't be read."""

        class Unreadable(Part):
            def open(self) -> NoReturn:
                raise error

        parts = cast(Any, {name: Part(name, []) for name in NAMES})
        parts["persistence"] = Unreadable("persistence", [])
        reactor: Any = Reactor()
        folder = StateFolder(Path(self.mktemp()))
        lifecycle = Lifecycle(reactor, reactor, reactor, folder, **parts, told_by_twistd=True)
        return str(self.assertRaises(CantStart, lifecycle.startService))

    def test_file(self) -> None:
        """It is told of which file, as everywhere, without the number of the error."""
        error = PermissionError(13, "Permission denied", "/s/processes")
        self.assertEqual(self.told(error), "can't start: /s/processes: Permission denied")

    def test_noFile(self) -> None:
        """What is about no file has only a reason."""
        self.assertEqual(self.told(OSError(24, "Too many")), "can't start: Too many")
        self.assertEqual(self.told(OSError("so it is")), "can't start: so it is")


class LifecycleTests(SynchronousTestCase):
    """
    One thing after the other, whatever goes wrong.
    """

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = Reactor()
        self.parts = {name: Part(name, self.log) for name in NAMES}
        parts = cast(Any, self.parts)
        reactor: Any = self.reactor
        self.lifecycle = Lifecycle(
            reactor=reactor,
            clock=reactor,
            threads=reactor,
            folder=StateFolder(Path(self.mktemp())),
            **parts,
        )
        self.lifecycle.startService()
        self.began = list(self.log)
        self.log.clear()

    def test_start(self) -> None:
        """Ports are open, and who hears of events is there, before processes are made."""
        self.assertEqual(
            self.began,
            [
                "commit endpoints",
                "restore agent",
                "start launcher",
                "start sources",
                "start webhooks",
                "start plugins",
                "begin persistence",
                "configure declarations",
                "begin agent",
            ],
        )

    def test_order(self) -> None:
        """Programs end first, then who hears of it, then what was still connected."""
        ended: Deferred[None] = Deferred()
        self.parts["agent"].stopping = lambda: ended
        stopped = self.lifecycle.stopService()
        self.assertEqual(self.log, ["stop plugins", "stop endpoints", "stop agent"])
        ended.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(
            self.log[3:],
            [
                "stop webhooks",
                "stop forwards",
                "stop launcher",
                "stop sources",
                "stop connections",
                "stop doors",
                "stop persistence",
            ],
        )
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_failing(self) -> None:
        """A part that fails to stop keeps no other from being stopped."""

        def fail() -> Deferred[None]:
            raise ZeroDivisionError

        for part in self.parts.values():
            part.stopping = fail
        self.successResultOf(self.lifecycle.stopService())
        self.assertEqual(len(self.log), 10)
        # That of plugins is said in a line.
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 9)

    def test_hurry(self) -> None:
        """Programs that use a long grace are hurried in the end."""
        self.parts["agent"].stopping = Deferred
        self.lifecycle.stopService()
        self.reactor.advance(79)
        self.assertNotIn("hurry agent", self.log)
        self.reactor.advance(2)
        self.assertIn("hurry agent", self.log)

    def never(self) -> Deferred[None]:
        """What nobody ends but by cutting it off."""
        self.parts["webhooks"].cut_off = Deferred()
        return self.parts["webhooks"].cut_off

    def test_othersAreBeside(self) -> None:
        """Who never ends has its two seconds beside the programs', not after them."""
        ended: Deferred[None] = Deferred()
        self.parts["agent"].stopping = lambda: ended
        self.parts["plugins"].stopping = Deferred
        self.parts["webhooks"].stopping = self.never
        stopped = self.lifecycle.stopService()
        self.reactor.advance(10)
        ended.callback(None)
        self.assertNoResult(stopped)  # the last words
        self.reactor.advance(0.5)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_othersAlone(self) -> None:
        """Where programs end at once, others have their two seconds."""
        self.parts["plugins"].stopping = Deferred
        self.parts["webhooks"].stopping = self.never
        stopped = self.lifecycle.stopService()
        self.reactor.advance(1.9)
        self.assertNoResult(stopped)
        self.reactor.advance(0.2)
        self.successResultOf(stopped)

    def test_noGrace(self) -> None:
        """Where no program could take a while, nobody can."""
        self.parts["agent"].grace = 0
        self.parts["plugins"].stopping = Deferred
        self.parts["webhooks"].stopping = self.never
        stopped = self.lifecycle.stopService()
        self.reactor.advance(0.6)
        self.successResultOf(stopped)

    def test_haste(self) -> None:
        """A second signal lets nobody have any more time."""
        ended: Deferred[None] = Deferred()
        self.parts["agent"].stopping = lambda: ended
        self.parts["plugins"].stopping = Deferred
        self.parts["webhooks"].stopping = self.never
        stopped = self.lifecycle.stopService()
        self.lifecycle._asked_to_end(15, None)
        self.reactor.advance(0)
        ended.callback(None)
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def test_twoSignals(self) -> None:
        """Two signals in one turn end the agent once, and hurry it."""
        self.lifecycle._asked_to_end(15, None)
        self.lifecycle._asked_to_end(2, None)
        self.assertEqual(self.reactor.ends, 1)
        self.lifecycle.stopService()
        self.assertIn("stop agent", self.log)
        self.reactor.advance(0)
        self.assertIn("hurry agent", self.log)

    def test_reload(self) -> None:
        """The configuration is read again until the agent is asked to end, not afterwards."""
        self.assertIs(self.lifecycle.reload_now(), self.parts["reload"])
        self.parts["agent"].stopping = Deferred
        self.lifecycle.stopService()
        self.log.clear()
        self.assertRaises(Stopping, self.lifecycle.reload_now)
        self.lifecycle._asked_to_reload(1, None)
        self.assertEqual(self.log, [])

    def test_unready(self) -> None:
        """Helpers that do not come up end the agent, unless it is ending anyway."""
        self.parts["launcher"].ready.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.reactor.ends, self.lifecycle.failed), (1, True))
