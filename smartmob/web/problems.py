"""
Every error that the REST interface answers with, and the one way to render them:
U{RFC 9457<https://www.rfc-editor.org/rfc/rfc9457>} problem documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from attrs import field, frozen

from smartmob.converter import InvalidDocument
from smartmob.refusals import Refusal

CONTENT_TYPE = b"application/problem+json"


@frozen
class Kind:
    """
    An entry of the catalogue.
    """

    status: int
    title: str


CATALOGUE: Mapping[str, Kind] = {
    "bad-request": Kind(400, "The request is not valid HTTP"),
    "bad-json": Kind(400, "The body is not JSON"),
    "invalid-document": Kind(400, "The document is not valid"),
    "bad-query": Kind(400, "A query parameter is not valid"),
    "unauthorized": Kind(401, "Nobody is let in without a token"),
    "forbidden-host": Kind(403, "The Host is not one of this agent"),
    "forbidden-origin": Kind(403, "The request comes from a foreign page"),
    "forbidden-scope": Kind(403, "The token is not for that"),
    "source-not-allowed": Kind(403, "Sources may not come from there"),
    "not-found": Kind(404, "There is nothing at this path"),
    "unknown-process": Kind(404, "There is no such process"),
    "unknown-app": Kind(404, "There is no such app"),
    "method-not-allowed": Kind(405, "The method is not allowed here"),
    "slug-in-use": Kind(409, "A process of that slug exists"),
    "not-running": Kind(409, "The program is not running"),
    "no-input": Kind(409, "The program takes no input"),
    "body-too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body is of an unsupported type"),
    "upgrade-required": Kind(426, "This is a WebSocket"),
    "too-many-processes": Kind(429, "There are too many processes"),
    "internal-error": Kind(500, "The agent failed"),
    "tree-left": Kind(500, "Something of the program could not be ended"),
    "stopping": Kind(503, "The agent is stopping"),
    "no-port": Kind(503, "No port is free"),
    "out-of-descriptors": Kind(503, "The agent has no file descriptors left"),
    "stdin-full": Kind(503, "The program does not read its input"),
    "state-not-written": Kind(507, "What was sent can't be kept"),
}
"""The codes, as documented; none of them ever means something else."""


@frozen
class FieldError:
    """
    What is wrong with one field of a body; C{field} is empty for the whole of it.
    """

    field: str
    message: str


@frozen(eq=False, repr=False)
class Problem(Exception):
    """
    An error, ready to be answered.

    @ivar code: A key of L{CATALOGUE}.
    @ivar detail: A sentence for the person who asked.
    @ivar headers: Further headers of the answer.
    """

    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[bytes, bytes] = field(factory=dict)

    @property
    def status(self) -> int:
        """
        The HTTP status.
        """
        return CATALOGUE[self.code].status

    def encode(self) -> bytes:
        """
        The document.
        """
        kind = CATALOGUE[self.code]
        document: dict[str, object] = {
            "type": f"urn:smartmob:problem:{self.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            document["errors"] = [
                {"field": error.field, "message": error.message} for error in self.errors
            ]
        return json.dumps(document).encode() + b"\n"


@frozen(eq=False, repr=False)
class Stranger(Problem):
    """
    Somebody did not say who they are.  Whoever did, and is not believed, is none.
    """


@frozen
class Rendered:
    """
    An error as it is sent.

    @ivar headers: Further ones, which say how to show it.
    """

    status: int
    content_type: bytes
    body: bytes
    headers: Mapping[bytes, bytes] = field(factory=dict)


Renderer = Callable[[bytes, Problem], Rendered]
"""Renders the error of a request for a path."""


def as_problem(path: bytes, problem: Problem) -> Rendered:
    """
    As a problem document, whatever the path.
    """
    return Rendered(problem.status, CONTENT_TYPE, problem.encode())


def problem_of(refusal: Refusal) -> Problem:
    """
    How a refusal of the domain is answered.
    """
    detail = str(refusal) or (type(refusal).__doc__ or "").strip()
    if isinstance(refusal, InvalidDocument):
        errors = tuple(FieldError(name, message) for name, message in refusal.errors)
        return Problem(refusal.code, detail, errors)
    return Problem(refusal.code, detail)


def bad_query(name: str, message: str) -> Problem:
    """
    A query parameter that can't be used.
    """
    return Problem("bad-query", f"{name} {message}", (FieldError(name, message),))
