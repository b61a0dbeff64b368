"""
The description of the interface: that it is whole, and true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from attrs import fields
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from smartmob.documents import (
    CreateRequest,
    LastExit,
    Left,
    SignalRequest,
    SignInRequest,
    State,
    StdinRequest,
    TicketRequest,
    VerbRequest,
)
from smartmob.events import About, Event, Events, Topic
from smartmob.lines.app import AppWanted
from smartmob.lines.app_encodings import APP_FRAMES, APP_TEXTS
from smartmob.lines.console import Wanted
from smartmob.lines.encodings import JSON_FRAMES, NDJSON
from smartmob.permit import Scope
from smartmob.topics import Topics
from smartmob.web.measurements import Measurements
from smartmob.web.openapi import SECURITY, described_path
from smartmob.web.operations import OPERATIONS
from smartmob.web.parameters import REQUEST_ID
from smartmob.web.problems import CATALOGUE, FieldError, Problem
from smartmob.web.root import make_site
from smartmob.web.routing import Route
from smartmob.web.schemas import problem_name
from smartmob.web.site import Request, Site
from smartmob.web.stats import Usage
from smartmob.web.streams import STREAMS
from tests.support.agents import FakeAgent, FakeProcess
from tests.support.described import Described
from tests.support.families import families
from tests.support.httpwire import Wire
from tests.support.recording import Recorder
from tests.support.websockets import consoles

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

BY_THE_GATE = {
    *(b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"x-request-id"),
    *(b"authorization", b"cookie", b"access-control-request-method"),
    *(b"content-length", b"content-type", b"transfer-encoding", b"expect", b"connection"),
}
"""Headers that count for every request: securitySchemes, bodies and prose tell of them."""

IN_ONE_PLACE = {b"after", b"epoch", b"stdin", b"follow"}
"""
Parameters of some ways to get lines.  They are read in one place for all of these, and where
one means nothing it is ignored, or is refused since it can't be had.
"""


def walk(value: object) -> Iterator[dict[str, Any]]:
    """
    Every object in a document.
    """
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:  # type: ignore[attr-defined] # only called with containers
        if isinstance(each, dict | list):
            yield from walk(each)


class OpenApiTestCase(SynchronousTestCase):
    """
    Tests with a site, and what it says of itself.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.site = make_site(
            self.agent.real,
            self.clock,
            measurements=Measurements(lambda measure: succeed(Usage())),
            families=families(),
        )
        self.document = Wire(self.site).ask("GET", "/openapi.json").json()
        self.described = Described(self.document)

    def operations(self) -> Iterator[tuple[Route, str, dict[str, Any]]]:
        """
        Each route, method, and what is said of it.
        """
        for route in self.site.gate.routes:
            for method in route.methods:
                path = self.document["paths"][described_path(route.path)]
                yield route, method, path[method.lower()]


