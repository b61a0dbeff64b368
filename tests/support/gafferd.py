"""
gafferd's interface to a real agent, whose programs exist in memory only.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.config.identity import Accounts
from smartmob.declarations import Declarations
from smartmob.lines.bounds import Bounds
from smartmob.lines.consoles import Consoles
from smartmob.ports import Ports
from smartmob.templates import Configured, Template
from smartmob.web.gaffer.gafferd import Gafferd
from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.site import Site
from smartmob.web.sockets import sockets_of
from tests.support.httpwire import Answer, Wire
from tests.support.launching import FakeLauncher, FakeProgram
from tests.support.recording_state import FakeRecords
from tests.support.releasing import FakeSources
from tests.support.websockets import Client, MemoryConnection, get
from tests.test_web_logs import unchunked

DUMMY = Template(
    model=Configured(
        app="default",
        node="dummy.0",
        process_type="dummy",
        cmd="./dummy.py",
        cwd="/srv",
        env={"SECRET": "hush"},
    )
)
ECHO = Template(
    model=Configured(
        app="default",
        node="echo.0",
        process_type="echo",
        cmd="./echo.py",
        cwd="/srv",
        redirect_input=True,
    )
)


def grouped(template: Template, app: str) -> Template:
    """
    The same in a group.
    """
    return evolve(template, model=evolve(template.model, app=app))


class FeedClient(Client):
    """
    A client of a feed.

    @ivar head: Of the answer.
    """

    head: bytes

    def __init__(self, reactor: MemoryReactorClock, site: Site) -> None:
        protocol = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        assert protocol is not None
        self.connection = MemoryConnection(reactor, protocol)

    def body(self) -> bytes:
        """
        What came so far.
        """
        self.connection.flush()
        return unchunked(bytes(self.connection.taken))[0]

    def is_over(self) -> bool:
        """
        Whether the answer has ended.
        """
        self.connection.flush()
        return unchunked(bytes(self.connection.taken))[1]

    def chunks(self) -> list[bytes]:
        """
        The chunks that came so far.
        """
        self.connection.flush()
        found = []
        data = bytes(self.connection.taken)
        while data:
            size, _, data = data.partition(b"\r\n")
            length = int(size, 16)
            found.append(data[:length])
            data = data[length + 2 :]
        return [chunk for chunk in found if chunk]


class GafferdTestCase(SynchronousTestCase):
    """
    An agent with gafferd's interface.

    @cvar bounds: Those of its readers.
    """

    bounds: Bounds | None = None

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.launcher = FakeLauncher(self.clock, obedient=True)
        self.agent = Agent(
            self.clock,
            self.launcher,
            Consoles(epoch="test", now=self.clock.seconds, bounds=self.bounds),
            FakeSources(at_once=True).real,
            FakeRecords(),
            ports=Ports(lambda low, high: low, 100, 200, lambda port: True),
            inherited={"PATH": "/bin"},
            random=lambda: 0.5,
            wall=self.clock.seconds,
            monotonic=self.clock.seconds,
        )
        self.declarations = Declarations(self.agent)
        measurements = Measurements(self.measure)
        sockets = sockets_of(self.clock)
        self.gafferd = Gafferd(
            self.declarations,
            self.clock,
            measurements,
            sockets,
            folder="/srv/here",
            accounts=Accounts(capabilities=lambda: 0, uid=lambda: 1000, gid=lambda: 1000),
        )
        rest = make_site(self.agent, self.clock, measurements=measurements, sockets=sockets)
        self.site = self.gafferd.site(rest)
        self.both = self.gafferd.both(rest)

    def measure(self, work: Any) -> Deferred[Any]:
        """
        Measure here and now.
        """
        return succeed(work())

    def load(self, *templates: Template) -> None:
        """
        Read the file, and have all programs up.
        """
        self.declarations.carry_out(self.declarations.plan(templates))
        self.up()

    def up(self) -> None:
        """
        Have all programs executed that are to be, and ended that are asked to.
        """
        for _ in range(4):
            self.clock.advance(0)
            for program in self.programs:
                if program.pid is None:
                    program.execute()

    @property
    def programs(self) -> list[FakeProgram]:
        """
        Those that run, or are about to.
        """
        return [program for program in self.launcher.programs if program.running]

    def ask(
        self, method: str, path: str, body: Any = None, *headers: str, site: Site | None = None
    ) -> Answer:
        """
        A request and its answer; programs do what they are asked to meanwhile.
        """
        wire = Wire(site or self.site)
        if isinstance(body, dict | list):
            body = json.dumps(body)
        wire.request(method, path, body, *headers)
        self.up()
        return wire.answer(head=method == "HEAD")

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """
        The document of a success.
        """
        answer = self.ask(method, path, body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """
        Status and reason of an error, which has the right form.
        """
        answer = self.ask(method, path, body)
        document = answer.json()
        self.assertGreaterEqual(answer.status, 400, (path, body, document))
        self.assertEqual(answer.header("content-type"), "application/json")
        self.assertEqual(document["errno"], answer.status)
        return answer.status, document["error"]

    def follow(self, path: str) -> FeedClient:
        """
        A client of a feed.
        """
        client = FeedClient(self.clock, self.site)
        client.head = client.ask(get(path.encode()))
        self.assertTrue(client.head.startswith(b"HTTP/1.1 200 "), client.head)
        return client
