"""
Tests of L{smartmob.scaling}, on the real agent with programs in memory.
"""

from __future__ import annotations

from attrs import astuple, evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.app import REMEMBERED
from smartmob.converter import InvalidDocument
from smartmob.documents import Left
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.refusals import NoPort, TooManyProcesses, TreeLeft, UnknownApp
from smartmob.scaling import MOST, Step, steps
from smartmob.topics import Topics
from tests.support.launching import FakeLauncher
from tests.support.recording_state import FakeRecords
from tests.support.releasing import FakeSources
from tests.support.stage import REQUEST


class StepsTests(SynchronousTestCase):
    """
    What a client may ask for.
    """

    def test_steps(self) -> None:
        """A number is a target, with a sign a difference."""
        found = steps({"web": 3, "a": "+1", "b": "-2", "c": 0})
        targets = {name: step.target(1) for name, step in found.items()}
        self.assertEqual(targets, {"web": 3, "a": 2, "b": 0, "c": 0})

    def test_wrong(self) -> None:
        """Everything that is wrong is named at once."""
        wrong = {"web": -1, "a": "1", "b": 1.0, "c": True, "d": "+1000000", "e.f": 1, "g": 1}
        with self.assertRaises(InvalidDocument) as caught:
            steps(wrong)
        self.assertEqual(
            [name for name, _ in caught.exception.errors], [*["web", "a", "b", "c", "d", "e.f"]]
        )
        self.assertRaises(InvalidDocument, steps, [1])


