"""
What is kept of one process, as a value and as a file.
"""

from __future__ import annotations

import json
from math import nan
from typing import Any

from attrs import Attribute, asdict, field, frozen

from smartmob.converter import structure
from smartmob.documents import CreateRequest, LastExit, Left, PastExit
from smartmob.state.versioned import (
    UNREADABLE,
    Damaged,
    Senseless,
    damage_told,
    loaded,
    shown,
    whole_number,
)

SCHEMA = 1
"""Of what is written.  What was written by an older one has fewer members."""

KEPT_EXITS = 10
"""So many of the last exits of a process are kept."""


MOST_BYTES = 32 << 20
"""What has more is no record: what can be asked for is less, however it is written."""

_LATEST = 253_402_300_799.0
"""The end of the year 9999, in seconds since the epoch: what is later has no date."""

_LAST_PORT = 65_535


@frozen(kw_only=True)
class Record:
    """
    What is kept of one process.

    @ivar created_at: Seconds since the epoch; with the slug it tells a process from all
        others there ever were.
    @ivar port: The one that is set aside for it.
    @ivar request: What was asked for; C{None}: it is one of the configuration file.
    @ivar wanted: Whether it is to run; C{None}: nobody has said so, or the opposite, but
        the file.
    @ivar release: The name of its release, once it has one.
    @ivar restarts: The automatic ones.
    @ivar exits: How many runs have ended.
    @ivar last_exits: The last L{KEPT_EXITS} of them, the newest first.
    """

    slug: str
    created_at: float
    port: int | None = None
    request: CreateRequest | None = field(default=None, repr=False)
    wanted: bool | None = None
    release: str | None = None
    restarts: int = 0
    exits: int = 0
    last_exits: tuple[PastExit, ...] = ()


def encoded(record: Record) -> bytes:
    """
    A record as its file has it.
    """
    request = record.request
    document = {
        "schema": SCHEMA,
        "slug": record.slug,
        "created_at": record.created_at,
        "port": record.port,
        "request": None if request is None else request_document(request),
        "wanted": record.wanted,
        "release": record.release,
        "restarts": record.restarts,
        "exits": record.exits,
        "last_exits": [exit_document(each) for each in record.last_exits],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def decoded(slug: str, data: bytes) -> Record:
    """
    The record that a file has.

    @param slug: Whose it should be.
    @raise Damaged: It has none.
    @raise Newer: It has one that can't be read.
    """
    with damage_told():
        record = _record(loaded(data, SCHEMA))
    if record.slug != slug:
        raise Damaged(f"is the record of {record.slug!r}")
    if record.request is not None and record.request.slug != slug:
        raise Damaged(f"has a request for {record.request.slug!r}")
    return record


def request_document(request: CreateRequest) -> dict[str, object]:
    """
    What was asked for, as files have it.
    """
    return asdict(request, filter=_is_said)


def exit_document(past: PastExit) -> dict[str, object]:
    """
    An exit, as files have it.
    """
    last = past.exit  # attrs.asdict takes five times as long, and this is with each exit
    return {
        "code": last.code,
        "signal": last.signal,
        "at": last.at,
        "ran_seconds": last.ran_seconds,
        "killed": last.killed,
        "left": [{"pid": one.pid, "name": one.name} for one in last.left],
        "lines": past.lines,
    }


def exit_of(document: dict[str, Any]) -> PastExit:
    """
    The exit that a file has.

    @raise ValueError: It has none; also the others of L{UNREADABLE}.
    """
    return PastExit(
        LastExit(
            code=None if document["code"] is None else whole_number(document, "code"),
            signal=None if document["signal"] is None else str(document["signal"]),
            at=_time(document, "at"),
            ran_seconds=_time(document, "ran_seconds"),
            killed=tuple(map(str, document["killed"])),
            left=tuple(Left(int(one["pid"]), str(one["name"])) for one in document["left"]),
        ),
        tuple(map(str, document["lines"])),
    )


def _record(document: dict[str, Any]) -> Record:
    request = document.get("request")
    wanted = document.get("wanted")
    release = document.get("release")
    if not isinstance(wanted, bool | None) or not isinstance(release, str | None):
        raise Senseless("wanted is true, false or null, and release a name")
    try:
        exits = tuple(map(exit_of, document.get("last_exits", ())))[:KEPT_EXITS]
    except UNREADABLE:
        raise Senseless("last_exits are none") from None
    return Record(
        slug=str(document["slug"]),
        created_at=_time(document, "created_at"),
        port=_port(document),
        request=None if request is None else structure(request, CreateRequest),
        wanted=wanted,
        release=release,
        restarts=whole_number(document, "restarts") or 0,
        exits=whole_number(document, "exits") or 0,
        last_exits=exits,
    )


def began(slug: str, document: dict[str, Any]) -> Record:
    """
    The record of a process of which only its beginning was noted.

    @raise ValueError: It was not; also the others of L{UNREADABLE}.
    """
    return Record(slug=slug, created_at=_time(document, "of"), port=_port(document))


def _port(document: dict[str, Any]) -> int | None:
    port = whole_number(document, "port")
    if port is not None and not 0 < port <= _LAST_PORT:
        raise Senseless(f"{shown(port)} is no port")
    return port


def _time(document: dict[str, Any], name: str) -> float:
    value = document[name]
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = nan
    if not 0 <= seconds <= _LATEST:
        raise Senseless(f"{name}: {shown(value)} is no time")
    return seconds


def _is_said(attribute: Attribute[object], value: object) -> bool:
    # What has its default is left out, which is nothing an older release could not know.
    return value != attribute.default