class WholeTests(OpenApiTestCase):
    """
    That nothing is missing.
    """

    def test_everyRoute(self) -> None:
        """
        Every method of every route is described, with a summary, and nothing else is.
        """
        routes = list(self.site.gate.routes)
        expected = {
            (described_path(route.path), method.lower())
            for route in routes
            for method in route.methods
        }
        described = {
            (path, method) for path, item in self.document["paths"].items() for method in item
        }
        self.assertEqual(described, expected)
        self.assertEqual({route.endpoint for route in routes}, set(OPERATIONS))
        for _, _, operation in self.operations():
            self.assertTrue(operation["summary"])

    def test_form(self) -> None:
        """
        It is of the form that OpenAPI 3.1 has.
        """
        import schemathesis  # takes more time than all else here

        schemathesis.openapi.from_dict(self.document).validate()

    def test_references(self) -> None:
        """
        What is referred to exists, and what exists is referred to, but for the pieces of
        streams and the answer to methods that there are not.
        """
        found = {
            tuple(each["$ref"].removeprefix("#/components/").split("/"))
            for each in walk(self.document)
            if "$ref" in each
        }
        components = self.document["components"]
        there = {(kind, name) for kind in components for name in components[kind]} - {
            ("securitySchemes", name) for name in SECURITY
        }
        self.assertEqual(found - there, set())
        unused = {name for _, name in there - found}
        # Prose tells of these.
        self.assertEqual(unused - set(STREAMS), {"method-not-allowed"})
        about = "".join(each.get("description", "") for each in walk(self.document["paths"]))
        for name in unused & set(STREAMS):
            self.assertIn(name, about)

    def test_everyError(self) -> None:
        """
        Every error of the catalogue is an answer to something, and stands at its status.
        """
        told = set()
        for _, _, operation in self.operations():
            for status, response in operation["responses"].items():
                name = response.get("$ref", "").rpartition("/")[2]
                for code in filter(None, name.split(".")):
                    self.assertEqual(CATALOGUE[code].status, int(status))
                    told.add(code)
        self.assertEqual(told | {"method-not-allowed"}, set(CATALOGUE))

    def test_everyError_shape(self) -> None:
        """
        Every error of the catalogue, as it is sent, is as its schema says.
        """
        for code in CATALOGUE:
            for errors in ((), (FieldError("app", "is missing"),)):
                sent = Problem(code, "a sentence", errors).encode()
                self.described.valid(problem_name(code), json.loads(sent))

    def test_examples(self) -> None:
        """
        Every example is an example of what it stands at.
        """
        number = 0
        for schema in walk(self.document):
            examples = schema.get("examples")
            if isinstance(examples, list):
                for example in examples:
                    self.described.valid_as(schema, example)
                    number += 1
        self.assertGreater(number, 5)

    def test_security(self) -> None:
        """
        Each operation says the scope that its route asks for, with each way to show who one
        is, tickets only where something is got; and what asks for nothing says so.
        """
        nothing = set()
        for route, method, operation in self.operations():
            scope = route.scope(method)
            if scope is Scope.NONE:
                nothing.add(route.path)
                self.assertEqual(operation["security"], [])
                continue
            ways = ["bearer", "cookie", *(["ticket"] if method == "GET" else [])]
            self.assertEqual(operation["security"], [{way: [scope.word]} for way in ways])
            self.assertIn("401", operation["responses"])
        self.assertEqual(nothing, {"/ping", "/sign-in"})

    def test_cookie(self) -> None:
        """
        The name of the cookie is that of the agent as it was called.
        """
        for host, name in (("127.0.0.1:8080", "smartmob-8080"), ("localhost", "smartmob")):
            document = Wire(self.site).ask("GET", "/openapi.json", host=host).json()
            self.assertEqual(document["components"]["securitySchemes"]["cookie"]["name"], name)


class DocumentTests(OpenApiTestCase):
    """
    That documents are as their schemas say.
    """

    def test_requests(self) -> None:
        """
        The schema of each request has the members that the request has, and no others.
        """
        for kind in (
            *(CreateRequest, SignalRequest, StdinRequest, VerbRequest),
            *(SignInRequest, TicketRequest),
        ):
            schema = self.document["components"]["schemas"][kind.__name__]
            names = {each.name for each in fields(kind)}
            self.assertEqual(set(schema["properties"]), names, kind)
            self.assertFalse(schema["additionalProperties"])
        schema = self.document["components"]["schemas"]["CreateRequest"]
        self.assertEqual(schema["required"], ["app", "node", "process_type", "source_url"])

    def test_process(self) -> None:
        """
        A process is as its schema says, which has the members that it has, in their order.
        """
        process = self.agent.add()
        schema = self.document["components"]["schemas"]["WholeProcess"]
        for change in (self._nothing, self._running, self._failed):
            change(process)
            process.version += 1
            shown = Wire(self.site).ask("GET", "/process-status/myapp.web.0").json()
            self.described.valid("WholeProcess", shown)
            self.assertEqual(list(shown), list(schema["properties"]))
            self.assertEqual(list(shown), schema["required"])
            del shown["last_exits"]
            self.described.valid("Process", shown)

    def _nothing(self, process: FakeProcess) -> None:
        pass

    def _running(self, process: FakeProcess) -> None:
        process.state, process.pid, process.started_at = State.RUNNING, 4711, 1_700_000_001.0

    def _failed(self, process: FakeProcess) -> None:
        process.state, process.pid, process.reason = State.FAILED, None, "something is left"
        process.last_exit = LastExit(
            code=None,
            signal="KILL",
            at=1_700_000_002.0,
            ran_seconds=1.0,
            killed=("sh",),
            left=(Left(4712, "su"),),
        )

    def test_events(self) -> None:
        """
        Every event is as its schema says.
        """
        seen: list[Event] = []
        events = Events()
        events.subscribe(Topics(), seen.append)
        request = self.agent.add().definition
        for topic in Topic:
            events.publish(request, topic)
        everything = About(
            pid=1, exit_status=0, term_signal=9, killed=("sh",), reason="a sentence"
        )
        events.publish(request, Topic.EXIT, everything)
        for event in seen:
            self.described.valid("Event", event.document())
            self.described.valid("EventFrame", event.document())
        self.described.valid("EventFrame", {"event": "dropped", "missed": 3})

    def test_console(self) -> None:
        """
        Every frame of a console, of a process and of an app, is as its schema says, and so
        is every line.
        """
        every = consoles()
        console = every.open("shop.web.0", State.PENDING)
        reader, of_app = Recorder(), Recorder()
        reader.subscription = console.attach(reader, Wanted(), JSON_FRAMES)
        app = every.app("shop")
        of_app.subscription = app.attach(of_app, AppWanted(), APP_FRAMES["json"])
        reader.take()
        of_app.take()
        console.started(1)
        console.received("stdout", b"a line\n" + b"x" * (1 << 21) + b"\n", 1)
        console.say("what the agent says")
        kept = console.kept(Wanted(tail=10), NDJSON) + app.kept(
            AppWanted(tail=10), APP_TEXTS["json"]
        )
        console.exited(
            LastExit(code=None, signal="KILL", at=1_700_000_002.0, ran_seconds=1.0), 1
        )
        console.state(State.STOPPED, None)
        console.deleted()
        told = set()
        for frame in (*reader.documents(), *of_app.documents()):
            self.described.valid("ConsoleFrame", frame)
            told.add(frame.get("event", "line"))
        self.assertEqual(told, {"line", "attached", "started", "exited", "state", "deleted"})
        for name in ("dropped", "stdin-refused"):
            self.described.valid("ConsoleFrame", {"event": name, "missed": 1})
        for line in kept.splitlines():
            self.described.valid("LogLine", json.loads(line))


