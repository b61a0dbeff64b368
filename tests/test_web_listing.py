"""
Listings, which are kept: that they are those that would be made anew.
"""

from __future__ import annotations

import gc
import json
from fnmatch import fnmatchcase
from typing import Any
from weakref import ref

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.web.render import LINKS, MOST_BASES, Documents, process_document
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent, FakeProcess
from tests.support.httpwire import Answer, Wire

HOSTS = ("127.0.0.1:8080", "localhost", "[::1]:80", "10.1.2.3", "localhost:8080")
"""More of them than are remembered."""


def made_anew(process: FakeProcess, host: str) -> dict[str, Any]:
    """
    The document of a process, made by nothing that keeps any.
    """
    links = {
        name: f"{'ws' if name == 'attach' else 'http'}://{host}{path}{process.slug}"
        for name, path in LINKS.items()
    }
    return {**process_document(process), **links}  # type: ignore[arg-type] # it is one for this


class ListingMachine(RuleBasedStateMachine):
    """
    Processes that come, change and go, and clients that ask by any name of the agent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.agent = FakeAgent()
        self.wire = Wire(make_site(self.agent.real, Clock()))
        self.created = 0

    def process(self, which: int) -> FakeProcess:
        """One of those that there are."""
        processes = self.agent.processes()
        return processes[which % len(processes)]

    def ask(self, path: str, host: str, method: str = "GET") -> Answer:
        """What the agent answers."""
        answer = self.wire.ask(method, path, host=host)
        assert answer.status == 200, answer
        return answer

    @rule(app=st.sampled_from(("myapp", "other")))
    def create(self, app: str) -> None:
        """There is one more."""
        self.created += 1
        self.agent.add(app, f"web.{self.created}", labels={"a": "http://localhost <slug>"})

    @precondition(lambda self: self.agent.by_slug)
    @rule(which=st.integers(0, 50))
    def delete(self, which: int) -> None:
        """There is one less."""
        del self.agent.by_slug[self.process(which).slug]

    @precondition(lambda self: self.agent.by_slug)
    @rule(which=st.integers(0, 50))
    def replace(self, which: int) -> None:
        """One is deleted, and another of that name takes its place, or comes last."""
        old = self.process(which)
        new = FakeProcess(old.definition, old.console, pid=which, version=old.version)
        if which % 2:
            del self.agent.by_slug[old.slug]
        self.agent.by_slug[old.slug] = new

    @precondition(lambda self: self.agent.by_slug)
    @rule(
        which=st.integers(0, 50), state=st.sampled_from(State), pid=st.none() | st.integers(1)
    )
    def change(self, which: int, state: State, pid: int | None) -> None:
        """Something happens to one."""
        process = self.process(which)
        process.state, process.pid = state, pid
        process.version += 1

    @rule()
    def reorder(self) -> None:
        """They are listed in another order."""
        self.agent.by_slug = dict(reversed(self.agent.by_slug.items()))

    @rule(host=st.sampled_from(HOSTS))
    def listing(self, host: str) -> None:
        """All of them are listed."""
        answer = self.ask("/list-processes", host)
        expected = [made_anew(process, host) for process in self.agent.processes()]
        assert answer.json() == {"processes": expected}
        assert answer.body.endswith(b"]}\n")
        head = self.ask("/list-processes", host, "HEAD")
        assert head.header("content-length") == f"{len(answer.body)}"

    @rule(host=st.sampled_from(HOSTS), app=st.sampled_from(("my*", "other", "none")))
    def filtered(self, host: str, app: str) -> None:
        """Some of them are."""
        expected = [
            made_anew(process, host)
            for process in self.agent.processes()
            if fnmatchcase(process.definition.app, app)
        ]
        assert self.ask(f"/list-processes?app={app}", host).json() == {"processes": expected}

    @precondition(lambda self: self.agent.by_slug)
    @rule(which=st.integers(0, 50), host=st.sampled_from(HOSTS))
    def status(self, which: int, host: str) -> None:
        """One is shown."""
        process = self.process(which)
        answer = self.ask(f"/process-status/{process.slug}", host)
        assert answer.json() == {**made_anew(process, host), "last_exits": []}


class ListingTests(SynchronousTestCase):
    """
    Tests of listings.
    """

    def test_anyOrder(self) -> None:
        """Whatever happened, and whoever asked before, a listing is one made anew."""
        run_state_machine_as_test(
            ListingMachine,
            settings=settings(max_examples=100, stateful_step_count=30, deadline=None),
        )

    def test_same(self) -> None:
        """What did not change is not made again."""
        documents, agent = Documents(), FakeAgent()
        agent.add()
        processes: Any = agent.processes()
        first = documents.all(processes, b"http://localhost")
        self.assertIs(documents.all(list(processes), b"http://localhost"), first)
        self.assertIsNot(documents.all(processes, b"https://localhost"), first)
        self.assertEqual(json.loads(documents.all([], b"http://localhost")), {"processes": []})

    def test_few(self) -> None:
        """Only what the last few Hosts got is kept."""
        documents, agent = Documents(), FakeAgent()
        agent.add()
        processes: Any = agent.processes()
        first = documents.all(processes, b"http://10.0.0.0")
        for other in range(1, MOST_BASES):
            documents.all(processes, b"http://10.0.0.%d" % other)
        self.assertIs(documents.all(processes, b"http://10.0.0.0"), first)
        for other in range(1, MOST_BASES + 1):
            documents.all(processes, b"http://10.0.0.%d" % other)
        self.assertIsNot(documents.all(processes, b"http://10.0.0.0"), first)

    def test_forgotten(self) -> None:
        """A process that was deleted is not kept by the listings that it was in."""
        documents, agent = Documents(), FakeAgent()
        process = ref(agent.add())
        documents.all(agent.processes(), b"http://localhost")  # type: ignore[arg-type] # fakes
        agent.consoles = FakeAgent().consoles
        agent.by_slug.clear()
        gc.collect()
        self.assertIsNone(process())
