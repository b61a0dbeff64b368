"""
What is refused before its body, and how long a client may take.
"""

from __future__ import annotations

import json
import socket
from typing import Any, cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor, MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.bodies import BODY_BYTES
from smartmob.web.channel import (
    FLOOD_SECONDS,
    IDLE_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    REQUEST_SECONDS,
)
from smartmob.web.connections import STORM, Census, Connections
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.httpwire import HERE, THERE, Answer, HalfTransport, Transport, Wire
from tests.support.websockets import MemoryConnection

CREATE = {
    "app": "myapp",
    "node": "web.0",
    "process_type": "web",
    "source_url": "http://127.0.0.1/a.tar.gz",
}
HOST = "Host: 127.0.0.1:8080"


class GateCase(SynchronousTestCase):
    """
    An agent in memory.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.site = make_site(self.agent.real, self.clock, hosts=["Box.Example"])

    def wire(self, **more: Any) -> Wire:
        """A new connection."""
        return Wire(self.site, **more)

    def half(self) -> tuple[Wire, HalfTransport]:
        """A new connection that can be closed by halves."""
        transport = HalfTransport(hostAddress=HERE)
        return self.wire(transport=transport), transport

    def assertRefused(self, wire: Wire, status: int, code: str) -> Answer:
        """It was answered with a problem, and the connection closed."""
        answer = wire.answer()
        document = answer.json()
        self.assertEqual((answer.status, document["code"]), (status, code), document)
        self.assertEqual(answer.header("content-type"), "application/problem+json")
        self.assertEqual(answer.header("connection"), "close")
        self.assertTrue(answer.header("x-request-id"))
        self.assertTrue(wire.closed)
        self.assertEqual(self.agent.by_slug, {})
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return answer


class HostTests(GateCase):
    """
    The Host of a request.
    """

    def test_allowed(self) -> None:
        """IP addresses, localhost, names bound to, and the machine's own are answered."""
        for host in (
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "[::1]:8080",
            "[::1]",
            "localhost",
            "LocalHost:1",
            "box.example:8080",
            "BOX.EXAMPLE",
            socket.gethostname(),
        ):
            answer = self.wire().ask("GET", "/", host=host)
            self.assertEqual(answer.status, 200, host)
            self.assertEqual(answer.json()["list"], f"http://{host}/list-processes")

    def test_foreign(self) -> None:
        """Other names are refused, on every path, for every method."""
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "1.2.3"):
            for method, path in (("GET", "/"), ("POST", "/create-process"), ("BREW", "/x")):
                wire = self.wire()
                wire.request(method, path, CREATE, host=host)
                self.assertRefused(wire, 403, "forbidden-host")

    def test_notOne(self) -> None:
        """A request has exactly one Host."""
        wire = self.wire()
        wire.request("GET", "/", host=None)
        self.assertRefused(wire, 400, "bad-request")
        for second in (HOST, "Host: evil.example"):
            wire = self.wire()
            wire.request("GET", "/", None, second)
            self.assertRefused(wire, 400, "bad-request")
        wire = self.wire()
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        self.assertRefused(wire, 400, "bad-request")

    def test_malformed(self) -> None:
        """A Host that is no name is refused, and never shown in a URL."""
        for host in ("a b", "127.0.0.1:80x", "[::1", "h/..", 'h"', "user@127.0.0.1"):
            wire = self.wire()
            wire.request("GET", "/", host=host)
            self.assertRefused(wire, 400, "bad-request")

    def test_unix(self) -> None:
        """On a unix socket any name will do."""
        for host in ("anything.example", "", "%2Frun%2Fsmartmob.sock", "a..b", "x" * 200):
            wire = self.wire(host=UNIXAddress("/run/smartmob"), peer=UNIXAddress(None))
            answer = wire.ask("GET", "/", host=host)
            self.assertEqual(answer.status, 200)
            self.assertEqual(
                answer.json()["list"], f"http://{host or 'localhost'}/list-processes"
            )