class Asked(dict[bytes, list[bytes]]):
    """
    A query that remembers what was asked of it.
    """

    def __init__(self, given: dict[bytes, list[bytes]], names: set[bytes]) -> None:
        super().__init__(given)
        self.names = names

    def get(self, name: bytes, default: Any = None) -> Any:
        """Somebody wants to know."""
        self.names.add(name)
        return super().get(name, default)


class Headed(Headers):
    """
    Headers that remember what was asked of them.
    """

    def __init__(self, given: Headers, names: set[bytes]) -> None:
        super().__init__(dict(given.getAllRawHeaders()))
        self.names = names

    def getRawHeaders(self, name: Any, default: Any = None) -> Any:
        """Somebody wants to know."""
        self.names.add((name if isinstance(name, bytes) else name.encode()).lower())
        return super().getRawHeaders(name, default)


class ParameterTests(OpenApiTestCase):
    """
    That what a request says is described, where it counts.
    """

    def asked(self, method: str, path: str, *headers: str) -> tuple[set[bytes], set[bytes]]:
        """
        The names of the parameters and of the headers that a route asks for.
        """
        parameters: set[bytes] = set()
        wanted: set[bytes] = set()

        class Spy(Request):
            """Sees what is asked for."""

            def process(self) -> None:
                """From here on it is the route that asks."""
                self.args = Asked(self.args, parameters)
                self.requestHeaders = Headed(self.requestHeaders, wanted)
                super().process()

        self.site.requestFactory = Spy
        self.addCleanup(setattr, self.site, "requestFactory", Site.requestFactory)
        wire = Wire(self.site)
        wire.request(method, path + "?x=y", None, *headers)
        if not wire.closed:
            wire.hang_up()
        return parameters, wanted

    def test_everyOne(self) -> None:
        """
        Each parameter and each header that a route asks for is described, and no other.
        """
        self.agent.add()
        for route, method, operation in self.operations():
            path = re.sub("<app>", "myapp", re.sub("<slug>", "myapp.web.0", route.path))
            if "/_plugin/" in path or route.endpoint == "put_archive":
                continue  # there is none, and there is more to it
            parameters: set[bytes] = set()
            headers: set[bytes] = set()
            for sent in ((), ("Accept: text/event-stream",), UPGRADE):
                more, others = self.asked(method, path, *sent)
                parameters, headers = parameters | more, headers | others
            described = {
                (each["in"], each["name"].lower().encode())
                for each in map(self.described.resolved, operation["parameters"])
                if each["in"] != "path" and each["name"] != REQUEST_ID.name
            }
            said = {name for where, name in described if where == "query"}
            elsewhere = IN_ONE_PLACE if "tail" in str(said) else set()
            self.assertEqual(parameters - elsewhere, said - elsewhere, route.path)
            self.assertLessEqual(said, parameters, route.path)
            said = {name for where, name in described if where == "header"}
            # What Accept says is said by the types of the answer.
            others = BY_THE_GATE | {b"accept"}
            self.assertEqual(headers - others, said - others, route.path)
