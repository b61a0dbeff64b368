"""
A process whose source, launcher and clock do what a test tells them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from smartmob.documents import CreateRequest, State
from smartmob.events import Event, Events
from smartmob.launch.interfaces import Command
from smartmob.lines.consoles import Consoles
from smartmob.process import Process
from smartmob.restart import Backoff, FlappingGuard
from smartmob.templates import STREAMS
from smartmob.topics import Topics
from tests.support.launching import FakeLauncher, FakeProgram
from tests.support.recording_state import FakeRecords

REQUEST = CreateRequest(
    app="myapp", node="web.0", process_type="web", source_url="http://example.invalid/a.tgz"
)

COMMAND = Command(argv=("./web",), env={"PORT": "20001"})


@define(eq=False)
class FakeRecipe:
    """
    A recipe whose sources come when a test says so.

    @ivar works: What is under way, the latest last.
    @ivar cancelled: How many were abandoned.
    @ivar discarding: Fires when the test lets it.
    """

    streams: tuple[str | None, str | None] = STREAMS
    types: tuple[str, ...] | None = None
    port: int | None = 20001
    release: str | None = None
    works: list[Deferred[Command]] = field(factory=list)
    progress: Callable[[State], None] = field(init=False)
    cancelled: int = 0
    discarding: Deferred[None] | None = None

    def prepare(self, progress: Callable[[State], None]) -> Deferred[Command]:
        """
        Begin, and wait for the test.
        """

        def cancelled(_: object) -> None:
            self.cancelled += 1

        self.progress = progress
        work: Deferred[Command] = Deferred(cancelled)
        self.works.append(work)
        return work

    def discard(self) -> Deferred[None]:
        """
        Begin, and wait for the test.
        """
        assert self.discarding is None
        self.discarding = Deferred()
        return self.discarding


@define(eq=False)
class Stage:
    """
    A process and all that it depends on.
    """

    request: CreateRequest = REQUEST
    clock: Clock = field(factory=Clock)
    recipe: FakeRecipe = field(factory=FakeRecipe)
    launcher: FakeLauncher = field(init=False)
    consoles: Consoles = field(init=False)
    events: Events = field(init=False)
    records: FakeRecords = field(factory=FakeRecords)
    told: list[Event] = field(factory=list)
    process: Process = field(init=False)
    gone: bool = False

    def __attrs_post_init__(self) -> None:
        self.launcher = FakeLauncher(self.clock)
        self.consoles = Consoles(epoch="test", now=self.clock.seconds)
        self.events = Events(now=self.clock.seconds)
        self.events.subscribe(Topics(), self.told.append)
        flapping = self.request.flapping
        self.process = Process(
            definition=self.request,
            recipe=self.recipe,
            launcher=self.launcher,
            console=self.consoles.open(self.request.slug, State.PENDING),
            policy=Backoff(lambda: 0.5) if flapping is None else FlappingGuard(flapping),
            clock=self.clock,
            wall=self.clock.seconds,
            monotonic=self.clock.seconds,
            random=lambda: 0.5,
            emit=partial(self.events.publish, self.request),
            forgotten=self._forgotten,
            created_at=0.0,
            port=20001,
            records=self.records,
        )

    def _forgotten(self) -> None:
        self.gone = True

    def life(self) -> list[str]:
        """
        What has happened since this was last asked, by topics.
        """
        topics = [event.topic.value for event in self.told]
        self.told.clear()
        return topics

    @property
    def program(self) -> FakeProgram:
        """
        The latest one.
        """
        return self.launcher.programs[-1]

    def source(self, command: Command = COMMAND) -> None:
        """
        The source arrives.
        """
        self.recipe.works[-1].callback(command)

    def up(self) -> FakeProgram:
        """
        Bring it to C{running}.
        """
        self.process.start()
        self.source()
        self.program.execute()
        return self.program

    def discard(self) -> None:
        """
        Nothing is left on disk.
        """
        assert self.recipe.discarding is not None
        self.recipe.discarding.callback(None)


def staged(**changes: Any) -> Stage:
    """
    A stage for a request with these differences.
    """
    return Stage(evolve(REQUEST, **changes))
