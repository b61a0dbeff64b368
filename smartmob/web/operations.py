"""
What the table of routes does not say of them, for the description of the interface.
"""

from __future__ import annotations

from attrs import frozen

from smartmob.web.answers import (
    EVENT_STREAM,
    OF_FILES,
    Answer,
    accepted,
    shows,
    upgraded,
)
from smartmob.web.api import FILTERS
from smartmob.web.parameters import (
    AFTER,
    AFTER_EVENT,
    APP_FORMAT,
    CONDITIONS,
    EPOCH,
    FOLLOW,
    FORMAT,
    HANDSHAKE,
    LAST_EVENT_ID,
    NODES,
    PERHAPS,
    STDIN,
    STREAM,
    TAIL,
    TOPIC,
    WAIT,
    Asked,
    Sent,
    filters,
)
from smartmob.web.shapes import TEXT, Schema


@frozen(kw_only=True)
class Operation:
    """
    What the table of routes does not say of one.

    @ivar tag: What it is about.
    @ivar answers: Those that are no errors.
    @ivar body: The name of the request's schema.
    @ivar bytes_type: What the body is, where it is no JSON.
    @ivar query: Parameters.
    @ivar headers: Those of the request that count.
    @ivar about: More of it, for a person.
    @ivar codes: The errors that can't be told from the route: see
        L{codes_of<smartmob.web.openapi.codes_of>}.
    """

    tag: str
    answers: tuple[Answer, ...]
    body: str | None = None
    bytes_type: str | None = None
    query: tuple[Asked, ...] = ()
    headers: tuple[Sent, ...] = ()
    about: str = ""
    codes: tuple[str, ...] = ()


def _verb(tag: str, answer: str, *codes: str) -> Operation:
    """
    Something that is to be done, and may take a while.
    """
    return Operation(
        tag=tag,
        body="VerbRequest",
        answers=(shows(answer), accepted(answer)),
        query=(WAIT,),
        codes=("bad-query", *codes),
    )


_NO_ROOM = ("too-many-processes", "stopping", "no-port", "out-of-descriptors")
"""Why there can be no more processes."""

_TEXT = "text/plain"
_NDJSON = "application/x-ndjson"

_FILE = Answer(content={"*/*": {}}, headers=OF_FILES, about="The file.")
_KNOWN = Answer(
    status=304,
    headers=OF_FILES,
    about="The client has it: what If-None-Match or If-Modified-Since says.",
)

_LINES: dict[str, Schema] = {_TEXT: TEXT, _NDJSON: TEXT, EVENT_STREAM: {}}

_LOGS = Answer(
    content=_LINES,
    about="Lines; with format=json a LogLine each; where Accept names text/event-stream, "
    "server-sent events, which go on by themselves.",
)

