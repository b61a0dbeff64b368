"""
The description of the interface, for programs:
U{OpenAPI 3.1<https://spec.openapis.org/oas/v3.1.0>}, made from the table of routes.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import define, field, frozen
from twisted.web import http

import smartmob
from smartmob.web.api import FILTERS, send
from smartmob.web.query import APP_FORMATS
from smartmob.web.render import encode
from smartmob.web.routing import Route, Routes, new_app
from smartmob.web.schemas import SCHEMAS, TEXT, Schema, ref
from smartmob.web.site import Request

_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


@frozen
class Operation:
    """
    What the table of routes does not say.

    @ivar body: The name of the request's schema.
    @ivar status: Of success.
    @ivar answer: The name of the answer's schema; C{None}: it is text, or none.
    @ivar query: Parameters.
    @ivar media: Of an answer without a schema.
    @ivar bytes_type: What the body is, where it is no JSON.
    """

    answer: str | None
    body: str | None = None
    status: int = http.OK
    query: tuple[tuple[str, Schema], ...] = ()
    media: str = "text/plain"
    bytes_type: str | None = None


_WAIT = (("wait", {"enum": [0, 1], "default": 1}),)
_GLOBS: Schema = {"type": "array", "items": TEXT}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_STREAM = ("stream", {"type": "array", "items": TEXT})

_OF_APP = (
    ("tail", _COUNT),
    _STREAM,
    ("node", _GLOBS),
    ("format", {"enum": list(APP_FORMATS)}),
)

OPERATIONS: dict[str, Operation] = {
    "index": Operation("Index"),
    "version": Operation("Version"),
    "ping": Operation(None),
    "openapi": Operation("Nothing"),
    "list_processes": Operation("Listing", query=tuple((name, _GLOBS) for name in FILTERS)),
    "create_process": Operation("Process", "CreateRequest", http.CREATED),
    "process_status": Operation("Process"),
    "start_process": Operation("Process", "VerbRequest", query=_WAIT),
    "stop_process": Operation("Process", "VerbRequest", query=_WAIT),
    "restart_process": Operation("Process", "VerbRequest", query=_WAIT),
    "delete_process": Operation("Nothing", "VerbRequest", query=_WAIT),
    "delete_app": Operation("Nothing", "VerbRequest", query=_WAIT),
    "reload_configuration": Operation("Reload", "VerbRequest", query=_WAIT),
    "scale_app": Operation("Listing", "ScaleRequest"),
    "signal_process": Operation("Process", "SignalRequest"),
    "write_stdin": Operation("Process", "StdinRequest"),
    "put_archive": Operation(
        "Stored", status=http.CREATED, bytes_type="application/octet-stream"
    ),
    "process_stats": Operation("Stats"),
    "list_plugins": Operation("Plugins"),
    "visit_site": Operation(None, status=http.MOVED_PERMANENTLY),
    "site_index": Operation(None, media="text/html"),
    "site_file": Operation(None, media="*/*"),
    "list_webhooks": Operation("Webhooks"),
    "process_logs": Operation(
        None,
        query=(
            ("tail", _COUNT),
            _STREAM,
            ("format", {"enum": ["plain", "json"]}),
            ("follow", {"enum": [0, 1], "default": 0}),
        ),
    ),
    "app_logs": Operation(None, query=(*_OF_APP, ("follow", {"enum": [0, 1], "default": 0}))),
    "attach_app": Operation(None, status=http.SWITCHING, query=_OF_APP),
    "events": Operation(
        None, query=(("topic", _GLOBS), ("after", _COUNT)), media="text/event-stream"
    ),
    "attach_console": Operation(
        None,
        status=http.SWITCHING,
        query=(
            ("tail", _COUNT),
            ("after", _COUNT),
            ("epoch", TEXT),
            _STREAM,
            ("format", {"enum": ["plain", "json"]}),
            ("stdin", {"enum": [0, 1], "default": 0}),
        ),
    ),
}
"""By the names of the functions that answer."""


def describe(routes: Routes) -> dict[str, Any]:
    """
    The document.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        members = paths.setdefault(_ARGUMENT.sub(r"{\1}", route.path), {})
        for method in route.methods:
            members[method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "smartmob", "version": smartmob.__version__},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": SCHEMAS},
    }


def _operation(route: Route) -> dict[str, Any]:
    about = OPERATIONS[route.endpoint]
    success: dict[str, Any] = {"description": http.RESPONSES[about.status].decode()}
    if about.answer is not None:
        success["content"] = {"application/json": {"schema": ref(about.answer)}}
    elif about.status == http.OK:
        success["content"] = {about.media: {"schema": TEXT}}
    problem = {"application/problem+json": {"schema": ref("Problem")}}
    operation: dict[str, Any] = {
        "operationId": route.endpoint,
        "summary": route.summary,
        "parameters": [
            *(_parameter(name, TEXT, "path") for name in _ARGUMENT.findall(route.path)),
            *(_parameter(name, schema, "query") for name, schema in about.query),
        ],
        "responses": {
            str(about.status): success,
            "default": {"description": "A problem", "content": problem},
        },
    }
    if about.query == _WAIT:
        operation["responses"]["202"] = {**success, "description": "Accepted, with wait=0"}
    if about.body is not None:
        operation["requestBody"] = {
            "content": {"application/json": {"schema": ref(about.body)}},
            "required": "required" in SCHEMAS[about.body],
        }
    if about.bytes_type is not None:
        operation["requestBody"] = {"content": {about.bytes_type: {}}, "required": True}
    return operation


def _parameter(name: str, schema: Schema, where: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


@define(eq=False, repr=False)
class OpenApi:
    """
    Shows the description, which is made once, when all routes are known.
    """

    app = new_app()
    _encoded: bytes = field(default=b"{}", init=False)

    def describe(self, routes: Routes) -> None:
        """
        From now on show these.
        """
        self._encoded = encode(describe(routes)) + b"\n"

    @app.route("/openapi.json", methods=["GET"])
    def openapi(self, request: Request) -> bytes:
        """This description of the interface, as OpenAPI 3.1."""
        return send(request, b"application/json", self._encoded)
