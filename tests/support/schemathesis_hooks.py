"""
What schemathesis has to know of the agent that it tries, loaded by it.

It makes requests of what the description says, and of what it forbids.  Here they are
made to be about something: a slug that nobody has would be all that ever was asked for.
And no stream is read to its end, which it does not have.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from random import Random
from typing import Any

import requests
import schemathesis

AGENT = os.environ["FUZZED_AGENT"]
"""The URL of the agent."""

SOURCE = os.environ["FUZZED_SOURCE"]
"""The URL of an archive, the only one that the agent may have."""

TOKEN = os.environ["FUZZED_TOKEN"]
"""A token of the agent's, or nothing."""

TALLY = os.environ["FUZZED_TALLY"]
"""The file that is told how each request was answered."""

APP = "hello"

PATIENCE = 60.0
"""Seconds that an answer may take."""

SILENCE = 0.3
"""So many seconds nothing may come in a stream that could go on."""

Body = dict[str, Any]

_chance = Random(os.environ["FUZZED_SEED"])
_session = requests.Session()
_session.headers.update({"Authorization": f"Bearer {TOKEN}"} if TOKEN else {})

_HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def mostly() -> bool:
    """
    True in most cases.
    """
    return _chance.random() < 0.8


def process(kind: str, number: int) -> dict[str, Any]:
    """
    A create request that will do.
    """
    return {
        "app": APP,
        "node": f"{kind}.{number}",
        "process_type": kind,
        "source_url": SOURCE,
        "redirect_input": True,
        "graceful_timeout": 0.2,
    }


def ensured() -> str:
    """
    The slug of a process that runs, or has a good chance to.
    """
    wanted = process("web", _chance.randrange(3))
    slug = f"{APP}.{wanted['node']}"
    made = _session.post(f"{AGENT}/create-process", json=wanted, timeout=PATIENCE)
    if made.status_code == 409:
        _session.post(f"{AGENT}/start-process/{slug}", timeout=PATIENCE)
    start = time.monotonic()
    while time.monotonic() - start < 2:
        shown = _session.get(f"{AGENT}/process-status/{slug}", timeout=PATIENCE)
        if shown.json().get("state") == "running":
            break
        time.sleep(0.01)
    return slug


def _whole(value: Any) -> Any:
    """
    The same with 1 for 1.0: to JSON Schema that is an integer, and to the agent none.
    """
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _create(body: Body) -> Body:
    """
    Few processes, of a source that there is, which can be ended soon.
    """
    body["graceful_timeout"] = 0.2
    if isinstance(body.get("limits"), dict):
        body["limits"].pop("cpu_percent", None)  # not where there are no cgroups
    if mostly():
        body.update(process(_chance.choice(("web", "clock")), _chance.randrange(4)))
        if mostly():  # those that there are would be in the way
            slug = f"{APP}.{body['node']}"
            _session.post(f"{AGENT}/delete-process/{slug}", timeout=PATIENCE)
    return body


def _scale(body: Body) -> Body:
    """
    Not by much.
    """
    steps = {
        name: f"{value[0]}{int(value[1:]) % 3}" if isinstance(value, str) else value % 4
        for name, value in body.items()
    }
    if mostly():
        return dict(zip(("web", "clock"), steps.values(), strict=False))
    return steps


def _sign_in(body: Body) -> Body:
    """
    With a token that is one.
    """
    return {"token": TOKEN or "any"} if mostly() else body


_BODIES: dict[str, Callable[[Body], Body]] = {
    "create_process": _create,
    "scale_app": _scale,
    "sign_in": _sign_in,
}


def _stream(path: str, headers: Any, query: dict[str, Any]) -> None:
    """
    Have events that there are, and handshakes that are whole.
    """
    if "follow" not in query and not mostly():
        headers["Accept"] = "text/event-stream"
    if path == "/events":
        if mostly():
            query["after"] = 0
            query.pop("topic", None)
        if not mostly():
            headers.update(_HANDSHAKE)


def _endless(query: dict[str, Any]) -> bool:
    """
    Whether an answer is to go on: so it does as events, which can be left.
    """
    value = query.get("follow")
    return str(value[-1] if isinstance(value, list) and value else value) == "1"


def _left(response: requests.Response, *_: object, **__: object) -> None:
    """
    Where an answer is not the end, be ready to leave.
    """
    connection: Any = response.raw.connection
    if response.status_code == 101:
        adapter: Any = response
        adapter.connection.close()  # it speaks no HTTP any more
    elif response.headers.get("Content-Type") == "text/event-stream":
        connection.sock.settimeout(SILENCE)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    """
    Make it about something.
    """
    kwargs["hooks"] = {"response": [_left]}
    components = case.meta.components.items() if case.meta else ()
    wrong = {location.name for location, each in components if each.mode.is_negative}
    if "PATH" not in wrong and mostly():
        _place(case.path_parameters)
    if "BODY" not in wrong and isinstance(case.body, dict):
        change = _BODIES.get(_name(case), lambda body: body)
        case.body = change(_whole(case.body))
    if not {"QUERY", "HEADER"} & wrong and case.operation.method == "get":
        _stream(case.operation.path, case.headers, case.query)
    if _endless(case.query):
        case.headers["Accept"] = "text/event-stream"


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: Any, response: schemathesis.Response
) -> None:
    """
    Tell how it was answered.
    """
    with open(TALLY, "a", encoding="ascii") as tally:
        tally.write(f"{_name(case)} {response.status_code}\n")


def _name(case: Any) -> str:
    name: str = case.operation.definition.raw["operationId"]
    return name


def _place(path: dict[str, Any]) -> None:
    """
    Put something into a path that there is.
    """
    if "slug" in path:
        path["slug"] = ensured()
    elif "app" in path:
        ensured()
        path["app"] = APP
    elif "name" in path:
        path["name"] = "dummy"
        if "file" in path:
            path["file"] = _chance.choice(("index.html", "style.css"))
