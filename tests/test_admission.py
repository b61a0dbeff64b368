"""
Tests of L{smartmob.admission}, and of verbs that can't be written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from smartmob.documents import State
from smartmob.process import Process
from smartmob.refusals import SlugInUse, StateNotWritten, Stopping
from smartmob.scaling import steps
from tests.support.releasing import FakeSources
from tests.support.stage import REQUEST
from tests.support.successors import WEB, LifetimeTestCase, template


class AdmissionTests(LifetimeTestCase):
    """
    Processes that are being taken on.
    """

    def setUp(self) -> None:
        """
        The disk takes its time.
        """
        super().setUp()
        self.aside = self.life.aside
        self.aside.at_once = False

    def ask(self, **changes: Any) -> Deferred[Process]:
        """
        Have a process created.
        """
        return self.life.agent.create(evolve(REQUEST, **changes), "id")

    def test_notYet(self) -> None:
        """Nothing exists before its record is on the disk; nobody else gets its slug."""
        created = self.ask()
        self.assertNoResult(created)
        self.assertEqual(self.states(), {})
        error = self.failureResultOf(self.ask(), SlugInUse)
        self.assertIn("is being created", error.getErrorMessage())
        self.aside.let()
        self.assertIs(self.successResultOf(created), self.process())

    def test_full(self) -> None:
        """What can't be written does not exist, nor has it anything, now or later."""
        self.watch.full = True
        created = self.ask()
        self.aside.let()
        self.failureResultOf(created, StateNotWritten)
        self.assertEqual(self.states(), {})
        self.assertEqual(self.life.ports._taken, set())
        self.watch.full = False
        self.killed()
        self.assertEqual(self.states(), {})

    def test_partly(self) -> None:
        """What is there although it could not be forced to the disk is removed again."""

        def spoil(what: str) -> None:
            # Once it has its name the folder can't be forced to the disk.
            if what.startswith("os.rename"):
                self.patch(os, "fsync", failing(os.fsync))

        self.watch.before = spoil
        created = self.ask()
        self.aside.let()
        self.failureResultOf(created, StateNotWritten)
        self.assertEqual(self.names(), [])

    def test_allOrNone(self) -> None:
        """Of those that a scale asks for all are written, or none is left."""
        self.ask()
        self.aside.let()
        folder = self.folder / "processes"
        (folder / "myapp.web.2.json").mkdir()
        scaled = self.life.agent.scale("myapp", steps({"web": 4}), "id")
        self.aside.let()
        self.failureResultOf(scaled, StateNotWritten)
        self.assertEqual(list(self.states()), [WEB])
        self.assertEqual(self.names(), ["myapp.web.0.json", "myapp.web.2.json"])
        (folder / "myapp.web.2.json").rmdir()
        scaled = self.life.agent.scale("myapp", steps({"web": 4}), "id")
        self.aside.let()
        self.successResultOf(scaled)
        self.killed()
        self.assertEqual(len(self.states()), 4)

    def test_scaleWaits(self) -> None:
        """Who is being created counts for who scales then."""
        self.ask()
        self.aside.let()
        self.life.settle()
        created = self.ask(node="web.1")
        scaled = self.life.agent.scale("myapp", steps({"web": "+1"}), "id")
        self.assertEqual(len(self.aside.works), 1)
        self.aside.let()
        self.successResultOf(created)
        self.successResultOf(scaled)
        self.assertEqual(sorted(self.states()), [f"myapp.web.{n}" for n in range(3)])

    def test_scaleAndDelete(self) -> None:
        """Who is deleted while a scale is being written is not waited for."""
        for node in ("web.0", "web.1", "clock.0"):
            self.ask(node=node, process_type=node.partition(".")[0])
        self.aside.let()
        self.life.settle()
        scaled = self.life.agent.scale("myapp", steps({"web": 0, "clock": 2}), "id")
        deleted = self.process("myapp.web.1").delete()
        self.life.settle()
        self.successResultOf(deleted)
        self.life.settle()
        self.successResultOf(scaled)
        self.assertEqual(sorted(self.states()), ["myapp.clock.0", "myapp.clock.1"])

    def test_reload(self) -> None:
        """A section does not take the slug of who is being created."""
        created = self.ask(app="default", node="dummy.0", process_type="dummy")
        plan = self.life.declarations.plan([template()])
        changes = self.life.declarations.carry_out(plan)
        [why] = changes.left_out
        self.assertIn("default.dummy.0 is left out: a process 'default.dummy.0' is being", why)
        self.aside.let()
        self.assertIs(self.successResultOf(created), self.process("default.dummy.0"))

    def test_stopping(self) -> None:
        """An agent that is to end refuses what is being written, and nothing is left of it."""
        created = self.ask()
        scaling = self.ask(node="web.1")
        stopped = self.life.agent.stopService()
        self.life.clock.advance(1)
        self.assertNoResult(stopped)
        self.aside.let()
        self.failureResultOf(created, Stopping)
        self.failureResultOf(scaling, Stopping)
        self.life.clock.advance(1)
        self.successResultOf(stopped)
        self.assertEqual(self.names(), [])

    def test_hungUp(self) -> None:
        """Who waits no longer changes nothing."""
        self.ask().addErrback(lambda _: None).cancel()
        self.aside.let()
        self.life.settle()
        self.assertEqual(self.states(), {WEB: "running"})

    def test_notRemoved(self) -> None:
        """What could not be removed when it was refused is removed as soon as that can be."""
        created = self.ask()
        self.aside.works.pop(0)()  # it is written, and so exists
        self.successResultOf(created)
        other = self.ask(node="web.1")
        stopped = self.life.agent.stopService()
        self.patch(os, "unlink", failing(os.unlink))
        self.aside.let()
        self.failureResultOf(other, Stopping)
        self.assertIn("myapp.web.1.json", self.names())
        self.life.settle()
        self.life.clock.advance(1)
        self.aside.let()
        self.assertEqual(self.names(), ["myapp.web.0.json"])
        self.successResultOf(stopped)


