"""
The fake agent of the web tests behaves as the real one, where the web looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.documents import CreateRequest
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.refusals import SlugInUse, UnknownApp, UnknownProcess
from smartmob.web.render import process_document
from tests.support.agents import FakeAgent
from tests.support.launching import FakeLauncher
from tests.support.recording_state import FakeRecords
from tests.support.releasing import FakeSources

if TYPE_CHECKING:
    Case = SynchronousTestCase
else:
    Case = object  # trial would run the tests of a mixin that is a test case


def request(app: str, node: str) -> CreateRequest:
    """
    A create request.
    """
    return CreateRequest(app=app, node=node, process_type="web", source_url="http://h/a")


class AgentMixin(Case):
    """
    What the web side relies on.
    """

    agent: Agent

    def test_registry(self) -> None:
        """Processes are found by slug, and listed in the order of their creation."""
        agent = self.agent
        made = [
            self.successResultOf(agent.create(request("one", f"web.{number}"), "id"))
            for number in (2, 0, 1)
        ]
        self.assertEqual(agent.processes(), made)
        self.assertIs(agent.process("one.web.0"), made[1])
        self.failureResultOf(agent.create(request("one", "web.0"), "id"), SlugInUse)

    def test_unknown(self) -> None:
        """What does not exist is refused."""
        agent = self.agent
        self.assertRaises(UnknownProcess, agent.process, "one.web.0")
        self.assertRaises(UnknownApp, agent.delete_app, "one")
        self.failureResultOf(agent.scale("one", {}, "id"), UnknownApp)

    def test_document(self) -> None:
        """A process has all that its document shows, a version, and may be weakly held."""
        agent = self.agent
        process = self.successResultOf(agent.create(request("one", "web.0"), "id"))
        document = process_document(process)
        self.assertEqual(document["slug"], "one.web.0")
        self.assertIsInstance(process.version, int)

    def test_cancel(self) -> None:
        """A wait that is cancelled takes nothing back."""
        agent = self.agent
        process = self.successResultOf(agent.create(request("one", "web.0"), "id"))
        for wait in (process.restart(), process.stop(), process.delete()):
            wait.addErrback(lambda failure: None)
            wait.cancel()


class FakeAgentTests(AgentMixin, SynchronousTestCase):
    """
    The fake.
    """

    def setUp(self) -> None:
        self.agent = FakeAgent().real


class RealAgentTests(AgentMixin, SynchronousTestCase):
    """
    The real one.
    """

    def setUp(self) -> None:
        clock = Clock()
        self.agent = Agent(
            clock,
            FakeLauncher(clock),
            Consoles(epoch="test", now=clock.seconds),
            FakeSources().real,
            FakeRecords(),
            ports=Ports(lambda first, last: first, usable=lambda port: True),
            random=lambda: 0.5,
            wall=clock.seconds,
            monotonic=clock.seconds,
        )
