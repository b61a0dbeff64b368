"""
JSON Schemas of the documents, for the description of the interface: what is sent, what is
answered with, and what comes in streams.
"""

from __future__ import annotations

from attrs import fields

from smartmob import checks
from smartmob.documents import Limits, Output, Restart, State
from smartmob.plugins.life import State as PluginState
from smartmob.scaling import MOST, MOST_TYPES
from smartmob.web.problems import CATALOGUE
from smartmob.web.render import LINKS, SOCKETS
from smartmob.web.shapes import (
    APP,
    BOOLEAN,
    COUNT,
    CWD,
    ENV,
    INTEGER,
    LABELS,
    MOMENT,
    NO_NUL,
    SHA256,
    SIGNAL,
    SLUG,
    SOURCE_URL,
    STRINGS,
    TEXT,
    TEXTS,
    UMASK,
    URL,
    Schema,
    among,
    an_object,
    between,
    many,
    matching,
    or_null,
    ref,
)
from smartmob.web.streams import STREAMS
from smartmob.webhooks.outcome import Result

_FLAPPING = an_object(
    {
        "attempts": between(1, 1000),
        "window": {"type": "number", "exclusiveMinimum": 0, "maximum": checks.A_YEAR},
        "retry_in": between(0, checks.A_YEAR, "number"),
        "max_retry": between(-1),
    },
    closed=True,
)

_LIMITS = an_object(
    {
        **{limit.name: or_null(between(0, 2**63 - 1)) for limit in fields(Limits)},
        "cpu_percent": or_null(between(1, 1_000_000)),
    },
    *(limit.name for limit in fields(Limits)),
    closed=True,
)

_CREATE: dict[str, Schema] = {
    "app": APP,
    "node": matching(checks.NODE),
    "process_type": matching(checks.APP),
    "source_url": SOURCE_URL,
    "env": ENV,
    "source_sha256": or_null(SHA256),
    "cwd": or_null(CWD),
    "stop_signal": ref("Signal"),
    "graceful_timeout": between(0, 3600, "number"),
    "flapping": or_null(_FLAPPING),
    "redirect_input": BOOLEAN,
    "restart": among(word.value for word in Restart),
    "output": among(word.value for word in Output),
    "umask": UMASK,
    "nice": between(-20, 19),
    "no_new_privileges": BOOLEAN,
    "limits": _LIMITS,
    "labels": LABELS,
}

_EXIT: dict[str, Schema] = {
    "code": or_null(INTEGER),
    "signal": or_null(TEXT),
    "at": MOMENT,
    "ran_seconds": between(0, kind="number"),
    "killed": TEXTS,
    "left": many(an_object({"pid": INTEGER, "name": TEXT})),
}

_LAST_EXIT = an_object(_EXIT)
_PAST_EXIT = an_object({**_EXIT, "lines": TEXTS})

_EXAMPLE = {
    "app": "hello",
    "node": "web.0",
    "process_type": "web",
    "source_url": "http://127.0.0.1:8000/hello.tar.gz",
}

REQUESTS: dict[str, Schema] = {
    "CreateRequest": {
        **an_object(
            _CREATE,
            *(_CREATE.keys() - {"app", "node", "process_type", "source_url"}),
            closed=True,
        ),
        "examples": [_EXAMPLE, {**_EXAMPLE, "env": {"GREETING": "hi"}, "labels": {"by": "me"}}],
    },
    "VerbRequest": an_object({}, closed=True),
    "ScaleRequest": {
        "type": "object",
        "propertyNames": {"pattern": f"^{checks.APP}$"},
        "maxProperties": MOST_TYPES,
        "additionalProperties": {"anyOf": [between(0, MOST), matching("[+-][0-9]{1,5}")]},
        "examples": [{"web": 3, "worker": "+1", "clock": "-1"}],
    },
    "SignalRequest": {
        **an_object({"signal": ref("Signal")}, closed=True),
        "examples": [{"signal": "HUP"}, {"signal": 10}],
    },
    "StdinRequest": {
        **an_object({"data": TEXT, "eof": BOOLEAN}, "data", "eof", closed=True),
        "examples": [{"data": "a line\n"}, {"eof": True}],
    },
    "SignInRequest": an_object(
        {"token": matching(f"{NO_NUL}*", maxLength=checks.SHOWN_TOKEN_LENGTH)}, closed=True
    ),
    "TicketRequest": {
        **an_object(
            {"path": matching(f"/{NO_NUL}*", maxLength=checks.SOURCE_URL_LENGTH)}, closed=True
        ),
        "examples": [{"path": "/events"}],
    },
}
"""What is sent."""

_PROCESS: dict[str, Schema] = {
    "app": TEXT,
    "node": TEXT,
    "process_type": TEXT,
    "slug": SLUG,
    "state": ref("State"),
    "reason": or_null(TEXT),
    "pid": or_null(INTEGER),
    "restarts": COUNT,
    "created_at": MOMENT,
    "started_at": or_null(MOMENT),
    "last_exit": or_null(_LAST_EXIT),
    "port": or_null(INTEGER),
    "source_url": or_null(TEXT),
    "labels": STRINGS,
    "blocked": BOOLEAN,
    **dict.fromkeys(LINKS, URL),
}

