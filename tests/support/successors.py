"""
Tests with agents that live one after the other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.process import Process
from smartmob.refusals import StateNotWritten
from smartmob.templates import Configured, Template
from tests.support.launching import FakeProgram
from tests.support.lifetimes import Lifetime, watch
from tests.support.stage import REQUEST

WEB = "myapp.web.0"


def template(name: str = "dummy", numprocesses: int = 1, start: bool = True) -> Template:
    """
    A section of the configuration file.
    """
    node = f"{name}.0"
    model = Configured(app="default", node=node, process_type=name, cmd="./run", cwd="/")
    return Template(model=model, numprocesses=numprocesses, start=start)


class LifetimeTestCase(SynchronousTestCase):
    """
    Tests with agents on a folder.
    """

    def setUp(self) -> None:
        """
        The first one.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.life = Lifetime(self.folder).begin()
        self.watch = watch(self.folder)

    def create(self, **changes: Any) -> Process:
        """
        A process that runs.
        """
        request = evolve(REQUEST, **changes)
        process = self.successResultOf(self.life.agent.create(request, "id"))
        self.life.settle()
        self.assertIs(process.state, State.RUNNING)
        return process

    def killed(self, **more: Any) -> None:
        """
        The agent is killed; there is another one.
        """
        self.life = self.life.next(**more)

    def process(self, slug: str = WEB) -> Process:
        """
        One of the present agent's.
        """
        return self.life.agent.process(slug)

    def states(self) -> dict[str, str]:
        """
        Of all processes.
        """
        return {each.slug: each.state.value for each in self.life.agent.processes()}

    def program(self, slug: str = WEB) -> FakeProgram:
        """
        Of a process.
        """
        program = self.process(slug).program
        assert isinstance(program, FakeProgram)
        return program

    def exit(self, slug: str = WEB, code: int = 1) -> None:
        """
        A program ends.
        """
        program = self.program(slug)
        program.output(b"last words\n")
        program.end(code)
        for _ in range(2):
            self.life.settle()
            self.life.clock.advance(40)

    def done(self, verb: Deferred[None]) -> None:
        """
        Wait for a verb.
        """
        self.life.settle()
        self.successResultOf(verb)

    def refused(self, verb: Deferred[None]) -> str:
        """
        Wait for a verb that is done, but not written.  Returns why.
        """
        self.life.settle()
        return str(self.failureResultOf(verb, StateNotWritten).value)

    def names(self) -> list[str]:
        """
        The files of records.
        """
        return sorted(os.listdir(self.folder / "processes"))

    def shown(self, slug: str = WEB) -> tuple[Any, ...]:
        """
        What is to be the same after a restart.
        """
        one = self.process(slug)
        return one.created_at, one.port, one.restarts, one.exits, one.last_exits, one.definition
