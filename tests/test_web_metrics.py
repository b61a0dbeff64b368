"""
GET /metrics, and what is counted of requests.
"""

from __future__ import annotations

import subprocess
import sys

from prometheus_client.core import Metric as Family

from smartmob.config.configuration import Api, Endpoint
from smartmob.documents import State
from smartmob.metrics.catalogue import METRICS
from smartmob.permit import Scope
from smartmob.tokens import parse
from smartmob.web.answered import NOWHERE
from smartmob.web.connections import Census
from smartmob.web.interfaces import interfaces
from smartmob.web.site import Site
from smartmob.web.trust import Trust
from tests.support.families import NoPlugins, nothing_new
from tests.support.flaws import ADMIN, READER, SHOP, TOKENS, bearer
from tests.support.gafferd import DUMMY, ECHO, FeedClient, GafferdTestCase, grouped
from tests.support.httpwire import Answer, Wire
from tests.support.websockets import get
from tests.test_metrics import families, values


class MetricsCase(GafferdTestCase):
    """
    All that an agent serves, whose programs exist in memory only.
    """

    def setUp(self) -> None:
        super().setUp()
        self.serving = interfaces(self.declarations, self.clock, NoPlugins(), list, nothing_new)
        self.rest = self.on(Api.SMARTMOB)

    def on(self, api: Api) -> Site:
        """
        The site of an interface.
        """
        return self.serving.on(Endpoint(name="a", bind=("127.0.0.1:0",), api=api))

    def metrics(self, *headers: str) -> dict[str, Family]:
        """
        What is told.
        """
        answer = self.ask("GET", "/metrics", None, *headers, site=self.rest)
        self.assertEqual(answer.status, 200, answer.body)
        return families(answer.body)

    def number(self, name: str, **labels: str) -> float:
        """
        One of them.
        """
        [found] = [each for each in self.metrics()[name].samples if each.labels == labels]
        return found.value

    def answered(self) -> dict[tuple[str, str, int], int]:
        """
        What was counted, as it is in memory.
        """
        return {key: count for site in self.serving.answered() for key, count in site}