class TargetTests(GateCase):
    """
    Requests that name a whole URL.
    """

    def test_absolute(self) -> None:
        """A target in absolute form is its path and query."""
        for target, status in (
            ("http://127.0.0.1:8080/ping", 200),
            ("HTTP://127.0.0.1:8080", 200),
            ("http://127.0.0.1:8080/list-processes?state=running&app=*", 200),
            ("http://127.0.0.1:8080?x=1", 200),
            ("http://127.0.0.1:8080/nowhere", 404),
            ("ftp://127.0.0.1:8080/ping", 404),
        ):
            answer = self.wire().ask("GET", target, host="127.0.0.1:8080")
            self.assertEqual(answer.status, status, target)

    def test_body(self) -> None:
        """It is the same for a request with a body."""
        answer = self.wire().ask(
            "POST", "http://127.0.0.1:8080/create-process", CREATE, host="127.0.0.1:8080"
        )
        self.assertEqual(answer.status, 201)
        details = answer.json()["details"]
        self.assertEqual(
            details, f"http://127.0.0.1:8080/process-status/{answer.json()['slug']}"
        )

    def test_otherHost(self) -> None:
        """A target whose host is not the Host is refused."""
        wire = self.wire()
        wire.request("GET", "http://localhost/ping", None, host="127.0.0.1:8080")
        self.assertRefused(wire, 400, "bad-request")


class OriginTests(GateCase):
    """
    Requests that pages make.
    """

    def test_foreign(self) -> None:
        """An Origin has to be exactly the request's own."""
        for origin in (
            "null",
            "https://127.0.0.1:8080",
            "http://127.0.0.1",
            "http://127.0.0.1:8081",
            "http://evil.example",
            "",
        ):
            wire = self.wire()
            wire.request("POST", "/create-process", CREATE, f"Origin: {origin}")
            self.assertRefused(wire, 403, "forbidden-origin")

    def test_twice(self) -> None:
        """Not even one of several Origins may be foreign."""
        wire = self.wire()
        origins = ("Origin: http://127.0.0.1:8080", "Origin: http://evil.example")
        wire.request("GET", "/", None, *origins)
        self.assertRefused(wire, 403, "forbidden-origin")

    def test_own(self) -> None:
        """The agent's own pages are served, without any CORS header."""
        answer = self.wire().ask(
            "POST",
            "/create-process",
            CREATE,
            "Origin: http://127.0.0.1:8080",
            "Sec-Fetch-Site: same-origin",
        )
        self.assertEqual(answer.status, 201)
        self.assertFalse([name for name in answer.headers if name.startswith("access-")])

    def test_sites(self) -> None:
        """Sec-Fetch-Site is same-origin or none."""
        for site in ("cross-site", "same-site", "", "NONE"):
            wire = self.wire()
            wire.request("GET", "/", None, f"Sec-Fetch-Site: {site}")
            self.assertRefused(wire, 403, "forbidden-origin")
        answer = self.wire().ask("GET", "/", None, "Sec-Fetch-Site: none")
        self.assertEqual(answer.status, 200)

    def test_preflight(self) -> None:
        """The question of a browser for a foreign page is refused."""
        wire = self.wire()
        wire.request("OPTIONS", "/create-process", None, "Origin: http://evil.example")
        self.assertRefused(wire, 403, "forbidden-origin")


class OrderTests(GateCase):
    """
    Which refusal comes first.
    """

    def test_unknownBeforeType(self) -> None:
        """A process that does not exist is told before anything of the body."""
        for slug in ("x.y", "%00", "%2e%2e", "a%0ab"):
            wire = self.wire()
            wire.request("POST", f"/stop-process/{slug}", "<html>", "Content-Type: text/html")
            self.assertRefused(wire, 404, "unknown-process")