OPERATIONS: dict[str, Operation] = {
    "index": Operation(tag="agent", answers=(shows("Index"),)),
    "version": Operation(tag="agent", answers=(shows("Version"),)),
    "ping": Operation(
        tag="agent", answers=(Answer(content={_TEXT: {"const": "OK"}}, about="It does."),)
    ),
    "openapi": Operation(tag="agent", answers=(shows("Description"),)),
    "sign_in": Operation(
        tag="access",
        body="SignInRequest",
        answers=(
            Answer(
                status=204,
                headers=("Set-Cookie",),
                about="Signed in; without a cookie where the agent asks nobody.",
            ),
        ),
        codes=("unauthorized",),
    ),
    "sign_out": Operation(
        tag="access",
        body="VerbRequest",
        answers=(Answer(status=204, headers=("Set-Cookie",), about="Signed out."),),
    ),
    "make_ticket": Operation(
        tag="access",
        body="TicketRequest",
        answers=(shows("Ticket", status=201, about="Until then, once."),),
    ),
    "reload_configuration": _verb(
        "agent", "Reload", "invalid-document", "tree-left", "stopping"
    ),
    "list_plugins": Operation(tag="agent", answers=(shows("Plugins"),)),
    "list_webhooks": Operation(tag="agent", answers=(shows("Webhooks"),)),
    "metrics": Operation(
        tag="agent",
        about="To a token that is for some apps only, just what is about these.",
        answers=(
            Answer(content={_TEXT: TEXT}, about="Prometheus' text format, version 0.0.4."),
        ),
    ),
    "events": Operation(
        tag="agent",
        answers=(
            Answer(
                content={EVENT_STREAM: {}},
                about="Server-sent events, each an EventFrame; they do not end.",
            ),
            upgraded("each frame is an EventFrame."),
        ),
        query=(TOPIC, AFTER_EVENT),
        headers=(LAST_EVENT_ID, *PERHAPS),
        codes=("bad-query", "upgrade-required", "out-of-descriptors"),
    ),
    "list_processes": Operation(
        tag="processes",
        answers=(shows("Listing"),),
        query=filters(tuple(FILTERS)),
        codes=("bad-query",),
    ),
    "create_process": Operation(
        tag="processes",
        body="CreateRequest",
        about="Limits beyond the agent's own, and a nice below 0, take the scope admin.",
        answers=(
            shows(
                "Process",
                status=201,
                headers=("Location",),
                about="It exists, and is set going.",
                links=(
                    *("process_status", "start_process", "stop_process", "restart_process"),
                    *("delete_process", "signal_process", "write_stdin"),
                    *("process_logs", "process_stats"),
                ),
            ),
        ),
        codes=("source-not-allowed", "slug-in-use", "state-not-written", *_NO_ROOM),
    ),
    "process_status": Operation(tag="processes", answers=(shows("WholeProcess"),)),
    "start_process": _verb("processes", "Process", "stopping", "state-not-written"),
    "stop_process": _verb("processes", "Process", "tree-left", "state-not-written"),
    "restart_process": _verb(
        "processes", "Process", "tree-left", "stopping", "state-not-written"
    ),
    "delete_process": _verb("processes", "Nothing", "tree-left", "state-not-written"),
    "signal_process": Operation(
        tag="processes",
        body="SignalRequest",
        answers=(shows("Process"),),
        codes=("not-running",),
    ),
    "write_stdin": Operation(
        tag="processes",
        body="StdinRequest",
        answers=(shows("Process"),),
        codes=("not-running", "no-input", "stdin-full"),
    ),
    "process_stats": Operation(tag="processes", answers=(shows("Stats"),)),
    "scale_app": Operation(
        tag="apps",
        body="ScaleRequest",
        answers=(shows("Listing"),),
        codes=(
            "source-not-allowed",
            "tree-left",
            "slug-in-use",
            "state-not-written",
            *_NO_ROOM,
        ),
    ),
    "delete_app": _verb("apps", "Nothing", "tree-left", "state-not-written"),
    "put_archive": Operation(
        tag="archives",
        bytes_type="application/octet-stream",
        answers=(shows("Stored", status=201, about="It is kept."),),
        codes=("out-of-descriptors", "stopping", "state-not-written"),
    ),
    "process_logs": Operation(
        tag="lines",
        answers=(_LOGS,),
        query=(TAIL, AFTER, EPOCH, STREAM, FORMAT, FOLLOW),
        headers=(LAST_EVENT_ID,),
        codes=("bad-query", "out-of-descriptors"),
    ),
    "app_logs": Operation(
        tag="lines",
        answers=(_LOGS,),
        query=(TAIL, STREAM, NODES, APP_FORMAT, FOLLOW),
        codes=("bad-query", "out-of-descriptors"),
    ),
    "attach_console": Operation(
        tag="lines",
        about="stdin=1 takes the scope write.",
        answers=(upgraded("a frame a line; with format=json each is a ConsoleFrame."),),
        query=(TAIL, AFTER, EPOCH, STREAM, FORMAT, STDIN),
        headers=HANDSHAKE,
        codes=("bad-query", "no-input", "upgrade-required", "out-of-descriptors"),
    ),
    "attach_app": Operation(
        tag="lines",
        answers=(
            upgraded("a frame a line; with format=json each is a ConsoleFrame with its node."),
        ),
        query=(TAIL, STREAM, NODES, APP_FORMAT),
        headers=HANDSHAKE,
        codes=("bad-query", "upgrade-required", "out-of-descriptors"),
    ),
    "visit_site": Operation(
        tag="sites",
        answers=(
            Answer(
                status=301,
                headers=("Location",),
                about="The site lies behind a slash.",
            ),
        ),
    ),
    "site_index": Operation(tag="sites", answers=(_FILE, _KNOWN), headers=CONDITIONS),
    "site_file": Operation(tag="sites", answers=(_FILE, _KNOWN), headers=CONDITIONS),
}
"""By the names of the functions that answer."""
