"""
What a line of the journal changes in the records.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from attrs import evolve

from smartmob.state.record import KEPT_EXITS, Record, began, exit_of
from smartmob.state.versioned import UNREADABLE


def folded(records: dict[str, Record], entry: dict[str, Any], unread: Container[str]) -> None:
    """
    Take over what a line says, unless the record is of later, or of another process that
    had the same name.

    @param unread: Slugs of records that nobody is to put another in the place of.
    """
    try:
        slug, of = str(entry["slug"]), float(entry["of"])
        record = records.get(slug)
        if "port" in entry and record is None and slug not in unread:
            # One of the configuration file has no record of its own at first.
            records[slug] = began(slug, entry)
        elif record is None or record.created_at != of:
            return
        elif "gone" in entry:
            # One that was created is there as long as its file is.
            if record.request is None:
                del records[slug]
        elif "exit" in entry and int(entry["exits"]) >= record.exits:
            records[slug] = _with_exit(record, entry)
        elif "release" in entry:
            records[slug] = evolve(record, release=str(entry["release"]))
    except UNREADABLE:
        return  # a line of a later release: what it does not know of a process is a number


def _with_exit(record: Record, entry: dict[str, Any]) -> Record:
    number = int(entry["exits"])
    # Of what an operator has said since, the record itself is written, with as many exits.
    is_over = number > record.exits and entry.get("over") is True
    # The last one may be told again, once more is known of it.
    earlier = record.last_exits[1:] if number == record.exits else record.last_exits
    return evolve(
        record,
        restarts=max(record.restarts, int(entry["restarts"])),
        exits=number,
        last_exits=(exit_of(entry["exit"]), *earlier)[:KEPT_EXITS],
        wanted=False if is_over else record.wanted,
    )