def failing(call: Callable[..., None]) -> Callable[..., None]:
    """
    A call that fails once.
    """
    calls: list[object] = []

    def fail(*args: object) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")
        call(*args)

    return fail


class VerbTests(LifetimeTestCase):
    """
    What operators want, and can't be written.
    """

    def test_full(self) -> None:
        """A verb is done, but refused, and written as soon as that can be."""
        process = self.create()
        self.watch.full = True
        why = self.refused(process.stop())
        self.assertIn(
            "that myapp.web.0 is to be down could not be written, so a later agent may start it"
            ": it can't be kept",
            why,
        )
        self.assertIs(process.state, State.STOPPED)
        self.refused(process.stop())
        why = self.refused(process.start())
        self.assertIn(
            "is to be up could not be written, so a later agent may leave it down", why
        )
        self.refused(process.stop())
        self.watch.full = False
        self.life.clock.advance(1)
        self.killed()
        self.assertEqual(self.states(), {WEB: "stopped"})

    def test_again(self) -> None:
        """A verb that is repeated is written at once, if it can be."""
        process = self.create()
        self.watch.full = True
        self.refused(process.stop())
        self.refused(process.start())
        self.watch.full = False
        self.done(process.stop())
        self.killed()
        self.assertEqual(self.states(), {WEB: "stopped"})

    def test_deleteFails(self) -> None:
        """Who can't be forgotten is known, down, and not started by a later agent."""
        process = self.create()
        self.patch(os, "unlink", failing(os.unlink))
        deleted = process.delete()
        self.life.settle()
        self.failureResultOf(deleted, StateNotWritten)
        self.assertEqual(self.states(), {WEB: "stopped"})
        self.killed()
        self.assertEqual(self.states(), {WEB: "stopped"})
        self.done(self.process().delete())
        self.killed()
        self.assertEqual(self.states(), {})

    def test_deletedWhileRepeated(self) -> None:
        """What is written again and again is not written once its process is deleted."""
        release: Deferred[None] = Deferred()

        class Slow(FakeSources):
            """Sources that take their time to remove a release."""

            def drop(self, *args: object) -> Deferred[None]:
                """Wait for the test."""
                return release

        self.killed(sources=Slow(at_once=True))
        process = self.create()
        self.watch.full = True
        self.refused(process.stop())
        self.watch.full = False
        deleted = process.delete()
        self.life.clock.advance(100)
        self.life.agent._record(WEB)
        self.life.persistence.records.repeat(WEB)
        self.life.clock.advance(100)
        self.assertNoResult(deleted)
        self.assertEqual(self.names(), [])
        release.callback(None)
        self.successResultOf(deleted)
        self.life.clock.advance(100)
        self.killed()
        self.assertEqual(self.states(), {})
