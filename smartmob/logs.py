"""
What the operator gets to read: one line an event, as text or as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from json import dumps
from typing import TextIO, cast

from attrs import frozen
from constantly import NamedConstant
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    PredicateResult,
    formatEvent,
    formatTime,
)
from zope.interface import implementer

from smartmob.threaded_writer import ThreadedWriter

ALWAYS = "smartmob_always"
"""The key of events that are shown at every verbosity."""

_SHOWN_FIELDS = (str, int, float, bool, type(None))


def as_text(event: LogEvent) -> str:
    """
    A line for a person.  What is no more than news stands alone behind the time
    stamp, a warning or an error says so first.
    """
    text = formatEvent(event)
    level = event.get("log_level", LogLevel.info)
    if level >= LogLevel.warn:
        text = f"{level.name}: {text}"
    failure = event.get("log_failure")
    if failure is not None:
        text = f"{text}\n{failure.getTraceback()}"
    return f"{formatTime(event.get('log_time'))} {text}\n".replace("\n", "\n    ").rstrip(" ")


def as_json(event: LogEvent) -> str:
    """
    A line for a program: C{time}, C{level}, C{message}, and the event's own fields.
    """
    fields = {
        key: value
        for key, value in event.items()
        if not key.startswith(("log_", "smartmob_")) and isinstance(value, _SHOWN_FIELDS)
    }
    document = {
        "time": formatTime(event.get("log_time")),
        "level": event.get("log_level", LogLevel.info).name,
        "message": formatEvent(event),
        **{key: fields[key] for key in fields if key not in ("time", "message", "level")},
    }
    failure = event.get("log_failure")
    if failure is not None:
        document["traceback"] = failure.getTraceback()
    return dumps(document) + "\n"


FORMATS: dict[str, Callable[[LogEvent], str]] = {"text": as_text, "json": as_json}


@implementer(ILogFilterPredicate)
@frozen
class Wanted:
    """
    What is shown: warnings and worse; from verbosity 1 on also what happens to
    processes and requests.  The framework's own news never is.
    """

    verbosity: int

    def __call__(self, event: LogEvent) -> NamedConstant:
        """
        See L{ILogFilterPredicate.__call__}.
        """
        level = event.get("log_level", LogLevel.info)
        if level >= LogLevel.warn or ALWAYS in event:
            return PredicateResult.yes
        ours = str(event.get("log_namespace", "")).startswith("smartmob")
        if self.verbosity and ours and level >= LogLevel.info:
            return PredicateResult.yes
        return PredicateResult.no


def observer(verbosity: int, log_format: str, out: TextIO | None = None) -> ILogObserver:
    """
    The observer that an agent logs to.

    @param out: Standard error, unless given; then nobody waits for who reads it.
    """
    file = ThreadedWriter(sys.stderr) if out is None else out
    written = FileLogObserver(cast(TextIO, file), FORMATS[log_format])
    return FilteringLogObserver(written, [Wanted(verbosity)])
