"""
An agent whose processes do nothing but remember what they were asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from smartmob.documents import CreateRequest, LastExit, Limits, PastExit, State
from smartmob.events import Events
from smartmob.feed import Feed
from smartmob.lines.console import Console
from smartmob.lines.consoles import Consoles
from smartmob.refusals import Refusal, SlugInUse, Stopping, UnknownApp, UnknownProcess
from smartmob.scaling import Step
from smartmob.source.archives import Archives
from smartmob.source.upload import Sender, Upload
from smartmob.waiting import Waiters, all_of
from tests.support.launching import FakeLauncher

if TYPE_CHECKING:
    from smartmob.agent import Agent


@define(eq=False)
class FakeProcess:
    """
    A process that waits for the test.

    @ivar asked: The verbs that were called, in order.
    @ivar refuses: Raised by every verb.
    @ivar done: Fired by the test, when a verb is done.
    """

    definition: CreateRequest
    console: Console
    state: State = State.PENDING
    reason: str | None = None
    pid: int | None = None
    restarts: int = 0
    created_at: float = 1_700_000_000.25
    started_at: float | None = None
    last_exit: LastExit | None = None
    last_exits: tuple[PastExit, ...] = ()
    port: int | None = 20_000
    blocked: bool = False
    version: int = 0
    asked: list[object] = field(factory=list)
    refuses: Refusal | None = None
    done: Waiters = field(factory=Waiters)
    waits: bool = False

    @property
    def slug(self) -> str:
        """As the real one's."""
        return self.definition.slug

    @property
    def takes_input(self) -> bool:
        """As the real one's."""
        return self.definition.redirect_input

    def _ask(self, *what: object) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.asked.append(what[0] if len(what) == 1 else what)

    def _under_way(self) -> Deferred[None]:
        return self.done.wait() if self.waits else succeed(None)

    def start(self) -> Deferred[None]:
        """Remember it."""
        self._ask("start")
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Remember it."""
        self._ask("stop")
        return self._under_way()

    def restart(self) -> Deferred[None]:
        """Remember it."""
        self._ask("restart")
        return self._under_way()

    def delete(self) -> Deferred[None]:
        """Remember it."""
        self._ask("delete")
        return self._under_way()

    def signal(self, number: int) -> None:
        """Remember it."""
        self._ask("signal", number)

    def write(self, data: bytes, eof: bool = False) -> None:
        """Remember it."""
        self._ask("write", data, eof)

    def whenWritable(self) -> Deferred[None]:
        """At once."""
        return succeed(None)


@define(eq=False)
class FakeAgent:
    """
    A registry of fake processes.

    @ivar request_ids: What creates were called, in order.
    @ivar refuses: Raised by create.
    @ivar scaled: What it was scaled to, in order.
    @ivar archives: Keeps what is sent; without it the agent is about to end.
    @ivar uploads: What it was sent.
    @ivar limits: Those of processes that ask for none.
    @ivar launcher: Knows what programs use, if a test says so.
    """

    consoles: Consoles = field(factory=lambda: Consoles(epoch="an epoch"))
    events: Events = field(factory=Events)
    feed: Feed = field(init=False)
    request_ids: list[str] = field(factory=list)
    refuses: Exception | None = None
    by_slug: dict[str, FakeProcess] = field(factory=dict)
    scaled: list[Mapping[str, Step]] = field(factory=list)
    archives: Archives | None = None
    uploads: list[Upload] = field(factory=list)
    limits: Limits = field(factory=Limits)
    launcher: FakeLauncher = field(factory=lambda: FakeLauncher(Clock()))

    def __attrs_post_init__(self) -> None:
        self.feed = Feed(self.events, self.consoles.budget)

    @property
    def real(self) -> Agent:
        """
        This, as far as a type checker needs to know.
        """
        return cast("Agent", self)

    def add(self, app: str = "myapp", node: str = "web.0", **more: object) -> FakeProcess:
        """
        A process, as if it had been created.
        """
        request = CreateRequest(
            app=app,
            node=node,
            process_type="web",
            source_url="http://127.0.0.1/a.tar.gz",
            **more,  # type: ignore[arg-type] # tests pass what fits
        )
        return self._create(request, "")

    def processes(self) -> list[FakeProcess]:
        """As the real one's."""
        return list(self.by_slug.values())

    def process(self, slug: str) -> FakeProcess:
        """As the real one's."""
        if slug not in self.by_slug:
            raise UnknownProcess(f"there is no process {slug!r}")
        return self.by_slug[slug]

    def create(self, request: CreateRequest, request_id: str) -> Deferred[FakeProcess]:
        """As the real one's."""
        return maybeDeferred(self._create, request, request_id)

    def _create(self, request: CreateRequest, request_id: str) -> FakeProcess:
        if self.refuses is not None:
            raise self.refuses
        if request.slug in self.by_slug:
            raise SlugInUse("there is one")
        self.request_ids.append(request_id)
        console = self.consoles.open(request.slug, State.PENDING)
        process = self.by_slug[request.slug] = FakeProcess(request, console)
        return process

    def receive(self, length: int | None, sender: Sender) -> Upload:
        """As the real one's, with no archive in use."""
        if self.archives is None:
            raise Stopping("the agent is about to end")
        self.uploads.append(self.archives.receive(length, sender, lambda: ()))
        return self.uploads[-1]

    def processes_of(self, app: str) -> list[FakeProcess]:
        """As the real one's, but that no app is known by a section alone."""
        mine = [process for process in self.processes() if process.definition.app == app]
        if not mine:
            raise UnknownApp(f"there is no process of app {app!r}")
        return mine

    def delete_app(self, app: str) -> Deferred[None]:
        """As the real one's."""
        return all_of(process.delete() for process in self.processes_of(app))

    def scale(self, app: str, wanted: Mapping[str, Step], request_id: str) -> Deferred[None]:
        """As the real one's, but for whom it makes and ends: it only remembers."""

        def scale() -> None:
            self.processes_of(app)
            self.scaled.append(wanted)

        return maybeDeferred(scale)
