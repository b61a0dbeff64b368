"""
One agent after the other on the same state folder, with real files, and all else in memory.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from errno import ENOSPC
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock

from smartmob.agent import Agent
from smartmob.declarations import Declarations
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.state.persistence import Persistence
from smartmob.state.records import Records
from smartmob.templates import Template
from tests.support.launching import FakeLauncher, FakeProgram
from tests.support.releasing import FakeSources

EPOCH = 1_790_000_000.0
"""When the first agent starts."""


@define(eq=False)
class Held:
    """
    Work that waits for the test.

    @ivar at_once: None does.
    @ivar ended: It was told that nothing is under way.
    """

    at_once: bool = True
    works: list[Callable[[], None]] = field(factory=list)
    ended: int = 0

    def do(self, work: Callable[[], None]) -> None:
        """
        Note it.
        """
        if self.at_once:
            work()
        else:
            self.works.append(work)

    def end(self) -> None:
        """
        Note it.
        """
        assert not self.works
        self.ended += 1

    def let(self) -> None:
        """
        Do all of it, and what comes of it.
        """
        while self.works:
            self.works.pop(0)()


class Here:
    """
    What is called from a thread is called at once: it was none.
    """

    def callFromThread(self, call: Callable[..., object], *args: Any, **more: Any) -> None:
        """
        Call it.
        """
        call(*args, **more)


@define(eq=False)
class Watch:
    """
    Sees what is done with the names in a folder, before it is done, and what is opened to
    be written; it may make that fail.

    @ivar folder: Which.
    @ivar full: Nothing new can be opened.
    @ivar before: Called with what is about to be done.
    """

    folder: str = "/nowhere"
    full: bool = False
    before: Callable[[str], None] | None = None
    _within: bool = False

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """
        An audit hook (PEP 578).
        """
        if event not in _SEEN or self._within or not isinstance(args[0], str):
            return
        if not args[0].startswith(self.folder):
            return
        if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
            return
        self._within = True
        try:
            if self.before is not None:
                self.before(f"{event} {os.path.relpath(args[0], self.folder)}")
        finally:
            self._within = False
        if self.full and event in ("open", "os.mkdir"):
            raise OSError(ENOSPC, os.strerror(ENOSPC), args[0])


_SEEN = frozenset(["open", "os.rename", "os.remove", "os.mkdir"])

WATCH = Watch()
"""There is one, since a hook stays until the interpreter ends."""

_hooked: list[bool] = []


def watch(folder: Path) -> Watch:
    """
    Watch this folder from now on, and no other.
    """
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(WATCH.see)
    WATCH.folder, WATCH.full, WATCH.before = str(folder), False, None
    return WATCH


@define(eq=False)
class Lifetime:
    """
    An agent, from its start to its end, however that is.

    @ivar folder: Its state folder.
    @ivar resumes: It begins with what there was.
    @ivar templates: What the configuration file has.
    """

    folder: Path
    clock: Clock = field(factory=Clock)
    resumes: bool = True
    templates: Sequence[Template] = ()
    aside: Held = field(factory=Held)
    most: int = 10_000
    ports: Ports = field(
        factory=lambda: Ports(lambda low, high: low, 20_000, 29_999, lambda port: True)
    )
    sources: FakeSources = field(factory=lambda: FakeSources(at_once=True))
    launcher: FakeLauncher = field(init=False)
    agent: Agent = field(init=False)
    persistence: Persistence = field(init=False)
    declarations: Declarations = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if self.clock.seconds() < EPOCH:
            self.clock.advance(EPOCH - self.clock.seconds())
        self.launcher = FakeLauncher(self.clock, obedient=True, script=FakeProgram.execute)
        records = Records(self.folder, self.clock, Here(), self.aside)  # type: ignore[arg-type] # of its interface what is needed
        self.agent = Agent(
            self.clock,
            self.launcher,
            Consoles(epoch="test", now=self.clock.seconds),
            self.sources.real,
            records,
            ports=self.ports,
            inherited={},
            random=lambda: 0.5,
            wall=self.clock.seconds,
            monotonic=self.clock.seconds,
            most_processes=self.most,
        )
        self.persistence = Persistence(records, self.agent.events, self.clock)
        self.declarations = Declarations(self.agent)

    def begin(self) -> Lifetime:
        """
        It starts: in the order of L{smartmob.lifecycle}.
        """
        self.agent.resumption.restore(self.persistence.open(), self.resumes)
        plan = self.declarations.plan(self.templates)
        self.persistence.begin()
        self.declarations.carry_out(plan)
        self.agent.resumption.begin()
        self.settle()
        return self

    def settle(self) -> None:
        """
        What waits for a turn of the reactor happens.
        """
        for _ in range(5):
            self.aside.let()
            self.clock.advance(0)

    def end(self) -> None:
        """
        It ends in order.
        """
        stopped = self.agent.stopService()
        self.settle()
        self.clock.advance(1)
        assert stopped.called
        closed = self.persistence.close()
        self.settle()
        assert closed.called

    def next(self, **more: Any) -> Lifetime:
        """
        The agent was killed; there is another one.
        """
        more = {"clock": self.clock, "templates": self.templates, **more}
        for call in self.clock.getDelayedCalls():
            call.cancel()
        return Lifetime(self.folder, **more).begin()


def copied(folder: Path, to: Path) -> Path:
    """
    A state folder as it is now.
    """
    shutil.copytree(folder, to)
    return to
