"""
L{smartmob.client.api}.
"""

from __future__ import annotations

import json
from typing import cast

from attrs import define, field
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from smartmob.client.api import Refused, Remote


@define(eq=False)
class Echo(Resource):
    """
    Answers every request with what is told to it, and keeps what was asked.
    """

    isLeaf = True
    status: int = 200
    answer: bytes = b"{}"
    asked: list[tuple[bytes, bytes, bytes | None, bytes]] = field(factory=list)

    def render(self, request: Request) -> bytes:
        """
        Answer.
        """
        assert request.content is not None
        kind = request.getHeader(b"Content-Type")
        self.asked.append((request.method, request.path, kind, request.content.read()))
        request.setResponseCode(self.status)
        return self.answer


class RemoteTests(SynchronousTestCase):
    """
    L{Remote}.
    """

    def setUp(self) -> None:
        """
        An agent, in memory.
        """
        self.echo = Echo()
        self.remote = Remote("http://agent", cast(HTTPClient, StubTreq(self.echo)))

    def test_get(self) -> None:
        """
        A document is read, members that are not known included.
        """
        self.echo.answer = b'{"processes": [], "more": 1}'
        document = self.successResultOf(ensureDeferred(self.remote.get("http://agent/list")))
        self.assertEqual(document, {"processes": [], "more": 1})
        self.assertEqual(self.echo.asked, [(b"GET", b"/list", None, b"")])

    def test_post(self) -> None:
        """
        A document is sent as JSON, and said to be.
        """
        sent = {"app": "h\u00e9"}
        self.successResultOf(ensureDeferred(self.remote.post("http://agent/create", sent)))
        [(method, path, kind, body)] = self.echo.asked
        self.assertEqual((method, path, kind), (b"POST", b"/create", b"application/json"))
        self.assertEqual(json.loads(body), sent)

    def refused(self, status: int, body: bytes) -> Refused:
        """
        What an answer that is an error is raised as.
        """
        self.echo.status, self.echo.answer = status, body
        failure = self.failureResultOf(
            ensureDeferred(self.remote.get("http://agent/x")), Refused
        )
        error = failure.value
        assert isinstance(error, Refused)
        return error

    def test_refused(self) -> None:
        """
        A problem document is raised with its code, its detail and each wrong field.
        """
        problem = {
            "code": "invalid-document",
            "detail": "two fields are wrong",
            "errors": [
                {"field": "app", "message": "is missing"},
                {"field": "node", "message": "is empty"},
            ],
        }
        error = self.refused(400, json.dumps(problem).encode())
        self.assertEqual((error.status, error.code), (400, "invalid-document"))
        self.assertEqual(str(error), "two fields are wrong; app: is missing; node: is empty")

    def test_someoneElse(self) -> None:
        """
        An error that is no problem document is told by its status.
        """
        for body in (b"", b"<html>", b"[]", b"{}", b'{"detail": 1}', b"null"):
            error = self.refused(502, body)
            self.assertEqual(
                (error.status, error.code, str(error)), (502, "", "HTTP status 502")
            )
