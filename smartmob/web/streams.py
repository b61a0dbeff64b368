"""
JSON Schemas of what comes piece by piece: the frames of a WebSocket, the lines of NDJSON,
the data of server-sent events.

No response of OpenAPI 3.1 can refer to the pieces of its body, so it is the descriptions of
the routes that name them.
"""

from __future__ import annotations

from smartmob.events import Topic
from smartmob.web.shapes import (
    COUNT,
    INTEGER,
    MOMENT,
    SLUG,
    TEXT,
    TEXTS,
    Schema,
    among,
    an_object,
    or_null,
    ref,
)

_NODE: Schema = {**TEXT, "description": "Only where it is about an app: whose it is."}
_PID = or_null(INTEGER)


def _event(name: str, properties: dict[str, Schema]) -> Schema:
    """
    What is told between lines; about an app it says also of whom.
    """
    return an_object({"event": {"const": name}, **properties, "node": _NODE}, "node")


_EVENT: dict[str, Schema] = {
    "id": COUNT,
    "time": MOMENT,
    "event": among(topic.value for topic in Topic),
    "app": TEXT,
    "node": TEXT,
    "process_type": TEXT,
    "slug": SLUG,
    "name": TEXT,
    "pid": INTEGER,
    "os_pid": INTEGER,
    "exit_status": INTEGER,
    "term_signal": INTEGER,
    "killed": TEXTS,
    "reason": TEXT,
}

_SOMETIMES = ("pid", "os_pid", "exit_status", "term_signal", "killed", "reason")

STREAMS: dict[str, Schema] = {
    "Line": an_object(
        {
            "seq": COUNT,
            "node": _NODE,
            "time": MOMENT,
            "stream": TEXT,
            "line": TEXT,
            "pid": _PID,
            "partial": {"const": True},
        },
        "node",
        "partial",
    ),
    "Dropped": _event("dropped", {"missed": COUNT}),
    "Attached": _event(
        "attached", {"slug": SLUG, "state": ref("State"), "epoch": TEXT, "next": COUNT}
    ),
    "Started": _event("started", {"time": MOMENT, "pid": INTEGER}),
    "Exited": _event(
        "exited",
        {
            "time": MOMENT,
            "pid": _PID,
            "code": or_null(INTEGER),
            "signal": or_null(TEXT),
            "ran_seconds": {"type": "number", "minimum": 0},
        },
    ),
    "StateChanged": _event("state", {"state": ref("State"), "reason": or_null(TEXT)}),
    "StdinRefused": _event("stdin-refused", {}),
    "Deleted": _event("deleted", {}),
    "LogLine": {
        "anyOf": [ref("Line"), ref("Dropped")],
        "description": "A line of /process-logs and /app-logs with format=json.",
    },
    "ConsoleFrame": {
        "anyOf": [
            ref(name)
            for name in (
                *("Line", "Dropped", "Attached", "Started", "Exited", "StateChanged"),
                *("StdinRefused", "Deleted"),
            )
        ],
        "description": "A frame of /attach-console and /attach-app with format=json.",
    },
    "Event": an_object(_EVENT, *_SOMETIMES),
    "EventFrame": {
        "anyOf": [ref("Event"), ref("Dropped")],
        "description": "A frame of /events, or the data of a server-sent event there.",
    },
}
"""By their names."""
