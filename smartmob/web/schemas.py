"""
JSON Schemas of the documents, for the description of the interface.
"""

from __future__ import annotations

from typing import Any

from attrs import fields

from smartmob import checks
from smartmob.documents import Limits, Output, Restart, State
from smartmob.plugins.life import State as PluginState
from smartmob.scaling import MOST
from smartmob.web.problems import CATALOGUE
from smartmob.web.render import LINKS
from smartmob.webhooks.outcome import Result

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
URL: Schema = {"type": "string", "format": "uri"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
STRINGS: Schema = {"type": "object", "additionalProperties": TEXT}


def ref(name: str) -> Schema:
    """
    A schema by its name.
    """
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Schema], *optional: str, closed: bool = False) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    if not schema["required"]:
        del schema["required"]
    if closed:
        schema["additionalProperties"] = False
    return schema


def _or_null(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _matching(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _between(least: float, most: float | None = None, kind: str = "integer") -> Schema:
    schema: Schema = {"type": kind, "minimum": least}
    if most is not None:
        schema["maximum"] = most
    return schema


_SIGNAL: Schema = {
    "type": ["string", "integer"],
    "description": "A name such as TERM, with or without SIG, in any case, or a number.",
}

_FLAPPING = _object(
    {
        "attempts": _between(1, 1000),
        "window": {"type": "number", "exclusiveMinimum": 0, "maximum": checks.A_YEAR},
        "retry_in": _between(0, checks.A_YEAR, "number"),
        "max_retry": _between(-1),
    },
    closed=True,
)

_LIMIT = _or_null(_between(0, 2**63 - 1))
_LIMITS = _object(
    {limit.name: _LIMIT for limit in fields(Limits)},
    *(limit.name for limit in fields(Limits)),
    closed=True,
)

_SHA256 = _matching("[0-9A-Fa-f]{64}")

_CREATE: dict[str, Schema] = {
    "app": _matching(checks.APP),
    "node": _matching(checks.NODE),
    "process_type": _matching(checks.APP),
    "source_url": {
        **URL,
        "maxLength": checks.SOURCE_URL_LENGTH,
        "description": "Where the archive is: http, https, or smartmob-archive:SHA256.",
    },
    "env": {**STRINGS, "maxProperties": checks.ENV_NAMES},
    "source_sha256": _or_null(_SHA256),
    "cwd": _or_null({**TEXT, "description": "Relative to the source, without .."}),
    "stop_signal": _SIGNAL,
    "graceful_timeout": _between(0, 3600, "number"),
    "flapping": _or_null(_FLAPPING),
    "redirect_input": BOOLEAN,
    "restart": {"enum": [word.value for word in Restart]},
    "output": {"enum": [word.value for word in Output]},
    "umask": {"type": ["string", "integer"], "description": 'Octal, as "027", or to 511.'},
    "nice": _between(-20, 19),
    "no_new_privileges": BOOLEAN,
    "limits": _LIMITS,
    "labels": {**STRINGS, "maxProperties": checks.LABELS},
}

_LAST_EXIT = _object(
    {
        "code": _or_null(INTEGER),
        "signal": _or_null(TEXT),
        "at": MOMENT,
        "ran_seconds": {"type": "number"},
        "killed": {"type": "array", "items": TEXT},
        "left": {"type": "array", "items": _object({"pid": INTEGER, "name": TEXT})},
    }
)

SCHEMAS: dict[str, Schema] = {
    "Index": _object(
        {
            "list": URL,
            "create": URL,
            "scale": TEXT,
            "attach_app": TEXT,
            "archives": URL,
            "plugins": URL,
            "events": URL,
            "openapi": URL,
            "version": TEXT,
        }
    ),
    "Stored": _object({"source_url": TEXT, "sha256": _SHA256, "size": INTEGER}),
    "Version": _object({"name": TEXT, "version": TEXT}),
    "CreateRequest": _object(
        _CREATE,
        *(_CREATE.keys() - {"app", "node", "process_type", "source_url"}),
        closed=True,
    ),
    "VerbRequest": _object({}, closed=True),
    "ScaleRequest": {
        "type": "object",
        "propertyNames": {"pattern": f"^{checks.APP}$"},
        "additionalProperties": {
            "anyOf": [
                _between(0, MOST),
                {"type": "string", "pattern": "^[+-][0-9]{1,5}$"},
            ]
        },
    },
    "SignalRequest": _object({"signal": _SIGNAL}, closed=True),
    "StdinRequest": _object({"data": TEXT, "eof": BOOLEAN}, "data", "eof", closed=True),
    "Process": _object(
        {
            "app": TEXT,
            "node": TEXT,
            "process_type": TEXT,
            "slug": TEXT,
            "state": {"enum": [state.value for state in State]},
            "reason": _or_null(TEXT),
            "pid": _or_null(INTEGER),
            "restarts": INTEGER,
            "created_at": MOMENT,
            "started_at": _or_null(MOMENT),
            "last_exit": _or_null(_LAST_EXIT),
            "port": _or_null(INTEGER),
            "source_url": _or_null(TEXT),
            "labels": STRINGS,
            "blocked": BOOLEAN,
            **dict.fromkeys(LINKS, URL),
        }
    ),
    "Listing": _object({"processes": {"type": "array", "items": ref("Process")}}),
    "Stats": _object(
        {
            "cpu_percent": {"type": "number"},
            "rss_bytes": INTEGER,
            "processes": INTEGER,
            "threads": INTEGER,
            "open_files": INTEGER,
            "started_at": _or_null(MOMENT),
        }
    ),
    "Reload": _object(
        {
            name: {"type": "array", "items": TEXT}
            for name in ("started", "restarted", "stopped", "warnings")
        }
    ),
    "Webhook": _object(
        {
            "url": TEXT,
            "topics": {"type": "array", "items": TEXT},
            "queued": INTEGER,
            "queued_bytes": INTEGER,
            "next_try_at": _or_null(MOMENT),
            "delivered": INTEGER,
            "failed": INTEGER,
            "refused": INTEGER,
            "missed": INTEGER,
            "last": _or_null(
                _object(
                    {
                        "event": INTEGER,
                        "at": MOMENT,
                        "result": {"enum": [result.value for result in Result]},
                        "status": _or_null(INTEGER),
                        "error": _or_null(TEXT),
                    }
                )
            ),
        }
    ),
    "Webhooks": _object({"webhooks": {"type": "array", "items": ref("Webhook")}}),
    "Plugins": _object({"plugins": {"type": "array", "items": ref("Plugin")}}),
    "Plugin": _object(
        {
            "name": TEXT,
            "version": TEXT,
            "description": TEXT,
            "mandatory": {"type": "array", "items": TEXT},
            "folder": _or_null(TEXT),
            "module": _or_null(TEXT),
            "state": {"enum": [state.value for state in PluginState]},
            "error": _or_null(TEXT),
            "site": _or_null(URL),
        }
    ),
    "Nothing": _object({}),
    "Problem": _object(
        {
            "type": URL,
            "title": TEXT,
            "status": INTEGER,
            "detail": TEXT,
            "code": {"enum": list(CATALOGUE)},
            "errors": {"type": "array", "items": _object({"field": TEXT, "message": TEXT})},
        },
        "errors",
    ),
}
"""By their names."""