class ScaleTests(SynchronousTestCase):
    """
    Only the difference is touched.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.launcher = FakeLauncher(self.clock, obedient=True)
        self.sources = FakeSources(at_once=True)
        self.agent = Agent(
            self.clock,
            self.launcher,
            Consoles(epoch="test", now=self.clock.seconds),
            self.sources.real,
            FakeRecords(),
            ports=Ports(lambda low, high: low, 100, 200, lambda port: True),
            inherited={},
        )
        self.successResultOf(self.agent.create(REQUEST, "id"))

    def scale(self, **wanted: int | str) -> Deferred[None]:
        """
        Scale the app.
        """
        return self.agent.scale("myapp", steps(wanted), "id")

    def nodes(self) -> list[str]:
        """
        What there is.
        """
        self.clock.advance(0)
        return [process.definition.node for process in self.agent.processes()]

    def test_more(self) -> None:
        """New ones take the lowest free numbers, and are as the newest of their type."""
        self.successResultOf(
            self.agent.create(evolve(REQUEST, node="web.2", env={"NEW": "1"}), "id")
        )
        self.successResultOf(self.scale(web="+2"))
        self.assertEqual(self.nodes(), ["web.0", "web.2", "web.1", "web.3"])
        self.assertEqual(self.agent.process("myapp.web.1").definition.env, {"NEW": "1"})
        self.assertEqual({p.definition.process_type for p in self.agent.processes()}, {"web"})

    def test_less(self) -> None:
        """Surplus ones go from the highest; the answer comes when they are gone."""
        self.successResultOf(self.scale(web=4))
        kept = self.agent.process("myapp.web.0")
        scaled = self.scale(web=1)
        self.assertNoResult(scaled)
        self.assertEqual(self.nodes(), ["web.0"])
        self.successResultOf(scaled)
        self.assertIs(self.agent.process("myapp.web.0"), kept)
        self.assertEqual(len(kept.program.runs), 1)  # type: ignore[union-attr] # the fake's

    def test_others(self) -> None:
        """What is no numbered instance is neither counted nor touched."""
        for node in ("web", "web.x", "webs.0", "web.0.1"):
            self.successResultOf(self.agent.create(evolve(REQUEST, node=node), "id"))
        self.successResultOf(self.scale(web=2))
        self.assertEqual(len(self.nodes()), 6)
        scaled = self.scale(web=0)
        self.assertEqual(self.nodes(), ["web", "web.x", "webs.0", "web.0.1"])
        self.successResultOf(scaled)

    def test_zeroUndone(self) -> None:
        """The last request of a type is remembered, so that 0 can be undone."""
        self.successResultOf(
            self.agent.create(evolve(REQUEST, node="clock.0", process_type="clock"), "id")
        )
        self.successResultOf(
            self.agent.create(evolve(REQUEST, node="web.1", env={"A": "1"}), "id")
        )
        self.scale(web=0)
        self.assertEqual(self.nodes(), ["clock.0"])
        self.scale(web=1)
        self.assertEqual(self.nodes(), ["clock.0", "web.0"])
        self.assertEqual(self.agent.process("myapp.web.0").definition.env, {"A": "1"})

    def test_lastOne(self) -> None:
        """With the app's last process all is forgotten."""
        self.scale(web=0)
        self.assertEqual(self.nodes(), [])
        self.failureResultOf(self.scale(web=1), UnknownApp)

    def test_otherType(self) -> None:
        """A type that has no process is as the app's newest, with the type exchanged."""
        self.scale(clock=2)
        self.assertEqual(self.nodes(), ["web.0", "clock.0", "clock.1"])
        self.assertEqual(self.agent.process("myapp.clock.1").definition.process_type, "clock")

    def test_unknownType(self) -> None:
        """A type that the Procfile does not have is refused, and nothing changes."""
        failure = self.failureResultOf(self.scale(web=5, nonsense=1), InvalidDocument)
        [(field, message)] = failure.value.errors
        self.assertEqual(field, "nonsense")
        self.assertIn("web, clock", message)
        self.assertEqual(self.nodes(), ["web.0"])

    def test_unknownApp(self) -> None:
        """An app without a process can't be scaled."""
        self.failureResultOf(self.agent.scale("other", steps({"web": 1}), "id"), UnknownApp)

    def test_noRoom(self) -> None:
        """Where not all can be created, none is."""
        self.agent.most_processes = 3
        made = len(self.launcher.programs)
        self.failureResultOf(self.scale(web=4), TooManyProcesses)
        self.failureResultOf(self.scale(web=2, clock=3), TooManyProcesses)
        self.assertEqual(self.nodes(), ["web.0"])
        self.assertEqual(len(self.launcher.programs), made)

    def test_noPorts(self) -> None:
        """Where there are not enough ports, nothing is made."""
        made = len(self.launcher.programs)
        self.failureResultOf(self.scale(web=200), NoPort)
        self.assertEqual(len(self.launcher.programs), made)

    def test_manyAsked(self) -> None:
        """What is far beyond every bound is refused without making a request of it."""
        many = {f"type{number}": MOST for number in range(1000)}
        self.sources.at_once = False
        self.successResultOf(self.agent.create(evolve(REQUEST, app="new"), "id"))
        scaled = self.agent.scale("new", steps(many), "id")
        self.failureResultOf(scaled, TooManyProcesses)

    def test_remembered(self) -> None:
        """Types that come and go are remembered up to a bound, the latest ones."""
        for number in range(200):
            process_type = f"t{number}"
            node = f"{process_type}.0"
            request = evolve(REQUEST, node=node, process_type=process_type)
            self.successResultOf(self.agent.create(request, "id"))
            self.agent.process(request.slug).delete()
            self.clock.advance(0)
        known = astuple(self.agent.roster._apps["myapp"], recurse=False)
        self.assertLessEqual(max(map(len, known)), REMEMBERED)
        self.scale(t199=1)
        self.assertIn("t199.0", self.nodes())
        self.failureResultOf(self.scale(t0=1), InvalidDocument)

    def test_beingDeleted(self) -> None:
        """What is being deleted does not count, but has its name until it is gone."""
        self.launcher.obedient = False
        self.scale(web=2)
        self.agent.process("myapp.web.0").delete()
        self.scale(web=2)
        self.assertEqual(self.nodes(), ["web.1", "web.2"])

    def test_update(self) -> None:
        """Each type whose number changes is one event, and no other is."""
        self.scale(clock=1)
        seen: list[str] = []
        self.agent.events.subscribe(
            Topics(frozenset({"update"})), lambda event: seen.append(event.process_type)
        )
        self.scale(web=3, clock=1)
        self.scale(web=1, clock=2)
        self.assertEqual(seen, ["web", "web", "clock"])

    def test_left(self) -> None:
        """What can't be ended fails the request, and counts again."""
        self.launcher.obedient = False
        self.scale(web=2)
        scaled = self.scale(web=1)
        program = self.launcher.programs[1]
        program.execute()
        program.end(left=(Left(1, "init"),))
        self.failureResultOf(scaled, TreeLeft)
        self.assertFalse(self.agent.process("myapp.web.1").doomed)

    @given(st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), max_size=8))
    def test_target(self, wanted: list[tuple[bool, int]]) -> None:
        """After any number of steps there are as many as arithmetic says, never below 0."""
        self.setUp()
        present = 1
        for relative, number in wanted:
            step = Step(number if relative else abs(number), relative)
            if not present:
                break
            present = step.target(present)
            self.agent.scale("myapp", {"web": step}, "id")
            self.assertEqual(len(self.nodes()), present)