_EXAMPLE_OF_PROCESS: dict[str, object] = {
    **{name: _EXAMPLE[name] for name in ("app", "node", "process_type")},
    "slug": "hello.web.0",
    "state": "running",
    "reason": None,
    "pid": 4711,
    "restarts": 0,
    "created_at": "2026-01-01T00:00:00.000Z",
    "started_at": "2026-01-01T00:00:00.250Z",
    "last_exit": None,
    "port": 20123,
    "source_url": _EXAMPLE["source_url"],
    "labels": {},
    "blocked": False,
    **{
        name: f"{'ws' if name in SOCKETS else 'http'}://127.0.0.1:8080{path}hello.web.0"
        for name, path in LINKS.items()
    },
}

DOCUMENTS: dict[str, Schema] = {
    "Index": an_object(
        {
            "list": URL,
            "create": URL,
            "scale": {"type": "string", "format": "uri-template"},
            "attach_app": {"type": "string", "format": "uri-template"},
            "archives": URL,
            "plugins": URL,
            "events": URL,
            "metrics": URL,
            "openapi": URL,
            "version": TEXT,
        }
    ),
    "Stored": an_object(
        {
            "source_url": matching("smartmob-archive:[0-9a-f]{64}"),
            "sha256": SHA256,
            "size": COUNT,
        }
    ),
    "Ticket": an_object({"ticket": TEXT, "expires_at": MOMENT}),
    "Version": an_object({"name": {"const": "smartmob"}, "version": TEXT}),
    "Process": {
        **an_object(_PROCESS),
        "examples": [_EXAMPLE_OF_PROCESS],
    },
    "WholeProcess": {
        **an_object({**_PROCESS, "last_exits": many(_PAST_EXIT)}),
        "examples": [{**_EXAMPLE_OF_PROCESS, "last_exits": []}],
    },
    "Listing": an_object({"processes": many(ref("Process"))}),
    "Stats": an_object(
        {
            "cpu_percent": between(0, kind="number"),
            "rss_bytes": COUNT,
            "processes": COUNT,
            "threads": COUNT,
            "open_files": COUNT,
            "memory_bytes": or_null(COUNT),
            "started_at": or_null(MOMENT),
        }
    ),
    "Reload": an_object(
        dict.fromkeys(("started", "restarted", "stopped", "warnings"), TEXTS),
    ),
    "Webhook": an_object(
        {
            "url": TEXT,
            "topics": TEXTS,
            "queued": COUNT,
            "queued_bytes": COUNT,
            "next_try_at": or_null(MOMENT),
            "delivered": COUNT,
            "failed": COUNT,
            "refused": COUNT,
            "missed": COUNT,
            "last": or_null(
                an_object(
                    {
                        "event": INTEGER,
                        "at": MOMENT,
                        "result": among(result.value for result in Result),
                        "status": or_null(INTEGER),
                        "error": or_null(TEXT),
                    }
                )
            ),
        }
    ),
    "Webhooks": an_object({"webhooks": many(ref("Webhook"))}),
    "Plugin": an_object(
        {
            "name": TEXT,
            "version": TEXT,
            "description": TEXT,
            "mandatory": TEXTS,
            "folder": or_null(TEXT),
            "module": or_null(TEXT),
            "state": among(state.value for state in PluginState),
            "error": or_null(TEXT),
            "site": or_null(URL),
        }
    ),
    "Plugins": an_object({"plugins": many(ref("Plugin"))}),
    "Description": an_object(
        {
            "openapi": matching(r"3\.1\.[0-9]+"),
            "info": {"type": "object"},
            "paths": {"type": "object"},
            "components": {"type": "object"},
        }
    ),
    "Nothing": an_object({}),
}
"""What is answered with."""


def problem_name(code: str) -> str:
    """
    What the schema of an error is called.
    """
    return "".join(word.capitalize() for word in code.split("-"))


def _problem(code: str) -> Schema:
    kind = CATALOGUE[code]
    return {
        "allOf": [ref("Problem")],
        "properties": {
            "type": {"const": f"urn:smartmob:problem:{code}"},
            "title": {"const": kind.title},
            "status": {"const": kind.status},
            "code": {"const": code},
        },
        "description": kind.title,
    }


PROBLEMS: dict[str, Schema] = {
    "Problem": {
        **an_object(
            {
                "type": URL,
                "title": TEXT,
                "status": between(400, 599),
                "detail": TEXT,
                "code": among(CATALOGUE),
                "errors": many(ref("FieldError")),
            },
            "errors",
        ),
        "description": "An error (RFC 9457).",
    },
    "FieldError": {
        **an_object({"field": TEXT, "message": TEXT}),
        "description": "What is wrong with a member or a parameter; empty: with all of it.",
    },
    **{problem_name(code): _problem(code) for code in CATALOGUE},
}
"""Errors: one for each code, so that what a route can answer says which are possible."""

SCHEMAS: dict[str, Schema] = {
    "State": among(state.value for state in State),
    "Signal": SIGNAL,
    **REQUESTS,
    **DOCUMENTS,
    **STREAMS,
    **PROBLEMS,
}
"""By their names."""