class MethodTests(GateCase):
    """
    Paths and methods.
    """

    def test_options(self) -> None:
        """OPTIONS names the methods, without a body."""
        for path, allow in (
            ("/", "GET, HEAD, OPTIONS"),
            ("/create-process", "OPTIONS, POST"),
            ("/stop-process/x.y", "OPTIONS, POST"),
            ("*", "GET, HEAD, OPTIONS, POST, PUT"),
        ):
            answer = self.wire().ask("OPTIONS", path)
            self.assertEqual((answer.status, answer.header("allow")), (204, allow), path)
            self.assertTrue(answer.header("x-request-id"))

    def test_head(self) -> None:
        """HEAD has GET's headers and no body."""
        self.agent.add()
        for path in ("/", "/ping", "/list-processes", "/process-status/myapp.web.0"):
            wire = self.wire()
            with_body = wire.ask("GET", path, None, "X-Request-Id: a")
            without = wire.ask("HEAD", path, None, "X-Request-Id: a")
            self.assertEqual(without.status, 200)
            for answer in (with_body, without):
                del answer.headers["date"]
            self.assertEqual(without.headers, with_body.headers)
        answer = self.wire().ask("HEAD", "/nowhere")
        self.assertEqual(answer.status, 404)

    def test_paths(self) -> None:
        """Nothing is redirected: a path exists as it is written, or not."""
        for path in (
            "/list-processes/",
            "//list-processes",
            "/list-processes//",
            "/create-process/x",
            "/process-status/",
            "/process-status",
            "/nowhere",
            "/%ff",
            "/..",
            "list-processes",
            "*",
        ):
            wire = self.wire()
            wire.request("GET", path)
            self.assertRefused(wire, 404, "not-found")

    def test_encodedPath(self) -> None:
        """A slug may be percent-encoded."""
        self.agent.add()
        answer = self.wire().ask("GET", "/process-status/myapp%2eweb.0")
        self.assertEqual(answer.status, 200)


class TypeTests(GateCase):
    """
    The type of a body.
    """

    def create(self, *headers: str) -> int:
        """The status that creating a process is answered with."""
        wire = self.wire()
        answer = wire.ask("POST", "/create-process", json.dumps(CREATE), *headers)
        self.agent.by_slug.clear()
        if answer.status == 415:
            self.assertEqual(answer.json()["code"], "unsupported-media-type")
            self.assertTrue(wire.closed)
        return answer.status

    def test_json(self) -> None:
        """JSON is taken from everybody."""
        for value in ("application/json", "Application/JSON; charset=UTF-8"):
            self.assertEqual(self.create(f"Content-Type: {value}"), 201)
            own = "Origin: http://127.0.0.1:8080"
            self.assertEqual(self.create(f"Content-Type: {value}", own), 201)

    def test_lenient(self) -> None:
        """What is no browser may say text, bytes, or nothing."""
        self.assertEqual(self.create(), 201)
        for value in ("text/plain", "text/plain; charset=utf-8", "application/octet-stream"):
            self.assertEqual(self.create(f"Content-Type: {value}"), 201)

    def test_browser(self) -> None:
        """A browser has to say JSON, which a form can't."""
        for mark in ("Origin: http://127.0.0.1:8080", "Sec-Fetch-Mode: cors"):
            self.assertEqual(self.create(mark), 415)
            self.assertEqual(self.create(mark, "Content-Type: text/plain"), 415)

    def test_others(self) -> None:
        """Everything else is refused."""
        for value in (
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/html",
            "application/problem+json",
            "application/json; charset=latin-1",
            "application/json, text/plain",
        ):
            self.assertEqual(self.create(f"Content-Type: {value}"), 415, value)
        both = ("Content-Type: application/json", "Content-Type: text/html")
        self.assertEqual(self.create(*both), 415)

    def test_noBody(self) -> None:
        """Without a body no type is needed, from a browser neither."""
        self.agent.add()
        answer = self.wire().ask(
            "POST", "/stop-process/myapp.web.0", None, "Origin: http://127.0.0.1:8080"
        )
        self.assertEqual(answer.status, 200)


