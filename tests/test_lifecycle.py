"""
Tests of L{smartmob.lifecycle}: the order in which an agent goes down.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.lifecycle import Lifecycle
from smartmob.statefolder import StateFolder


@define(eq=False)
class Part:
    """
    A part that remembers when it was started, stopped or hurried.
    """

    name: str
    log: list[str]
    stopping: Callable[[], Deferred[None]] = lambda: succeed(None)
    ready: Deferred[None] = field(factory=Deferred)

    def startService(self) -> None:
        """It is started."""
        self.log.append(f"start {self.name}")

    def stopService(self) -> Deferred[None]:
        """It is stopped."""
        self.log.append(f"stop {self.name}")
        return self.stopping()

    abort = stopService

    def whenReady(self) -> Deferred[None]:
        """Fired by the test."""
        return self.ready

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


class LifecycleTests(SynchronousTestCase):
    """
    One thing after the other, whatever goes wrong.
    """

    def setUp(self) -> None:
        self.log: list[str] = []
        self.reactor = Reactor()
        self.parts = {
            name: Part(name, self.log) for name in ("launcher", "sources", "agent", "site")
        }
        parts = cast(Any, self.parts)
        reactor: Any = self.reactor
        self.lifecycle = Lifecycle(
            reactor=reactor,
            clock=reactor,
            threads=reactor,
            folder=StateFolder(Path(self.mktemp())),
            addresses=[],
            **parts,
        )
        self.lifecycle.startService()
        self.log.clear()

    def test_order(self) -> None:
        """Programs end first, then the helpers, then what was still connected."""
        ended: Deferred[None] = Deferred()
        self.parts["agent"].stopping = lambda: ended
        stopped = self.lifecycle.stopService()
        self.assertEqual(self.log, ["stop agent"])
        ended.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.log[1:], ["stop launcher", "stop sources", "stop site"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_failing(self) -> None:
        """A part that fails to stop keeps no other from being stopped."""

        def fail() -> Deferred[None]:
            raise ZeroDivisionError

        for part in self.parts.values():
            part.stopping = fail
        self.successResultOf(self.lifecycle.stopService())
        self.assertEqual(len(self.log), 4)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)

    def test_hurry(self) -> None:
        """Programs that use a long grace are hurried in the end."""
        self.parts["agent"].stopping = Deferred
        self.lifecycle.stopService()
        self.reactor.advance(79)
        self.assertNotIn("hurry agent", self.log)
        self.reactor.advance(2)
        self.assertIn("hurry agent", self.log)

    def test_twoSignals(self) -> None:
        """Two signals in one turn end the agent once, and hurry it."""
        self.lifecycle._asked_to_end(15, None)
        self.lifecycle._asked_to_end(2, None)
        self.assertEqual(self.reactor.ends, 1)
        self.lifecycle.stopService()
        self.assertEqual(self.log[0], "stop agent")
        self.reactor.advance(0)
        self.assertIn("hurry agent", self.log)

    def test_unready(self) -> None:
        """Helpers that do not come up end the agent, unless it is ending anyway."""
        self.parts["launcher"].ready.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.reactor.ends, self.lifecycle.failed), (1, True))
