"""
The table of verbs and states, through the REST interface, with the real agent
over programs and sources in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.documents import State
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.source.errors import SourceRefused
from smartmob.web.root import make_site
from tests.support.httpwire import Answer, Wire
from tests.support.launching import FakeLauncher, FakeProgram
from tests.support.recording_state import FakeRecords
from tests.support.releasing import FakeSources

if TYPE_CHECKING:
    pass

SLUG = "myapp.web.0"
CREATE = {
    "app": "myapp",
    "node": "web.0",
    "process_type": "web",
    "source_url": "http://127.0.0.1/a.tar.gz",
}


class VerbTableTests(SynchronousTestCase):
    """
    What each verb does in each state.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.launcher = FakeLauncher(self.clock)
        self.sources = FakeSources()
        self.agent = Agent(
            self.clock,
            self.launcher,
            Consoles(epoch="test", now=self.clock.seconds),
            self.sources.real,
            FakeRecords(),
            ports=Ports(lambda first, last: first, usable=lambda port: True),
            random=lambda: 0.5,
            wall=self.clock.seconds,
            monotonic=self.clock.seconds,
        )
        self.site = make_site(self.agent, self.clock)

    @property
    def program(self) -> FakeProgram:
        """The latest program."""
        return self.launcher.programs[-1]

    def post(self, path: str, body: dict[str, Any] | None = None) -> Wire:
        """A request that may not be answered yet."""
        wire = Wire(self.site)
        wire.request("POST", path, {} if body is None else body)
        return wire

    def status(self) -> Any:
        """The document."""
        return Wire(self.site).ask("GET", f"/process-status/{SLUG}").json()

    def reach(self, state: State) -> None:
        """A process in that state."""
        self.assertEqual(self.post("/create-process", CREATE).answer().status, 201)
        match state:
            case State.DOWNLOADING:
                pass
            case State.FAILED:
                self.sources.waiting[-1].errback(SourceRefused("not an archive"))
            case _:
                self.sources.waiting[-1].callback(self.sources.made())
        match state:
            case State.RUNNING | State.STOPPING | State.STOPPED:
                self.program.execute()
            case State.BACKOFF:
                for _ in range(2):
                    self.program.execute()
                    self.program.end(code=1)
        if state in (State.STOPPING, State.STOPPED):
            self.post(f"/stop-process/{SLUG}")
        if state is State.STOPPED:
            self.program.end(signal=15)
        self.assertEqual(self.status()["state"], state.value)

    def drive(self, wire: Wire) -> Answer:
        """The answer, once programs do what they are asked to."""
        for _ in range(5):
            if wire.transport.value():
                break
            if self.program.stopped and self.program.running:
                if self.program.pid is None:
                    self.program.fail("it was stopped", 126)
                else:
                    self.program.end(signal=15)
            elif self.program.running and self.program.pid is None:
                self.program.execute()
        return wire.answer()

    def table(self, verb: str, rows: dict[State, str], *, at_once: set[State]) -> None:
        """For each state before, the state after; and where the answer comes at once."""
        for before, after in rows.items():
            self.setUp()
            self.reach(before)
            wire = self.post(f"/{verb}-process/{SLUG}")
            self.assertEqual(bool(wire.transport.value()), before in at_once, before)
            answer = self.drive(wire)
            self.assertEqual(answer.status, 200, before)
            if verb == "delete":
                self.assertEqual(answer.json(), {})
                self.assertEqual(self.agent.processes(), [])
            else:
                self.assertEqual(answer.json()["state"], after, before)

    def test_start(self) -> None:
        """A start is answered when it is accepted."""
        self.table(
            "start",
            {
                State.DOWNLOADING: "downloading",
                State.STARTING: "starting",
                State.RUNNING: "running",
                State.BACKOFF: "starting",
                State.STOPPING: "stopping",
                State.STOPPED: "starting",
                State.FAILED: "downloading",
            },
            at_once=set(State),
        )

    def test_stop(self) -> None:
        """A stop is answered when nothing is left of the program."""
        self.table(
            "stop",
            dict.fromkeys(EVERY, "stopped"),
            at_once=set(EVERY) - {State.STARTING, State.RUNNING, State.STOPPING},
        )

    def test_restart(self) -> None:
        """A restart is answered when the new program was executed."""
        for before in (State.STARTING, State.RUNNING, State.STOPPING, State.STOPPED):
            self.setUp()
            self.reach(before)
            wire = self.post(f"/restart-process/{SLUG}")
            self.assertEqual(wire.received(), b"")
            answer = self.drive(wire)
            self.assertEqual((answer.status, answer.json()["state"]), (200, "running"))

    def test_delete(self) -> None:
        """A delete is answered when nothing is left at all."""
        self.table(
            "delete",
            dict.fromkeys(EVERY, ""),
            at_once=set(EVERY) - {State.STARTING, State.RUNNING, State.STOPPING},
        )

    def test_deleteTwice(self) -> None:
        """A second delete waits for the first, and a later one finds nothing."""
        self.reach(State.RUNNING)
        first, second = (self.post(f"/delete-process/{SLUG}") for _ in range(2))
        self.assertEqual(self.status()["state"], "stopping")
        self.assertEqual(self.post("/create-process", CREATE).answer().status, 409)
        self.program.end(signal=15)
        self.assertEqual((first.answer().status, second.answer().status), (200, 200))
        self.assertEqual(self.post(f"/delete-process/{SLUG}").answer().status, 404)
        self.assertEqual(self.post("/create-process", CREATE).answer().status, 201)

    def test_overtaken(self) -> None:
        """The last verb wins; those it overtook are answered with what came of it."""
        self.reach(State.RUNNING)
        restart = self.post(f"/restart-process/{SLUG}")
        stop = self.post(f"/stop-process/{SLUG}")
        self.program.end(signal=15)
        for wire in (restart, stop):
            answer = wire.answer()
            self.assertEqual((answer.status, answer.json()["state"]), (200, "stopped"))

    def test_signal(self) -> None:
        """A signal is sent to what runs, and refused where nothing does."""
        for state in EVERY:
            self.setUp()
            self.reach(state)
            answer = self.post(f"/signal-process/{SLUG}", {"signal": "HUP"}).answer()
            if state in (State.RUNNING, State.STOPPING):
                self.assertEqual((answer.status, self.program.signals), (200, [1]), state)
            else:
                self.assertEqual((answer.status, answer.json()["code"]), (409, "not-running"))

    def test_stdin(self) -> None:
        """Input is refused where nothing runs, or reads."""
        for state in EVERY:
            self.setUp()
            self.reach(state)
            answer = self.post(f"/write-stdin/{SLUG}", {"data": "x"}).answer()
            code = "no-input" if state is State.RUNNING else "not-running"
            self.assertEqual((answer.status, answer.json()["code"]), (409, code), state)

    def test_hangUp(self) -> None:
        """A client that hangs up changes nothing of the outcome."""
        for verb in ("stop", "restart", "delete"):
            self.setUp()
            self.reach(State.RUNNING)
            self.post(f"/{verb}-process/{SLUG}").hang_up()
            self.program.end(signal=15)
            if verb == "restart":
                self.program.execute()
                self.assertEqual(self.status()["state"], "running")
            elif verb == "stop":
                self.assertEqual(self.status()["state"], "stopped")
            else:
                self.assertEqual(self.agent.processes(), [])
        self.setUp()
        self.reach(State.RUNNING)
        self.post("/delete-app/myapp").hang_up()
        self.program.end(signal=15)
        self.assertEqual(self.agent.processes(), [])

    def test_readInEveryState(self) -> None:
        """Status, logs and stats are there in every state."""
        for state in EVERY:
            self.setUp()
            self.reach(state)
            wire = Wire(self.site)
            self.assertEqual(wire.ask("GET", f"/process-logs/{SLUG}").status, 200)
            self.assertEqual(self.status()["slug"], SLUG)
            if state is not State.RUNNING and state is not State.STOPPING:
                stats = wire.ask("GET", f"/process-stats/{SLUG}").json()
                self.assertEqual((stats["processes"], stats["started_at"]), (0, None))


EVERY = (
    State.DOWNLOADING,
    State.STARTING,
    State.RUNNING,
    State.BACKOFF,
    State.STOPPING,
    State.STOPPED,
    State.FAILED,
)