class BodyTests(GateCase):
    """
    The size of a body.
    """

    def head(self, *headers: str) -> bytes:
        """The head of a create."""
        lines = ("POST /create-process HTTP/1.1", HOST, "Content-Type: application/json")
        return "\r\n".join([*lines, *headers, "", ""]).encode()

    def test_largest(self) -> None:
        """A body of exactly the bound is read."""
        wire = self.wire()
        body = json.dumps(CREATE).encode().ljust(BODY_BYTES)
        self.assertEqual(wire.ask("POST", "/create-process", body).status, 201)

    def test_chunkedTooLong(self) -> None:
        """A body that was not announced is cut at the bound."""
        wire = self.wire()
        wire.send(self.head("Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(BODY_BYTES // 0x10000):
            wire.send(chunk)
        self.assertFalse(wire.closed)
        wire.send(b"1\r\n \r\n0\r\n\r\n")
        self.assertRefused(wire, 413, "body-too-large")

    def test_chunkedTooLongAtOnce(self) -> None:
        """It is refused once, however much comes behind the bound."""
        wire = self.wire()
        chunk = b"100001\r\n" + b" " * 0x100001 + b"\r\n"
        wire.send(self.head("Transfer-Encoding: chunked") + chunk * 3 + b"0\r\n\r\n")
        self.assertRefused(wire, 413, "body-too-large")

    def test_chunked(self) -> None:
        """A body in chunks is read."""
        wire = self.wire()
        body = json.dumps(CREATE).encode()
        wire.send(self.head("Transfer-Encoding: chunked"))
        for index in range(len(body)):
            wire.send(b"1\r\n" + body[index : index + 1] + b"\r\n")
        wire.send(b"0\r\n\r\n")
        self.assertEqual(wire.answer().status, 201)

    def test_ignoredBody(self) -> None:
        """A GET may have a body; nobody reads it."""
        wire = self.wire()
        self.assertEqual(wire.ask("GET", "/ping", "x", "Content-Type: text/html").status, 200)
        self.assertEqual(wire.ask("GET", "/ping").status, 200)

    def test_expect(self) -> None:
        """A client that asks first is told to go on where its body is wanted."""
        body = json.dumps(CREATE).encode()
        wire = self.wire()
        wire.send(self.head(f"Content-Length: {len(body)}", "Expect: 100-continue"))
        self.assertEqual(wire.received(), b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.send(body)
        self.assertEqual(wire.answer().status, 201)

    def test_expectRefused(self) -> None:
        """It is not asked for a body that will be refused."""
        wire = self.wire()
        wire.send(self.head(f"Content-Length: {2 * BODY_BYTES}", "Expect: 100-continue"))
        self.assertRefused(wire, 413, "body-too-large")

    def test_bodyOfRefusedIsNotKept(self) -> None:
        """What a refused client goes on sending is thrown away, and not answered."""
        wire, transport = self.half()
        wire.send(self.head("Content-Length: 100000000"))
        answer = wire.answer()
        self.assertEqual(answer.status, 413)
        self.assertTrue(transport.half_closed)
        self.assertFalse(wire.closed)
        wire.send(b"x" * 1000)
        wire.request("POST", "/create-process", CREATE)
        self.assertEqual(wire.received(), b"")
        self.assertEqual(self.agent.by_slug, {})
        self.clock.advance(LINGER_SECONDS)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refusedClientThatHangsUp(self) -> None:
        """A refused client that closes its side leaves no timer."""
        wire, transport = self.half()
        wire.send(self.head("Content-Length: 100000000"))
        wire.hang_up()
        self.assertFalse(transport.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refusedClientThatFloods(self) -> None:
        """Of a refused client that goes on sending little is read, and it is soon cut."""
        wire, transport = self.half()
        wire.send(self.head("Content-Length: 100000000000"))
        self.assertEqual(wire.answer().status, 413)
        for _ in range(LINGER_BYTES // 0x10000):
            self.assertEqual(transport.producerState, "producing")
            wire.send(b"x" * 0x10000)
        self.assertEqual(transport.producerState, "paused")
        self.assertFalse(transport.aborted)
        self.clock.advance(FLOOD_SECONDS)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refusalOnItsWay(self) -> None:
        """One whose answer has not reached its machine yet has the time that all have."""
        reactor = MemoryReactorClock()
        site = make_site(self.agent.real, reactor)
        built = site.buildProtocol(THERE)
        assert built is not None
        connection = MemoryConnection(reactor, built)
        connection.room = 0
        connection.receive(self.head("Content-Length: 100000000000"))
        connection.receive(b"x" * LINGER_BYTES)
        self.assertFalse(connection.reading)
        reactor.advance(FLOOD_SECONDS)
        self.assertFalse(connection.aborted)
        reactor.advance(LINGER_SECONDS - FLOOD_SECONDS)
        self.assertTrue(connection.aborted)
        self.assertEqual(reactor.getDelayedCalls(), [])


class PipelineTests(GateCase):
    """
    Several requests on a connection.
    """

    def test_keepAlive(self) -> None:
        """A connection serves any number of requests, also after an error of a route."""
        wire = self.wire()
        self.assertEqual(wire.ask("GET", "/ping").status, 200)
        self.assertEqual(wire.ask("GET", "/process-status/x.y").status, 404)
        self.assertEqual(wire.ask("POST", "/create-process", {}).status, 400)
        self.assertEqual(wire.ask("GET", "/ping").status, 200)
        self.assertFalse(wire.closed)

    def test_pipelined(self) -> None:
        """Requests sent at once are answered in order."""
        wire = self.wire()
        ping = f"GET /ping HTTP/1.1\r\n{HOST}\r\n\r\n".encode()
        wire.send(ping * 3)
        self.assertEqual([answer.status for answer in wire.answers()], [200] * 3)

    def test_afterRefusal(self) -> None:
        """What was sent behind a refused request is not read."""
        create = json.dumps(CREATE)
        for refused in ("GET /nowhere HTTP/1.1", "POST /ping HTTP/1.1", "PUT / HTTP/1.1"):
            wire = self.wire()
            wire.send(
                f"{refused}\r\n{HOST}\r\n\r\n"
                f"POST /create-process HTTP/1.1\r\n{HOST}\r\n"
                f"Content-Length: {len(create)}\r\n\r\n{create}".encode()
            )
            self.assertEqual([answer.status for answer in wire.answers()][1:], [])
            self.assertTrue(wire.closed)
            self.assertEqual(self.agent.by_slug, {})

    def test_close(self) -> None:
        """A client that wants the connection closed has it closed."""
        wire = self.wire()
        answer = wire.ask("GET", "/ping", None, "Connection: close")
        self.assertEqual(answer.header("connection"), "close")
        self.assertTrue(wire.closed)

    def test_http10(self) -> None:
        """HTTP/1.0 gets whole answers, and a closed connection."""
        wire = self.wire()
        wire.send(f"GET /ping HTTP/1.0\r\n{HOST}\r\n\r\n".encode())
        answer = wire.answer()
        self.assertEqual((answer.status, answer.body), (200, b"OK"))
        self.assertTrue(wire.closed)


class NoHttpTests(GateCase):
    """
    What is no HTTP at all.
    """

    def test_malformed(self) -> None:
        """It is answered with a problem, once."""
        create = f"POST /create-process HTTP/1.1\r\n{HOST}\r\n"
        for data in (
            "hello\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nbad name : x\r\n\r\n",
            "GET / HTTP/1.1\r\nX: \0\r\n\r\n",
            create + "Content-Length: x\r\n\r\n{}",
            create + "Content-Length: -2\r\n\r\n{}",
            create + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            create + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            create + "Transfer-Encoding: gzip\r\n\r\n{}",
            create + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
            "GET / HTTP/1.1\r\n" + "X: y\r\n" * 600 + "\r\n",
            "GET / HTTP/1.1\r\nX: " + "y" * 20_000 + "\r\n\r\n",
            "GET /" + "y" * 20_000 + " HTTP/1.1\r\n\r\n",
            "y" * 70_000,
        ):
            for wire in (self.wire(), self.half()[0]):
                wire.send(data.encode())
                answer = wire.answer()
                self.assertEqual(answer.status, 400, data[:50])
                self.assertEqual(answer.header("content-type"), "application/problem+json")
                self.assertEqual(answer.json()["code"], "bad-request")
                self.assertEqual(answer.header("connection"), "close")
                self.assertTrue(answer.header("x-request-id"))
                if not wire.closed:
                    wire.send(f"GET /ping HTTP/1.1\r\n{HOST}\r\n\r\n".encode())
                    self.assertEqual(wire.received(), b"")
        self.clock.advance(LINGER_SECONDS)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.agent.by_slug, {})


class TimeTests(GateCase):
    """
    How long a client may take.
    """

    def test_drip(self) -> None:
        """A head that drips in is cut, however steadily it drips."""
        wire = self.wire()
        for _ in range(int(REQUEST_SECONDS) - 1):
            wire.send(b"G")
            self.clock.advance(1)
        self.assertFalse(wire.closed)
        wire.send(b"G")
        self.clock.advance(1)
        self.assertTrue(wire.closed)

    def test_dripOfBody(self) -> None:
        """Head and body have one deadline together."""
        wire = self.wire()
        wire.send(f"POST /create-process HTTP/1.1\r\n{HOST}\r\n".encode())
        self.clock.advance(REQUEST_SECONDS - 2)
        wire.send(b"Content-Length: 100\r\n\r\n{")
        self.clock.advance(1)
        wire.send(b" ")
        self.assertFalse(wire.closed)
        self.clock.advance(1)
        self.assertTrue(wire.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle(self) -> None:
        """A connection without a request is kept for a while, also between two."""
        wire = self.wire()
        self.clock.advance(IDLE_SECONDS - 1)
        self.assertEqual(wire.ask("GET", "/ping").status, 200)
        self.clock.advance(IDLE_SECONDS - 1)
        self.assertEqual(wire.ask("GET", "/ping").status, 200)
        self.clock.advance(IDLE_SECONDS - 1)
        self.assertFalse(wire.closed)
        self.clock.advance(1)
        self.assertTrue(wire.closed)

    def test_partOfTheNext(self) -> None:
        """The beginning of a next request in the same chunk has its own deadline."""
        wire = self.wire()
        wire.send(f"GET /ping HTTP/1.1\r\n{HOST}\r\n\r\nGET /pi".encode())
        self.assertEqual(wire.answer().status, 200)
        self.clock.advance(REQUEST_SECONDS)
        self.assertTrue(wire.closed)

    def test_longWork(self) -> None:
        """While an answer is made there is no deadline, and no timer."""
        process = self.agent.add()
        process.waits = True
        wire = self.wire()
        wire.request("POST", "/stop-process/myapp.web.0", {})
        self.assertEqual(self.clock.getDelayedCalls(), [])
        process.done.fire()
        self.assertEqual(wire.answer().status, 200)

    def test_noTimerLeft(self) -> None:
        """A connection that ends leaves no timer, and none runs without connections."""
        self.site.doStart()
        wire = self.wire()
        wire.request("GET", "/ping")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        wire.hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.site.doStop()


class ConnectionTests(GateCase):
    """
    How many connections there may be.
    """

    def bounded(self, most: int, most_of_a_peer: int) -> Connections:
        """A site of few connections."""
        return Census(most=most, most_of_a_peer=most_of_a_peer).guard(self.site)

    def from_(self, site: Connections, number: int) -> Wire:
        """A connection from an address."""
        return Wire(site, peer=IPv6Address("TCP", f"fd00::{number}", 1))

    def test_perPeer(self) -> None:
        """An address can't have more than its share, and gets it back."""
        site = self.bounded(10, 2)
        first = self.from_(site, 1)
        self.from_(site, 1)
        self.assertTrue(self.from_(site, 1).refused)
        self.assertFalse(self.from_(site, 2).refused)
        first.hang_up()
        self.assertFalse(self.from_(site, 1).refused)

    def test_inAll(self) -> None:
        """There is a bound for all together; unix sockets do not count."""
        site = self.bounded(2, 2)
        unix = UNIXAddress("/run/smartmob")
        for _ in range(5):
            self.assertFalse(Wire(site, host=unix, peer=UNIXAddress(None)).refused)
        self.from_(site, 1)
        second = self.from_(site, 2)
        self.assertTrue(self.from_(site, 3).refused)
        self.assertFalse(Wire(site, host=unix, peer=UNIXAddress(None)).refused)
        second.hang_up()
        self.assertFalse(self.from_(site, 3).refused)

    def test_told(self) -> None:
        """That some are refused is said once, until half of those that are open are gone."""
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

        def said() -> int:
            warnings = [each for each in events if each["log_level"] is LogLevel.warn]
            events.clear()
            return len(warnings)

        site = self.bounded(8, 4)
        for _ in range(2):
            wires = [self.from_(site, 1) for _ in range(4)]
            for _ in range(3):
                self.assertTrue(self.from_(site, 1).refused)
                others = self.from_(site, 2)
                self.assertFalse(others.refused)
                others.hang_up()
            self.assertEqual(said(), 1)
            wires.pop().hang_up()
            wires.append(self.from_(site, 1))
            self.assertTrue(self.from_(site, 1).refused)
            self.assertEqual(said(), 0)
            wires += [self.from_(site, number) for number in range(2, 6)]
            for number in range(6, 9):
                self.assertTrue(self.from_(site, number).refused)
            self.assertEqual(said(), 1)
            for wire in wires:
                wire.hang_up()

    def test_storm(self) -> None:
        """When there were many and few are left, that is told, once each time."""
        over: list[int] = []
        census = Census(storm_over=lambda: over.append(1))
        site = census.guard(self.site)
        for time in range(1, 4):
            wires = [self.from_(site, number) for number in range(STORM)]
            for _ in range(STORM - STORM // 16):
                self.assertEqual(len(over), time - 1)
                wires.pop().hang_up()
            self.assertEqual(len(over), time)
            while wires:
                wires.pop().hang_up()
        for _ in range(STORM):
            self.from_(site, 1).hang_up()
        self.assertEqual(len(over), 3)

    def test_unsent(self) -> None:
        """What was to be sent when a connection ended is let go at once."""
        descriptor = FileDescriptor(reactor=MemoryReactor())
        factory = Factory.forProtocol(Protocol)
        connection = Census().guard(factory).buildProtocol(THERE)
        assert connection is not None
        descriptor.connected = True
        connection.makeConnection(descriptor)
        descriptor.write(bytes(1000))
        descriptor.dataBuffer = bytes(1000)
        connection.connectionLost()
        self.assertEqual((descriptor.dataBuffer, descriptor._tempDataBuffer), (b"", []))
        self.assertEqual(descriptor._tempDataLen, 0)

    def test_abort(self) -> None:
        """All connections can be cut at the agent's end."""
        census = Census()
        self.successResultOf(census.abort())
        transports = [Transport(), Transport()]
        for transport in transports:
            Wire(census.guard(self.site), transport=transport)
        self.successResultOf(census.abort())
        self.assertEqual([transport.aborted for transport in transports], [True, True])
        self.assertEqual(self.clock.getDelayedCalls(), [])
