"""
L{smartmob.web.request_log}: what the log tells of requests.
"""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from smartmob.logs import as_json
from tests.support.httpwire import Wire
from tests.support.signing import READ, AccessCase, SocketClient, bearer


class RequestLogTests(AccessCase):
    """
    An event a request.
    """

    def setUp(self) -> None:
        """
        Listen to what is said.
        """
        super().setUp()
        self.said: list[LogEvent] = []
        observer = cast(ILogObserver, self.said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def events(self) -> list[LogEvent]:
        """
        What was said of requests since this was last asked.
        """
        found = [each for each in self.said if each["log_namespace"].endswith("request_log")]
        self.said.clear()
        return found

    def event(self) -> dict[str, Any]:
        """
        The one event, as JSON has it.
        """
        [event] = self.events()
        document: dict[str, Any] = json.loads(as_json(event))
        for key in ("time", "format", "isError", "system"):  # the latter are trial's additions
            document.pop(key, None)
        return document

    def test_answered(self) -> None:
        """
        Id, method, path, route, status, bytes, seconds, client and the name of the token, as
        fields of JSON and for a person.
        """
        path = f"/process-status/{self.shop.slug}"
        answer = self.ask("GET", path, bearer(READ), "X-Request-Id: abc-1")
        document = self.event()
        message = document.pop("message")
        self.assertEqual(
            document,
            {
                "level": "info",
                "method": "GET",
                "path": path,
                "route": "/process-status/<slug>",
                "status": 200,
                "bytes": len(answer.body),
                "seconds": 0.0,
                "client": "127.0.0.1",
                "token": "reader",
                "request_id": "abc-1",
            },
        )
        self.assertEqual(
            message,
            f"GET {path} 200, {len(answer.body)} bytes in 0.000 s, "
            "from 127.0.0.1 as reader (abc-1)",
        )

    def test_head(self) -> None:
        """
        An answer without a body has no bytes; the time is what it took.
        """
        self.ask("HEAD", "/ping")
        self.assertEqual(self.event()["bytes"], 0)
        wire = Wire(self.site)
        wire.send(b"POST /tickets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n")
        wire.send(f"{bearer(READ)}\r\nContent-Type: application/json\r\n\r\n".encode())
        self.clock.advance(1.5)
        wire.send(b"{}")
        document = self.event()
        self.assertEqual((document["seconds"], document["status"]), (1.5, 400))

    def test_refused(self) -> None:
        """
        What is refused is told too, whatever for; without a token there is no name.
        """
        for status, method, path, route, headers in (
            (401, "GET", "/list-processes", "/list-processes", ()),
            (404, "GET", "/nothing", "none", (bearer(READ),)),
            (405, "PUT", "/list-processes", "none", (bearer(READ),)),
            (404, "GET", "/process-status/x.y", "/process-status/<slug>", (bearer(READ),)),
            (403, "POST", "/reload", "/reload", (bearer(READ),)),
            (403, "GET", "/", "/", ("Origin: http://evil.example",)),
        ):
            self.ask(method, path, *headers)
            document = self.event()
            found = (document["status"], document["method"], document["path"])
            self.assertEqual(found, (status, method, path))
            self.assertIn(document["route"], (route, "none"))
            self.assertGreater(document["bytes"], 0)
            self.assertIn(document["token"], (None, "reader"))

    def test_malformed(self) -> None:
        """
        So is what is no HTTP.
        """
        wire = Wire(self.site)
        wire.send(b"nonsense\r\n\r\n")
        header = wire.answer().header("x-request-id")
        document = self.event()
        self.assertEqual(document["status"], 400)
        self.assertEqual((document["route"], document["request_id"]), ("none", header))
        self.assertEqual(document["client"], "127.0.0.1")

    def test_secrets(self) -> None:
        """
        Nothing of a query is told.
        """
        self.ask("GET", "/process-logs/x.y?ticket=secret&tail=1")
        ticket = self.ticket("/list-processes", READ)
        self.events()
        self.ask("GET", f"/list-processes{ticket}")
        [event] = self.events()
        self.assertNotIn("ticket", f"{event} {formatEvent(event)}")
        self.assertNotIn(ticket.partition("=")[2], f"{event}")

    def test_terminal(self) -> None:
        """
        Nothing that a client sends reaches a terminal as more than letters, or at any length.
        """
        for path in ("/a%1b[31m", "/" + "x" * 5000):
            self.ask("GET", path)
            said = self.event()
            self.assertTrue(said["message"].isprintable())
            self.assertLess(len(said["message"]), 1200)
        wire = Wire(self.site)
        wire.send(b"GET /\x1b[31m\x07\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for event in self.events():
            self.assertTrue(formatEvent(event).isprintable(), event)

    def test_hungUp(self) -> None:
        """
        A client that hangs up is told of as such, in the midst of an answer or before there
        is one.
        """
        wire = Wire(self.site)
        path = f"/process-logs/{self.shop.slug}?follow=1"
        wire.request("GET", path, None, bearer(READ))
        self.shop.console.received("stdout", b"hello\n", 1)
        self.assertEqual(self.events(), [])
        self.clock.advance(3)
        wire.hang_up()
        document = self.event()
        self.assertEqual((document["status"], document["seconds"]), (200, 3))
        self.assertEqual(document["bytes"], len(b"hello\n"))
        self.assertIn("when the client hung up", document["message"])
        wire = Wire(self.site)
        wire.send(b"POST /tickets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n")
        wire.send(f"{bearer(READ)}\r\nContent-Type: application/json\r\n\r\n".encode())
        wire.hang_up()
        document = self.event()
        self.assertEqual((document["status"], document["route"]), (None, "/tickets"))
        self.assertIn("the client hung up after 0.000 s", document["message"])

    def test_webSocket(self) -> None:
        """
        A WebSocket is told of when it opens, and when it is closed: with which code, and
        after what time.
        """
        client = self.socket(f"/attach-console/{self.shop.slug}", bearer(READ))
        opened = self.event()
        self.assertEqual((opened["status"], opened["route"]), (101, "/attach-console/<slug>"))
        self.assertIn("opened, a WebSocket", opened["message"])
        self.clock.advance(7)
        self.shop.console.deleted()
        client.connection.lose()
        closed = self.event()
        self.assertEqual((closed["code"], closed["seconds"]), (1000, 7))
        self.assertEqual(closed["request_id"], opened["request_id"])
        self.assertEqual(closed["token"], "reader")
        self.assertIn("closed with 1000 after 7.000 s", closed["message"])

    def test_webSocketCut(self) -> None:
        """
        One whose connection ends without a word has the code that stands for that.
        """
        client = self.socket(f"/attach-console/{self.shop.slug}", bearer(READ))
        self.events()
        client.connection.lose()
        self.assertEqual(self.event()["code"], 1006)
        other = SocketClient(self.clock, self.site)
        self.assertEqual(other.upgrade("/attach-console/shop.none", bearer(READ)), 404)
        self.assertEqual(self.event()["status"], 404)