class AnsweredTests(MetricsCase):
    """
    The counts of requests.
    """

    def ask_rest(self, method: str, path: str, body: object = None, *headers: str) -> Answer:
        """
        Ask the REST interface.
        """
        return self.ask(method, path, body, *headers, site=self.rest)

    def test_routes(self) -> None:
        """A request is counted under the path of its route, whatever it names."""
        self.load(DUMMY)
        for path in ("/process-status/default.dummy.0", "/process-status/none"):
            self.ask_rest("GET", path)
        self.ask_rest("HEAD", "/ping")
        self.ask_rest("OPTIONS", "/ping")
        self.ask_rest("POST", "/stop-process/default.dummy.0", {})
        self.assertEqual(
            self.answered(),
            {
                ("/process-status/<slug>", "GET", 200): 1,
                ("/process-status/<slug>", "GET", 404): 1,
                ("/ping", "HEAD", 200): 1,
                (NOWHERE, "OPTIONS", 204): 1,
                ("/stop-process/<slug>", "POST", 200): 1,
            },
        )

    def test_bounded(self) -> None:
        """What clients make up does not make one number more."""
        for number in range(20):
            self.ask_rest("GET", f"/nowhere/{number}")
            self.ask_rest(f"BREW{number}", "/ping")
            self.ask_rest("GET", f"/process-status/none.{number}?tail={number}")
        self.ask_rest("OPTIONS", "*")
        self.assertEqual(
            self.answered(),
            {
                (NOWHERE, "GET", 404): 20,
                (NOWHERE, "other", 405): 20,
                ("/process-status/<slug>", "GET", 404): 20,
                (NOWHERE, "OPTIONS", 204): 1,
            },
        )

    def test_refused(self) -> None:
        """What the gate refuses is counted: by its route where that was looked at."""
        self.serving.settle(Trust(tokens=parse(TOKENS)))
        self.ask_rest("GET", "/list-processes")
        self.ask_rest("GET", "/plugins", None, bearer(READER))
        self.ask_rest("GET", "/list-processes", None, "Sec-Fetch-Site: cross-site")
        self.ask_rest("POST", "/create-process", "{", bearer(ADMIN), "Content-Type: a/b")
        wire = Wire(self.rest)
        wire.send(b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
        self.assertEqual(wire.answer().status, 403)
        self.assertEqual(
            self.answered(),
            {
                ("/list-processes", "GET", 401): 1,
                ("/plugins", "GET", 403): 1,
                ("/create-process", "POST", 415): 1,
                (NOWHERE, "GET", 403): 2,
            },
        )

    def test_noHttp(self) -> None:
        """What is no HTTP is counted, too."""
        for data in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nx\r\n\r\n"):
            wire = Wire(self.rest)
            wire.send(data)
            self.assertEqual(wire.answer().status, 400)
        self.assertEqual(sum(self.answered().values()), 2)
        self.assertEqual({key[::2] for key in self.answered()}, {(NOWHERE, 400)})

    def test_webSocket(self) -> None:
        """A WebSocket is counted when it is opened."""
        self.load(DUMMY)
        client = FeedClient(self.clock, self.rest)
        client.ask(
            get(
                b"/attach-console/default.dummy.0",
                {
                    b"Host": b"127.0.0.1:8080",
                    b"Upgrade": b"websocket",
                    b"Connection": b"Upgrade",
                    b"Sec-WebSocket-Version": b"13",
                    b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
                },
            )
        )
        self.assertEqual(self.answered(), {("/attach-console/<slug>", "GET", 101): 1})
        self.assertEqual(self.number("smartmob_console_clients"), 1)

    def test_hungUp(self) -> None:
        """An answer that went on until its client had enough is counted, once."""
        self.load(DUMMY)
        wire = Wire(self.rest)
        wire.request("GET", "/process-logs/default.dummy.0?follow=1")
        self.clock.advance(0)
        self.assertEqual(self.answered(), {})
        wire.hang_up()
        self.assertEqual(self.answered(), {("/process-logs/<slug>", "GET", 200): 1})

    def test_neverAnswered(self) -> None:
        """Whoever has gone before there was an answer has none."""
        self.load(DUMMY)
        self.programs[0].obedient = False
        wire = Wire(self.rest)
        wire.request("POST", "/stop-process/default.dummy.0", {})
        wire.hang_up()
        self.up()
        self.assertEqual(self.answered(), {})

    def test_everySite(self) -> None:
        """Those of all interfaces are counted together."""
        for api in Api:
            self.ask("GET", "/ping", site=self.on(api))
        found = self.metrics()["smartmob_http_requests_total"].samples
        [ping] = [each for each in found if each.labels["route"] == "/ping"]
        self.assertEqual((ping.value, ping.labels["status"]), (3, "200"))


class NumbersTests(MetricsCase):
    """
    What is told.
    """

    def test_form(self) -> None:
        """The type says which version of the text format it is; nobody has to sign in."""
        answer = self.ask("GET", "/metrics", site=self.rest)
        kind = answer.header("content-type")
        self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8")
        head = self.ask("HEAD", "/metrics", site=self.rest)
        self.assertEqual((head.status, head.header("content-type")), (200, kind))
        self.assertEqual(self.rest.gate.routes.match(b"GET", b"/metrics").scope, Scope.READ)

    def test_states(self) -> None:
        """Each state is there, those that no process is in too."""
        expected = dict.fromkeys(State, 0.0)
        self.assertEqual(values(self.metrics()["smartmob_processes"], "state"), expected)
        self.load(DUMMY, ECHO)
        self.agent.process("default.echo.0").stop()
        self.up()
        expected = {**expected, State.RUNNING: 1, State.STOPPED: 1}
        self.assertEqual(values(self.metrics()["smartmob_processes"], "state"), expected)

    def test_life(self) -> None:
        """Ends and restarts are counted, and go on when their processes are deleted."""
        self.load(DUMMY)
        self.programs[0].end(3)
        self.up()
        self.assertEqual(self.number("smartmob_restarts_total"), 1)
        self.agent.process("default.dummy.0").delete()
        self.up()
        self.assertEqual(self.agent.processes(), [])
        self.assertEqual(self.number("smartmob_restarts_total"), 1)
        how = values(self.metrics()["smartmob_exits_total"], "how")
        self.assertEqual((how["failure"], how["signal"], how["not-executed"]), (1, 1, 0))

    def test_lines(self) -> None:
        """Lines and their bytes are counted by stream."""
        self.load(DUMMY)
        self.programs[0].output(b"one\ntwo\n")
        self.programs[0].output(b"no\n", 2)
        self.assertEqual(self.number("smartmob_lines_total", stream="stdout"), 2)
        self.assertEqual(self.number("smartmob_line_bytes_total", stream="stdout"), 6)
        self.assertEqual(self.number("smartmob_lines_total", stream="stderr"), 1)
        self.assertEqual(self.number("smartmob_lines_total", stream="other"), 0)
        self.assertGreater(self.number("smartmob_kept_lines_bytes"), 9)

    def test_delay(self) -> None:
        """There is at least one measurement of how late the agent is."""
        found = self.metrics()["smartmob_event_loop_delay_seconds"].samples
        counts = {each.name: each.value for each in found}
        self.assertEqual(counts["smartmob_event_loop_delay_seconds_count"], 1)

    def test_limited(self) -> None:
        """To who may see some apps only, nothing is told of others."""
        self.serving.settle(Trust(tokens=parse(TOKENS)))
        self.load(grouped(DUMMY, "shop"), grouped(ECHO, "shop"), grouped(DUMMY, "bank"))
        found = self.metrics(bearer(SHOP))
        self.assertEqual(set(found), {"smartmob_processes", "smartmob_build_info"})
        self.assertEqual(values(found["smartmob_processes"], "state")["running"], 2)
        everything = self.metrics(bearer(READER))
        self.assertEqual(values(everything["smartmob_processes"], "state")["running"], 3)
        self.assertEqual(self.ask("GET", "/metrics", site=self.rest).status, 401)

    def test_notImported(self) -> None:
        """What it takes is not imported before somebody asks."""
        script = (
            "import sys, smartmob.standalone, smartmob.tap, smartmob.web.interfaces;"
            "print({'prometheus_client', 'smartmob.metrics'} & sys.modules.keys())"
        )
        said = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        self.assertEqual(said.stdout, "set()\n")

    def test_closed(self) -> None:
        """At the agent's end nothing is left to be done, whether somebody had asked or not."""
        self.serving.close()
        self.metrics()
        self.serving.close()
        self.assertEqual(
            [call for call in self.clock.getDelayedCalls() if "LoopDelay" in str(call)], []
        )

    def test_all(self) -> None:
        """Every metric says what it is, those that have no numbers yet too."""
        there = {name for name in self.metrics() if name.startswith("smartmob_")}
        self.assertEqual(there, {metric.name for metric in METRICS})


class CensusTests(MetricsCase):
    """
    What is counted of connections.
    """

    def test_refused(self) -> None:
        """Those that are one too many are counted, though they are said once."""
        census = Census(most=2, most_of_a_peer=2)
        guarded = census.guard(self.rest)
        wires = [Wire(guarded) for _ in range(5)]
        self.assertEqual((len(census), census.refused), (2, 3))
        wires[0].hang_up()
        self.assertEqual((len(census), census.refused), (1, 3))
