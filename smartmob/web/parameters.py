"""
Parameters of routes, for the description of the interface: parts of paths, queries, and the
headers of requests that count.
"""

from __future__ import annotations

from attrs import frozen

from smartmob.topics import LONGEST, MOST
from smartmob.web.query import APP_FORMATS, LONGEST_GLOB, MOST_GLOBS
from smartmob.web.shapes import APP, COUNT, SLUG, TEXT, TEXTS, Schema, among, many, matching

Parameter = dict[str, object]


@frozen
class Asked:
    """
    A parameter of a query.

    @ivar about: What it does, for a person.
    """

    name: str
    schema: Schema
    about: str

    @property
    def document(self) -> Parameter:
        """
        As OpenAPI has it.
        """
        return {
            "name": self.name,
            "in": "query",
            "required": False,
            "schema": self.schema,
            "description": self.about,
        }


_SWITCH: Schema = {"enum": [0, 1], "default": 0}

WAIT = Asked(
    "wait", {"enum": [0, 1], "default": 1}, "0: answered at once, with 202, and done later."
)
TAIL = Asked("tail", COUNT, "So many of the kept lines first.")
AFTER = Asked("after", COUNT, "First the kept lines with a higher number.")
EPOCH = Asked("epoch", TEXT, "The run of the agent that 'after' is from.")
STREAM = Asked("stream", TEXTS, "Only those streams: stdout, stderr, or a label.")
FORMAT = Asked("format", among(("plain", "json")), "plain unless said otherwise.")
APP_FORMAT = Asked("format", among(APP_FORMATS), "plain unless said otherwise.")
FOLLOW = Asked("follow", _SWITCH, "1: also the lines to come; the answer does not end.")
STDIN = Asked("stdin", _SWITCH, "1: what the client sends is input of the program.")
_GLOBS: Schema = {
    **many({"type": "string", "maxLength": LONGEST_GLOB}),
    "maxItems": MOST_GLOBS,
}
NODES = Asked("node", _GLOBS, "Only processes whose node matches one of these globs.")

_PART = r"(?:\*\*?|[^.*]+)"

TOPIC = Asked(
    "topic",
    {
        **many(matching(rf"\.?|{_PART}(?:\.{_PART})*", maxLength=LONGEST)),
        "maxItems": MOST,
    },
    "Only events with such a name: a part may be * for one, ** for any number.",
)
AFTER_EVENT = Asked("after", COUNT, "First the kept events with a higher number.")


def filters(names: tuple[str, ...]) -> tuple[Asked, ...]:
    """
    Those of a listing.
    """
    return tuple(
        Asked(name, _GLOBS, f"Only processes whose {name} matches one of these globs.")
        for name in names
    )


ARGUMENTS: dict[str, tuple[Schema, str]] = {
    "slug": (SLUG, "The slug of a process."),
    "app": (APP, "The name of an app."),
    "name": (TEXT, "The name of a plugin's folder."),
    "file": (TEXT, "The path of a file below the folder, slashes as they are."),
}
"""What paths have in them, and what that is."""


def argument(name: str) -> Parameter:
    """
    A part of a path.
    """
    schema, about = ARGUMENTS[name]
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema,
        "description": about,
    }


@frozen
class Sent:
    """
    A header of a request.

    @ivar about: What it does, for a person.
    @ivar required: There is no success without it.
    """

    name: str
    schema: Schema
    about: str
    required: bool = False

    @property
    def document(self) -> Parameter:
        """
        As OpenAPI has it.
        """
        return {
            "name": self.name,
            "in": "header",
            "required": self.required,
            "schema": self.schema,
            "description": self.about,
        }


REQUEST_ID = Sent(
    "X-Request-Id",
    TEXT,
    "What the request is called in the log and in the answer: 1 to 128 letters, digits, '.', "
    "'_', '-'; anything else is ignored.",
)

LAST_EVENT_ID = Sent(
    "Last-Event-ID",
    TEXT,
    "The number of the server-sent event that was seen last; what is no number is ignored.",
)

CONDITIONS = (
    Sent("If-None-Match", TEXT, "Answered with 304 where the file has one of these tags."),
    Sent("If-Modified-Since", TEXT, "Answered with 304 where the file was not changed since."),
)


_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The example of RFC 6455."""

_HANDSHAKE: dict[str, Schema] = {
    "Upgrade": among(("websocket",)),
    "Connection": among(("Upgrade",)),
    "Sec-WebSocket-Version": among(("13",)),
    "Sec-WebSocket-Key": matching("[A-Za-z0-9+/]{22}=="),
}
"""What makes a request the beginning of a WebSocket (RFC 6455, 4.2.1)."""

HANDSHAKE = tuple(
    Sent(name, schema, "Of a WebSocket's handshake.", required=True)
    for name, schema in _HANDSHAKE.items()
)
"""Where there is nothing else to be had ..."""

PERHAPS = tuple(
    Sent(name, {**TEXT, "examples": schema.get("enum", [_KEY])}, "Of a WebSocket's handshake.")
    for name, schema in _HANDSHAKE.items()
)
"""... and where there is, so that what is no handshake is no fault."""
