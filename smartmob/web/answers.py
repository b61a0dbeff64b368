"""
Answers of routes, for the description of the interface: what is said when all is well, and
each error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby

from attrs import field, frozen

from smartmob.web.problems import CATALOGUE
from smartmob.web.schemas import problem_name
from smartmob.web.shapes import TEXT, URL, Schema, among, matching, ref

JSON = "application/json"
PROBLEM = "application/problem+json"
EVENT_STREAM = "text/event-stream"


def _header(schema: Schema, about: str, required: bool = True) -> Schema:
    return {"schema": schema, "description": about, "required": required}


HEADERS: dict[str, Schema] = {
    "X-Request-Id": _header(
        matching("[A-Za-z0-9._-]{1,128}"),
        "What the request is called in the agent's log: its own X-Request-Id, or a new one.",
    ),
    "Vary": _header(TEXT, "Origin, where there are cors_origins.", False),
    "Access-Control-Allow-Origin": _header(
        TEXT, "The Origin of the request, where cors_origins has it.", False
    ),
    "Access-Control-Expose-Headers": _header(
        TEXT, "Headers that a page of one of cors_origins may read.", False
    ),
    "Strict-Transport-Security": _header(TEXT, "That it came by TLS, and is to.", False),
    "Location": _header(URL, "Where it is."),
    "WWW-Authenticate": _header(
        TEXT,
        'How to show who one is (RFC 6750): Bearer realm="smartmob"; more where that failed.',
    ),
    "Set-Cookie": _header(
        TEXT, "What shows who one is; HttpOnly, SameSite=Strict, and Secure on TLS.", False
    ),
    "Allow": _header(TEXT, "The methods that the path has."),
    "Accept": _header(TEXT, "The types that can be taken.", False),
    "Cache-Control": _header(among(("no-store", "no-cache")), "Whether to keep it."),
    "X-Content-Type-Options": _header(among(("nosniff",)), "It is what it says."),
    "Cross-Origin-Opener-Policy": _header(
        among(("same-origin-allow-popups",)), "Which windows may get hold of it."
    ),
    "ETag": _header(TEXT, "Another one as soon as the file is another."),
    "Last-Modified": _header(TEXT, "When the file was changed.", False),
    "Content-Security-Policy": _header(TEXT, "What a page may do."),
    "X-Frame-Options": _header(among(("SAMEORIGIN",)), "Who may show it in a frame."),
    "Cross-Origin-Resource-Policy": _header(among(("same-origin",)), "Who may use it."),
    "Referrer-Policy": _header(among(("same-origin",)), "Who is told of the page."),
    "Upgrade": _header(among(("websocket", "WebSocket")), "What the connection is to be."),
    "Connection": _header(among(("Upgrade",)), "That it is to be."),
    "Sec-WebSocket-Version": _header(among(("13",)), "Which version can be had."),
    "Sec-WebSocket-Accept": _header(TEXT, "What shows that the handshake was read."),
}
"""Those of answers, besides what every HTTP server says."""

OF_SOCKETS = (
    "X-Request-Id",
    "Vary",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
)
"""What the answer to a handshake may have in common with every other."""

EVERYWHERE = (
    *OF_SOCKETS,
    "Cache-Control",
    "X-Content-Type-Options",
    "Strict-Transport-Security",
)
"""What every other answer may have."""

OF_FILES = (
    "X-Frame-Options",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Referrer-Policy",
    "Content-Security-Policy",
    "ETag",
    "Last-Modified",
)

_OF_STATUS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    415: ("Accept",),
    426: ("Upgrade", "Connection", "Sec-WebSocket-Version"),
}
"""What errors say in headers."""


def _headers(names: Iterable[str], common: Iterable[str] = EVERYWHERE) -> dict[str, Schema]:
    return {name: ref(name, "headers") for name in (*common, *names)}


@frozen(kw_only=True)
class Answer:
    """
    One that is no error.

    @ivar content: The schema of its body, by the type of that: an empty one of bytes, and of
        events, of which there is no end.  Without any it has no body.
    @ivar headers: Names of L{HEADERS}.
    @ivar about: When, and what it is, for a person.
    @ivar links: What can be asked next, by the names of functions.
    """

    status: int = 200
    content: Mapping[str, Schema] = field(factory=dict)
    headers: tuple[str, ...] = ()
    about: str = ""
    links: tuple[str, ...] = ()

    @property
    def document(self) -> Schema:
        """
        As OpenAPI has it.
        """
        document: Schema = {
            "description": self.about or HTTPStatus(self.status).phrase,
            "headers": _headers(self.headers, OF_SOCKETS if self.status == 101 else EVERYWHERE),
        }
        if self.content:
            document["content"] = {
                kind: {"schema": schema} if schema else {}
                for kind, schema in self.content.items()
            }
        if self.links:
            document["links"] = {
                name: {"operationId": name, "parameters": {"slug": "$response.body#/slug"}}
                for name in self.links
            }
        return document


def shows(name: str, **more: object) -> Answer:
    """
    A document, by the name of its schema.
    """
    return Answer(content={JSON: ref(name)}, **more)  # type: ignore[arg-type] # as callers have it


def accepted(name: str) -> Answer:
    """
    The same, before it is done.
    """
    return shows(name, status=202, about="With wait=0: it will be done.")


def upgraded(about: str) -> Answer:
    """
    A WebSocket.
    """
    return Answer(
        status=101,
        headers=("Upgrade", "Connection", "Sec-WebSocket-Accept"),
        about=f"A WebSocket: {about}",
    )


def errors(codes: Iterable[str]) -> dict[str, str]:
    """
    The names of the responses that tell of these errors, by their status.
    """
    by_status = sorted(set(codes), key=_place)
    return {
        str(status): ".".join(same)
        for status, same in groupby(by_status, lambda code: CATALOGUE[code].status)
    }


def error(name: str) -> Schema:
    """
    The response of that name: one of some errors of the same status.
    """
    codes = name.split(".")
    status = CATALOGUE[codes[0]].status
    schemas = [ref(problem_name(code)) for code in codes]
    schema: Schema = schemas[0]
    if len(schemas) > 1:
        schema = {
            "oneOf": schemas,
            "discriminator": {
                "propertyName": "code",
                "mapping": {
                    code: each["$ref"] for code, each in zip(codes, schemas, strict=True)
                },
            },
        }
    titles = [CATALOGUE[code].title for code in codes]
    content = {PROBLEM: {"schema": schema}}
    if "unauthorized" in codes:
        titles.append("a browser that a person sends there with GET gets a page to sign in")
        content["text/html"] = {}
    return {
        "description": "; ".join(titles),
        "headers": _headers(_OF_STATUS.get(status, ())),
        "content": content,
    }


def _place(code: str) -> int:
    """
    Where it stands in the catalogue, which is in the order of statuses.
    """
    return list(CATALOGUE).index(code)
