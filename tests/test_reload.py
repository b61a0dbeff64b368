"""
Tests of L{smartmob.reload}.
"""

from __future__ import annotations

from typing import Any, cast

from attrs import evolve, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Configuration, Settings
from smartmob.config.load import default
from smartmob.config.overrides import Overrides
from smartmob.configured import Changes
from smartmob.endpoints import CantListen
from smartmob.refusals import Stopping
from smartmob.reload import Reload
from smartmob.reloading import NotReloaded


@frozen
class Plan:
    """
    What a part would do.

    @ivar what: Is said of it.
    @ivar warnings: Of plugins.
    """

    part: Part
    warnings: tuple[str, ...] = ()

    def commit(self) -> Any:
        """It is done."""
        self.part.log.append(f"{self.part.name} commits")
        return self.part.result

    def abandon(self) -> None:
        """It is not done."""
        self.part.log.append(f"{self.part.name} abandons")


@frozen
class Part:
    """
    A part of an agent.

    @ivar result: Of what it does.
    @ivar refusal: It raises this instead of a plan.
    @ivar closing: Fires when its ports are closed.
    """

    name: str
    log: list[str]
    result: Any = None
    refusal: Exception | None = None
    warnings: tuple[str, ...] = field(default=())
    closing: Deferred[None] = field(factory=Deferred)

    def prepare(self, *what: object, **more: object) -> Plan:
        """It would do this."""
        if self.refusal is not None:
            raise self.refusal
        return Plan(self, self.warnings)

    plan = prepare

    def carry_out(self, plan: Plan) -> Any:
        """It does it."""
        return plan.commit()

    def configure(self, hooks: object) -> None:
        """It has these hooks."""
        self.log.append(f"{self.name} configures")

    def urls(self) -> list[str]:
        """There are none."""
        return []

    def closed(self) -> Deferred[None]:
        """There is nothing to close."""
        return self.closing


class ReloadTests(SynchronousTestCase):
    """
    All of another configuration, or nothing.
    """

    def setUp(self) -> None:
        self.log: list[str] = []
        done: Deferred[None] = succeed(None)
        self.changes = Changes(
            started=("default.a.0",), restarted=(), stopped=(), left_out=("b",), done=done
        )
        self.parts = {
            "declarations": Part("declarations", self.log, self.changes),
            "endpoints": Part("endpoints", self.log, ["certificate"]),
            "plugins": Part("plugins", self.log, succeed(None), warnings=("plugin",)),
            "webhooks": Part("webhooks", self.log),
            "forwards": Part("forwards", self.log),
        }
        self.new = evolve(default(Overrides()), warnings=("file",))

    def reload(self) -> Reload:
        """
        With these parts.
        """
        return Reload(
            read=lambda: self.new,
            current=default(Overrides(state_dir="/before")),
            settle=self.settle,
            **cast(Any, self.parts),
        )

    def settle(self, settings: Settings) -> None:
        """They are known."""
        self.log.append("settle")

    def test_order(self) -> None:
        """Settings count before processes are made, and plugins hear of it last."""
        reload = self.reload()
        outcome = reload()
        self.assertEqual(
            self.log,
            [
                "endpoints commits",
                "settle",
                "webhooks configures",
                "forwards configures",
                "declarations commits",
                "plugins commits",
            ],
        )
        self.assertEqual(outcome.started, ("default.a.0",))
        self.assertNoResult(outcome.done)
        self.parts["endpoints"].closing.callback(None)  # a port closes a turn later
        self.successResultOf(outcome.done)
        current: Configuration = reload.current
        self.assertIs(current, self.new)

    def test_warnings(self) -> None:
        """What is odd is said to who asked, and once in the log."""
        with capturedLogs() as logs:
            outcome = self.reload()()
        *said, left_out = outcome.warnings
        self.assertEqual((said[:3], left_out), (["file", "plugin", "certificate"], "b"))
        self.assertIn("state_dir", said[3])
        warned = [formatEvent(one) for one in logs if one["log_level"] is LogLevel.warn]
        self.assertEqual(warned, said)

    def test_refused(self) -> None:
        """Where one part can't, none does anything, and what was begun is abandoned."""
        self.parts["endpoints"] = evolve(
            self.parts["endpoints"], refusal=CantListen("taken", 1, self.new.endpoints[0])
        )
        reload = self.reload()
        before = reload.current
        refused = self.assertRaises(NotReloaded, reload)
        self.assertEqual(refused.mistakes, ("taken",))
        self.assertEqual(self.log, ["plugins abandons"])
        self.assertIs(reload.current, before)

    def test_told(self) -> None:
        """Whether it could be taken over the last time is known, and when it was."""
        times = iter((1.0, 2.0, 3.0))
        reload = Reload(
            read=lambda: self.new,
            current=default(Overrides()),
            settle=self.settle,
            wall=lambda: next(times),
            **cast(Any, self.parts),
        )
        self.assertEqual((reload.successful, reload.taken_at), (True, 1.0))
        reload()
        self.assertEqual((reload.successful, reload.taken_at), (True, 2.0))
        reload.declarations = cast(Any, Part("declarations", self.log, refusal=Stopping("no")))
        self.assertRaises(NotReloaded, reload)
        self.assertEqual((reload.successful, reload.taken_at), (False, 2.0))
        reload.declarations = cast(Any, self.parts["declarations"])
        reload()
        self.assertEqual((reload.successful, reload.taken_at), (True, 3.0))
